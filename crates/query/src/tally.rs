//! What a scan reads: parts, and blocks with their bytes by where they were, among the metrics that
//! EXPLAIN ANALYZE prints with its node.
//!
//! Counted is what is asked of blocks while the plan runs; footers that are at hand cost nothing, and
//! lists of parts are read before, for the plan.

use async_trait::async_trait;
use cidlake_block::{Block, Blocks, BlocksError, Cid, PutReport};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};

/// Notes how many parts a table has, and how many of them the plan left out.
pub(crate) fn note_parts(metrics: &ExecutionPlanMetricsSet, total: u64, kept: usize) {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    MetricBuilder::new(metrics).global_counter("parts_total").add(number(total));
    let pruned = total.saturating_sub(kept as u64);
    MetricBuilder::new(metrics).global_counter("parts_pruned").add(number(pruned));
}

/// What is read of parts for one partition of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    parts: Count,
    memory: Tier,
    packs: Tier,
}

/// Blocks that were in one place.
#[derive(Clone, Debug)]
struct Tier {
    blocks: Count,
    bytes: Count,
}

impl Tally {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let count = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            parts: count("parts_read"),
            memory: Tier { blocks: count("blocks_from_memory"), bytes: count("bytes_from_memory") },
            packs: Tier { blocks: count("blocks_from_packs"), bytes: count("bytes_from_packs") },
        }
    }

    /// Counts a part of which values are read.
    pub(crate) fn part(&self) {
        self.parts.add(1);
    }
}

impl Tier {
    fn add(&self, block: &Block) {
        self.blocks.add(1);
        self.bytes.add(block.len());
    }
}

/// Blocks of which every one that is returned is counted.
#[derive(Debug)]
pub(crate) struct Tallied<'a> {
    pub(crate) blocks: &'a dyn Blocks,
    pub(crate) tally: &'a Tally,
}

#[async_trait]
impl Blocks for Tallied<'_> {
    async fn get(&self, cid: &Cid) -> Result<Block, BlocksError> {
        if let Some(block) = self.cached(cid) {
            return Ok(block);
        }
        let block = self.blocks.get(cid).await?;
        self.tally.packs.add(&block);
        Ok(block)
    }

    async fn get_many(&self, cids: &[Cid]) -> Result<Vec<Block>, BlocksError> {
        let near: Vec<Option<Block>> = cids.iter().map(|cid| self.cached(cid)).collect();
        let missing = cids.iter().zip(&near).filter(|(_, near)| near.is_none());
        let missing: Vec<Cid> = missing.map(|(cid, _)| *cid).collect();
        let far = match missing.is_empty() {
            true => Vec::new(),
            false => self.blocks.get_many(&missing).await?,
        };
        far.iter().for_each(|block| self.tally.packs.add(block));
        let mut far = far.into_iter();
        let all = near.into_iter().map(|near| near.or_else(|| far.next()));
        Ok(all.flatten().collect())
    }

    fn cached(&self, cid: &Cid) -> Option<Block> {
        let block = self.blocks.cached(cid)?;
        self.tally.memory.add(&block);
        Some(block)
    }

    async fn has(&self, cid: &Cid) -> Result<bool, BlocksError> {
        self.blocks.has(cid).await
    }

    async fn put_many(&self, blocks: Vec<Block>) -> Result<PutReport, BlocksError> {
        self.blocks.put_many(blocks).await
    }
}

#[cfg(test)]
mod tests;

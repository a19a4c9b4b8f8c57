//! Numbers of EXPLAIN ANALYZE beside those of whoever hands the blocks out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray as _, Int64Array, RecordBatch};
use cidlake_block::MemBlocks;

use super::*;
use crate::engine::tests::{batch_of, collect, now, table_of};
use crate::engine::{Engine, EngineOptions};
use crate::error::QueryError;
use crate::params::Params;
use crate::resolve::{Resolve, Resolved};
use crate::table::Table;
use crate::watch::GoOn;

/// Blocks that are far away until they are said to be near, and are counted as they go out.
#[derive(Debug, Default)]
struct Far {
    blocks: MemBlocks,
    is_near: AtomicBool,
    read: Mutex<Vec<usize>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Blocks for Far {
    async fn get(&self, cid: &Cid) -> Result<Block, BlocksError> {
        let block = self.blocks.get(cid).await?;
        self.read.lock().unwrap().push(block.len());
        Ok(block)
    }

    fn cached(&self, cid: &Cid) -> Option<Block> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.blocks.cached(cid).filter(|_| self.is_near.load(Ordering::Relaxed))
    }

    async fn has(&self, cid: &Cid) -> Result<bool, BlocksError> {
        self.blocks.has(cid).await
    }

    async fn put_many(&self, blocks: Vec<Block>) -> Result<PutReport, BlocksError> {
        self.blocks.put_many(blocks).await
    }
}

struct Only(Arc<Table>);

#[async_trait]
impl Resolve for Only {
    async fn resolve(&self, _: &str) -> Result<Option<Resolved>, QueryError> {
        Ok(Some(Resolved::Table(Arc::clone(&self.0))))
    }
}

fn engine_over(blocks: &Arc<Far>) -> Engine {
    let options =
        EngineOptions { memory_bytes_max: 64 << 20, threads: 1, footer_cache_bytes: 1 << 20 };
    Engine::new(Arc::clone(blocks) as Arc<dyn Blocks>, options).unwrap()
}

fn explained(engine: &Engine, table: &Arc<Table>, sql: &str) -> String {
    let go_on: GoOn = Arc::new(|| Ok(()));
    let sql = format!("EXPLAIN ANALYZE {sql}");
    let (params, resolver) = (Params::default(), Only(Arc::clone(table)));
    let answer = engine.sql(&sql, &params, &resolver, &go_on);
    let rows = collect(now(answer).unwrap());
    rows.column(1).as_string::<i32>().iter().flatten().collect()
}

fn numbers(from: i64) -> RecordBatch {
    batch_of(vec![("n", Arc::new(Int64Array::from_iter_values(from..from + 10)))])
}

#[test]
fn what_is_printed_is_what_was_read() {
    let blocks = Arc::new(Far::default());
    let table = table_of(&blocks.blocks, &[numbers(0), numbers(100), numbers(200)]);
    let engine = engine_over(&blocks);
    let text = explained(&engine, &table, "SELECT n FROM t WHERE n >= 100 AND n < 105");
    assert!(text.contains("parts_total=3"), "{text}");
    assert!(text.contains("parts_pruned=2"), "{text}");
    assert!(text.contains("parts_read=1"), "{text}");
    assert!(text.contains("blocks_from_memory=0"), "{text}");
    // The lists of parts are read for the plan, before anything is counted.
    let lists = now(crate::parts::read_lists(blocks.as_ref(), &table.commit.parts)).unwrap().len();
    let read = blocks.read.lock().unwrap().len() - 2 * lists;
    assert!(read > 0);
    assert!(text.contains(&format!("blocks_from_packs={read}")), "{read}: {text}");

    // The footer is at hand now, and everything else is in memory.
    blocks.is_near.store(true, Ordering::Relaxed);
    let before = blocks.read.lock().unwrap().len();
    let text = explained(&engine, &table, "SELECT n FROM t WHERE n >= 100 AND n < 105");
    assert!(text.contains("parts_read=1"), "{text}");
    assert!(text.contains("blocks_from_packs=0"), "{text}");
    assert!(!text.contains("blocks_from_memory=0"), "{text}");
    let read = blocks.read.lock().unwrap().len();
    assert!(read - before <= lists, "nothing but lists goes another way");
}

#[test]
fn bytes_are_those_of_blocks() {
    let metrics = ExecutionPlanMetricsSet::new();
    let tally = Tally::new(&metrics, 0);
    let far = Far::default();
    let data = [&b"abc"[..], b"de"].map(bytes::Bytes::from);
    let all = data.map(|data| Block::new(cidlake_block::Codec::Raw, data));
    let cids = all.each_ref().map(|block| *block.cid());
    now(far.put_many(all.to_vec())).unwrap();
    let tallied = Tallied { blocks: &far, tally: &tally };
    assert_eq!(now(tallied.get_many(&cids)).unwrap(), all);
    far.is_near.store(true, Ordering::Relaxed);
    assert_eq!(now(tallied.get(&cids[1])).unwrap(), all[1]);
    let counted =
        [&tally.packs, &tally.memory].map(|tier| (tier.blocks.value(), tier.bytes.value()));
    assert_eq!(counted, [(2, 5), (1, 2)]);
    assert_eq!(far.asked.load(Ordering::Relaxed), 3);
}

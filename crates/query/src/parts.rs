//! Which parts of a version a scan reads: the tree of part lists is walked from the commit down, and
//! only lists are fetched that a filter does not rule out by what is known of all parts below.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use cidlake_block::Blocks;
use cidlake_catalog::{Part, PartList, PartListLink};
use datafusion::physical_optimizer::pruning::PruningPredicate;

use crate::error::QueryError;
use crate::prune::{Known, KnownStatistics};

/// The parts of a table.
#[derive(Clone, Debug)]
pub enum Parts {
    /// Those below the lists of a commit.
    Listed(Arc<[PartListLink]>),
    /// These.
    Given(Arc<[Part]>),
}

/// What a scan wants of the parts of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// Only parts that this does not rule out, by statistics of columns of this schema.
    pub(crate) filter: Option<(&'a PruningPredicate, &'a SchemaRef)>,
    /// No more parts than have so many rows together.
    pub(crate) rows: Option<u64>,
}

impl Parts {
    /// Returns how many there are.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Listed(links) => links.iter().map(|link| link.parts).sum(),
            Self::Given(parts) => parts.len() as u64,
        }
    }

    /// Returns all parts, in row order.
    ///
    /// # Errors
    /// When a list cannot be had or read.
    pub async fn all(&self, blocks: &dyn Blocks) -> Result<Vec<Part>, QueryError> {
        self.wanted(blocks, Wanted::default()).await
    }

    /// Returns the parts that a scan reads, in row order.
    pub(crate) async fn wanted(
        &self,
        blocks: &dyn Blocks,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Part>, QueryError> {
        let mut links = match self {
            Self::Given(parts) => return Ok(wanted.of(parts.to_vec())),
            Self::Listed(links) => links.to_vec(),
        };
        loop {
            links = wanted.of(links);
            match below(blocks, &links).await? {
                PartList::Parts(parts) => return Ok(wanted.of(parts)),
                PartList::Links(lower) => links = lower,
            }
        }
    }
}

/// Reads the lists that links lead to, in their order.
pub(crate) async fn read_lists(
    blocks: &dyn Blocks,
    links: &[PartListLink],
) -> Result<Vec<PartList>, QueryError> {
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let cids: Vec<_> = links.iter().map(|link| link.cid).collect();
    let lists = blocks.get_many(&cids).await?;
    let decoded = links.iter().zip(&lists).map(|(link, list)| {
        link.decode(list)
            .map_err(|error| QueryError::Corrupt { cid: link.cid, detail: error.to_string() })
    });
    decoded.collect()
}

/// Reads the lists that links of one height lead to, and joins what they hold.
async fn below(blocks: &dyn Blocks, links: &[PartListLink]) -> Result<PartList, QueryError> {
    let (mut parts, mut lower) = (Vec::new(), Vec::new());
    for list in read_lists(blocks, links).await? {
        match list {
            PartList::Parts(more) => parts.extend(more),
            PartList::Links(more) => lower.extend(more),
        }
    }
    // Links of one height lead to lists of one kind; the formats see to that.
    Ok(if lower.is_empty() { PartList::Parts(parts) } else { PartList::Links(lower) })
}

impl Wanted<'_> {
    /// Leaves those out of one level of the tree that nothing is wanted of.
    fn of<T>(self, mut level: Vec<T>) -> Vec<T>
    where
        for<'k> Known<'k>: From<&'k T>,
    {
        if let Some((filter, schema)) = self.filter {
            let known: Vec<Known<'_>> = level.iter().map(Known::from).collect();
            // Where the filter cannot be computed on bounds, they rule nothing out.
            if let Ok(kept) = filter.prune(&KnownStatistics::new(known, schema)) {
                let mut kept = kept.into_iter();
                level.retain(|_| kept.next().unwrap_or(true));
            }
        }
        if let Some(rows) = self.rows {
            let mut before = 0;
            level.retain(|one| {
                let is_wanted = before < rows;
                before += Known::from(one).rows;
                is_wanted
            });
        }
        level
    }
}

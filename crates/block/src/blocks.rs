//! [`Blocks`]: where blocks come from and go to, and [`MemBlocks`], its reference implementation.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::block::Block;
use crate::cid::Cid;

/// A source and sink of verified blocks.
#[async_trait]
pub trait Blocks: Send + Sync + std::fmt::Debug {
    /// Returns one block.
    async fn get(&self, cid: &Cid) -> Result<Block, BlocksError>;

    /// Returns blocks in the order asked; fails when any is absent.
    async fn get_many(&self, cids: &[Cid]) -> Result<Vec<Block>, BlocksError> {
        let mut blocks = Vec::with_capacity(cids.len());
        for cid in cids {
            blocks.push(self.get(cid).await?);
        }
        Ok(blocks)
    }

    /// Returns a block that is in memory; never waits, and does not look anywhere else.
    fn cached(&self, _: &Cid) -> Option<Block> {
        None
    }

    /// Returns whether a block is here, without reading it.
    async fn has(&self, cid: &Cid) -> Result<bool, BlocksError>;

    /// Takes blocks in; those that are here already are not written again.
    async fn put_many(&self, blocks: Vec<Block>) -> Result<PutReport, BlocksError>;
}

/// What a put wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutReport {
    /// Blocks that were not here before.
    pub new_blocks: u64,
    /// Bytes of their data.
    pub new_bytes: u64,
}

/// Why a block could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlocksError {
    /// Nobody who was asked has it.
    #[error("block {cid} was not found")]
    NotFound {
        /// The block.
        cid: Cid,
    },
    /// Its bytes do not match its CID.
    #[error("block {cid} is damaged: {detail}")]
    Corrupt {
        /// The block.
        cid: Cid,
        /// Where, and what was found.
        detail: String,
    },
    /// Reading or writing failed.
    #[error("{detail}")]
    Io {
        /// What was being done.
        detail: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Blocks in memory: the reference implementation, for tests and small jobs.
#[derive(Debug, Default)]
pub struct MemBlocks {
    // Keyed by multihash, since the codec says only how to read the bytes. A plain mutex: every
    // critical section is one look-up.
    blocks: Mutex<BTreeMap<Vec<u8>, Block>>,
}

impl MemBlocks {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, cid: &Cid) -> Option<Block> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.get(&cid.hash().to_bytes())?.clone().with_cid(*cid)
    }
}

#[async_trait]
impl Blocks for MemBlocks {
    async fn get(&self, cid: &Cid) -> Result<Block, BlocksError> {
        self.find(cid).ok_or(BlocksError::NotFound { cid: *cid })
    }

    fn cached(&self, cid: &Cid) -> Option<Block> {
        self.find(cid)
    }

    async fn has(&self, cid: &Cid) -> Result<bool, BlocksError> {
        Ok(self.find(cid).is_some())
    }

    async fn put_many(&self, blocks: Vec<Block>) -> Result<PutReport, BlocksError> {
        let mut held = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = PutReport::default();
        for block in blocks {
            let key = block.cid().hash().to_bytes();
            if held.contains_key(&key) {
                continue;
            }
            report.new_blocks += 1;
            report.new_bytes += block.len() as u64;
            held.insert(key, block);
        }
        Ok(report)
    }
}

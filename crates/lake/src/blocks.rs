//! The seam between the synchronous store and the async floors above it.
//!
//! [`LakeBlocks`] is how the query engine sees this machine's blocks. Every blocking call of the
//! store goes through [`blocking`], so that nothing else in the house needs to know about
//! `spawn_blocking`.

use std::sync::Arc;

use async_trait::async_trait;
use cidlake_block::{Block, Blocks, BlocksError, Cid, PutReport};
use cidlake_store::{Store, StoreError};
use futures::future::try_join_all;

use crate::error::Error;

/// How many blocks one thread is worth waking for: to verify a leaf takes most of a millisecond.
const BLOCKS_PER_THREAD: usize = 2;

/// The store of this machine as [`Blocks`].
#[derive(Debug)]
pub(crate) struct LakeBlocks {
    store: Arc<Store>,
    /// How many threads may read and verify blocks that are asked for together.
    threads: usize,
}

impl LakeBlocks {
    pub(crate) fn new(store: Arc<Store>, threads: usize) -> Self {
        Self { store, threads }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BlocksError> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => result.map_err(blocks_error),
            Err(join) => Err(BlocksError::Io {
                detail: "a worker of the store ended early".to_owned(),
                source: Box::new(join),
            }),
        }
    }
}

#[async_trait]
impl Blocks for LakeBlocks {
    async fn get(&self, cid: &Cid) -> Result<Block, BlocksError> {
        if let Some(block) = self.store.cached(cid) {
            return Ok(block);
        }
        let wanted = *cid;
        let found = self.run(move |store| store.get(&wanted)).await?;
        found.ok_or(BlocksError::NotFound { cid: *cid })
    }

    async fn get_many(&self, cids: &[Cid]) -> Result<Vec<Block>, BlocksError> {
        let cached: Option<Vec<Block>> = cids.iter().map(|cid| self.store.cached(cid)).collect();
        if let Some(blocks) = cached {
            return Ok(blocks);
        }
        // Neighbours stay together: they are read at once.
        let share = cids.len().div_ceil(self.threads.max(1)).max(BLOCKS_PER_THREAD);
        let shares = cids.chunks(share).map(|share| {
            let wanted = share.to_vec();
            self.run(move |store| store.get_many(&wanted))
        });
        let found = try_join_all(shares).await?;
        found
            .into_iter()
            .flatten()
            .zip(cids)
            .map(|(block, cid)| block.ok_or(BlocksError::NotFound { cid: *cid }))
            .collect()
    }

    fn cached(&self, cid: &Cid) -> Option<Block> {
        self.store.cached(cid)
    }

    async fn has(&self, cid: &Cid) -> Result<bool, BlocksError> {
        let wanted = *cid;
        self.run(move |store| store.has(&wanted)).await
    }

    async fn put_many(&self, blocks: Vec<Block>) -> Result<PutReport, BlocksError> {
        // The engine only reads; a caller that commits what it puts holds on to it longer.
        self.run(move |store| store.put(&store.hold()?, &blocks)).await
    }
}

fn blocks_error(error: StoreError) -> BlocksError {
    match error {
        StoreError::Corrupt { cid, .. } => BlocksError::Corrupt { cid, detail: error.to_string() },
        other => BlocksError::Io { detail: other.to_string(), source: Box::new(other) },
    }
}

/// Runs blocking `work` off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) => match join.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::internal("the work was cancelled before it ended")),
        },
    }
}

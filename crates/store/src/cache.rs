//! Verified blocks in memory, bounded by bytes.
//!
//! A block is here only after it matched its CID. The weight of an entry is the memory that it
//! keeps alive, give or take: see [`owned`] for blocks that were cut from one large read. Which
//! entry goes first is quick_cache's affair.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cidlake_block::{Block, Cid};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// What an entry costs beside its data, in bytes: key, block and the cache's own lists.
const ENTRY_BYTES: u64 = 320;

/// The expected size of a block, in bytes; only the size of the first tables depends on it.
const BLOCK_BYTES_TYPICAL: u64 = 256 << 10;

/// The least capacity of one shard, in bytes. A shard must hold many of the largest blocks, or
/// hashing would decide what stays.
const SHARD_BYTES_MIN: u64 = 32 << 20;

/// A slice that is less than this part of its buffer gets memory of its own.
const SLICE_PART_MIN: usize = 8;

/// How the cache does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Blocks that were asked for and were here.
    pub hits: u64,
    /// Blocks that were asked for and had to be read or were nowhere.
    pub misses: u64,
    /// Blocks that are here now.
    pub entries: u64,
    /// What they weigh, in bytes.
    pub bytes: u64,
    /// The limit of that weight, in bytes.
    pub bytes_max: u64,
}

#[derive(Debug, Clone)]
struct BlockBytes;

impl Weighter<Cid, Block> for BlockBytes {
    fn weight(&self, _cid: &Cid, block: &Block) -> u64 {
        block.data().len() as u64 + ENTRY_BYTES
    }
}

/// Verified blocks in memory.
#[derive(Debug)]
pub(crate) struct BlockCache {
    entries: Cache<Cid, Block, BlockBytes>,
    bytes_max: u64,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl BlockCache {
    /// Makes an empty cache of `bytes_max` bytes; 0 keeps nothing.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let shards = usize::try_from(bytes_max / SHARD_BYTES_MIN).unwrap_or(usize::MAX);
        let items = usize::try_from(bytes_max / BLOCK_BYTES_TYPICAL).unwrap_or(usize::MAX);
        #[expect(clippy::expect_used, reason = "both required options are set right here")]
        let options = OptionsBuilder::new()
            .shards(shards.clamp(1, 64))
            .estimated_items_capacity(items.clamp(16, 1 << 20))
            .weight_capacity(bytes_max)
            .build()
            .expect("both required options are set");
        Self {
            entries: Cache::with_options(
                options,
                BlockBytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            bytes_max,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Returns a block and counts the hit, but not a miss: the caller asks again elsewhere.
    pub(crate) fn probe(&self, cid: &Cid) -> Option<Block> {
        if self.bytes_max == 0 {
            return None;
        }
        let found = self.entries.get(cid)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// Returns a block and counts hit or miss.
    pub(crate) fn get(&self, cid: &Cid) -> Option<Block> {
        let found = self.probe(cid);
        if found.is_none() {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Keeps a verified block.
    pub(crate) fn insert(&self, block: &Block) {
        if self.bytes_max > 0 {
            self.entries.insert(*block.cid(), block.clone());
        }
    }

    /// Returns how the cache does.
    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.entries.len() as u64,
            bytes: self.entries.weight(),
            bytes_max: self.bytes_max,
        }
    }
}

/// Returns `slice`, which was cut from a buffer of `buffer_bytes`, in memory of its own when it is
/// small beside that buffer: a cached block must not keep far more memory alive than it weighs.
pub(crate) fn owned(slice: Bytes, buffer_bytes: usize) -> Bytes {
    if slice.len() < buffer_bytes / SLICE_PART_MIN { Bytes::copy_from_slice(&slice) } else { slice }
}

#[cfg(test)]
mod tests;

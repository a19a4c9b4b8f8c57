//! Figures about a store; plain data.

use crate::cache::CacheStats;
use crate::log::Lsn;

/// Figures about a store as this process sees it now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Packs that are complete and carry their index.
    pub packs_sealed: u64,
    /// Packs that may still grow, of any process.
    pub packs_open: u64,
    /// Complete packs that a multi-pack index covers.
    pub packs_covered: u64,
    /// Blocks of complete packs that no multi-pack index covers.
    pub blocks_bare: u64,
    /// Blocks in all packs; one that is in several counts as often.
    pub blocks: u64,
    /// Bytes of those packs up to the end of their last known block.
    pub bytes: u64,
    /// Commits of this process that have no answer yet.
    pub commits_waiting: u64,
    /// The last record with a payload that the newest checkpoint covers which this process opened
    /// or made; 0 when there is none.
    pub checkpoint_lsn: Lsn,
    /// Records of any kind that came after that checkpoint.
    pub records_behind: u64,
    /// The log.
    pub log: LogStats,
    /// The cache of verified blocks.
    pub cache: CacheStats,
}

/// Figures about the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Segment files that are in use.
    pub segments: u64,
    /// Their size in bytes, with the room that is set aside in the last one.
    pub bytes: u64,
    /// Records that carry something for the floors above.
    pub records: u64,
    /// The last of them; 0 when there is none.
    pub last_lsn: Lsn,
    /// The epoch of the last segment.
    pub epoch: u64,
    /// Whether a writer is inside a commit, or one ended there and its repair is still to come.
    pub dirty: bool,
}

//! Collection of garbage: the blocks that nothing keeps alive give their room back.
//!
//! A collection measures every pack, plans which of them go (`plan`), brings what is live in these
//! to safety (`sweep`, by copies that `copier` writes), and retires them with a record of the log. Their
//! files are removed when no process holds the lake as it was before (`remove`). Commits go first
//! (`pace`). What is live is for the floors above to say: [`Liveness`].

mod copier;
mod measure;
mod pace;
mod plan;
mod remove;
mod sweep;

use cidlake_block::Cid;

pub(crate) use self::remove::make_durable;
pub(crate) use self::sweep::collect;

use crate::error::StoreError;
use crate::fsck::Damage;
use crate::log::Record;

/// What is to be kept.
///
/// Before a collection it has marked what the records up to the hold's keep alive. It must not
/// commit, or collect, itself.
pub trait Liveness {
    /// Why it can no longer say what is live; then the collection ends.
    type Error: From<StoreError>;

    /// Marks what these newly committed records keep alive. Records may come that it has seen.
    ///
    /// # Errors
    /// When something cannot be read that may keep more alive.
    fn update(&mut self, records: &[Record]) -> Result<(), Self::Error>;

    /// Returns whether the block with this multihash is to be kept; the codec says nothing.
    fn is_live(&self, cid: &Cid) -> bool;
}

/// How a collection is to be done.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// A pack of whose bytes a smaller share is live is written anew without the others.
    pub live_share_min_percent: u32,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { dry_run: false, live_share_min_percent: 50 }
    }
}

/// What a collection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GcPhase {
    /// Looking what is live in each pack.
    Measure,
    /// Copying what is live out of packs that go.
    Copy,
}

/// How far a collection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcProgress {
    /// What it is doing.
    pub phase: GcPhase,
    /// Bytes of this phase that are done.
    pub bytes_done: u64,
    /// Bytes of this phase in all.
    pub bytes_total: u64,
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Packs that count.
    pub packs_seen: u64,
    /// Packs of these that were retired because nothing in them is live.
    pub packs_retired: u64,
    /// Packs that were retired after what is live in them had been written to another.
    pub packs_repacked: u64,
    /// Packs that were left because somebody writes to them.
    pub packs_skipped: u64,
    /// Packs that were left because they are damaged.
    pub packs_damaged: u64,
    /// Live blocks in the packs seen; a block that is there twice counts once.
    pub blocks_live: u64,
    /// Bytes in the packs seen that are live; a block that is there twice counts once.
    pub bytes_live: u64,
    /// Bytes in the packs seen that are not, besides those of heads and indexes.
    pub bytes_dead: u64,
    /// Bytes of live blocks that were written to another pack.
    pub bytes_copied: u64,
    /// Bytes of files that were removed, also of packs that were retired earlier, and of multi-pack
    /// indexes that listed no others.
    pub bytes_freed: u64,
    /// Bytes of files that wait for readers from before; the next collection removes them.
    pub bytes_waiting: u64,
    /// Live blocks, and packs, that are damaged; the packs were left as they are.
    pub damaged: Vec<Damage>,
}

#[cfg(test)]
mod tests;

//! Maintenance: what makes a lake open quickly and take no more room than it needs.
//!
//! A checkpoint saves the replay of the log, indexes over many packs save the reading of each
//! one's own, garbage collection frees what nothing keeps. None of them is needed for the lake to
//! be right, and all of them may be broken off or run by several processes at once.

use cidlake_store::Checkpointed;

use crate::error::Error;
use crate::gc::{GcRequest, GcSummary};
use crate::lake::{Inner, Lake};
use crate::progress::{Progress, ProgressEvent, Unit};
use crate::state;

/// How many records a process that leaves lets stand behind the last checkpoint.
const RECORDS_BEHIND_MAX: u64 = 1_000;
/// How many sealed packs a process that leaves lets stand without an index over many.
const PACKS_BARE_MAX: u64 = 8;
/// How often a checkpoint is tried anew when other writers keep moving the log.
const CHECKPOINTS_MAX: u32 = 16;

/// What maintenance is to do.
#[derive(Clone, Copy, Debug)]
pub struct MaintainRequest {
    /// Whether to collect garbage.
    pub gc: bool,
}

/// What maintenance did.
#[derive(Clone, Debug)]
pub struct Maintained {
    /// The record that the newest checkpoint covers; 0 when there is none.
    pub checkpoint_lsn: u64,
    /// Whether that checkpoint is new.
    pub checkpoint_new: bool,
    /// Indexes over many packs.
    pub indexes: u64,
    /// Packs that they cover.
    pub packs_indexed: u64,
    /// Packs of these that none covered before.
    pub packs_added: u64,
    /// What garbage collection did, where it was asked for.
    pub gc: Option<GcSummary>,
}

impl Lake {
    /// Collects garbage if asked to, covers packs by indexes over many, and writes a checkpoint.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses, `Corrupt` as of [`Self::gc`]; the lake is whole then.
    pub async fn maintain(
        &self,
        request: MaintainRequest,
        progress: Progress,
    ) -> Result<Maintained, Error> {
        self.blocking(move |inner| inner.maintain(request, &progress)).await
    }
}

impl Inner {
    fn maintain(&self, request: MaintainRequest, progress: &Progress) -> Result<Maintained, Error> {
        // First, so that indexes and the checkpoint speak of the packs that are left.
        let gc = request.gc.then(|| self.gc(GcRequest { dry_run: false }, progress)).transpose()?;
        let indexed = self.store.index_packs(&mut |at| {
            progress(ProgressEvent {
                phase: "indexing",
                done: at.entries_done,
                total: Some(at.entries_total),
                unit: Unit::Blocks,
            });
        })?;
        let before = self.store.stats().checkpoint_lsn;
        self.checkpoint()?;
        let checkpoint_lsn = self.store.stats().checkpoint_lsn;
        Ok(Maintained {
            checkpoint_lsn: checkpoint_lsn.0,
            checkpoint_new: checkpoint_lsn > before,
            indexes: indexed.indexes,
            packs_indexed: indexed.packs,
            packs_added: indexed.packs_added,
            gc,
        })
    }

    /// Does what costs little and saves the next opening much. It is no part of what anybody asked
    /// for, so it fails silently; what matters is told by those who ask (`doctor`, `maintain`).
    pub(crate) fn maintain_cheaply(&self) {
        let stats = self.store.stats();
        if stats.log.last_lsn.0.saturating_sub(stats.checkpoint_lsn.0) > RECORDS_BEHIND_MAX {
            drop(self.checkpoint());
        }
        if stats.packs_sealed.saturating_sub(stats.packs_covered) >= PACKS_BARE_MAX {
            drop(self.store.index_packs(&mut |_| {}));
        }
    }

    /// Writes a checkpoint of the newest view; says whether one was written. Where other writers
    /// keep moving the log there is none this time, and nothing is lost by that.
    fn checkpoint(&self) -> Result<bool, Error> {
        for _ in 0..CHECKPOINTS_MAX {
            let (last, state) = {
                let view = self.refresh()?;
                (view.last, state::encode(&view)?)
            };
            match self.store.checkpoint(last, state)? {
                Checkpointed::Made { .. } => return Ok(true),
                Checkpointed::Needless => return Ok(false),
                Checkpointed::Behind { .. } => {}
            }
        }
        Ok(false)
    }
}

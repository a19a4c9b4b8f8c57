//! Maintenance: what makes a lake open quickly and take no more room than it needs.
//!
//! A checkpoint saves the replay of the log, a seal the walk through a pack, indexes over many packs
//! the reading of each one's own; compaction makes many small parts few, garbage collection frees
//! what nothing keeps. None of them is needed for the lake to be right, and all of them may be
//! broken off or run by several processes at once.

use cidlake_store::Checkpointed;

use crate::edit::compact::Compacted;
use crate::error::{Error, ErrorKind};
use crate::gc::{GcRequest, GcSummary};
use crate::lake::{Inner, Lake};
use crate::progress::{Progress, ProgressEvent, Unit};
use crate::state;

/// How many records a process that leaves lets stand behind the last checkpoint.
const RECORDS_BEHIND_MAX: u64 = 1_000;
/// How many sealed packs a process that leaves lets stand without an index over many.
const PACKS_BARE_MAX: u64 = 8;
/// How many blocks may be in them.
const BLOCKS_BARE_MAX: u64 = 20_000;
/// How often a checkpoint is tried anew when other writers keep moving the log.
const CHECKPOINTS_MAX: u32 = 16;

/// What maintenance is to do.
#[derive(Clone, Copy, Debug)]
pub struct MaintainRequest {
    /// Whether to compact datasets that have become many small parts.
    pub compact: bool,
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
    /// Whether none was written because other writers kept moving the log.
    pub checkpoint_behind: bool,
    /// Indexes over many packs.
    pub indexes: u64,
    /// Packs that they cover.
    pub packs_indexed: u64,
    /// Packs of these that none covered before.
    pub packs_added: u64,
    /// Closed segments of the log of which there is a copy now that can be queried.
    pub log_segments_sealed: u64,
    /// Whether there is a new snapshot of the index.
    pub index_new: bool,
    /// What was compacted, where it was asked for.
    pub compacted: Vec<Compacted>,
    /// What garbage collection did, where it was asked for.
    pub gc: Option<GcSummary>,
}

impl Lake {
    /// Compacts datasets and collects garbage if asked to, seals large packs, covers packs by indexes
    /// over many, and writes a checkpoint.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses; errors of [`Self::gc`] after everything else was done.
    /// What was there before stays in either case.
    pub async fn maintain(
        &self,
        request: MaintainRequest,
        progress: Progress,
    ) -> Result<Maintained, Error> {
        self.blocking(move |inner| inner.maintain(request, &progress)).await
    }
}

impl Inner {
    pub(crate) fn maintain(
        &self,
        request: MaintainRequest,
        progress: &Progress,
    ) -> Result<Maintained, Error> {
        let compacted = if request.compact { self.compact_worn(progress)? } else { Vec::new() };
        // Before the rest, so that indexes and the checkpoint speak of the packs that are left.
        let gc = request.gc.then(|| self.gc(GcRequest { dry_run: false }, progress));
        self.store.seal_large()?;
        let indexed = self.store.index_packs(&mut |at| {
            progress(ProgressEvent {
                phase: "indexing",
                done: at.entries_done,
                total: Some(at.entries_total),
                unit: Unit::Blocks,
            });
        })?;
        let log_segments_sealed = self.seal_log(progress)?;
        let before = self.store.stats().checkpoint_lsn;
        let checkpointed = self.checkpoint()?;
        let checkpoint_lsn = self.store.stats().checkpoint_lsn;
        // Without it the index is made anew by whoever asks, who is told what is amiss.
        let index_new = self.snapshot_index().unwrap_or(false);
        let gc = gc.transpose().map_err(gc_failed)?;
        Ok(Maintained {
            checkpoint_lsn: checkpoint_lsn.0,
            checkpoint_new: checkpoint_lsn > before,
            checkpoint_behind: matches!(checkpointed, Checkpointed::Behind { .. }),
            indexes: indexed.indexes,
            packs_indexed: indexed.packs,
            packs_added: indexed.packs_added,
            log_segments_sealed,
            index_new,
            compacted,
            gc,
        })
    }

    /// Compacts the datasets that need it; those that somebody else is changing wait for the next
    /// time.
    pub(crate) fn compact_worn(&self, progress: &Progress) -> Result<Vec<Compacted>, Error> {
        let mut done = Vec::new();
        for name in self.to_compact()? {
            match self.compact(&name, progress) {
                Ok(compacted) => done.push(compacted),
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Does what costs little and saves the next opening much. It is no part of what anybody asked
    /// for, so it fails silently; what matters is told by those who ask (`doctor`, `maintain`).
    pub(crate) fn maintain_cheaply(&self) {
        let stats = self.store.stats();
        if stats.records_behind > RECORDS_BEHIND_MAX {
            drop(self.checkpoint());
        }
        drop(self.store.seal_own());
        let stats = self.store.stats();
        let packs_bare = stats.packs_sealed.saturating_sub(stats.packs_covered);
        if packs_bare >= PACKS_BARE_MAX || stats.blocks_bare >= BLOCKS_BARE_MAX {
            drop(self.store.index_packs(&mut |_| {}));
        }
    }

    /// Writes a checkpoint of the newest view; says what became of it. Where other writers keep
    /// moving the log there is none this time, and nothing is lost by that.
    fn checkpoint(&self) -> Result<Checkpointed, Error> {
        let mut outcome = Checkpointed::Needless;
        for _ in 0..CHECKPOINTS_MAX {
            let (last, state) = {
                let view = self.refresh()?;
                (view.last, state::encode(&view)?)
            };
            outcome = self.store.checkpoint(last, state)?;
            if !matches!(outcome, Checkpointed::Behind { .. }) {
                break;
            }
        }
        Ok(outcome)
    }
}

/// Says of a collection that failed that all else was done.
fn gc_failed(error: Error) -> Error {
    let rest = "everything else was done; `cidlake maintain --no-gc` leaves the garbage alone";
    let hint = match error.hint() {
        Some(hint) => format!("{hint}; {rest}"),
        None => rest.to_owned(),
    };
    error.with_hint(hint)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cidlake_store::Checkpointed;

    use super::MaintainRequest;
    use crate::ErrorKind;
    use crate::expire::Keep;
    use crate::lake::{Lake, View};
    use crate::progress::no_progress;
    use crate::samples::{Version, grow, now, open, set};

    /// What a view says, so that two of them can be compared.
    fn said(lake: &Lake) -> String {
        let view = lake.inner.refresh().unwrap();
        let View { catalog, pins, expired, commits, deltas, last, .. } = &*view;
        format!("{catalog:?} {pins:?} {expired:?} {commits:?} {deltas} {last:?}")
    }

    /// A lake with something of everything that a view keeps.
    fn lake(folder: &Path) -> (Lake, Vec<Version>) {
        let lake = open(folder);
        let versions = grow(&lake, "t", 1..=4);
        grow(&lake, "u", 11..=11);
        now(lake.pin("t~3", Some("first".to_owned()))).unwrap();
        now(lake.expire("t", Keep::parse("2").unwrap(), false)).unwrap();
        (lake, versions)
    }

    #[test]
    fn a_view_from_a_checkpoint_is_the_one_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, versions) = lake(folder.path());
        assert!(matches!(lake.inner.checkpoint().unwrap(), Checkpointed::Made { .. }));
        let before = said(&lake);
        let opened = open(folder.path());
        assert!(opened.inner.store.base().is_some());
        assert_eq!(said(&opened), before);
        // Both follow what comes behind it.
        now(lake.drop_dataset("u")).unwrap();
        now(lake.unpin("first")).unwrap();
        assert_eq!(said(&opened), said(&lake));
        assert_eq!(said(&open(folder.path())), said(&lake));
        // A version is found by its content although no delta behind the checkpoint names it.
        let content = versions[1].leaf.cid().to_string();
        assert_eq!(now(opened.found(&content)).unwrap().cid, versions[1].cid());
    }

    #[test]
    fn a_checkpoint_that_is_not_understood_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, _) = lake(folder.path());
        let last = lake.inner.refresh().unwrap().last;
        let state = b"what a newer program wrote".as_slice();
        lake.inner.store.checkpoint(last, state.into()).unwrap();
        let opened = open(folder.path());
        assert!(opened.inner.store.base().is_some());
        assert_eq!(said(&opened), said(&lake));
    }

    #[test]
    fn a_collection_that_fails_leaves_the_rest_done() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, _) = lake(folder.path());
        // A head whose blocks are missing cannot be followed.
        let whole = Version::new(21, &[]);
        let absent = Version::new(22, &[]);
        set(&lake, "v", &Version { leaf: whole.leaf, list: whole.list, commit: absent.commit });
        let done = now(lake.maintain(MaintainRequest { compact: false, gc: true }, no_progress()));
        let error = done.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.hint().unwrap().contains("--no-gc"), "{error}");
        assert!(open(folder.path()).inner.store.base().is_some());
    }

    #[test]
    fn closing_makes_a_checkpoint_only_where_there_is_much_to_save() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, _) = lake(folder.path());
        now(lake.close()).unwrap();
        assert!(open(folder.path()).inner.store.base().is_none());
    }
}

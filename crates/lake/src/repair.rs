//! Repairing a damaged lake, also one that does not open. What is done is the store's to know; here
//! it becomes sentences.
//!
//! Changes of the catalog whose records are lost come back by themselves where their blocks are
//! here and a later change builds on them: the view applies those first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cidlake_store::disk::{Disk, RealDisk};
use cidlake_store::{RepairOptions, RepairReport};

use crate::blocks::blocking;
use crate::check::Damage;
use crate::error::Error;
use crate::lake::Lake;
use crate::progress::{Progress, ProgressEvent, Unit};
use crate::settings::Settings;

/// What a repair did.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// What was saved or made anew, a sentence each; empty for a lake that needed nothing.
    pub changed: Vec<String>,
    /// What could not be saved, a sentence each.
    pub lost: Vec<String>,
    /// What is still damaged. Every block was read for it.
    pub damage: Vec<Damage>,
}

impl Lake {
    /// Saves what is whole of a lake whose log or indexes are damaged. What was damaged is kept
    /// aside; damaged blocks stay listed as damage, and come back with good copies (`import`).
    ///
    /// # Errors
    /// `NotFound` when there is no lake, `Unavailable` when the disk refuses.
    pub async fn repair(settings: Settings, progress: Progress) -> Result<Repaired, Error> {
        blocking(move || repair(&settings.path, &progress)).await
    }
}

fn repair(path: &Path, progress: &Progress) -> Result<Repaired, Error> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = cidlake_store::repair(&disk, path, RepairOptions::default(), &mut |at| {
        progress(ProgressEvent {
            phase: "repairing",
            done: at.bytes_done,
            total: Some(at.bytes_total),
            unit: Unit::Bytes,
        });
    })?;
    Ok(Repaired::from(report))
}

impl From<RepairReport> for Repaired {
    fn from(report: RepairReport) -> Self {
        let mut changed = Vec::new();
        if report.log_rebuilt {
            changed.push(format!("{} whole records of the log were saved", report.records_saved));
        }
        let named =
            |what: &'static str| move |path: &PathBuf| format!("{what}: {}", path.display());
        changed.extend(report.set_aside.iter().map(named("what was damaged is copied to")));
        if report.packs_announced > 0 {
            let packs = report.packs_announced;
            changed.push(format!("{packs} packs count again, as far as their blocks verify"));
        }
        let retired = report.packs_retired.iter();
        changed
            .extend(retired.map(named("a pack that a lost record retired, or that went, is over")));
        changed.extend(report.packs_reindexed.iter().map(named("a pack got a new index")));
        changed.extend(report.checkpoints_removed.iter().map(named("a checkpoint was removed")));
        let removed = report.indexes_removed.iter();
        changed.extend(removed.map(named("an index over many packs was removed")));
        let lost = report.records_lost.iter().map(|lost| {
            let place = format!("{} at byte {}", lost.segment.display(), lost.offset);
            format!("records {} to {} of the log, which were in {place}", lost.first, lost.last)
        });
        let damage = report.damage.into_iter().map(Damage::from).collect();
        Self { changed, lost: lost.collect(), damage }
    }
}

#[cfg(test)]
mod tests {
    use cidlake_store::FsckLevel;

    use super::repair;
    use crate::ErrorKind;
    use crate::progress::no_progress;
    use crate::samples::{grow, now, open};

    #[test]
    fn a_damaged_block_comes_back_with_an_import() {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(folder.path());
        let path = lake.path().to_owned();
        let versions = grow(&lake, "t", 1..=2);
        let archive = folder.path().join("t.car");
        now(lake.export("t", archive.clone(), false, no_progress())).unwrap();
        drop(lake);
        let mut packs = std::fs::read_dir(path.join("packs")).unwrap();
        let pack = packs.next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&pack).unwrap();
        let leaf = versions[1].leaf.data();
        let at = bytes.windows(leaf.len()).position(|window| window == &leaf[..]).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&pack, bytes).unwrap();

        let lake = open(folder.path());
        let leaf = *versions[1].leaf.cid();
        assert!(lake.inner.store.get(&leaf).is_err());
        let imported = now(lake.import(archive, None, no_progress())).unwrap();
        assert!(imported.new_bytes >= versions[1].leaf.len() as u64, "{imported:?}");
        assert!(lake.inner.store.get(&leaf).unwrap().is_some());
        drop(lake);
        assert!(open(folder.path()).inner.store.get(&leaf).unwrap().is_some());
    }

    #[test]
    fn a_change_whose_record_is_lost_comes_back_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(folder.path());
        let path = lake.path().to_owned();
        let versions = grow(&lake, "t", 1..=3);
        drop(lake);
        assert!(repair(&path, &no_progress()).unwrap().changed.is_empty());

        let segments = std::fs::read_dir(path.join("wal")).unwrap();
        let mut segments = segments.map(|file| file.unwrap().path());
        let segment = segments.find(|path| path.extension().is_some_and(|end| end == "wal"));
        let segment = segment.unwrap();
        let mut bytes = std::fs::read(&segment).unwrap();
        // The header of the first record, behind that of the segment.
        bytes[70] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        let settings = crate::samples::settings(folder.path());
        let closed = crate::Lake::open_blocking(settings, crate::Open::Existing).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Corrupt);

        let repaired = repair(&path, &no_progress()).unwrap();
        assert_eq!((repaired.changed.is_empty(), repaired.lost.len()), (false, 1), "{repaired:?}");
        let lake = open(folder.path());
        let oldest = now(lake.found("t~2")).unwrap();
        assert_eq!(oldest.cid, versions[0].cid());
        let report = now(lake.fsck(FsckLevel::Full, no_progress())).unwrap();
        assert!(report.damage.is_empty(), "{report:?}");
    }
}

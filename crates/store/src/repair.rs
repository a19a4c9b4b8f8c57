//! Saves what is whole of a damaged lake, also of one that does not open.
//!
//! The log is damaged in the middle where a record that was synced cannot be read: then what is
//! whole goes to a new segment, and what was damaged is kept aside. Packs keep their sections as
//! they are; what can be made again from them is. Nothing is invented: a block whose bytes are
//! gone stays damaged until [`crate::Store::restore`] brings a good copy.
//!
//! Each step is whole or has no effect after a power cut, and a repair of what is not damaged
//! changes nothing, so it may be run again at any time.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::StoreError;
use crate::fsck::{
    self, Damage, DamageKind, FsckLevel, FsckProgress, FsckReport, Scope, Told, Unread,
};
use crate::log::{self, Extent, LogFolder, LogLock, LostRecords, Salvage, Unsound};
use crate::pack::{self, PackId, PackSize};
use crate::settings;

/// How a lake is repaired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepairOptions {
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

/// What a repair did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Whether the log was damaged, and everything from the damage on was written again.
    pub log_rebuilt: bool,
    /// Whole records that were written again, with those that carry nothing.
    pub records_saved: u64,
    /// Records that are lost; others keep their numbers.
    pub records_lost: Vec<LostRecords>,
    /// Copies of the segments that lack something or in which something could not be read, and of
    /// checkpoints that may be of another log and that the next ones will take the place of.
    pub set_aside: Vec<PathBuf>,
    /// Packs that lost records spoke of, or may have, and that count again as far as they verify.
    pub packs_announced: u64,
    /// Packs that a lost record retired, by what a checkpoint says, or may have retired: they are
    /// not there. They do not count.
    pub packs_retired: Vec<PathBuf>,
    /// Packs whose head, seal and index were made again.
    pub packs_reindexed: Vec<PathBuf>,
    /// Damaged checkpoints, which were removed.
    pub checkpoints_removed: Vec<PathBuf>,
    /// Damaged multi-pack indexes, which were removed: packs have indexes of their own.
    pub indexes_removed: Vec<PathBuf>,
    /// What is still damaged.
    pub damage: Vec<Damage>,
}

impl RepairReport {
    /// Returns whether anything was changed, or would be.
    #[must_use]
    pub fn is_change(&self) -> bool {
        let files = [&self.packs_reindexed, &self.checkpoints_removed, &self.indexes_removed];
        self.log_rebuilt || files.iter().any(|files| !files.is_empty())
    }
}

/// Repairs the lake in the folder `root`, which need not open. Processes that have it open go on
/// reading what they know, and have to be started anew where the log was rebuilt.
///
/// # Errors
/// `NotALake`, `NewerFormat`, `UnknownRecord` and `UnknownFlags` when it is not for this program to
/// repair; `ReadOnly`, `NoSpace` or `Io` when the disk refuses, after which a repair can be run
/// again; `Io` also where the log is damaged and a checkpoint, which may prove what is lost, cannot
/// be read: then nothing was changed. Damage that stays is in the report, and so is a pack that cannot be read, and any failure to
/// check packs once the log was rebuilt: what was lost of it is not told a second time.
pub fn repair(
    disk: &Arc<dyn Disk>,
    root: &Path,
    options: RepairOptions,
    progress: &mut dyn FnMut(FsckProgress),
) -> Result<RepairReport, StoreError> {
    if !settings::check(disk.as_ref(), root)? {
        return Err(StoreError::NotALake { path: root.to_owned() });
    }
    let log_folder = LogFolder::new(Arc::clone(disk), root.join("wal"), u64::MAX);
    let work = Work { log_folder: &log_folder, packs: &root.join("packs"), options };
    let mut report = RepairReport::default();
    let told = work.log(&mut report)?;
    let done = work.checkpoints(&mut report);
    work.is_over(done, &mut report, (DamageKind::Log, &log_folder.path))?;
    let done = work.packs(&told, &mut report, progress);
    work.is_over(done, &mut report, (DamageKind::Pack, work.packs))?;
    Ok(report)
}

struct Work<'a> {
    log_folder: &'a LogFolder,
    packs: &'a Path,
    options: RepairOptions,
}

impl Work<'_> {
    fn disk(&self) -> &dyn Disk {
        self.log_folder.disk.as_ref()
    }

    /// Ends the repair where a step failed, unless the log was rebuilt: what was lost with it is said
    /// once, since another repair finds the log whole.
    fn is_over(
        &self,
        done: Result<(), StoreError>,
        report: &mut RepairReport,
        (kind, path): (DamageKind, &Path),
    ) -> Result<(), StoreError> {
        let Err(error) = done else { return Ok(()) };
        if !report.log_rebuilt || self.options.dry_run {
            return Err(error);
        }
        let detail = format!("not everything here was checked, repair again: {error}");
        report.damage.push(Damage { kind, cid: None, path: path.to_owned(), offset: 0, detail });
        Ok(())
    }

    /// Repairs the log, and returns what it says of packs.
    fn log(&self, report: &mut RepairReport) -> Result<Told, StoreError> {
        let mut log_lock = LogLock::take(self.log_folder)?;
        let Some(mut salvage) = log::salvage(self.log_folder, &log_lock)? else {
            return fsck::check_log(self.log_folder, &mut FsckReport::default());
        };
        report.log_rebuilt = true;
        report.records_saved = salvage.saved();
        report.records_lost = salvage.lost(self.log_folder);
        let retired = self.retired_unread(&mut salvage, report);
        if !self.options.dry_run {
            let found = self.unannounced(&salvage, report)?;
            let packs: HashSet<PackId> = found.iter().map(|extent| extent.pack).collect();
            report.packs_announced = packs.len() as u64;
            report.set_aside =
                log::rebuild(self.log_folder, &mut log_lock, &salvage, &found, &retired)?;
            salvage.extents.extend(found.into_iter().map(|extent| (extent.pack, extent)));
        }
        Ok(Told { extents: salvage.extents, retired: salvage.retired })
    }

    /// Returns the packs that lost records retired, in order, as a checkpoint says. The next collection
    /// finds others that are there. Those that are not are missed: their files may come back, and
    /// what is retired once would then be removed.
    fn retired_unread(&self, salvage: &mut Salvage, report: &mut RepairReport) -> Vec<PackId> {
        let mut retired = std::mem::take(&mut salvage.retired_unread);
        retired.sort_unstable();
        for id in &retired {
            salvage.extents.remove(id);
            salvage.retired.insert(*id);
        }
        report.packs_retired = retired.iter().map(|id| self.packs.join(id.file_name())).collect();
        retired
    }

    /// Returns how far packs are good beyond what whole records say, where some are lost.
    fn unannounced(
        &self,
        salvage: &Salvage,
        report: &mut RepairReport,
    ) -> Result<Vec<Extent>, StoreError> {
        if report.records_lost.is_empty() {
            return Ok(Vec::new());
        }
        // What a checkpoint says is durable; sections behind it come later, and count more.
        let mut extents = salvage.announced_unread.clone();
        let packs = fsck::list_packs(self.disk(), self.packs)?.into_iter();
        for id in packs.filter(|id| !salvage.retired.contains(id)) {
            let known = salvage.extents.get(&id);
            let recovered = pack::recover_extent(self.disk(), self.packs, id, known);
            extents.extend(recovered.extent);
            match recovered.unread {
                None => {}
                Some(error) if error.is_absence() => {}
                // The log is more than one pack: what of that is good is announced.
                Some(error) => {
                    let path = self.packs.join(id.file_name());
                    report.damage.push(fsck::unread(DamageKind::Pack, path, &error));
                }
            }
        }
        Ok(extents)
    }

    /// Removes checkpoints that are damaged. One that cannot be read may be sound, and stays.
    fn checkpoints(&self, report: &mut RepairReport) -> Result<(), StoreError> {
        for Unsound { path, unread } in log::unsound_checkpoints(self.log_folder)? {
            match unread {
                Some(error) => report.damage.push(fsck::unread(DamageKind::Log, path, &error)),
                None if self.options.dry_run || self.disk().remove(&path).is_ok() => {
                    report.checkpoints_removed.push(path);
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Checks all packs and makes their indexes again where those are damaged.
    fn packs(
        &self,
        told: &Told,
        report: &mut RepairReport,
        progress: &mut dyn FnMut(FsckProgress),
    ) -> Result<(), StoreError> {
        let mut found = FsckReport::default();
        let (log_folder, packs) = (self.log_folder, self.packs);
        let scope = Scope { log_folder, packs, level: FsckLevel::Full, unread: Unread::IsDamage };
        scope.check_packs(told, &mut found, progress)?;
        self.indexes(&mut found, report);
        let damaged: BTreeSet<PathBuf> = found
            .damage
            .iter()
            .filter(|damage| damage.kind != DamageKind::Block)
            .map(|damage| damage.path.clone())
            .collect();
        for extent in told.extents.values() {
            let path = self.packs.join(extent.pack.file_name());
            if !damaged.contains(&path) || !self.reindex(extent)? {
                continue;
            }
            if !self.options.dry_run {
                found.damage.retain(|damage| damage.path != path);
                let size = PackSize::read(self.disk(), self.packs, extent.pack)?;
                let level = FsckLevel::Full;
                let again = pack::check_pack(self.disk(), &size, Some(extent), level, &mut |_| {})?;
                found.take(again);
            }
            report.packs_reindexed.push(path);
        }
        report.packs_reindexed.sort_unstable();
        // What could not be read before, and can be now, is told all the same.
        report.damage.retain(|damage| found.damage.iter().all(|other| other.path != damage.path));
        report.damage.append(&mut found.damage);
        Ok(())
    }

    /// Removes multi-pack indexes that are damaged. Processes that have them open read on in them.
    fn indexes(&self, found: &mut FsckReport, report: &mut RepairReport) {
        found.damage.retain(|Damage { path, .. }| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_over = pack::is_midx_name(&name)
                && (self.options.dry_run || self.disk().remove(path).is_ok());
            if is_over {
                report.indexes_removed.push(path.clone());
            }
            !is_over
        });
    }

    fn reindex(&self, extent: &Extent) -> Result<bool, StoreError> {
        let is_current = || {
            let told = fsck::check_log(self.log_folder, &mut FsckReport::default())?;
            Ok(told.extents.get(&extent.pack) == Some(extent))
        };
        match pack::reindex(self.disk(), self.packs, extent, self.options.dry_run, is_current) {
            // It stays as it is, and is in the report.
            Err(StoreError::Io { .. }) => Ok(false),
            done => done,
        }
    }
}

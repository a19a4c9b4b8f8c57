//! Removes the files of retired packs that no reader from before needs, and indexes of them alone.

use std::collections::HashSet;
use std::path::PathBuf;

use super::GcReport;
use super::pace::Pace;
use crate::commit::Parts;
use crate::error::StoreError;
use crate::hold::Hold;
use crate::locked::lock;
use crate::log::{self, LogLock};
use crate::pack::PackId;

/// Removes what may be removed and notes how much it was, and how much has to wait. `hold` is the
/// collector's own, which keeps nothing. With `dry_run` it only says so.
pub(super) fn remove_retired(
    parts: &Parts<'_>,
    hold: &Hold,
    (report, pace): (&mut GcReport, &Pace<'_>),
    dry_run: bool,
) -> Result<(), StoreError> {
    report.bytes_waiting = 0;
    let files = parts.packs.retired_files()?;
    if !dry_run && !files.is_empty() {
        make_durable(parts, LogLock::take(parts.folder)?)?;
    }
    // The leases come after the record that retired the packs: see [`crate::hold`].
    let oldest = oldest(parts, hold, !dry_run)?;
    let mut has_removed = false;
    for retired in files {
        let bytes = match parts.packs.file_bytes(retired.pack) {
            Err(error) if error.is_absence() => continue,
            bytes => bytes?,
        };
        if oldest < retired.lsn {
            report.bytes_waiting += bytes;
            continue;
        }
        report.bytes_freed += bytes;
        if !dry_run {
            pace.step();
            remove(parts, retired.pack)?;
            has_removed = true;
        }
    }
    if has_removed { parts.packs.sync_names() } else { Ok(()) }
}

/// Removes the multi-pack indexes of packs that were all retired, or are `going`. With `dry_run` it
/// only says so.
pub(super) fn remove_indexes(
    parts: &Parts<'_>,
    going: &HashSet<PackId>,
    report: &mut GcReport,
    dry_run: bool,
) -> Result<(), StoreError> {
    let is_over = |id: &PackId| going.contains(id) || parts.packs.is_retired(*id);
    let indexes = parts.packs.indexes_without_packs(is_over)?;
    report.bytes_freed += indexes.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let paths: Vec<PathBuf> = indexes.into_iter().map(|(path, _)| path).collect();
    if dry_run || paths.is_empty() {
        return Ok(());
    }
    parts.packs.remove_indexes(&paths)
}

/// Makes all records durable that can be read, those that retired packs among them. Their writer may
/// have ended before it synced them: a power cut would bring back packs whose files are gone.
pub(crate) fn make_durable(parts: &Parts<'_>, mut log_lock: LogLock) -> Result<(), StoreError> {
    parts.follow_locked(&log_lock)?;
    log::mend(parts.folder, &mut log_lock, &mut lock(parts.tail))
}

/// Returns the oldest hold that is in force anywhere besides `hold`.
pub(super) fn oldest(parts: &Parts<'_>, hold: &Hold, may_remove: bool) -> Result<u64, StoreError> {
    let elsewhere = parts.holds.oldest_elsewhere(may_remove)?;
    Ok(parts.holds.oldest_besides(hold).map_or(elsewhere, |here| here.min(elsewhere)))
}

fn remove(parts: &Parts<'_>, id: PackId) -> Result<(), StoreError> {
    let path = parts.packs.path(id);
    match parts.folder.disk.remove(&path) {
        // Another collection may have come first.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::change(&path, "remove", error))
        }
        _ => {
            parts.packs.forget(id);
            Ok(())
        }
    }
}

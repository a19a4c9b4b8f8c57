//! Replaces the damaged rest of a log by one segment of what is whole.
//!
//! Records keep their numbers: in place of each that is lost stands one without payload. The new
//! segment has a higher epoch than all others, and with it every old segment behind its first
//! record is stale, so the moment in which it gets its name is the moment of the repair. Before
//! that a copy of everything that cannot be read is put aside, in the folder `damaged`, and
//! checkpoints that end with a lost record are made to end with the one in its place.

use std::path::{Path, PathBuf};

use super::checkpoint::CheckpointName;
use super::record::{Body, Draft, Extent, Found, RawRecord};
use super::recovery::remove_stale;
use super::resume;
use super::salvage::Salvage;
use super::segment_draft::SegmentDraft;
use super::walk::Position;
use super::{LogFolder, LogLock, corrupt};
use crate::disk::{Disk, OpenMode, Window, read_vec};
use crate::error::StoreError;
use crate::pack::PackId;

/// The bytes that are read or written at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The most packs that one record announces or retires, far below what a payload may hold.
const PACKS_MAX: usize = 50_000;

/// The folder, within the log's, for copies of what was damaged.
const ASIDE: &str = "damaged";

/// Writes the segment that `salvage` describes, and behind it records that announce `extents` and
/// retire the packs of `retired` in place of lost ones. Returns the copies of what was damaged.
pub(crate) fn rebuild(
    folder: &LogFolder,
    log_lock: &mut LogLock,
    salvage: &Salvage,
    extents: &[Extent],
    retired: &[PackId],
) -> Result<Vec<PathBuf>, StoreError> {
    let aside = set_aside(folder, salvage)?;
    let mut draft = SegmentDraft::begin(folder, salvage.name, salvage.carried)?;
    let ends = copy(folder, &mut draft, salvage)?;
    for extents in extents.chunks(PACKS_MAX) {
        draft.push(Draft::new(&Body::Nothing, extents, false)?)?;
    }
    for packs in retired.chunks(PACKS_MAX) {
        draft.push(Draft::new(&Body::Retire(packs.to_vec()), &[], false)?)?;
    }
    // While the log is damaged nobody uses them, and if this ends here the next repair knows them.
    ends.into_iter().try_for_each(|end| resume::move_end(folder, end))?;
    log_lock.renaming(|renaming| draft.finish(renaming))?;
    for old in &salvage.replaced {
        let _removed = folder.disk.remove(&folder.segment_path(*old));
    }
    remove_stale(folder);
    Ok(aside)
}

/// Copies what was damaged, and checkpoints that nobody may ever use, to the folder for such, and
/// makes the copies durable.
fn set_aside(folder: &LogFolder, salvage: &Salvage) -> Result<Vec<PathBuf>, StoreError> {
    let aside = folder.path.join(ASIDE);
    let disk = folder.disk.as_ref();
    let refused = |error| StoreError::change(&aside, "write", error);
    let segments = salvage.damaged.iter().map(ToString::to_string);
    let strays = salvage.strays.iter().map(|last| CheckpointName(*last).file_name());
    let names: Vec<String> = segments.chain(strays).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    disk.create_dir(&aside).map_err(refused)?;
    disk.sync_dir(&folder.path).map_err(refused)?;
    let mut copies = Vec::new();
    for name in names {
        let copy = aside.join(&name);
        copy_file(disk, &folder.path.join(name), &copy)?;
        copies.push(copy);
    }
    disk.sync_dir(&aside).map_err(refused)?;
    Ok(copies)
}

fn copy_file(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StoreError> {
    let unread = |error| StoreError::read(from, error);
    let refused = |error| StoreError::change(to, "write", error);
    let source = disk.open(from, OpenMode::Read).map_err(unread)?;
    let target = disk.open(to, OpenMode::WriteOrCreate).map_err(refused)?;
    target.truncate(0).map_err(refused)?;
    let mut at = 0;
    loop {
        let bytes = read_vec(source.as_ref(), at, CHUNK_BYTES).map_err(unread)?;
        if bytes.is_empty() {
            return target.sync_data().map_err(refused);
        }
        target.write_at(at, &bytes).map_err(refused)?;
        at += bytes.len() as u64;
    }
}

/// Writes the records that are whole, each under its number, and others without payload in place of
/// lost ones. Returns the places of those with which checkpoints end.
fn copy(
    folder: &LogFolder,
    draft: &mut SegmentDraft<'_>,
    salvage: &Salvage,
) -> Result<Vec<Position>, StoreError> {
    let mut ends = Vec::new();
    let mut rest = salvage.spots.as_slice();
    while let Some(first) = rest.first() {
        let len = rest.partition_point(|spot| spot.segment <= first.segment);
        let (within, behind) = rest.split_at(len.max(1));
        let path = folder.segment_path(first.segment);
        let unread = |error| StoreError::read(&path, error);
        let file = folder.disk.open(&path, OpenMode::Read).map_err(unread)?;
        let mut window = Window::new(file.as_ref(), CHUNK_BYTES);
        for spot in within {
            fill_up_to(spot.lsn - 1, draft, salvage, &mut ends)?;
            let found = RawRecord::read(&mut window, spot.offset, first.segment.epoch);
            let Found::Record(record) = found.map_err(unread)? else {
                return Err(corrupt(&path, spot.offset, "a record that was read is gone"));
            };
            draft.copy(record)?;
        }
        rest = behind;
    }
    fill_up_to(salvage.end, draft, salvage, &mut ends)?;
    Ok(ends)
}

/// Writes records without payload in place of lost ones.
fn fill_up_to(
    lsn: u64,
    draft: &mut SegmentDraft<'_>,
    salvage: &Salvage,
    ends: &mut Vec<Position>,
) -> Result<(), StoreError> {
    while draft.position().last < lsn {
        draft.push(Draft::new(&Body::Nothing, &[], false)?)?;
        let at = draft.position();
        ends.extend(salvage.bereft.contains(&at.last).then_some(at));
    }
    Ok(())
}

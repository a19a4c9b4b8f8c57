//! Replaces the damaged rest of a log by one segment of what is whole.
//!
//! Records keep their numbers: in place of each that is lost stands one without payload. The new
//! segment has a higher epoch than all others, and with it every old segment behind its first
//! record is stale, so the moment in which it gets its name is the moment of the repair. Before
//! that a copy of everything that cannot be read is put aside, in the folder `damaged`.

use std::path::{Path, PathBuf};

use super::listing::list;
use super::record::{Body, Draft, Extent, Found, RawRecord};
use super::recovery::remove_stale;
use super::salvage::{Salvage, Spot};
use super::segment::{HEADER_BYTES, SegmentHeader, SegmentName};
use super::walk::Position;
use super::writer::{Renaming, publish};
use super::{LogFolder, LogLock, corrupt};
use crate::disk::{Disk, DiskFile, OpenMode, Window, read_vec};
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
    let aside = set_aside(folder, &salvage.damaged)?;
    let epoch = list(folder)?.next_epoch(folder)?;
    let name = SegmentName { first_lsn: salvage.before + 1, epoch };
    let mut draft = SegmentDraft::begin(folder, name, salvage.carried)?;
    draft.copy(salvage)?;
    for extents in extents.chunks(PACKS_MAX) {
        draft.push(Draft::new(&Body::Nothing, extents, false)?)?;
    }
    for packs in retired.chunks(PACKS_MAX) {
        draft.push(Draft::new(&Body::Retire(packs.to_vec()), &[], false)?)?;
    }
    log_lock.renaming(|renaming| draft.finish(renaming))?;
    for old in &salvage.replaced {
        let _removed = folder.disk.remove(&folder.segment_path(*old));
    }
    remove_stale(folder);
    Ok(aside)
}

/// Copies segments to the folder for what was damaged, and makes the copies durable.
fn set_aside(folder: &LogFolder, names: &[SegmentName]) -> Result<Vec<PathBuf>, StoreError> {
    let aside = folder.path.join(ASIDE);
    let disk = folder.disk.as_ref();
    let refused = |error| StoreError::change(&aside, "write", error);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    disk.create_dir(&aside).map_err(refused)?;
    disk.sync_dir(&folder.path).map_err(refused)?;
    let mut copies = Vec::new();
    for name in names {
        let copy = aside.join(name.to_string());
        copy_file(disk, &folder.segment_path(*name), &copy)?;
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

/// A segment that is written record by record and appears when it is whole.
struct SegmentDraft<'a> {
    folder: &'a LogFolder,
    name: SegmentName,
    file: Box<dyn DiskFile>,
    position: Position,
    /// What is not written yet, and where it belongs.
    waiting: Vec<u8>,
    written: u64,
}

impl<'a> SegmentDraft<'a> {
    fn begin(folder: &'a LogFolder, name: SegmentName, carried: u32) -> Result<Self, StoreError> {
        let header = SegmentHeader::new(name, carried);
        let draft = folder.path.join(name.draft());
        let refused = |error| StoreError::change(&draft, "write", error);
        let file = folder.disk.open(&draft, OpenMode::WriteOrCreate).map_err(refused)?;
        file.truncate(0).map_err(refused)?;
        file.write_at(0, &header.to_bytes()).map_err(refused)?;
        Ok(Self {
            folder,
            name,
            file,
            position: Position::begin(name, header),
            waiting: Vec::new(),
            written: HEADER_BYTES as u64,
        })
    }

    /// Writes the records that are whole, each under its number.
    fn copy(&mut self, salvage: &Salvage) -> Result<(), StoreError> {
        let mut rest = salvage.spots.as_slice();
        while let Some(first) = rest.first() {
            let len = rest.partition_point(|spot| spot.segment <= first.segment);
            let (within, behind) = rest.split_at(len.max(1));
            self.copy_from(first.segment, within)?;
            rest = behind;
        }
        self.fill_up_to(salvage.end)
    }

    fn copy_from(&mut self, name: SegmentName, spots: &[Spot]) -> Result<(), StoreError> {
        let path = self.folder.segment_path(name);
        let unread = |error| StoreError::read(&path, error);
        let file = self.folder.disk.open(&path, OpenMode::Read).map_err(unread)?;
        let mut window = Window::new(file.as_ref(), CHUNK_BYTES);
        for spot in spots {
            self.fill_up_to(spot.lsn - 1)?;
            let found = RawRecord::read(&mut window, spot.offset, name.epoch).map_err(unread)?;
            let Found::Record(record) = found else {
                return Err(corrupt(&path, spot.offset, "a record that was read is gone"));
            };
            let more = record.more();
            let RawRecord { kind, payload, .. } = record;
            self.push(Draft { kind, more, payload })?;
        }
        Ok(())
    }

    /// Writes records without payload in place of lost ones.
    fn fill_up_to(&mut self, lsn: u64) -> Result<(), StoreError> {
        while self.position.last < lsn {
            self.push(Draft::new(&Body::Nothing, &[], false)?)?;
        }
        Ok(())
    }

    /// Appends a record. It is a write of its own: nobody sees it before it is synced.
    fn push(&mut self, draft: Draft) -> Result<(), StoreError> {
        let Position { last, chain, .. } = self.position;
        let record = RawRecord::place(draft, last + 1, self.name.epoch, chain, 0);
        record.write(&mut self.waiting);
        self.position.advance(&record);
        if self.waiting.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let path = self.folder.segment_path(self.name);
        let written = self.file.write_at(self.written, &self.waiting);
        written.map_err(|error| StoreError::change(&path, "write", error))?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Makes the segment appear, durable.
    fn finish(mut self, renaming: &Renaming) -> Result<(), StoreError> {
        self.flush()?;
        publish(self.folder, renaming, self.name, self.file)
    }
}

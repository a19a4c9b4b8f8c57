//! Appends to the log under its lock.
//!
//! The lock is an exclusive lock on the file `lock`; its one byte is the mark. The mark is set
//! from before the log's files or names change until the change is synced. Whoever takes the lock
//! and finds it set knows that another process ended in between: what that process left may be
//! readable and yet not be on the disk. The mark need not be synced itself, because a power cut takes the unsynced
//! records with it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::reader::{Position, Tail, list};
use super::record::{Body, Draft, RawRecord};
use super::segment::{HEADER_BYTES, SegmentHeader, SegmentName};
use super::{LogFolder, recovery};
use crate::disk::{DiskFile, OpenMode, read_full};
use crate::error::StoreError;
use crate::locked::lock;

/// The room that is set aside at a time, in bytes: a full disk is then met while zeros are
/// written, and most syncs need not change the file's size.
const ROOM_BYTES: u64 = 64 << 10;

const CLEAN: u8 = 0;
const DIRTY: u8 = 1;

/// The log's lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct LogLock {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    dirty: bool,
}

impl LogLock {
    /// Waits for the lock and takes it.
    pub(crate) fn take(folder: &LogFolder) -> Result<Self, StoreError> {
        let path = folder.lock_path();
        let refused = |error| StoreError::change(&path, "lock", error);
        let file = folder.disk.open(&path, OpenMode::WriteOrCreate).map_err(refused)?;
        file.lock().map_err(refused)?;
        let dirty = read_mark(file.as_ref()).map_err(|error| StoreError::read(&path, error))?;
        Ok(Self { file, path, dirty })
    }

    /// Returns whether the writer before ended in the middle of a commit.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    fn set(&mut self, mark: u8) -> Result<(), StoreError> {
        self.file
            .write_at(0, &[mark])
            .map_err(|error| StoreError::change(&self.path, "mark", error))?;
        self.dirty = mark != CLEAN;
        Ok(())
    }
}

impl Drop for LogLock {
    fn drop(&mut self) {
        // Said aloud because a child process that is just being started shares the open file;
        // where even this fails, closing the file is what releases the lock.
        let _released = self.file.unlock();
    }
}

fn read_mark(file: &dyn DiskFile) -> std::io::Result<bool> {
    let mut mark = [CLEAN];
    read_full(file, 0, &mut mark)?;
    Ok(mark != [CLEAN])
}

/// Returns whether the mark is set, without the lock.
pub(crate) fn is_dirty(folder: &LogFolder) -> bool {
    let file = folder.disk.open(&folder.lock_path(), OpenMode::Read);
    file.and_then(|file| read_mark(file.as_ref())).unwrap_or(false)
}

/// Appends `drafts`, which say `bodies`, as one write, and returns when they are durable. The tail
/// must have been read to its end under this lock.
pub(crate) fn append(
    folder: &LogFolder,
    log_lock: &mut LogLock,
    tail: &Mutex<Tail>,
    drafts: Vec<Draft>,
    bodies: Vec<Body>,
) -> Result<(), StoreError> {
    let bytes = drafts.iter().map(Draft::size).sum();
    let (segment, start) = {
        let mut tail = lock(tail);
        let segment = prepare(folder, log_lock, &mut tail, bytes)?;
        log_lock.set(DIRTY)?;
        // From here on the segment is not what it was, unless the write succeeds: the ceiling
        // stays, and the mark makes the next writer replace the segment.
        tail.ceiling = Some((segment.name, tail.position.offset));
        (segment, tail.position)
    };
    let (bytes, end) = frame(segment.name, start, drafts);
    // The tail is not held here: others in this process read on, up to the ceiling.
    write(log_lock, &segment, start.offset, &bytes).inspect_err(|error| {
        if matches!(error, StoreError::Poisoned { .. }) {
            lock(tail).poisoned = Some(segment.name);
        }
    })?;
    let mut tail = lock(tail);
    tail.ceiling = None;
    tail.appended(end, (start.last + 1..).zip(bodies).collect());
    Ok(())
}

/// The segment that is written to.
struct Active {
    name: SegmentName,
    path: PathBuf,
    file: Box<dyn DiskFile>,
}

/// Makes the log ready for a write of `bytes` at the tail: repaired, in a segment that has room.
fn prepare(
    folder: &LogFolder,
    log_lock: &mut LogLock,
    tail: &mut Tail,
    bytes: u64,
) -> Result<Active, StoreError> {
    if let Some(poisoned) = tail.poisoned
        && tail.position.segment == Some(poisoned)
    {
        return Err(StoreError::Poisoned { path: folder.segment_path(poisoned) });
    }
    if log_lock.is_dirty() || tail.torn {
        log_lock.set(DIRTY)?;
        recovery::replace(folder, tail)?;
        log_lock.set(CLEAN)?;
    }
    let offset = tail.position.offset;
    let is_full = offset > HEADER_BYTES as u64 && offset + bytes > folder.segment_bytes_max;
    let name = match tail.position.segment {
        Some(segment) if !is_full => segment,
        _ => {
            log_lock.set(DIRTY)?;
            let name = begin_segment(folder, tail)?;
            log_lock.set(CLEAN)?;
            name
        }
    };
    let path = folder.segment_path(name);
    let file = folder
        .disk
        .open(&path, OpenMode::Write)
        .map_err(|error| StoreError::change(&path, "open", error))?;
    make_room(folder, &path, file.as_ref(), tail.position.offset + bytes)?;
    Ok(Active { name, path, file })
}

/// Begins the segment after the tail.
fn begin_segment(folder: &LogFolder, tail: &mut Tail) -> Result<SegmentName, StoreError> {
    let epoch = list(folder)?.next_epoch(folder)?;
    let name = SegmentName { first_lsn: tail.position.last + 1, epoch };
    let header = SegmentHeader::new(name, tail.position.chain);
    create_segment(folder, name, header, &[])?;
    tail.position = Position { digest: tail.position.digest, ..Position::begin(name, header) };
    Ok(name)
}

/// Makes a segment appear under its name whole and durable, or not at all.
pub(super) fn create_segment(
    folder: &LogFolder,
    name: SegmentName,
    header: SegmentHeader,
    records: &[u8],
) -> Result<(), StoreError> {
    let path = folder.segment_path(name);
    let draft = folder.path.join(name.draft());
    let refused = |error| StoreError::change(&path, "write", error);
    let file = folder.disk.open(&draft, OpenMode::WriteOrCreate).map_err(refused)?;
    file.truncate(0).map_err(refused)?;
    file.write_at(0, &header.to_bytes()).map_err(refused)?;
    file.write_at(HEADER_BYTES as u64, records).map_err(refused)?;
    file.sync_data().map_err(refused)?;
    drop(file);
    folder.disk.rename(&draft, &path).map_err(refused)?;
    folder
        .disk
        .sync_dir(&folder.path)
        .map_err(|error| StoreError::change(&folder.path, "sync", error))
}

/// Fills the file with zeros up to `end` or somewhat beyond. Zeros are what a reader takes for the
/// end, so a failure here leaves nothing behind that anybody could see.
fn make_room(
    folder: &LogFolder,
    path: &Path,
    file: &dyn DiskFile,
    end: u64,
) -> Result<(), StoreError> {
    let size = file.size().map_err(|error| StoreError::read(path, error))?;
    if end <= size {
        return Ok(());
    }
    let wanted = end.max((size + ROOM_BYTES).min(folder.segment_bytes_max));
    let zeros = vec![0; usize::try_from(wanted - size).unwrap_or(usize::MAX)];
    file.write_at(size, &zeros).map_err(|error| {
        // Room that could not be had is given back; where even that fails it stays as zeros.
        let _given_back = file.truncate(size);
        StoreError::change(path, "write", error)
    })
}

/// Gives the drafts their numbers and chain values.
fn frame(name: SegmentName, start: Position, drafts: Vec<Draft>) -> (Vec<u8>, Position) {
    let mut bytes = Vec::new();
    let mut end = start;
    for (ordinal, draft) in (0_u32..).zip(drafts) {
        let record = RawRecord::place(draft, end.last + 1, name.epoch, end.chain, ordinal);
        record.write(&mut bytes);
        end.advance(&record);
    }
    (bytes, end)
}

fn write(
    log_lock: &mut LogLock,
    segment: &Active,
    offset: u64,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let Active { path, file, .. } = segment;
    file.write_at(offset, bytes).map_err(|error| StoreError::change(path, "write", error))?;
    file.sync_data().map_err(|_| StoreError::Poisoned { path: path.clone() })?;
    // The records are durable, whatever becomes of the mark: left set, it costs the next writer
    // a needless repair.
    let _cleared = log_lock.set(CLEAN);
    Ok(())
}

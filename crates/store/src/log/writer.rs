//! Appends to the log under its lock.
//!
//! The lock is an exclusive lock on the file `lock`; its first byte is the mark. The mark is set
//! from before the log's files or names change until the change is synced. Whoever takes the lock
//! and finds it set knows that another process ended in between: what that process left may be
//! readable and yet not be on the disk. The mark need not be synced itself, because a power cut takes the unsynced
//! records with it.
//!
//! Behind the mark stands how often names of segments changed. While that number stays, so does
//! the segment that is written to, and a process that wrote to it before keeps it open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::drafts::Drafts;
use super::listing::list;
use super::reader::Tail;
use super::record::{self, Body};
use super::segment::{HEADER_BYTES, SegmentName};
use super::segment_draft::SegmentDraft;
use super::walk::Position;
use super::{LogFolder, recovery};
use crate::disk::{DiskFile, OpenMode, read_full};
use crate::error::StoreError;
use crate::locked::lock;

/// The room that is set aside at a time, in bytes: a full disk is then met while zeros are
/// written, and most syncs need not change the file's size. A segment grows by its own size, so
/// that a small lake stays small and a busy one seldom grows, within these bounds.
const ROOM_BYTES_MIN: u64 = 64 << 10;
const ROOM_BYTES_MAX: u64 = 1 << 20;
/// A write of so many bytes sets no room aside: it takes longer to write as many zeros first than to
/// let the sync change the file's size as well.
const LARGE_WRITE_BYTES: u64 = 16 << 10;

/// What the lock's file holds: the mark, and how often names changed.
const STATE_BYTES: usize = 1 + size_of::<u64>();
const CLEAN: u8 = 0;
const DIRTY: u8 = 1;

/// The log's lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct LogLock {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    dirty: bool,
    /// How often names of segments changed.
    names: u64,
    /// Whether the file was open already, so that `names` goes on from what was read before.
    was_open: bool,
    idle: Arc<Mutex<Option<Arc<dyn DiskFile>>>>,
}

impl LogLock {
    /// Waits for the lock and takes it.
    pub(crate) fn take(folder: &LogFolder) -> Result<Self, StoreError> {
        let path = folder.lock_path();
        let refused = |error| StoreError::change(&path, "lock", error);
        // An open file is one owner to the operating system, so each thread needs one for itself.
        let idle = lock(&folder.idle_lock).take();
        let (file, was_open) = match idle.map(locked).transpose().map_err(refused)?.flatten() {
            Some(file) => (file, true),
            None => {
                let file = folder.disk.open(&path, OpenMode::WriteOrCreate).map_err(refused)?;
                file.lock().map_err(refused)?;
                (Arc::from(file), false)
            }
        };
        let (dirty, names) =
            read_state(file.as_ref()).map_err(|error| StoreError::read(&path, error))?;
        let idle = Arc::clone(&folder.idle_lock);
        Ok(Self { file, path, dirty, names, was_open, idle })
    }

    /// Returns whether the writer before ended in the middle of a commit.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Does `work`, which changes names of segments, with the mark set and everybody told. Where it
    /// fails the mark stays.
    pub(super) fn renaming<T>(
        &mut self,
        work: impl FnOnce(&Renaming) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.set_renaming()?;
        let done = work(&Renaming(()))?;
        self.set(CLEAN)?;
        Ok(done)
    }

    fn set(&mut self, mark: u8) -> Result<(), StoreError> {
        self.file
            .write_at(0, &[mark])
            .map_err(|error| StoreError::change(&self.path, "mark", error))?;
        self.dirty = mark != CLEAN;
        Ok(())
    }

    /// Sets the mark and tells everybody that names of segments are about to change.
    fn set_renaming(&mut self) -> Result<(), StoreError> {
        let names = self.names.wrapping_add(1);
        let mut state = [DIRTY; STATE_BYTES];
        if let Some(field) = state.last_chunk_mut() {
            *field = names.to_le_bytes();
        }
        self.file
            .write_at(0, &state)
            .map_err(|error| StoreError::change(&self.path, "mark", error))?;
        (self.dirty, self.names) = (true, names);
        Ok(())
    }
}

/// What [`LogLock::renaming`] gives to whoever may change names of segments: processes that keep a
/// segment open have to notice that it is no longer the last.
#[derive(Debug)]
pub(super) struct Renaming(());

impl Drop for LogLock {
    fn drop(&mut self) {
        // Said aloud because a child process that is just being started shares the open file;
        // where even this fails, closing the file is what releases the lock.
        if self.file.unlock().is_ok() {
            *lock(&self.idle) = Some(Arc::clone(&self.file));
        }
    }
}

/// Locks the lock's file, which was open already; none if it no longer is the lock's.
fn locked(file: Arc<dyn DiskFile>) -> std::io::Result<Option<Arc<dyn DiskFile>>> {
    file.lock()?;
    // Where this cannot be told, closing the file releases the lock.
    Ok(file.has_name().is_ok_and(|has_name| has_name).then_some(file))
}

/// Reads the mark and how often names changed; what is not there yet is zero.
fn read_state(file: &dyn DiskFile) -> std::io::Result<(bool, u64)> {
    let mut state = [0; STATE_BYTES];
    read_full(file, 0, &mut state)?;
    let [mark, names @ ..] = state;
    Ok((mark != CLEAN, u64::from_le_bytes(names)))
}

/// Returns whether the mark is set, without the lock. Where nobody ever took that, it is not.
pub(crate) fn read_dirty(folder: &LogFolder) -> Result<bool, StoreError> {
    let path = folder.lock_path();
    let state = folder.disk.open(&path, OpenMode::Read).and_then(|file| read_state(file.as_ref()));
    match state {
        Ok((is_dirty, _)) => Ok(is_dirty),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::read(&path, error)),
    }
}

/// Appends `drafts`, which say `bodies`, as one write, and returns when they are durable. The tail
/// must have been read to its end under this lock.
pub(crate) fn append(
    folder: &LogFolder,
    log_lock: &mut LogLock,
    tail: &Mutex<Tail>,
    drafts: Drafts,
    bodies: Vec<Body>,
) -> Result<(), StoreError> {
    let (segment, start) = {
        let mut tail = lock(tail);
        let segment = prepare(folder, log_lock, &mut tail, drafts.size())?;
        log_lock.set(DIRTY)?;
        // From here on the segment is not what it was, unless the write succeeds: the ceiling
        // stays, and the mark makes the next writer replace the segment.
        tail.ceiling = Some((segment.name, tail.position.offset));
        (segment, tail.position)
    };
    let (bytes, end) = drafts.place(segment.name, start);
    // The tail is not held here: others in this process read on, up to the ceiling.
    write(log_lock, &segment, start.offset, &bytes).inspect_err(|error| {
        if matches!(error, StoreError::Poisoned { .. }) {
            lock(tail).poisoned = Some((segment.name, error.clone()));
        }
    })?;
    let mut tail = lock(tail);
    tail.ceiling = None;
    tail.active = Some(segment);
    tail.appended(end, (start.last + 1..).zip(bodies));
    Ok(())
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    name: SegmentName,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// So long the file is at least.
    size: u64,
    /// How often names of segments had changed when this was the last one.
    names: u64,
}

impl Active {
    /// Returns whether this is still the last segment, and `position` its end: then there is
    /// nothing to follow. Wherever that is not certain the answer is no.
    pub(super) fn ends_at(&self, position: &Position, held: &LogLock) -> bool {
        held.was_open && !held.is_dirty() && held.names == self.names && self.ends_before(position)
    }

    /// The same for somebody without the lock. A record that was acknowledged before this was
    /// called stands behind the end, or the names changed, or the mark is set.
    pub(super) fn ends_at_unlocked(&self, position: &Position, folder: &LogFolder) -> bool {
        // None while this process writes.
        let Some(file) = lock(&folder.idle_lock).clone() else { return false };
        file.has_name().is_ok_and(|has_name| has_name)
            && read_state(file.as_ref()).is_ok_and(|state| state == (false, self.names))
            && self.ends_before(position)
    }

    /// Returns whether there is no record at `position`, which is in this segment.
    fn ends_before(&self, position: &Position) -> bool {
        let mut next = [0; record::HEADER_BYTES];
        position.segment == Some(self.name)
            && self.file.has_name().is_ok_and(|has_name| has_name)
            && read_full(self.file.as_ref(), position.offset, &mut next).is_ok()
            && next.iter().all(|byte| *byte == 0)
    }
}

/// Makes sure that everything up to the tail is durable: what a writer left that ended inside a
/// commit, or what stands torn at the end, is replaced.
pub(crate) fn mend(
    folder: &LogFolder,
    log_lock: &mut LogLock,
    tail: &mut Tail,
) -> Result<(), StoreError> {
    if let Some((segment, error)) = &tail.poisoned
        && tail.position.segment == Some(*segment)
    {
        return Err(error.clone());
    }
    if log_lock.is_dirty() || tail.torn {
        log_lock.renaming(|renaming| recovery::replace(folder, renaming, tail))?;
    }
    Ok(())
}

/// Makes the log ready for a write of `bytes` at the tail: repaired, in a segment that has room.
fn prepare(
    folder: &LogFolder,
    log_lock: &mut LogLock,
    tail: &mut Tail,
    bytes: u64,
) -> Result<Active, StoreError> {
    mend(folder, log_lock, tail)?;
    let offset = tail.position.offset;
    let is_full = offset > HEADER_BYTES as u64 && offset + bytes > folder.segment_bytes_max;
    let name = match tail.position.segment {
        Some(segment) if !is_full => segment,
        _ => log_lock.renaming(|renaming| begin_segment(folder, renaming, tail))?,
    };
    let mut active = match tail.active.take().filter(|active| active.name == name) {
        Some(active) => active,
        None => open_active(folder, log_lock, name)?,
    };
    let end = tail.position.offset + bytes;
    if bytes < LARGE_WRITE_BYTES && end > active.size {
        active.size = make_room(folder, &active.path, active.file.as_ref(), end)?;
    }
    Ok(active)
}

fn open_active(
    folder: &LogFolder,
    log_lock: &LogLock,
    name: SegmentName,
) -> Result<Active, StoreError> {
    let path = folder.segment_path(name);
    let file = folder.disk.open(&path, OpenMode::Write);
    let file = file.map_err(|error| StoreError::change(&path, "open", error))?;
    // What its size is matters only where it is too small.
    Ok(Active { name, path, file, size: 0, names: log_lock.names })
}

/// Begins the segment after the tail.
fn begin_segment(
    folder: &LogFolder,
    renaming: &Renaming,
    tail: &mut Tail,
) -> Result<SegmentName, StoreError> {
    let epoch = list(folder)?.next_epoch(folder)?;
    let name = SegmentName { first_lsn: tail.position.last + 1, epoch };
    let begin = SegmentDraft::begin(folder, name, tail.position.chain)?.finish(renaming)?;
    tail.position = Position { digest: tail.position.digest, ..begin };
    Ok(name)
}

/// Fills the file with zeros up to `end` or somewhat beyond, and returns its size. Zeros are what a reader takes for the
/// end, so a failure here leaves nothing behind that anybody could see.
fn make_room(
    folder: &LogFolder,
    path: &Path,
    file: &dyn DiskFile,
    end: u64,
) -> Result<u64, StoreError> {
    let size = file.size().map_err(|error| StoreError::read(path, error))?;
    if end <= size {
        return Ok(size);
    }
    let room = size.clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX);
    let wanted = end.max((size + room).min(folder.segment_bytes_max));
    let zeros = vec![0; usize::try_from(wanted - size).unwrap_or(usize::MAX)];
    file.write_at(size, &zeros).map_err(|error| {
        // Room that could not be had is given back; where even that fails it stays as zeros.
        let _given_back = file.truncate(size);
        StoreError::change(path, "write", error)
    })?;
    Ok(wanted)
}

fn write(
    log_lock: &mut LogLock,
    segment: &Active,
    offset: u64,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let Active { path, file, .. } = segment;
    file.write_at(offset, bytes).map_err(|error| StoreError::change(path, "write", error))?;
    file.sync_data().map_err(|error| StoreError::poisoned(path, error))?;
    // The records are durable, whatever becomes of the mark: left set, it costs the next writer
    // a needless repair.
    let _cleared = log_lock.set(CLEAN);
    Ok(())
}

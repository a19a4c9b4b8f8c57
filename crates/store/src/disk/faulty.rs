//! A disk that fails on request, around any other disk.
//!
//! [`Faults`] is the remote control: clones of it steer the same disk while a store uses it.
//! Operations are counted from 0 in the order in which they reach the disk; releasing a lock is
//! neither counted nor refused, because the operating system does it for a dead process too.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{Disk, DiskFile, OpenMode};
use crate::locked::lock;

/// A disk that fails on request.
#[derive(Debug)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    faults: Faults,
}

/// What is to fail, and what has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    operations: u64,
    syncs: u64,
    fail_from: Option<u64>,
    fail_at: Option<u64>,
    fail_sync_at: Option<u64>,
    short_read_at: Option<u64>,
    kind: Option<io::ErrorKind>,
    space_bytes: Option<u64>,
    read_only: bool,
    flip: Option<Flip>,
}

#[derive(Debug, Clone)]
struct Flip {
    name_part: String,
    offset: u64,
    bit: u8,
}

impl State {
    fn error(&self, message: String) -> io::Error {
        io::Error::new(self.kind.unwrap_or(io::ErrorKind::Other), message)
    }
}

impl Faults {
    /// Lets every operation from number `operation` on fail, as if the process had died there.
    pub fn fail_from(&self, operation: u64) {
        lock(&self.state).fail_from = Some(operation);
    }

    /// Lets the one operation number `operation` fail.
    pub fn fail_at(&self, operation: u64) {
        lock(&self.state).fail_at = Some(operation);
    }

    /// Lets the one file sync number `sync` fail, counted from 0.
    pub fn fail_sync_at(&self, sync: u64) {
        lock(&self.state).fail_sync_at = Some(sync);
    }

    /// Lets operation number `operation`, if it is a read, return half of what there is.
    pub fn short_read_at(&self, operation: u64) {
        lock(&self.state).short_read_at = Some(operation);
    }

    /// Says which error operations that are made to fail return.
    pub fn set_kind(&self, kind: io::ErrorKind) {
        lock(&self.state).kind = Some(kind);
    }

    /// Leaves room for `bytes` more bytes of writing; `None` ends the shortage.
    pub fn limit_space(&self, bytes: Option<u64>) {
        lock(&self.state).space_bytes = bytes;
    }

    /// Refuses every change, as a read-only file system does.
    pub fn set_read_only(&self, read_only: bool) {
        lock(&self.state).read_only = read_only;
    }

    /// Flips a bit of what is read at `offset` of files whose path contains `name_part`.
    pub fn flip_bit(&self, name_part: &str, offset: u64, bit: u8) {
        let flip = Flip { name_part: name_part.to_owned(), offset, bit: bit % 8 };
        lock(&self.state).flip = Some(flip);
    }

    /// Ends all faults; the counts go on.
    pub fn clear(&self) {
        let mut state = lock(&self.state);
        *state = State { operations: state.operations, syncs: state.syncs, ..State::default() };
    }

    /// Returns the operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        lock(&self.state).operations
    }

    /// Returns the file syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        lock(&self.state).syncs
    }

    fn step(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let number = state.operations;
        state.operations += 1;
        if state.fail_from.is_some_and(|from| number >= from) || state.fail_at == Some(number) {
            return Err(state.error(format!("operation {number} was made to fail")));
        }
        Ok(())
    }

    /// Counts a read; returns whether it is to be short.
    fn step_read(&self) -> io::Result<bool> {
        let is_short = {
            let state = lock(&self.state);
            state.short_read_at == Some(state.operations)
        };
        self.step()?;
        Ok(is_short)
    }

    fn step_change(&self) -> io::Result<()> {
        if lock(&self.state).read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.step()
    }

    fn step_sync(&self) -> io::Result<()> {
        self.step()?;
        let mut state = lock(&self.state);
        let number = state.syncs;
        state.syncs += 1;
        if state.fail_sync_at == Some(number) {
            return Err(state.error(format!("sync {number} was made to fail")));
        }
        Ok(())
    }

    /// Takes `wanted` bytes of the room that is left; returns how many there were.
    fn take_space(&self, wanted: u64) -> u64 {
        let mut state = lock(&self.state);
        let Some(left) = state.space_bytes else {
            return wanted;
        };
        let granted = wanted.min(left);
        state.space_bytes = Some(left - granted);
        granted
    }

    fn flip_for(&self, path: &Path) -> Option<Flip> {
        let state = lock(&self.state);
        let flip = state.flip.as_ref()?;
        path.to_string_lossy().contains(&flip.name_part).then(|| flip.clone())
    }
}

impl FaultyDisk {
    /// Wraps `inner`; no fault is set yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self { inner, faults: Faults::default() }
    }

    /// Returns the remote control of this disk.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        match mode {
            OpenMode::Read => self.faults.step()?,
            OpenMode::Write | OpenMode::WriteOrCreate | OpenMode::CreateNew => {
                self.faults.step_change()?;
            }
        }
        let file = FaultyFile {
            inner: self.inner.open(path, mode)?,
            faults: self.faults.clone(),
            path: path.into(),
        };
        Ok(Box::new(file))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.faults.step_change()?;
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.faults.step()?;
        self.inner.list(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.faults.step_change()?;
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.step_change()?;
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.faults.step()?;
        self.inner.sync_dir(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn DiskFile>,
    faults: Faults,
    path: Box<Path>,
}

impl FaultyFile {
    /// Flips the bit that is to be flipped, if it is in what was read at `offset`.
    fn flip(&self, offset: u64, bytes: &mut [u8]) {
        if let Some(flip) = self.faults.flip_for(&self.path)
            && let Some(at) = flip.offset.checked_sub(offset)
            && let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at))
        {
            *byte ^= 1 << flip.bit;
        }
    }
}

impl DiskFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.faults.step()?;
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let is_short = self.faults.step_read()?;
        let read = self.inner.read_at(offset, buffer)?;
        self.flip(offset, buffer);
        Ok(if is_short { read / 2 } else { read })
    }

    fn read_new(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let is_short = self.faults.step_read()?;
        let mut bytes = self.inner.read_new(offset, len)?;
        self.flip(offset, &mut bytes);
        if is_short {
            bytes.truncate(bytes.len() / 2);
        }
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.step_change()?;
        let room = self.faults.take_space(data.len() as u64);
        let fitting = usize::try_from(room).ok().and_then(|room| data.get(..room));
        self.inner.write_at(offset, fitting.unwrap_or(data))?;
        if room < data.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.faults.step_change()?;
        self.inner.truncate(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.step_sync()?;
        self.inner.sync_data()
    }

    fn lock(&self) -> io::Result<()> {
        self.faults.step()?;
        self.inner.lock()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.faults.step()?;
        self.inner.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.faults.step()?;
        self.inner.has_name()
    }
}

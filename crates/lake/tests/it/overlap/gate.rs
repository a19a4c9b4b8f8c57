//! A disk that lets somebody else act in the middle of what one process does, and tells when a
//! process waits for another.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cidlake_store::disk::{Disk, DiskFile, MemDisk, OpenMode};

type Act = Box<dyn FnOnce() + Send>;

/// What is to happen at a disk, and what has happened so far; clones are the same.
#[derive(Clone, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    operations: u64,
    /// What is done before which operation.
    act: Option<(u64, Act)>,
    /// What is done when a lock is waited for.
    waits: Option<Act>,
}

/// A disk as a process sees it through its gate.
#[derive(Clone, Debug)]
pub struct GateDisk {
    pub inner: MemDisk,
    pub gate: Gate,
}

#[derive(Debug)]
struct GateFile {
    inner: Box<dyn DiskFile>,
    gate: Gate,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// Does `act` before the operation that comes after so many more.
    pub fn act_after(&self, operations: u64, act: impl FnOnce() + Send + 'static) {
        self.with(|state| state.act = Some((state.operations + operations, Box::new(act))));
    }

    /// Does `act` when a lock is waited for the next time.
    pub fn when_waiting(&self, act: impl FnOnce() + Send + 'static) {
        self.with(|state| state.waits = Some(Box::new(act)));
    }

    /// Takes back what was to be done; returns it if it was not.
    pub fn disarm(&self) -> Option<Act> {
        self.with(|state| state.act.take().map(|(_, act)| act))
    }

    pub fn operations(&self) -> u64 {
        self.with(|state| state.operations)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn step(&self) {
        let due = self.with(|state| {
            state.operations += 1;
            let is_due = state.act.as_ref().is_some_and(|(at, _)| *at < state.operations);
            if is_due { state.act.take() } else { None }
        });
        if let Some((_, act)) = due {
            act();
        }
    }
}

impl Disk for GateDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        self.gate.step();
        let inner = self.inner.open(path, mode)?;
        Ok(Box::new(GateFile { inner, gate: self.gate.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.gate.step();
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.gate.step();
        self.inner.list(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.gate.step();
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.step();
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.gate.step();
        self.inner.sync_dir(path)
    }
}

impl DiskFile for GateFile {
    fn size(&self) -> io::Result<u64> {
        self.gate.step();
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.gate.step();
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.gate.step();
        self.inner.write_at(offset, data)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.gate.step();
        self.inner.truncate(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.step();
        self.inner.sync_data()
    }

    fn lock(&self) -> io::Result<()> {
        self.gate.step();
        if self.inner.try_lock()? {
            return Ok(());
        }
        if let Some(act) = self.gate.with(|state| state.waits.take()) {
            act();
        }
        self.inner.lock()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.gate.step();
        self.inner.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.inner.has_name()
    }
}

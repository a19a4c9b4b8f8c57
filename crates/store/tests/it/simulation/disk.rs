//! The machine of a simulation: processes on one disk in memory, with a power cut, a failure or
//! another process's step at an operation that was settled before.
//!
//! Everything happens in one thread, so the same seed gives the same run. A process that would
//! have to wait for another's lock is refused instead.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use cidlake_store::disk::{Disk, DiskFile, MemDisk, OpenMode};

use super::step::Moment;

/// What is to happen on a machine, and what has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Control {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Changes so far, of all processes.
    changes: u64,
    cut_at: Option<u64>,
    is_cut: bool,
    interlude: Option<Interlude>,
    failure: Option<Failure>,
    /// Processes that have met a failure since they began.
    hurt: Vec<usize>,
    /// Processes that were refused a lock in this step.
    refused: Vec<usize>,
    /// Processes that have ended in the middle of a step.
    dead: Vec<usize>,
}

struct Interlude {
    process: usize,
    operations_left: u64,
    act: Box<dyn FnOnce() + Send>,
}

struct Failure {
    process: usize,
    at: Moment,
    is_death: bool,
}

/// What a process wants of the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Look,
    Change,
    Sync,
}

/// What the disk is to do with an operation.
enum Verdict {
    Do,
    Refuse(io::Error),
    /// To fail half way.
    Botch,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl Control {
    /// Cuts the power before change number `change`, counted from 0 over all processes.
    pub fn cut_at(&self, change: u64) {
        self.state().cut_at = Some(change);
    }

    /// Runs `act` before the operation of `process` that comes after `operations` more.
    pub fn interlude(&self, process: usize, operations: u64, act: Box<dyn FnOnce() + Send>) {
        self.state().interlude = Some(Interlude { process, operations_left: operations, act });
    }

    /// Lets a change of `process` fail, counted from now on.
    pub fn fail(&self, process: usize, at: Moment) {
        self.state().failure = Some(Failure { process, at, is_death: false });
    }

    /// Ends `process` before one of its changes, counted from now on.
    pub fn kill(&self, process: usize, at: Moment) {
        self.state().failure = Some(Failure { process, at, is_death: true });
    }

    /// Whether a process has ended in the middle of a step.
    pub fn is_dead(&self, process: usize) -> bool {
        self.state().dead.contains(&process)
    }

    /// Ends a step; returns whether what was to happen in it has happened.
    pub fn end_step(&self) -> bool {
        let mut state = self.state();
        state.refused.clear();
        let (interlude, failure) = (state.interlude.take(), state.failure.take());
        interlude.is_none() && failure.is_none()
    }

    pub fn is_cut(&self) -> bool {
        self.state().is_cut
    }

    /// Whether a process has met a failure, so that it may fail.
    pub fn is_hurt(&self, process: usize) -> bool {
        let state = self.state();
        state.is_cut || state.hurt.contains(&process) || state.refused.contains(&process)
    }

    /// Takes note that a process began anew.
    pub fn heal(&self, process: usize) {
        let mut state = self.state();
        state.hurt.retain(|hurt| *hurt != process);
        state.dead.retain(|dead| *dead != process);
    }

    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn before(&self, process: usize, wish: Wish) -> Verdict {
        let due = self.state().due_interlude(process);
        if let Some(act) = due {
            act();
        }
        let mut state = self.state();
        if wish != Wish::Look {
            state.is_cut |= state.cut_at == Some(state.changes);
            state.changes += 1;
        }
        if state.is_cut {
            return Verdict::Refuse(io::Error::other("the power was cut"));
        }
        if let Some(failure) = state.due_failure(process, wish) {
            state.hurt.push(process);
            if !failure.is_death {
                return Verdict::Botch;
            }
            state.dead.push(process);
        }
        if state.dead.contains(&process) {
            return Verdict::Refuse(io::Error::other("the process has ended"));
        }
        Verdict::Do
    }

    /// Takes note that a process was refused a lock.
    fn refuse_lock(&self, process: usize) -> io::Error {
        self.state().refused.push(process);
        io::Error::new(io::ErrorKind::WouldBlock, "another process has the lock")
    }
}

impl State {
    fn due_interlude(&mut self, process: usize) -> Option<Box<dyn FnOnce() + Send>> {
        let interlude = self.interlude.as_mut().filter(|due| due.process == process)?;
        if interlude.operations_left > 0 {
            interlude.operations_left -= 1;
            return None;
        }
        self.interlude.take().map(|due| due.act)
    }

    fn due_failure(&mut self, process: usize, wish: Wish) -> Option<Failure> {
        let failure = self.failure.as_mut().filter(|due| due.process == process)?;
        let left = match (&mut failure.at, wish) {
            (Moment::Change(left), Wish::Change | Wish::Sync) => left,
            (Moment::Sync(left), Wish::Sync) => left,
            _ => return None,
        };
        if *left > 0 {
            *left -= 1;
            return None;
        }
        self.failure.take()
    }
}

/// The disk as one process sees it.
#[derive(Debug, Clone)]
pub struct SimDisk {
    pub inner: MemDisk,
    pub control: Control,
    pub process: usize,
}

#[derive(Debug)]
struct SimFile {
    inner: Box<dyn DiskFile>,
    disk: SimDisk,
    path: Box<Path>,
}

impl SimDisk {
    fn look(&self) -> io::Result<()> {
        self.judge(Wish::Look)
    }

    fn change(&self) -> io::Result<()> {
        self.judge(Wish::Change)
    }

    fn judge(&self, wish: Wish) -> io::Result<()> {
        match self.control.before(self.process, wish) {
            Verdict::Do => Ok(()),
            Verdict::Refuse(error) => Err(error),
            Verdict::Botch => Err(io::Error::other("the disk refused")),
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        match mode {
            OpenMode::Read | OpenMode::Write => self.look()?,
            OpenMode::WriteOrCreate | OpenMode::CreateNew => self.change()?,
        }
        let inner = self.inner.open(path, mode)?;
        Ok(Box::new(SimFile { inner, disk: self.clone(), path: path.into() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.look()?;
        self.inner.list(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.judge(Wish::Sync)?;
        self.inner.sync_dir(path)
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.disk.look()?;
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.look()?;
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.disk.control.before(self.disk.process, Wish::Change) {
            Verdict::Do => self.inner.write_at(offset, data),
            Verdict::Refuse(error) => Err(error),
            Verdict::Botch => {
                self.inner.write_at(offset, &data[..data.len() / 2])?;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.disk.change()?;
        self.inner.truncate(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.disk.control.before(self.disk.process, Wish::Sync) {
            Verdict::Do => self.inner.sync_data(),
            Verdict::Refuse(error) => Err(error),
            Verdict::Botch => {
                // The kernel says so once, and takes what it could not write for written.
                self.disk.inner.forget_unsynced(&self.path)?;
                Err(io::Error::other("the disk did not keep it"))
            }
        }
    }

    fn lock(&self) -> io::Result<()> {
        self.disk.look()?;
        if self.inner.try_lock()? {
            Ok(())
        } else {
            Err(self.disk.control.refuse_lock(self.disk.process))
        }
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.disk.look()?;
        self.inner.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.disk.look()?;
        self.inner.has_name()
    }
}

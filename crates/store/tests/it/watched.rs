//! A disk at whose steps a test looks on: it refuses one, holds it up, or lets something else happen
//! in between. When and what is for the tests to say; faults that are counted are
//! [`FaultyDisk`](cidlake_store::disk::FaultyDisk)'s.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cidlake_store::Store;
use cidlake_store::disk::{Disk, DiskFile, MemDisk, OpenMode};

use crate::support::{options, root};

/// Somebody who looks on.
pub trait Watch: fmt::Debug + Send + Sync + 'static {
    /// A file is about to be opened.
    fn opens(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// A file was opened.
    fn opened(&self, _path: &Path, _mode: OpenMode) {}

    /// A folder was listed.
    fn listed(&self, _path: &Path) {}

    /// A file is about to be written to.
    fn writes(&self, _path: &Path) {}
}

/// A disk that is watched.
#[derive(Debug)]
pub struct Watched<W> {
    inner: MemDisk,
    watch: Arc<W>,
}

impl<W> Clone for Watched<W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), watch: Arc::clone(&self.watch) }
    }
}

impl<W: Watch> Watched<W> {
    /// The same disk as another process sees it.
    pub fn new(disk: &MemDisk, watch: Arc<W>) -> Self {
        Self { inner: disk.process(), watch }
    }
}

impl<W: Watch> Disk for Watched<W> {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        self.watch.opens(path)?;
        let inner = self.inner.open(path, mode)?;
        self.watch.opened(path, mode);
        let watch = Arc::clone(&self.watch);
        Ok(Box::new(WatchedFile { inner, path: path.to_owned(), watch }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let names = self.inner.list(path);
        self.watch.listed(path);
        names
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
}

#[derive(Debug)]
struct WatchedFile<W> {
    inner: Box<dyn DiskFile>,
    path: PathBuf,
    watch: Arc<W>,
}

impl<W: Watch> DiskFile for WatchedFile<W> {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn read_new(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.inner.read_new(offset, len)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.watch.writes(&self.path);
        self.inner.write_at(offset, data)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.inner.truncate(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn lock(&self) -> io::Result<()> {
        self.inner.lock()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.inner.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.inner.has_name()
    }
}

pub fn is_pack(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "car")
}

/// Gives out nothing of one file.
#[derive(Debug)]
struct Deaf(PathBuf);

impl Watch for Deaf {
    fn opens(&self, path: &Path) -> io::Result<()> {
        if path == self.0 { Err(io::Error::other("a bad sector")) } else { Ok(()) }
    }
}

/// A disk that gives out nothing of the file `path`.
pub fn deaf(disk: &MemDisk, path: &Path) -> Arc<dyn Disk> {
    Arc::new(Watched::new(disk, Arc::new(Deaf(path.to_owned()))))
}

/// Something that happens once.
type Event = Box<dyn FnOnce() + Send>;

/// Lets something happen behind the first step of a kind: a file that was opened, or a folder that
/// was listed, which is as if it was opened for reading.
pub struct Events {
    when: fn(&Path, OpenMode) -> bool,
    event: Mutex<Option<Event>>,
}

/// A disk that lets something happen.
pub type EventDisk = Watched<Events>;

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl Watch for Events {
    fn opened(&self, path: &Path, mode: OpenMode) {
        // Taken first, and the lock let go of: the event may use this disk.
        let event = if (self.when)(path, mode) { self.event.lock().unwrap().take() } else { None };
        if let Some(event) = event {
            event();
        }
    }

    fn listed(&self, path: &Path) {
        self.opened(path, OpenMode::Read);
    }
}

impl EventDisk {
    pub fn of(disk: &MemDisk, when: fn(&Path, OpenMode) -> bool) -> Self {
        Self::new(disk, Arc::new(Events { when, event: Mutex::default() }))
    }

    pub fn store(&self, seed: u8) -> Store {
        Store::open(Arc::new(self.clone()), root(), options(seed)).unwrap()
    }

    pub fn plan(&self, event: impl FnOnce() + Send + 'static) {
        *self.watch.event.lock().unwrap() = Some(Box::new(event));
    }

    /// Returns whether what was planned has happened.
    pub fn is_over(&self) -> bool {
        self.watch.event.lock().unwrap().is_none()
    }
}

/// Holds up writes to packs while it is shut.
#[derive(Debug, Default)]
pub struct Gate {
    is_shut: AtomicBool,
    pub held_up: AtomicU32,
}

/// Opens the gate when it is dropped, also in a test that fails.
pub struct Shut<'a>(&'a Gate);

impl Gate {
    pub fn shut(&self) -> Shut<'_> {
        self.is_shut.store(true, Ordering::SeqCst);
        Shut(self)
    }
}

impl Watch for Gate {
    #[expect(clippy::disallowed_methods, reason = "a disk that is held up looks again and again")]
    fn writes(&self, path: &Path) {
        while is_pack(path) && self.is_shut.load(Ordering::SeqCst) {
            self.held_up.store(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.0.is_shut.store(false, Ordering::SeqCst);
    }
}

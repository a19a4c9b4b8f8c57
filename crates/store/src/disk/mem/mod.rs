//! A disk in memory that knows what a power cut would leave behind.
//!
//! Every file and every folder has two images: the live one, which processes see, and the durable
//! one. A write reaches the durable image when the file is synced, a name when its folder is.
//! [`MemDisk::crash`] ends all processes and makes a new live image of the durable one and of any
//! part of the rest, as a seed decides: nothing, a torn prefix, single sectors, or everything. A
//! sector that is lost at the end of a file may leave zeros or anything else in its place, and a
//! folder that is lost takes with it what is in it.

mod image;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use self::image::{Holder, Image};
use super::{Disk, DiskFile, OpenMode};
use crate::locked::lock;

/// A disk in memory, seen by one process; clones are the same process.
#[derive(Debug, Clone)]
pub struct MemDisk {
    shared: Arc<Shared>,
    process: Arc<Process>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Held for one operation at a time and never across a wait for a file's lock.
    image: Mutex<Image>,
    released: Condvar,
    tickets: AtomicU64,
}

#[derive(Debug)]
struct Process {
    id: u64,
    dead: AtomicBool,
}

impl Default for MemDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl MemDisk {
    /// Makes an empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::with_image(Image::default())
    }

    fn with_image(image: Image) -> Self {
        let shared = Shared { image: Mutex::new(image), ..Shared::default() };
        let process = Process { id: 0, dead: AtomicBool::new(false) };
        Self { shared: Arc::new(shared), process: Arc::new(process) }
    }

    /// Returns the same disk as another process sees it.
    #[must_use]
    pub fn process(&self) -> Self {
        let id = self.shared.ticket();
        let process = Process { id, dead: AtomicBool::new(false) };
        Self { shared: Arc::clone(&self.shared), process: Arc::new(process) }
    }

    /// Ends this process as `kill -9` does: its locks go, what it wrote stays in the live image.
    pub fn kill(&self) {
        self.process.dead.store(true, Ordering::SeqCst);
        lock(&self.shared.image).release_process(self.process.id);
        self.shared.released.notify_all();
    }

    /// Cuts the power: every process ends, and `seed` decides what of the unsynced writes and
    /// names is found afterwards.
    pub fn crash(&self, seed: u64) {
        lock(&self.shared.image).crash(seed);
        self.shared.released.notify_all();
    }

    /// Returns an independent copy of the disk with both of its images.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::with_image(lock(&self.shared.image).clone())
    }

    /// Forgets the unsynced writes of a file the way a kernel does after a failed sync: reading
    /// still shows them, and no later sync makes them durable.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn forget_unsynced(&self, path: &Path) -> io::Result<()> {
        lock(&self.shared.image).forget_unsynced(path)
    }

    /// Returns a file's live content.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        lock(&self.shared.image).content(path)
    }

    /// Replaces a file's content in both images, past any lock; for planting damage.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn set_content(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        lock(&self.shared.image).set_content(path, content)
    }

    fn check(&self) -> io::Result<()> {
        if self.process.dead.load(Ordering::SeqCst) {
            return Err(io::Error::other("the process was killed"));
        }
        Ok(())
    }
}

impl Shared {
    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        self.check()?;
        let mut image = lock(&self.shared.image);
        let inode = image.open(path, mode)?;
        let holder = Holder { process: self.process.id, handle: self.shared.ticket() };
        let power = image.power();
        Ok(Box::new(MemFile { disk: self.clone(), inode, holder, power, mode }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.check()?;
        lock(&self.shared.image).create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.check()?;
        lock(&self.shared.image).list(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check()?;
        lock(&self.shared.image).remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check()?;
        lock(&self.shared.image).rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.check()?;
        lock(&self.shared.image).sync_dir(path)
    }
}

#[derive(Debug)]
struct MemFile {
    disk: MemDisk,
    inode: u64,
    holder: Holder,
    power: u64,
    mode: OpenMode,
}

impl MemFile {
    /// Runs `work` on the image unless this handle's process is gone.
    fn with<T>(&self, work: impl FnOnce(&mut Image) -> io::Result<T>) -> io::Result<T> {
        self.disk.check()?;
        let mut image = lock(&self.disk.shared.image);
        if image.power() != self.power {
            return Err(io::Error::other("the power was cut"));
        }
        work(&mut image)
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.mode {
            OpenMode::Read => Err(io::ErrorKind::PermissionDenied.into()),
            OpenMode::Write | OpenMode::WriteOrCreate | OpenMode::CreateNew => Ok(()),
        }
    }
}

impl DiskFile for MemFile {
    fn size(&self) -> io::Result<u64> {
        self.with(|image| image.size(self.inode))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|image| image.read_at(self.inode, offset, buffer))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        self.with(|image| image.write_at(self.inode, offset, data))
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.check_writable()?;
        self.with(|image| image.truncate(self.inode, size))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|image| image.sync_data(self.inode))
    }

    fn lock(&self) -> io::Result<()> {
        while !self.try_lock()? {
            let image = lock(&self.disk.shared.image);
            let waited = self.disk.shared.released.wait_while(image, |image| {
                image.power() == self.power && image.is_locked(self.inode)
            });
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.with(|image| image.try_lock(self.inode, self.holder))
    }

    fn unlock(&self) -> io::Result<()> {
        self.with(|image| image.unlock(self.inode, self.holder))?;
        self.disk.shared.released.notify_all();
        Ok(())
    }

    fn has_name(&self) -> io::Result<bool> {
        self.with(|image| Ok(image.has_name(self.inode)))
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        // A handle that is dead already holds nothing any more.
        if self.with(|image| image.unlock(self.inode, self.holder)).is_ok() {
            self.disk.shared.released.notify_all();
        }
    }
}

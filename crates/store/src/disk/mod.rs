//! The only door to files: a small trait, and the three disks that implement it.
//!
//! [`RealDisk`] is the operating system's. [`MemDisk`] knows what a power cut would leave behind.
//! [`FaultyDisk`] wraps either of them and fails on request. Nothing here knows packs or logs.

mod faulty;
mod file;
mod mem;
mod window;

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub use faulty::{Faults, FaultyDisk};
pub use file::RealDisk;
pub use mem::MemDisk;
pub(crate) use window::Window;

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; the file must exist.
    Read,
    /// For reading and writing; the file must exist.
    Write,
    /// For reading and writing; the file is made if it does not exist.
    WriteOrCreate,
    /// For reading and writing; the file must not exist yet.
    CreateNew,
}

/// A file system, as far as a store needs one.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// Whatever the operating system refuses; `NotFound` and `AlreadyExists` as the mode says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;
    /// Creates a folder and those above it; one that exists already is left alone.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Lists the names in a folder, in no particular order; names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder, else whatever the operating system refuses.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file within a folder, replacing one that has the new name.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// An open file. Dropping it releases its lock.
pub trait DiskFile: Send + Sync + Debug {
    /// Returns the size in bytes.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn size(&self) -> io::Result<u64>;
    /// Reads at `offset` until `buffer` is full or the file ends; returns the bytes read.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Reads `len` bytes at `offset`, fewer where the file ends, into memory of their own.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn read_new(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; len];
        let read = self.read_at(offset, &mut buffer)?;
        buffer.truncate(read);
        Ok(buffer)
    }
    /// Writes all of `data` at `offset`; after an error part of it may be there.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Cuts or extends the file to `size` bytes.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// Makes the content and the size durable.
    ///
    /// # Errors
    /// Whatever the operating system refuses. What was written since the last success may then be
    /// lost although reading still shows it, and a second try may succeed without bringing it back.
    fn sync_data(&self) -> io::Result<()>;
    /// Lets what was written there be brought to the disk by and by, so that the next sync has less
    /// to do. Nothing is durable by that, and nothing depends on it.
    fn begin_write_back(&self, _offset: u64, _len: u64) {}
    /// Takes the exclusive lock, waiting for it.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn lock(&self) -> io::Result<()>;
    /// Takes the exclusive lock unless somebody has it; returns whether it was taken.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn try_lock(&self) -> io::Result<bool>;
    /// Releases the lock.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn unlock(&self) -> io::Result<()>;
    /// Returns whether the file is sure to have a name still: whoever keeps it open would not
    /// notice that it was removed or replaced. A disk that cannot tell says no.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    fn has_name(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// How often a file may give nothing although its size says that there is more.
const EMPTY_READS_MAX: u32 = 3;

/// Reads `len` bytes at `offset`, fewer where the file ends.
pub(crate) fn read_vec(file: &dyn DiskFile, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut buffer = file.read_new(offset, len)?;
    let read = buffer.len();
    if read < len {
        buffer.resize(len, 0);
        let rest = buffer.get_mut(read..).unwrap_or_default();
        let more = read_full(file, offset.saturating_add(read as u64), rest)?;
        buffer.truncate(read + more);
    }
    Ok(buffer)
}

/// Reads at `offset` until `buffer` is full or the file ends, and makes sure that it is the end:
/// whoever takes a short read for the end of the log would write over what stands behind it.
pub(crate) fn read_full(file: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    let mut empty_reads = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(done as u64);
        let wanted = rest.len();
        let read = file.read_at(at, rest)?;
        done += read;
        if read == wanted || at.saturating_add(read as u64) >= file.size()? {
            break;
        }
        // The file may also have grown since it was read.
        empty_reads = if read == 0 { empty_reads + 1 } else { 0 };
        if empty_reads == EMPTY_READS_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests;

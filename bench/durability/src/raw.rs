//! The disk itself: one file, laid out beforehand, written in order and synced.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Failure;
use crate::rivals::{Append, RECORD_BYTES, Record};

const FILE_BYTES: u64 = 64 << 20;

/// A file that is written round and round, each write followed by `fdatasync`.
#[derive(Debug)]
pub(crate) struct RawFile {
    file: File,
    at: AtomicU64,
}

impl RawFile {
    /// Lays the file out: every byte written once and synced, so that no later sync has to tell
    /// the file system of new blocks or another size.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        let zeros = vec![0; 1 << 20];
        for at in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: AtomicU64::new(0) })
    }

    /// Writes `bytes` behind the write before, at the front again where the file ends, and syncs.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let len = bytes.len() as u64;
        let mut at = self.at.fetch_add(len, Ordering::Relaxed) % FILE_BYTES;
        if at + len > FILE_BYTES {
            at = 0;
        }
        self.file.write_all_at(bytes, at)?;
        self.file.sync_data()?;
        Ok(())
    }
}

impl Append for RawFile {
    fn name(&self) -> &'static str {
        "raw fdatasync"
    }

    fn append(&self, records: &[Record]) -> Result<(), Failure> {
        let mut bytes = Vec::with_capacity(records.len() * RECORD_BYTES);
        for record in records {
            bytes.extend_from_slice(&record.key.to_be_bytes());
            bytes.extend_from_slice(record.text.as_bytes());
        }
        self.write(&bytes)
    }
}

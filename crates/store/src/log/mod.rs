//! The log: numbered records that several processes append to one after the other.
//!
//! `record` and `segment` are the byte formats, `reader` follows the log without any lock,
//! `writer` appends under the lock, `recovery` replaces a damaged tail. What the records mean is
//! not known here, apart from the extents of packs that they make valid.

mod checkpoint;
mod cursor;
mod drafts;
mod encode;
mod listing;
mod quick;
mod reader;
mod record;
mod recovery;
mod repair;
mod resume;
mod salvage;
mod scan;
mod segment;
mod segment_draft;
mod walk;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use self::cursor::{LogCursor, LogRecord, Says};
pub use self::record::Payload;
pub use self::salvage::LostRecords;

pub(crate) use self::cursor::closed_ends;
pub(crate) use self::drafts::Drafts;
pub(crate) use self::reader::{Retirement, Tail, records_between, stats};
#[cfg(test)]
pub(crate) use self::record::Draft;
pub(crate) use self::record::{Body, Extent};
pub(crate) use self::repair::rebuild;
pub(crate) use self::resume::{
    Unsound, check_strays, open_tail, unsound as unsound_checkpoints, write as write_checkpoint,
};
pub(crate) use self::salvage::{Salvage, salvage};
pub(crate) use self::writer::{LogLock, append, mend, read_dirty};

use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;

/// The number of a log record; 0 is before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A committed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub lsn: Lsn,
    /// What it says.
    pub payload: Payload,
}

/// Where the log is.
#[derive(Debug, Clone)]
pub(crate) struct LogFolder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    /// The size over which a segment is followed by a new one, in bytes.
    pub(crate) segment_bytes_max: u64,
    /// The lock's file while nobody in this process has the lock, once it was opened.
    idle_lock: Arc<Mutex<Option<Arc<dyn DiskFile>>>>,
}

impl LogFolder {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf, segment_bytes_max: u64) -> Self {
        Self { disk, path, segment_bytes_max, idle_lock: Arc::default() }
    }

    fn segment_path(&self, name: segment::SegmentName) -> PathBuf {
        self.path.join(name.to_string())
    }

    fn checkpoint_path(&self, name: checkpoint::CheckpointName) -> PathBuf {
        self.path.join(name.file_name())
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }
}

fn corrupt(path: &Path, offset: u64, detail: impl Into<String>) -> StoreError {
    StoreError::LogCorrupt { segment: path.to_owned(), offset, detail: detail.into() }
}

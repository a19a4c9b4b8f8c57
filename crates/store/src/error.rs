//! What can go wrong in a store, and how an operating system's refusal becomes one of these.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cidlake_block::Cid;
use cidlake_block::codec::CodecError;

use crate::log::Lsn;

/// A failure of the store.
///
/// Cheap to clone, because everyone whose records shared one write hears of its failure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The folder holds no lake.
    #[error("{} is not a lake: it has no lake.toml", path.display())]
    NotALake {
        /// The folder that was asked for.
        path: PathBuf,
    },
    /// The lake was written by a newer program.
    #[error("the lake has format version {found}; this program reads up to {supported}")]
    NewerFormat {
        /// The version in lake.toml.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// The lake's settings file cannot be understood.
    #[error("{}, line {line}: {detail}", path.display())]
    Settings {
        /// The settings file.
        path: PathBuf,
        /// The line, counted from 1; 0 means the file as a whole.
        line: u32,
        /// What is wrong with it.
        detail: String,
    },
    /// The folder cannot be written to.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The file or folder that refused the write.
        path: PathBuf,
    },
    /// No copy of a block matches its CID, or the place where it may be cannot be read.
    #[error("block {cid} is damaged in pack {pack} at byte {offset}")]
    Corrupt {
        /// The block that was asked for.
        cid: Cid,
        /// The file name of the pack.
        pack: String,
        /// Where in the pack the damage begins, in bytes.
        offset: u64,
    },
    /// A block that was put or kept under the hold of a commit is in no pack any more.
    #[error("block {cid} was here when it was put, and is gone")]
    Vanished {
        /// The block, under a raw CID.
        cid: Cid,
    },
    /// The log is damaged before its end; nothing was changed.
    #[error("the log is damaged in {} at byte {offset}: {detail}", segment.display())]
    LogCorrupt {
        /// The damaged segment, or the log's folder.
        segment: PathBuf,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// What was found there.
        detail: String,
    },
    /// A record of a kind that this program does not know.
    #[error("record {lsn} of the log has kind {kind}, which a newer program wrote")]
    UnknownRecord {
        /// The record's number.
        lsn: u64,
        /// The number of its kind.
        kind: u16,
    },
    /// A record with flags that this program does not know.
    #[error("record {lsn} of the log has flags {flags:#06x}, which a newer program wrote")]
    UnknownFlags {
        /// The record's number.
        lsn: u64,
        /// All of its flags.
        flags: u16,
    },
    /// A record is larger than the format allows.
    #[error("a log record of {bytes} bytes is over the limit of {bytes_max}")]
    RecordTooLarge {
        /// Its encoded size in bytes.
        bytes: u64,
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// A record could not be encoded.
    #[error("a log record could not be encoded")]
    Encode {
        /// What the encoder said.
        source: Arc<CodecError>,
    },
    /// An operation cannot be queued as it is.
    #[error("the operation cannot be queued: {detail}")]
    Operation {
        /// What is wrong with it.
        detail: String,
    },
    /// An earlier sync of this file failed, so this process writes no more to it.
    #[error("the disk failed to keep {}; this process writes no more to it", path.display())]
    Poisoned {
        /// The file whose sync failed.
        path: PathBuf,
        /// What the operating system said to that sync.
        source: Arc<io::Error>,
    },
    /// The disk is full.
    #[error("no space left to write {}", path.display())]
    NoSpace {
        /// The file that was being written.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// Any other refusal of the operating system.
    #[error("could not {op} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done to it: "read", "write", "sync" and so on.
        op: &'static str,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}

/// Why a commit was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody committed a record after the one that was expected to be the last.
    #[error("the log has moved on to record {}", last.0)]
    Behind {
        /// The log's last record now.
        last: Lsn,
    },
    /// The store failed. Unless the error is [`StoreError::ReadOnly`], [`StoreError::Closed`] or
    /// one about the records themselves, the commit may still turn up later, whole.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    /// Names a failed read of `path`.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), op: "read", source: Arc::new(source) }
    }

    /// Names a failed change of `path`; `op` is the verb.
    pub(crate) fn change(path: &Path, op: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        let kind = source.kind();
        let source = Arc::new(source);
        match kind {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path }
            }
            _ => Self::Io { path, op, source },
        }
    }

    /// Names a sync of `path` that failed.
    pub(crate) fn poisoned(path: &Path, source: io::Error) -> Self {
        Self::Poisoned { path: path.to_owned(), source: Arc::new(source) }
    }

    /// Returns whether the file was simply not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

//! What can be wrong with a CAR archive.

use crate::cid::CidError;
use crate::codec::CodecError;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarError {
    /// Reading or writing failed.
    #[error("the archive cannot be read or written at byte {offset}")]
    Io {
        /// Where.
        offset: u64,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The archive ends inside something.
    #[error("the archive is cut short at byte {offset}")]
    Truncated {
        /// Where the thing began that is not whole.
        offset: u64,
    },
    /// The bytes are not those of an archive.
    #[error("not a CAR archive at byte {offset}: {detail}")]
    Malformed {
        /// Where.
        offset: u64,
        /// What does not fit.
        detail: &'static str,
    },
    /// The archive has a version that is not 1 or 2.
    #[error("the archive has version {version}; 1 and 2 are read")]
    Version {
        /// The version.
        version: u64,
    },
    /// The header is not DAG-CBOR.
    #[error("the archive's header cannot be decoded")]
    Header(#[source] CodecError),
    /// A section's CID cannot be used.
    #[error("the section at byte {offset} has a CID that cannot be used")]
    Cid {
        /// Where the section begins.
        offset: u64,
        /// What is wrong with the CID.
        source: CidError,
    },
}

pub(super) fn malformed(offset: u64, detail: &'static str) -> CarError {
    CarError::Malformed { offset, detail }
}

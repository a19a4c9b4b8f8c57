//! What can be wrong with a UnixFS file or folder.

use crate::blocks::BlocksError;
use crate::cid::Cid;
use crate::codec::CodecError;

/// Why a file or folder cannot be built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixFsError {
    /// A block could not be had.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// A block is not a UnixFS node.
    #[error("{cid} is not a UnixFS node: {detail}")]
    NotUnixFs {
        /// The block.
        cid: Cid,
        /// What does not fit.
        detail: String,
    },
    /// A block is not what its codec demands.
    #[error("{cid} cannot be decoded")]
    Codec {
        /// The block.
        cid: Cid,
        /// The rule that it breaks.
        source: CodecError,
    },
    /// The path leads nowhere.
    #[error("{root} has nothing at {path:?}")]
    PathNotFound {
        /// Where the path began.
        root: Cid,
        /// The path, up to the name that is missing.
        path: String,
    },
    /// A folder is needed and something else is there.
    #[error("{cid} is not a folder")]
    NotADirectory {
        /// What is there.
        cid: Cid,
    },
    /// A file is needed and something else is there.
    #[error("{cid} is not a file")]
    NotAFile {
        /// What is there.
        cid: Cid,
    },
    /// A name cannot stand in a folder.
    #[error("{name:?} cannot be the name of an entry: it is empty, has a slash, or stands twice")]
    BadName {
        /// The name.
        name: String,
    },
    /// The cuts do not cut the data.
    #[error("the cut at byte {cut} does not rise from the one before or passes the end at {len}")]
    BadCut {
        /// The cut.
        cut: u64,
        /// The length of the data.
        len: u64,
    },
    /// A leaf would be larger than a block may be.
    #[error("a leaf of {len} bytes is larger than a block may be")]
    LeafTooLarge {
        /// The length of the leaf.
        len: u64,
    },
    /// The DAG is deeper than any honest writer makes it.
    #[error("{root} is nested deeper than is read")]
    TooDeep {
        /// Where the descent began.
        root: Cid,
    },
}

//! UnixFS: files and folders as DAG-PB nodes over raw leaves, as the profile `unixfs-v1-2025`
//! writes them and as any writer's are read.
//!
//! `node` is the format; `file` and `directory` build; `reader` and `walk` read through
//! [`Blocks`](crate::Blocks). Source: the UnixFS specification and its IPIP-499 test vectors.

mod directory;
mod error;
mod file;
mod hamt;
mod murmur;
mod node;
mod reader;
mod walk;

use crate::block::Block;
use crate::cid::Cid;

pub use directory::{directory, symlink};
pub use error::UnixFsError;
pub use file::{FileBuilder, file_from_leaves, leaves_at};
pub use reader::{FileReader, LeafSpan, open_file};
pub use walk::{kind, link_target, list, resolve};

/// Children of one file node.
pub const WIDTH: usize = 1024;
/// Bytes of a leaf where nothing else decides.
pub const CHUNK_BYTES: usize = 1 << 20;
/// A folder whose node is larger than this is sharded.
pub const SHARD_BYTES: usize = 262_144;

const _: () = assert!(CHUNK_BYTES <= crate::limits::BLOCK_BYTES_MAX);

/// A raw leaf of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its CID.
    pub cid: Cid,
    /// Its bytes.
    pub len: u64,
}

/// What a builder made: the root, and the nodes between it and the leaves.
#[derive(Clone, Debug)]
pub struct Dag {
    /// The root.
    pub root: Cid,
    /// Bytes of content below it; 0 for a folder.
    pub len: u64,
    /// Bytes of all blocks below it and its own, as a parent's link records them.
    pub tsize: u64,
    /// The nodes, children before parents. Leaves are not among them.
    pub nodes: Vec<Block>,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its root.
    pub cid: Cid,
    /// The [`Dag::tsize`] of its root.
    pub tsize: u64,
}

/// What a UnixFS root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder, plain or sharded.
    Directory,
    /// A symbolic link.
    Symlink,
}

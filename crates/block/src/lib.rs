//! The vocabulary of content addressing: CIDs, blocks, codecs, UnixFS files and folders, CAR
//! archives, and the trait [`Blocks`] through which every other crate reads and writes blocks.
//!
//! Pure: no file system, no clock, no randomness, no runtime. It knows nothing of tables.

#![forbid(unsafe_code)]

pub mod block;
pub mod blocks;
pub mod car;
pub mod cid;
pub mod codec;
pub mod limits;
pub mod unixfs;

pub use block::{Block, BlockError, UnverifiedBlock};
pub use blocks::{Blocks, BlocksError, MemBlocks, PutReport};
pub use cid::{Base, Cid, CidError, Codec, cid_of, format_cid, parse_cid};

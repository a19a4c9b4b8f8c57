//! Hangs the parts of a table under one CID, so that the order of names is the order of rows.
//!
//! | parts | root |
//! |---|---|
//! | 1 | the part itself |
//! | more, in one run | a folder with `part-000000.parquet`, `part-000001.parquet`, … |
//! | more, in several runs | a folder with `000000`, `000001`, …, each such a folder, its names counted from 0 |
//!
//! Where a run ends is for its parts to say, by their CIDs: an edit changes the folder that it is
//! in and the one above, and shifts no other.

use cidlake_block::unixfs::{Dag, Entry, directory};
use cidlake_block::{Block, Cid};
use cidlake_catalog::Part;

use crate::error::QueryError;

/// Parts in one folder on average: a power of two.
pub const PARTS_PER_FOLDER: usize = 256;
/// A folder holds at least so many parts, but for the last.
const PARTS_PER_FOLDER_MIN: usize = PARTS_PER_FOLDER / 4;
/// A folder holds at most so many parts.
const PARTS_PER_FOLDER_MAX: usize = PARTS_PER_FOLDER * 4;

/// A table's content: what `root` leads to besides the parts themselves.
#[derive(Debug, Clone)]
pub struct Content {
    /// The CID of the table's content.
    pub root: Cid,
    /// Sum of the sizes of the Parquet files in bytes.
    pub bytes: u64,
    /// Sum of the sizes of all blocks below and with the root, in bytes.
    pub tsize: u64,
    /// The folders, children before parents; the parts' own blocks are not among them.
    pub nodes: Vec<Block>,
}

/// Returns the content of a table of `parts`, in row order.
///
/// # Errors
/// `Internal` when there are no parts: also a table without rows has one.
pub fn content_root(parts: &[Part]) -> Result<Content, QueryError> {
    let bytes = parts.iter().map(|part| part.bytes).sum();
    if let [part] = parts {
        return Ok(Content { root: part.cid, bytes, tsize: part.tsize, nodes: Vec::new() });
    }
    let mut folders = Vec::new();
    for run in runs(parts) {
        folders.push(folder_of_parts(run)?);
    }
    let mut nodes: Vec<Block> = folders.iter().flat_map(|folder| folder.nodes.clone()).collect();
    match folders.as_slice() {
        [] => Err(QueryError::internal("a table has no parts")),
        [only] => Ok(Content { root: only.root, bytes, tsize: only.tsize, nodes }),
        several => {
            let entries = several.iter().enumerate().map(|(ordinal, folder)| Entry {
                name: format!("{ordinal:06}"),
                cid: folder.root,
                tsize: folder.tsize,
            });
            let top = directory(entries.collect())?;
            nodes.extend(top.nodes);
            Ok(Content { root: top.root, bytes, tsize: top.tsize, nodes })
        }
    }
}

/// Cuts parts into runs by their CIDs.
fn runs(parts: &[Part]) -> Vec<&[Part]> {
    let mut runs = Vec::new();
    let mut start = 0;
    for (index, part) in parts.iter().enumerate() {
        let len = index + 1 - start;
        if (len >= PARTS_PER_FOLDER_MIN && ends_run(&part.cid)) || len >= PARTS_PER_FOLDER_MAX {
            runs.extend(parts.get(start..=index));
            start = index + 1;
        }
    }
    runs.extend(parts.get(start..).filter(|rest| !rest.is_empty()));
    runs
}

/// Whether a run ends behind the part: when the low bits of the last two bytes of its digest, as a
/// big-endian number, are zero, as they are once in [`PARTS_PER_FOLDER`] times.
fn ends_run(cid: &Cid) -> bool {
    let digest = cid.hash().digest();
    let low =
        digest.iter().rev().take(2).fold((0_usize, 0), |(sum, shift), byte| {
            (sum | usize::from(*byte) << shift, shift + 8)
        });
    low.0 & (PARTS_PER_FOLDER - 1) == 0
}

/// A folder of consecutive parts.
fn folder_of_parts(parts: &[Part]) -> Result<Dag, QueryError> {
    let entries = parts.iter().enumerate().map(|(ordinal, part)| Entry {
        name: format!("part-{ordinal:06}.parquet"),
        cid: part.cid,
        tsize: part.tsize,
    });
    Ok(directory(entries.collect())?)
}

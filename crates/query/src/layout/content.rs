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
//!
//! Where a table is partitioned, there is a folder for each value of the first partition column, in
//! it one for each of the second, and so on, called `column=value`; in the last are the parts, as a
//! folder of the table above is, even of a single one. Parts without rows are in no such folder.

use cidlake_block::unixfs::{Dag, Entry, directory};
use cidlake_block::{Block, Cid};
use cidlake_catalog::Part;

use super::partition::Partitioning;
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
    grown_root(&Folders::default(), parts)
}

/// Returns parts in the order of their partitions; those of one partition keep theirs.
///
/// # Errors
/// `Corrupt` where the record of a part has a value that its column does not hold.
pub fn in_partition_order(
    parts: Vec<Part>,
    partitioning: &Partitioning,
) -> Result<Vec<Part>, QueryError> {
    if !partitioning.is_partitioned() {
        return Ok(parts);
    }
    let order = partitioning.order(&parts)?;
    let mut parts: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|place| parts.get_mut(place)?.take()).collect())
}

/// Returns the content of a partitioned table of `parts`, those of one partition side by side.
///
/// # Errors
/// As [`content_root`].
pub fn partitioned_root(
    parts: &[Part],
    partitioning: &Partitioning,
) -> Result<Content, QueryError> {
    if !partitioning.is_partitioned() {
        return content_root(parts);
    }
    if parts.is_empty() {
        return Err(QueryError::internal("a table has no parts"));
    }
    let mut placed: Vec<Placed> = Vec::with_capacity(parts.len());
    for part in parts {
        let is_empty = part.rows == 0 && part.partition.is_empty();
        if part.partition.len() != partitioning.folders().len() && !(is_empty && parts.len() == 1) {
            let detail = "its record has other partition columns than its table".to_owned();
            return Err(QueryError::Corrupt { cid: part.cid, detail });
        }
        partitioning.check_names(&part.partition)?;
        placed.push((partitioning.folder_names(&part.partition), entry(part)));
    }
    let mut nodes = Vec::new();
    let top = hung(&placed, 0, &mut nodes)?;
    let bytes = parts.iter().map(|part| part.bytes).sum();
    Ok(Content { root: top.cid, bytes, tsize: top.tsize, nodes })
}

/// The names of the folders that a part is in, and the part.
type Placed = (Vec<String>, Entry);

/// Hangs parts that are in the same `depth` folders under one, which has no name yet.
fn hung(parts: &[Placed], depth: usize, nodes: &mut Vec<Block>) -> Result<Entry, QueryError> {
    let name_of = |part: &Placed| part.0.get(depth).cloned();
    let mut entries = Vec::new();
    for run in parts.chunk_by(|a, b| name_of(a) == name_of(b)) {
        match run.first().and_then(name_of) {
            Some(name) => entries.push(Entry { name, ..hung(run, depth + 1, nodes)? }),
            None => {
                let files: Vec<Entry> = run.iter().map(|(_, file)| file.clone()).collect();
                return folder_of_runs(Vec::new(), &files, nodes);
            }
        }
    }
    let folder = directory(entries)?;
    nodes.extend(folder.nodes);
    Ok(Entry { name: String::new(), cid: folder.root, tsize: folder.tsize })
}

fn entry(part: &Part) -> Entry {
    Entry { name: String::new(), cid: part.cid, tsize: part.tsize }
}

/// The content of a table that grows, as far as growing needs to know it.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// The folders before the last one, in order; none where there is one run.
    pub closed: Vec<Entry>,
    /// The parts of the last folder, in order, by any name.
    pub open: Vec<Entry>,
    /// Sum of the sizes of all Parquet files in bytes.
    pub bytes: u64,
}

/// Returns the content of a table with `new` parts behind those that it has: the same as
/// [`content_root`] gives of all of them.
///
/// # Errors
/// As [`content_root`].
pub fn grown_root(before: &Folders, new: &[Part]) -> Result<Content, QueryError> {
    let bytes = before.bytes + new.iter().map(|part| part.bytes).sum::<u64>();
    let mut parts = before.open.clone();
    parts.extend(new.iter().map(entry));
    let mut nodes = Vec::new();
    let top = match (before.closed.as_slice(), parts.as_slice()) {
        ([], []) => return Err(QueryError::internal("a table has no parts")),
        ([], [only]) => only.clone(),
        _ => folder_of_runs(before.closed.clone(), &parts, &mut nodes)?,
    };
    Ok(Content { root: top.cid, bytes, tsize: top.tsize, nodes })
}

/// Hangs the runs of `parts`, behind folders of runs before them, under one folder.
fn folder_of_runs(
    mut folders: Vec<Entry>,
    parts: &[Entry],
    nodes: &mut Vec<Block>,
) -> Result<Entry, QueryError> {
    for run in runs(parts) {
        let folder = folder_of_parts(run)?;
        nodes.extend(folder.nodes);
        let name = format!("{:06}", folders.len());
        folders.push(Entry { name, cid: folder.root, tsize: folder.tsize });
    }
    if let [only] = folders.as_slice() {
        return Ok(only.clone());
    }
    let top = directory(folders)?;
    nodes.extend(top.nodes);
    Ok(Entry { name: String::new(), cid: top.root, tsize: top.tsize })
}

/// Cuts parts into runs by their CIDs.
fn runs(parts: &[Entry]) -> Vec<&[Entry]> {
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
fn folder_of_parts(parts: &[Entry]) -> Result<Dag, QueryError> {
    let entries = parts.iter().enumerate().map(|(ordinal, part)| Entry {
        name: format!("part-{ordinal:06}.parquet"),
        ..part.clone()
    });
    Ok(directory(entries.collect())?)
}

#[cfg(test)]
mod tests {
    use cidlake_block::unixfs::Entry;
    use cidlake_block::{Codec, cid_of};
    use cidlake_catalog::Part;
    use proptest::prelude::*;

    use super::{Folders, content_root, grown_root, runs};

    fn part(number: u64) -> Part {
        Part {
            cid: cid_of(Codec::Raw, &number.to_le_bytes()),
            rows: 1,
            bytes: 10 + number % 7,
            tsize: 20 + number % 5,
            partition: Vec::new(),
            columns: Vec::new(),
            rows_hash: None,
        }
    }

    fn entries(parts: &[Part]) -> Vec<Entry> {
        let entry = |part: &Part| Entry { name: String::new(), cid: part.cid, tsize: part.tsize };
        parts.iter().map(entry).collect()
    }

    /// What a reader of the content of `parts` finds.
    fn folders(parts: &[Part]) -> Folders {
        let entries = entries(parts);
        let runs = runs(&entries);
        let (open, closed) = runs.split_last().unwrap();
        let closed = closed.iter().enumerate().map(|(ordinal, run)| {
            let folder = super::folder_of_parts(run).unwrap();
            Entry { name: format!("{ordinal:06}"), cid: folder.root, tsize: folder.tsize }
        });
        let bytes = parts.iter().map(|part| part.bytes).sum();
        Folders { closed: closed.collect(), open: open.to_vec(), bytes }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_content_that_grew_is_that_of_all_parts(seed: u64, before in 1..2_000_usize, new in 0..40_usize) {
            let parts: Vec<Part> = (0..(before + new) as u64).map(|n| part(seed ^ n)).collect();
            let (old, fresh) = parts.split_at(before);
            let grown = grown_root(&folders(old), fresh).unwrap();
            let whole = content_root(&parts).unwrap();
            prop_assert_eq!(
                (grown.root, grown.bytes, grown.tsize),
                (whole.root, whole.bytes, whole.tsize)
            );
        }
    }
}

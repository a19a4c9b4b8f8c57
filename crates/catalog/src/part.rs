//! Parts of a table and the lists that a commit links them by.
//!
//! Lists are cut by content: where one ends depends on the parts themselves, not on how many came
//! before. Two commits that share a long run of parts therefore share the lists within it, and an
//! edit writes the lists around it anew and no others. What the parts contain is not known here.

use std::borrow::{Borrow, Cow};

use bytes::Bytes;
use cidlake_block::codec::dag_cbor;
use cidlake_block::{Block, Cid, Codec};
use serde::{Deserialize, Serialize};

use crate::commit::{CommitError, CommitFault};
use crate::limits::{PART_LIST_BYTES_MAX, PART_LIST_PARTS_AVERAGE};
use crate::scalar::Scalar;
use crate::wire::{self, Version};

/// At most so many bytes of a list block are not parts: two keys, the version, and array and map
/// heads.
const LIST_OVERHEAD_BYTES: usize = 32;
/// What the parts of one list may take.
const PARTS_BYTES_MAX: usize = PART_LIST_BYTES_MAX - LIST_OVERHEAD_BYTES;

/// One part: a Parquet file with one row group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The root of its file.
    pub cid: Cid,
    /// Its rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of all blocks of the file, as a UnixFS folder that holds it counts them.
    pub tsize: u64,
    /// The value of each partition column, in their order; `None` is null.
    pub partition: Vec<Option<String>>,
    /// What is known of each column, in schema order; empty where a very wide table leaves no
    /// room for it.
    pub columns: Vec<ColumnStats>,
    /// The hash of its rows, of which the table's logical hash is put together.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire::optional_byte_string")]
    pub rows_hash: Option<Bytes>,
}

/// What is known of one column of one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnStats {
    /// How many values are null.
    pub nulls: u64,
    /// Compressed bytes of the column.
    pub bytes: u64,
    /// A value that no value is below, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Scalar>,
    /// A value that no value is above, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Scalar>,
    /// Whether the column really has the values `min` and `max`.
    pub exact: bool,
}

/// A commit's link to one of its part lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartListLink {
    /// The list's block.
    pub cid: Cid,
    /// How many parts it lists.
    pub parts: u32,
    /// Rows of these parts.
    pub rows: u64,
}

/// The block of a list: of owned parts when decoded, of borrowed ones when encoded.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<P> {
    v: Version,
    parts: P,
}

/// Lists `parts`, in their order, in as many blocks as their content asks for.
///
/// No parts make no lists. A part of a table so wide that its record alone would fill a block
/// is listed without least and greatest values, or without any statistics of columns.
///
/// # Errors
/// The first rule that a part breaks.
pub fn part_lists(parts: &[Part]) -> Result<Vec<(PartListLink, Block)>, CommitError> {
    let mut lists = Vec::new();
    let mut open: Vec<Cow<'_, Part>> = Vec::new();
    let mut open_bytes = 0;
    for part in parts {
        check_part(part).map_err(|source| CommitError::Invalid { source })?;
        let (part, bytes) = fitted(part)?;
        if open_bytes + bytes > PARTS_BYTES_MAX {
            lists.push(close(&mut open)?);
            open_bytes = 0;
        }
        let ends = ends_list(&part.cid);
        open.push(part);
        open_bytes += bytes;
        if ends {
            lists.push(close(&mut open)?);
            open_bytes = 0;
        }
    }
    if !open.is_empty() {
        lists.push(close(&mut open)?);
    }
    Ok(lists)
}

/// Returns the parts that a block lists.
///
/// # Errors
/// Anything that [`part_lists`] would not have written, but for where a list ends.
pub fn decode_part_list(block: &Block) -> Result<Vec<Part>, CommitError> {
    let list: Envelope<Vec<Part>> = wire::decode(block, "part list", PART_LIST_BYTES_MAX)?;
    let checked = if list.parts.is_empty() {
        Err(CommitFault::EmptyList)
    } else {
        list.parts.iter().try_for_each(check_part).and_then(|()| rows_of(&list.parts).map(drop))
    };
    match checked {
        Ok(()) => Ok(list.parts),
        Err(source) => Err(CommitError::Refused { cid: *block.cid(), source }),
    }
}

/// Says whether a list ends behind this part: a matter of its address alone.
fn ends_list(cid: &Cid) -> bool {
    let mut start = [0; 8];
    // The digest of an inlined part may be shorter; what it lacks counts as zero.
    for (to, from) in start.iter_mut().zip(cid.hash().digest()) {
        *to = *from;
    }
    u64::from_be_bytes(start) & (PART_LIST_PARTS_AVERAGE - 1) == 0
}

/// Makes a block of the open list and empties it.
fn close(open: &mut Vec<Cow<'_, Part>>) -> Result<(PartListLink, Block), CommitError> {
    let parts = std::mem::take(open);
    let rows = rows_of(&parts).map_err(|source| CommitError::Invalid { source })?;
    let block = dag_cbor::block(&Envelope { v: Version, parts: &parts })
        .map_err(|source| CommitError::Encode { source })?;
    assert!(block.data().len() <= PART_LIST_BYTES_MAX, "a list is closed before it is too large");
    #[expect(clippy::cast_possible_truncation, reason = "a block has fewer bytes than u32 counts")]
    let count = parts.len() as u32;
    Ok((PartListLink { cid: *block.cid(), parts: count, rows }, block))
}

fn rows_of<P: Borrow<Part>>(parts: &[P]) -> Result<u64, CommitFault> {
    let mut rows = parts.iter().map(|part| part.borrow().rows);
    rows.try_fold(0_u64, u64::checked_add).ok_or(CommitFault::TooManyRows)
}

/// Returns the part with as many statistics as one list has room for, and its encoded size.
fn fitted(part: &Part) -> Result<(Cow<'_, Part>, usize), CommitError> {
    let size = |part: &Part| {
        let encoded = dag_cbor::encode(part).map_err(|source| CommitError::Encode { source })?;
        Ok::<usize, CommitError>(encoded.len())
    };
    let bytes = size(part)?;
    if bytes <= PARTS_BYTES_MAX {
        return Ok((Cow::Borrowed(part), bytes));
    }
    let mut reduced = part.clone();
    for column in &mut reduced.columns {
        (column.min, column.max, column.exact) = (None, None, false);
    }
    if size(&reduced)? > PARTS_BYTES_MAX {
        reduced.columns.clear();
    }
    let bytes = size(&reduced)?;
    if bytes > PARTS_BYTES_MAX {
        return Err(CommitError::Invalid {
            source: CommitFault::PartTooLarge { part: part.cid, bytes },
        });
    }
    Ok((Cow::Owned(reduced), bytes))
}

/// Checks every rule of a part.
fn check_part(part: &Part) -> Result<(), CommitFault> {
    let codec = part.cid.codec();
    if codec != Codec::Raw.code() && codec != Codec::DagPb.code() {
        return Err(CommitFault::ForeignLink { what: "part", wanted: "a file", cid: part.cid });
    }
    for (column, stats) in part.columns.iter().enumerate() {
        for scalar in [&stats.min, &stats.max].into_iter().flatten() {
            scalar.check().map_err(|source| CommitFault::BadScalar {
                part: part.cid,
                column,
                source,
            })?;
        }
        if let (Some(min), Some(max)) = (&stats.min, &stats.max)
            && !min.is_same_kind(max)
        {
            return Err(CommitFault::MixedScalars { part: part.cid, column });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! A whole table as one Parquet file over the leaves that its parts have already: only the end of
//! the file, page indexes and footer, is new.
//!
//! A UnixFS file links leaves by position alone, and pages do not know where they stand, so the
//! leaves of the column chunks of all parts, one behind the other, are the body of one file. Of a
//! part that is one leaf, its own magic and footer come along; readers follow the footer at the
//! end of the file and never look at them.

use std::sync::Arc;

use cidlake_block::unixfs::{Leaf, LeafSpan, file_from_leaves};
use cidlake_block::{Block, Cid, Codec};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::chunk::shift;
use super::footer::{MAGIC, PlacedGroup, file_end, index_spans};
use super::leaves::pieces;
use crate::error::QueryError;

/// The format numbers row groups in 16 bits.
const ROW_GROUPS_MAX: usize = i16::MAX as usize;

/// A table as one file.
#[derive(Debug, Clone)]
pub struct SingleFile {
    /// The root of the file.
    pub root: Cid,
    /// Its bytes.
    pub bytes: u64,
    /// The blocks that the parts do not have: the end of the file and the nodes over all leaves.
    pub blocks: Vec<Block>,
}

/// One part, as far as the end of a file needs to know it.
#[derive(Debug, Clone)]
pub(crate) struct LaidPart {
    /// Its root.
    pub(crate) root: Cid,
    /// Its leaves in order.
    pub(crate) leaves: Arc<[LeafSpan]>,
    /// Its footer with the page indexes.
    pub(crate) metadata: Arc<ParquetMetaData>,
}

/// Hangs the leaves of `parts`, in row order, under one root.
///
/// # Errors
/// `Internal` for parts that this profile did not lay out.
pub(crate) fn single_file(parts: &[LaidPart]) -> Result<SingleFile, QueryError> {
    let filled: Vec<&LaidPart> =
        parts.iter().filter(|part| part.metadata.file_metadata().num_rows() > 0).collect();
    if filled.len() > ROW_GROUPS_MAX {
        let message = format!(
            "it has {} row groups, and one Parquet file holds {ROW_GROUPS_MAX}; read it as a folder",
            filled.len()
        );
        return Err(QueryError::bad_input("the table", "", message));
    }
    let only = match filled.as_slice() {
        [first, _, ..] => {
            return join(first, &filled).map_err(|error| {
                QueryError::internal(format!("writing a table as one file: {error}"))
            });
        }
        [only] => Some(*only),
        [] => parts.first(),
    };
    let only = only.ok_or_else(|| QueryError::internal("a table has no parts"))?;
    let bytes = only.leaves.iter().map(|leaf| leaf.len).sum();
    Ok(SingleFile { root: only.root, bytes, blocks: Vec::new() })
}

fn join(first: &LaidPart, parts: &[&LaidPart]) -> Result<SingleFile, ParquetError> {
    let schema = first.metadata.file_metadata().schema_descr_ptr();
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut groups = Vec::with_capacity(parts.len());
    let mut offset = 0;
    for part in parts {
        let body = body(part, offset == 0)?;
        let begins = body.first().map_or(0, |leaf| leaf.offset);
        let moved = i64::try_from(offset)? - i64::try_from(begins)?;
        groups.push(moved_group(&part.metadata, moved)?);
        leaves.extend(body.iter().map(|leaf| Leaf { cid: leaf.cid, len: leaf.len }));
        offset += body.iter().map(|leaf| leaf.len).sum::<u64>();
    }
    let end = file_end(&schema, groups, offset)?;
    let ends = end.indexes.into_iter().chain(pieces(&end.footer));
    let mut blocks: Vec<Block> = ends.map(|piece| Block::new(Codec::Raw, piece)).collect();
    leaves.extend(blocks.iter().map(|block| Leaf { cid: *block.cid(), len: block.len() as u64 }));
    let dag = file_from_leaves(&leaves);
    blocks.extend(dag.nodes);
    Ok(SingleFile { root: dag.root, bytes: dag.len, blocks })
}

/// Returns the leaves of a part that hold its column chunks and bloom filters; the magic before
/// them only where the file begins with it.
fn body(part: &LaidPart, opens_file: bool) -> Result<&[LeafSpan], ParquetError> {
    if part.leaves.len() == 1 {
        return Ok(&part.leaves);
    }
    if part.leaves.first().is_none_or(|leaf| leaf.len != MAGIC.len() as u64) {
        return Err(foreign(part, "its magic is not a leaf"));
    }
    let columns = part.metadata.row_groups().iter().flat_map(|group| group.columns());
    let end = columns.flat_map(index_spans).map(|span| span.start).min();
    let end = end.ok_or_else(|| foreign(part, "it has no page index"))?;
    let last = part.leaves.partition_point(|leaf| leaf.offset < end);
    let body = part.leaves.get(usize::from(!opens_file)..last).unwrap_or_default();
    match body.last() {
        Some(leaf) if leaf.offset + leaf.len == end => Ok(body),
        _ => Err(foreign(part, "its page index does not begin a leaf")),
    }
}

fn foreign(part: &LaidPart, why: &str) -> ParquetError {
    ParquetError::General(format!("part {} was laid out by somebody else: {why}", part.root))
}

/// Returns the row group of a part with everything in it moved by `moved` bytes.
fn moved_group(metadata: &ParquetMetaData, moved: i64) -> Result<PlacedGroup, ParquetError> {
    let missing = |what: &str| ParquetError::General(format!("a part has no {what}"));
    let [group] = metadata.row_groups() else {
        return Err(ParquetError::General(
            "a part has another number of row groups than one".to_owned(),
        ));
    };
    let column_indexes = metadata.column_index().and_then(|groups| groups.first());
    let offset_indexes = metadata.offset_index().and_then(|groups| groups.first());
    let column_indexes = column_indexes.ok_or_else(|| missing("column index"))?;
    let offset_indexes = offset_indexes.ok_or_else(|| missing("offset index"))?;
    let mut placed = PlacedGroup {
        rows: group.num_rows(),
        columns: Vec::with_capacity(group.num_columns()),
        column_indexes: column_indexes.clone(),
        offset_indexes: Vec::with_capacity(group.num_columns()),
    };
    for (meta, offset_index) in group.columns().iter().zip(offset_indexes) {
        let (meta, offset_index) = shift(meta.clone(), offset_index.clone(), moved)?;
        placed.columns.push(meta);
        placed.offset_indexes.push(offset_index);
    }
    Ok(placed)
}

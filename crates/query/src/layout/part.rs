//! Encodes one row group as one Parquet file, cut into leaves: the bytes that CIDs are made of.
//!
//! The file says nothing of where it stands in a table, so it is the same file wherever the same
//! rows are a row group. In it, in this order: the magic, the column chunks, the bloom filters,
//! the page indexes, the footer; each is leaves of its own, unless one leaf holds the whole file.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use bytes::{Bytes, BytesMut};
use cidlake_block::unixfs::{Dag, Leaf, file_from_leaves};
use cidlake_block::{Block, Codec};
use cidlake_catalog::Part;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;

use super::chunk::{Chunk, encode_column, parquet_schema, shift};
use super::footer::{FileEnd, MAGIC, PlacedGroup, file_end};
use super::leaves::{page_runs, pieces};
use super::row_groups::RowGroup;
use super::stats::column_stats;
use crate::error::QueryError;

/// A file of up to so many bytes is one leaf: in more, an edit of one column would write all others
/// anew.
const WHOLE_FILE_BYTES: usize = 256 << 10;

/// One part with all its blocks.
#[derive(Debug, Clone)]
pub struct EncodedPart {
    /// What commits say about it.
    pub part: Part,
    /// Its bytes in order, as raw blocks of up to 1 MiB.
    pub leaves: Vec<Block>,
    /// The nodes above the leaves, children before parents; none where one leaf is all.
    pub nodes: Vec<Block>,
}

/// Encodes a canonical row group, its columns on up to `threads` threads. Takes processor time in
/// proportion to its bytes and does nothing else.
///
/// # Errors
/// `Internal`: what cannot be stored was refused when the rows became canonical.
pub fn encode_part(group: &RowGroup, threads: usize) -> Result<EncodedPart, QueryError> {
    let failed = |error| QueryError::internal(format!("encoding a row group: {error}"));
    let RowGroup { rows: row_group, hash } = group;
    let chunks = encode_columns(row_group, threads).map_err(failed)?;
    let rows = row_group.num_rows() as u64;
    let file = lay_out(&row_group.schema(), rows, chunks).map_err(failed)?;
    let (dag, leaves) = blocks_of(&file.pieces);
    let part = Part {
        cid: dag.root,
        rows,
        bytes: dag.len,
        tsize: dag.tsize,
        partition: Vec::new(),
        columns: column_stats(row_group, &file.chunks),
        rows_hash: Some(hash.to_bytes()),
    };
    Ok(EncodedPart { part, leaves, nodes: dag.nodes })
}

/// How many bytes of a row group are worth a thread of their own.
const THREAD_BYTES_MIN: usize = 128 << 10;

/// What became of one column.
type Encoded = Result<Vec<Chunk>, ParquetError>;

/// Encodes all columns; the largest are begun first, so that none is left alone at the end.
fn encode_columns(row_group: &RecordBatch, threads: usize) -> Result<Vec<Chunk>, ParquetError> {
    if row_group.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let schema = row_group.schema();
    let columns = row_group.columns();
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(columns[*index].get_array_memory_size()));
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Encoded>>> = columns.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let encoded = encode_column(&columns[*index], &schema.fields()[*index]);
            *done[*index].lock().unwrap_or_else(PoisonError::into_inner) = Some(encoded);
        }
    };
    // Starting a thread takes as long as encoding some ten kilobytes.
    let share = row_group.get_array_memory_size() / THREAD_BYTES_MIN + 1;
    std::thread::scope(|scope| {
        for _ in 1..threads.min(columns.len()).min(share) {
            scope.spawn(work);
        }
        work();
    });
    let mut chunks = Vec::with_capacity(columns.len());
    for encoded in done {
        let encoded = encoded.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing = || ParquetError::General("a column was not encoded".to_owned());
        chunks.extend(encoded.ok_or_else(missing)??);
    }
    Ok(chunks)
}

/// The file of a row group, in pieces that become its leaves.
pub(super) struct PartFile {
    pub(super) pieces: Vec<Bytes>,
    pub(super) chunks: Vec<ColumnChunkMetaData>,
}

/// Gives every column chunk its place and writes what says so behind them.
pub(super) fn lay_out(
    schema: &Schema,
    rows: u64,
    chunks: Vec<Chunk>,
) -> Result<PartFile, ParquetError> {
    let schema = Arc::new(parquet_schema(schema)?);
    let mut pieces = vec![Bytes::from_static(MAGIC)];
    let mut offset = MAGIC.len() as u64;
    let mut group = PlacedGroup {
        rows: i64::try_from(rows)?,
        columns: Vec::with_capacity(chunks.len()),
        column_indexes: Vec::with_capacity(chunks.len()),
        offset_indexes: Vec::with_capacity(chunks.len()),
    };
    let mut blooms = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        pieces.extend(page_runs(&chunk.pages, &chunk.page_ends()));
        let (meta, offset_index) = shift(chunk.meta, chunk.offset_index, i64::try_from(offset)?)?;
        offset += chunk.pages.len() as u64;
        group.columns.push(meta);
        group.column_indexes.push(chunk.column_index);
        group.offset_indexes.push(offset_index);
        blooms.push(chunk.bloom);
    }
    for (column, bloom) in group.columns.iter_mut().zip(blooms) {
        let Some(bloom) = bloom else { continue };
        *column = column
            .clone()
            .into_builder()
            .set_bloom_filter_offset(Some(i64::try_from(offset)?))
            .set_bloom_filter_length(Some(i32::try_from(bloom.len())?))
            .build()?;
        offset += bloom.len() as u64;
        pieces.extend(self::pieces(&bloom));
    }
    let chunks = group.columns.clone();
    let groups = if rows == 0 { Vec::new() } else { vec![group] };
    let FileEnd { indexes, footer } = file_end(&schema, groups, offset)?;
    pieces.extend(indexes);
    pieces.extend(self::pieces(&footer));
    Ok(PartFile { pieces, chunks })
}

/// Returns the blocks of a file, its leaves apart.
pub(super) fn blocks_of(pieces: &[Bytes]) -> (Dag, Vec<Block>) {
    let leaves = leaf_blocks(pieces);
    let spans: Vec<Leaf> = leaves
        .iter()
        .map(|leaf| Leaf { cid: *leaf.cid(), len: leaf.data().len() as u64 })
        .collect();
    (file_from_leaves(&spans), leaves)
}

/// Makes the pieces blocks, or one block of them all where a block has room.
fn leaf_blocks(pieces: &[Bytes]) -> Vec<Block> {
    let total: usize = pieces.iter().map(Bytes::len).sum();
    if total > WHOLE_FILE_BYTES {
        return pieces.iter().map(|piece| Block::new(Codec::Raw, piece.clone())).collect();
    }
    let mut whole = BytesMut::with_capacity(total);
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    vec![Block::new(Codec::Raw, whole.freeze())]
}

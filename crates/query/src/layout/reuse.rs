//! From a part to the part of rows of which some values are others: the column chunks in which every
//! value stayed are taken as they are, and only the other columns are encoded.
//!
//! What comes of it is byte for byte what [`encode_partitioned`] gives for the rows, as a column
//! chunk depends on its values alone. Which rows change is decided elsewhere.

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use cidlake_catalog::{ColumnStats, Part};
use parquet::errors::ParquetError;

use super::alter::{chunks_of_columns, footer, named, stats_of};
use super::chunk::{Chunk, encode_column};
use super::part::{EncodedPart, blocks_of, lay_out};
use super::partition::{Partitioning, encode_partitioned};
use super::row_groups::RowGroup;
use crate::error::QueryError;

/// A part, with its bytes and with its rows in canonical types.
#[derive(Clone, Copy, Debug)]
pub struct StoredPart<'a> {
    /// What a commit says of it.
    pub part: &'a Part,
    /// Its file.
    pub file: &'a Bytes,
    /// All its rows, with the columns that are folders.
    pub rows: &'a RecordBatch,
}

/// Encodes a row group as [`encode_partitioned`] does, of which many columns are those of `stored`.
///
/// # Errors
/// As [`encode_partitioned`]; `Corrupt` where the file was not laid out by this profile.
pub fn encode_edited(
    group: &RowGroup,
    stored: StoredPart<'_>,
    partitioning: &Partitioning,
    threads: usize,
) -> Result<EncodedPart, QueryError> {
    let (new, old) = (&group.rows, stored.rows);
    let stays: Vec<bool> =
        old.columns().iter().zip(new.columns()).map(|(old, new)| old == new).collect();
    let is_edited = new.num_rows() > 0
        && new.num_rows() == old.num_rows()
        && partitioning.folders().iter().all(|folder| stays.get(*folder) == Some(&true));
    // One thread is as good as several where one column changed, and not where all did.
    let changed = stays.iter().filter(|stays| !**stays).count();
    if !is_edited || changed * 2 > stays.len() || stored.part.columns.len() != stays.len() {
        return encode_partitioned(group, partitioning, threads);
    }
    let edited = Edited::of(group, stored, partitioning, &stays)?;
    edited.assembled(group, stored.part, partitioning)
}

/// The columns of a new part in the order of the table's.
#[derive(Default)]
struct Edited {
    chunks: Vec<Chunk>,
    stats: Vec<ColumnStats>,
}

impl Edited {
    fn of(
        group: &RowGroup,
        stored: StoredPart<'_>,
        partitioning: &Partitioning,
        stays: &[bool],
    ) -> Result<Self, QueryError> {
        let foreign = |error: ParquetError| QueryError::Corrupt {
            cid: stored.part.cid,
            detail: format!("it was laid out by somebody else: {error}"),
        };
        let metadata = footer(stored.file).map_err(foreign)?;
        let kept = chunks_of_columns(stored.file, &metadata, partitioning).map_err(foreign)?;
        let mut edited = Self::default();
        let stored = kept.into_iter().zip(&stored.part.columns);
        let fields = group.rows.schema_ref().fields().iter();
        let columns = group.rows.columns().iter().zip(fields);
        for (((chunks, stats), (array, field)), stays) in stored.zip(columns).zip(stays) {
            if *stays {
                edited.chunks.extend(named(&chunks, field).map_err(foreign)?);
                edited.stats.push(stats.clone());
            } else {
                let encoded = encode_column(array, field).map_err(|error| {
                    QueryError::internal(format!("encoding column {}: {error}", field.name()))
                })?;
                edited.stats.push(stats_of(array, field, &encoded)?);
                edited.chunks.extend(encoded);
            }
        }
        Ok(edited)
    }

    /// Gives the columns their places in a file.
    fn assembled(
        self,
        group: &RowGroup,
        before: &Part,
        partitioning: &Partitioning,
    ) -> Result<EncodedPart, QueryError> {
        let schema = Arc::clone(partitioning.file_schema());
        let laid = lay_out(&schema, before.rows, self.chunks)
            .map_err(|error| QueryError::internal(format!("putting a part together: {error}")))?;
        let (dag, leaves) = blocks_of(&laid.pieces);
        let part = Part {
            cid: dag.root,
            rows: before.rows,
            bytes: dag.len,
            tsize: dag.tsize,
            partition: before.partition.clone(),
            columns: self.stats,
            rows_hash: Some(group.hash.to_bytes()),
        };
        Ok(EncodedPart { part, leaves, nodes: dag.nodes })
    }
}

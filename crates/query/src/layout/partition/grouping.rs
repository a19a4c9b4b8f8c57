//! Which partition each row of a stream belongs to: rows are made canonical and split, and partitions
//! are numbered in the order in which they come. Where split rows are kept meanwhile is for the caller
//! to say.

use std::collections::HashMap;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::row::RowConverter;

use super::runs::converter;
use super::{Partitioning, failed};
use crate::error::QueryError;
use crate::layout::convert::canonical_batches;
use crate::layout::size::logical_bytes;

/// The most partitions that one table is written into at once: more are a mistake, since every
/// partition is a folder with files of its own.
pub const PARTITIONS_MAX: usize = 1 << 16;
/// Rows are split in steps of so many logical bytes, so that those of rare partitions come in few
/// pieces.
const STEP_BYTES: u64 = 16 << 20;
/// Rows converted at a time.
const STEP_ROWS: usize = 64 << 10;

/// Rows of one partition, by its number, in canonical types.
pub type Piece = (usize, RecordBatch);

/// Tells rows of a table apart by their partition.
#[derive(Debug)]
pub struct Grouping {
    partitioning: Partitioning,
    converter: RowConverter,
    /// Rows that are not split yet, in canonical types.
    pending: Vec<RecordBatch>,
    pending_bytes: u64,
    /// The number of each partition, by what its values are as bytes that compare as they do.
    numbers: HashMap<Box<[u8]>, usize>,
    rows: u64,
}

impl Grouping {
    /// Begins with no rows.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn new(partitioning: Partitioning) -> Result<Self, QueryError> {
        Ok(Self {
            converter: converter(&partitioning)?,
            partitioning,
            pending: Vec::new(),
            pending_bytes: 0,
            numbers: HashMap::new(),
            rows: 0,
        })
    }

    /// Takes the next rows, in the user's types, and returns rows of partitions: those of each in the
    /// order in which they came.
    ///
    /// # Errors
    /// `Unsupported` names the column and the row of a value that cannot be held or names no folder;
    /// `BadInput` where there are more than [`PARTITIONS_MAX`] partitions.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<Vec<Piece>, QueryError> {
        let mut pieces = Vec::new();
        let mut start = 0;
        // In steps, so that a huge batch is not held twice.
        while start < batch.num_rows() {
            let rows = STEP_ROWS.min(batch.num_rows() - start);
            let step = batch.slice(start, rows);
            for canonical in canonical_batches(&step, &self.partitioning.schema, self.rows)? {
                pieces.extend(self.take(canonical)?);
            }
            start += rows;
        }
        Ok(pieces)
    }

    /// Takes canonical rows; no more of them are put together than make one step.
    fn take(&mut self, rows: RecordBatch) -> Result<Vec<Piece>, QueryError> {
        let bytes = logical_bytes(&rows);
        let full = self.pending_bytes.saturating_add(bytes) > STEP_BYTES;
        let pieces = if full { self.finish()? } else { Vec::new() };
        self.rows += rows.num_rows() as u64;
        self.pending_bytes += bytes;
        self.pending.push(rows);
        Ok(pieces)
    }

    /// Returns the rows that are left.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self) -> Result<Vec<Piece>, QueryError> {
        self.pending_bytes = 0;
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let all = concat_batches(&self.partitioning.schema, &pending).map_err(failed)?;
        self.split(&all)
    }

    fn split(&mut self, rows: &RecordBatch) -> Result<Vec<Piece>, QueryError> {
        let columns = rows.project(&self.partitioning.folders).map_err(failed)?;
        let keys = self.converter.convert_columns(columns.columns()).map_err(failed)?;
        let mut places: HashMap<usize, Vec<u64>> = HashMap::new();
        let mut order = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let number = self.number(key.data(), rows, row)?;
            let places = places.entry(number).or_insert_with(|| {
                order.push(number);
                Vec::new()
            });
            places.push(row as u64);
        }
        if let [only] = order.as_slice() {
            return Ok(vec![(*only, rows.clone())]);
        }
        let pieces = order.into_iter().map(|number| {
            let places = UInt64Array::from(places.remove(&number).unwrap_or_default());
            Ok((number, take_record_batch(rows, &places).map_err(failed)?))
        });
        pieces.collect()
    }

    /// Returns the number of the partition of a row, which has one from then on.
    fn number(&mut self, key: &[u8], rows: &RecordBatch, row: usize) -> Result<usize, QueryError> {
        if let Some(number) = self.numbers.get(key) {
            return Ok(*number);
        }
        let number = self.numbers.len();
        if number == PARTITIONS_MAX {
            return Err(self.too_many());
        }
        // Looked at once, so that no value without a folder gets further.
        self.partitioning.values(rows, row)?;
        self.numbers.insert(key.into(), number);
        Ok(number)
    }

    fn too_many(&self) -> QueryError {
        let schema = &self.partitioning.schema;
        let folders = self.partitioning.folders.iter();
        let names: Vec<&str> = folders.map(|index| schema.field(*index).name().as_str()).collect();
        let message = format!(
            "{} have more than {PARTITIONS_MAX} different values: choose columns with fewer, or \
             store the table in several steps",
            names.join(", ")
        );
        QueryError::bad_input("the partition columns", "", message)
    }

    /// Returns the numbers of the partitions, in the order of their values.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<(&[u8], usize)> =
            self.numbers.iter().map(|(key, number)| (key.as_ref(), *number)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, number)| number).collect()
    }
}

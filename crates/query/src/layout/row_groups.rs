//! Cuts a stream of rows into row groups, by the values alone: how the rows came in batches does
//! not matter, nor how many rows came before.
//!
//! Counted are the logical bytes of the cut columns. Once a row group has [`ROW_GROUP_BYTES_MIN`]
//! of them it ends behind the first row at which the [cut hash](super::cut_hash), as a
//! fraction of 2^64, lies below the row's bytes over [`ROW_GROUP_BYTES`] −
//! [`ROW_GROUP_BYTES_MIN`] and over the number of cut columns; at [`ROW_GROUP_BYTES_MAX`] it ends
//! anyway, as it does when all columns together have twice that. An edit moves the ends near it,
//! one of a single column only those that this column made, and the next end behind falls where
//! it did before; a column that does not cut moves none.

use std::collections::{HashSet, VecDeque};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};

use super::canonical::canonical_schema;
use super::convert::canonical_batches;
use super::cut_hash::{CutHash, Hashes};
use super::logical_hash::RowsHash;
use super::partition::{Partition, Partitioning};
use super::row_hash::row_hashes;
use super::schema::column_index;
use super::size::{RowSizes, row_sizes};
use crate::error::{QueryError, arrow_message};

/// The logical bytes that a row group has on average.
pub const ROW_GROUP_BYTES: u64 = 32 << 20;
/// The logical bytes that every row group but the last has at least.
pub const ROW_GROUP_BYTES_MIN: u64 = ROW_GROUP_BYTES / 8;
/// A row group ends with the row at which its logical bytes reach this many.
pub const ROW_GROUP_BYTES_MAX: u64 = ROW_GROUP_BYTES * 4;

/// Rows converted at a time, so that a huge batch is not held twice.
const STEP_ROWS: usize = 64 << 10;

/// What decides where row groups end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutRule {
    /// The columns whose values decide; none means all.
    pub columns: Vec<String>,
    /// Numbers of rows, rising, behind each of which a row group ends, and before the last of which
    /// none ends for its values: the ends of a version before this one, where a column that
    /// decided them is gone.
    pub ends: Vec<u64>,
    /// The columns in which all rows of a row group have the same values; they decide nothing else.
    pub partition_columns: Vec<String>,
}

/// A row group, to be encoded.
#[derive(Debug, Clone)]
pub struct RowGroup {
    /// Its rows in canonical types, as one batch.
    pub rows: RecordBatch,
    /// What they contribute to the logical hash of the table.
    pub hash: RowsHash,
}

impl RowGroup {
    /// Makes one row group of all of `rows`, which are in canonical types, wherever their values
    /// would end one: what is left of a row group that was edited.
    #[must_use]
    pub fn whole(rows: RecordBatch) -> Self {
        let mut hash = RowsHash::EMPTY;
        hash.push(&row_hashes(&rows));
        Self { rows, hash }
    }
}

/// Takes batches in the user's types and gives row groups.
#[derive(Debug)]
pub struct RowGroups {
    user: SchemaRef,
    canonical: SchemaRef,
    limits: Limits,
    cut_columns: Vec<usize>,
    cut_hash: CutHash,
    /// Ends that are given and still to come.
    ends: VecDeque<u64>,
    /// The columns that do not cut, whose bytes count only against the largest size.
    other_columns: Vec<usize>,
    partition: Partition,
    pending: Vec<RecordBatch>,
    pending_hash: RowsHash,
    pending_bytes: u64,
    pending_other_bytes: u64,
    rows_in: u64,
    groups_out: u64,
}

/// What counts of the rows of one batch.
struct Rated {
    sizes: RowSizes,
    others: RowSizes,
    hashes: Hashes,
}

/// Where row groups end; other than the profile's only in tests.
#[derive(Debug, Clone, Copy)]
struct Limits {
    min: u64,
    average: u64,
    max: u64,
}

impl RowGroups {
    /// Prepares to cut rows of `user_schema` by `rule`.
    ///
    /// # Errors
    /// Those of [`canonical_schema`]; `UnknownColumn` for a cut column that is not there.
    pub fn new(user_schema: &Schema, rule: CutRule) -> Result<Self, QueryError> {
        let limits =
            Limits { min: ROW_GROUP_BYTES_MIN, average: ROW_GROUP_BYTES, max: ROW_GROUP_BYTES_MAX };
        Self::with_limits(user_schema, rule, limits)
    }

    fn with_limits(
        user_schema: &Schema,
        rule: CutRule,
        limits: Limits,
    ) -> Result<Self, QueryError> {
        let canonical = canonical_schema(user_schema)?;
        let partitioning = Partitioning::new(user_schema, &rule.partition_columns)?;
        let cut_columns = cut_columns(&canonical, &rule, &partitioning)?;
        let cuts: HashSet<usize> = cut_columns.iter().copied().collect();
        let other_columns =
            (0..canonical.fields().len()).filter(|index| !cuts.contains(index)).collect();
        Ok(Self {
            user: SchemaRef::new(user_schema.clone()),
            cut_hash: CutHash::new(canonical.fields().len(), &cut_columns),
            canonical,
            limits,
            cut_columns,
            other_columns,
            ends: rule.ends.into(),
            partition: Partition::new(&partitioning)?,
            pending: Vec::new(),
            pending_hash: RowsHash::EMPTY,
            pending_bytes: 0,
            pending_other_bytes: 0,
            rows_in: 0,
            groups_out: 0,
        })
    }

    /// Same as [`RowGroups::new`], with groups small enough for tests: `bytes` on average.
    #[cfg(test)]
    pub(super) fn small(
        user_schema: &Schema,
        rule: CutRule,
        bytes: u64,
    ) -> Result<Self, QueryError> {
        let limits = Limits { min: bytes / 8, average: bytes, max: bytes.saturating_mul(4) };
        Self::with_limits(user_schema, rule, limits)
    }

    /// Returns the canonical schema, that of the row groups.
    pub fn schema(&self) -> &SchemaRef {
        &self.canonical
    }

    /// Takes the next rows and returns the row groups that they complete, in order.
    ///
    /// # Errors
    /// `BadInput` when the batch has other columns than the schema; `Unsupported` names the column
    /// and the row, counted from 0 over all batches, of a value that cannot be held.
    pub fn push(&mut self, batch: RecordBatch) -> Result<Vec<RowGroup>, QueryError> {
        self.check(&batch)?;
        let mut groups = Vec::new();
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = STEP_ROWS.min(batch.num_rows() - start);
            self.take_rows(&batch.slice(start, rows), &mut groups)?;
            start += rows;
        }
        Ok(groups)
    }

    /// Returns the rows that are left as the last row group; no rows at all are one empty group.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn finish(mut self) -> Result<Option<RowGroup>, QueryError> {
        if self.pending.is_empty() && self.groups_out > 0 {
            return Ok(None);
        }
        self.complete().map(Some)
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), QueryError> {
        let schema = batch.schema_ref();
        let (have, want) = (schema.fields(), self.user.fields());
        if have.len() != want.len() {
            let message = format!("it has {} columns and not {}", have.len(), want.len());
            return Err(QueryError::bad_input("a batch", self.place(), message));
        }
        for (have, want) in have.iter().zip(want) {
            if have.name() != want.name() || have.data_type() != want.data_type() {
                let message = format!(
                    "its column `{}` is {} where the table has `{}`, {}",
                    have.name(),
                    have.data_type(),
                    want.name(),
                    want.data_type()
                );
                return Err(QueryError::bad_input("a batch", self.place(), message));
            }
        }
        Ok(())
    }

    fn place(&self) -> String {
        format!("after row {}", self.rows_in)
    }

    /// Converts rows and cuts them.
    fn take_rows(
        &mut self,
        rows: &RecordBatch,
        groups: &mut Vec<RowGroup>,
    ) -> Result<(), QueryError> {
        for canonical in canonical_batches(rows, &self.canonical, self.rows_in)? {
            self.cut(&canonical, groups)?;
        }
        Ok(())
    }

    /// Adds canonical rows to the row group at hand, completing it where another partition begins.
    fn cut(&mut self, rows: &RecordBatch, groups: &mut Vec<RowGroup>) -> Result<(), QueryError> {
        for (run, begins) in self.partition.runs(rows)? {
            if begins {
                // A partition is cut as if it were alone, whatever came before it.
                self.cut_hash.forget();
                if !self.pending.is_empty() {
                    groups.push(self.complete()?);
                }
            }
            self.cut_run(&rows.slice(run.start, run.len()), groups)?;
        }
        Ok(())
    }

    /// Adds rows of the partition at hand to the row group at hand, completing it wherever it ends.
    fn cut_run(
        &mut self,
        rows: &RecordBatch,
        groups: &mut Vec<RowGroup>,
    ) -> Result<(), QueryError> {
        let rated = Rated {
            sizes: row_sizes(rows, &self.cut_columns),
            others: row_sizes(rows, &self.other_columns),
            hashes: self.cut_hash.of(rows),
        };
        let mut start = 0;
        while start < rows.num_rows() {
            let (end, full) = self.advance(&rated, start);
            self.pending.push(rows.slice(start, end - start));
            self.pending_hash.push(rated.hashes.rows.get(start..end).unwrap_or_default());
            self.rows_in += (end - start) as u64;
            if full {
                groups.push(self.complete()?);
            }
            start = end;
        }
        Ok(())
    }

    /// Counts rows from `start` on into the group at hand, up to the one that ends it. Returns
    /// the end of the counted rows, and whether the group ends there.
    fn advance(&mut self, rated: &Rated, start: usize) -> (usize, bool) {
        let given = self.ends.front().copied();
        let given = given.map(|end| end.saturating_sub(self.rows_in).saturating_sub(1));
        let Limits { min, average, max } = self.limits;
        // Each of the columns makes its share of the ends.
        let span = u128::from(average - min) * self.cut_columns.len() as u128;
        for (row, hash) in rated.hashes.cut.iter().enumerate().skip(start) {
            let bytes = rated.sizes.of_row(row);
            self.pending_bytes += bytes;
            self.pending_other_bytes += rated.others.of_row(row);
            if given == Some((row - start) as u64) {
                self.ends.pop_front();
                return (row + 1, true);
            }
            let all = self.pending_bytes.saturating_add(self.pending_other_bytes);
            if self.pending_bytes >= max || all >= max.saturating_mul(2) {
                return (row + 1, true);
            }
            let chosen = u128::from(*hash) * span < u128::from(bytes) << 64;
            if given.is_none() && chosen && self.pending_bytes >= min {
                return (row + 1, true);
            }
        }
        (rated.hashes.cut.len(), false)
    }

    fn complete(&mut self) -> Result<RowGroup, QueryError> {
        let rows = concat_batches(&self.canonical, &self.pending)
            .map_err(|error| QueryError::internal(arrow_message(&error)))?;
        self.pending.clear();
        (self.pending_bytes, self.pending_other_bytes) = (0, 0);
        self.groups_out += 1;
        Ok(RowGroup { rows, hash: std::mem::replace(&mut self.pending_hash, RowsHash::EMPTY) })
    }
}

/// Returns the columns whose values decide where row groups end, in the order of the table, whatever
/// order they are named in. Partition columns have one value in all of a row group.
fn cut_columns(
    canonical: &SchemaRef,
    rule: &CutRule,
    partitioning: &Partitioning,
) -> Result<Vec<usize>, QueryError> {
    let indices = rule.columns.iter().map(|name| column_index(canonical, name));
    let mut indices = indices.collect::<Result<Vec<usize>, QueryError>>()?;
    indices.retain(|index| partitioning.place_in_files(*index).is_some());
    if indices.is_empty() {
        return Ok(partitioning.in_files().to_vec());
    }
    indices.sort_unstable();
    Ok(indices)
}

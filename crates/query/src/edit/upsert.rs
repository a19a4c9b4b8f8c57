//! Rows that take the place of those that have their keys: found in a part, and put into it.
//!
//! The rows are held in memory, in canonical types; the parts they go to come one by one. A row
//! keeps its place, and one that is replaced by an equal one is not changed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::slice::from_ref;

use arrow::array::{Array, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{
    concat_batches, filter_record_batch, interleave_record_batch, not, take_record_batch,
};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use cidlake_catalog::Part;
use datafusion::common::Column;
use datafusion::common::pruning::PruningStatistics as _;

use super::keys::{KeyColumns, KeyFault, KeyHash, Keys, encoded};
use crate::engine::column_indices;
use crate::error::{QueryError, arrow_message};
use crate::layout::{
    CutRule, ROW_GROUP_BYTES_MAX, RowGroup, RowGroups, canonical_batches, canonical_schema,
    logical_bytes, row_hashes,
};
use crate::prune::{Known, KnownStatistics};

/// Rows that are put together at a time, so that pieces of long values fit one array.
const STEP_ROWS: usize = 64 << 10;

/// Rows to be put into a table by their keys.
#[derive(Debug)]
pub struct KeyedRows {
    columns: KeyColumns,
    canonical: SchemaRef,
    batches: Vec<Batch>,
    /// The number of each row, by its key.
    numbers: HashMap<KeyHash, usize>,
    rows: usize,
    bytes: u64,
}

/// Some of the rows, in canonical types.
#[derive(Debug)]
struct Batch {
    /// The number of the first of them.
    start: usize,
    rows: RecordBatch,
    keys: Keys,
}

/// A row of a part, and the row that has its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Where it stands in the part.
    row: usize,
    /// The number of the row that takes its place.
    pub number: usize,
}

/// What a part becomes.
#[derive(Debug)]
pub struct Merged {
    /// Its rows, in one row group, or in several where it has grown beyond the size of one; none
    /// where nothing changed, and where no row is left.
    pub groups: Vec<RowGroup>,
    /// How many rows are other ones now, or went to other parts.
    pub updated: u64,
    /// The numbers of the rows that take a place but belong into another partition, and so into
    /// another part.
    pub moved: Vec<usize>,
}

/// Rows of few batches, by the places that they have in them.
struct Picked<'a> {
    batches: Vec<&'a RecordBatch>,
    places: Vec<(usize, usize)>,
}

impl KeyedRows {
    /// Begins with no rows, for a table of `user_schema` with the key `columns`.
    ///
    /// # Errors
    /// Those of [`canonical_schema`].
    pub fn new(user_schema: &Schema, columns: KeyColumns) -> Result<Self, QueryError> {
        Ok(Self {
            columns,
            canonical: canonical_schema(user_schema)?,
            batches: Vec::new(),
            numbers: HashMap::new(),
            rows: 0,
            bytes: 0,
        })
    }

    /// Takes rows in the user's types, behind those so far.
    ///
    /// # Errors
    /// [`KeyFault`] for a null in the key and for a key that was there before.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        for rows in canonical_batches(batch, &self.canonical, self.rows as u64)? {
            let keys = self.columns.of_canonical(&rows)?;
            keys.check_nulls(self.rows as u64)?;
            let start = self.rows;
            for row in 0..keys.len() {
                match self.numbers.entry(keys.hash(row)) {
                    Entry::Vacant(free) => drop(free.insert(start + row)),
                    Entry::Occupied(first) => {
                        let (first, second) = (*first.get() as u64, (start + row) as u64);
                        return Err(KeyFault::Twice { key: keys.text(row)?, first, second }.into());
                    }
                }
            }
            self.rows += rows.num_rows();
            self.bytes += logical_bytes(&rows);
            self.batches.push(Batch { start, rows, keys });
        }
        Ok(())
    }

    /// Returns how many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns their logical size in bytes, which is about what they take in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the columns of the key.
    #[must_use]
    pub fn columns(&self) -> &KeyColumns {
        &self.columns
    }

    /// Returns the canonical schema, that of the rows.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.canonical
    }

    /// Returns the key of a row as people read it.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn key_text(&self, number: usize) -> Result<String, QueryError> {
        match self.place(number) {
            Some((batch, row)) => batch.keys.text(row),
            None => Ok(String::new()),
        }
    }

    /// Says of each part whether its statistics let it hold the key of one of the rows: whether, in
    /// every key column, one of the rows has a value between the part's bounds.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn candidates(&self, parts: &[Part]) -> Result<Vec<bool>, QueryError> {
        let mut may = parts.iter().map(|part| part.rows > 0 && self.rows > 0).collect::<Vec<_>>();
        let known: Vec<Known<'_>> = parts.iter().map(Known::from).collect();
        let statistics = KnownStatistics::new(known, &self.canonical);
        for (index, name) in self.columns.names().into_iter().enumerate() {
            let column = Column::from_name(name);
            let bounds = statistics.min_values(&column).zip(statistics.max_values(&column));
            let Some((least, greatest)) = bounds else { continue };
            let (lows, highs) = (encoded(from_ref(&least))?, encoded(from_ref(&greatest))?);
            let values = self.sorted(index)?;
            for (part, may) in may.iter_mut().enumerate() {
                if least.is_null(part) || greatest.is_null(part) {
                    continue;
                }
                let low = lows.row(part).data();
                let first = values.partition_point(|value| value.as_ref() < low);
                let held =
                    values.get(first).is_some_and(|value| **value <= *highs.row(part).data());
                *may = *may && held;
            }
        }
        Ok(may)
    }

    /// Returns the values of one column of the key in their order, as bytes.
    fn sorted(&self, column: usize) -> Result<Vec<Box<[u8]>>, QueryError> {
        let mut values = Vec::with_capacity(self.rows);
        for batch in &self.batches {
            let Some(column) = batch.keys.columns().get(column) else { continue };
            let rows = encoded(from_ref(column))?;
            values.extend(rows.iter().map(|row| Box::from(row.data())));
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// Returns which rows of a part have the key of one of these, in the order of the part, by the
    /// part's key columns as [`Engine::keys`](crate::Engine::keys) returns them.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn matches(&self, columns: RecordBatch) -> Result<Vec<Match>, QueryError> {
        let keys = Keys::new(columns)?;
        let mut matches = Vec::new();
        for row in 0..keys.len() {
            let Some(number) = self.numbers.get(&keys.hash(row)).copied() else { continue };
            let same = |(batch, at): (&Batch, usize)| batch.keys.bytes(at) == keys.bytes(row);
            // What is replaced is gone, so keys are compared whole.
            if self.place(number).is_some_and(same) {
                matches.push(Match { row, number });
            }
        }
        Ok(matches)
    }

    /// Puts the matching rows into a part, each in the place of the one that has its key. `rows` is
    /// all of the part in canonical types; `rule` cuts it where it grows beyond one row group, and
    /// says by which columns the table is partitioned.
    ///
    /// # Errors
    /// `Unsupported` where values become too long for one array.
    pub fn merged(
        &self,
        rows: &RecordBatch,
        matches: &[Match],
        rule: &CutRule,
    ) -> Result<Merged, QueryError> {
        let changes = self.changes(rows, matches)?;
        let updated = changes.len() as u64;
        if changes.is_empty() {
            return Ok(Merged { groups: Vec::new(), updated, moved: Vec::new() });
        }
        let moves = self.moves(rows, &changes, rule)?;
        let Picked { batches, places } = self.pick(changes.iter().map(|change| change.number));
        let mut order: Vec<(usize, usize)> = (0..rows.num_rows()).map(|row| (0, row)).collect();
        for (change, (batch, row)) in changes.iter().zip(places) {
            if let Some(place) = order.get_mut(change.row) {
                *place = (batch + 1, row);
            }
        }
        let moving = changes.iter().zip(&moves).filter(|(_, moves)| **moves);
        let (gone, moved): (HashSet<usize>, Vec<usize>) =
            moving.map(|(change, _)| (change.row, change.number)).unzip();
        let stay = order.into_iter().enumerate().filter(|(row, _)| !gone.contains(row));
        let order: Vec<(usize, usize)> = stay.map(|(_, place)| place).collect();
        if order.is_empty() {
            return Ok(Merged { groups: Vec::new(), updated, moved });
        }
        let sources: Vec<&RecordBatch> = std::iter::once(rows).chain(batches).collect();
        let groups = self.row_groups(&sources, &order, rule)?;
        Ok(Merged { groups, updated, moved })
    }

    /// Says of each change of a part whether the new row belongs into another partition.
    fn moves(
        &self,
        rows: &RecordBatch,
        changes: &[Match],
        rule: &CutRule,
    ) -> Result<Vec<bool>, QueryError> {
        if rule.partition_columns.is_empty() {
            return Ok(vec![false; changes.len()]);
        }
        let columns = column_indices(&self.canonical, Some(&rule.partition_columns))?;
        let (old, new) = self.old_and_new(rows, changes)?;
        let old = old.project(&columns).map_err(failed)?;
        differing(&old, &new.project(&columns).map_err(failed)?)
    }

    /// Returns the rows of a part that match, and those that take their places.
    fn old_and_new(
        &self,
        rows: &RecordBatch,
        matches: &[Match],
    ) -> Result<(RecordBatch, RecordBatch), QueryError> {
        let at = UInt64Array::from_iter_values(matches.iter().map(|found| found.row as u64));
        let old = take_record_batch(rows, &at).map_err(failed)?;
        let Picked { batches, places } = self.pick(matches.iter().map(|found| found.number));
        Ok((old, interleave_record_batch(&batches, &places).map_err(failed)?))
    }

    /// Returns the rows that are not `matched`, by their numbers, in their order.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn without(&self, matched: &[bool]) -> Result<Vec<RecordBatch>, QueryError> {
        let mut left = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let end = batch.start + batch.rows.num_rows();
            let matched = matched.get(batch.start..end).unwrap_or_default().to_vec();
            let stay = not(&BooleanArray::from(matched)).map_err(failed)?;
            left.push(filter_record_batch(&batch.rows, &stay).map_err(failed)?);
        }
        left.retain(|batch| batch.num_rows() > 0);
        Ok(left)
    }

    /// Returns the batch of a row, and where it stands in it.
    fn place(&self, number: usize) -> Option<(&Batch, usize)> {
        let batch = self.batches.get(self.batch_of(number))?;
        Some((batch, number - batch.start))
    }

    fn batch_of(&self, number: usize) -> usize {
        self.batches.partition_point(|batch| batch.start <= number).saturating_sub(1)
    }

    /// Finds rows by their numbers, in no more batches than they are in.
    fn pick(&self, numbers: impl Iterator<Item = usize>) -> Picked<'_> {
        let mut slots: HashMap<usize, usize> = HashMap::new();
        let mut batches = Vec::new();
        let mut places = Vec::new();
        for number in numbers {
            let Some((batch, row)) = self.place(number) else { continue };
            let slot = *slots.entry(batch.start).or_insert_with(|| {
                batches.push(&batch.rows);
                batches.len() - 1
            });
            places.push((slot, row));
        }
        Picked { batches, places }
    }

    /// Returns those of `matches` whose rows differ in any value.
    fn changes(&self, rows: &RecordBatch, matches: &[Match]) -> Result<Vec<Match>, QueryError> {
        if matches.is_empty() {
            return Ok(Vec::new());
        }
        let (old, new) = self.old_and_new(rows, matches)?;
        let differ = differing(&old, &new)?;
        let changed = matches.iter().zip(differ).filter(|(_, differs)| *differs);
        Ok(changed.map(|(found, _)| *found).collect())
    }

    /// Makes row groups of rows at their places in `sources`: one, if it is not too large.
    fn row_groups(
        &self,
        sources: &[&RecordBatch],
        order: &[(usize, usize)],
        rule: &CutRule,
    ) -> Result<Vec<RowGroup>, QueryError> {
        let mut pieces = Vec::with_capacity(order.len().div_ceil(STEP_ROWS));
        let mut bytes = 0;
        for step in order.chunks(STEP_ROWS) {
            let piece = interleave_record_batch(sources, step).map_err(failed)?;
            bytes += logical_bytes(&piece);
            pieces.push(piece);
        }
        if bytes <= ROW_GROUP_BYTES_MAX {
            let whole = concat_batches(&self.canonical, &pieces).map_err(failed)?;
            return Ok(vec![RowGroup::whole(whole)]);
        }
        let mut cutter = RowGroups::new(&self.canonical, rule.clone())?;
        let mut groups = Vec::new();
        for piece in pieces {
            groups.extend(cutter.push(piece)?);
        }
        groups.extend(cutter.finish()?);
        Ok(groups)
    }
}

/// Says of each row of two batches of one schema whether they differ in it.
fn differing(old: &RecordBatch, new: &RecordBatch) -> Result<Vec<bool>, QueryError> {
    let hashes = row_hashes(old).into_iter().zip(row_hashes(new));
    let mut differ: Vec<bool> = hashes.map(|(old, new)| old != new).collect();
    let alike = not(&BooleanArray::from(differ.clone())).map_err(failed)?;
    let left = filter_record_batch(old, &alike).map_err(failed)?;
    let right = filter_record_batch(new, &alike).map_err(failed)?;
    // Rows of one hash are equal but by an accident, which all of them together tell at once.
    if left.columns() != right.columns() {
        for (row, differs) in differ.iter_mut().enumerate() {
            *differs = *differs || old.slice(row, 1).columns() != new.slice(row, 1).columns();
        }
    }
    Ok(differ)
}

fn failed(error: ArrowError) -> QueryError {
    match error {
        ArrowError::OffsetOverflowError(_) => QueryError::unsupported(
            "the rows",
            "the values of one part are over 2 GiB together; replace fewer at a time",
        ),
        other => QueryError::internal(arrow_message(&other)),
    }
}

#[cfg(test)]
mod tests;

//! Rows with a key: which keys each version has alone, and which of those that both have stand for
//! other values.
//!
//! Of the rows of the first version, 128 bits are kept for each value, so that it can be told which
//! columns changed. Keys are looked at in rows that are compared alone: two equal ones of which one
//! is in a part that both versions have are not noticed.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::xxh3_128;

use super::first::First;
use super::parts::Selected;
use super::passes::{Pass, Reader, RowHasher};
use super::whole::Counted;
use crate::edit::{KeyColumns, KeyFault, Keys};
use crate::error::QueryError;

/// What one row takes in memory besides its values, with what a table of them leaves free.
const ROW_BYTES: usize = 144;
/// What is kept of a value.
const VALUE_BYTES: usize = 16;

/// Two rows of one key, and which of the columns that are compared changed.
pub(super) type ChangedRow = (u64, u64, Vec<usize>);

/// How rows with a key differ.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) counted: Counted,
    pub(super) changed: u64,
    /// The first of them.
    pub(super) changed_first: First<ChangedRow>,
    /// In how many of them each column changed, of those that are compared.
    pub(super) columns: Vec<u64>,
}

/// The rows that have a key: by their place in what is kept of the first version, and by their
/// number in the second.
#[derive(Clone, Copy, Debug)]
struct Holders {
    a: Option<usize>,
    b: Option<u64>,
}

/// What is kept of rows of the first version.
#[derive(Debug, Default)]
struct Kept {
    rows: Vec<u64>,
    /// As many for each row as there are columns.
    values: Vec<u128>,
}

/// By what rows are compared.
struct Comparing<'a> {
    key: &'a KeyColumns,
    /// What the two versions are called.
    labels: &'a [String; 2],
    hashers: Vec<RowHasher>,
}

/// Compares the rows that are left of two versions by their keys.
pub(super) async fn compared(
    reader: &Reader<'_>,
    a: &[Selected],
    b: &[Selected],
    key: &KeyColumns,
    labels: &[String; 2],
    samples_max: usize,
) -> Result<Keyed, QueryError> {
    let comparing = Comparing { key, labels, hashers: hashers(reader.schema())? };
    let width = comparing.hashers.len();
    let mut keyed = Keyed {
        counted: Counted::new(samples_max),
        changed: 0,
        changed_first: First::new(samples_max),
        columns: vec![0; width],
    };
    for pass in reader.passes(a, b, ROW_BYTES + VALUE_BYTES * width) {
        let (mut holders, mut kept) = (HashMap::new(), Kept::default());
        let mut before = |batch: &RecordBatch, rows: &[u64]| {
            comparing.before(pass, batch, rows, &mut holders, &mut kept)
        };
        reader.each(0, a, &mut before).await?;
        let mut after = |batch: &RecordBatch, rows: &[u64]| {
            comparing.after(pass, batch, rows, &mut holders, &kept, &mut keyed)
        };
        reader.each(1, b, &mut after).await?;
        for holders in holders.into_values() {
            match (holders.a.and_then(|place| kept.rows.get(place)), holders.b) {
                (Some(row), None) => keyed.counted.remove(*row, 1),
                (None, Some(row)) => keyed.counted.add(row, 1),
                _ => {}
            }
        }
    }
    Ok(keyed)
}

fn hashers(schema: &SchemaRef) -> Result<Vec<RowHasher>, QueryError> {
    schema.fields().iter().map(|field| RowHasher::new([field.data_type()])).collect()
}

impl Comparing<'_> {
    /// Takes rows of the first version in.
    fn before(
        &self,
        pass: Pass,
        batch: &RecordBatch,
        rows: &[u64],
        holders: &mut HashMap<u128, Holders>,
        kept: &mut Kept,
    ) -> Result<(), QueryError> {
        let keys = self.keys(0, batch, rows)?;
        let values = self.values(batch)?;
        for (place, row) in rows.iter().enumerate() {
            let hash = xxh3_128(keys.bytes(place));
            if !pass.has(hash) {
                continue;
            }
            let held = holders.entry(hash).or_insert(Holders { a: None, b: None });
            if let Some(first) = held.a.replace(kept.rows.len()) {
                let first = kept.rows.get(first).copied().unwrap_or_default();
                return Err(self.twice(0, &keys, place, first, *row));
            }
            kept.rows.push(*row);
            kept.values.extend(values.iter().filter_map(|values| values.get(place)));
        }
        Ok(())
    }

    /// Compares rows of the second version with those of the first.
    fn after(
        &self,
        pass: Pass,
        batch: &RecordBatch,
        rows: &[u64],
        holders: &mut HashMap<u128, Holders>,
        kept: &Kept,
        keyed: &mut Keyed,
    ) -> Result<(), QueryError> {
        let keys = self.keys(1, batch, rows)?;
        let values = self.values(batch)?;
        for (place, row) in rows.iter().enumerate() {
            let hash = xxh3_128(keys.bytes(place));
            if !pass.has(hash) {
                continue;
            }
            let held = holders.entry(hash).or_insert(Holders { a: None, b: None });
            if let Some(first) = held.b.replace(*row) {
                return Err(self.twice(1, &keys, place, first, *row));
            }
            let Some(before) = held.a else { continue };
            let start = before * values.len();
            let was = kept.values.get(start..start + values.len()).unwrap_or_default();
            let is_changed = |(was, is): (&u128, &Vec<u128>)| is.get(place) != Some(was);
            let changed: Vec<bool> = was.iter().zip(&values).map(is_changed).collect();
            if changed.contains(&true) {
                let before = kept.rows.get(before).copied().unwrap_or_default();
                keyed.change(before, *row, &changed);
            }
        }
        Ok(())
    }

    /// Returns the keys of rows of a version.
    fn keys(&self, side: usize, batch: &RecordBatch, rows: &[u64]) -> Result<Keys, QueryError> {
        let keys = self.key.of_canonical(batch)?;
        keys.check_nulls(0).map_err(|fault| match fault {
            KeyFault::Null { column, row } => {
                let row = usize::try_from(row).ok().and_then(|row| rows.get(row)).copied();
                self.refused(side, &KeyFault::Null { column, row: row.unwrap_or_default() })
            }
            other => self.refused(side, &other),
        })?;
        Ok(keys)
    }

    /// Returns what is kept of values, column by column.
    fn values(&self, batch: &RecordBatch) -> Result<Vec<Vec<u128>>, QueryError> {
        let columns = self.hashers.iter().zip(batch.columns());
        columns.map(|(hasher, column)| hasher.of(std::slice::from_ref(column))).collect()
    }

    fn twice(&self, side: usize, keys: &Keys, place: usize, first: u64, second: u64) -> QueryError {
        match keys.text(place) {
            Ok(key) => self.refused(side, &KeyFault::Twice { key, first, second }),
            Err(error) => error,
        }
    }

    fn refused(&self, side: usize, fault: &KeyFault) -> QueryError {
        let label = self.labels.get(side).map_or("", String::as_str);
        let remedy = "rows are counted from 0; compare by other columns, or without a key";
        QueryError::bad_input(label, "", format!("{fault}; {remedy}"))
    }
}

impl Keyed {
    fn change(&mut self, before: u64, after: u64, changed: &[bool]) {
        self.changed += 1;
        let places: Vec<usize> = changed
            .iter()
            .enumerate()
            .filter_map(|(place, changed)| changed.then_some(place))
            .collect();
        for place in &places {
            if let Some(count) = self.columns.get_mut(*place) {
                *count += 1;
            }
        }
        self.changed_first.push((before, after, places));
    }
}

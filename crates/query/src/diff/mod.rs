//! The difference of two versions of a table, at the cost of what differs.
//!
//! Lists of parts and parts that both versions have are not read. In the others, rows whose leaves
//! both have in every column are not read either; of what is left, single columns are compared
//! first, and only then whole rows. Which version is meant, and what else of versions differs, is
//! for the facade to say.

mod align;
mod columns;
mod first;
mod keyed;
mod pages;
mod parts;
mod passes;
mod read;
mod rows;
mod samples;
mod whole;

use std::panic::AssertUnwindSafe;

use arrow::record_batch::RecordBatch;
use futures::FutureExt as _;

pub use self::columns::{ColumnChange, ColumnDiff};
pub use self::passes::DiffProgress;

use self::columns::{Common, Compared, compared};
use self::first::First;
use self::keyed::Keyed;
use self::pages::Sides;
use self::parts::{Placed, Run, differing};
use self::passes::{Reader, rows_of};
use self::read::Side;
use self::whole::{Counted, Times};
use crate::edit::KeyColumns;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::table::Table;

/// How two versions are compared.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// The columns that tell rows apart; where there are none, rows are compared whole.
    pub key: Vec<String>,
    /// The most rows of each kind that are returned beside their number.
    pub samples_max: usize,
    /// Memory for the rows that are compared, in bytes; where it is not enough they are read
    /// several times.
    pub memory_bytes_max: usize,
    /// What the two versions are called in messages.
    pub labels: [String; 2],
}

/// How two versions of a table differ. Rows are compared over the columns that both have, and where
/// they stand does not matter.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The columns that differ.
    pub columns: Vec<ColumnDiff>,
    /// How many rows only the first version has; without a key, how many it has more often.
    pub rows_removed: u64,
    /// How many rows only the second version has.
    pub rows_added: u64,
    /// How many rows have a key that both versions have, and other values; none without a key.
    pub rows_changed: u64,
    /// In how many of the changed rows a column changed, for columns that did.
    pub columns_changed: Vec<(String, u64)>,
    /// The first rows of those that only the first version has.
    pub removed: SampleRows,
    /// The first rows of those that only the second version has.
    pub added: SampleRows,
    /// The first of the rows that changed.
    pub changed: ChangedRows,
    /// Rows of both versions that had to be read and compared whole.
    pub rows_read: u64,
    /// Parts that only one of the versions has.
    pub parts_differing: u64,
}

/// Some rows of one version.
#[derive(Clone, Debug)]
pub struct SampleRows {
    /// The number of each in its version, counted from 0; where it is there several times, the
    /// first.
    pub rows: Vec<u64>,
    /// How much more often this version has each of them.
    pub times: Vec<u64>,
    /// All of their values, in the user's types.
    pub values: RecordBatch,
}

/// Some rows that have one key in two versions.
#[derive(Clone, Debug)]
pub struct ChangedRows {
    /// The number of each in the first version and in the second.
    pub rows: Vec<[u64; 2]>,
    /// Which columns changed in each.
    pub columns: Vec<Vec<String>>,
    /// The values in the first version, in the user's types.
    pub before: RecordBatch,
    /// The values in the second version.
    pub after: RecordBatch,
}

/// What was found of the rows.
struct Found {
    counted: Counted,
    changed: u64,
    changed_first: First<keyed::ChangedRow>,
    /// In how many rows each common column changed.
    columns: Vec<u64>,
    rows_read: u64,
}

impl Engine {
    /// Compares two versions of a table.
    ///
    /// # Errors
    /// `UnknownColumn` for a key column that one of them lacks, `Unsupported` for one that cannot be
    /// a key, `BadInput` where a key is null or occurs twice, and what keeps rows from being read.
    pub async fn diff(
        &self,
        a: &Table,
        b: &Table,
        options: &DiffOptions,
        progress: &DiffProgress<'_>,
    ) -> Result<Diff, QueryError> {
        // What is left behind after a panic, which foreign bytes may cause in a decoder, is never
        // looked at again.
        let work = AssertUnwindSafe(self.compared(a, b, options, progress)).catch_unwind();
        work.await.unwrap_or_else(|_| Err(QueryError::internal("the engine failed on these data")))
    }

    async fn compared(
        &self,
        a: &Table,
        b: &Table,
        options: &DiffOptions,
        progress: &DiffProgress<'_>,
    ) -> Result<Diff, QueryError> {
        let Compared { columns, common, schema } = compared(&a.schema, &b.schema)?;
        let key = match options.key.is_empty() {
            true => None,
            false => {
                has_columns(a, &options.key)?;
                has_columns(b, &options.key)?;
                Some(KeyColumns::new(&schema, &options.key)?)
            }
        };
        let places = |place: fn(&Common) -> usize| common.iter().map(place).collect();
        let sides = Sides {
            a: Side::new(self.files(), a, places(|common| common.a), &schema),
            b: Side::new(self.files(), b, places(|common| common.b), &schema),
            common,
        };
        let runs = match is_known_equal(a, b) {
            true => Vec::new(),
            false => {
                let alike = a.commit.partition_columns == b.commit.partition_columns;
                differing(&a.parts, &b.parts, alike, self.files().blocks().as_ref()).await?
            }
        };
        let found = found(&sides, &runs, key.as_ref(), options, progress).await?;
        sides.diff(columns, &runs, found).await
    }
}

/// Says whether two versions have the same rows by what is known of them.
fn is_known_equal(a: &Table, b: &Table) -> bool {
    let (a, b) = (&a.commit, &b.commit);
    a.content == b.content || a.logical_hash.is_some() && a.logical_hash == b.logical_hash
}

fn has_columns(table: &Table, names: &[String]) -> Result<(), QueryError> {
    crate::engine::column_indices(&table.schema, Some(names)).map(|_| ())
}

async fn found(
    sides: &Sides<'_>,
    runs: &[Run],
    key: Option<&KeyColumns>,
    options: &DiffOptions,
    progress: &DiffProgress<'_>,
) -> Result<Found, QueryError> {
    let most = options.samples_max;
    if sides.common.is_empty() {
        return Ok(nothing_in_common(runs, most));
    }
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for run in runs {
        let (left_a, left_b) = sides.unequal(run).await?;
        a.extend(left_a);
        b.extend(left_b);
    }
    let rows_read = rows_of(&a) + rows_of(&b);
    let reader = Reader::new(sides, options.memory_bytes_max, progress);
    let Some(key) = key else {
        let counted = whole::counted(&reader, &a, &b, most).await?;
        let (changed_first, columns) = (First::new(0), Vec::new());
        return Ok(Found { counted, changed: 0, changed_first, columns, rows_read });
    };
    let keyed = keyed::compared(&reader, &a, &b, key, &options.labels, most).await?;
    let Keyed { counted, changed, changed_first, columns } = keyed;
    Ok(Found { counted, changed, changed_first, columns, rows_read })
}

/// Where versions have no column in common, none of their rows are.
fn nothing_in_common(runs: &[Run], samples_max: usize) -> Found {
    let mut counted = Counted::new(samples_max);
    let numbers = |placed: &Placed| placed.start..placed.start + placed.part.rows;
    let a = runs.iter().flat_map(|run| &run.a);
    let b = runs.iter().flat_map(|run| &run.b);
    a.flat_map(numbers).for_each(|row| counted.remove(row, 1));
    b.flat_map(numbers).for_each(|row| counted.add(row, 1));
    let (changed_first, columns) = (First::new(0), Vec::new());
    Found { counted, changed: 0, changed_first, columns, rows_read: 0 }
}

#[cfg(test)]
mod tests;

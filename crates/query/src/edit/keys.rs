//! Keys: the values of the columns that identify a row, compared across batches and parts.
//!
//! A key is compared by 128 bits of XXH3 over the row format of its canonical values, so that what
//! is kept of a row does not depend on how long its key is. That guards against accidents, not
//! against malice: content addresses do that. Where a row would be replaced, keys are compared
//! whole. What a fault is called in a dataset is for the facade to say.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use cidlake_catalog::Part;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ident, lit};
use xxhash_rust::xxh3::xxh3_128;

use crate::emit::Cells;
use crate::engine::{Engine, column_indices};
use crate::error::{QueryError, arrow_message};
use crate::layout::{canonical_batches, canonical_schema};
use crate::part_files::Reading;
use crate::table::{PartsProvider, Table, Types};

/// The most keys that are compared at once. Each takes 29 to 58 bytes of memory, and half as much
/// again while the table of them grows.
pub const KEYS_MAX: usize = 1 << 28;

/// The longest text of a key in a message, in characters.
const TEXT_CHARS_MAX: usize = 80;

/// Why keys do not identify rows. Rows are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A key column has no value in some row.
    #[error("key {column} is null in row {row}")]
    Null {
        /// The column.
        column: String,
        /// The row.
        row: u64,
    },
    /// Two rows have the same key.
    #[error("key {key} occurs twice, in rows {first} and {second}")]
    Twice {
        /// Its columns and values.
        key: String,
        /// The first row that has it.
        first: u64,
        /// The second.
        second: u64,
    },
    /// There are more rows than can be compared.
    #[error("the keys of more than {KEYS_MAX} rows cannot be compared at once")]
    TooMany,
}

/// The columns that identify a row of a table.
#[derive(Clone, Debug)]
pub struct KeyColumns {
    /// Where they stand in the table.
    indices: Vec<usize>,
    /// The columns themselves, in canonical types.
    canonical: SchemaRef,
}

impl KeyColumns {
    /// Takes the columns called `names` of a table of `user_schema` as its key.
    ///
    /// # Errors
    /// `UnknownColumn` for one that is not there, `Unsupported` for one whose values cannot
    /// identify a row, `BadInput` where there is none, or one is named twice.
    pub fn new(user_schema: &Schema, names: &[String]) -> Result<Self, QueryError> {
        let canonical = canonical_schema(user_schema)?;
        let indices = column_indices(&canonical, Some(names))?;
        let bad = |message| Err(QueryError::bad_input("the key", "", message));
        if indices.is_empty() {
            return bad("it has no columns".to_owned());
        }
        let mut seen = std::collections::HashSet::new();
        if let Some((name, _)) = names.iter().zip(&indices).find(|(_, index)| !seen.insert(*index))
        {
            return bad(format!("it has the column `{name}` twice"));
        }
        let canonical = canonical.project(&indices).map_err(QueryError::internal)?;
        for (field, user) in canonical.fields().iter().zip(&indices) {
            if let Some(why) = refusal(field.data_type()) {
                let kind = user_schema.fields().get(*user).map(|field| field.data_type());
                let kind = kind.unwrap_or_else(|| field.data_type());
                let what = format!("{kind} cannot be a key: {why}; choose another column");
                return Err(QueryError::unsupported(field.name(), what));
            }
        }
        Ok(Self { indices, canonical: SchemaRef::new(canonical) })
    }

    /// Returns the names of the columns, in the order of the key.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.canonical.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Returns the keys of rows in the user's types, the first of which is row `first_row`.
    fn of_user(&self, batch: &RecordBatch, first_row: u64) -> Result<Vec<Keys>, QueryError> {
        let columns = batch.project(&self.indices).map_err(failed)?;
        let canonical = canonical_batches(&columns, &self.canonical, first_row)?;
        canonical.into_iter().map(Keys::new).collect()
    }

    /// Returns the keys of rows in canonical types, of all columns of the table.
    pub(crate) fn of_canonical(&self, rows: &RecordBatch) -> Result<Keys, QueryError> {
        Keys::new(rows.project(&self.indices).map_err(failed)?)
    }
}

/// Says why values of a canonical type cannot identify rows, where that is so.
fn refusal(kind: &DataType) -> Option<&'static str> {
    match kind {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            Some("what is computed with floating point is rarely equal")
        }
        DataType::Null => Some("it has no values"),
        DataType::Interval(_) => Some("equal spans of time may be written differently"),
        nested if nested.is_nested() => Some("a key is made of plain values"),
        _ => None,
    }
}

/// 128 bits that stand for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyHash([u64; 2]);

/// The keys of some rows.
#[derive(Debug)]
pub(crate) struct Keys {
    columns: RecordBatch,
    rows: Rows,
}

impl Keys {
    /// Prepares canonical key columns to be compared.
    pub(super) fn new(columns: RecordBatch) -> Result<Self, QueryError> {
        let rows = encoded(columns.columns())?;
        Ok(Self { columns, rows })
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.columns.num_rows()
    }

    /// Returns the columns.
    pub(super) fn columns(&self) -> &[ArrayRef] {
        self.columns.columns()
    }

    /// Returns what is equal for equal keys and for no others.
    pub(crate) fn bytes(&self, row: usize) -> &[u8] {
        self.rows.row(row).data()
    }

    /// Returns the hash of one.
    pub(super) fn hash(&self, row: usize) -> KeyHash {
        let hash = xxh3_128(self.bytes(row));
        #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
        let halves = [hash as u64, (hash >> 64) as u64];
        KeyHash(halves)
    }

    /// Returns one as people read it: `id = 7`, or `(id, day) = (7, 2026-01-31)`.
    pub(crate) fn text(&self, row: usize) -> Result<String, QueryError> {
        let cells = Cells::new(&self.columns.slice(row, 1))?;
        let values = (0..self.columns.num_columns())
            .map(|column| cells.text(0, column).unwrap_or_else(|| "null".to_owned()));
        let values = values.collect::<Vec<String>>().join(", ");
        let names = cells.names().join(", ");
        let text = match cells.names() {
            [_] => format!("{names} = {values}"),
            _ => format!("({names}) = ({values})"),
        };
        if text.chars().count() <= TEXT_CHARS_MAX {
            return Ok(text);
        }
        Ok(text.chars().take(TEXT_CHARS_MAX).chain(['…']).collect())
    }

    /// Refuses a null; the first row has the number `first_row`.
    pub(crate) fn check_nulls(&self, first_row: u64) -> Result<(), KeyFault> {
        let fields = self.columns.schema_ref().fields();
        for (column, field) in self.columns.columns().iter().zip(fields) {
            let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) else {
                continue;
            };
            let row = nulls.iter().position(|valid| !valid).unwrap_or_default() as u64;
            return Err(KeyFault::Null { column: field.name().clone(), row: first_row + row });
        }
        Ok(())
    }
}

/// Returns the values of columns, row by row, as bytes whose order is that of the values.
pub(super) fn encoded(columns: &[ArrayRef]) -> Result<Rows, QueryError> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
    let converter = RowConverter::new(fields.collect()).map_err(failed)?;
    converter.convert_columns(columns).map_err(failed)
}

/// A key that a set has and somebody else has too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its columns and values.
    pub key: String,
    /// The row of the set that has it.
    pub row: u64,
}

/// The keys of the rows so far, no two alike.
#[derive(Debug)]
pub struct KeySet {
    columns: KeyColumns,
    seen: HashMap<KeyHash, u64>,
    rows: u64,
    /// The least and the greatest value of each column.
    ends: Vec<Option<(ScalarValue, ScalarValue)>>,
}

impl KeySet {
    /// Begins with no rows.
    #[must_use]
    pub fn new(columns: KeyColumns) -> Self {
        let ends = vec![None; columns.indices.len()];
        Self { columns, seen: HashMap::new(), rows: 0, ends }
    }

    /// Returns the columns of the key.
    #[must_use]
    pub fn columns(&self) -> &KeyColumns {
        &self.columns
    }

    /// Takes the keys of rows behind those so far, in the user's types.
    ///
    /// # Errors
    /// [`KeyFault`] for a null, a key that was there before, and more than [`KEYS_MAX`] keys.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        for keys in self.columns.of_user(batch, self.rows)? {
            self.take(&keys)?;
        }
        Ok(())
    }

    /// Takes the key columns of a part, as [`Engine::keys`] returns them.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_stored(&mut self, columns: RecordBatch) -> Result<(), QueryError> {
        self.take(&Keys::new(columns)?)
    }

    /// Returns the first key of a part that is in the set, of the columns that [`Engine::keys`]
    /// returns.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn first_of(&self, columns: RecordBatch) -> Result<Option<Held>, QueryError> {
        let keys = Keys::new(columns)?;
        for row in 0..keys.len() {
            if let Some(held) = self.seen.get(&keys.hash(row)) {
                return Ok(Some(Held { key: keys.text(row)?, row: *held }));
            }
        }
        Ok(None)
    }

    fn take(&mut self, keys: &Keys) -> Result<(), QueryError> {
        keys.check_nulls(self.rows)?;
        if self.seen.len().saturating_add(keys.len()) > KEYS_MAX {
            return Err(KeyFault::TooMany.into());
        }
        for row in 0..keys.len() {
            let number = self.rows + row as u64;
            match self.seen.entry(keys.hash(row)) {
                Entry::Vacant(free) => drop(free.insert(number)),
                Entry::Occupied(first) => {
                    let (key, first) = (keys.text(row)?, *first.get());
                    return Err(KeyFault::Twice { key, first, second: number }.into());
                }
            }
        }
        for (ends, column) in self.ends.iter_mut().zip(keys.columns()) {
            widen(ends, column)?;
        }
        self.rows += keys.len() as u64;
        Ok(())
    }

    /// Returns what the ends of the key columns say of rows that may have one of the keys.
    fn filters(&self) -> Vec<Expr> {
        let fields = self.columns.canonical.fields().iter();
        let ends = fields.zip(&self.ends).filter_map(|(field, ends)| Some((field, ends.as_ref()?)));
        ends.flat_map(|(field, (least, greatest))| {
            let column = || ident(field.name().clone());
            [column().gt_eq(lit(least.clone())), column().lt_eq(lit(greatest.clone()))]
        })
        .collect()
    }
}

/// Takes the values of a column without nulls into its ends so far.
fn widen(
    ends: &mut Option<(ScalarValue, ScalarValue)>,
    column: &ArrayRef,
) -> Result<(), QueryError> {
    let rows = encoded(std::slice::from_ref(column))?;
    let order = |a: &usize, b: &usize| rows.row(*a).cmp(&rows.row(*b));
    let least = (0..column.len()).min_by(order);
    let greatest = (0..column.len()).max_by(order);
    let (Some(least), Some(greatest)) = (least, greatest) else { return Ok(()) };
    let least = ScalarValue::try_from_array(column, least)?;
    let greatest = ScalarValue::try_from_array(column, greatest)?;
    *ends = Some(match ends.take() {
        None => (least, greatest),
        Some((before, after)) => (
            if least < before { least } else { before },
            if greatest > after { greatest } else { after },
        ),
    });
    Ok(())
}

impl Engine {
    /// Reads the key columns of one part, in row order.
    ///
    /// # Errors
    /// As [`Engine::part`].
    pub async fn keys(
        &self,
        table: &Table,
        part: &Part,
        columns: &KeyColumns,
    ) -> Result<RecordBatch, QueryError> {
        self.part(table, part, &columns.indices).await
    }

    /// Returns the parts of a table whose statistics let them hold one of `keys`, in row order.
    ///
    /// # Errors
    /// When the table's part lists cannot be had.
    pub async fn parts_within(
        &self,
        table: &Table,
        keys: &KeySet,
    ) -> Result<Vec<Part>, QueryError> {
        if keys.rows == 0 {
            return Ok(Vec::new());
        }
        let files = Arc::clone(self.files());
        let reading = Arc::new(Reading::default());
        // Statistics are kept in canonical types, as keys are.
        let provider = PartsProvider::of_table(table, Types::Canonical, files, reading)?;
        Ok(provider.kept(&self.session(), &keys.filters(), None).await?)
    }
}

fn failed(error: ArrowError) -> QueryError {
    QueryError::internal(arrow_message(&error))
}

#[cfg(test)]
mod tests;

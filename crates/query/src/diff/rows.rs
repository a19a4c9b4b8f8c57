//! A difference as rows: those removed, those added, and both sides of those changed, under the
//! columns of both versions. What differs was decided before.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt64Array, new_null_array};
use arrow::compute::{can_cast_types, cast_with_options, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::columns::compared;
use super::{Diff, SampleRows};
use crate::error::{QueryError, arrow_message};
use crate::layout::CHECKED;

/// The column that says what became of a row; with underscores before it where a version has such
/// a column.
const CHANGE: &str = "change";

impl Diff {
    /// Returns the rows that the difference holds: `removed`, `added`, and, with a key, each changed
    /// row as it was `before` and `after`. A row that a version has several times more often stands
    /// so many times. The columns are those of the second version, then those that only the first
    /// has; what a version lacks is null.
    ///
    /// # Errors
    /// `Unsupported` where a column has types in the two versions that have none in common.
    pub fn rows(&self) -> Result<RecordBatch, QueryError> {
        let (a, b) = (self.removed.values.schema(), self.added.values.schema());
        let columns = joined(&a, &b)?;
        let mut changes: Vec<&str> = Vec::new();
        let mut batches = Vec::new();
        for (samples, change) in [(&self.removed, "removed"), (&self.added, "added")] {
            let rows = repeated(samples)?;
            changes.resize(changes.len() + rows.num_rows(), change);
            batches.push(fitted(&rows, &columns)?);
        }
        let changed = self.changed.before.num_rows();
        changes.extend(["before", "after"].into_iter().cycle().take(2 * changed));
        batches.push(self.both_sides(&columns)?);
        let rows = concat_batches(&columns, &batches).map_err(failed)?;
        with_changes(&rows, &changes)
    }

    /// Returns each changed row as it was and, behind it, as it is.
    fn both_sides(&self, columns: &SchemaRef) -> Result<RecordBatch, QueryError> {
        let sides = [&self.changed.before, &self.changed.after];
        let sides = sides.map(|side| fitted(side, columns));
        let [before, after] = sides;
        let both = concat_batches(columns, &[before?, after?]).map_err(failed)?;
        let changed = self.changed.before.num_rows() as u64;
        let order = (0..changed).flat_map(|row| [row, row + changed]);
        take_record_batch(&both, &UInt64Array::from_iter_values(order)).map_err(failed)
    }
}

/// Returns rows as often as one version has them more than the other.
fn repeated(samples: &SampleRows) -> Result<RecordBatch, QueryError> {
    if samples.times.iter().all(|times| *times == 1) {
        return Ok(samples.values.clone());
    }
    let mut rows = Vec::new();
    for (row, times) in (0..).zip(&samples.times) {
        let times = usize::try_from(*times).map_err(QueryError::internal)?;
        rows.resize(rows.len() + times, row);
    }
    take_record_batch(&samples.values, &UInt64Array::from(rows)).map_err(failed)
}

/// Returns the columns of both versions, all of them nullable.
fn joined(a: &SchemaRef, b: &SchemaRef) -> Result<SchemaRef, QueryError> {
    let alike = compared(a, b)?.schema;
    let of_b = b.fields().iter().map(|field| {
        let kind = match a.field_with_name(field.name()) {
            Ok(before) => common_type(before, field, &alike)?,
            Err(_) => field.data_type().clone(),
        };
        Ok(Field::new(field.name(), kind, true))
    });
    let mut fields: Vec<Field> = of_b.collect::<Result<_, QueryError>>()?;
    let only_a = a.fields().iter().filter(|field| b.field_with_name(field.name()).is_err());
    fields.extend(only_a.map(|field| Field::new(field.name(), field.data_type().clone(), true)));
    Ok(Arc::new(Schema::new(fields)))
}

fn common_type(a: &Field, b: &Field, alike: &Schema) -> Result<DataType, QueryError> {
    if a.data_type() == b.data_type() {
        return Ok(a.data_type().clone());
    }
    if let Ok(field) = alike.field_with_name(b.name()) {
        return Ok(field.data_type().clone());
    }
    let are_text = [a, b].iter().all(|field| can_cast_types(field.data_type(), &DataType::Utf8));
    match are_text {
        true => Ok(DataType::Utf8),
        false => Err(QueryError::unsupported(
            b.name(),
            format!("it was {} and is {}; no type holds both", a.data_type(), b.data_type()),
        )),
    }
}

/// Brings rows under the columns of both versions.
fn fitted(rows: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let fit = |field: &Arc<Field>| match rows.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => cast_with_options(column, field.data_type(), &CHECKED)
            .map_err(|error| QueryError::unsupported(field.name(), arrow_message(&error))),
        None => Ok(new_null_array(field.data_type(), rows.num_rows())),
    };
    let arrays = columns.fields().iter().map(fit).collect::<Result<Vec<ArrayRef>, QueryError>>()?;
    RecordBatch::try_new(Arc::clone(columns), arrays).map_err(failed)
}

fn with_changes(rows: &RecordBatch, changes: &[&str]) -> Result<RecordBatch, QueryError> {
    let schema = rows.schema();
    let mut name = CHANGE.to_owned();
    while schema.field_with_name(&name).is_ok() {
        name.insert(0, '_');
    }
    let mut fields = vec![Arc::new(Field::new(name, DataType::Utf8, true))];
    fields.extend(schema.fields().iter().map(Arc::clone));
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from(changes.to_vec()))];
    arrays.extend(rows.columns().iter().map(Arc::clone));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(failed)
}

fn failed(error: ArrowError) -> QueryError {
    QueryError::internal(arrow_message(&error))
}

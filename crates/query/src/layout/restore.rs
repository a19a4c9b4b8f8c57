//! From canonical rows back to the user's own types, exactly: dictionaries, views, time zones,
//! field and schema metadata. The opposite of `convert`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
    UInt64Array, make_array,
};
use arrow::compute::{cast_with_options, take};
use arrow::datatypes::{DataType, FieldRef, IntervalUnit, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::canonical::canonical_type;
use super::convert::{CHECKED, canonical_array, reinterpret};
use crate::error::{QueryError, arrow_message};

/// Turns rows as they are stored into rows of `user_schema`, whose fields are, in order, those of
/// the batch; a projection of both is fine, no columns at all too. Columns may come in any Arrow
/// type whose canonical form is the stored one, such as views.
///
/// # Errors
/// `Unsupported` where a dictionary has more values than its keys can count within one batch;
/// `Internal` where batch and schema do not belong together.
pub fn restore(batch: &RecordBatch, user_schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
    if batch.num_columns() != user_schema.fields().len() {
        return Err(QueryError::internal(format!(
            "{} stored columns for a schema of {}",
            batch.num_columns(),
            user_schema.fields().len()
        )));
    }
    let columns = batch
        .columns()
        .iter()
        .zip(user_schema.fields())
        .map(|(column, field)| restore_column(column, field))
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(SchemaRef::clone(user_schema), columns, &options)
        .map_err(|error| QueryError::internal(arrow_message(&error)))
}

fn restore_column(column: &ArrayRef, field: &FieldRef) -> Result<ArrayRef, QueryError> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let canonical = canonical_type(field.data_type(), field.name(), 0)?;
    let stored = canonical_array(column, &canonical).map_err(|trouble| trouble.into_error(0))?;
    restore_array(&stored, field.data_type()).map_err(|error| match error {
        ArrowError::DictionaryKeyOverflowError => QueryError::unsupported(
            field.name(),
            "more distinct values than its dictionary keys can count; store it as plain values",
        ),
        other => QueryError::internal(format!("{}: {}", field.name(), arrow_message(&other))),
    })
}

/// Turns a canonical array into `target`, whose canonical form its type is.
fn restore_array(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match target {
        DataType::Dictionary(_, values) => {
            let plain = restore_array(array, values)?;
            dictionary(&plain, target)
        }
        DataType::RunEndEncoded(_, values) => {
            let plain = restore_array(array, values.data_type())?;
            reinterpret(&cast_with_options(&plain, target, &CHECKED)?, target)
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => restore_list(array, element, target),
        DataType::Struct(_) => restore_struct(array.as_struct(), target),
        DataType::Map(entries, ordered) => {
            let map = array.as_map();
            let pairs = restore_struct(map.entries(), entries.data_type())?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let pairs = pairs.as_struct().clone();
            let map = MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *ordered)?;
            Ok(Arc::new(map))
        }
        DataType::Date64 | DataType::Duration(_) | DataType::Interval(IntervalUnit::YearMonth) => {
            reinterpret(array, target)
        }
        DataType::Timestamp(unit, _) => {
            let DataType::Timestamp(_, stored_zone) = array.data_type() else {
                return cast_with_options(array, target, &CHECKED);
            };
            let same_zone = DataType::Timestamp(*unit, stored_zone.clone());
            reinterpret(&cast_with_options(array, &same_zone, &CHECKED)?, target)
        }
        _ => cast_with_options(array, target, &CHECKED),
    }
}

fn restore_list(
    array: &ArrayRef,
    element: &FieldRef,
    target: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let lists = array.as_list::<i32>();
    let values = restore_array(lists.values(), element.data_type())?;
    let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
    let list = ListArray::try_new(Arc::clone(element), offsets, values, nulls)?;
    cast_with_options(&list, target, &CHECKED)
}

fn restore_struct(array: &StructArray, target: &DataType) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(fields) = target else {
        return Err(ArrowError::CastError(format!("a struct cannot become {target}")));
    };
    let columns = array
        .columns()
        .iter()
        .zip(fields)
        .map(|(column, field)| restore_array(column, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, array.nulls().cloned())?))
}

/// Encodes plain values as a dictionary. Arrow packs most types; the others are packed here, by
/// the bytes that the row format gives their values.
fn dictionary(plain: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    let DataType::Dictionary(key, _) = target else {
        return Err(ArrowError::CastError(format!("{target} is no dictionary")));
    };
    match cast_with_options(plain, target, &CHECKED) {
        Ok(packed) if packed.data_type() == target => return Ok(packed),
        Err(ArrowError::DictionaryKeyOverflowError) => {
            return Err(ArrowError::DictionaryKeyOverflowError);
        }
        _ => {}
    }
    let rows = RowConverter::new(vec![SortField::new(plain.data_type().clone())])?
        .convert_columns(std::slice::from_ref(plain))?;
    let nulls = plain.logical_nulls();
    let mut known: HashMap<&[u8], u64> = HashMap::new();
    let mut first_rows: Vec<u64> = Vec::new();
    let keys: UInt64Array = rows
        .iter()
        .enumerate()
        .map(|(row, bytes)| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return None;
            }
            Some(*known.entry(bytes.data()).or_insert_with(|| {
                first_rows.push(row as u64);
                first_rows.len() as u64 - 1
            }))
        })
        .collect();
    let values = take(plain, &UInt64Array::from(first_rows), None)?;
    let keys = cast_with_options(&keys, key, &CHECKED)
        .map_err(|_| ArrowError::DictionaryKeyOverflowError)?;
    let data = keys
        .to_data()
        .into_builder()
        .data_type(target.clone())
        .add_child_data(values.to_data())
        .build()?;
    Ok(make_array(data))
}

//! Several files of one table: one schema that holds them all, and batches brought to it.
//!
//! The files must have the same columns, in any order; the first file's order, names and metadata
//! win. Types are widened where no value changes: integers to wider ones, integers and floats to
//! Float64 (whole numbers beyond ±2^53 are then refused), decimals to enough digits on both sides
//! of the point, dates to timestamps, units of time to finer ones, nulls to anything.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, PrimitiveArray, RecordBatch, StructArray,
    new_null_array,
};
use arrow::compute::cast_with_options;
use arrow::datatypes::{
    ArrowPrimitiveType, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field,
    FieldRef, Fields, Int64Type, Schema, SchemaRef, TimeUnit, UInt64Type,
};
use arrow::error::ArrowError;

use crate::error::{QueryError, arrow_message};
use crate::layout::{CHECKED, canonical_array, canonical_schema, restore};

/// Whole numbers up to this are exact as 64-bit floats.
const FLOAT_WHOLE_MAX: u64 = 1 << 53;

/// Returns the schema that holds the rows of all `schemas`, the first of which leads.
///
/// # Errors
/// `BadInput` names the input by its number, counted from 1, and the column that does not fit.
pub fn unify(schemas: &[SchemaRef]) -> Result<SchemaRef, QueryError> {
    let Some((first, others)) = schemas.split_first() else {
        return Err(QueryError::bad_input("the table", "", "there are no inputs"));
    };
    let mut fields: Vec<FieldRef> = first.fields().iter().map(Arc::clone).collect();
    for (other, number) in others.iter().zip(2..) {
        let bad = |message| QueryError::bad_input(&format!("input {number}"), "", message);
        if let Some(extra) =
            other.fields().iter().find(|field| first.index_of(field.name()).is_err())
        {
            return Err(bad(format!("column `{}` is not in the first input", extra.name())));
        }
        for field in &mut fields {
            let same = other.field_with_name(field.name()).map_err(|_| {
                bad(format!("column `{}` of the first input is not in it", field.name()))
            })?;
            let wider = widen_field(field, same).ok_or_else(|| {
                bad(format!(
                    "column `{}` is {} in it and {} before; no type holds both",
                    field.name(),
                    same.data_type(),
                    field.data_type()
                ))
            })?;
            *field = wider;
        }
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, first.metadata().clone())))
}

fn widen_field(a: &FieldRef, b: &Field) -> Option<FieldRef> {
    let kind = widen(a.data_type(), b.data_type())?;
    let nullable = a.is_nullable() || b.is_nullable();
    Some(Arc::new(Field::clone(a).with_data_type(kind).with_nullable(nullable)))
}

/// The narrowest type that holds the values of both, `a`'s own where it does.
fn widen(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        (T::Dictionary(_, inside), other) => widen_inside(a, inside, other),
        (T::RunEndEncoded(_, inside), other) => widen_inside(a, inside.data_type(), other),
        (_, T::Dictionary(_, inside)) => widen(a, inside),
        (_, T::RunEndEncoded(_, inside)) => widen(a, inside.data_type()),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View)
        | (
            T::Binary | T::LargeBinary | T::BinaryView,
            T::Binary | T::LargeBinary | T::BinaryView,
        ) => Some(a.clone()),
        (T::Timestamp(first, zone), T::Timestamp(second, other)) => (zone.is_some()
            == other.is_some())
        .then(|| T::Timestamp(finer(*first, *second), zone.clone())),
        (T::Date32, T::Timestamp(unit, None)) | (T::Timestamp(unit, None), T::Date32) => {
            Some(T::Timestamp(*unit, None))
        }
        (T::Date64, T::Timestamp(unit, None)) | (T::Timestamp(unit, None), T::Date64) => {
            Some(T::Timestamp(finer(TimeUnit::Millisecond, *unit), None))
        }
        (T::Date32, T::Date64) | (T::Date64, T::Date32) => Some(T::Date64),
        (T::Time32(first) | T::Time64(first), T::Time32(second) | T::Time64(second)) => {
            let unit = finer(*first, *second);
            let wide = matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond);
            Some(if wide { T::Time64(unit) } else { T::Time32(unit) })
        }
        (T::Struct(first), T::Struct(second)) => widen_struct(first, second),
        (T::Map(first, sorted), T::Map(second, also)) => {
            Some(T::Map(widen_field(first, second)?, *sorted && *also))
        }
        _ => widen_list(a, b).or_else(|| widen_number(a, b)),
    }
}

/// A dictionary or run-end array stays one as long as its values need not change.
fn widen_inside(a: &DataType, inside: &DataType, other: &DataType) -> Option<DataType> {
    let wider = widen(inside, other)?;
    Some(if wider == *inside { a.clone() } else { wider })
}

fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    a.max(b)
}

fn widen_struct(first: &Fields, second: &Fields) -> Option<DataType> {
    if first.len() != second.len() {
        return None;
    }
    let fields = first.iter().map(|field| {
        let (_, same) = second.find(field.name())?;
        widen_field(field, same)
    });
    Some(DataType::Struct(fields.collect::<Option<Fields>>()?))
}

fn widen_list(a: &DataType, b: &DataType) -> Option<DataType> {
    let element = widen_field(element_of(a)?, element_of(b)?)?;
    Some(match (a, b) {
        (DataType::LargeList(_), _) => DataType::LargeList(element),
        (DataType::ListView(_), _) => DataType::ListView(element),
        (DataType::LargeListView(_), _) => DataType::LargeListView(element),
        (DataType::FixedSizeList(_, size), DataType::FixedSizeList(_, same)) if size == same => {
            DataType::FixedSizeList(element, *size)
        }
        _ => DataType::List(element),
    })
}

fn element_of(kind: &DataType) -> Option<&FieldRef> {
    match kind {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => Some(element),
        _ => None,
    }
}

/// A number type by what it can hold.
enum Number {
    /// Bits, and whether it has a sign.
    Whole(usize, bool),
    Float(usize),
    /// Digits before and behind the point.
    Decimal(u8, i8),
}

fn number_of(kind: &DataType) -> Option<Number> {
    let bits = kind.primitive_width().unwrap_or(0) * 8;
    match kind {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some(Number::Decimal(*precision, *scale)),
        kind if kind.is_signed_integer() => Some(Number::Whole(bits, true)),
        kind if kind.is_unsigned_integer() => Some(Number::Whole(bits, false)),
        kind if kind.is_floating() => Some(Number::Float(bits)),
        _ => None,
    }
}

fn widen_number(a: &DataType, b: &DataType) -> Option<DataType> {
    match (number_of(a)?, number_of(b)?) {
        (Number::Whole(first, signed), Number::Whole(second, also)) => {
            Some(widen_whole(first, signed, second, also))
        }
        (Number::Float(first), Number::Float(second)) => {
            Some(if first > second { a.clone() } else { b.clone() })
        }
        (Number::Float(_), Number::Whole(_, _)) | (Number::Whole(_, _), Number::Float(_)) => {
            Some(DataType::Float64)
        }
        (Number::Decimal(precision, scale), Number::Decimal(other, behind)) => {
            widen_decimal((precision, scale), (other, behind))
        }
        (Number::Decimal(precision, scale), Number::Whole(bits, _))
        | (Number::Whole(bits, _), Number::Decimal(precision, scale)) => {
            widen_decimal((precision, scale), (digits_of(bits), 0))
        }
        // A decimal as a float would change.
        _ => None,
    }
}

fn widen_whole(first: usize, signed: bool, second: usize, also: bool) -> DataType {
    let bits = first.max(second);
    if signed == also {
        return whole(bits, signed);
    }
    // The one without a sign needs a bit more.
    let unsigned = if signed { second } else { first };
    whole(bits.max(unsigned * 2), true)
}

fn whole(bits: usize, signed: bool) -> DataType {
    match (bits, signed) {
        (8, true) => DataType::Int8,
        (16, true) => DataType::Int16,
        (32, true) => DataType::Int32,
        (64, true) => DataType::Int64,
        (8, false) => DataType::UInt8,
        (16, false) => DataType::UInt16,
        (32, false) => DataType::UInt32,
        (64, false) => DataType::UInt64,
        _ => DataType::Decimal128(digits_of(64), 0),
    }
}

/// Decimal digits of integers of so many bits.
fn digits_of(bits: usize) -> u8 {
    match bits {
        8 => 3,
        16 => 5,
        32 => 10,
        _ => 20,
    }
}

fn widen_decimal(first: (u8, i8), second: (u8, i8)) -> Option<DataType> {
    let before = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
    let scale = first.1.max(second.1);
    let precision = before(first).max(before(second)) + i16::from(scale);
    let precision = u8::try_from(precision.max(1)).ok()?;
    if precision <= DECIMAL128_MAX_PRECISION {
        Some(DataType::Decimal128(precision, scale))
    } else {
        (precision <= DECIMAL256_MAX_PRECISION).then_some(DataType::Decimal256(precision, scale))
    }
}

/// Brings a batch of one input to `schema`, which [`unify`] gave: its columns in order, in its
/// types.
///
/// # Errors
/// `BadInput` names a column that is missing; `Unsupported` one with a value that would change.
pub fn adapt(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let canonical = canonical_schema(schema)?;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (field, stored) in schema.fields().iter().zip(canonical.fields()) {
        let column = batch.column_by_name(field.name()).ok_or_else(|| {
            let message = format!("there is no column `{}`", field.name());
            QueryError::bad_input("a batch", "", message)
        })?;
        if column.data_type() == field.data_type() {
            columns.push(Arc::clone(column));
            continue;
        }
        let own = Schema::new(vec![Field::new(field.name(), column.data_type().clone(), true)]);
        let own = canonical_schema(&own)?;
        let plain = canonical_array(column, own.field(0).data_type())
            .map_err(|trouble| trouble.into_error(0))?;
        let wide = widen_array(&plain, stored.data_type()).map_err(|error| {
            let what = format!("a value does not fit: {}", arrow_message(&error));
            QueryError::unsupported(field.name(), what)
        })?;
        columns.push(wide);
    }
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| QueryError::internal(arrow_message(&error)))?;
    restore(&batch, schema)
}

/// Brings a canonical array to a wider canonical type.
fn widen_array(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (DataType::Null, _) => Ok(new_null_array(target, array.len())),
        (DataType::List(_), DataType::List(element)) => {
            let list = array.as_list::<i32>();
            let values = widen_array(list.values(), element.data_type())?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls)?))
        }
        (DataType::Map(_, _), DataType::Map(entries, ordered)) => {
            let map = array.as_map();
            let pairs: ArrayRef = Arc::new(map.entries().clone());
            let pairs = widen_array(&pairs, entries.data_type())?.as_struct().clone();
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let map = MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *ordered)?;
            Ok(Arc::new(map))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let from = array.as_struct();
            let columns = fields.iter().map(|field| {
                let column = from.column_by_name(field.name()).ok_or_else(|| {
                    ArrowError::SchemaError(format!("there is no field `{}`", field.name()))
                })?;
                widen_array(column, field.data_type())
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let array = StructArray::try_new(fields.clone(), columns, array.nulls().cloned())?;
            Ok(Arc::new(array))
        }
        // By way of seconds, where the multiplication is checked.
        (DataType::Date32, DataType::Timestamp(_, None)) => {
            let seconds = DataType::Timestamp(TimeUnit::Second, None);
            let seconds = cast_with_options(array, &seconds, &CHECKED)?;
            cast_with_options(&seconds, target, &CHECKED)
        }
        (DataType::Int64, DataType::Float64) => {
            exact_as_float::<Int64Type>(array.as_primitive(), i64::unsigned_abs)?;
            cast_with_options(array, target, &CHECKED)
        }
        (DataType::UInt64, DataType::Float64) => {
            exact_as_float::<UInt64Type>(array.as_primitive(), |value| value)?;
            cast_with_options(array, target, &CHECKED)
        }
        _ => cast_with_options(array, target, &CHECKED),
    }
}

/// Refuses whole numbers that a 64-bit float would round.
fn exact_as_float<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    magnitude: impl Fn(T::Native) -> u64,
) -> Result<(), ArrowError> {
    match array.iter().flatten().find(|value| magnitude(*value) > FLOAT_WHOLE_MAX) {
        None => Ok(()),
        Some(value) => {
            Err(ArrowError::CastError(format!("{value:?} is not exact as a 64-bit float")))
        }
    }
}

#[cfg(test)]
mod tests;

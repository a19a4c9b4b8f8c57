//! From the user's arrays to canonical ones, checked: a value that would change is an error that
//! names column and row. Types are decided in `canonical`; the way back is `restore`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, LargeBinaryArray, LargeStringArray, ListArray,
    MapArray, PrimitiveArray, RecordBatch, RunArray, StringViewArray, StructArray, UInt64Array,
    make_array,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, DecimalType, Int16Type, Int32Type, Int64Type,
    RunEndIndexType, SchemaRef, Time32SecondType, TimeUnit,
};
use arrow::error::ArrowError;

use super::canonical::join;
use crate::error::{QueryError, arrow_message};

/// Refuses what does not fit instead of writing null.
pub(crate) const CHECKED: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// Why an array did not become canonical.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Text, bytes or list elements of these rows together exceed what one array holds: take
    /// fewer rows.
    TooLong {
        /// Path of the column.
        column: String,
    },
    /// The value of one row cannot be held.
    Value {
        /// Path of the column.
        column: String,
        /// Index of the row in the array.
        row: usize,
        /// What is wrong with it.
        what: String,
    },
}

impl Trouble {
    fn too_long() -> Self {
        Self::TooLong { column: String::new() }
    }

    fn value(row: usize, what: impl ToString) -> Self {
        Self::Value { column: String::new(), row, what: what.to_string() }
    }

    /// Prepends the name of the field that the trouble is in.
    fn inside(mut self, name: &str) -> Self {
        let (Self::TooLong { column } | Self::Value { column, .. }) = &mut self;
        *column = if column.is_empty() { name.to_owned() } else { join(name, column) };
        self
    }

    /// Translates the index of an element into the index of the row that holds it.
    fn at_row(mut self, row_of: impl FnOnce(usize) -> usize) -> Self {
        if let Self::Value { row, .. } = &mut self {
            *row = row_of(*row);
        }
        self
    }

    /// Returns the error for the user; `first_row` is the row that index 0 stands for.
    pub(crate) fn into_error(self, first_row: u64) -> QueryError {
        match self {
            Self::TooLong { column } => {
                QueryError::unsupported(&column, "one value is over 2 GiB; split it over rows")
            }
            Self::Value { column, row, what } => {
                let row = first_row + row as u64;
                QueryError::unsupported(&column, format!("row {row}: {what}"))
            }
        }
    }
}

/// Converts rows as [`canonical_batch`] does, in halves where they are too long for one array;
/// `first_row` is the number of the first row in messages.
pub(crate) fn canonical_batches(
    rows: &RecordBatch,
    canonical: &SchemaRef,
    first_row: u64,
) -> Result<Vec<RecordBatch>, QueryError> {
    let mut done = Vec::new();
    let mut todo = vec![(0, rows.num_rows())];
    while let Some((start, len)) = todo.pop() {
        match canonical_batch(&rows.slice(start, len), canonical) {
            Ok(batch) => done.push(batch),
            Err(Trouble::TooLong { .. }) if len > 1 => {
                let half = len / 2;
                todo.push((start + half, len - half));
                todo.push((start, half));
            }
            Err(trouble) => return Err(trouble.into_error(first_row + start as u64)),
        }
    }
    Ok(done)
}

/// Converts `batch`, whose columns are those of the user's schema, to `canonical`.
fn canonical_batch(batch: &RecordBatch, canonical: &SchemaRef) -> Result<RecordBatch, Trouble> {
    let columns = batch
        .columns()
        .iter()
        .zip(canonical.fields())
        .map(|(column, field)| {
            canonical_array(column, field.data_type())
                .map_err(|trouble| trouble.inside(field.name()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(SchemaRef::clone(canonical), columns)
        .map_err(|error| Trouble::value(0, arrow_message(&error)))
}

/// Converts one array to `target`, the canonical form of its type.
pub(crate) fn canonical_array(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Trouble> {
    match array.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let plain = take(dictionary.values(), dictionary.keys(), None).map_err(from_kernel)?;
            canonical_array(&plain, target)
        }
        DataType::RunEndEncoded(ends, _) => {
            let plain = match ends.data_type() {
                DataType::Int16 => spread_runs(array.as_run::<Int16Type>()),
                DataType::Int32 => spread_runs(array.as_run::<Int32Type>()),
                _ => spread_runs(array.as_run::<Int64Type>()),
            };
            canonical_array(&plain.map_err(from_kernel)?, target)
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(_, _) => canonical_list(array, target),
        DataType::Struct(_) => canonical_struct(array.as_struct(), target),
        DataType::Map(_, _) => canonical_map(array.as_map(), target),
        _ => canonical_leaf(array, target),
    }
}

/// Repeats the value of each run for each of its rows.
fn spread_runs<R: RunEndIndexType>(runs: &RunArray<R>) -> Result<ArrayRef, ArrowError> {
    let rows: Vec<u64> = (0..runs.len() as u64).collect();
    let physical = runs.get_physical_indices(&rows)?;
    let indices = UInt64Array::from_iter_values(physical.into_iter().map(|index| index as u64));
    take(runs.values(), &indices, None)
}

fn canonical_list(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Trouble> {
    let DataType::List(element) = target else {
        return Err(Trouble::value(0, "a list has no canonical form"));
    };
    let lists = plain_list(array)?;
    let (values, offsets) = referenced(lists.values(), lists.offsets());
    let values = canonical_array(&values, element.data_type()).map_err(|trouble| {
        trouble.inside(element.name()).at_row(|index| row_of(&offsets, index))
    })?;
    ListArray::try_new(Arc::clone(element), offsets, values, lists.nulls().cloned())
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|error| Trouble::value(0, arrow_message(&error)))
}

/// Any kind of list as `List`, elements as they are.
fn plain_list(array: &ArrayRef) -> Result<ListArray, Trouble> {
    let element = match array.data_type() {
        DataType::List(_) => return Ok(array.as_list::<i32>().clone()),
        DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => element,
        other => return Err(Trouble::value(0, format!("{other} is no list"))),
    };
    let target = DataType::List(Arc::clone(element));
    let cast = |array: &ArrayRef| cast_with_options(array, &target, &CHECKED);
    // A slice of a long array keeps its high offsets; copied, it starts at zero.
    let list = cast(array).or_else(|_| cast(&compact(array)?)).map_err(from_kernel)?;
    Ok(list.as_list::<i32>().clone())
}

/// Cuts a list's values down to those that its offsets span, and starts the offsets at zero.
fn referenced(values: &ArrayRef, offsets: &OffsetBuffer<i32>) -> (ArrayRef, OffsetBuffer<i32>) {
    let first = offsets.first().copied().unwrap_or(0);
    let last = offsets.last().copied().unwrap_or(0);
    if first == 0 && last as usize == values.len() {
        return (Arc::clone(values), offsets.clone());
    }
    let shifted: Vec<i32> = offsets.iter().map(|offset| offset - first).collect();
    let values = values.slice(first as usize, (last - first) as usize);
    (values, OffsetBuffer::new(ScalarBuffer::from(shifted)))
}

/// The list that element `index` belongs to.
fn row_of(offsets: &OffsetBuffer<i32>, index: usize) -> usize {
    offsets.partition_point(|offset| *offset as usize <= index).saturating_sub(1)
}

fn canonical_struct(array: &StructArray, target: &DataType) -> Result<ArrayRef, Trouble> {
    let DataType::Struct(fields) = target else {
        return Err(Trouble::value(0, "a struct has no canonical form"));
    };
    let columns = array
        .columns()
        .iter()
        .zip(fields)
        .map(|(column, field)| {
            canonical_array(column, field.data_type())
                .map_err(|trouble| trouble.inside(field.name()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new(fields.clone(), columns, array.nulls().cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| Trouble::value(0, arrow_message(&error)))
}

fn canonical_map(array: &MapArray, target: &DataType) -> Result<ArrayRef, Trouble> {
    let DataType::Map(entries, ordered) = target else {
        return Err(Trouble::value(0, "a map has no canonical form"));
    };
    let all: ArrayRef = Arc::new(array.entries().clone());
    let (pairs, offsets) = referenced(&all, array.offsets());
    let pairs = canonical_struct(pairs.as_struct(), entries.data_type())
        .map_err(|trouble| trouble.at_row(|index| row_of(&offsets, index)))?;
    let entries = Arc::clone(entries);
    let (pairs, nulls) = (pairs.as_struct().clone(), array.nulls().cloned());
    MapArray::try_new(entries, offsets, pairs, nulls, *ordered)
        .map(|map| Arc::new(map) as ArrayRef)
        .map_err(|error| Trouble::value(0, arrow_message(&error)))
}

fn canonical_leaf(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Trouble> {
    match (array.data_type(), target) {
        (_, DataType::Decimal128(precision, _)) => {
            let decimals = checked_cast(array, target)?;
            check_digits::<Decimal128Type>(decimals.as_primitive(), *precision)?;
            Ok(decimals)
        }
        (_, DataType::Decimal256(precision, _)) => {
            let decimals = checked_cast(array, target)?;
            check_digits::<Decimal256Type>(decimals.as_primitive(), *precision)?;
            Ok(decimals)
        }
        (from, to) if from == to => Ok(Arc::clone(array)),
        (DataType::LargeUtf8 | DataType::LargeBinary, _) => large_bytes(array, target),
        (DataType::Utf8View | DataType::BinaryView, _) => view_bytes(array, target),
        (DataType::Time32(TimeUnit::Second), _) => {
            let seconds = array.as_primitive::<Time32SecondType>();
            first_bad(seconds, |value| value.checked_mul(1000).is_none()).map_or_else(
                || checked_cast(array, target),
                |row| Err(Trouble::value(row, "the time does not fit milliseconds")),
            )
        }
        (DataType::Timestamp(TimeUnit::Second, _), _) => checked_cast(array, target),
        // What is left differs in the name of the type alone.
        _ => reinterpret(array, target).map_err(from_kernel),
    }
}

/// Casts, and on failure names the first row that fails.
fn checked_cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Trouble> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    cast_with_options(array, target, &CHECKED).map_err(|error| {
        let fails =
            |rows: usize| cast_with_options(&array.slice(0, rows), target, &CHECKED).is_err();
        let (mut good, mut bad) = (0, array.len());
        while bad > good + 1 {
            let middle = usize::midpoint(good, bad);
            if fails(middle) { bad = middle } else { good = middle }
        }
        Trouble::value(good, arrow_message(&error))
    })
}

/// Arrow lets a decimal hold more digits than its type says; Parquet would cut them off.
fn check_digits<D: DecimalType>(array: &PrimitiveArray<D>, precision: u8) -> Result<(), Trouble> {
    let (array_precision, scale) = (precision, array.data_type());
    let wide = |value: D::Native| !D::is_valid_decimal_precision(value, array_precision);
    match first_bad(array, wide) {
        None => Ok(()),
        Some(row) => Err(Trouble::value(row, format!("the value has more digits than {scale}"))),
    }
}

/// Index of the first value, nulls left out, that `bad` says so of.
fn first_bad<T: arrow::datatypes::ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    bad: impl Fn(T::Native) -> bool,
) -> Option<usize> {
    if !array.values().iter().any(|value| bad(*value)) {
        return None;
    }
    array.iter().position(|value| value.is_some_and(&bad))
}

/// 64-bit offsets to 32-bit ones.
fn large_bytes(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Trouble> {
    let offsets = match array.data_type() {
        DataType::LargeUtf8 => downcast::<LargeStringArray>(array)?.offsets(),
        _ => downcast::<LargeBinaryArray>(array)?.offsets(),
    };
    let first = offsets.first().copied().unwrap_or(0);
    let last = offsets.last().copied().unwrap_or(0);
    if last - first > i64::from(i32::MAX) {
        return Err(Trouble::too_long());
    }
    if last > i64::from(i32::MAX) {
        // A slice of a long array keeps its high offsets; copied, it starts at zero.
        let compact = compact(array).map_err(from_kernel)?;
        return cast_with_options(&compact, target, &CHECKED).map_err(from_kernel);
    }
    cast_with_options(array, target, &CHECKED).map_err(from_kernel)
}

/// Views to offsets.
fn view_bytes(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Trouble> {
    let total: u64 = match array.data_type() {
        DataType::Utf8View => view_bytes_total(downcast::<StringViewArray>(array)?.views()),
        _ => view_bytes_total(downcast::<BinaryViewArray>(array)?.views()),
    };
    if total > i32::MAX as u64 {
        return Err(Trouble::too_long());
    }
    cast_with_options(array, target, &CHECKED).map_err(from_kernel)
}

/// The low 32 bits of a view are its length.
fn view_bytes_total(views: &[u128]) -> u64 {
    views.iter().map(|view| (view & u128::from(u32::MAX)) as u64).sum()
}

/// Copies an array so that nothing unreferenced is left in its buffers.
fn compact(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    take(array, &UInt64Array::from_iter_values(0..array.len() as u64), None)
}

/// The same buffers under another type of the same layout.
pub(super) fn reinterpret(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data().into_builder().data_type(target.clone()).build()?;
    Ok(make_array(data))
}

fn downcast<T: 'static>(array: &ArrayRef) -> Result<&T, Trouble> {
    array
        .as_any()
        .downcast_ref()
        .ok_or_else(|| Trouble::value(0, format!("{} is not what it says", array.data_type())))
}

/// Kernels that only move values fail for one reason: the result is too long for its offsets.
fn from_kernel(error: ArrowError) -> Trouble {
    match error {
        ArrowError::OffsetOverflowError(_) => Trouble::too_long(),
        other => {
            let message = arrow_message(&other);
            let too_long =
                ["overflow", "too large", "exceeds"].iter().any(|word| message.contains(word));
            if too_long { Trouble::too_long() } else { Trouble::value(0, message) }
        }
    }
}

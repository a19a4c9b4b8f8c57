//! An argument of a function, asked row by row for what decides how much the function makes: a
//! text, a count, a moment, the bytes of a value. A constant has the same in every row.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::ColumnarValue;

/// What a value of a length of its own takes besides: an offset, or a view.
const VIEW_BYTES: u64 = 16;
/// The longest text of a number or a moment.
const NUMBER_BYTES: u64 = 80;

/// Nanoseconds of a day.
pub(super) const DAY: i128 = 24 * 3600 * SECOND;
const SECOND: i128 = 1_000_000_000;

/// An argument.
pub(super) struct Column {
    array: ArrayRef,
    is_constant: bool,
}

/// A step of a series: months, days and nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) months: i128,
    pub(super) days: i128,
    pub(super) nanoseconds: i128,
}

impl Column {
    pub(super) fn new(value: &ColumnarValue) -> Result<Self, DataFusionError> {
        Ok(match value {
            ColumnarValue::Array(array) => Self { array: Arc::clone(array), is_constant: false },
            ColumnarValue::Scalar(scalar) => Self { array: scalar.to_array()?, is_constant: true },
        })
    }

    /// Returns how many rows it has, where it is not the same in all.
    pub(super) fn rows(&self) -> Option<usize> {
        (!self.is_constant).then(|| self.array.len())
    }

    /// Returns where the value of `row` stands, unless it is null.
    fn place(&self, row: usize) -> Option<usize> {
        let place = if self.is_constant { 0 } else { row };
        (place < self.array.len() && !self.array.is_null(place)).then_some(place)
    }

    pub(super) fn text(&self, row: usize) -> Option<&str> {
        let place = self.place(row)?;
        match self.array.data_type() {
            DataType::Utf8 => Some(self.array.as_string::<i32>().value(place)),
            DataType::LargeUtf8 => Some(self.array.as_string::<i64>().value(place)),
            DataType::Utf8View => Some(self.array.as_string_view().value(place)),
            _ => None,
        }
    }

    pub(super) fn whole(&self, row: usize) -> Option<i64> {
        let place = self.place(row)?;
        Some(self.array.as_primitive_opt::<Int64Type>()?.value(place))
    }

    /// Returns a count: what is below zero counts as none.
    pub(super) fn count(&self, row: usize) -> u64 {
        self.whole(row).and_then(|whole| u64::try_from(whole).ok()).unwrap_or_default()
    }

    /// Returns a date or a time in nanoseconds.
    pub(super) fn moment(&self, row: usize) -> Option<i128> {
        let place = self.place(row)?;
        let array = &self.array;
        Some(match array.data_type() {
            DataType::Date32 => i128::from(array.as_primitive::<Date32Type>().value(place)) * DAY,
            DataType::Date64 => {
                i128::from(array.as_primitive::<Date64Type>().value(place)) * (SECOND / 1000)
            }
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => {
                    i128::from(array.as_primitive::<TimestampSecondType>().value(place)) * SECOND
                }
                TimeUnit::Millisecond => {
                    let value = array.as_primitive::<TimestampMillisecondType>().value(place);
                    i128::from(value) * (SECOND / 1000)
                }
                TimeUnit::Microsecond => {
                    let value = array.as_primitive::<TimestampMicrosecondType>().value(place);
                    i128::from(value) * 1000
                }
                TimeUnit::Nanosecond => {
                    i128::from(array.as_primitive::<TimestampNanosecondType>().value(place))
                }
            },
            _ => return None,
        })
    }

    pub(super) fn is_step(&self) -> bool {
        matches!(self.array.data_type(), DataType::Interval(IntervalUnit::MonthDayNano))
    }

    pub(super) fn step(&self, row: usize) -> Option<Step> {
        let place = self.place(row)?;
        let step = self.array.as_primitive_opt::<IntervalMonthDayNanoType>()?.value(place);
        Some(Step {
            months: step.months.into(),
            days: step.days.into(),
            nanoseconds: step.nanoseconds.into(),
        })
    }

    /// Returns how many bytes the value itself has.
    pub(super) fn bytes(&self, row: usize) -> u64 {
        let Some(place) = self.place(row) else { return 0 };
        let array = &self.array;
        let bytes = match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                self.text(row).map_or(0, str::len)
            }
            DataType::Binary => array.as_binary::<i32>().value(place).len(),
            DataType::LargeBinary => array.as_binary::<i64>().value(place).len(),
            DataType::BinaryView => array.as_binary_view().value(place).len(),
            other => {
                other.primitive_width().unwrap_or_else(|| sliced_bytes(&array.slice(place, 1)))
            }
        };
        bytes as u64
    }

    /// Returns how many bytes the value takes as an element of a list.
    pub(super) fn element_bytes(&self, row: usize) -> u64 {
        match self.array.data_type().primitive_width() {
            Some(width) => width as u64,
            None => self.bytes(row).saturating_add(VIEW_BYTES),
        }
    }

    /// Returns how many bytes an element of the list takes at least.
    pub(super) fn width(&self) -> u64 {
        match self.array.data_type() {
            DataType::List(field) | DataType::LargeList(field) => {
                field.data_type().primitive_width().map_or(VIEW_BYTES, |width| width as u64)
            }
            _ => VIEW_BYTES,
        }
    }

    /// Returns how many elements a list has, lists within it taken apart, and how many bytes their
    /// texts have.
    pub(super) fn written(&self, row: usize) -> (u64, u64) {
        let Some(place) = self.place(row) else { return (0, 0) };
        let mut array = self.array.slice(place, 1);
        while let Some(elements) = elements(&array) {
            array = elements;
        }
        let texts = Self { array: Arc::clone(&array), is_constant: false };
        let bytes = match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                (0..array.len()).map(|row| texts.bytes(row)).fold(0, u64::saturating_add)
            }
            _ => (array.len() as u64).saturating_mul(NUMBER_BYTES),
        };
        (array.len() as u64, bytes)
    }
}

/// The elements of all lists of an array, or nothing where it has no lists.
fn elements(array: &ArrayRef) -> Option<ArrayRef> {
    if let Some(lists) = array.as_list_opt::<i32>() {
        let (first, last) = (lists.value_offsets().first()?, lists.value_offsets().last()?);
        let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
        return Some(lists.values().slice(first, last - first));
    }
    if let Some(lists) = array.as_list_opt::<i64>() {
        let (first, last) = (lists.value_offsets().first()?, lists.value_offsets().last()?);
        let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
        return Some(lists.values().slice(first, last - first));
    }
    array.as_fixed_size_list_opt().map(|lists| Arc::clone(lists.values()))
}

/// A slice counts as what it shows and not as what it was cut from.
fn sliced_bytes(array: &ArrayRef) -> usize {
    let data = array.to_data();
    data.get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

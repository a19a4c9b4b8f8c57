//! The values of a flat column that are not null, in the physical type that Parquet gives them.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::filter;
use arrow::datatypes::*;
use parquet::basic::Type;
use parquet::errors::ParquetError;

/// The most digits of a decimal that is an INT32 or an INT64.
const DIGITS_MAX: u8 = 18;

/// Values without nulls.
#[derive(Debug)]
pub(super) enum Values {
    /// INT32.
    Int32(ScalarBuffer<i32>),
    /// INT64.
    Int64(ScalarBuffer<i64>),
    /// BYTE_ARRAY.
    Bytes(ByteValues),
}

/// Text or bytes, one behind the other.
#[derive(Debug)]
pub(super) struct ByteValues {
    offsets: OffsetBuffer<i32>,
    data: Buffer,
    /// Whether it is text.
    pub(super) is_text: bool,
}

impl ByteValues {
    /// Returns one value.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        self.run(index..index + 1)
    }

    /// Returns the bytes of a run of values.
    pub(super) fn run(&self, range: Range<usize>) -> &[u8] {
        let offset =
            |index: usize| self.offsets.get(index).map_or(0, |o| o.unsigned_abs() as usize);
        self.data.get(offset(range.start)..offset(range.end)).unwrap_or_default()
    }

    /// Returns the lengths of a run of values.
    pub(super) fn lengths(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = i32> {
        let ends = self.offsets.get(range.start..=range.end).unwrap_or_default();
        ends.windows(2).map(|ends| match ends {
            [start, end] => end - start,
            _ => 0,
        })
    }
}

impl Values {
    /// Returns whether values of this canonical type are any of these.
    pub(super) fn holds(kind: &DataType) -> bool {
        match kind {
            DataType::Decimal128(digits, _) => *digits <= DIGITS_MAX,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64
            | DataType::Date32
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(_, _)
            | DataType::Utf8
            | DataType::Binary => true,
            _ => false,
        }
    }

    /// Takes the values out of a column, as this physical type.
    pub(super) fn of(column: &ArrayRef, physical: Type) -> Result<Self, ParquetError> {
        let dense = match column.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => filter(column, &BooleanArray::new(nulls.inner().clone(), None))?,
            None => ArrayRef::clone(column),
        };
        let values = match dense.data_type() {
            DataType::Int8 => Self::narrow::<Int8Type>(&dense),
            DataType::Int16 => Self::narrow::<Int16Type>(&dense),
            DataType::UInt8 => Self::narrow::<UInt8Type>(&dense),
            DataType::UInt16 => Self::narrow::<UInt16Type>(&dense),
            DataType::Decimal128(_, _) if physical == Type::INT32 => {
                let values = dense.as_primitive::<Decimal128Type>().values();
                #[expect(clippy::cast_possible_truncation, reason = "it has nine digits at most")]
                let values = values.iter().map(|value| *value as i32).collect();
                Self::Int32(values)
            }
            DataType::Decimal128(_, _) => {
                let values = dense.as_primitive::<Decimal128Type>().values();
                #[expect(clippy::cast_possible_truncation, reason = "it has 18 digits at most")]
                let values = values.iter().map(|value| *value as i64).collect();
                Self::Int64(values)
            }
            DataType::Utf8 => {
                let text = dense.as_string::<i32>();
                let (offsets, data) = (text.offsets().clone(), text.values().clone());
                Self::Bytes(ByteValues { offsets, data, is_text: true })
            }
            DataType::Binary => {
                let bytes = dense.as_binary::<i32>();
                let (offsets, data) = (bytes.offsets().clone(), bytes.values().clone());
                Self::Bytes(ByteValues { offsets, data, is_text: false })
            }
            kind => {
                let buffer = dense.to_data().buffers().first().cloned().unwrap_or_default();
                let (start, len) = (dense.to_data().offset(), dense.len());
                match kind.primitive_width() {
                    Some(4) => Self::Int32(ScalarBuffer::new(buffer, start, len)),
                    Some(8) => Self::Int64(ScalarBuffer::new(buffer, start, len)),
                    _ => return Err(ParquetError::General(format!("{kind} is no flat type"))),
                }
            }
        };
        Ok(values)
    }

    fn narrow<T: ArrowPrimitiveType>(array: &ArrayRef) -> Self
    where
        T::Native: Into<i32>,
    {
        let values = array.as_primitive::<T>().values();
        Self::Int32(values.iter().map(|value| (*value).into()).collect())
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Bytes(values) => values.offsets.len() - 1,
        }
    }

    /// Returns whether two values are equal.
    pub(super) fn equal(&self, one: usize, other: usize) -> bool {
        match self {
            Self::Int32(values) => values.get(one) == values.get(other),
            Self::Int64(values) => values.get(one) == values.get(other),
            Self::Bytes(values) => values.get(one) == values.get(other),
        }
    }

    /// Returns how many bytes a value takes as PLAIN has it.
    pub(super) fn plain_bytes(&self, index: usize) -> usize {
        match self {
            Self::Int32(_) => size_of::<i32>(),
            Self::Int64(_) => size_of::<i64>(),
            Self::Bytes(values) => size_of::<u32>() + values.get(index).len(),
        }
    }

    /// Appends a value as PLAIN has it.
    pub(super) fn put_plain(&self, index: usize, out: &mut Vec<u8>) {
        match self {
            Self::Int32(values) => {
                out.extend(values.get(index).into_iter().flat_map(|value| value.to_le_bytes()));
            }
            Self::Int64(values) => {
                out.extend(values.get(index).into_iter().flat_map(|value| value.to_le_bytes()));
            }
            Self::Bytes(values) => {
                let value = values.get(index);
                // An array of text has less than 2 GiB.
                out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(value);
            }
        }
    }
}

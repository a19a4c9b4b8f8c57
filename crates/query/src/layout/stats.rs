//! What a commit says about the columns of a part, taken from the metadata that was just written.
//! Bounds are left out where they would mislead: no NaN, no infinity, nothing of nested columns.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use bytes::Bytes;
use cidlake_catalog::{ColumnStats, Scalar};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

/// Longer text or bytes are no bound; the writer cuts to this length and marks it.
const BOUND_BYTES_MAX: usize = 64;

/// Returns one entry for each column, in order.
pub(super) fn column_stats(
    row_group: &RecordBatch,
    mut chunks: &[ColumnChunkMetaData],
) -> Vec<ColumnStats> {
    row_group
        .columns()
        .iter()
        .map(|column| {
            let (own, rest) = chunks.split_at(leaves_of(column.data_type()).min(chunks.len()));
            chunks = rest;
            stats_of(column, own)
        })
        .collect()
}

/// How many Parquet columns a canonical type becomes.
pub(super) fn leaves_of(kind: &DataType) -> usize {
    match kind {
        DataType::List(element) => leaves_of(element.data_type()),
        DataType::Map(entries, _) => leaves_of(entries.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| leaves_of(field.data_type())).sum(),
        _ => 1,
    }
}

fn stats_of(column: &ArrayRef, chunks: &[ColumnChunkMetaData]) -> ColumnStats {
    let bytes = chunks.iter().map(|chunk| chunk.compressed_size().unsigned_abs()).sum();
    let mut stats = ColumnStats {
        nulls: column.logical_null_count() as u64,
        bytes,
        min: None,
        max: None,
        exact: true,
    };
    if let [chunk] = chunks
        && !column.data_type().is_nested()
        && !holds_nan(column)
        && let Some(written) = chunk.statistics()
    {
        stats.min = bound(written, column.data_type(), Bound::Min);
        stats.max = bound(written, column.data_type(), Bound::Max);
        stats.exact = written.min_is_exact() && written.max_is_exact();
    }
    stats
}

/// Parquet leaves NaN out of its bounds; SQL sorts it above every number. What lies behind a null
/// does not count: it is no value, and would leave a trace in the bytes.
pub(super) fn holds_nan(column: &ArrayRef) -> bool {
    match column.data_type() {
        DataType::Float16 => {
            column.as_primitive::<Float16Type>().iter().flatten().any(|value| value.is_nan())
        }
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().flatten().any(f32::is_nan),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().flatten().any(f64::is_nan),
        _ => false,
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Min,
    Max,
}

impl Bound {
    fn of<T>(self, min: Option<T>, max: Option<T>) -> Option<T> {
        match self {
            Self::Min => min,
            Self::Max => max,
        }
    }
}

/// Reads one bound of a column chunk as a value of the column's type.
fn bound(written: &Statistics, kind: &DataType, which: Bound) -> Option<Scalar> {
    match written {
        Statistics::Boolean(values) => {
            which.of(values.min_opt(), values.max_opt()).map(|value| Scalar::Bool(*value))
        }
        Statistics::Int32(values) => {
            let value = *which.of(values.min_opt(), values.max_opt())?;
            match kind {
                DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
                    Some(Scalar::UInt(u64::from(value.cast_unsigned())))
                }
                _ => integer(i64::from(value), kind),
            }
        }
        Statistics::Int64(values) => {
            let value = *which.of(values.min_opt(), values.max_opt())?;
            match kind {
                DataType::UInt64 => Some(Scalar::UInt(value.cast_unsigned())),
                _ => integer(value, kind),
            }
        }
        Statistics::Float(values) => {
            float(f64::from(*which.of(values.min_opt(), values.max_opt())?))
        }
        Statistics::Double(values) => float(*which.of(values.min_opt(), values.max_opt())?),
        Statistics::ByteArray(values) => {
            bytes(which.of(values.min_bytes_opt(), values.max_bytes_opt())?, kind)
        }
        Statistics::FixedLenByteArray(values) => {
            bytes(which.of(values.min_bytes_opt(), values.max_bytes_opt())?, kind)
        }
        Statistics::Int96(_) => None,
    }
}

fn integer(value: i64, kind: &DataType) -> Option<Scalar> {
    match kind {
        DataType::Null => None,
        DataType::Decimal128(_, _) => wide(&value.to_be_bytes(), size_of::<i128>()),
        _ => Some(Scalar::Int(value)),
    }
}

fn float(value: f64) -> Option<Scalar> {
    value.is_finite().then_some(Scalar::Float(value))
}

fn bytes(value: &[u8], kind: &DataType) -> Option<Scalar> {
    match kind {
        DataType::Utf8 if value.len() <= BOUND_BYTES_MAX => {
            std::str::from_utf8(value).ok().map(|text| Scalar::Text(text.to_owned()))
        }
        DataType::Binary | DataType::FixedSizeBinary(_) if value.len() <= BOUND_BYTES_MAX => {
            Some(Scalar::Bytes(Bytes::copy_from_slice(value)))
        }
        DataType::Decimal128(_, _) => wide(value, size_of::<i128>()),
        DataType::Decimal256(_, _) => wide(value, 2 * size_of::<i128>()),
        _ => None,
    }
}

/// Extends a big-endian two's complement number to `width` bytes.
fn wide(value: &[u8], width: usize) -> Option<Scalar> {
    let missing = width.checked_sub(value.len())?;
    let negative = value.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut out = vec![if negative { 0xff } else { 0 }; missing];
    out.extend_from_slice(value);
    Some(Scalar::Wide(Bytes::from(out)))
}

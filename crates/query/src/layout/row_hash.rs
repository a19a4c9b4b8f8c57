//! A 64-bit hash of each value and of each row: what decides where row groups and pages end, and
//! what the logical hash sums.
//!
//! A function of the values alone, not of buffers, encodings or batches. It guards against
//! accidents, not against malice: content addresses do that.
//!
//! The hash of a value is folded over its words, beginning with a seed; that of a row over the
//! hashes of its values, in the order of the columns. `fold(h, v)` is the 128-bit product of `h ^ v`
//! and a constant, its upper half xored onto its lower, plus the seed. The words of a value:
//!
//! | type | words |
//! |---|---|
//! | Null, and every null | a constant |
//! | Boolean | 0 or 1 |
//! | signed integers, Date32, Time32, Time64, Timestamp | sign-extended to 64 bits |
//! | Interval of days and milliseconds | days in the upper 32 bits, milliseconds in the lower |
//! | unsigned integers | zero-extended to 64 bits |
//! | Float16, Float32, Float64 | their bits, zero-extended |
//! | Decimal128 | sign-extended from 64 bits where it is that; else as Decimal256 |
//! | Decimal256 | its 64-bit words, lowest first |
//! | Utf8, Binary, FixedSizeBinary | XXH3-64 of the bytes, without a seed |
//! | List | its length, then the hash of each element, folded one by one |
//! | Map | as a list of its entries, each the fold of key and value |
//! | Struct | the fold of its fields, from the seed |

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;
use xxhash_rust::xxh3::xxh3_64;

/// What everything is folded into.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// What a null contributes.
const NULL: u64 = 0xd6e8_feb8_6659_fd93;
/// Odd, with bits all over.
const MULTIPLIER: u64 = 0xa076_1d64_78bd_642f;

/// Mixes one value into a hash.
pub(super) fn fold(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value) * u128::from(MULTIPLIER);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    // A product of zero would swallow everything before it.
    (low ^ high).wrapping_add(SEED)
}

/// Returns the hashes of rows without columns, to [`fold`] the hashes of values into.
pub(super) fn begun(rows: usize) -> Vec<u64> {
    vec![SEED; rows]
}

/// Folds the hashes of values into the hashes of their rows.
pub(super) fn fold_each(rows: &mut [u64], values: &[u64]) {
    for (row, value) in rows.iter_mut().zip(values) {
        *row = fold(*row, *value);
    }
}

/// Returns the hash of each row of a canonical batch.
pub(crate) fn row_hashes(rows: &RecordBatch) -> Vec<u64> {
    let mut hashes = begun(rows.num_rows());
    for column in rows.columns() {
        fold_each(&mut hashes, &value_hashes(column));
    }
    hashes
}

/// Returns the hash of each value of a canonical array, the fold of it alone.
pub(super) fn value_hashes(values: &ArrayRef) -> Vec<u64> {
    hashes_of(std::slice::from_ref(values), values.len())
}

/// Folds the values of `array` into the hashes of their rows.
fn add(array: &ArrayRef, hashes: &mut [u64]) {
    match array.data_type() {
        DataType::Null => hashes.iter_mut().for_each(|hash| *hash = fold(*hash, NULL)),
        DataType::Boolean => {
            let values = array.as_boolean();
            add_each(hashes, array.nulls(), |row| u64::from(values.value(row)));
        }
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            add_each(hashes, array.nulls(), |row| xxh3_64(values.value(row).as_bytes()));
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            add_each(hashes, array.nulls(), |row| xxh3_64(values.value(row)));
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            add_each(hashes, array.nulls(), |row| xxh3_64(values.value(row)));
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            add_lists(list.offsets(), &[list.values()], array.nulls(), hashes);
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            add_lists(map.offsets(), &[map.keys(), map.values()], array.nulls(), hashes);
        }
        DataType::Struct(_) => {
            let inner = hashes_of(array.as_struct().columns(), array.len());
            add_each(hashes, array.nulls(), |row| inner.get(row).copied().unwrap_or(NULL));
        }
        _ => add_fixed(array, hashes),
    }
}

/// Folds values of a fixed width.
fn add_fixed(array: &ArrayRef, hashes: &mut [u64]) {
    match array.data_type() {
        DataType::Int8 => signed::<Int8Type>(array, hashes),
        DataType::Int16 => signed::<Int16Type>(array, hashes),
        DataType::Int32 => signed::<Int32Type>(array, hashes),
        DataType::Int64 => signed::<Int64Type>(array, hashes),
        DataType::Date32 => signed::<Date32Type>(array, hashes),
        DataType::Time32(_) => signed::<Time32MillisecondType>(array, hashes),
        DataType::Time64(TimeUnit::Nanosecond) => signed::<Time64NanosecondType>(array, hashes),
        DataType::Time64(_) => signed::<Time64MicrosecondType>(array, hashes),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            signed::<TimestampMillisecondType>(array, hashes);
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            signed::<TimestampNanosecondType>(array, hashes);
        }
        DataType::Timestamp(_, _) => signed::<TimestampMicrosecondType>(array, hashes),
        DataType::UInt8 => unsigned::<UInt8Type>(array, hashes),
        DataType::UInt16 => unsigned::<UInt16Type>(array, hashes),
        DataType::UInt32 => unsigned::<UInt32Type>(array, hashes),
        DataType::UInt64 => unsigned::<UInt64Type>(array, hashes),
        DataType::Float16 => {
            primitive::<Float16Type>(array, hashes, |value| u64::from(value.to_bits()));
        }
        DataType::Float32 => {
            primitive::<Float32Type>(array, hashes, |value| u64::from(value.to_bits()));
        }
        DataType::Float64 => primitive::<Float64Type>(array, hashes, f64::to_bits),
        DataType::Interval(_) => {
            primitive::<IntervalDayTimeType>(array, hashes, |value| {
                u64::from(value.days.cast_unsigned()) << 32
                    | u64::from(value.milliseconds.cast_unsigned())
            });
        }
        DataType::Decimal128(_, _) => decimals(array, hashes),
        DataType::Decimal256(_, _) => wide_decimals(array, hashes),
        other => panic!("{other} is no canonical type"),
    }
}

fn signed<T: ArrowPrimitiveType>(array: &ArrayRef, hashes: &mut [u64])
where
    T::Native: Into<i64>,
{
    primitive::<T>(array, hashes, |value| value.into().cast_unsigned());
}

fn unsigned<T: ArrowPrimitiveType>(array: &ArrayRef, hashes: &mut [u64])
where
    T::Native: Into<u64>,
{
    primitive::<T>(array, hashes, Into::into);
}

fn primitive<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    hashes: &mut [u64],
    bits: impl Fn(T::Native) -> u64,
) {
    let values = array.as_primitive::<T>().values();
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (hash, value) in hashes.iter_mut().zip(values) {
                *hash = fold(*hash, bits(*value));
            }
        }
        Some(nulls) => {
            for ((hash, value), valid) in hashes.iter_mut().zip(values).zip(nulls) {
                *hash = fold(*hash, if valid { bits(*value) } else { NULL });
            }
        }
    }
}

/// Folds decimals; most fit one word, which costs half.
fn decimals(array: &ArrayRef, hashes: &mut [u64]) {
    let values = array.as_primitive::<Decimal128Type>();
    let nulls = values.nulls().filter(|nulls| nulls.null_count() > 0);
    for (row, (hash, value)) in hashes.iter_mut().zip(values.values()).enumerate() {
        *hash = match i64::try_from(*value) {
            _ if nulls.is_some_and(|nulls| nulls.is_null(row)) => fold(*hash, NULL),
            Ok(word) => fold(*hash, word.cast_unsigned()),
            Err(_) => folded_words(*hash, &value.to_le_bytes()),
        };
    }
}

fn wide_decimals(array: &ArrayRef, hashes: &mut [u64]) {
    let values = array.as_primitive::<Decimal256Type>();
    for (row, hash) in hashes.iter_mut().enumerate() {
        *hash = match values.is_null(row) {
            true => fold(*hash, NULL),
            false => folded_words(*hash, &values.value(row).to_le_bytes()),
        };
    }
}

/// Folds the words of a little-endian number, lowest first.
fn folded_words(hash: u64, number: &[u8]) -> u64 {
    number.chunks_exact(8).fold(hash, |hash, word| {
        fold(hash, word.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)))
    })
}

fn add_each(hashes: &mut [u64], nulls: Option<&NullBuffer>, value: impl Fn(usize) -> u64) {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    for (row, hash) in hashes.iter_mut().enumerate() {
        let null = nulls.is_some_and(|nulls| nulls.is_null(row));
        *hash = fold(*hash, if null { NULL } else { value(row) });
    }
}

/// Folds lists: the length, then each element, which is the fold of its children.
fn add_lists(
    offsets: &OffsetBuffer<i32>,
    children: &[&ArrayRef],
    nulls: Option<&NullBuffer>,
    hashes: &mut [u64],
) {
    let children: Vec<ArrayRef> = children.iter().map(|child| ArrayRef::clone(child)).collect();
    let len = children.first().map_or(0, |child| child.len());
    let elements = hashes_of(&children, len);
    for ((row, hash), ends) in hashes.iter_mut().enumerate().zip(offsets.windows(2)) {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            *hash = fold(*hash, NULL);
            continue;
        }
        let &[start, end] = ends else { continue };
        let range = start.unsigned_abs() as usize..end.unsigned_abs() as usize;
        let elements = elements.get(range).unwrap_or_default();
        *hash = elements
            .iter()
            .fold(fold(*hash, elements.len() as u64), |hash, element| fold(hash, *element));
    }
}

fn hashes_of(columns: &[ArrayRef], len: usize) -> Vec<u64> {
    let mut hashes = vec![SEED; len];
    columns.iter().for_each(|column| add(column, &mut hashes));
    hashes
}

//! Chooses how the values of one column chunk are encoded, from a sample of them.
//!
//! The choice is part of the profile: the same values always give the same choice, on every
//! machine, so all arithmetic is in integers or in IEEE operations of one rounding each.
//!
//! | values | candidates |
//! |---|---|
//! | integers, dates, times, decimals of up to 18 digits | dictionary, DELTA_BINARY_PACKED |
//! | Float32, Float64 | dictionary, BYTE_STREAM_SPLIT |
//! | Utf8, Binary | dictionary, DELTA_LENGTH_BYTE_ARRAY |
//! | FixedSizeBinary, wider decimals, Float16 | dictionary, PLAIN |
//! | Boolean, Null, Interval | PLAIN |
//!
//! The dictionary is taken if it saves a tenth of the other's estimated bits: a page without one
//! depends on its own rows alone, so that versions share it. Values without order take one bit
//! more as differences than as indexes, which with the dictionary itself comes near a tie for many
//! columns: they shall not change sides with each edit. These are the
//! encodings that the readers in wide use have in common: BYTE_STREAM_SPLIT of integers and of
//! fixed-length bytes, which DuckDB refuses, is not among them.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, IntervalUnit, UInt64Type};
use parquet::basic::Encoding;

use super::chunk::ZSTD_LEVEL;
use super::row_hash::value_hashes;

/// Runs of neighbouring values that are looked at, spread evenly.
const RUNS: usize = 64;
/// Values in a run.
const RUN_VALUES: usize = 64;
/// Values taken one by one, spread evenly, to count distinct ones: a power of two.
const SPREAD_VALUES: usize = 4096;
/// Estimates count in sixteenths of a bit.
const BIT: u64 = 16;
/// Bytes of a text that are looked at.
const SAMPLE_VALUE_BYTES: usize = 256;
/// Bits that the length of a text takes among others.
const LENGTH_BITS: u64 = 4;
/// A dictionary takes less than the direct encoding by one part in so many, or more.
const MARGIN: u64 = 10;
/// A bloom filter takes about so many bits a value.
const BLOOM_BITS: u64 = 9;
/// A bloom filter may take this share of its column: one part in so many.
const BLOOM_SHARE: u64 = 12;

/// How a column chunk is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Whether a dictionary is kept.
    pub(super) dictionary: bool,
    /// The encoding of values outside a dictionary.
    pub(super) encoding: Encoding,
    /// The number of distinct values for which a bloom filter is made, where one is earned.
    pub(super) bloom_values: Option<u64>,
}

/// Chooses for the values of one Parquet column; `integer_bits` is the width of its
/// physical type where that is an integer.
pub(super) fn choose(values: &ArrayRef, integer_bits: Option<u32>) -> Choice {
    let direct = direct_encoding(values.data_type(), integer_bits);
    let plain = Choice { dictionary: false, encoding: direct, bloom_values: None };
    let count = (values.len() - values.logical_null_count()) as u64;
    if count == 0 || never_dictionary(values.data_type()) {
        return plain;
    }
    let spread = spread_hashes(values);
    let distinct = estimated_distinct(&spread, count);
    let direct_bits = direct_bits(values, direct);
    // What the indexes take, and what the dictionary itself takes, a value.
    let entries = u128::from(distinct) * u128::from(raw_bits(values)) / u128::from(count);
    let dictionary_bits = index_bits(distinct) + u64::try_from(entries).unwrap_or(u64::MAX / 2);
    let dictionary = dictionary_bits < direct_bits - direct_bits / MARGIN;
    let bits = if dictionary { dictionary_bits } else { direct_bits };
    let unique = distinct >= count / 2 && count >= SPREAD_VALUES as u64;
    let affordable = BLOOM_BITS * BLOOM_SHARE * BIT <= bits;
    let bloom_values = (unique && affordable && !values.data_type().is_floating()).then_some(count);
    Choice { dictionary, encoding: direct, bloom_values }
}

/// The encoding outside a dictionary.
fn direct_encoding(kind: &DataType, integer_bits: Option<u32>) -> Encoding {
    match kind {
        DataType::Float32 | DataType::Float64 => Encoding::BYTE_STREAM_SPLIT,
        DataType::Utf8 | DataType::Binary => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        DataType::Null | DataType::Boolean => Encoding::PLAIN,
        _ if integer_bits.is_some() => Encoding::DELTA_BINARY_PACKED,
        _ => Encoding::PLAIN,
    }
}

fn never_dictionary(kind: &DataType) -> bool {
    matches!(kind, DataType::Null | DataType::Boolean | DataType::Interval(IntervalUnit::DayTime))
}

/// Returns hashes of up to [`SPREAD_VALUES`] values that lie evenly over the column.
fn spread_hashes(values: &ArrayRef) -> Vec<u64> {
    let len = values.len() as u64;
    let wanted = len.min(SPREAD_VALUES as u64);
    let nulls = values.logical_nulls();
    let there = |row: &u64| match (&nulls, usize::try_from(*row)) {
        (Some(nulls), Ok(row)) => nulls.is_valid(row),
        _ => true,
    };
    let rows: UInt64Array = (0..wanted).map(|index| index * len / wanted).filter(there).collect();
    take(values, &rows, None).map(|taken| value_hashes(&taken)).unwrap_or_default()
}

/// Estimates how many distinct values `count` values have, of which `sample` are some: the number
/// of equally likely values of which a sample of this size would show as many as this one does.
fn estimated_distinct(sample: &[u64], count: u64) -> u64 {
    let seen = sample.iter().collect::<HashSet<_>>().len() as u64;
    if sample.len() as u64 >= count || seen == sample.len() as u64 {
        return if sample.len() as u64 >= count { seen } else { count };
    }
    let (mut low, mut high) = (seen, count.max(seen));
    while low < high {
        let middle = low + (high - low) / 2;
        if expected_seen(middle, sample.len()) >= seen as f64 {
            high = middle
        } else {
            low = middle + 1
        }
    }
    low
}

/// Returns how many of `distinct` equally likely values a sample is expected to show.
fn expected_seen(distinct: u64, sample: usize) -> f64 {
    let distinct = distinct as f64;
    // (1 - 1/d)^n by squaring: products alone, so that every machine rounds alike.
    let (mut base, mut exponent, mut missed) = (1.0 - 1.0 / distinct, sample, 1.0);
    while exponent > 0 {
        if exponent & 1 == 1 {
            missed *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    distinct * (1.0 - missed)
}

/// Bits of an index into a dictionary.
fn index_bits(distinct: u64) -> u64 {
    u64::from(u64::BITS - distinct.saturating_sub(1).leading_zeros()) * BIT
}

/// Bits of a value as it is.
fn raw_bits(values: &ArrayRef) -> u64 {
    let bits = match values.data_type() {
        DataType::Utf8 | DataType::Binary => 8 * mean_len(values) + 32,
        DataType::FixedSizeBinary(width) => 8 * u64::from(width.unsigned_abs()),
        other => 8 * other.primitive_width().unwrap_or(1) as u64,
    };
    bits * BIT
}

fn mean_len(values: &ArrayRef) -> u64 {
    let offsets = match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().offsets(),
        _ => values.as_binary::<i32>().offsets(),
    };
    let lengths = offsets.lengths().enumerate();
    let there = lengths.filter(|(row, _)| values.is_valid(*row));
    let (bytes, count) =
        there.fold((0, 0), |(bytes, count), (_, len)| (bytes + len as u64, count + 1));
    bytes.checked_div(count).unwrap_or_default()
}

/// Estimates the bits of a value outside a dictionary.
fn direct_bits(values: &ArrayRef, encoding: Encoding) -> u64 {
    match encoding {
        Encoding::DELTA_BINARY_PACKED => delta_bits(values),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => text_bits(values),
        // Exponents repeat, mantissas do not: about an eighth goes.
        Encoding::BYTE_STREAM_SPLIT => raw_bits(values) * 7 / 8,
        _ => raw_bits(values),
    }
}

/// Returns the runs of neighbours that are looked at.
fn runs(len: usize) -> impl Iterator<Item = (usize, usize)> {
    let runs = RUNS.min(len.div_ceil(RUN_VALUES)).max(1);
    (0..runs).map(move |run| {
        let start = run * len / runs;
        (start, RUN_VALUES.min(len - start))
    })
}

/// Mean bits of the differences between neighbours, less the least of them in each run.
fn delta_bits(values: &ArrayRef) -> u64 {
    let mut bits = 0;
    let mut count = 0;
    for (start, len) in runs(values.len()) {
        let numbers = integers(&values.slice(start, len));
        let deltas: Vec<i128> = numbers
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] => Some(b - a),
                _ => None,
            })
            .collect();
        let (Some(least), Some(most)) = (deltas.iter().min(), deltas.iter().max()) else {
            continue;
        };
        let span = (most - least).unsigned_abs();
        bits += u64::from(u128::BITS - span.leading_zeros()) * BIT * deltas.len() as u64;
        count += deltas.len() as u64;
    }
    bits.checked_div(count).unwrap_or(u64::from(u64::BITS) * BIT)
}

/// Returns the values that are there, as numbers.
fn integers(values: &ArrayRef) -> Vec<i128> {
    if let DataType::Decimal128(_, _) = values.data_type() {
        return values.as_primitive::<Decimal128Type>().iter().flatten().collect();
    }
    let wide = match values.data_type() {
        DataType::UInt64 => {
            let numbers = values.as_primitive::<UInt64Type>();
            return numbers.iter().flatten().map(i128::from).collect();
        }
        DataType::Date32 | DataType::Time32(_) => {
            cast(values, &DataType::Int32).and_then(|days| cast(&days, &DataType::Int64))
        }
        _ => cast(values, &DataType::Int64),
    };
    let Ok(wide) = wide else { return Vec::new() };
    let numbers = wide.as_primitive::<Int64Type>();
    numbers.iter().flatten().map(i128::from).collect()
}

/// Bits of a text or byte string after compression, with those of its length.
fn text_bits(values: &ArrayRef) -> u64 {
    let mut sample = Vec::new();
    for (start, len) in runs(values.len()) {
        let run = values.slice(start, len);
        let mut take = |bytes: &[u8]| {
            sample.extend_from_slice(bytes.get(..SAMPLE_VALUE_BYTES).unwrap_or(bytes));
        };
        match run.data_type() {
            DataType::Utf8 => {
                run.as_string::<i32>().iter().flatten().for_each(|text| take(text.as_bytes()));
            }
            _ => run.as_binary::<i32>().iter().flatten().for_each(take),
        }
    }
    let packed =
        zstd::bulk::compress(&sample, ZSTD_LEVEL).map_or(sample.len(), |packed| packed.len());
    let bits = 8 * BIT * mean_len(values) * packed as u64;
    bits.checked_div(sample.len() as u64).unwrap_or_default() + LENGTH_BITS * BIT
}

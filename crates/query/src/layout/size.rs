//! Logical size of rows: how many bytes a row counts when row groups are cut.
//!
//! A function of the values alone, not of buffers, encodings or batches:
//!
//! | type | bytes of a value | of a null |
//! |---|---|---|
//! | Null, Boolean, Int8, UInt8 | 1 | 1 |
//! | 16, 32, 64, 128, 256 bits | 2, 4, 8, 16, 32 | the same |
//! | FixedSizeBinary(n) | n | n |
//! | Utf8, Binary | 4 + length | 4 |
//! | List, Map | 4 + sum of the elements | 4 |
//! | Struct | sum of the fields | sum of the fields, all null |

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, IntervalUnit};

/// What text, bytes, lists and maps count beside their content.
const LENGTH_BYTES: u64 = 4;

/// Logical sizes of the rows of a batch: most columns weigh the same in every row.
#[derive(Debug, Default)]
pub(super) struct RowSizes {
    /// What every row counts.
    pub(super) constant: u64,
    /// What each row counts in addition; empty where no column varies.
    pub(super) varying: Vec<u64>,
}

impl RowSizes {
    /// Returns the size of one row in bytes.
    pub(super) fn of_row(&self, row: usize) -> u64 {
        self.constant + self.varying.get(row).copied().unwrap_or(0)
    }

    fn vary(&mut self, rows: usize) -> &mut [u64] {
        self.varying.resize(rows, 0);
        &mut self.varying
    }
}

/// Returns the logical size of all rows of a canonical batch together, in bytes.
pub(crate) fn logical_bytes(batch: &RecordBatch) -> u64 {
    let all: Vec<usize> = (0..batch.num_columns()).collect();
    let sizes = row_sizes(batch, &all);
    sizes.constant * batch.num_rows() as u64 + sizes.varying.iter().sum::<u64>()
}

/// Returns the logical sizes of the rows of a canonical batch over the columns at `columns`.
pub(super) fn row_sizes(batch: &RecordBatch, columns: &[usize]) -> RowSizes {
    let mut sizes = RowSizes::default();
    for column in columns.iter().filter_map(|index| batch.columns().get(*index)) {
        add(column, None, &mut sizes);
    }
    sizes
}

/// Adds the sizes of `array`; rows that `mask` says are null inside a null count as null.
fn add(array: &ArrayRef, mask: Option<&NullBuffer>, sizes: &mut RowSizes) {
    let nulls = NullBuffer::union(mask, array.nulls());
    match array.data_type() {
        DataType::Utf8 => {
            sizes.constant += LENGTH_BYTES;
            add_lengths(array.as_string::<i32>().offsets(), nulls.as_ref(), sizes);
        }
        DataType::Binary => {
            sizes.constant += LENGTH_BYTES;
            add_lengths(array.as_binary::<i32>().offsets(), nulls.as_ref(), sizes);
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            add_elements(lists.offsets(), &[lists.values()], nulls.as_ref(), sizes);
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            add_elements(map.offsets(), &[map.keys(), map.values()], nulls.as_ref(), sizes);
        }
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                add(column, nulls.as_ref(), sizes);
            }
        }
        other => sizes.constant += fixed_width(other),
    }
}

/// Bytes of one value of a canonical type whose values are all of one width.
fn fixed_width(kind: &DataType) -> u64 {
    match kind {
        DataType::FixedSizeBinary(width) => u64::from(width.unsigned_abs()),
        DataType::Interval(IntervalUnit::DayTime) => 8,
        other => other.primitive_width().map_or(1, |width| width as u64),
    }
}

/// Adds the content of text and bytes.
fn add_lengths(offsets: &OffsetBuffer<i32>, nulls: Option<&NullBuffer>, sizes: &mut RowSizes) {
    let lengths = offsets.lengths();
    let rows = sizes.vary(offsets.len() - 1).iter_mut();
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => rows.zip(lengths).for_each(|(size, length)| *size += length as u64),
        Some(nulls) => {
            for ((size, length), valid) in rows.zip(lengths).zip(nulls) {
                *size += if valid { length as u64 } else { 0 };
            }
        }
    }
}

/// Adds the content of lists and maps.
fn add_elements(
    offsets: &OffsetBuffer<i32>,
    children: &[&ArrayRef],
    nulls: Option<&NullBuffer>,
    sizes: &mut RowSizes,
) {
    sizes.constant += LENGTH_BYTES;
    let mut elements = RowSizes::default();
    for child in children {
        add(child, None, &mut elements);
    }
    let running = running_sum(&elements);
    let ends = offsets.windows(2).enumerate();
    let rows = sizes.vary(offsets.len() - 1);
    for ((row, ends), size) in ends.zip(rows) {
        let [start, end] = ends else { continue };
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        let (start, end) = (start.unsigned_abs() as usize, end.unsigned_abs() as usize);
        let varying = match (running.get(start), running.get(end)) {
            (Some(before), Some(behind)) => behind - before,
            _ => 0,
        };
        *size += elements.constant * (end - start) as u64 + varying;
    }
}

/// Sums of the varying sizes of the first 0, 1, 2… elements; empty where none varies.
fn running_sum(sizes: &RowSizes) -> Vec<u64> {
    if sizes.varying.is_empty() {
        return Vec::new();
    }
    let mut total = 0;
    let behind = sizes.varying.iter().map(|size| {
        total += size;
        total
    });
    std::iter::once(0).chain(behind).collect()
}

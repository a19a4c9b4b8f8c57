//! The one form of canonical arrays that are equal: nothing behind nulls or outside of lists,
//! offsets that begin at 0, and no room for nulls where there are none.
//!
//! The Parquet writer is given arrays in this form only. It cuts pages by what lies in an array,
//! and takes other ways where an array could have nulls: hidden values, slices and buffers that
//! came with a batch would leave their traces in the bytes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, StructArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::nullif::nullif;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;

/// Returns `array` in its dense form.
pub(super) fn dense(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    masked(array, None)
}

/// Same, with the rows null that `mask` says are null.
fn masked(array: &ArrayRef, mask: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let nulls = NullBuffer::union(mask, array.nulls()).filter(|nulls| nulls.null_count() > 0);
    match array.data_type() {
        DataType::List(element) => {
            let list = array.as_list::<i32>();
            let (offsets, range) = ranges(list.offsets(), nulls.as_ref());
            let values = masked(&range.of(list.values())?, None)?;
            Ok(Arc::new(ListArray::try_new(FieldRef::clone(element), offsets, values, nulls)?))
        }
        DataType::Map(entries, ordered) => {
            let map = array.as_map();
            let (offsets, range) = ranges(map.offsets(), nulls.as_ref());
            let pairs = pairs(map, &range, entries)?;
            let entries = FieldRef::clone(entries);
            Ok(Arc::new(MapArray::try_new(entries, offsets, pairs, nulls, *ordered)?))
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let columns = columns.map(|column| masked(column, nulls.as_ref()));
            let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?))
        }
        DataType::Null => Ok(Arc::clone(array)),
        _ if mask.is_none() && array.nulls().is_some() == nulls.is_some() => Ok(Arc::clone(array)),
        _ => match nulls {
            Some(nulls) => nullif(array, &BooleanArray::new(!nulls.inner(), None)),
            // Joining leaves out a buffer for nulls that none of the pieces needs.
            None => concat(&[array.as_ref(), array.slice(0, 0).as_ref()]),
        },
    }
}

fn pairs(map: &MapArray, range: &Elements, entries: &Field) -> Result<StructArray, ArrowError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::InvalidArgumentError("a map without entries".to_owned()));
    };
    let columns = [map.keys(), map.values()];
    let columns = columns.map(|column| masked(&range.of(column)?, None));
    let columns: Vec<ArrayRef> = columns.into_iter().collect::<Result<_, _>>()?;
    StructArray::try_new(fields.clone(), columns, None)
}

/// Which elements of lists are there.
enum Elements {
    /// Those from the first on, so many.
    Run(usize, usize),
    /// Those at these places.
    Places(UInt64Array),
}

impl Elements {
    fn of(&self, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Run(0, len) if *len == values.len() => Ok(Arc::clone(values)),
            Self::Run(start, len) => Ok(values.slice(*start, *len)),
            Self::Places(places) => take(values, places, None),
        }
    }
}

/// Returns offsets from 0 on, with nothing behind nulls, and the elements that they stand for.
fn ranges(
    offsets: &OffsetBuffer<i32>,
    nulls: Option<&NullBuffer>,
) -> (OffsetBuffer<i32>, Elements) {
    let there = |list: usize| nulls.is_none_or(|nulls| nulls.is_valid(list));
    let lengths = offsets.lengths().enumerate();
    let lengths = lengths.map(|(list, len)| if there(list) { len } else { 0 });
    let dense = OffsetBuffer::<i32>::from_lengths(lengths);
    let count = |offset: Option<&i32>| offset.map_or(0, |offset| offset.unsigned_abs() as usize);
    let (start, end) = (count(offsets.first()), count(offsets.last()));
    let kept = count(dense.last());
    if kept == end - start {
        return (dense, Elements::Run(start, kept));
    }
    let lists = offsets.windows(2).enumerate().filter(|(list, _)| there(*list));
    let places = lists.flat_map(|(_, ends)| match ends {
        &[start, end] => u64::from(start.unsigned_abs())..u64::from(end.unsigned_abs()),
        _ => 0..0,
    });
    (dense, Elements::Places(places.collect()))
}

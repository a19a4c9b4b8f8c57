//! The least and the greatest of values, and how they stand in statistics and page indexes.

use std::cmp::Ordering;
use std::ops::Range;

use parquet::basic::SortOrder;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::super::chunk::{PAGE_BOUND_BYTES, STATISTICS_BYTES};
use super::dictionary::Dictionary;
use super::values::Values;

/// A value as it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    /// A number, moved where unsigned ones would not be in order.
    Number(i64),
    /// Bytes, in lexicographic order.
    Bytes(&'a [u8]),
}

/// The bounds of a run of values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    min: Key<'a>,
    max: Key<'a>,
}

/// Cuts a bound to a length and says whether it is whole.
type CutBound = fn(&[u8], bool, usize) -> (Vec<u8>, bool);

/// Compares two values.
pub(super) fn compare(values: &Values, order: SortOrder, one: usize, other: usize) -> Ordering {
    key(values, order, one).cmp(&key(values, order, other))
}

fn key(values: &Values, order: SortOrder, index: usize) -> Key<'_> {
    match values {
        Values::Int32(values) => {
            Key::Number(key_of_32(values.get(index).copied().unwrap_or_default(), order))
        }
        Values::Int64(values) => {
            Key::Number(key_of_64(values.get(index).copied().unwrap_or_default(), order))
        }
        Values::Bytes(values) => Key::Bytes(values.get(index)),
    }
}

fn key_of_32(value: i32, order: SortOrder) -> i64 {
    match order {
        SortOrder::UNSIGNED => i64::from(value.cast_unsigned()),
        _ => i64::from(value),
    }
}

/// Its own inverse.
fn key_of_64(value: i64, order: SortOrder) -> i64 {
    match order {
        SortOrder::UNSIGNED => value ^ i64::MIN,
        _ => value,
    }
}

impl<'a> Bounds<'a> {
    /// Returns the bounds of a run of values; none where it is empty.
    pub(super) fn of(
        values: &'a Values,
        dictionary: Option<&Dictionary>,
        order: SortOrder,
        range: Range<usize>,
    ) -> Option<Self> {
        let numbers = match values {
            Values::Int32(values) => {
                let (min, max) = match (values.get(range)?, order) {
                    (values, SortOrder::UNSIGNED) => extremes(values, i32::cast_unsigned)
                        .map(|(min, max)| (i64::from(min), i64::from(max)))?,
                    (values, _) => extremes(values, i64::from)?,
                };
                return Some(Self { min: Key::Number(min), max: Key::Number(max) });
            }
            Values::Int64(values) => {
                let (min, max) = extremes(values.get(range)?, |value| key_of_64(value, order))?;
                return Some(Self { min: Key::Number(min), max: Key::Number(max) });
            }
            Values::Bytes(_) => dictionary.and_then(|known| known.numbers.get(range.clone())),
        };
        let Some((numbers, known)) = numbers.zip(dictionary) else {
            return Self::among(range.map(|index| key(values, order, index)));
        };
        if known.is_sorted {
            let at = |number: &u32| known.entries.get(*number as usize).copied();
            let (min, max) = (at(numbers.iter().min()?)?, at(numbers.iter().max()?)?);
            return Some(Self { min: key(values, order, min), max: key(values, order, max) });
        }
        let mut used = vec![false; known.entries.len()];
        for number in numbers {
            if let Some(place) = used.get_mut(*number as usize) {
                *place = true;
            }
        }
        let used = known.entries.iter().zip(used).filter(|(_, used)| *used);
        Self::among(used.map(|(index, _)| key(values, order, *index)))
    }

    fn among(mut keys: impl Iterator<Item = Key<'a>>) -> Option<Self> {
        let first = keys.next()?;
        let bounds = Self { min: first, max: first };
        Some(
            keys.fold(bounds, |Self { min, max }, key| Self {
                min: min.min(key),
                max: max.max(key),
            }),
        )
    }

    /// Returns the bounds of both.
    pub(super) fn with(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// Says whether neither bound of these is above its own in `next`.
    pub(super) fn ascend_to(&self, next: &Self) -> bool {
        self.min <= next.min && self.max <= next.max
    }

    /// Returns them as they stand in a page index: text and bytes cut.
    pub(super) fn of_page(&self, values: &Values, order: SortOrder) -> [Vec<u8>; 2] {
        match (values, self.min, self.max) {
            (Values::Int32(_), Key::Number(min), Key::Number(max)) => {
                [value_of_32(min).to_le_bytes().to_vec(), value_of_32(max).to_le_bytes().to_vec()]
            }
            (_, Key::Number(min), Key::Number(max)) => {
                [min, max].map(|bound| key_of_64(bound, order).to_le_bytes().to_vec())
            }
            (Values::Bytes(bytes), Key::Bytes(min), Key::Bytes(max)) => [
                lower(min, bytes.is_text, PAGE_BOUND_BYTES).0,
                upper(max, bytes.is_text, PAGE_BOUND_BYTES).0,
            ],
            _ => panic!("bounds {self:?} are of other values"),
        }
    }
}

/// Returns the statistics of a column chunk.
pub(super) fn statistics(
    values: &Values,
    bounds: Option<Bounds<'_>>,
    order: SortOrder,
    nulls: u64,
) -> Statistics {
    let signed = order == SortOrder::SIGNED;
    let numbers = bounds.and_then(|bounds| match (bounds.min, bounds.max) {
        (Key::Number(min), Key::Number(max)) => Some((min, max)),
        _ => None,
    });
    match values {
        Values::Int32(_) => {
            let (min, max) = numbers.map(|(min, max)| (value_of_32(min), value_of_32(max))).unzip();
            let statistics = ValueStatistics::new(min, max, None, Some(nulls), false);
            Statistics::Int32(statistics.with_backwards_compatible_min_max(signed))
        }
        Values::Int64(_) => {
            let numbers = numbers.map(|(min, max)| (key_of_64(min, order), key_of_64(max, order)));
            let (min, max) = numbers.unzip();
            let statistics = ValueStatistics::new(min, max, None, Some(nulls), false);
            Statistics::Int64(statistics.with_backwards_compatible_min_max(signed))
        }
        Values::Bytes(bytes) => {
            let (min, max) = bounds.map(|bounds| (bounds.min, bounds.max)).unzip();
            let cut = |key, cut: CutBound| match key {
                Some(Key::Bytes(bound)) => Some(cut(bound, bytes.is_text, STATISTICS_BYTES)),
                _ => None,
            };
            let (min, min_is_exact) = cut(min, lower).unzip();
            let (max, max_is_exact) = cut(max, upper).unzip();
            let [min, max] = [min, max].map(|bound| bound.map(ByteArray::from));
            let statistics = ValueStatistics::new(min, max, None, Some(nulls), false);
            Statistics::ByteArray(
                statistics
                    .with_min_is_exact(min_is_exact.unwrap_or(false))
                    .with_max_is_exact(max_is_exact.unwrap_or(false)),
            )
        }
    }
}

/// Returns the least and the greatest key: without branches, so that many are compared at once.
fn extremes<T: Copy, K: Copy + Ord>(values: &[T], key: impl Fn(T) -> K) -> Option<(K, K)> {
    let first = key(*values.first()?);
    let keys = values.iter().map(|value| key(*value));
    Some(keys.fold((first, first), |(min, max), key| (min.min(key), max.max(key))))
}

#[expect(clippy::cast_possible_truncation, reason = "it was 32 bits, signed or not")]
fn value_of_32(key: i64) -> i32 {
    key as i32
}

/// Cuts a lower bound to `len` bytes, text between characters, and says whether it is whole.
fn lower(bound: &[u8], is_text: bool, len: usize) -> (Vec<u8>, bool) {
    match cut(bound, is_text, len) {
        Some(cut) => (cut.to_vec(), false),
        None => (bound.to_vec(), true),
    }
}

/// Cuts an upper bound to at most `len` bytes and makes it greater than all that begins so; where
/// nothing is greater it stays whole.
fn upper(bound: &[u8], is_text: bool, len: usize) -> (Vec<u8>, bool) {
    let above = cut(bound, is_text, len).and_then(|cut| match std::str::from_utf8(cut) {
        Ok(text) if is_text => above_text(text),
        _ => above_bytes(cut),
    });
    match above {
        Some(above) => (above, false),
        None => (bound.to_vec(), true),
    }
}

/// Returns the front of a bound that is longer than `len`; none where nothing would be left.
fn cut(bound: &[u8], is_text: bool, len: usize) -> Option<&[u8]> {
    if bound.len() <= len {
        return None;
    }
    match std::str::from_utf8(bound) {
        Ok(text) if is_text => {
            let end = text.floor_char_boundary(len);
            (end > 0).then(|| bound.get(..end)).flatten()
        }
        _ => bound.get(..len),
    }
}

/// Returns the shortest bytes above all that begin with `front`.
fn above_bytes(front: &[u8]) -> Option<Vec<u8>> {
    let last = front.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut above = front.get(..=last)?.to_vec();
    if let Some(byte) = above.last_mut() {
        *byte += 1;
    }
    Some(above)
}

/// Returns text above all that begins with `front` and not longer: its last character that has a
/// next one as short is replaced by that.
fn above_text(front: &str) -> Option<Vec<u8>> {
    front.char_indices().rev().find_map(|(at, last)| {
        let next = (u32::from(last) + 1..)
            .map_while(|next| (next <= u32::from(char::MAX)).then(|| char::from_u32(next)));
        let next = next.flatten().next().filter(|next| next.len_utf8() <= last.len_utf8())?;
        let mut above = front.get(..at)?.to_owned();
        above.push(next);
        Some(above.into_bytes())
    })
}

//! Where the pages of a flat column end: where its values say so.
//!
//! A gear hash over the hashes of the values, which forgets a row after 64 others, is compared with
//! a bound that rises with the page: none ends below the least size, each at the greatest, and
//! nearly all find a row of their own before that. The chance that a page of `t` bytes beyond the
//! least ends with a row of `b` bytes is `2 b t / w²`, the hazard of a Rayleigh distribution whose
//! mean is `0.89 w`. So sizes vary little, and the same values end the same pages again soon behind
//! an edit.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;

/// A page of text or bytes has at least so many bytes of values before encoding, but for the last:
/// zstd needs some to find what repeats.
const TEXT_PAGE_BYTES_MIN: u64 = 128 << 10;
/// A page of integers has at least so many, but for the last.
const PAGE_BYTES_MIN: u64 = 64 << 10;
/// A page ends at so many times the least.
const SPREAD: u64 = 4;
/// What the length of text or bytes counts.
const LENGTH_BYTES: u64 = 4;

/// Where pages end.
struct Pages {
    min: u64,
    /// w² of the hazard: w is one and a half times the least size.
    scale: u128,
    gear: u64,
    bytes: u64,
}

impl Pages {
    fn new(min: u64) -> Self {
        Self { min, scale: u128::from(min * min / 4 * 9), gear: 0, bytes: 0 }
    }

    /// Takes in a row and returns whether a page ends behind it.
    fn ends_behind(&mut self, hash: u64, bytes: u64) -> bool {
        self.gear = (self.gear << 1).wrapping_add(hash);
        self.bytes += bytes;
        let Some(beyond) = self.bytes.checked_sub(self.min) else { return false };
        let bound = u128::from(bytes.saturating_mul(2).saturating_mul(beyond)) << 64;
        let ends = self.bytes >= self.min * SPREAD
            || u128::from(self.gear).saturating_mul(self.scale) < bound;
        if ends {
            self.bytes = 0;
        }
        ends
    }
}

/// Returns the row behind each page of `column`, whose values have these hashes.
pub(super) fn page_ends(column: &ArrayRef, hashes: &[u64]) -> Vec<usize> {
    match column.data_type() {
        DataType::Utf8 => text_ends(column.as_string::<i32>().offsets(), column.nulls(), hashes),
        DataType::Binary => text_ends(column.as_binary::<i32>().offsets(), column.nulls(), hashes),
        kind => {
            let width = kind.primitive_width().unwrap_or(8).clamp(4, 8) as u64;
            let sizes = std::iter::repeat_n(width, hashes.len());
            ends(Pages::new(PAGE_BYTES_MIN), hashes, sizes)
        }
    }
}

/// What lies behind a null is no value, and counts nothing.
fn text_ends(
    offsets: &OffsetBuffer<i32>,
    nulls: Option<&NullBuffer>,
    hashes: &[u64],
) -> Vec<usize> {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    let sizes = offsets.lengths().enumerate().map(|(row, len)| {
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        LENGTH_BYTES + if is_null { 0 } else { len as u64 }
    });
    ends(Pages::new(TEXT_PAGE_BYTES_MIN), hashes, sizes)
}

fn ends(mut pages: Pages, hashes: &[u64], sizes: impl Iterator<Item = u64>) -> Vec<usize> {
    let mut ends = Vec::new();
    for (row, (hash, bytes)) in (1..).zip(hashes.iter().zip(sizes)) {
        if pages.ends_behind(*hash, bytes) {
            ends.push(row);
        }
    }
    if ends.last() != Some(&hashes.len()) {
        ends.push(hashes.len());
    }
    ends
}

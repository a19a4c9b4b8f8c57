//! Single values, as column statistics keep them.
//!
//! A scalar is written as a map of one entry whose key says its kind, so that kinds that look
//! alike in CBOR stay apart: `{"int": -5}`, `{"wide": h'00…'}`. What a value means in a column's
//! type (days, decimals, microseconds) is not known here.

use std::cmp::Ordering;
use std::mem::discriminant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::limits::STAT_BYTES_MAX;
use crate::wire;

/// Lengths of 128- and 256-bit integers, in bytes.
const WIDE_BYTES: [usize; 2] = [16, WIDE_BYTES_MAX];
const WIDE_BYTES_MAX: usize = 32;

/// A value of some column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A signed integer; also what is stored as one, such as dates and times.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A finite number: with infinities or NaN in the column, statistics are left out.
    ///
    /// DAG-CBOR knows one zero only. A least value of 0 may stand for -0, and so may a greatest.
    Float(f64),
    /// Text of at most [`STAT_BYTES_MAX`] bytes; longer values are cut, and are not exact then.
    Text(String),
    /// At most [`STAT_BYTES_MAX`] bytes; longer values are cut, and are not exact then.
    Bytes(#[serde(with = "wire::byte_string")] Bytes),
    /// An integer of 128 or 256 bits in two's complement, big-endian, 16 or 32 bytes long: the
    /// unscaled value of a decimal.
    Wide(#[serde(with = "wire::byte_string")] Bytes),
}

/// A rule that a scalar breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalarFault {
    /// NaN or an infinity.
    #[error("it is not a finite number: leave the statistic out")]
    NotFinite,
    /// A text or byte string that should have been cut.
    #[error("it is {bytes} bytes long: cut it to {STAT_BYTES_MAX} and say that it is not exact")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A wide integer of another width.
    #[error("it is a wide integer of {bytes} bytes: those of 16 and 32 exist")]
    BadWidth {
        /// Its length.
        bytes: usize,
    },
}

impl Scalar {
    /// Says whether both values are of one kind, so that comparing them means something.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
    }

    /// Compares the values of two scalars of one kind, exactly: text and byte strings by their
    /// bytes, wide integers as numbers whatever their widths. `None` where the kinds differ.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(other)),
            (Self::UInt(one), Self::UInt(other)) => Some(one.cmp(other)),
            (Self::Float(one), Self::Float(other)) => one.partial_cmp(other),
            (Self::Text(one), Self::Text(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
            (Self::Bytes(one), Self::Bytes(other)) => Some(one.cmp(other)),
            (Self::Wide(one), Self::Wide(other)) => Some(widened(one).cmp(&widened(other))),
            _ => None,
        }
    }

    /// Checks the rules of the value's kind.
    pub(crate) fn check(&self) -> Result<(), ScalarFault> {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::UInt(_) => Ok(()),
            Self::Float(value) if value.is_finite() => Ok(()),
            Self::Float(_) => Err(ScalarFault::NotFinite),
            Self::Text(text) => check_length(text.len()),
            Self::Bytes(bytes) => check_length(bytes.len()),
            Self::Wide(bytes) if WIDE_BYTES.contains(&bytes.len()) => Ok(()),
            Self::Wide(bytes) => Err(ScalarFault::BadWidth { bytes: bytes.len() }),
        }
    }
}

/// Returns a wide integer in the greatest width, with its sign turned about so that the order of
/// the bytes is that of the numbers.
fn widened(bytes: &[u8]) -> [u8; WIDE_BYTES_MAX] {
    let is_negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let mut wide = [if is_negative { 0xff } else { 0 }; WIDE_BYTES_MAX];
    for (to, from) in wide.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    if let Some(first) = wide.first_mut() {
        *first ^= 0x80;
    }
    wide
}

fn check_length(bytes: usize) -> Result<(), ScalarFault> {
    if bytes <= STAT_BYTES_MAX { Ok(()) } else { Err(ScalarFault::TooLong { bytes }) }
}

#[cfg(test)]
mod tests;

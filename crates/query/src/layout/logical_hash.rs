//! The logical hash of a table: equal for equal rows in equal order under an equal schema, however
//! they are cut into parts, encoded or compressed.
//!
//! Each row's 64-bit hash is a coefficient of a polynomial, evaluated at two fixed points modulo
//! the prime 2^61 - 1. The values of two runs of rows give that of the one behind the other, so a
//! part's is computed once, by whoever encodes it, and a table's is put together from its parts.
//! It guards against accidents, not against malice: content addresses do that.

use arrow::datatypes::Schema;
use bytes::Bytes;
use cidlake_block::{Codec, cid_of};

use super::schema::schema_to_bytes;

/// The modulus: a Mersenne prime, by which reducing is two shifts and an addition.
const PRIME: u64 = (1 << 61) - 1;
/// Where the two polynomials are evaluated.
const POINTS: [u64; 2] = [0x0fd2_4ae7_91c3_5b6d, 0x17b9_03e5_6a8f_d241];
/// What sets these digests apart from all others.
const DOMAIN: &[u8] = b"cidlake logical hash 1\0";

const _: () = assert!(POINTS[0] < PRIME && POINTS[1] < PRIME && POINTS[0] != POINTS[1]);

/// The hash of a run of rows, which can be put before and behind others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsHash {
    rows: u64,
    sums: [u64; 2],
}

impl RowsHash {
    /// How many bytes [`Self::to_bytes`] gives.
    pub const BYTES: usize = 16;

    /// The hash of no rows.
    pub const EMPTY: Self = Self { rows: 0, sums: [0; 2] };

    /// Takes in the rows behind, by the hash of each.
    pub(super) fn push(&mut self, row_hashes: &[u64]) {
        for hash in row_hashes {
            let coefficient = reduce(u128::from(*hash));
            for (sum, point) in self.sums.iter_mut().zip(POINTS) {
                *sum = add(multiply(*sum, point), coefficient);
            }
        }
        self.rows += row_hashes.len() as u64;
    }

    /// Returns the hash of these rows with `next` behind them.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let mut sums = next.sums;
        for ((sum, own), point) in sums.iter_mut().zip(self.sums).zip(POINTS) {
            *sum = add(multiply(own, power(point, next.rows)), *sum);
        }
        Self { rows: self.rows + next.rows, sums }
    }

    /// Returns the two sums, little-endian; the number of rows is kept beside them.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote for `rows` rows; `None` for anything else.
    #[must_use]
    pub fn from_bytes(rows: u64, bytes: &[u8]) -> Option<Self> {
        let (low, high) = bytes.split_first_chunk::<8>()?;
        let high = <[u8; 8]>::try_from(high).ok()?;
        let sums = [u64::from_le_bytes(*low), u64::from_le_bytes(high)];
        sums.iter().all(|sum| *sum < PRIME).then_some(Self { rows, sums })
    }

    /// Returns the digest of a table of these rows, with `schema` in its canonical form: SHA2-256
    /// of a constant, the schema as an Arrow IPC message, the number of rows and the two sums.
    #[must_use]
    pub fn digest(self, schema: &Schema) -> Bytes {
        let mut input = DOMAIN.to_vec();
        input.extend_from_slice(&schema_to_bytes(schema));
        input.extend_from_slice(&self.rows.to_le_bytes());
        input.extend_from_slice(&self.to_bytes());
        Bytes::copy_from_slice(cid_of(Codec::Raw, &input).hash().digest())
    }
}

fn reduce(value: u128) -> u64 {
    let folded = (value & u128::from(PRIME)) + (value >> 61);
    let folded = (folded & u128::from(PRIME)) + (folded >> 61);
    #[expect(clippy::cast_possible_truncation, reason = "two folds leave at most the prime itself")]
    let folded = folded as u64;
    if folded >= PRIME { folded - PRIME } else { folded }
}

fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= PRIME { sum - PRIME } else { sum }
}

fn multiply(a: u64, b: u64) -> u64 {
    reduce(u128::from(a) * u128::from(b))
}

fn power(base: u64, mut exponent: u64) -> u64 {
    let (mut result, mut square) = (1, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    result
}

//! The encoding DELTA_BINARY_PACKED: blocks of differences, each less the least of its block, in
//! as many bits as the largest of a quarter needs.
//!
//! Source: Apache Parquet format, Encodings, "Delta Encoding (DELTA_BINARY_PACKED = 5)".

use super::super::indexes::put_varint;
use super::hybrid::put_bits;

/// Differences in a block.
const BLOCK: usize = 128;
/// Parts of a block that have widths of their own.
const MINIBLOCKS: usize = 4;
const MINIBLOCK: usize = BLOCK / MINIBLOCKS;

/// Appends values of up to 64 bits; differences wrap at `bits` bits, the width of their type.
pub(super) fn put_deltas(
    mut values: impl ExactSizeIterator<Item = i64>,
    bits: u32,
    out: &mut Vec<u8>,
) {
    put_varint(BLOCK as u64, out);
    put_varint(MINIBLOCKS as u64, out);
    put_varint(values.len() as u64, out);
    let mut before = values.next().unwrap_or_default();
    put_zigzag(before, out);
    let mut block = [0; BLOCK];
    loop {
        let mut len = 0;
        for (place, value) in block.iter_mut().zip(values.by_ref()) {
            *place = narrowed(value.wrapping_sub(before), bits);
            before = value;
            len += 1;
        }
        match block.get_mut(..len) {
            None | Some([]) => return,
            Some(deltas) => put_block(deltas, bits, out),
        }
    }
}

/// Wraps a difference at the width of its type.
fn narrowed(delta: i64, bits: u32) -> i64 {
    let unused = u64::BITS - bits;
    delta << unused >> unused
}

fn put_block(deltas: &mut [i64], bits: u32, out: &mut Vec<u8>) {
    let least = deltas.iter().copied().min().unwrap_or_default();
    put_zigzag(least, out);
    let mask = u64::MAX >> (u64::BITS - bits);
    for delta in deltas.iter_mut() {
        *delta = (delta.wrapping_sub(least).cast_unsigned() & mask).cast_signed();
    }
    let widths_at = out.len();
    out.extend([0; MINIBLOCKS]);
    for (number, miniblock) in deltas.chunks(MINIBLOCK).enumerate() {
        let all = miniblock.iter().fold(0, |all, delta| all | delta.cast_unsigned());
        let width = u64::BITS - all.leading_zeros();
        if let Some(place) = out.get_mut(widths_at + number) {
            *place = width as u8;
        }
        put_bits(miniblock.iter().map(|delta| delta.cast_unsigned()), MINIBLOCK, width, out);
    }
}

fn put_zigzag(value: i64, out: &mut Vec<u8>) {
    put_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

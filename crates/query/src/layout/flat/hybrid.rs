//! Parquet's hybrid of runs and packed bits, in which levels and dictionary indexes are written.
//!
//! Source: Apache Parquet format, Encodings, "RLE/Bit-Packing Hybrid (RLE = 3)".

use super::super::indexes::put_varint;

/// Values are packed in groups of so many, and a run has at least as many.
const GROUP: usize = 8;
/// Groups in one packed run: as many as a header of one byte can say.
const GROUPS_MAX: usize = 63;

/// Appends `numbers` in `width` bits each. What fills the last group up is 0.
pub(super) fn put_hybrid(numbers: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut rest = numbers;
    // How many values from the front of `rest` are to be packed; whole groups.
    let mut packed = 0;
    while let Some(first) = rest.get(packed) {
        let run = rest.iter().skip(packed).take_while(|number| *number == first).count();
        if run < GROUP {
            packed = (packed + GROUP).min(rest.len());
            continue;
        }
        put_packed(rest.get(..packed).unwrap_or_default(), width, out);
        put_varint((run as u64) << 1, out);
        out.extend(first.to_le_bytes().iter().take(width.div_ceil(8) as usize));
        rest = rest.get(packed + run..).unwrap_or_default();
        packed = 0;
    }
    put_packed(rest, width, out);
}

fn put_packed(numbers: &[u32], width: u32, out: &mut Vec<u8>) {
    for run in numbers.chunks(GROUPS_MAX * GROUP) {
        put_varint(run.len().div_ceil(GROUP) as u64 * 2 + 1, out);
        put_bits(
            run.iter().map(|number| u64::from(*number)),
            run.len().next_multiple_of(GROUP),
            width,
            out,
        );
    }
}

/// Appends numbers in `width` bits each, lowest bit first, up to `count` of them with zeros; they
/// fill whole bytes.
pub(super) fn put_bits(
    numbers: impl Iterator<Item = u64>,
    count: usize,
    width: u32,
    out: &mut Vec<u8>,
) {
    let (mut bits, mut filled) = (0_u128, 0);
    for number in numbers.chain(std::iter::repeat(0)).take(count) {
        bits |= u128::from(number) << filled;
        filled += width;
        if filled >= u64::BITS {
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is full")]
            out.extend_from_slice(&(bits as u64).to_le_bytes());
            bits >>= u64::BITS;
            filled -= u64::BITS;
        }
    }
    out.extend(bits.to_le_bytes().iter().take(filled.div_ceil(8) as usize));
}

//! Dictionary indexes and levels in Parquet's hybrid of runs and packed bits: counting and
//! renumbering what the encoder wrote. Runs stay the runs that they are, so the outcome follows
//! from the values alone.
//!
//! Source: Apache Parquet format, Encodings, "RLE/Bit-Packing Hybrid (RLE = 3)".

/// Values are packed in groups of so many.
const GROUP: usize = 8;

/// A part of a hybrid stream.
enum Run<'a> {
    /// One value, so many times.
    Repeated { value: u32, count: usize },
    /// Values of the stream's width one behind the other, lowest bit first: a multiple of eight.
    Packed { bytes: &'a [u8], count: usize },
}

/// Adds to `counts`, by value, the first `len` values of a hybrid stream.
///
/// `None`: the stream ends before, is malformed, or holds a value that is not counted.
pub(super) fn tally(stream: &[u8], width: u32, len: usize, counts: &mut [usize]) -> Option<()> {
    for run in (Runs { rest: stream, width, left: len }) {
        let (run, there) = run?;
        match run {
            Run::Repeated { value, .. } => *counts.get_mut(value as usize)? += there,
            Run::Packed { bytes, .. } => {
                for value in Unpacked::new(bytes, width).take(there) {
                    *counts.get_mut(value as usize)? += 1;
                }
            }
        }
    }
    Some(())
}

/// Appends to `out` the first `len` values of a hybrid stream, each replaced by its entry in
/// `numbers`, in `new_width` bits. What fills the last group up is 0.
///
/// `None`: the stream ends before, is malformed, or holds a value without an entry.
pub(super) fn renumber(
    stream: &[u8],
    width: u32,
    len: usize,
    numbers: &[u32],
    new_width: u32,
    out: &mut Vec<u8>,
) -> Option<()> {
    let number = |value: u32| numbers.get(value as usize).copied();
    for run in (Runs { rest: stream, width, left: len }) {
        let (run, there) = run?;
        match run {
            Run::Repeated { value, count } => {
                put_varint((count as u64) << 1, out);
                let value = number(value)?.to_le_bytes();
                out.extend(value.iter().take(new_width.div_ceil(8) as usize));
            }
            Run::Packed { bytes, count } => {
                put_varint((count / GROUP) as u64 * 2 + 1, out);
                let mut packer = Packer { bits: 0, filled: 0, width: new_width, out };
                for value in Unpacked::new(bytes, width).take(there) {
                    packer.push(number(value)?);
                }
                (there..count).for_each(|_| packer.push(0));
            }
        }
    }
    Some(())
}

/// Returns the bits of the largest of `count` numbers from 0.
pub(super) fn width_of(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).leading_zeros()
}

/// The runs of the first `left` values of a stream, each with how many of its own are among them;
/// `None` in place of a run where the stream is malformed.
struct Runs<'a> {
    rest: &'a [u8],
    width: u32,
    left: usize,
}

impl<'a> Iterator for Runs<'a> {
    type Item = Option<(Run<'a>, usize)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let Some((run, rest)) = next_run(self.rest, self.width) else {
            self.left = 0;
            return Some(None);
        };
        let (Run::Repeated { count, .. } | Run::Packed { count, .. }) = run;
        let there = count.min(self.left);
        self.rest = rest;
        self.left -= there;
        Some(Some((run, there)))
    }
}

fn next_run(stream: &[u8], width: u32) -> Option<(Run<'_>, &[u8])> {
    if width > u32::BITS {
        return None;
    }
    let (header, rest) = take_varint(stream)?;
    let count = usize::try_from(header >> 1).ok().filter(|count| *count > 0)?;
    if header & 1 == 1 {
        let (bytes, rest) = rest.split_at_checked(count.checked_mul(width as usize)?)?;
        return Some((Run::Packed { bytes, count: count.checked_mul(GROUP)? }, rest));
    }
    let (bytes, rest) = rest.split_at_checked(width.div_ceil(8) as usize)?;
    let value = bytes.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte));
    Some((Run::Repeated { value, count }, rest))
}

fn take_varint(stream: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in stream.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, stream.get(index + 1..)?));
        }
    }
    None
}

/// Appends a number in groups of seven bits, lowest first.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes values out of packed bits.
struct Unpacked<'a> {
    bytes: std::slice::Iter<'a, u8>,
    bits: u64,
    filled: u32,
    width: u32,
}

impl<'a> Unpacked<'a> {
    fn new(bytes: &'a [u8], width: u32) -> Self {
        Self { bytes: bytes.iter(), bits: 0, filled: 0, width }
    }
}

impl Iterator for Unpacked<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.filled < self.width {
            self.bits |= u64::from(*self.bytes.next()?) << self.filled;
            self.filled += 8;
        }
        let value = self.bits & ((1 << self.width) - 1);
        self.bits >>= self.width;
        self.filled -= self.width;
        u32::try_from(value).ok()
    }
}

/// Packs values into bits. Groups are of eight, so whole bytes are out behind each.
struct Packer<'a> {
    bits: u64,
    filled: u32,
    width: u32,
    out: &'a mut Vec<u8>,
}

impl Packer<'_> {
    fn push(&mut self, value: u32) {
        self.bits |= u64::from(value) << self.filled;
        self.filled += self.width;
        while self.filled >= 8 {
            self.out.push((self.bits & 0xff) as u8);
            self.bits >>= 8;
            self.filled -= 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five times 3, then 1 2 3 0 1 and three that only fill up, in two bits.
    const STREAM: [u8; 5] = [10, 3, 3, 0b0011_1001, 0b1111_1101];

    #[test]
    fn what_fills_up_is_not_counted() {
        let counted = |stream: &[u8], len| {
            let mut counts = [0; 4];
            tally(stream, 2, len, &mut counts).map(|()| counts)
        };
        assert_eq!(counted(&STREAM, 10), Some([1, 2, 1, 6]));
        assert_eq!(counted(&STREAM, 13), Some([1, 2, 1, 9]));
        assert_eq!(counted(&STREAM, 4), Some([0, 0, 0, 4]));
        assert_eq!(counted(&STREAM, 14), None, "the stream has thirteen");
        assert_eq!(counted(&[2], 1), None, "a run without its value");
        assert_eq!(counted(&[0, 0, 0], 1), None, "a run of none would never end");
        assert_eq!(tally(&STREAM, 2, 10, &mut [0; 3]), None, "3 is not counted");
    }

    #[test]
    fn values_get_new_numbers_in_the_same_runs() {
        let mut out = Vec::new();
        renumber(&STREAM, 2, 10, &[7, 300, 5, 1], 9, &mut out).unwrap();
        assert_eq!(out[..3], [10, 1, 0], "five times 1, in two bytes");
        assert_eq!(out[3], 3, "one group");
        let values: Vec<u32> = Unpacked::new(&out[4..], 9).collect();
        assert_eq!(values, [300, 5, 1, 7, 300, 0, 0, 0]);
        assert_eq!(out.len(), 4 + 9);
        assert!(renumber(&STREAM, 2, 10, &[7, 300, 5], 9, &mut out).is_none(), "3 has no number");
    }

    #[test]
    fn one_value_takes_no_bits() {
        let mut out = Vec::new();
        renumber(&[200, 1], 0, 100, &[0], 0, &mut out).unwrap();
        assert_eq!(out, [200, 1]);
        let widths = [0, 1, 2, 3, 256, 257].map(width_of);
        assert_eq!(widths, [0, 0, 1, 2, 8, 9]);
    }
}

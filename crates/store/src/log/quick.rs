//! Reads payloads of known shape at the speed of a replay; pure.
//!
//! A log is mostly records of a few shapes, and the strict decoder makes a tree of each, encodes
//! it again and compares. Here the bytes are held against the one encoding that each shape has.
//! What does not fit is no error but left to the decoder, which says what is wrong with it.

use cidlake_block::Cid;

use super::record::{Body, Extent, Payload};
use crate::pack::PackId;

/// Reads a payload; none when it does not have the shape that is looked for.
pub(super) fn decode(kind: u16, payload: &[u8]) -> Option<(Body, Vec<Extent>)> {
    let mut scan = Scan(payload);
    scan.exact(b"\xa2\x64body")?;
    let body = match kind {
        0 => {
            scan.exact(b"\xa0")?;
            Body::Nothing
        }
        1 => {
            scan.exact(b"\xa1\x65delta")?;
            Body::Payload(Payload::Delta { delta: scan.link()? })
        }
        2 => {
            scan.exact(b"\xa2\x63cid")?;
            let cid = scan.link()?;
            scan.exact(b"\x64name")?;
            Body::Payload(Payload::Pin { cid, name: scan.text_or_null()? })
        }
        3 => {
            scan.exact(b"\xa1\x63cid")?;
            Body::Payload(Payload::Unpin { cid: scan.link()? })
        }
        _ => return None,
    };
    scan.exact(b"\x67extents")?;
    let extents = scan.extents()?;
    scan.0.is_empty().then_some((body, extents))
}

/// What is still to be read.
struct Scan<'a>(&'a [u8]);

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const NULL: u8 = 0xf6;

impl<'a> Scan<'a> {
    fn exact(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(bytes)?;
        Some(())
    }

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// Reads the number at the beginning of an item of this type, in its shortest form.
    fn head(&mut self, major: u8) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        if first >> 5 != major {
            return None;
        }
        let (width, least) = match first & 31 {
            short @ 0..24 => {
                self.0 = rest;
                return Some(u64::from(short));
            }
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return None,
        };
        let (digits, rest) = rest.split_at_checked(width)?;
        self.0 = rest;
        let number = digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
        (number >= least).then_some(number)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.head(TEXT)?;
        std::str::from_utf8(self.take(len)?).ok()
    }

    fn text_or_null(&mut self) -> Option<Option<String>> {
        if self.exact(&[NULL]).is_some() {
            return Some(None);
        }
        self.text().map(|text| Some(text.to_owned()))
    }

    fn link(&mut self) -> Option<Cid> {
        self.exact(b"\xd8\x2a")?;
        let len = self.head(BYTES)?;
        let bytes = self.take(len)?.strip_prefix(&[0])?;
        let cid = Cid::try_from(bytes).ok()?;
        // What stands behind a CID is not looked at by its parser.
        (cid.encoded_len() == bytes.len()).then_some(cid)
    }

    fn extents(&mut self) -> Option<Vec<Extent>> {
        let count = self.head(LIST)?;
        // An entry takes 37 bytes or more, so what is reserved is bounded by what is there.
        let fitting = self.0.len() as u64 / 37;
        let mut extents = Vec::with_capacity(usize::try_from(count.min(fitting)).ok()?);
        for _ in 0..count {
            self.exact(b"\x83")?;
            let pack = PackId::parse(self.text()?)?;
            let len = self.head(UNSIGNED)?;
            let prefix_crc = u32::try_from(self.head(UNSIGNED)?).ok()?;
            extents.push(Extent { pack, len, prefix_crc });
        }
        Some(extents)
    }
}

#[cfg(test)]
mod tests;

//! DAG-CBOR of known shape, written and read by hand at the speed of a log; pure.
//!
//! The general coder makes a tree of everything, sorts the fields of every map and encodes each on
//! its own. Here the order is written down by whoever calls, and the bytes are the same. What is
//! read must have the one encoding that its shape has; what is wrong with other bytes is not said.

use cidlake_block::Cid;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
const NULL: u8 = 0xf6;

/// How deep an item that is passed over may be nested.
const DEPTH_MAX: u32 = 64;

/// Appends the beginning of a list of `len` items.
pub(crate) fn put_list(out: &mut Vec<u8>, len: usize) {
    head(out, LIST, len as u64);
}

/// Appends the beginning of a map of `len` fields.
pub(crate) fn put_map(out: &mut Vec<u8>, len: usize) {
    head(out, MAP, len as u64);
}

/// Appends a number.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, number: u64) {
    head(out, UNSIGNED, number);
}

/// Appends a number that may be absent.
pub(crate) fn put_unsigned_or_null(out: &mut Vec<u8>, number: Option<u64>) {
    match number {
        Some(number) => put_unsigned(out, number),
        None => out.push(NULL),
    }
}

/// Appends a text.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a text that may be absent.
pub(crate) fn put_text_or_null(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.push(NULL),
    }
}

/// Appends a link.
pub(crate) fn put_link(out: &mut Vec<u8>, cid: &Cid) {
    out.extend_from_slice(b"\xd8\x2a");
    head(out, BYTES, cid.encoded_len() as u64 + 1);
    out.push(0);
    // Memory takes all that is written to it.
    let _written = cid.write_bytes(out);
}

/// Appends a link that may be absent.
pub(crate) fn put_link_or_null(out: &mut Vec<u8>, cid: Option<&Cid>) {
    match cid {
        Some(cid) => put_link(out, cid),
        None => out.push(NULL),
    }
}

/// Writes the type of an item and the number that goes with it, in its shortest form.
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    if let Ok(short @ 0..24) = u8::try_from(number) {
        out.push(major | short);
    } else if let Ok(number) = u8::try_from(number) {
        out.extend_from_slice(&[major | 24, number]);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(major | 25);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(major | 26);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// What is still to be read.
#[derive(Debug)]
pub(crate) struct Scan<'a>(pub(crate) &'a [u8]);

impl<'a> Scan<'a> {
    /// Reads these very bytes.
    pub(crate) fn exact(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(bytes)?;
        Some(())
    }

    /// Returns whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// Reads the beginning of an item of any type.
    fn any_head(&mut self) -> Option<(u8, u64)> {
        let (first, rest) = self.0.split_first()?;
        let major = first >> 5;
        let (width, least) = match first & 31 {
            short @ 0..24 => {
                self.0 = rest;
                return Some((major, u64::from(short)));
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
        // A real number has its bits here.
        (number >= least || major == SIMPLE).then_some((major, number))
    }

    /// Reads the number at the beginning of an item of this type, in its shortest form.
    fn head(&mut self, major: u8) -> Option<u64> {
        let before = self.0;
        match self.any_head() {
            Some((found, number)) if found == major => Some(number),
            _ => {
                self.0 = before;
                None
            }
        }
    }

    /// Reads a number.
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        self.head(UNSIGNED)
    }

    /// Reads the beginning of a list; returns how many items it has.
    pub(crate) fn list(&mut self) -> Option<u64> {
        self.head(LIST)
    }

    /// Reads what may be absent.
    pub(crate) fn or_null<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.exact(&[NULL]) {
            Some(()) => Some(None),
            None => read(self).map(Some),
        }
    }

    /// Reads a text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.head(TEXT)?;
        std::str::from_utf8(self.take(len)?).ok()
    }

    /// Reads a link.
    pub(crate) fn link(&mut self) -> Option<Cid> {
        self.exact(b"\xd8\x2a")?;
        let len = self.head(BYTES)?;
        let bytes = self.take(len)?.strip_prefix(&[0])?;
        let cid = Cid::try_from(bytes).ok()?;
        // What stands behind a CID is not looked at by its parser.
        (cid.encoded_len() == bytes.len()).then_some(cid)
    }

    /// Passes over a map and returns its bytes. Its order, and what its links are, is not looked at.
    pub(crate) fn map_bytes(&mut self) -> Option<&'a [u8]> {
        let before = self.0;
        if before.first()? >> 5 != MAP {
            return None;
        }
        self.pass(DEPTH_MAX)?;
        before.get(..before.len() - self.0.len())
    }

    /// Passes over one item of any type.
    fn pass(&mut self, depth: u32) -> Option<()> {
        let below = depth.checked_sub(1)?;
        let (major, number) = self.any_head()?;
        match major {
            UNSIGNED | NEGATIVE => {}
            BYTES => drop(self.take(number)?),
            TEXT => drop(std::str::from_utf8(self.take(number)?).ok()?),
            LIST => (0..number).try_for_each(|_| self.pass(below))?,
            MAP => (0..number).try_for_each(|_| {
                self.text()?;
                self.pass(below)
            })?,
            TAG if number == 42 => self.pass(below)?,
            SIMPLE => {}
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cidlake_block::codec::dag_cbor;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_their_shortest_form_and_no_other() {
        for number in [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX]
        {
            let mut bytes = Vec::new();
            put_unsigned(&mut bytes, number);
            assert_eq!(bytes, dag_cbor::encode(&number).unwrap());
            assert_eq!(Scan(&bytes).unsigned(), Some(number));
        }
        assert_eq!(Scan(b"\x18\x17").unsigned(), None);
        assert_eq!(Scan(b"\x19\x00\xff").unsigned(), None);
    }

    proptest! {
        #[test]
        fn a_map_is_passed_over_to_its_end(
            map in prop::collection::btree_map("[a-z]{0,30}", (any::<i32>(), any::<f64>()), 0..5),
            behind in any::<u8>(),
        ) {
            let map: BTreeMap<String, (i32, f64)> =
                map.into_iter().filter(|(_, (_, real))| real.is_finite()).collect();
            let bytes = dag_cbor::encode(&map).unwrap();
            let all = [&bytes[..], &[behind]].concat();
            let mut scan = Scan(&all);
            prop_assert_eq!(scan.map_bytes(), Some(&bytes[..]));
            prop_assert_eq!(scan.0, &[behind]);
            for len in 0..bytes.len() {
                prop_assert_eq!(Scan(&bytes[..len]).map_bytes(), None);
            }
        }
    }

    #[test]
    fn what_is_nested_too_deeply_or_no_item_is_not_passed_over() {
        let deep = [&b"\xa1\x61a"[..], &[0x81; 100], b"\x00"].concat();
        assert_eq!(Scan(&deep).map_bytes(), None);
        for bytes in [b"\xa1\x61a\x1f".as_slice(), b"\xa1\x01\x01", b"\xa1\x61a\xc1\x00", b"\x80"] {
            assert_eq!(Scan(bytes).map_bytes(), None, "{bytes:?}");
        }
    }
}

//! Writes payloads of known shape at the speed of a log; pure.
//!
//! The general encoder sorts the fields of every map, for which it encodes each of them on its
//! own. Here the order is written down, and the bytes are the same.

use cidlake_block::Cid;

use super::record::{Body, Extent, Payload};

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const NULL: u8 = 0xf6;

/// What a payload has at least room for, in bytes.
const PAYLOAD_BYTES_TYPICAL: usize = 256;

/// Returns the payload of a record; none when its shape is not known here.
pub(super) fn encode(body: &Body, extents: &[Extent]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(PAYLOAD_BYTES_TYPICAL);
    out.extend_from_slice(b"\xa2\x64body");
    match body {
        Body::Nothing => out.push(0xa0),
        Body::Payload(Payload::Delta { delta }) => {
            out.extend_from_slice(b"\xa1\x65delta");
            link(&mut out, delta);
        }
        Body::Payload(Payload::Pin { cid, name }) => {
            out.extend_from_slice(b"\xa2\x63cid");
            link(&mut out, cid);
            out.extend_from_slice(b"\x64name");
            match name {
                Some(name) => text(&mut out, name),
                None => out.push(NULL),
            }
        }
        Body::Payload(Payload::Unpin { cid }) => {
            out.extend_from_slice(b"\xa1\x63cid");
            link(&mut out, cid);
        }
        Body::Payload(Payload::Expire { .. }) | Body::Retire(_) => return None,
    }
    out.extend_from_slice(b"\x67extents");
    head(&mut out, LIST, extents.len() as u64);
    for extent in extents {
        out.push(0x83);
        text(&mut out, &extent.pack.to_string());
        head(&mut out, UNSIGNED, extent.len);
        head(&mut out, UNSIGNED, u64::from(extent.prefix_crc));
    }
    Some(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn link(out: &mut Vec<u8>, cid: &Cid) {
    let bytes = cid.to_bytes();
    out.extend_from_slice(b"\xd8\x2a");
    head(out, BYTES, bytes.len() as u64 + 1);
    out.push(0);
    out.extend_from_slice(&bytes);
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

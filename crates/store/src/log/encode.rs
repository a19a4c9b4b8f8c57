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

/// What the payload of a record of known shape has beside a name and extents, and its padding, take
/// at most for the usual CIDs, in bytes.
const PAYLOAD_BYTES_TYPICAL: usize = 88;

/// Returns how much room a payload without extents, and its padding, take, in bytes: rather too much
/// than too little, but for unusual CIDs.
pub(super) fn room(body: &Body) -> usize {
    let name = match body {
        Body::Payload(Payload::Pin { name, .. }) => name.as_deref().unwrap_or_default(),
        Body::Payload(Payload::Expire { name, .. }) => name,
        _ => "",
    };
    PAYLOAD_BYTES_TYPICAL + name.len()
}

/// Appends the payload of a record to `out`; returns whether its shape is known here. What is not
/// known leaves `out` as it was.
pub(super) fn encode(out: &mut Vec<u8>, body: &Body, extents: &[Extent]) -> bool {
    let begin = out.len();
    out.extend_from_slice(b"\xa2\x64body");
    match body {
        Body::Nothing => out.push(0xa0),
        Body::Payload(Payload::Delta { delta }) => {
            out.extend_from_slice(b"\xa1\x65delta");
            link(out, delta);
        }
        Body::Payload(Payload::Pin { cid, name }) => {
            out.extend_from_slice(b"\xa2\x63cid");
            link(out, cid);
            out.extend_from_slice(b"\x64name");
            match name {
                Some(name) => text(out, name),
                None => out.push(NULL),
            }
        }
        Body::Payload(Payload::Unpin { cid }) => {
            out.extend_from_slice(b"\xa1\x63cid");
            link(out, cid);
        }
        Body::Payload(Payload::Expire { .. }) | Body::Retire(_) => {
            out.truncate(begin);
            return false;
        }
    }
    out.extend_from_slice(b"\x67extents");
    head(out, LIST, extents.len() as u64);
    for extent in extents {
        out.push(0x83);
        text(out, &extent.pack.to_string());
        head(out, UNSIGNED, extent.len);
        head(out, UNSIGNED, u64::from(extent.prefix_crc));
    }
    true
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn link(out: &mut Vec<u8>, cid: &Cid) {
    out.extend_from_slice(b"\xd8\x2a");
    head(out, BYTES, cid.encoded_len() as u64 + 1);
    out.push(0);
    // Memory takes all that is written to it.
    let _written = cid.write_bytes(out);
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

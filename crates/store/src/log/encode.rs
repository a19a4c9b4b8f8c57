//! Writes payloads of known shape at the speed of a log; pure.
//!
//! Here the order of the fields is written down; the bytes are those of the general encoder.

use super::record::{Body, Extent, Payload};
use crate::cbor::{put_link, put_list, put_text, put_text_or_null, put_unsigned};

/// What the payload of a record of known shape has beside a name and extents, and its padding, take
/// at most for the usual CIDs, in bytes.
const PAYLOAD_BYTES_TYPICAL: usize = 88;

/// Returns how much room a payload without extents, and its padding, take, in bytes: rather too much
/// than too little, but for unusual CIDs.
pub(super) fn room(body: &Body) -> usize {
    let name = match body {
        Body::Payload(Payload::Pin { name, .. }) => name.as_deref().unwrap_or_default(),
        Body::Payload(Payload::Expire { name, .. }) => name,
        Body::Operation(event) => return PAYLOAD_BYTES_TYPICAL + event.room(),
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
            put_link(out, delta);
        }
        Body::Payload(Payload::Pin { cid, name }) => {
            out.extend_from_slice(b"\xa2\x63cid");
            put_link(out, cid);
            out.extend_from_slice(b"\x64name");
            put_text_or_null(out, name.as_deref());
        }
        Body::Payload(Payload::Unpin { cid }) => {
            out.extend_from_slice(b"\xa1\x63cid");
            put_link(out, cid);
        }
        Body::Operation(event) => event.write(out),
        Body::Payload(Payload::Expire { .. }) | Body::Retire(_) => {
            out.truncate(begin);
            return false;
        }
    }
    out.extend_from_slice(b"\x67extents");
    put_list(out, extents.len());
    for extent in extents {
        put_list(out, 3);
        put_text(out, &extent.pack.to_string());
        put_unsigned(out, extent.len);
        put_unsigned(out, u64::from(extent.prefix_crc));
    }
    true
}

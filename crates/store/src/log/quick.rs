//! Reads payloads of known shape at the speed of a replay; pure.
//!
//! A log is mostly records of a few shapes, and the strict decoder makes a tree of each, encodes
//! it again and compares. Here the bytes are held against the one encoding that each shape has.
//! What does not fit is no error but left to the decoder, which says what is wrong with it.

use bytes::Bytes;

use super::record::{Body, Extent, Payload};
use crate::cbor::Scan;
use crate::pack::PackId;
use crate::queue::Event;

/// Reads a payload; none when it does not have the shape that is looked for.
pub(super) fn decode(kind: u16, payload: &Bytes) -> Option<(Body, Vec<Extent>)> {
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
            let name = scan.or_null(|scan| scan.text().map(str::to_owned))?;
            Body::Payload(Payload::Pin { cid, name })
        }
        3 => {
            scan.exact(b"\xa1\x63cid")?;
            Body::Payload(Payload::Unpin { cid: scan.link()? })
        }
        _ => Body::Operation(Event::read(kind, &mut scan, payload)?),
    };
    scan.exact(b"\x67extents")?;
    let extents = extents(&mut scan)?;
    scan.is_at_end().then_some((body, extents))
}

fn extents(scan: &mut Scan<'_>) -> Option<Vec<Extent>> {
    let count = scan.list()?;
    // An entry takes 37 bytes or more, so what is reserved is bounded by what is there.
    let fitting = scan.0.len() as u64 / 37;
    let mut extents = Vec::with_capacity(usize::try_from(count.min(fitting)).ok()?);
    for _ in 0..count {
        scan.exact(b"\x83")?;
        let pack = PackId::parse(scan.text()?)?;
        let len = scan.unsigned()?;
        let prefix_crc = u32::try_from(scan.unsigned()?).ok()?;
        extents.push(Extent { pack, len, prefix_crc });
    }
    Some(extents)
}

#[cfg(test)]
mod tests;

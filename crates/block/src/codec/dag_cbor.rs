//! Strict DAG-CBOR: one value has one encoding, so one CID.
//!
//! The coding itself is `serde_ipld_dagcbor`'s. What it leaves open is closed here: nesting is
//! bounded before anything recursive looks at the bytes, and a decoded value must encode to the
//! very bytes it came from.

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;
use crate::block::Block;
use crate::cid::{Cid, Codec};
use crate::limits::CBOR_DEPTH_MAX;

/// Encodes a value.
///
/// # Errors
/// When the value has no DAG-CBOR form, as NaN.
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes, CodecError> {
    let bytes = serde_ipld_dagcbor::to_vec(value).map_err(|error| refuse(&error))?;
    Ok(bytes.into())
}

/// Decodes a value.
///
/// # Errors
/// When the bytes are not strict DAG-CBOR, are nested too deeply, or are not a `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    check(bytes)?;
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| refuse(&error))
}

/// Decodes a value that the caller encodes again and compares with `bytes`: that says as much as
/// [`decode`] does, which makes a tree of the bytes and encodes that again.
///
/// # Errors
/// When the bytes are nested too deeply, or are not a `T`.
pub fn decode_uncompared<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    check_depth(bytes)?;
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| refuse(&error))
}

/// Encodes a value as a block.
///
/// # Errors
/// As [`encode`].
pub fn block<T: Serialize>(value: &T) -> Result<Block, CodecError> {
    Ok(Block::new(Codec::DagCbor, encode(value)?))
}

/// Checks that the bytes are one strict DAG-CBOR value.
///
/// # Errors
/// Says which rule is broken.
pub fn check(bytes: &[u8]) -> Result<(), CodecError> {
    value(bytes).map(drop)
}

/// Returns the links of an encoded value, in the order of the bytes.
pub(crate) fn links(bytes: &[u8]) -> Result<Vec<Cid>, CodecError> {
    let mut links = Vec::new();
    let root = value(bytes)?;
    let mut waiting = vec![&root];
    while let Some(next) = waiting.pop() {
        match next {
            Ipld::Link(cid) => links.push(*cid),
            Ipld::List(items) => waiting.extend(items.iter().rev()),
            // Canonical order is by length first, which is how the bytes stand.
            Ipld::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| (key.len(), key.as_bytes()));
                waiting.extend(entries.into_iter().rev().map(|(_, value)| value));
            }
            _ => {}
        }
    }
    Ok(links)
}

fn value(bytes: &[u8]) -> Result<Ipld, CodecError> {
    check_depth(bytes)?;
    let value: Ipld = serde_ipld_dagcbor::from_slice(bytes).map_err(|error| refuse(&error))?;
    let again = serde_ipld_dagcbor::to_vec(&value).map_err(|error| refuse(&error))?;
    if again != bytes {
        return Err(CodecError::DagCbor {
            detail: "another encoding of the same value".to_owned(),
        });
    }
    Ok(value)
}

fn refuse(error: &dyn std::fmt::Display) -> CodecError {
    CodecError::DagCbor { detail: error.to_string() }
}

/// Walks the item headers without recursion and bounds their nesting. Everything else about the
/// bytes is left to the decoder.
fn check_depth(bytes: &[u8]) -> Result<(), CodecError> {
    let cut = || CodecError::DagCbor { detail: "the bytes end inside a value".to_owned() };
    // How many items each open list, map or tag still waits for.
    let mut open: Vec<u64> = Vec::new();
    let mut at = 0;
    loop {
        let (major, argument, after) = header(bytes, at).ok_or_else(cut)?;
        at = after;
        let inside = match major {
            2 | 3 => {
                let len = usize::try_from(argument).map_err(|_| cut())?;
                at = at.checked_add(len).filter(|end| *end <= bytes.len()).ok_or_else(cut)?;
                0
            }
            4 => argument,
            5 => argument.checked_mul(2).ok_or_else(cut)?,
            6 => 1,
            _ => 0,
        };
        if inside > 0 {
            if open.len() >= CBOR_DEPTH_MAX {
                let detail = format!("nested deeper than {CBOR_DEPTH_MAX}");
                return Err(CodecError::DagCbor { detail });
            }
            open.push(inside);
            continue;
        }
        while let Some(left) = open.last_mut() {
            *left -= 1;
            if *left > 0 {
                break;
            }
            open.pop();
        }
        if open.is_empty() {
            return Ok(());
        }
    }
}

/// Returns major type, argument and the offset behind the header of the item at `at`. Indefinite
/// lengths, which the format forbids, read as cut short.
fn header(bytes: &[u8], at: usize) -> Option<(u8, u64, usize)> {
    let first = *bytes.get(at)?;
    let (major, low) = (first >> 5, first & 0x1f);
    let wide = match low {
        0..=23 => return Some((major, u64::from(low), at + 1)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let argument = bytes.get(at + 1..at + 1 + wide)?;
    let argument = argument.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    Some((major, argument, at + 1 + wide))
}

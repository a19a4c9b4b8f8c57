//! The byte format of one log record; pure.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `CDLR` |
//! | 4 | 4 | payload length |
//! | 8 | 8 | number (LSN) |
//! | 16 | 8 | epoch of the segment |
//! | 24 | 2 | kind |
//! | 26 | 2 | flags: bit 0 = more records of the same commit follow |
//! | 28 | 4 | chain value of the record before |
//! | 32 | 4 | ordinal: records of the same write before this one |
//! | 36 | 4 | chain value: crc32c over bytes 0 to 36 and the payload |
//! | 40 | | payload (dag-cbor), then zeros up to a multiple of 8 |
//!
//! The ordinal tells a torn write from damage. A disk may keep the second record of an unsynced
//! write and lose the first; a later record proves that an unreadable one was once synced only if
//! it belongs to another write, and its number less its ordinal says where its write began.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_block::codec::{CodecError, dag_cbor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{corrupt, quick};
use crate::disk::Window;
use crate::error::StoreError;
use crate::pack::PackId;
use crate::queue::{self, Event};

pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"CDLR");
pub(super) const HEADER_BYTES: usize = 40;
/// The part of the header that the chain value covers.
const COVERED_BYTES: usize = HEADER_BYTES - 4;
/// Records begin at multiples of this.
pub(super) const ALIGN: usize = 8;

/// The largest payload that is read, in bytes. It leaves room for what a commit of an hour-long
/// import says about its packs.
pub(super) const PAYLOAD_BYTES_MAX: usize = 8 << 20;

const FLAG_MORE: u16 = 1;

const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGN));

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A change of the catalog.
    Delta {
        /// The block that holds it.
        delta: Cid,
    },
    /// Something is to be kept although no dataset refers to it.
    Pin {
        /// What is to be kept, with everything below it.
        cid: Cid,
        /// What the user calls it.
        name: Option<String>,
    },
    /// A pin is over.
    Unpin {
        /// What was pinned.
        cid: Cid,
    },
    /// The history of a dataset before one of its commits is no longer kept.
    Expire {
        /// The dataset.
        name: String,
        /// The oldest commit that is kept.
        oldest: Cid,
    },
}

/// What a record carries for those above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing: the record is there for its extents.
    Nothing,
    /// Something.
    Payload(Payload),
    /// Packs no longer count.
    Retire(Vec<PackId>),
    /// An operation of the queue changed.
    Operation(Event),
}

/// How much of a pack a commit made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The pack.
    pub(crate) pack: PackId,
    /// The file's durable length in bytes.
    pub(crate) len: u64,
    /// The crc32c over the prefixes (length and CID) of all sections up to there.
    pub(crate) prefix_crc: u32,
}

/// A record as it stands in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawRecord {
    pub(super) lsn: u64,
    pub(super) epoch: u64,
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) prev: u32,
    pub(super) ordinal: u32,
    pub(super) chain: u32,
    pub(super) payload: Bytes,
}

/// What is found at a place in a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// A record that is consistent in itself.
    Record(RawRecord),
    /// The end of the file, or an all-zero header.
    Nothing,
    /// Anything else, and what is wrong with it.
    Bad(&'static str),
}

/// The header of a record up to the chain value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) payload_bytes: usize,
    pub(super) lsn: u64,
    pub(super) epoch: u64,
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) prev: u32,
    pub(super) ordinal: u32,
}

/// A record to be written by itself: its kind and payload, before it has a number.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) kind: u16,
    pub(super) more: bool,
    pub(crate) payload: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<B> {
    body: B,
    extents: Vec<(String, u64, u32)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NothingBody {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltaBody {
    delta: Cid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinBody {
    cid: Cid,
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnpinBody {
    cid: Cid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetireBody {
    packs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpireBody {
    name: String,
    oldest: Cid,
}

impl Body {
    pub(super) fn kind(&self) -> u16 {
        match self {
            Self::Nothing => 0,
            Self::Payload(Payload::Delta { .. }) => 1,
            Self::Payload(Payload::Pin { .. }) => 2,
            Self::Payload(Payload::Unpin { .. }) => 3,
            Self::Retire(_) => 4,
            Self::Payload(Payload::Expire { .. }) => 5,
            Self::Operation(event) => event.record_kind(),
        }
    }
}

impl Draft {
    /// Encodes a record's payload.
    pub(crate) fn new(body: &Body, extents: &[Extent], more: bool) -> Result<Self, StoreError> {
        let mut payload = Vec::new();
        write_payload(&mut payload, body, extents)?;
        Ok(Self { kind: body.kind(), more, payload: payload.into() })
    }
}

impl Header {
    /// Writes the header of a record with this payload, and returns its chain value.
    pub(super) fn write(&self, payload: &[u8], out: &mut [u8; HEADER_BYTES]) -> u32 {
        let covered = self.covered();
        let chain = chain_of(&covered, payload);
        let mut rest = out.as_mut_slice();
        put(&mut rest, covered);
        put(&mut rest, chain.to_le_bytes());
        chain
    }

    fn covered(&self) -> [u8; COVERED_BYTES] {
        let mut header = [0; COVERED_BYTES];
        let mut rest = header.as_mut_slice();
        put(&mut rest, MAGIC.to_le_bytes());
        put(&mut rest, u32::try_from(self.payload_bytes).unwrap_or(u32::MAX).to_le_bytes());
        put(&mut rest, self.lsn.to_le_bytes());
        put(&mut rest, self.epoch.to_le_bytes());
        put(&mut rest, self.kind.to_le_bytes());
        put(&mut rest, self.flags.to_le_bytes());
        put(&mut rest, self.prev.to_le_bytes());
        put(&mut rest, self.ordinal.to_le_bytes());
        debug_assert!(rest.is_empty());
        header
    }
}

impl RawRecord {
    /// Gives `draft` its place in the log.
    pub(super) fn place(draft: Draft, lsn: u64, epoch: u64, prev: u32, ordinal: u32) -> Self {
        let Draft { kind, more, payload } = draft;
        let flags = flags(more);
        let mut record = Self { lsn, epoch, kind, flags, prev, ordinal, chain: 0, payload };
        record.chain = record.computed_chain();
        record
    }

    /// Returns the record's size in a segment, in bytes.
    pub(super) fn size(&self) -> u64 {
        size_of(self.payload.len()) as u64
    }

    /// Returns a checksum of what the record says, whatever segment it stands in.
    pub(super) fn digest(&self) -> u32 {
        crc32c::crc32c(&self.payload)
    }

    /// Appends the record's bytes to `out`, which must be aligned.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        debug_assert!(out.len().is_multiple_of(ALIGN));
        out.extend_from_slice(&self.covered());
        out.extend_from_slice(&self.chain.to_le_bytes());
        out.extend_from_slice(&self.payload);
        out.resize(out.len().next_multiple_of(ALIGN), 0);
    }

    /// Reads what stands at `offset`; `epoch` is the segment's.
    pub(super) fn read(window: &mut Window<'_>, offset: u64, epoch: u64) -> io::Result<Found> {
        let header = window.at(offset, HEADER_BYTES)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(Found::Nothing);
        }
        let (mut record, len) = match Self::parse_header(header) {
            Ok(parsed) => parsed,
            Err(detail) => return Ok(Found::Bad(detail)),
        };
        if record.epoch != epoch {
            return Ok(Found::Bad("the record has another epoch than its segment"));
        }
        let padded = len.next_multiple_of(ALIGN);
        let rest = window.at(offset + HEADER_BYTES as u64, padded)?;
        let Some((payload, padding)) = rest.split_at_checked(len).filter(|_| rest.len() == padded)
        else {
            return Ok(Found::Bad("the record ends beyond the file"));
        };
        if padding.iter().any(|byte| *byte != 0) {
            return Ok(Found::Bad("the record's padding is not zero"));
        }
        record.payload = Bytes::copy_from_slice(payload);
        if record.computed_chain() != record.chain {
            return Ok(Found::Bad("the record does not match its checksum"));
        }
        Ok(Found::Record(record))
    }

    fn parse_header(header: &[u8]) -> Result<(Self, usize), &'static str> {
        let mut fields = Fields(header);
        let short = "the record's header is cut short";
        if fields.u32().ok_or(short)? != MAGIC {
            return Err("there is no record here");
        }
        let len = usize::try_from(fields.u32().ok_or(short)?).unwrap_or(usize::MAX);
        if len > PAYLOAD_BYTES_MAX {
            return Err("the record is longer than the format allows");
        }
        let lsn = fields.u64().ok_or(short)?;
        let epoch = fields.u64().ok_or(short)?;
        let kind = fields.u16().ok_or(short)?;
        let flags = fields.u16().ok_or(short)?;
        let prev = fields.u32().ok_or(short)?;
        let ordinal = fields.u32().ok_or(short)?;
        let chain = fields.u32().ok_or(short)?;
        let payload = Bytes::new();
        Ok((Self { lsn, epoch, kind, flags, prev, ordinal, chain, payload }, len))
    }

    /// Returns whether more records of the same commit follow.
    pub(super) fn more(&self) -> bool {
        self.flags & FLAG_MORE != 0
    }

    /// Reads what the record says.
    pub(super) fn decode(&self) -> Result<(Body, Vec<Extent>), Undecoded> {
        if self.flags & !FLAG_MORE != 0 {
            return Err(Undecoded::Flags(self.flags));
        }
        match quick::decode(self.kind, &self.payload) {
            Some(decoded) => Ok(decoded),
            None => strict(self.kind, &self.payload),
        }
    }

    fn covered(&self) -> [u8; COVERED_BYTES] {
        // Every payload was held against the limit when it was drafted or read.
        let payload_bytes = self.payload.len();
        let Self { lsn, epoch, kind, flags, prev, ordinal, .. } = *self;
        Header { payload_bytes, lsn, epoch, kind, flags, prev, ordinal }.covered()
    }

    fn computed_chain(&self) -> u32 {
        chain_of(&self.covered(), &self.payload)
    }
}

/// Reads the payload of a record of this kind.
pub(super) fn strict(kind: u16, payload: &[u8]) -> Result<(Body, Vec<Extent>), Undecoded> {
    match kind {
        0 => open::<NothingBody>(payload, |_| Body::Nothing),
        1 => open::<DeltaBody>(payload, |body| Body::Payload(Payload::Delta { delta: body.delta })),
        2 => open::<PinBody>(payload, |body| {
            Body::Payload(Payload::Pin { cid: body.cid, name: body.name })
        }),
        3 => open::<UnpinBody>(payload, |body| Body::Payload(Payload::Unpin { cid: body.cid })),
        4 => {
            let (body, extents) = open_as::<RetireBody>(payload)?;
            let packs = body.packs.iter().map(|name| pack_named(name));
            Ok((Body::Retire(packs.collect::<Result<_, _>>()?), extents))
        }
        5 => open::<ExpireBody>(payload, |body| {
            Body::Payload(Payload::Expire { name: body.name, oldest: body.oldest })
        }),
        kind if queue::KINDS.contains(&kind) => Err(Undecoded::Payload(
            "what it says of an operation does not have the form of its kind".to_owned(),
        )),
        kind => Err(Undecoded::Kind(kind)),
    }
}

/// Why a sound record cannot be understood.
#[derive(Debug)]
pub(super) enum Undecoded {
    /// Its kind is not known here.
    Kind(u16),
    /// Some of its flags are not known here.
    Flags(u16),
    /// Its payload is not what its kind promises.
    Payload(String),
}

impl Undecoded {
    /// Says it of record `lsn`, which stands in the segment `path` at `offset`.
    pub(super) fn at(self, lsn: u64, path: &Path, offset: u64) -> StoreError {
        match self {
            Self::Kind(kind) => StoreError::UnknownRecord { lsn, kind },
            Self::Flags(flags) => StoreError::UnknownFlags { lsn, flags },
            Self::Payload(detail) => corrupt(path, offset, detail),
        }
    }
}

/// Little-endian fields, one after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Writes a field and moves `rest` behind it.
fn put<const N: usize>(rest: &mut &mut [u8], field: [u8; N]) {
    if let Some((place, behind)) = std::mem::take(rest).split_first_chunk_mut() {
        *place = field;
        *rest = behind;
    }
}

/// Appends the payload of a record to `out`, and returns its size in bytes.
pub(super) fn write_payload(
    out: &mut Vec<u8>,
    body: &Body,
    extents: &[Extent],
) -> Result<usize, StoreError> {
    let begin = out.len();
    if !super::encode::encode(out, body, extents) {
        out.extend_from_slice(&encode_any(body, extents)?);
    }
    let bytes = out.len() - begin;
    if bytes > PAYLOAD_BYTES_MAX { Err(too_large(bytes, PAYLOAD_BYTES_MAX)) } else { Ok(bytes) }
}

/// Encodes a payload of any shape.
fn encode_any(body: &Body, extents: &[Extent]) -> Result<Bytes, StoreError> {
    let extents = extents
        .iter()
        .map(|extent| (extent.pack.to_string(), extent.len, extent.prefix_crc))
        .collect();
    match body {
        Body::Nothing => encode(NothingBody {}, extents),
        Body::Payload(Payload::Delta { delta }) => encode(DeltaBody { delta: *delta }, extents),
        Body::Payload(Payload::Pin { cid, name }) => {
            encode(PinBody { cid: *cid, name: name.clone() }, extents)
        }
        Body::Payload(Payload::Unpin { cid }) => encode(UnpinBody { cid: *cid }, extents),
        Body::Payload(Payload::Expire { name, oldest }) => {
            encode(ExpireBody { name: name.clone(), oldest: *oldest }, extents)
        }
        Body::Operation(event) => {
            unreachable!("{event:?} is written by hand")
        }
        Body::Retire(packs) => {
            encode(RetireBody { packs: packs.iter().map(PackId::to_string).collect() }, extents)
        }
    }
    .map_err(|source| StoreError::Encode { source: Arc::new(source) })
}

fn encode<B: Serialize>(body: B, extents: Vec<(String, u64, u32)>) -> Result<Bytes, CodecError> {
    dag_cbor::encode(&Envelope { body, extents })
}

fn open<B: DeserializeOwned>(
    payload: &[u8],
    read: impl FnOnce(B) -> Body,
) -> Result<(Body, Vec<Extent>), Undecoded> {
    open_as(payload).map(|(body, extents)| (read(body), extents))
}

fn open_as<B: DeserializeOwned>(payload: &[u8]) -> Result<(B, Vec<Extent>), Undecoded> {
    let envelope: Envelope<B> =
        dag_cbor::decode(payload).map_err(|error| Undecoded::Payload(error.to_string()))?;
    let extents = envelope.extents.iter().map(|(name, len, prefix_crc)| {
        Ok(Extent { pack: pack_named(name)?, len: *len, prefix_crc: *prefix_crc })
    });
    let extents = extents.collect::<Result<_, _>>()?;
    Ok((envelope.body, extents))
}

fn pack_named(name: &str) -> Result<PackId, Undecoded> {
    PackId::parse(name)
        .ok_or_else(|| Undecoded::Payload(format!("{name:?} is not the name of a pack")))
}

/// Returns the size of a record with such a payload in a segment, in bytes.
pub(super) fn size_of(payload_bytes: usize) -> usize {
    HEADER_BYTES + payload_bytes.next_multiple_of(ALIGN)
}

/// Returns the flags of a record behind which more of the same commit follow, or do not.
pub(super) fn flags(more: bool) -> u16 {
    if more { FLAG_MORE } else { 0 }
}

fn chain_of(covered: &[u8; COVERED_BYTES], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(covered), payload)
}

pub(super) fn too_large(bytes: usize, bytes_max: usize) -> StoreError {
    StoreError::RecordTooLarge { bytes: bytes as u64, bytes_max: bytes_max as u64 }
}

#[cfg(test)]
mod tests;

//! Records on their way into the log, side by side as they will stand in a segment; pure.
//!
//! A commit is encoded before its leader has the log's lock, when nobody knows yet where it will
//! stand. So room is left for each header, which is filled in where its record stands, and the
//! buffer that a commit was encoded into is the one that is written.

use super::encode::room;
use super::record::{self, Body, Extent, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};
use super::segment::SegmentName;
use super::walk::Position;
use crate::error::StoreError;

/// The largest body that a caller may write, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(BODY_BYTES_MAX * 2 <= PAYLOAD_BYTES_MAX);

/// Encoded records that have no numbers yet.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    /// The records, with zeros for their headers.
    bytes: Vec<u8>,
    heads: Vec<Head>,
}

/// What is known of a record's header before it has its place.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: u16,
    more: bool,
    payload_bytes: usize,
}

impl Drafts {
    /// Encodes what a caller wants written as one commit, if it can be written at all.
    pub(crate) fn of_commit(bodies: &[Body]) -> Result<Self, StoreError> {
        let room = bodies.iter().map(|body| HEADER_BYTES + room(body)).sum();
        let mut drafts =
            Self { bytes: Vec::with_capacity(room), heads: Vec::with_capacity(bodies.len()) };
        for (at, body) in (1..).zip(bodies) {
            let bytes = drafts.push(body, &[], at < bodies.len())?;
            if bytes > BODY_BYTES_MAX {
                return Err(record::too_large(bytes, BODY_BYTES_MAX));
            }
        }
        Ok(drafts)
    }

    /// Encodes a record that is a commit by itself.
    pub(crate) fn of_one(body: &Body, extents: &[Extent]) -> Result<Self, StoreError> {
        let mut drafts = Self::default();
        drafts.push(body, extents, false)?;
        Ok(drafts)
    }

    /// Returns the same records, of which the first, which says `body`, announces `extents`.
    pub(crate) fn announcing(self, body: &Body, extents: &[Extent]) -> Result<Self, StoreError> {
        let Some((first, heads)) = self.heads.split_first() else { return Ok(self) };
        let mut drafts = Self::default();
        drafts.push(body, extents, first.more)?;
        drafts.bytes.extend_from_slice(self.bytes.get(first.size()..).unwrap_or_default());
        drafts.heads.extend_from_slice(heads);
        Ok(drafts)
    }

    /// Adds the records of another commit.
    pub(crate) fn append(&mut self, mut other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.bytes.append(&mut other.bytes);
            self.heads.append(&mut other.heads);
        }
    }

    /// Returns whether there is no record.
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Returns the records' size in a segment, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Encodes one more record; returns the size of its payload in bytes.
    fn push(&mut self, body: &Body, extents: &[Extent], more: bool) -> Result<usize, StoreError> {
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        let payload_bytes = record::write_payload(&mut self.bytes, body, extents)?;
        self.bytes.resize(self.bytes.len().next_multiple_of(record::ALIGN), 0);
        self.heads.push(Head { kind: body.kind(), more, payload_bytes });
        Ok(payload_bytes)
    }

    /// Gives the records their places, from `start` on. Returns what is to be written there, and
    /// where it ends.
    pub(super) fn place(mut self, name: SegmentName, start: Position) -> (Vec<u8>, Position) {
        let mut end = start;
        let mut rest = self.bytes.as_mut_slice();
        for (ordinal, head) in (0..).zip(&self.heads) {
            let Some((record, behind)) = rest.split_at_mut_checked(head.size()) else { break };
            let (lsn, prev) = (end.last + 1, end.chain);
            let header = head.header(lsn, name.epoch, prev, ordinal);
            let Some((place, payload)) = record.split_first_chunk_mut() else { break };
            let payload = payload.get(..head.payload_bytes).unwrap_or_default();
            let chain = header.write(payload, place);
            if behind.is_empty() {
                end.digest = crc32c::crc32c(payload);
            }
            end = Position { record: end.offset, last: lsn, chain, ..end };
            end.offset += head.size() as u64;
            rest = behind;
        }
        (self.bytes, end)
    }
}

impl Head {
    fn size(&self) -> usize {
        record::size_of(self.payload_bytes)
    }

    fn header(&self, lsn: u64, epoch: u64, prev: u32, ordinal: u32) -> Header {
        let Self { kind, more, payload_bytes } = *self;
        Header { payload_bytes, lsn, epoch, kind, flags: record::flags(more), prev, ordinal }
    }
}

#[cfg(test)]
mod tests;

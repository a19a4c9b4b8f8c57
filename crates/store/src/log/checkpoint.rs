//! The byte format of a checkpoint; pure.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `CIDLCKP` 0x02 |
//! | 8 | 8 | bytes of the store's part |
//! | 16 | 8 | bytes of the queue |
//! | 24 | 8 | bytes of the state |
//! | 32 | 4 | crc32c of bytes 0 to 32, the store's part, the queue and the state |
//! | 36 | | the store's part: dag-cbor |
//! | then | | the queue: what the records amount to that speak of operations |
//! | then | | the state: what the floors above made of the records, and only they understand |
//!
//! The file ends there. Version 1, which is read and no longer written, has no queue: its header
//! lacks that length, and it covers no record that speaks of operations. What does not read as this is no checkpoint, and is left alone.

use bytes::Bytes;
use cidlake_block::codec::{CodecError, dag_cbor};
use serde::{Deserialize, Serialize};

use super::record::{Extent, Fields};
use super::segment::SegmentName;
use super::walk::Position;
use super::{Lsn, Retirement};
use crate::pack::PackId;
use crate::queue::Operations;

const MAGIC: [u8; 8] = *b"CIDLCKP\x02";
const MAGIC_1: [u8; 8] = *b"CIDLCKP\x01";
/// The bytes before the checksum, with and without the length of a queue.
const LENGTHS_BYTES: usize = 32;
const LENGTHS_BYTES_1: usize = 24;
const EXTENSION: &str = ".checkpoint";

/// What the records up to one of them amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Behind the last of these records; in a segment.
    pub(super) position: Position,
    /// The last of them that carries a payload.
    pub(crate) visible: Lsn,
    /// How many carry a payload.
    pub(super) records: u64,
    /// How much of each pack they made durable, by pack.
    pub(crate) extents: Vec<Extent>,
    /// Packs that count no longer and whose files may still be there.
    pub(crate) retired: Vec<Retirement>,
    /// What those amount to that speak of operations.
    pub(crate) operations: Operations,
    /// What the floors above made of them.
    pub(crate) state: Bytes,
}

/// A checkpoint's file name: the number of the last record that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckpointName(pub(super) u64);

impl CheckpointName {
    pub(super) fn file_name(self) -> String {
        format!("{:020}{EXTENSION}", self.0)
    }

    /// Returns the name under which the process `unique` prepares the file.
    pub(super) fn draft(self, unique: &str) -> String {
        format!("{}.{unique}.tmp", self.file_name())
    }

    /// Reads a file name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let parsed = Self(name.strip_suffix(EXTENSION)?.parse().ok()?);
        (parsed.file_name() == name).then_some(parsed)
    }

    /// Reads the file name of anybody's draft.
    pub(super) fn parse_draft(name: &str) -> Option<Self> {
        let (name, _unique) = name.strip_suffix(".tmp")?.rsplit_once('.')?;
        Self::parse(name)
    }
}

/// The store's part.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    last: u64,
    chain: u32,
    epoch: u64,
    first: u64,
    digest: u32,
    offset: u64,
    record: u64,
    carried: u32,
    extents: Vec<(String, u64, u32)>,
    records: u64,
    retired: Vec<(String, u64)>,
    visible: u64,
}

impl Checkpoint {
    pub(super) fn name(&self) -> CheckpointName {
        CheckpointName(self.position.last)
    }

    /// Returns the number of the last record that it covers.
    pub(crate) fn last(&self) -> u64 {
        self.position.last
    }

    /// Returns the bytes before the state, which is not copied.
    pub(super) fn head(&self) -> Result<Vec<u8>, CodecError> {
        let own = dag_cbor::encode(&self.own())?;
        let queue = self.operations.to_bytes();
        let mut bytes = Vec::with_capacity(LENGTHS_BYTES + 4 + own.len() + queue.len());
        bytes.extend_from_slice(&MAGIC);
        for part in [&own, &queue, &self.state] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        }
        let crc = checksum(&[&bytes, &own, &queue, &self.state]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&own);
        bytes.extend_from_slice(&queue);
        Ok(bytes)
    }

    fn own(&self) -> Own {
        let at = self.position;
        let extents = self.extents.iter();
        Own {
            last: at.last,
            chain: at.chain,
            epoch: at.segment.map_or(0, |segment| segment.epoch),
            first: at.segment.map_or(0, |segment| segment.first_lsn),
            digest: at.digest,
            offset: at.offset,
            record: at.record,
            carried: at.carried,
            extents: extents.map(|e| (e.pack.to_string(), e.len, e.prefix_crc)).collect(),
            records: self.records,
            retired: self.retired.iter().map(|r| (r.pack.to_string(), r.lsn)).collect(),
            visible: self.visible.0,
        }
    }

    /// Reads a file; none if it is not a checkpoint, whatever it is.
    pub(super) fn parse(file: &Bytes) -> Option<Self> {
        let mut fields = Fields(file);
        let (lengths, has_queue) = match fields.array::<8>()? {
            MAGIC => (LENGTHS_BYTES, true),
            MAGIC_1 => (LENGTHS_BYTES_1, false),
            _ => return None,
        };
        let own_len = fields.u64()?;
        let queue_len = if has_queue { fields.u64()? } else { 0 };
        let state_len = fields.u64()?;
        let crc = fields.u32()?;
        let mut rest = file.slice(lengths + 4..);
        let mut part = |len: u64| {
            let len = usize::try_from(len).ok().filter(|len| *len <= rest.len())?;
            Some(rest.split_to(len))
        };
        let (own, queue, state) = (part(own_len)?, part(queue_len)?, part(state_len)?);
        let is_whole = rest.is_empty();
        if !is_whole || checksum(&[file.get(..lengths)?, &own, &queue, &state]) != crc {
            return None;
        }
        let operations =
            if has_queue { Operations::from_bytes(&queue)? } else { Operations::default() };
        dag_cbor::decode::<Own>(&own).ok()?.checkpoint(operations, state)
    }
}

impl Own {
    fn checkpoint(self, operations: Operations, state: Bytes) -> Option<Checkpoint> {
        let position = Position {
            segment: Some(SegmentName { first_lsn: self.first, epoch: self.epoch }),
            carried: self.carried,
            record: self.record,
            offset: self.offset,
            last: self.last,
            chain: self.chain,
            digest: self.digest,
        };
        let extent = |(pack, len, prefix_crc): (String, u64, u32)| {
            Some(Extent { pack: PackId::parse(&pack)?, len, prefix_crc })
        };
        let retirement =
            |(pack, lsn): (String, u64)| Some(Retirement { pack: PackId::parse(&pack)?, lsn });
        Some(Checkpoint {
            position,
            visible: Lsn(self.visible),
            records: self.records,
            extents: self.extents.into_iter().map(extent).collect::<Option<_>>()?,
            retired: self.retired.into_iter().map(retirement).collect::<Option<_>>()?,
            operations,
            state,
        })
    }
}

fn checksum(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

#[cfg(test)]
mod tests;

//! The byte format of a checkpoint; pure.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `CIDLCKP` 0x01 |
//! | 8 | 8 | bytes of the store's part |
//! | 16 | 8 | bytes of the state |
//! | 24 | 4 | crc32c of bytes 0 to 24, the store's part and the state |
//! | 28 | | the store's part: dag-cbor |
//! | then | | the state: what the floors above made of the records, and only they understand |
//!
//! The file ends there. What does not read as this is no checkpoint, and is left alone.

use bytes::Bytes;
use cidlake_block::codec::{CodecError, dag_cbor};
use serde::{Deserialize, Serialize};

use super::record::{Extent, Fields};
use super::segment::SegmentName;
use super::walk::Position;
use super::{Lsn, Retirement};
use crate::pack::PackId;

const MAGIC: [u8; 8] = *b"CIDLCKP\x01";
/// The bytes before the store's part.
const HEADER_BYTES: usize = 28;
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
    pub(super) fn last(&self) -> u64 {
        self.position.last
    }

    /// Returns the bytes before the state, which is not copied.
    pub(super) fn head(&self) -> Result<Vec<u8>, CodecError> {
        let own = dag_cbor::encode(&self.own())?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + own.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&(own.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.state.len() as u64).to_le_bytes());
        let crc = checksum(&bytes, &own, &self.state);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&own);
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
        if fields.array::<8>()? != MAGIC {
            return None;
        }
        let own_len = usize::try_from(fields.u64()?).ok()?;
        let state_len = usize::try_from(fields.u64()?).ok()?;
        let crc = fields.u32()?;
        let state_at = HEADER_BYTES.checked_add(own_len)?;
        if state_at.checked_add(state_len)? != file.len() {
            return None;
        }
        let own = file.get(HEADER_BYTES..state_at)?;
        let state = file.slice(state_at..);
        if checksum(file.get(..HEADER_BYTES - 4)?, own, &state) != crc {
            return None;
        }
        dag_cbor::decode::<Own>(own).ok()?.checkpoint(state)
    }
}

impl Own {
    fn checkpoint(self, state: Bytes) -> Option<Checkpoint> {
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
            state,
        })
    }
}

fn checksum(header: &[u8], own: &[u8], state: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(header), own);
    crc32c::crc32c_append(crc, state)
}

#[cfg(test)]
mod tests;

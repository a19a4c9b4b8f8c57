//! The name and the header of a log segment; pure.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `CIDLWAL` 0x01 |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | zero |
//! | 16 | 8 | epoch |
//! | 24 | 8 | number of the first record |
//! | 32 | 4 | chain value of the record before the first |
//! | 36 | 24 | zero |
//! | 60 | 4 | crc32c of bytes 0 to 60 |

use std::fmt;

use super::record::Fields;

pub(super) const HEADER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"CIDLWAL\x01";
const VERSION: u32 = 1;
const EXTENSION: &str = ".wal";

/// A segment's file name: its first record and its epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentName {
    pub(super) first_lsn: u64,
    pub(super) epoch: u64,
}

/// The first bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) epoch: u64,
    pub(super) first_lsn: u64,
    /// The chain value of the record before the first.
    pub(super) carried: u32,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:08x}{EXTENSION}", self.first_lsn, self.epoch)
    }
}

impl SegmentName {
    /// Reads a file name; anything but what [`fmt::Display`] writes is not one.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (first_lsn, epoch) = name.strip_suffix(EXTENSION)?.split_once('-')?;
        let first_lsn = first_lsn.parse().ok()?;
        let epoch = u64::from_str_radix(epoch, 16).ok()?;
        let parsed = Self { first_lsn, epoch };
        (parsed.to_string() == name).then_some(parsed)
    }

    /// Returns the name under which the segment is prepared.
    pub(super) fn draft(self) -> String {
        format!("{self}.tmp")
    }
}

impl SegmentHeader {
    pub(super) fn new(name: SegmentName, carried: u32) -> Self {
        Self { epoch: name.epoch, first_lsn: name.first_lsn, carried }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.first_lsn.to_le_bytes());
        bytes.extend_from_slice(&self.carried.to_le_bytes());
        bytes.extend_from_slice(&[0; 24]);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header that must be the one of `name`; an error says what is wrong.
    pub(super) fn parse(bytes: &[u8], name: SegmentName) -> Result<Self, &'static str> {
        let short = "the segment's header is cut short";
        let mut fields = Fields(bytes);
        let magic = fields.array::<8>().ok_or(short)?;
        let version = fields.u32().ok_or(short)?;
        fields.u32().ok_or(short)?;
        let epoch = fields.u64().ok_or(short)?;
        let first_lsn = fields.u64().ok_or(short)?;
        let carried = fields.u32().ok_or(short)?;
        let header = Self { epoch, first_lsn, carried };
        if magic != MAGIC || version != VERSION {
            return Err("this is not a log segment of format version 1");
        }
        if bytes != header.to_bytes() {
            return Err("the segment's header does not match its checksum");
        }
        if (SegmentName { first_lsn, epoch }) != name {
            return Err("the segment has another's name");
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests;

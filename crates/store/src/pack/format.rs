//! The byte format of a pack around its blocks; pure.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 11 | CARv2 pragma |
//! | 11 | 40 | CARv2 header; all its figures but the data offset are 0 until the pack is sealed |
//! | 51 | 26 | CARv1 header with the filler root `bafkqaaa` |
//! | 77 | | sections: varint length, CID, data |
//! | end of data | 24 | seal, in what CARv2 calls index padding |
//! | then | | index: MultihashIndexSorted |
//!
//! The root is a filler because a pack is a container and not a DAG: readers of CARs refuse or
//! warn about a file without roots, and accept the empty identity block, which needs no section.

use std::fmt;

use cidlake_block::car::{HeaderV2, PRAGMA_V2};
use cidlake_block::limits::{BLOCK_BYTES_MAX, CID_BYTES_MAX};

/// Where the CARv1 payload begins, in bytes.
pub(super) const DATA_OFFSET: u64 = 51;
/// The CARv1 header: its length, then `{roots: [bafkqaaa], version: 1}` as dag-cbor.
const HEADER_V1: [u8; 26] =
    *b"\x19\xa2\x65roots\x81\xd8\x2a\x45\x00\x01\x55\x00\x00\x67version\x01";
/// Where the first section begins, in bytes.
pub(crate) const SECTIONS_OFFSET: u64 = DATA_OFFSET + HEADER_V1.len() as u64;
/// The largest section that is read: the largest block with its prefix, in bytes.
pub(super) const SECTION_BYTES_MAX: usize = BLOCK_BYTES_MAX + PREFIX_BYTES_MAX;
/// The largest prefix (length and CID) of a section, in bytes.
pub(super) const PREFIX_BYTES_MAX: usize = 128;
const _: () = assert!(CID_BYTES_MAX + 10 <= PREFIX_BYTES_MAX);
/// The size of the seal, in bytes.
pub(super) const SEAL_BYTES: usize = 24;

const SEAL_MAGIC: [u8; 8] = *b"CIDLSEAL";
const EXTENSION: &str = ".car";

/// The name of a pack: 16 bytes that no two packs share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackId([u8; 16]);

impl PackId {
    /// Returns the `number`th name that a process with this seed gives.
    pub(super) fn derive(seed: [u8; 16], number: u128) -> Self {
        Self(u128::from_be_bytes(seed).wrapping_add(number).to_be_bytes())
    }

    /// Returns the name as it is written in binary.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Takes a name in binary.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads what [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex =
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
        Some(Self(number.to_be_bytes()))
    }

    /// Returns the file name.
    pub(crate) fn file_name(self) -> String {
        format!("{self}{EXTENSION}")
    }

    /// Reads a file name.
    pub(crate) fn parse_file_name(name: &str) -> Option<Self> {
        Self::parse(name.strip_suffix(EXTENSION)?)
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What makes a pack sealed: where its data ends, and the index behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    /// Where the sections end and the seal begins, in bytes.
    pub(super) data_end: u64,
    /// The size of the index, in bytes.
    pub(super) index_len: u64,
    /// Its crc32c.
    pub(super) index_crc: u32,
}

impl Seal {
    /// Where the index begins, in bytes.
    pub(super) fn index_offset(&self) -> u64 {
        self.data_end + SEAL_BYTES as u64
    }

    /// The bytes between data and index: magic, length of the index, its crc32c, and the crc32c of
    /// these 20 bytes.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEAL_BYTES);
        bytes.extend_from_slice(&SEAL_MAGIC);
        bytes.extend_from_slice(&self.index_len.to_le_bytes());
        bytes.extend_from_slice(&self.index_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the seal that stands at `data_end`.
    pub(super) fn parse(bytes: &[u8], data_end: u64) -> Option<Self> {
        let (len, rest) = bytes.get(8..)?.split_first_chunk::<8>()?;
        let crc = rest.first_chunk::<4>()?;
        let seal = Self {
            data_end,
            index_len: u64::from_le_bytes(*len),
            index_crc: u32::from_le_bytes(*crc),
        };
        (seal.to_bytes() == bytes).then_some(seal)
    }

    /// The CARv2 header of a pack that has this seal.
    pub(super) fn header(&self) -> HeaderV2 {
        HeaderV2 {
            characteristics: HeaderV2::FULLY_INDEXED,
            data_offset: DATA_OFFSET,
            data_size: self.data_end - DATA_OFFSET,
            index_offset: self.index_offset(),
        }
    }
}

/// The first bytes of a pack, up to its sections: those of an open one, or of one with a seal.
pub(super) fn head(seal: Option<&Seal>) -> Vec<u8> {
    let open = HeaderV2 {
        characteristics: [0; 16],
        data_offset: DATA_OFFSET,
        data_size: 0,
        index_offset: 0,
    };
    let header = seal.map_or(open, Seal::header);
    let mut head = Vec::with_capacity(usize::try_from(SECTIONS_OFFSET).unwrap_or_default());
    head.extend_from_slice(&PRAGMA_V2);
    head.extend_from_slice(&header.to_bytes());
    debug_assert_eq!(head.len() as u64, DATA_OFFSET);
    head.extend_from_slice(&HEADER_V1);
    debug_assert_eq!(head.len() as u64, SECTIONS_OFFSET);
    head
}

/// Returns where the data of a pack ends by its head, where that has the form of a sealed pack's.
pub(super) fn data_end_in_head(head: &[u8]) -> Option<u64> {
    let size = head.get(35..43)?.first_chunk::<8>()?;
    let index = head.get(43..51)?.first_chunk::<8>()?;
    let data_end = DATA_OFFSET.checked_add(u64::from_le_bytes(*size))?;
    let expected = data_end.checked_add(SEAL_BYTES as u64)?;
    (u64::from_le_bytes(*index) == expected && data_end >= SECTIONS_OFFSET).then_some(data_end)
}

#[cfg(test)]
mod tests;

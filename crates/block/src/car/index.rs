//! `MultihashIndexSorted` (0x0401): from a block's multihash to its place in the payload.
//!
//! | bytes | what |
//! |---|---|
//! | varint | 0x0401 |
//! | i32 le | number of hash codes, and for each, rising: |
//! | u64 le | the code |
//! | i32 le | number of widths, and for each, rising: |
//! | u32 le | width: bytes of the digest and 8 |
//! | u64 le | bytes of all entries of this width |
//! | entries | digest, u64 le offset of the section from the start of the payload; by digest |

use std::collections::BTreeMap;

use bytes::Bytes;

use super::CarError;
use super::error::malformed;
use crate::cid::{Cid, IDENTITY};
use crate::codec::dag_pb::{put_varint, read_varint};
use crate::limits::DIGEST_BYTES_MAX;

const CODEC: u64 = 0x0401;
const OFFSET_BYTES: usize = 8;
/// More hash codes or widths than any archive has.
const GROUPS_MAX: usize = 64;

/// An index in memory: its entries stay the bytes that they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Rising by code and width.
    groups: Vec<Group>,
}

/// A digest and the offset of its section, before they are bytes.
type Entry = (Vec<u8>, u64);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    code: u64,
    width: usize,
    entries: Bytes,
}

impl Index {
    /// Builds the index of blocks and the offsets of their sections in the payload. Identity CIDs
    /// are left out: their data is in the CID.
    #[must_use]
    pub fn build(blocks: impl IntoIterator<Item = (Cid, u64)>) -> Self {
        let mut sorted: BTreeMap<(u64, usize), Vec<Entry>> = BTreeMap::new();
        for (cid, offset) in blocks {
            let hash = cid.hash();
            if hash.code() == IDENTITY {
                continue;
            }
            let width = hash.digest().len() + OFFSET_BYTES;
            sorted.entry((hash.code(), width)).or_default().push((hash.digest().to_vec(), offset));
        }
        let groups = sorted.into_iter().map(|((code, width), mut entries)| {
            entries.sort_unstable();
            let mut bytes = Vec::with_capacity(entries.len() * width);
            for (digest, offset) in entries {
                bytes.extend_from_slice(&digest);
                bytes.extend_from_slice(&offset.to_le_bytes());
            }
            Group { code, width, entries: bytes.into() }
        });
        Self { groups: groups.collect() }
    }

    /// Returns the bytes as they stand in an archive.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(
            64 + self.groups.iter().map(|group| group.entries.len()).sum::<usize>(),
        );
        put_varint(&mut out, CODEC);
        let codes: Vec<&[Group]> = self.groups.chunk_by(|a, b| a.code == b.code).collect();
        out.extend_from_slice(&count(codes.len()));
        for groups in codes {
            let code = groups.first().map_or(0, |group| group.code);
            out.extend_from_slice(&code.to_le_bytes());
            out.extend_from_slice(&count(groups.len()));
            for group in groups {
                // A digest is at most 64 bytes long.
                let width = u32::try_from(group.width).unwrap_or(u32::MAX);
                out.extend_from_slice(&width.to_le_bytes());
                out.extend_from_slice(&(group.entries.len() as u64).to_le_bytes());
                out.extend_from_slice(&group.entries);
            }
        }
        out.into()
    }

    /// Reads an index; the entries share the bytes. Whether they are sorted is checked, since
    /// [`Self::lookup`] relies on it.
    ///
    /// # Errors
    /// When the bytes are cut short or do not fit together.
    pub fn parse(bytes: &Bytes) -> Result<Self, CarError> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.varint()? != CODEC {
            return Err(malformed(0, "the index is not a MultihashIndexSorted"));
        }
        let mut groups: Vec<Group> = Vec::new();
        for _ in 0..cursor.count()? {
            let code = cursor.u64()?;
            for _ in 0..cursor.count()? {
                let at = cursor.at as u64;
                let width = cursor.u32()? as usize;
                let len = usize::try_from(cursor.u64()?);
                let len = len.map_err(|_| CarError::Truncated { offset: at })?;
                if width <= OFFSET_BYTES
                    || width > DIGEST_BYTES_MAX + OFFSET_BYTES
                    || len % width != 0
                {
                    return Err(malformed(at, "the entries of the index do not have their width"));
                }
                let entries = cursor.take(len)?;
                let group = Group { code, width, entries: bytes.slice_ref(entries) };
                let rising =
                    groups.last().is_none_or(|last| (last.code, last.width) < (code, width));
                if !rising || !group.is_sorted() {
                    return Err(malformed(at, "the index is not sorted"));
                }
                groups.push(group);
            }
        }
        Ok(Self { groups })
    }

    /// Returns the offset of the block's section in the payload.
    #[must_use]
    pub fn lookup(&self, cid: &Cid) -> Option<u64> {
        let hash = cid.hash();
        let width = hash.digest().len() + OFFSET_BYTES;
        let group =
            self.groups.iter().find(|group| group.code == hash.code() && group.width == width)?;
        group.lookup(hash.digest())
    }

    /// Returns multihash code, digest and offset of every entry, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8], u64)> {
        self.groups.iter().flat_map(|group| {
            group.entries.chunks_exact(group.width).filter_map(|entry| {
                let (digest, offset) = split(entry)?;
                Some((group.code, digest, offset))
            })
        })
    }

    /// Returns how many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.entries.len() / group.width).sum()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Group {
    fn entry(&self, index: usize) -> Option<(&[u8], u64)> {
        split(self.entries.get(index * self.width..(index + 1) * self.width)?)
    }

    fn lookup(&self, digest: &[u8]) -> Option<u64> {
        let (mut low, mut high) = (0, self.entries.len() / self.width);
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, offset) = self.entry(middle)?;
            match found.cmp(digest) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(offset),
            }
        }
        None
    }

    fn is_sorted(&self) -> bool {
        self.entries
            .chunks_exact(self.width)
            .map(split)
            .is_sorted_by_key(|entry| entry.map(|(digest, _)| digest))
    }
}

fn split(entry: &[u8]) -> Option<(&[u8], u64)> {
    let (digest, offset) = entry.split_last_chunk::<OFFSET_BYTES>()?;
    Some((digest, u64::from_le_bytes(*offset)))
}

fn count(groups: usize) -> [u8; 4] {
    i32::try_from(groups).unwrap_or(i32::MAX).to_le_bytes()
}

/// Reads little-endian numbers off bytes that nobody has checked yet.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], CarError> {
        let cut = CarError::Truncated { offset: self.at as u64 };
        let end = self.at.checked_add(len);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(cut);
        };
        self.at += len;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], CarError> {
        let offset = self.at as u64;
        self.take(N)?.first_chunk::<N>().copied().ok_or(CarError::Truncated { offset })
    }

    fn u32(&mut self) -> Result<u32, CarError> {
        Ok(u32::from_le_bytes(self.chunk()?))
    }

    fn u64(&mut self) -> Result<u64, CarError> {
        Ok(u64::from_le_bytes(self.chunk()?))
    }

    fn count(&mut self) -> Result<usize, CarError> {
        let at = self.at as u64;
        let count = usize::try_from(i32::from_le_bytes(self.chunk()?)).unwrap_or(usize::MAX);
        if count > GROUPS_MAX {
            return Err(malformed(at, "the index has more groups than hashes exist"));
        }
        Ok(count)
    }

    fn varint(&mut self) -> Result<u64, CarError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let cut = CarError::Truncated { offset: self.at as u64 };
        let (value, used) = read_varint(rest).ok_or(cut)?;
        self.at += used;
        Ok(value)
    }
}

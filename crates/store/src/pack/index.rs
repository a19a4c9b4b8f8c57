//! Where the blocks of one pack are; in memory, pure.
//!
//! Blocks are found by multihash: the same bytes under two codecs are stored once. An open pack
//! has a map that grows with it. A sealed pack has the sorted index that it carries, as it stands
//! in the file, and the offsets of all sections, whose neighbours give the lengths.

use std::collections::HashMap;

use cidlake_block::Cid;
use cidlake_block::car;
use quick_cache::DefaultHashBuilder;

use crate::log::Extent;

use super::format::{DATA_OFFSET, SECTION_BYTES_MAX, SECTIONS_OFFSET, Seal};

/// A place in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where the section begins, in bytes from the start of the file.
    pub(crate) offset: u64,
    /// Its length in bytes. In a sealed pack it is an upper bound.
    pub(crate) len: usize,
}

impl Span {
    /// Where the section ends, in bytes from the start of the file.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len as u64
    }
}

/// A multihash in few bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A digest of the usual length, and the code of its hash, which is less than 0x80.
    Usual(u8, [u8; 32]),
    /// Any other multihash as it is written in CIDs.
    Other(Box<[u8]>),
}

impl Key {
    pub(crate) fn of(cid: &Cid) -> Self {
        let hash = cid.hash();
        let code = u8::try_from(hash.code()).ok().filter(|code| *code < 0x80);
        match code.zip(<[u8; 32]>::try_from(hash.digest()).ok()) {
            Some((code, digest)) => Self::Usual(code, digest),
            None => Self::Other(hash.to_bytes().into()),
        }
    }

    /// Returns the raw CID that has this multihash.
    pub(crate) fn to_cid(&self) -> Option<Cid> {
        let bytes = match self {
            Self::Usual(code, digest) => [&[1, 0x55, *code, 32], digest.as_slice()].concat(),
            Self::Other(hash) => [&[1, 0x55], hash.as_ref()].concat(),
        };
        Cid::try_from(bytes).ok()
    }
}

/// The index of an open pack.
#[derive(Debug)]
pub(super) struct OpenIndex {
    spans: HashMap<Key, Span, DefaultHashBuilder>,
    /// Where the known sections end, in bytes from the start of the file.
    pub(super) end: u64,
    /// The crc32c over the prefixes of the known sections.
    pub(super) prefix_crc: u32,
    /// Where the first section is that could not be read, if any.
    pub(super) damaged_at: Option<u64>,
}

impl Default for OpenIndex {
    fn default() -> Self {
        Self { spans: HashMap::default(), end: SECTIONS_OFFSET, prefix_crc: 0, damaged_at: None }
    }
}

impl OpenIndex {
    /// Returns the index of a pack that the log speaks of and that is not there.
    pub(super) fn missing(extent: &Extent) -> Self {
        let (end, prefix_crc) = (extent.len, extent.prefix_crc);
        Self { end, prefix_crc, damaged_at: Some(0), ..Self::default() }
    }

    /// Takes in the section that stands at the end.
    pub(super) fn push(&mut self, cid: &Cid, prefix: &[u8], section_bytes: usize) {
        let span = Span { offset: self.end, len: section_bytes };
        self.spans.insert(Key::of(cid), span);
        self.prefix_crc = crc32c::crc32c_append(self.prefix_crc, prefix);
        self.end = span.end();
    }

    /// Returns an index that goes on where this one ends, and lists only what comes then.
    pub(super) fn successor(&self) -> Self {
        let Self { end, prefix_crc, damaged_at, .. } = *self;
        Self { spans: HashMap::default(), end, prefix_crc, damaged_at }
    }

    /// Takes in what a successor found.
    pub(super) fn merge(&mut self, successor: Self) {
        if successor.end >= self.end {
            self.spans.extend(successor.spans);
            self.end = successor.end;
            self.prefix_crc = successor.prefix_crc;
            self.damaged_at = successor.damaged_at;
        }
    }

    /// Forgets what stands behind `extent`; without one, everything.
    pub(super) fn cut_back(&mut self, extent: Option<&Extent>) {
        let (end, prefix_crc) =
            extent.map_or((SECTIONS_OFFSET, 0), |extent| (extent.len, extent.prefix_crc));
        self.spans.retain(|_, span| span.end() <= end);
        self.end = end;
        self.prefix_crc = prefix_crc;
    }

    /// Takes in a section found behind damage.
    pub(super) fn place(&mut self, cid: &Cid, span: Span) {
        self.spans.insert(Key::of(cid), span);
    }

    /// Forgets a block.
    pub(super) fn remove(&mut self, cid: &Cid) {
        self.spans.remove(&Key::of(cid));
    }

    pub(super) fn find(&self, cid: &Cid) -> Option<Span> {
        self.spans.get(&Key::of(cid)).copied()
    }

    /// Returns the sections that begin at or behind `offset`, in order.
    pub(super) fn spans_from(&self, offset: u64) -> Vec<Span> {
        let mut spans: Vec<Span> =
            self.spans.values().filter(|span| span.offset >= offset).copied().collect();
        spans.sort_unstable_by_key(|span| span.offset);
        spans
    }

    /// Returns the blocks as a CAR index lists them: with offsets from the start of the payload.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Cid, u64)> {
        self.spans
            .iter()
            .filter_map(|(key, span)| Some((key.to_cid()?, span.offset.checked_sub(DATA_OFFSET)?)))
    }

    fn blocks(&self) -> Vec<(Cid, Span)> {
        self.spans.iter().filter_map(|(key, span)| Some((key.to_cid()?, *span))).collect()
    }

    /// Returns how many blocks it lists.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }
}

/// Returns the raw CID of a multihash.
fn raw_cid(code: u64, digest: &[u8]) -> Option<Cid> {
    let mut bytes = vec![1, 0x55];
    for mut number in [code, digest.len() as u64] {
        while number >= 0x80 {
            bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap_or_default());
    }
    bytes.extend_from_slice(digest);
    Cid::try_from(bytes).ok()
}

/// The index of a sealed pack.
#[derive(Debug)]
pub(super) struct SealedIndex {
    index: car::Index,
    /// Where every section begins, in bytes from the start of the file, in order.
    offsets: Vec<u64>,
    data_end: u64,
}

impl SealedIndex {
    pub(super) fn new(index: car::Index, seal: &Seal) -> Self {
        let mut offsets: Vec<u64> = index
            .iter()
            .map(|(_, _, offset)| offset.saturating_add(DATA_OFFSET))
            .filter(|offset| *offset < seal.data_end)
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        Self { index, offsets, data_end: seal.data_end }
    }

    fn find(&self, cid: &Cid) -> Option<Span> {
        self.span_at(self.index.lookup(cid)?)
    }

    /// Returns code, digest and place of every block; no place where there can be none.
    pub(super) fn sections(&self) -> impl Iterator<Item = (u64, &[u8], Option<Span>)> {
        self.index.iter().map(|(code, digest, offset)| (code, digest, self.span_at(offset)))
    }

    /// Returns every block, under a raw CID, and its place.
    fn blocks(&self) -> Vec<(Cid, Span)> {
        self.sections()
            .filter_map(|(code, digest, span)| Some((raw_cid(code, digest)?, span?)))
            .collect()
    }

    /// Returns how many blocks it lists.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Returns the section at an offset from the start of the payload.
    fn span_at(&self, offset: u64) -> Option<Span> {
        let offset = offset.checked_add(DATA_OFFSET)?;
        if offset >= self.data_end {
            return None;
        }
        let next = self.offsets.partition_point(|other| *other <= offset);
        let end = self.offsets.get(next).copied().unwrap_or(self.data_end);
        let len = usize::try_from(end - offset).unwrap_or(usize::MAX).min(SECTION_BYTES_MAX);
        Some(Span { offset, len })
    }
}

/// What is known of a sealed pack while a multi-pack index says where its blocks are.
#[derive(Debug, Clone, Copy)]
pub(super) struct CoveredIndex {
    pub(super) blocks: usize,
    pub(super) data_end: u64,
}

/// The index of a pack.
#[derive(Debug)]
pub(super) enum Index {
    /// It may still grow.
    Open(OpenIndex),
    /// It is complete.
    Sealed(SealedIndex),
    /// It is complete, and not in memory: a multi-pack index is asked instead.
    Covered(CoveredIndex),
}

impl Index {
    pub(super) fn find(&self, cid: &Cid) -> Option<Span> {
        match self {
            Self::Open(index) => index.find(cid),
            Self::Sealed(index) => index.find(cid),
            Self::Covered(_) => None,
        }
    }

    /// Returns every block, under a raw CID, and its place; none where they are not in memory.
    pub(super) fn blocks(&self) -> Option<Vec<(Cid, Span)>> {
        match self {
            Self::Open(index) => Some(index.blocks()),
            Self::Sealed(index) => Some(index.blocks()),
            Self::Covered(_) => None,
        }
    }

    /// Returns how many blocks it lists.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Open(index) => index.len(),
            Self::Sealed(index) => index.len(),
            Self::Covered(index) => index.blocks,
        }
    }

    /// Where the known sections end, in bytes from the start of the file.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Open(index) => index.end,
            Self::Sealed(index) => index.data_end,
            Self::Covered(index) => index.data_end,
        }
    }
}

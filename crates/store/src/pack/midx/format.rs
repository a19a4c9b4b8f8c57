//! The byte format of a multi-pack index, and the search in a page of it; pure.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `CIDLMIDX` |
//! | 4 | version, 1 |
//! | 4 | number of packs |
//! | 8 | number of entries |
//! | 44 each | packs, rising by name: name (16), end of data (8), bytes (8) and crc32c (4) of the pack's own index, entries of the pack (8) |
//! | 12 each | pages: first 8 bytes of the first digest, crc32c of the page (4) |
//! | 4 | crc32c of all before |
//! | 48 for each entry | pages |
//!
//! | bytes of a page | what |
//! |---|---|
//! | 8 each | the first 8 bytes of each entry's digest |
//! | 40 each | the rest: digest (24), number of the pack (4), hash code (1), bytes of the section (3), its offset in the pack's file (8) |
//!
//! A page has 341 entries, the last one fewer. They rise by digest, hash code, number of the pack.
//! The first bytes stand apart so that a search stays within few lines of the processor's cache. The entries follow from the packs' own indexes
//! alone, so two files of the same packs are the same file, and have the same name.

use cidlake_block::{Cid, Codec, cid_of};

use crate::pack::format::{PackId, SECTION_BYTES_MAX, SECTIONS_OFFSET, Seal};
use crate::pack::index::Span;

/// The size of what stands before the list of packs, in bytes.
pub(super) const START_BYTES: usize = 24;
/// The size of an entry, in bytes.
pub(super) const ENTRY_BYTES: usize = 48;
/// How many entries a page has at most.
pub(super) const PAGE_ENTRIES: usize = 341;

const MAGIC: [u8; 8] = *b"CIDLMIDX";
const VERSION: u32 = 1;
const PACK_BYTES: u64 = 44;
const PAGE_BYTES: u64 = 12;
const CRC_BYTES: u64 = 4;
const EXTENSION: &str = ".midx";
const BEGINNING_BYTES: usize = 8;
const REST_BYTES: usize = ENTRY_BYTES - BEGINNING_BYTES;
/// How far from the expected place a search looks first, in entries: what a line of the
/// processor's cache holds.
const STEP: usize = 8;

const _: () = assert!(SECTION_BYTES_MAX < 1 << 24);

/// A multihash with a digest of 32 bytes and a code below 0x80: all that an index lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pack) struct UsualKey {
    pub(super) digest: [u8; 32],
    pub(super) code: u8,
}

/// Where one block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pack) struct Entry {
    pub(super) key: UsualKey,
    /// The pack's place in the list of packs.
    pub(super) pack: u32,
    pub(super) span: Span,
}

/// A pack that an index covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pack) struct CoveredPack {
    pub(in crate::pack) id: PackId,
    /// The pack's seal, which binds the entries to the pack's own index.
    pub(in crate::pack) seal: Seal,
    /// How many entries lead to the pack.
    pub(in crate::pack) entries: u64,
}

/// The entries of a page as they stand in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    beginnings: &'a [[u8; BEGINNING_BYTES]],
    rests: &'a [[u8; REST_BYTES]],
}

/// What is known of a page before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageMark {
    /// The beginning of its first digest.
    pub(super) first: u64,
    pub(super) crc: u32,
}

/// How much an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) packs: u32,
    pub(super) entries: u64,
}

/// Everything before the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) packs: Vec<CoveredPack>,
    pub(super) pages: Vec<PageMark>,
}

impl UsualKey {
    /// Takes a multihash if it is a usual one.
    pub(super) fn new(code: u64, digest: &[u8]) -> Option<Self> {
        let code = u8::try_from(code).ok().filter(|code| *code < 0x80)?;
        Some(Self { digest: digest.try_into().ok()?, code })
    }

    /// Returns the multihash of a CID if it is a usual one.
    pub(in crate::pack) fn of(cid: &Cid) -> Option<Self> {
        Self::new(cid.hash().code(), cid.hash().digest())
    }

    /// Returns the beginning of the digest as a number of the same order.
    pub(super) fn beginning(&self) -> u64 {
        Fields(&self.digest).take().map_or(0, u64::from_be_bytes)
    }
}

impl Entry {
    /// By what entries are sorted.
    pub(super) fn order(&self) -> (UsualKey, u32) {
        (self.key, self.pack)
    }

    fn write_rest(&self, out: &mut Vec<u8>) {
        // Sections are shorter than 2^24 bytes: see the assertion above.
        let [a, b, c, _] = u32::try_from(self.span.len).unwrap_or(u32::MAX).to_le_bytes();
        out.extend(self.key.digest.iter().skip(BEGINNING_BYTES));
        out.extend_from_slice(&self.pack.to_le_bytes());
        out.extend_from_slice(&[self.key.code, a, b, c]);
        out.extend_from_slice(&self.span.offset.to_le_bytes());
    }

    fn parse(beginning: &[u8; BEGINNING_BYTES], rest: &[u8; REST_BYTES]) -> Self {
        let mut fields = Fields(rest);
        // Each of them is there: the rest has 40 bytes.
        let end: [u8; 24] = fields.take().unwrap_or_default();
        let pack = fields.u32().unwrap_or_default();
        let [code, a, b, c] = fields.take().unwrap_or_default();
        let offset = fields.u64().unwrap_or_default();
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(beginning.iter().chain(&end)) {
            *to = *from;
        }
        let len = usize::try_from(u32::from_le_bytes([a, b, c, 0])).unwrap_or(usize::MAX);
        Self { key: UsualKey { digest, code }, pack, span: Span { offset, len } }
    }
}

impl<'a> Page<'a> {
    /// Takes the bytes of a page.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let middle = bytes.len() / ENTRY_BYTES * BEGINNING_BYTES;
        let (beginnings, rests) = bytes.split_at(middle.min(bytes.len()));
        Self { beginnings: beginnings.as_chunks().0, rests: rests.as_chunks().0 }
    }

    /// Returns the bytes of a page with these entries.
    pub(super) fn bytes_of(entries: &[Entry]) -> Vec<u8> {
        let mut out = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for entry in entries {
            out.extend(entry.key.digest.iter().take(BEGINNING_BYTES));
        }
        entries.iter().for_each(|entry| entry.write_rest(&mut out));
        out
    }

    /// Returns how many entries there are.
    pub(super) fn len(&self) -> usize {
        self.rests.len()
    }

    /// Returns all entries.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry> + use<'a> {
        self.entries_from(0)
    }

    fn entries_from(self, at: usize) -> impl Iterator<Item = Entry> + use<'a> {
        let beginnings = self.beginnings.get(at..).unwrap_or_default();
        let rests = self.rests.get(at..).unwrap_or_default();
        beginnings.iter().zip(rests).map(|(beginning, rest)| Entry::parse(beginning, rest))
    }

    /// Returns the entries of a key. `around` is where they should be.
    pub(super) fn find(self, key: &UsualKey, around: usize) -> impl Iterator<Item = Entry> {
        let beginning = key.beginning();
        self.entries_from(self.lower_bound(beginning, around))
            .take_while(move |entry| entry.key.beginning() == beginning)
            .filter(|entry| entry.key == *key)
    }

    /// Returns the place of the first entry whose digest does not begin below `beginning`.
    fn lower_bound(&self, beginning: u64, around: usize) -> usize {
        lower_bound(self.beginnings, around, |other| u64::from_be_bytes(*other) < beginning)
    }
}

/// Returns how many of the sorted `items` are below what is looked for. `around` is what is
/// expected; the search goes on from there.
pub(super) fn lower_bound<T>(items: &[T], around: usize, is_below: impl Fn(&T) -> bool) -> usize {
    let is_below_at = |at: usize| items.get(at).is_some_and(&is_below);
    let (mut low, mut high) = (0, items.len());
    let mut step = STEP;
    if is_below_at(around) {
        low = around + 1;
        while low + step < high {
            if !is_below_at(low + step) {
                high = low + step;
                break;
            }
            low += step + 1;
            step *= 2;
        }
    } else {
        high = around.min(high);
        while high > step {
            if is_below_at(high - step) {
                low = high - step + 1;
                break;
            }
            high -= step;
            step *= 2;
        }
    }
    low + items.get(low..high).unwrap_or_default().partition_point(is_below)
}

/// Returns where among `count` numbers that are even from `first` to `last` a number should be.
pub(super) fn expected_place(number: u64, first: u64, last: u64, count: usize) -> usize {
    // Numbers of 40 bits, so that the product with a count fits.
    let whole = (last.saturating_sub(first) >> 24).max(1);
    let part = number.saturating_sub(first) >> 24;
    let place = part.saturating_mul(count as u64) / whole;
    usize::try_from(place).unwrap_or(usize::MAX).min(count)
}

impl CoveredPack {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_bytes());
        out.extend_from_slice(&self.seal.data_end.to_le_bytes());
        out.extend_from_slice(&self.seal.index_len.to_le_bytes());
        out.extend_from_slice(&self.seal.index_crc.to_le_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
    }

    fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let id = PackId::from_bytes(fields.take()?);
        let (data_end, index_len, index_crc) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let seal = Seal { data_end, index_len, index_crc };
        let entries = fields.u64()?;
        (data_end >= SECTIONS_OFFSET).then_some(Self { id, seal, entries })
    }
}

impl Counts {
    /// Reads the first [`START_BYTES`] of a file.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let is_known = fields.take()? == MAGIC && fields.u32()? == VERSION;
        let counts = Self { packs: fields.u32()?, entries: fields.u64()? };
        (is_known && counts.packs > 0 && counts.entries > 0).then_some(counts)
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> u64 {
        self.entries.div_ceil(PAGE_ENTRIES as u64)
    }

    /// Where the entries begin, in bytes; none if no file is so large.
    pub(super) fn entries_offset(&self) -> Option<u64> {
        let packs = u64::from(self.packs) * PACK_BYTES;
        let pages = self.pages().checked_mul(PAGE_BYTES)?;
        pages.checked_add(START_BYTES as u64 + packs + CRC_BYTES)
    }

    /// The size of the file, in bytes; none if no file is so large.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        self.entries.checked_mul(ENTRY_BYTES as u64)?.checked_add(self.entries_offset()?)
    }
}

impl Head {
    /// Returns how much the index holds.
    pub(super) fn counts(packs: &[CoveredPack]) -> Counts {
        let entries = packs.iter().map(|pack| pack.entries).sum();
        // A list of packs was in a file, or every pack of it is one.
        Counts { packs: u32::try_from(packs.len()).unwrap_or(u32::MAX), entries }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let counts = Self::counts(&self.packs);
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&counts.packs.to_le_bytes());
        out.extend_from_slice(&counts.entries.to_le_bytes());
        self.packs.iter().for_each(|pack| pack.write(&mut out));
        for page in &self.pages {
            out.extend_from_slice(&page.first.to_be_bytes());
            out.extend_from_slice(&page.crc.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads everything before the entries.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(covered) != u32::from_le_bytes(*crc) {
            return None;
        }
        let counts = Counts::parse(covered)?;
        let mut fields = Fields(covered.get(START_BYTES..)?);
        let packs: Vec<CoveredPack> =
            (0..counts.packs).map_while(|_| CoveredPack::parse(&mut fields)).collect();
        let pages: Vec<PageMark> = (0..counts.pages())
            .map_while(|_| {
                let first = fields.take().map(u64::from_be_bytes)?;
                Some(PageMark { first, crc: fields.u32()? })
            })
            .collect();
        let entries = packs.iter().try_fold(0_u64, |sum, pack| sum.checked_add(pack.entries));
        let fits = fields.0.is_empty()
            && pages.len() as u64 == counts.pages()
            && packs.len() as u64 == u64::from(counts.packs)
            && entries == Some(counts.entries)
            && packs.is_sorted_by(|a, b| a.id < b.id)
            && pages.is_sorted_by_key(|page| page.first);
        fits.then_some(Self { packs, pages })
    }
}

/// Returns the name of the file that covers these packs.
pub(in crate::pack) fn file_name(packs: &[CoveredPack]) -> String {
    let mut list = Vec::new();
    packs.iter().for_each(|pack| pack.write(&mut list));
    let cid = cid_of(Codec::Raw, &list);
    let start = cid.hash().digest().first_chunk::<16>().copied().unwrap_or_default();
    format!("{:032x}{EXTENSION}", u128::from_be_bytes(start))
}

/// Returns whether a file of this name is a multi-pack index.
pub(crate) fn is_file_name(name: &str) -> bool {
    name.strip_suffix(EXTENSION).is_some_and(|stem| PackId::parse(stem).is_some())
}

/// Fields of fixed sizes, taken off the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;

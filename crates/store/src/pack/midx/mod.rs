//! Multi-pack indexes: where the blocks of many sealed packs are, in one sorted file.
//!
//! A derived thing that can be thrown away: what it says stands in the packs' own indexes too. It
//! spares opening each pack's index, and asking one pack after the other. `format` is the byte
//! layout, `merge` writes a file, `check` holds one against the packs; which packs count is not
//! known here. Only the head is read when a file is opened; a page is read when it is first
//! needed, held against its checksum, and kept.

mod check;
mod format;
mod merge;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(super) use self::check::{Mismatch, compare};
pub(crate) use self::format::is_file_name;
pub(super) use self::format::{CoveredPack, Entry, UsualKey, file_name};
pub(super) use self::merge::{Failure, Source, write};

use self::format::{
    Counts, ENTRY_BYTES, Head, PAGE_ENTRIES, Page, PageMark, START_BYTES, expected_place,
    lower_bound,
};
use super::index::{SealedIndex, Span};
use crate::disk::{Disk, DiskFile, OpenMode, read_vec};

/// The largest head that is read, in bytes: that of 10^11 blocks in 10^6 packs.
const HEAD_BYTES_MAX: u64 = 1 << 30;

/// A page cannot be read, or is not what its checksum says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DamagedPage {
    /// Where it begins in the file, in bytes.
    pub(super) offset: u64,
}

/// An open multi-pack index. It goes on to work when its file is removed.
#[derive(Debug)]
pub(super) struct Midx {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    packs: Vec<CoveredPack>,
    entries: u64,
    entries_offset: u64,
    /// The beginnings of the pages' first digests: side by side, since every lookup searches them.
    firsts: Vec<u64>,
    pages: Vec<KeptPage>,
}

#[derive(Debug)]
struct KeptPage {
    crc: u32,
    content: OnceLock<Vec<u8>>,
}

impl Midx {
    /// Opens a file; none if it is no sound multi-pack index. Its pages are not read.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Option<Self>> {
        let file = disk.open(path, OpenMode::Read)?;
        let Some(counts) = Counts::parse(&read_vec(file.as_ref(), 0, START_BYTES)?) else {
            return Ok(None);
        };
        let head_bytes = counts.entries_offset().filter(|bytes| *bytes <= HEAD_BYTES_MAX);
        let size = file.size()?;
        let Some(entries_offset) = head_bytes.filter(|_| counts.file_bytes() == Some(size)) else {
            return Ok(None);
        };
        let len = usize::try_from(entries_offset).unwrap_or(usize::MAX);
        let Some(Head { packs, pages }) = Head::parse(&read_vec(file.as_ref(), 0, len)?) else {
            return Ok(None);
        };
        let firsts = pages.iter().map(|mark| mark.first).collect();
        let pages = pages.iter().map(|PageMark { crc, .. }| KeptPage::unread(*crc)).collect();
        let (path, entries) = (path.to_owned(), counts.entries);
        Ok(Some(Self { path, file, packs, entries, entries_offset, firsts, pages }))
    }

    /// Returns the file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the packs that are covered, by name.
    pub(super) fn packs(&self) -> &[CoveredPack] {
        &self.packs
    }

    /// Returns the size of the file in bytes.
    pub(super) fn file_bytes(&self) -> u64 {
        self.entries_offset + self.entries * ENTRY_BYTES as u64
    }

    /// Returns the number of entries.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Tells `found` each place where the block is, by rising number of the pack.
    pub(super) fn lookup(
        &self,
        key: &UsualKey,
        mut found: impl FnMut(u32, Span),
    ) -> Result<(), DamagedPage> {
        let beginning = key.beginning();
        let expected = expected_place(beginning, 0, u64::MAX, self.firsts.len());
        let mut number =
            lower_bound(&self.firsts, expected, |first| *first < beginning).saturating_sub(1);
        loop {
            let page = self.page(number)?;
            for entry in page.find(key, self.guess(number, page.len(), beginning)) {
                found(entry.pack, entry.span);
            }
            number += 1;
            // Copies of a block may go on in the next page.
            if self.firsts.get(number).is_none_or(|first| *first > beginning) {
                return Ok(());
            }
        }
    }

    /// Returns where in a page a digest of this beginning should be, digests being even.
    fn guess(&self, number: usize, entries: usize, beginning: u64) -> usize {
        let first = self.firsts.get(number).copied().unwrap_or_default();
        let next = self.firsts.get(number + 1).copied().unwrap_or(u64::MAX);
        expected_place(beginning, first, next, entries)
    }

    /// Returns a page, reading it if need be.
    fn page(&self, number: usize) -> Result<Page<'_>, DamagedPage> {
        let damaged = DamagedPage { offset: self.page_offset(number) };
        let page = self.pages.get(number).ok_or(damaged)?;
        if page.content.get().is_none() {
            // Another thread may have been faster; it read the same.
            let _kept = page.content.set(self.read_page(number)?);
        }
        page.content.get().map(|content| Page::new(content)).ok_or(damaged)
    }

    /// Reads a page and holds it against its checksum.
    fn read_page(&self, number: usize) -> Result<Vec<u8>, DamagedPage> {
        let offset = self.page_offset(number);
        let before = (number * PAGE_ENTRIES) as u64;
        let entries = self.entries.saturating_sub(before).min(PAGE_ENTRIES as u64);
        let len = usize::try_from(entries).unwrap_or_default() * ENTRY_BYTES;
        let content = read_vec(self.file.as_ref(), offset, len).ok();
        let crc = self.pages.get(number).map(|page| page.crc);
        content
            .filter(|content| content.len() == len && Some(crc32c::crc32c(content)) == crc)
            .ok_or(DamagedPage { offset })
    }

    fn page_offset(&self, number: usize) -> u64 {
        self.entries_offset + (number * PAGE_ENTRIES * ENTRY_BYTES) as u64
    }
}

/// Returns the entries of a pack by its own index, in order; none if it lists a multihash that
/// is not usual, or one twice. Such a pack is left to its own index.
pub(super) fn entries_of_pack(own: &SealedIndex, number: u32) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(own.len());
    for (code, digest, span) in own.sections() {
        let key = UsualKey::new(code, digest)?;
        entries.push(Entry { key, pack: number, span: span? });
    }
    entries.sort_unstable_by_key(Entry::order);
    let is_strict = entries.is_sorted_by(|a, b| a.key < b.key);
    is_strict.then_some(entries)
}

impl KeptPage {
    fn unread(crc: u32) -> Self {
        Self { crc, content: OnceLock::new() }
    }
}

#[cfg(test)]
mod tests;

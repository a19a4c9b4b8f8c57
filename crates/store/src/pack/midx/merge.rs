//! Writes a multi-pack index from entries in memory and from smaller ones.
//!
//! Smaller ones are read a page at a time, so that memory is needed for what is new alone.

use super::format::{CoveredPack, Entry, Head, PAGE_ENTRIES, Page, PageMark};
use super::{DamagedPage, Midx};
use crate::disk::DiskFile;

/// Entries in order.
#[derive(Debug)]
pub(in crate::pack) enum Source<'a> {
    /// Of packs that no index covers yet.
    New(std::vec::IntoIter<Entry>),
    /// Of another index.
    Old(Old<'a>),
}

/// The entries of another index.
#[derive(Debug)]
pub(in crate::pack) struct Old<'a> {
    midx: &'a Midx,
    /// The new numbers of its packs; none for a pack that is left out.
    numbers: Vec<Option<u32>>,
    page: std::vec::IntoIter<Entry>,
    next_page: usize,
}

/// Why an index could not be written.
#[derive(Debug)]
pub(in crate::pack) enum Failure {
    /// A source is damaged.
    Source(DamagedPage),
    /// The disk refuses.
    Disk(std::io::Error),
}

impl<'a> Source<'a> {
    /// Takes entries in any order.
    pub(in crate::pack) fn of_entries(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by_key(Entry::order);
        Self::New(entries.into_iter())
    }

    /// Takes the entries of another index. `numbers` are the new numbers of its packs and must
    /// rise; none leaves a pack out.
    pub(in crate::pack) fn of_midx(midx: &'a Midx, numbers: Vec<Option<u32>>) -> Self {
        Self::Old(Old { midx, numbers, page: Vec::new().into_iter(), next_page: 0 })
    }

    fn next(&mut self) -> Result<Option<Entry>, DamagedPage> {
        match self {
            Self::New(entries) => Ok(entries.next()),
            Self::Old(old) => old.next(),
        }
    }
}

impl Old<'_> {
    fn next(&mut self) -> Result<Option<Entry>, DamagedPage> {
        loop {
            for entry in self.page.by_ref() {
                let place = usize::try_from(entry.pack).unwrap_or(usize::MAX);
                if let Some(pack) = self.numbers.get(place).copied().flatten() {
                    return Ok(Some(Entry { pack, ..entry }));
                }
            }
            if self.next_page >= self.midx.pages.len() {
                return Ok(None);
            }
            let content = self.midx.read_page(self.next_page)?;
            let entries: Vec<Entry> = Page::new(&content).entries().collect();
            self.page = entries.into_iter();
            self.next_page += 1;
        }
    }
}

/// Writes the index of `packs`, which rise by name, to an empty file. It is not synced yet.
///
/// The head is written last, since it has the checksums of the pages.
pub(in crate::pack) fn write(
    file: &dyn DiskFile,
    packs: &[CoveredPack],
    mut sources: Vec<Source<'_>>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let entries_offset = Head::counts(packs).entries_offset().unwrap_or(u64::MAX);
    let mut pages = Pages { file, offset: entries_offset, entries: Vec::new(), marks: Vec::new() };
    let mut fronts = Vec::with_capacity(sources.len());
    for source in &mut sources {
        fronts.push(source.next().map_err(Failure::Source)?);
    }
    let mut done = 0;
    loop {
        let rest = fronts.iter_mut().zip(&mut sources).filter(|(front, _)| front.is_some());
        let least = rest.min_by_key(|(front, _)| front.as_ref().map(Entry::order));
        let Some((front, source)) = least else { break };
        if let Some(entry) = front.take() {
            pages.push(entry).map_err(Failure::Disk)?;
        }
        *front = source.next().map_err(Failure::Source)?;
        done += 1;
        if done % (PAGE_ENTRIES as u64) == 0 {
            progress(done);
        }
    }
    pages.end_page().map_err(Failure::Disk)?;
    let head = Head { packs: packs.to_vec(), pages: pages.marks };
    debug_assert_eq!(done, Head::counts(packs).entries, "each pack has the entries it says");
    file.write_at(0, &head.to_bytes()).map_err(Failure::Disk)
}

/// The pages of a file that is being written.
struct Pages<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
    entries: Vec<Entry>,
    marks: Vec<PageMark>,
}

impl Pages<'_> {
    fn push(&mut self, entry: Entry) -> std::io::Result<()> {
        self.entries.push(entry);
        if self.entries.len() == PAGE_ENTRIES { self.end_page() } else { Ok(()) }
    }

    /// Writes a page, if there is anything to write.
    fn end_page(&mut self) -> std::io::Result<()> {
        let Some(first) = self.entries.first().map(|entry| entry.key.beginning()) else {
            return Ok(());
        };
        let content = Page::bytes_of(&self.entries);
        self.file.write_at(self.offset, &content)?;
        self.offset += content.len() as u64;
        self.marks.push(PageMark { first, crc: crc32c::crc32c(&content) });
        self.entries.clear();
        Ok(())
    }
}

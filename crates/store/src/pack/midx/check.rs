//! Holds a multi-pack index against itself and against the packs' own indexes.

use super::format::{Entry, Page};
use super::{Midx, UsualKey, entries_of_pack};
use crate::pack::index::SealedIndex;

/// What is wrong with an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pack) struct Mismatch {
    /// Where in the file, in bytes.
    pub(in crate::pack) offset: u64,
    pub(in crate::pack) detail: String,
}

impl Mismatch {
    fn new(offset: u64, detail: impl Into<String>) -> Self {
        Self { offset, detail: detail.into() }
    }
}

impl Midx {
    /// Reads all pages: whether they are what their checksums say, sorted, and of as many entries
    /// of each pack as the head says.
    pub(in crate::pack) fn verify(&self) -> Result<(), Mismatch> {
        let mut counts = vec![0_u64; self.packs.len()];
        let mut last: Option<(UsualKey, u32)> = None;
        for number in 0..self.pages.len() {
            let content = self
                .read_page(number)
                .map_err(|damaged| Mismatch::new(damaged.offset, "a page is damaged"))?;
            let page = Page::new(&content);
            let first = page.entries().next().map(|entry| entry.key.beginning());
            let is_good = self.firsts.get(number).copied() == first
                && page.entries().all(|entry| is_rising(&mut last, &entry))
                && page.entries().all(|entry| count(&mut counts, &entry));
            if !is_good {
                return Err(Mismatch::new(self.page_offset(number), "a page is not in order"));
            }
        }
        let is_whole = self.packs.iter().zip(&counts).all(|(pack, count)| pack.entries == *count);
        is_whole.then_some(()).ok_or_else(|| Mismatch::new(0, "entries are missing"))
    }
}

fn is_rising(last: &mut Option<(UsualKey, u32)>, entry: &Entry) -> bool {
    let order = Some(entry.order());
    std::mem::replace(last, order) < order
}

/// Counts an entry for its pack; false if there is no such pack.
fn count(counts: &mut [u64], entry: &Entry) -> bool {
    let place = usize::try_from(entry.pack).unwrap_or(usize::MAX);
    counts.get_mut(place).map(|count| *count += 1).is_some()
}

/// Holds what `midx` says of its pack `number` against the pack's own index.
pub(in crate::pack) fn compare(
    midx: &Midx,
    number: u32,
    own: &SealedIndex,
) -> Result<(), Mismatch> {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let listed = midx.packs.get(place).map(|pack| pack.entries);
    let is_whole = |entries: &Vec<Entry>| listed == Some(entries.len() as u64);
    let Some(entries) = entries_of_pack(own, number).filter(is_whole) else {
        return Err(Mismatch::new(0, "it lists other blocks than the pack's own index"));
    };
    for entry in entries {
        let mut is_listed = false;
        let looked = midx.lookup(&entry.key, |pack, span| {
            is_listed |= pack == number && span == entry.span;
        });
        if looked.is_err() || !is_listed {
            let detail = format!("the block at byte {} of a pack is not listed", entry.span.offset);
            return Err(Mismatch::new(0, detail));
        }
    }
    Ok(())
}

//! Part lists: blocks that list neighbouring parts, or neighbouring lists of one height.
//!
//! A link says what is below it: how many parts and rows, and what is known of their columns. All
//! of that follows from the list that it leads to, and is compared with it when the list is read.
//! Where lists end is for [`super::tree`] to say.

use std::borrow::{Borrow, Cow};

use cidlake_block::codec::dag_cbor;
use cidlake_block::{Block, Cid, Codec};
use serde::{Deserialize, Serialize};

use super::{Part, check_columns};
use crate::commit::{CommitError, CommitFault};
use crate::limits::{
    PART_LIST_BYTES_MAX, PART_LIST_HEIGHT_MAX, PART_LIST_LINK_BYTES_MAX, PARTS_MAX,
};
use crate::stats::{ColumnStats, join};
use crate::wire::{self, Version};

/// At most so many bytes of a list block are not entries: two keys, the version, and array and map
/// heads.
const LIST_OVERHEAD_BYTES: usize = 32;
/// What the entries of one list may take.
pub(super) const ENTRIES_BYTES_MAX: usize = PART_LIST_BYTES_MAX - LIST_OVERHEAD_BYTES;

/// A link to a part list, in a commit or in a list above it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartListLink {
    /// The list's block.
    pub cid: Cid,
    /// 0 for a list of parts, n for a list of links of height n - 1.
    pub height: u8,
    /// How many parts are below it.
    pub parts: u64,
    /// Rows of these parts.
    pub rows: u64,
    /// Bytes of these parts.
    pub bytes: u64,
    /// What is known of each column of these parts together, in schema order: sums, and the
    /// outermost bounds. Empty where a part says nothing, or there is no room for it.
    pub columns: Vec<ColumnStats>,
}

/// What a part list holds; never nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum PartList {
    /// The records of parts, in row order.
    Parts(Vec<Part>),
    /// Links of lists that are one lower, in row order.
    Links(Vec<PartListLink>),
}

/// What a list of one height has: parts, or links.
pub(super) trait Entry: Clone + PartialEq + Serialize {
    /// Returns the address by which it is decided whether a list ends behind it.
    fn cid(&self) -> &Cid;

    /// Checks every rule of an entry by itself.
    fn check(&self) -> Result<(), CommitFault>;

    /// Returns the entry with as many statistics as there is room for, and its encoded size.
    fn fitted(&self) -> Result<(Cow<'_, Self>, usize), CommitError>;

    /// Makes the block of a list of entries.
    fn block(entries: &[Cow<'_, Self>]) -> Result<Block, CommitError>;

    /// Returns the link to a list of entries, whose block has the address `cid`.
    fn link<E: Borrow<Self>>(cid: Cid, entries: &[E]) -> Result<PartListLink, CommitFault>;
}

/// The block of a list of parts: of owned ones when decoded, of borrowed ones when encoded.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parts<P> {
    pub(super) v: Version,
    pub(super) parts: P,
}

/// The block of a list of links.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lists<L> {
    pub(super) v: Version,
    pub(super) lists: L,
}

/// Returns what the block of a list of this height holds.
///
/// # Errors
/// Anything that no list of this height has, but for where it ends.
pub fn decode_part_list(block: &Block, height: u8) -> Result<PartList, CommitError> {
    let refused = |source| CommitError::Refused { cid: *block.cid(), source };
    if height == 0 {
        let list: Parts<Vec<Part>> = wire::decode(block, "part list", PART_LIST_BYTES_MAX)?;
        check_entries(&list.parts).map_err(refused)?;
        return Ok(PartList::Parts(list.parts));
    }
    let list: Lists<Vec<PartListLink>> =
        wire::decode(block, "list of part lists", PART_LIST_BYTES_MAX)?;
    check_links(&list.lists, height.checked_sub(1)).map_err(refused)?;
    Ok(PartList::Links(list.lists))
}

/// Checks links that stand side by side, in a list or in a commit.
pub(crate) fn check_links(links: &[PartListLink], height: Option<u8>) -> Result<(), CommitFault> {
    let height = height.or_else(|| links.first().map(|link| link.height));
    if let Some(other) = links.iter().find(|link| Some(link.height) != height) {
        return Err(CommitFault::BadHeight { list: other.cid, height: other.height });
    }
    check_entries(links)
}

fn check_entries<E: Entry>(entries: &[E]) -> Result<(), CommitFault> {
    if entries.is_empty() {
        return Err(CommitFault::EmptyList);
    }
    entries.iter().try_for_each(Entry::check)?;
    // No sum over them is beyond what can be counted.
    let any_address = *entries.first().ok_or(CommitFault::EmptyList)?.cid();
    E::link(any_address, entries).map(drop)
}

impl PartListLink {
    /// Checks that `list` is what this link says.
    ///
    /// # Errors
    /// [`CommitError::Refused`] where it has other sums or other statistics.
    pub fn check_list(&self, list: &PartList) -> Result<(), CommitError> {
        let link = match list {
            PartList::Parts(parts) => Part::link(self.cid, parts),
            PartList::Links(links) => Self::link(self.cid, links),
        };
        let refused = |source| CommitError::Refused { cid: self.cid, source };
        let link = link.map_err(refused)?;
        let (link, _) = link.fitted()?;
        if *link == *self {
            return Ok(());
        }
        Err(refused(CommitFault::ListDiffers { list: self.cid }))
    }

    /// Decodes the block of this list, and checks that it is what this link says.
    ///
    /// # Errors
    /// Whatever is wrong with the block, or differs from the link.
    pub fn decode(&self, block: &Block) -> Result<PartList, CommitError> {
        let list = decode_part_list(block, self.height)?;
        self.check_list(&list)?;
        Ok(list)
    }
}

impl Entry for Part {
    fn cid(&self) -> &Cid {
        &self.cid
    }

    fn check(&self) -> Result<(), CommitFault> {
        Self::check(self)
    }

    fn fitted(&self) -> Result<(Cow<'_, Self>, usize), CommitError> {
        let (part, bytes) = fitted(self, ENTRIES_BYTES_MAX, |part| &mut part.columns)?;
        if bytes > ENTRIES_BYTES_MAX {
            let source = CommitFault::PartTooLarge { part: self.cid, bytes };
            return Err(CommitError::Invalid { source });
        }
        Ok((part, bytes))
    }

    fn block(entries: &[Cow<'_, Self>]) -> Result<Block, CommitError> {
        encoded(&Parts { v: Version, parts: entries })
    }

    fn link<E: Borrow<Self>>(cid: Cid, entries: &[E]) -> Result<PartListLink, CommitFault> {
        let parts = || entries.iter().map(Borrow::borrow);
        let joined: Vec<_> = parts().map(|part| (part.rows, &part.columns[..])).collect();
        Ok(PartListLink {
            cid,
            height: 0,
            parts: entries.len() as u64,
            rows: sum(parts().map(|part| part.rows)).ok_or(CommitFault::TooManyRows)?,
            bytes: sum(parts().map(|part| part.bytes)).ok_or(CommitFault::TooManyBytes)?,
            columns: join(&joined),
        })
    }
}

impl Entry for PartListLink {
    fn cid(&self) -> &Cid {
        &self.cid
    }

    fn check(&self) -> Result<(), CommitFault> {
        if self.cid.codec() != Codec::DagCbor.code() {
            let (what, wanted, cid) = ("part list", "DAG-CBOR", self.cid);
            return Err(CommitFault::ForeignLink { what, wanted, cid });
        }
        if self.height > PART_LIST_HEIGHT_MAX {
            return Err(CommitFault::BadHeight { list: self.cid, height: self.height });
        }
        if self.parts == 0 {
            return Err(CommitFault::EmptyList);
        }
        check_columns(self.cid, &self.columns)
    }

    fn fitted(&self) -> Result<(Cow<'_, Self>, usize), CommitError> {
        fitted(self, PART_LIST_LINK_BYTES_MAX, |link| &mut link.columns)
    }

    fn block(entries: &[Cow<'_, Self>]) -> Result<Block, CommitError> {
        encoded(&Lists { v: Version, lists: entries })
    }

    fn link<E: Borrow<Self>>(cid: Cid, entries: &[E]) -> Result<PartListLink, CommitFault> {
        let links = || entries.iter().map(Borrow::borrow);
        let joined: Vec<_> = links().map(|link| (link.rows, &link.columns[..])).collect();
        let below = links().map(|link| link.height).max().unwrap_or_default();
        let parts = sum(links().map(|link| link.parts)).filter(|parts| *parts <= PARTS_MAX);
        Ok(Self {
            cid,
            height: below.saturating_add(1),
            parts: parts.ok_or(CommitFault::TooManyParts)?,
            rows: sum(links().map(|link| link.rows)).ok_or(CommitFault::TooManyRows)?,
            bytes: sum(links().map(|link| link.bytes)).ok_or(CommitFault::TooManyBytes)?,
            columns: join(&joined),
        })
    }
}

/// Returns the entry without bounds, or without statistics, where it takes more than `bytes_max`
/// with them; and its encoded size.
fn fitted<E: Clone + Serialize>(
    entry: &E,
    bytes_max: usize,
    columns: fn(&mut E) -> &mut Vec<ColumnStats>,
) -> Result<(Cow<'_, E>, usize), CommitError> {
    let size = |entry: &E| {
        let encoded = dag_cbor::encode(entry).map_err(|source| CommitError::Encode { source })?;
        Ok::<usize, CommitError>(encoded.len())
    };
    let bytes = size(entry)?;
    if bytes <= bytes_max {
        return Ok((Cow::Borrowed(entry), bytes));
    }
    let mut reduced = entry.clone();
    columns(&mut reduced).iter_mut().for_each(ColumnStats::forget_bounds);
    if size(&reduced)? > bytes_max {
        columns(&mut reduced).clear();
    }
    let bytes = size(&reduced)?;
    Ok((Cow::Owned(reduced), bytes))
}

fn encoded(list: &impl Serialize) -> Result<Block, CommitError> {
    let block = dag_cbor::block(list).map_err(|source| CommitError::Encode { source })?;
    assert!(block.data().len() <= PART_LIST_BYTES_MAX, "a list is closed before it is too large");
    Ok(block)
}

/// Adds numbers up; `None` where the sum cannot be counted.
pub(crate) fn sum(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
    numbers.try_fold(0_u64, u64::checked_add)
}

#[cfg(test)]
mod tests;

//! The tree of the part lists of a table: where lists end, and how parts are put behind others.
//!
//! Every level is cut by content: whether a list ends behind an entry is a matter of the entry's
//! address and of the entries before it in the same list. So two commits that share a long run of
//! parts share the lists inside it, and an edit writes the lists around it anew and no others. A
//! level of more lists than a commit links is listed by a level above it.
//!
//! The last list of a level may be open: what comes behind it may belong into it. Everything
//! before it is settled, which is why parts are appended by reading the right edge alone.

use std::borrow::Cow;
use std::collections::HashSet;

use cidlake_block::{Block, Cid};

use super::list::{ENTRIES_BYTES_MAX, Entry, PartListLink};
use super::{Part, walk};
use crate::commit::{CommitError, CommitFault};
use crate::limits::{
    PART_LIST_ENTRIES_AVERAGE, PART_LIST_LINK_BYTES_MAX, PART_LIST_LINKS_MIN, PART_LISTS_MAX,
    PARTS_MAX,
};

/// The part lists of a table.
#[derive(Clone, Debug, Default)]
pub struct PartTree {
    /// What the commit links: the lists of the highest level, in row order.
    pub top: Vec<PartListLink>,
    /// The blocks of lists, lower levels first: all of them, or those that are new.
    pub blocks: Vec<Block>,
}

/// Lists `parts`, in their order.
///
/// No parts make no lists. A part of a table so wide that its record alone would fill a block
/// is listed without least and greatest values, or without any statistics of columns.
///
/// # Errors
/// The first rule that a part breaks.
pub fn part_tree(parts: &[Part]) -> Result<PartTree, CommitError> {
    let mut tree = PartTree::default();
    tree.top = tree.cut_parts(&[], parts)?;
    tree.grow()?;
    tree.check()
}

/// Puts `new` parts behind those of the lists `top` of a commit, which `fetch` gives the blocks
/// of. Only the last list of each level is read. The result links what [`part_tree`] of all parts
/// together links; of the blocks it has those that are not among the ones read.
///
/// # Errors
/// What `fetch` says, what is wrong with the lists, and the first rule that a part breaks.
pub fn append_parts<E: From<CommitError>>(
    top: &[PartListLink],
    fetch: &mut dyn FnMut(&Cid) -> Result<Block, E>,
    new: &[Part],
) -> Result<PartTree, E> {
    let (edge, open) = walk::right_edge(top, fetch)?;
    let known: HashSet<Cid> = edge.iter().filter_map(|level| Some(level.last()?.cid)).collect();
    let mut tree = PartTree::default();
    let mut links = tree.cut_parts(&open, new)?;
    // Each level but the top one is what is settled below its last list, and what came anew.
    let mut levels = edge.into_iter().rev().peekable();
    while let Some(mut level) = levels.next() {
        level.pop();
        level.append(&mut links);
        links = if levels.peek().is_some() { tree.cut_links(&level)? } else { level };
    }
    tree.top = links;
    tree.grow()?;
    let mut tree = tree.check()?;
    tree.blocks.retain(|block| !known.contains(block.cid()));
    Ok(tree)
}

impl PartTree {
    /// Adds levels until a commit may link the highest.
    fn grow(&mut self) -> Result<(), CommitError> {
        while self.top.len() > PART_LISTS_MAX {
            let top = std::mem::take(&mut self.top);
            self.top = self.cut_links(&top)?;
        }
        Ok(())
    }

    /// Refuses more parts than a table may have.
    fn check(self) -> Result<Self, CommitError> {
        let parts: u64 = self.top.iter().map(|link| link.parts).sum();
        if parts > PARTS_MAX {
            return Err(CommitError::Invalid { source: CommitFault::TooManyParts });
        }
        Ok(self)
    }

    /// Lists the parts of an open list, and others behind them.
    fn cut_parts(&mut self, open: &[Part], new: &[Part]) -> Result<Vec<PartListLink>, CommitError> {
        let mut cut = Cut::default();
        for part in open.iter().chain(new) {
            part.check().map_err(|source| CommitError::Invalid { source })?;
            let (part, bytes) = part.fitted()?;
            // The part that has no room was the first of its list before, and is so again.
            if cut.bytes + bytes > ENTRIES_BYTES_MAX {
                cut.close(&mut self.blocks)?;
            }
            let ends = ends_list(&part.cid);
            cut.push(part, bytes);
            if ends {
                cut.close(&mut self.blocks)?;
            }
        }
        cut.finish(&mut self.blocks)
    }

    /// Lists a level of lists.
    fn cut_links(&mut self, links: &[PartListLink]) -> Result<Vec<PartListLink>, CommitError> {
        let mut cut = Cut::default();
        for link in links {
            let (link, bytes) = link.fitted()?;
            let ends = ends_list(&link.cid);
            cut.push(link, bytes);
            // Full as soon as the largest link might not fit: what comes next may yet change.
            let is_full = cut.bytes > ENTRIES_BYTES_MAX - PART_LIST_LINK_BYTES_MAX;
            if is_full || (ends && cut.open.len() >= PART_LIST_LINKS_MIN) {
                cut.close(&mut self.blocks)?;
            }
        }
        cut.finish(&mut self.blocks)
    }
}

/// A level while it is cut.
struct Cut<'a, E: Entry> {
    /// The entries of the list that is open, and their bytes.
    open: Vec<Cow<'a, E>>,
    bytes: usize,
    /// Links of the lists that are closed.
    links: Vec<PartListLink>,
}

impl<E: Entry> Default for Cut<'_, E> {
    fn default() -> Self {
        Self { open: Vec::new(), bytes: 0, links: Vec::new() }
    }
}

impl<'a, E: Entry> Cut<'a, E> {
    fn push(&mut self, entry: Cow<'a, E>, bytes: usize) {
        self.open.push(entry);
        self.bytes += bytes;
    }

    /// Makes a block of the open list and begins another.
    fn close(&mut self, blocks: &mut Vec<Block>) -> Result<(), CommitError> {
        let entries = std::mem::take(&mut self.open);
        self.bytes = 0;
        let block = E::block(&entries)?;
        let link = E::link::<Cow<'_, E>>(*block.cid(), &entries)
            .map_err(|source| CommitError::Invalid { source })?;
        self.links.push(link.fitted()?.0.into_owned());
        blocks.push(block);
        Ok(())
    }

    fn finish(mut self, blocks: &mut Vec<Block>) -> Result<Vec<PartListLink>, CommitError> {
        if !self.open.is_empty() {
            self.close(blocks)?;
        }
        Ok(self.links)
    }
}

/// Says whether a list may end behind this entry: a matter of its address alone.
pub(super) fn ends_list(cid: &Cid) -> bool {
    let mut start = [0; 8];
    // The digest of an inlined part may be shorter; what it lacks counts as zero.
    for (to, from) in start.iter_mut().zip(cid.hash().digest()) {
        *to = *from;
    }
    u64::from_be_bytes(start) & (PART_LIST_ENTRIES_AVERAGE - 1) == 0
}

#[cfg(test)]
mod tests;

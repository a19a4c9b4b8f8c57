//! Brings blocks to safety that were put under a hold and would go with a retired pack.
//!
//! A put that found a block in some pack wrote nothing. If that pack is retired before the commit
//! that refers to the block, the block is copied out of it: the hold keeps its file there. The same
//! goes for blocks that were written and never referred to before their pack was collected. A block
//! that was here and is in no pack any more, kept or counted, fails the commit: that it is safe can
//! only be said of what was found.

use cidlake_block::{Block, Cid};

use crate::commit::Parts;
use crate::error::StoreError;
use crate::hold::Hold;
use crate::locked::lock;
use crate::pack::{PackSet, corrupt};

/// How many bytes of blocks are held in memory before they are written.
const BATCH_BYTES: usize = 4 << 20;

/// Makes sure that all blocks that were put under `hold` are in packs that count.
pub(crate) fn rescue(parts: &Parts<'_>, hold: &Hold) -> Result<(), StoreError> {
    // What is retired after this is looked at the next time.
    parts.refresh()?;
    let last_retired = parts.packs.last_retired();
    if !hold.is_behind(last_retired) {
        return Ok(());
    }
    let mut batch = Batch::default();
    for (cid, was_here) in hold.blocks() {
        if parts.packs.find(&cid)?.is_some() {
            continue;
        }
        match read_kept(parts.packs, &cid)? {
            Some(block) => batch.push(parts, block)?,
            // A commit that refers to it would be acknowledged without it.
            None if was_here => return Err(StoreError::Vanished { cid }),
            None => {}
        }
    }
    batch.write(parts)?;
    hold.is_safe_up_to(last_retired);
    Ok(())
}

/// Reads a block from the retired packs that this process keeps. `None` when it is in none.
pub(crate) fn read_kept(packs: &PackSet, cid: &Cid) -> Result<Option<Block>, StoreError> {
    let mut failure = None;
    for (pack, span) in packs.find_kept(cid)? {
        match packs.read_stored(&pack, span) {
            Ok(Some(block)) if block.cid().hash() == cid.hash() => return Ok(Some(block)),
            Ok(_) => failure = Some(corrupt(cid, pack.id, span.offset)),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(None), Err)
}

/// Blocks on their way into the pack of this process.
#[derive(Debug, Default)]
struct Batch {
    blocks: Vec<Block>,
    bytes: usize,
}

impl Batch {
    /// Takes a block in, and writes what there is where that is enough.
    fn push(&mut self, parts: &Parts<'_>, block: Block) -> Result<(), StoreError> {
        self.bytes += block.len();
        self.blocks.push(block);
        if self.bytes < BATCH_BYTES { Ok(()) } else { self.write(parts) }
    }

    /// Writes what there is.
    fn write(&mut self, parts: &Parts<'_>) -> Result<(), StoreError> {
        let blocks = std::mem::take(&mut self.blocks);
        self.bytes = 0;
        if blocks.is_empty() {
            return Ok(());
        }
        let refresh = || parts.refresh();
        let mut writer = lock(parts.writer);
        writer.heal(parts.packs, &refresh)?;
        writer.append(parts.packs, &blocks.iter().collect::<Vec<_>>(), &refresh)
    }
}

#[cfg(test)]
mod tests;

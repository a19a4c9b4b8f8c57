//! Reads of many blocks at once.
//!
//! What lies side by side in a pack is read with one call, and the blocks are slices of what was
//! read. Anything unusual about a block is left to the way of single blocks, which looks for
//! other copies.

use std::sync::Arc;

use cidlake_block::{Block, Cid};

use super::{Store, inline};
use crate::error::StoreError;
use crate::pack::{Pack, Span, block_in_section};

/// The most that is read at once, in bytes.
const READ_BYTES_MAX: u64 = 8 << 20;

/// How far apart two blocks may be to be read at once, in bytes: reading that much more costs
/// less than another call.
const GAP_BYTES_MAX: u64 = 16 << 10;

/// A block to be read.
#[derive(Debug)]
struct Want {
    /// Its number in the request.
    at: usize,
    cid: Cid,
    pack: Arc<Pack>,
    span: Span,
}

/// Returns blocks in the order asked for.
pub(super) fn get_many(store: &Store, cids: &[Cid]) -> Result<Vec<Option<Block>>, StoreError> {
    let mut found: Vec<Option<Block>> =
        cids.iter().map(|cid| inline(cid).or_else(|| store.cache.get(cid))).collect();
    let mut wants = Vec::new();
    let mut is_fresh = false;
    for (at, (cid, place)) in cids.iter().zip(&mut found).enumerate() {
        if place.is_some() {
            continue;
        }
        let mut known = store.packs.find(cid)?;
        if known.is_none() && !is_fresh {
            store.refresh()?;
            is_fresh = true;
            known = store.packs.find(cid)?;
        }
        match known {
            Some((pack, span)) => wants.push(Want { at, cid: *cid, pack, span }),
            None => *place = store.read_block(cid)?,
        }
    }
    wants.sort_unstable_by_key(|want| (want.pack.id, want.span.offset));
    for run in wants.chunk_by(is_beside) {
        read_run(store, run, &mut found)?;
    }
    Ok(found)
}

fn is_beside(before: &Want, after: &Want) -> bool {
    before.pack.id == after.pack.id
        && after.span.offset <= before.span.end().saturating_add(GAP_BYTES_MAX)
}

/// Reads blocks that stand in order in one pack.
fn read_run(store: &Store, run: &[Want], found: &mut [Option<Block>]) -> Result<(), StoreError> {
    let mut rest = run;
    while let Some(first) = rest.first() {
        let begin = first.span.offset;
        let fits = |want: &&Want| want.span.end() - begin <= READ_BYTES_MAX;
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, next) = rest.split_at(count);
        let end = batch.iter().map(|want| want.span.end()).max().unwrap_or(begin);
        let len = usize::try_from(end - begin).unwrap_or(usize::MAX);
        let buffer = store.packs.read(&first.pack, begin, len);
        for want in batch {
            let from = usize::try_from(want.span.offset - begin).unwrap_or(usize::MAX);
            let section = buffer.as_ref().ok().and_then(|buffer| {
                let to = buffer.len().min(from.checked_add(want.span.len)?);
                (from <= to).then(|| (buffer.slice(from..to), buffer.len()))
            });
            let block = section.and_then(|(section, buffer_bytes)| {
                block_in_section(section, &want.cid, buffer_bytes)
            });
            let block = match block {
                Some(block) => Some(block),
                None => store.read_block(&want.cid)?,
            };
            if let Some(block) = &block {
                store.cache.insert(block);
            }
            if let Some(place) = found.get_mut(want.at) {
                *place = block;
            }
        }
        rest = next;
    }
    Ok(())
}

//! Copies live blocks, to a pack that this collection alone writes to.
//!
//! A commit of this process syncs its own pack and not this one, however much of that waits to be
//! synced. Copies are known to nobody until they are durable; from then on a put may find them, and
//! every commit announces them until one has. A collection that ends before leaves what it copied at
//! the end of a pack that nobody holds, where the next writer takes it in.

use std::collections::HashSet;

use cidlake_block::Block;

use super::pace::Pace;
use crate::commit::Parts;
use crate::error::StoreError;
use crate::locked::lock;
use crate::pack::{PackId, PackSet, PackWriter};

/// The most that is written at a time, in bytes: a commit that comes just then has to wait for it.
const PIECE_BYTES_MAX: u64 = 128 << 10;
/// A piece is at most this part of a pack.
const PIECE_SHARE: u64 = 8;

/// Writes the copies of one collection.
#[derive(Debug)]
pub(super) struct Copier<'a> {
    packs: &'a PackSet,
    writer: PackWriter,
    /// What is written next.
    piece: Vec<Block>,
    piece_bytes: u64,
    piece_bytes_max: u64,
}

impl<'a> Copier<'a> {
    /// Makes a copier that holds no pack yet, and will take none of those that are to go.
    pub(super) fn new(parts: &Parts<'a>, going: HashSet<PackId>) -> Self {
        let writer = lock(parts.writer).showing_late(parts.copied, going);
        let piece_bytes_max = PIECE_BYTES_MAX.min(writer.pack_bytes_max() / PIECE_SHARE);
        Self { packs: parts.packs, writer, piece: Vec::new(), piece_bytes: 0, piece_bytes_max }
    }

    /// Takes in a block, and writes a piece where there is one.
    pub(super) fn add(
        &mut self,
        parts: &Parts<'_>,
        pace: &Pace<'_>,
        block: Block,
    ) -> Result<(), StoreError> {
        self.piece_bytes += block.len() as u64;
        self.piece.push(block);
        if self.piece_bytes < self.piece_bytes_max { Ok(()) } else { self.write(parts, pace) }
    }

    fn write(&mut self, parts: &Parts<'_>, pace: &Pace<'_>) -> Result<(), StoreError> {
        pace.step();
        let piece = std::mem::take(&mut self.piece);
        self.piece_bytes = 0;
        let refresh = || parts.refresh();
        self.writer.append(self.packs, &piece.iter().collect::<Vec<_>>(), &refresh)
    }

    /// Makes all copies durable, and known. They are not announced: the record that retires the packs
    /// does that, or a commit before it.
    pub(super) fn show(&mut self, parts: &Parts<'_>, pace: &Pace<'_>) -> Result<(), StoreError> {
        if !self.piece.is_empty() {
            self.write(parts, pace)?;
        }
        pace.step();
        self.writer.show()
    }
}

impl Drop for Copier<'_> {
    /// The pack is for others to go on with.
    fn drop(&mut self) {
        self.writer.release(self.packs);
    }
}

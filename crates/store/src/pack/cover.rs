//! How multi-pack indexes come to count, and cease to.
//!
//! An index counts for a pack only as far as the log has announced the pack, and only if the
//! pack's file has the very seal that the index was made from; so it says nothing that the pack's
//! own index does not say. One that turns out to be damaged is dropped, and the packs' own
//! indexes take its place.

use std::io;
use std::sync::Arc;

use super::format::{SEAL_BYTES, head};
use super::index::{CoveredIndex, Index, OpenIndex};
use super::known::Cover;
use super::midx::{CoveredPack, Midx, is_file_name};
use super::{Pack, PackId, PackSet, reader};
use crate::disk::{OpenMode, read_vec};
use crate::error::StoreError;
use crate::locked::{lock, read, write};

impl PackSet {
    /// Gets to know the multi-pack indexes among the files of the folder. `catching_up` is held.
    pub(super) fn load_covers(&self, names: &[String]) {
        for name in names.iter().filter(|name| is_file_name(name)) {
            let path = self.folder.join(name);
            let known = read(&self.known);
            let is_known = known.covers().iter().any(|cover| cover.midx.path() == path);
            drop(known);
            if is_known {
                continue;
            }
            // One that cannot be read, or was removed meanwhile, is not missed.
            if let Ok(Some(midx)) = Midx::open(self.disk.as_ref(), &path) {
                self.cover(midx);
            }
        }
    }

    /// Lets `midx` be asked for the blocks of its packs. `catching_up` is held.
    pub(super) fn cover(&self, midx: Midx) {
        let packs: Vec<Option<Arc<Pack>>> =
            midx.packs().iter().map(|covered| self.coverable(covered)).collect();
        if packs.iter().all(Option::is_none) {
            return;
        }
        let cover = Arc::new(Cover { midx, packs });
        let mut announced = lock(&self.announced);
        cover.packs.iter().flatten().for_each(|pack| announced.keep_if_retired(pack));
        let mut known = write(&self.known);
        known.cover(Arc::clone(&cover));
        for (pack, covered) in cover.packs.iter().zip(cover.midx.packs()) {
            if let Some(pack) = pack {
                let blocks = usize::try_from(covered.entries).unwrap_or(usize::MAX);
                let index = CoveredIndex { blocks, data_end: covered.seal.data_end };
                *write(&pack.index) = Index::Covered(index);
            }
        }
    }

    /// Returns the pack if a multi-pack index may speak for it.
    fn coverable(&self, covered: &CoveredPack) -> Option<Arc<Pack>> {
        if !self.counts(covered) {
            return None;
        }
        let pack = match self.pack(covered.id) {
            Some(known) => self.is_known_whole(&known, covered).then_some(known)?,
            None => {
                let index = Index::Open(OpenIndex::default());
                Arc::new(Pack::new(covered.id, &self.folder, index))
            }
        };
        self.is_as_indexed(&pack, covered).is_ok_and(|is| is).then_some(pack)
    }

    /// Returns whether what is in memory of a pack is what the log announced of it and nothing
    /// else, so that it may be forgotten. Of an open pack this process may know blocks that it
    /// failed to bring to the disk.
    fn is_known_whole(&self, pack: &Pack, covered: &CoveredPack) -> bool {
        let extent = self.extent(covered.id);
        let is_whole_if_open = pack.look(|index| {
            index.damaged_at.is_none()
                && index.len() as u64 == covered.entries
                && extent.is_some_and(|extent| {
                    index.end == extent.len && index.prefix_crc == extent.prefix_crc
                })
        });
        pack.end() == covered.seal.data_end && is_whole_if_open.unwrap_or(true)
    }

    /// Returns whether the log lets a pack count up to the end of its data.
    pub(super) fn counts(&self, covered: &CoveredPack) -> bool {
        let extent = self.extent(covered.id).filter(|_| !self.is_retired(covered.id));
        extent.is_some_and(|extent| extent.len >= covered.seal.data_end)
    }

    /// Returns whether a pack's file has the head and the seal that a multi-pack index was made
    /// from. A head may be lost in a power cut, and then the pack may grow again.
    pub(super) fn is_as_indexed(&self, pack: &Pack, covered: &CoveredPack) -> io::Result<bool> {
        let file = self.handle(pack)?;
        let seal = &covered.seal;
        let is_sealed = reader::read_head(file.as_ref())? == head(Some(seal));
        Ok(is_sealed && read_vec(file.as_ref(), seal.data_end, SEAL_BYTES)? == seal.to_bytes())
    }

    /// Asks a multi-pack index no more, and the packs that it covered themselves instead.
    pub(super) fn uncover(&self, cover: &Arc<Cover>) -> Result<(), StoreError> {
        let _only_one = lock(&self.catching_up);
        for pack in cover.packs.iter().flatten() {
            let is_covered = read(&self.known).is_covered_without(pack.id, cover);
            if !is_covered && pack.is_covered() && !pack.standing.is_gone() {
                let index = self.read_index(pack.id)?.unwrap_or(Index::Open(OpenIndex::default()));
                *write(&pack.index) = index;
            }
        }
        write(&self.known).uncover(cover);
        Ok(())
    }

    /// Reads a pack's own index. One that the log speaks of and that is not there counts as
    /// damaged from its first byte; none if the log does not speak of it either, or retired it.
    pub(super) fn read_index(&self, id: PackId) -> Result<Option<Index>, StoreError> {
        let path = self.folder.join(id.file_name());
        let extent = self.extent(id);
        match self.disk.open(&path, OpenMode::Read) {
            Ok(file) => reader::load(file.as_ref(), &path, extent.as_ref()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let extent = extent.filter(|_| !self.is_retired(id));
                Ok(extent.map(|extent| Index::Open(OpenIndex::missing(&extent))))
            }
            Err(error) => Err(StoreError::read(&path, error)),
        }
    }
}

//! The packs that this process knows, and how a block is looked up among them; in memory.
//!
//! A pack is *covered* when a multi-pack index lists its blocks; all others are *apart* and are
//! asked one after the other. Which packs and indexes there are is decided elsewhere.

use std::collections::HashSet;
use std::sync::Arc;

use cidlake_block::Cid;

use super::Pack;
use super::format::PackId;
use super::index::Span;
use super::midx::{DamagedPage, Midx, UsualKey};
use super::retired::Standing;

/// A place of a block.
pub(super) type Place = (Arc<Pack>, Span);

/// A multi-pack index, and the packs that it covers as this process knows them.
#[derive(Debug)]
pub(super) struct Cover {
    pub(super) midx: Midx,
    /// By their numbers in the index; none where the index does not count for a pack.
    pub(super) packs: Vec<Option<Arc<Pack>>>,
}

/// All packs.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Oldest acquaintance first.
    all: Vec<Arc<Pack>>,
    /// Those that no multi-pack index covers, in the same order.
    apart: Vec<Arc<Pack>>,
    /// Largest first.
    covers: Vec<Arc<Cover>>,
}

impl Cover {
    /// Tells `found` each place where the block is.
    fn find(
        &self,
        key: &UsualKey,
        mut found: impl FnMut(&Arc<Pack>, Span),
    ) -> Result<(), DamagedPage> {
        self.midx.lookup(key, |number, span| {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            if let Some(Some(pack)) = self.packs.get(place) {
                found(pack, span);
            }
        })
    }
}

impl Known {
    /// Adds a pack that is apart.
    pub(super) fn add(&mut self, pack: Arc<Pack>) {
        self.apart.push(Arc::clone(&pack));
        self.all.push(pack);
    }

    /// Adds a multi-pack index, and those of its packs that are new. From now on it is asked for
    /// their blocks.
    pub(super) fn cover(&mut self, cover: Arc<Cover>) {
        let ids: HashSet<PackId> = self.all.iter().map(|pack| pack.id).collect();
        let new = cover.packs.iter().flatten().filter(|pack| !ids.contains(&pack.id));
        self.all.extend(new.cloned());
        let entries = cover.midx.entries();
        let place = self.covers.partition_point(|other| other.midx.entries() >= entries);
        self.covers.insert(place, cover);
        self.settle();
    }

    /// Takes a multi-pack index away. Its packs must have their own indexes in memory, or be
    /// covered by another.
    pub(super) fn uncover(&mut self, cover: &Arc<Cover>) {
        self.covers.retain(|other| !Arc::ptr_eq(other, cover));
        self.settle();
    }

    fn settle(&mut self) {
        let covered: HashSet<PackId> = self.covered().map(|pack| pack.id).collect();
        self.apart = self.all.iter().filter(|pack| !covered.contains(&pack.id)).cloned().collect();
    }

    fn covered(&self) -> impl Iterator<Item = &Arc<Pack>> {
        self.covers.iter().flat_map(|cover| cover.packs.iter().flatten())
    }

    /// Returns whether an index other than `cover` covers a pack.
    pub(super) fn is_covered_without(&self, id: PackId, cover: &Arc<Cover>) -> bool {
        let others = self.covers.iter().filter(|other| !Arc::ptr_eq(other, cover));
        others.flat_map(|other| other.packs.iter().flatten()).any(|pack| pack.id == id)
    }

    /// Returns all packs, oldest acquaintance first.
    pub(super) fn all(&self) -> &[Arc<Pack>] {
        &self.all
    }

    /// Returns the multi-pack indexes.
    pub(super) fn covers(&self) -> &[Arc<Cover>] {
        &self.covers
    }

    /// Forgets packs. Multi-pack indexes may still lead to them: how they stand says that they are
    /// gone.
    pub(super) fn retain(&mut self, stays: impl Fn(&Pack) -> bool) {
        self.all.retain(|pack| stays(pack));
        self.apart.retain(|pack| stays(pack));
    }

    /// Returns a place where the block is, in a pack that counts. An error is an index that turned
    /// out to be damaged.
    ///
    /// Multi-pack indexes come first: they know most blocks, and one sealed pack by itself costs as
    /// much to ask as all that they cover.
    pub(super) fn find(&self, cid: &Cid) -> Result<Option<Place>, Arc<Cover>> {
        if let Some(key) = UsualKey::of(cid) {
            for cover in &self.covers {
                let mut last = None;
                let found = cover.find(&key, |pack, span| {
                    if pack.standing.counts() {
                        last = Some((Arc::clone(pack), span));
                    }
                });
                found.map_err(|_| Arc::clone(cover))?;
                if last.is_some() {
                    return Ok(last);
                }
            }
        }
        Ok(self.find_apart(cid))
    }

    /// Returns a place in the pack that was met last of those that count.
    fn find_apart(&self, cid: &Cid) -> Option<Place> {
        let mut apart = self.apart.iter().rev().filter(|pack| pack.standing.counts());
        apart.find_map(|pack| Some((Arc::clone(pack), pack.find(cid)?)))
    }

    /// Returns every place where the block is in packs that stand so. An error as in
    /// [`Self::find`].
    pub(super) fn find_all(
        &self,
        cid: &Cid,
        stands_so: impl Fn(&Standing) -> bool,
    ) -> Result<Vec<Place>, Arc<Cover>> {
        let apart = self.apart.iter().rev().filter(|pack| stands_so(&pack.standing));
        let mut places: Vec<Place> =
            apart.filter_map(|pack| Some((Arc::clone(pack), pack.find(cid)?))).collect();
        let Some(key) = UsualKey::of(cid) else { return Ok(places) };
        for cover in &self.covers {
            let found = cover.find(&key, |pack, span| {
                if stands_so(&pack.standing) {
                    places.push((Arc::clone(pack), span));
                }
            });
            found.map_err(|_| Arc::clone(cover))?;
        }
        Ok(places)
    }
}

//! What packs list, for those who show it.

use std::sync::Arc;

use cidlake_block::Cid;

use crate::error::StoreError;
use crate::pack::Pack;
use crate::store::Store;

/// A pack that counted when it was asked for. While a hold from before lives, what it lists can be
/// read, whether or not it still counts.
#[derive(Debug, Clone)]
pub struct KnownPack(Arc<Pack>);

impl KnownPack {
    /// Returns the name of its file.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.0.id.file_name()
    }
}

impl Store {
    /// Returns all packs that count, in the order of their names.
    ///
    /// # Errors
    /// When the log or a pack cannot be read.
    pub fn packs(&self) -> Result<Vec<KnownPack>, StoreError> {
        self.check_open()?;
        self.parts().refresh()?;
        let mut packs = self.packs.all();
        packs.sort_unstable_by_key(|pack| pack.id);
        Ok(packs.into_iter().map(KnownPack).collect())
    }

    /// Returns the blocks that a pack lists, in the order in which they stand: each under a raw CID,
    /// for packs know blocks by their hashes, where it begins and how much it takes there, in bytes.
    ///
    /// # Errors
    /// When the pack's index cannot be read.
    pub fn blocks_of(&self, pack: &KnownPack) -> Result<Vec<(Cid, u64, u64)>, StoreError> {
        self.check_open()?;
        let blocks = self.packs.contents(&pack.0)?.blocks.into_iter();
        Ok(blocks.map(|(cid, span)| (cid, span.offset, span.len as u64)).collect())
    }
}

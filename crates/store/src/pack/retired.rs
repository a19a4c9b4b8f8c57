//! Packs that no longer count.
//!
//! A retired pack is no place to find that a block is here already, and nobody appends to it. Its
//! file stays for as long as any process has a hold from before, and so long it may be read from.
//! This process keeps such a pack at hand only while a hold of its own is that old.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cidlake_block::{Block, Cid};

use super::{Announced, Pack, PackId, PackSet, Span, reader};
use crate::error::StoreError;
use crate::locked::{lock, read, write};
use crate::log::Retirement;

impl PackSet {
    /// Takes note of what the log retired; `oldest` is the oldest hold of this process. Quick, so
    /// that it can be done before anybody sees the records that said it.
    pub(crate) fn retire(&self, retirements: &[Retirement], oldest: Option<u64>) {
        if retirements.is_empty() {
            return;
        }
        let mut announced = lock(&self.announced);
        for retirement in retirements {
            announced.retired.insert(retirement.pack, retirement.lsn);
            announced.last_retired = announced.last_retired.max(retirement.lsn);
        }
        let is_retired = |pack: &Arc<Pack>| announced.retired.contains_key(&pack.id);
        let moved: Vec<Arc<Pack>> =
            read(&self.packs).iter().filter(|pack| is_retired(pack)).cloned().collect();
        // A reader that looks through both lists must meet the pack in one of them.
        write(&self.kept).extend(moved);
        write(&self.packs).retain(|pack| !is_retired(pack));
        self.release(&mut announced, oldest);
    }

    /// Lets go of the retired packs that no hold from `oldest` on needs.
    pub(crate) fn release_retired(&self, oldest: Option<u64>) {
        let mut announced = lock(&self.announced);
        if announced.is_keeping {
            self.release(&mut announced, oldest);
        }
    }

    fn release(&self, announced: &mut Announced, oldest: Option<u64>) {
        let Announced { extents, behind, retired, is_keeping, .. } = announced;
        let is_needed = |id: &PackId| match retired.get(id) {
            Some(lsn) => oldest.is_some_and(|oldest| oldest < *lsn),
            None => true,
        };
        extents.retain(|id, _| is_needed(id));
        behind.retain(is_needed);
        write(&self.kept).retain(|pack| {
            let stays = is_needed(&pack.id);
            if !stays {
                self.handles.remove(&pack.id);
            }
            stays
        });
        *is_keeping =
            extents.keys().any(|id| retired.contains_key(id)) || !read(&self.kept).is_empty();
    }

    /// Forgets a retired pack whose file was removed.
    pub(crate) fn forget(&self, id: PackId) {
        let mut announced = lock(&self.announced);
        announced.extents.remove(&id);
        announced.behind.retain(|other| *other != id);
        write(&self.kept).retain(|pack| pack.id != id);
        self.handles.remove(&id);
    }

    /// Returns whether the log retired a pack.
    pub(crate) fn is_retired(&self, id: PackId) -> bool {
        lock(&self.announced).retired.contains_key(&id)
    }

    /// Returns the number of the last record that retired packs; 0 when there was none.
    pub(crate) fn last_retired(&self) -> u64 {
        lock(&self.announced).last_retired
    }

    /// Returns a place where the block is in retired packs that this process keeps at hand.
    pub(crate) fn find_kept(&self, cid: &Cid) -> Vec<(Arc<Pack>, Span)> {
        let kept = read(&self.kept);
        kept.iter().rev().filter_map(|pack| Some((Arc::clone(pack), pack.find(cid)?))).collect()
    }

    /// Returns the retired packs whose files are still in the folder, with the numbers of the
    /// records that retired them. Whoever wants to forget the others makes the folder's names
    /// durable first ([`Self::sync_names`]): a file that comes back after a power cut would else be
    /// taken for a pack that nobody has announced yet.
    pub(crate) fn retired_files(&self) -> Result<Vec<Retirement>, StoreError> {
        let names = match self.disk.list(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::read(&self.folder, error)),
        };
        let announced = lock(&self.announced);
        let ids = names.iter().filter_map(|name| PackId::parse_file_name(name));
        let mut files: Vec<Retirement> = ids
            .filter_map(|pack| Some(Retirement { pack, lsn: *announced.retired.get(&pack)? }))
            .collect();
        files.sort_unstable_by_key(|file| file.pack);
        Ok(files)
    }

    /// Returns where a pack's file is.
    pub(crate) fn path(&self, id: PackId) -> PathBuf {
        self.folder.join(id.file_name())
    }

    /// Reads the block at a place under the CID that it was stored with; `None` when it is damaged.
    pub(crate) fn read_stored(&self, pack: &Pack, span: Span) -> Result<Option<Block>, StoreError> {
        let section = self.read(pack, span.offset, span.len)?;
        Ok(reader::stored_block(&section))
    }
}

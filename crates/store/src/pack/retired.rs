//! Packs that no longer count.
//!
//! A retired pack is no place to find that a block is here already, and nobody appends to it. Its
//! file stays for as long as any process has a hold from before, and so long it may be read from.
//! This process keeps such a pack at hand only while a hold of its own is that old.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use cidlake_block::{Block, Cid};

use super::known::Place;
use super::{Announced, Index, Pack, PackId, PackSet, Span, reader};
use crate::error::StoreError;
use crate::locked::{lock, read, write};
use crate::log::Retirement;

/// What a pack is to this process. It only ever changes in the order of these words.
#[derive(Debug, Default)]
pub(super) struct Standing(AtomicU8);

const COUNTS: u8 = 0;
/// Retired, and at hand for reading.
const KEPT: u8 = 1;
/// Retired, and let go of.
const GONE: u8 = 2;

impl Standing {
    pub(super) fn counts(&self) -> bool {
        self.0.load(Ordering::SeqCst) == COUNTS
    }

    fn is_kept(&self) -> bool {
        self.0.load(Ordering::SeqCst) == KEPT
    }

    pub(super) fn set_kept(&self) {
        self.0.fetch_max(KEPT, Ordering::SeqCst);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst) == GONE
    }

    fn set_gone(&self) {
        self.0.fetch_max(GONE, Ordering::SeqCst);
    }
}

/// What a pack lists.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Every block, under a raw CID, and its place.
    pub(crate) blocks: Vec<(Cid, Span)>,
    /// Where the pack could not be read, if anywhere.
    pub(crate) damaged_at: Option<u64>,
}

impl Contents {
    fn of(index: Index) -> Self {
        let damaged_at = match &index {
            Index::Open(index) => index.damaged_at,
            Index::Sealed(_) | Index::Covered(_) => None,
        };
        Self { blocks: index.blocks().unwrap_or_default(), damaged_at }
    }
}

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
        for pack in read(&self.known).all() {
            if announced.retired.contains_key(&pack.id) {
                pack.standing.set_kept();
            }
        }
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
        self.let_go(|pack| !is_needed(&pack.id));
        *is_keeping = extents.keys().any(|id| retired.contains_key(id))
            || read(&self.known).all().iter().any(|pack| pack.standing.is_kept());
    }

    fn let_go(&self, which: impl Fn(&Pack) -> bool) {
        let mut known = write(&self.known);
        for pack in known.all().iter().filter(|pack| which(pack)) {
            pack.standing.set_gone();
            self.handles.remove(&pack.id);
        }
        known.retain(|pack| !pack.standing.is_gone());
    }

    /// Forgets a retired pack whose file was removed.
    pub(crate) fn forget(&self, id: PackId) {
        let mut announced = lock(&self.announced);
        announced.extents.remove(&id);
        announced.behind.retain(|other| *other != id);
        self.let_go(|pack| pack.id == id);
    }

    /// Returns whether the log retired a pack.
    pub(crate) fn is_retired(&self, id: PackId) -> bool {
        lock(&self.announced).retired.contains_key(&id)
    }

    /// Returns the number of the last record that retired packs; 0 when there was none.
    pub(crate) fn last_retired(&self) -> u64 {
        lock(&self.announced).last_retired
    }

    /// Returns every place where the block is in retired packs that this process keeps at hand.
    pub(crate) fn find_kept(&self, cid: &Cid) -> Result<Vec<Place>, StoreError> {
        if !lock(&self.announced).is_keeping {
            return Ok(Vec::new());
        }
        self.look_up(|known| known.find_all(cid, Standing::is_kept))
    }

    /// Reads what a pack lists by its own index, also where that is not in memory. Blocks come in
    /// the order in which they stand.
    pub(crate) fn contents(&self, pack: &Pack) -> Result<Contents, StoreError> {
        let in_memory = read(&pack.index).blocks();
        let mut contents = match in_memory {
            Some(blocks) => Contents { blocks, damaged_at: pack.damaged_at() },
            None => self.read_index(pack.id)?.map_or_else(Contents::default, Contents::of),
        };
        contents.blocks.sort_unstable_by_key(|(_, span)| span.offset);
        Ok(contents)
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

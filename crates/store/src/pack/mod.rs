//! Packs: append-only files of blocks, each of them a CAR archive.
//!
//! `format` is the byte layout, `index` where the blocks of one pack are, `reader` gets them out,
//! `writer` is the pack that this process appends to, `pending` what it has to sync and announce.
//! `midx` is the files that index many packs at once, `known` and `cover` how they are used,
//! `maintain` how they are made. [`PackSet`] is all packs of the folder as this process knows them;
//! it follows what the log announces and never looks at bytes that no commit has made durable,
//! unless this process wrote them.

mod check;
mod cover;
mod format;
mod index;
mod known;
mod maintain;
mod midx;
mod pending;
mod reader;
mod repair;
mod retired;
mod writer;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use bytes::Bytes;
use cidlake_block::{Block, Cid};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};

pub(crate) use self::check::{PackCheck, PackSize, check_midx, check_pack};
pub(crate) use self::format::{PackId, SECTIONS_OFFSET};
pub(crate) use self::index::{Key, Span};
pub use self::maintain::{IndexProgress, IndexReport};
pub(crate) use self::midx::is_file_name as is_midx_name;
pub(crate) use self::pending::{Pending, Unannounced};
pub(crate) use self::repair::{recover_extent, reindex, unannounced_blocks};
pub(crate) use self::retired::Contents;
pub(crate) use self::writer::PackWriter;

use self::index::{Index, OpenIndex, SealedIndex};
use self::known::{Known, Place};
use self::retired::Standing;
use crate::disk::{Disk, DiskFile, OpenMode, read_vec};
use crate::error::StoreError;
use crate::locked::{lock, read, write};
use crate::log::Extent;

/// How many packs are held open for reading; the operating system allows each process so many.
const READ_HANDLES_MAX: usize = 256;

/// A pack as this process knows it.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) id: PackId,
    path: PathBuf,
    standing: Standing,
    /// Held for a lookup, or to take in sections that were just appended.
    index: RwLock<Index>,
}

impl Pack {
    fn new(id: PackId, folder: &Path, index: Index) -> Self {
        let path = folder.join(id.file_name());
        Self { id, path, standing: Standing::default(), index: RwLock::new(index) }
    }

    /// Returns the place of a block.
    pub(crate) fn find(&self, cid: &Cid) -> Option<Span> {
        read(&self.index).find(cid)
    }

    fn is_sealed(&self) -> bool {
        matches!(*read(&self.index), Index::Sealed(_) | Index::Covered(_))
    }

    fn is_covered(&self) -> bool {
        matches!(*read(&self.index), Index::Covered(_))
    }

    /// Where the known blocks end, in bytes from the start of the file.
    pub(crate) fn end(&self) -> u64 {
        read(&self.index).end()
    }

    /// Returns where the pack could not be read, if anywhere.
    pub(crate) fn damaged_at(&self) -> Option<u64> {
        self.look(|index| index.damaged_at).flatten()
    }

    /// Lets `work` read on behind the end of an open pack's index; lookups go on meanwhile.
    fn grow(&self, work: impl FnOnce(&mut OpenIndex) -> io::Result<()>) -> io::Result<()> {
        let Some(mut successor) = self.look(OpenIndex::successor) else {
            return Ok(());
        };
        work(&mut successor)?;
        self.change(|index| index.merge(successor));
        Ok(())
    }

    /// Looks at the index of an open pack.
    fn look<T>(&self, look: impl FnOnce(&OpenIndex) -> T) -> Option<T> {
        match &*read(&self.index) {
            Index::Open(index) => Some(look(index)),
            Index::Sealed(_) | Index::Covered(_) => None,
        }
    }

    fn set_sealed(&self, index: SealedIndex) {
        *write(&self.index) = Index::Sealed(index);
    }

    /// Changes the index of an open pack.
    fn change<T>(&self, change: impl FnOnce(&mut OpenIndex) -> T) -> Option<T> {
        match &mut *write(&self.index) {
            Index::Open(index) => Some(change(index)),
            Index::Sealed(_) | Index::Covered(_) => None,
        }
    }
}

/// Figures about the packs.
#[derive(Debug, Default)]
pub(crate) struct PackFigures {
    pub(crate) sealed: u64,
    pub(crate) open: u64,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    pub(crate) covered: u64,
    pub(crate) blocks_bare: u64,
}

/// All packs of the folder.
#[derive(Debug)]
pub(crate) struct PackSet {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Those that count, and those that were retired and are kept. Held for a lookup, or to take
    /// in a pack or a multi-pack index.
    known: RwLock<Known>,
    /// Held for moments; whoever changes which packs are known, or how a pack stands, because of it
    /// does so under it.
    announced: Mutex<Announced>,
    /// Held while packs are brought up to what was announced, so that whoever waits for it finds
    /// the work of the one before done.
    catching_up: Mutex<()>,
    handles: Cache<PackId, Arc<dyn DiskFile>>,
    /// Packs that this process once failed to sync, and writes no more to. Held for moments.
    abandoned: Mutex<HashSet<PackId>>,
}

/// What the log said about packs.
#[derive(Debug, Default)]
struct Announced {
    extents: HashMap<PackId, Extent>,
    /// Packs that have not been brought up to it yet.
    behind: BTreeSet<PackId>,
    /// Packs that no longer count, and the numbers of the records that said so.
    retired: HashMap<PackId, u64>,
    /// The greatest of these numbers.
    last_retired: u64,
    /// Whether anything is kept of retired packs besides their names.
    is_keeping: bool,
}

impl Announced {
    /// Keeps a pack that was retired before it became known.
    fn keep_if_retired(&mut self, pack: &Pack) {
        if self.retired.contains_key(&pack.id) {
            pack.standing.set_kept();
            self.is_keeping = true;
        }
    }
}

impl PackSet {
    /// Makes a set that knows no pack yet.
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self {
            disk,
            folder,
            known: RwLock::default(),
            announced: Mutex::default(),
            catching_up: Mutex::default(),
            handles: new_handles(),
            abandoned: Mutex::default(),
        }
    }

    /// Takes note that this process failed to sync a pack.
    fn abandon(&self, id: PackId) {
        lock(&self.abandoned).insert(id);
    }

    fn is_abandoned(&self, id: PackId) -> bool {
        lock(&self.abandoned).contains(&id)
    }

    /// Takes note of what the log said; quick, so that it can be done before anybody sees the
    /// records that said it.
    pub(crate) fn announce(&self, extents: &[Extent]) {
        if extents.is_empty() {
            return;
        }
        let mut announced = lock(&self.announced);
        for extent in extents {
            if announced.retired.contains_key(&extent.pack) {
                continue;
            }
            let known = announced.extents.entry(extent.pack).or_insert(*extent);
            if known.len <= extent.len {
                *known = *extent;
                announced.behind.insert(extent.pack);
            }
        }
    }

    /// Returns what the log announced of all packs that count, by pack.
    pub(crate) fn extents(&self) -> Vec<Extent> {
        let announced = lock(&self.announced);
        let extents = announced.extents.values();
        let counted = extents.filter(|extent| !announced.retired.contains_key(&extent.pack));
        let mut extents: Vec<Extent> = counted.copied().collect();
        extents.sort_unstable_by_key(|extent| extent.pack);
        extents
    }

    pub(crate) fn extent(&self, id: PackId) -> Option<Extent> {
        lock(&self.announced).extents.get(&id).copied()
    }

    /// Reads what was announced since the last time.
    pub(crate) fn catch_up(&self) -> Result<(), StoreError> {
        let _only_one = lock(&self.catching_up);
        loop {
            let Some((id, extent)) = self.next_behind() else {
                return Ok(());
            };
            self.catch_up_pack(id, extent)?;
            let mut announced = lock(&self.announced);
            // What was announced while this was read is still to be read.
            if announced.extents.get(&id).copied() == extent {
                announced.behind.remove(&id);
            }
        }
    }

    /// Returns a pack that is behind what was announced of it.
    fn next_behind(&self) -> Option<(PackId, Option<Extent>)> {
        let announced = lock(&self.announced);
        let id = announced.behind.last()?;
        Some((*id, announced.extents.get(id).copied()))
    }

    fn catch_up_pack(&self, id: PackId, extent: Option<Extent>) -> Result<(), StoreError> {
        let Some(extent) = extent else {
            return Ok(());
        };
        let Some(pack) = self.pack(id) else {
            return self.load(id);
        };
        if pack.end() >= extent.len {
            return Ok(());
        }
        let refused = |error| StoreError::read(&pack.path, error);
        let file = match self.handle(&pack) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_retired(id) => {
                return Ok(());
            }
            opened => opened.map_err(refused)?,
        };
        pack.grow(|index| reader::scan(index, file.as_ref(), &extent)).map_err(refused)
    }

    /// Gets to know all packs in the folder.
    pub(crate) fn load_all(&self) -> Result<(), StoreError> {
        let _only_one = lock(&self.catching_up);
        let names = match self.disk.list(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::read(&self.folder, error)),
        };
        self.load_covers(&names);
        let mut ids: Vec<PackId> =
            names.iter().filter_map(|name| PackId::parse_file_name(name)).collect();
        ids.extend(lock(&self.announced).extents.keys());
        ids.sort_unstable();
        ids.dedup();
        let is_new = |id: &PackId| self.pack(*id).is_none() && !self.is_retired(*id);
        ids.into_iter().filter(is_new).try_for_each(|id| self.load(id))
    }

    /// Gets to know one pack.
    fn load(&self, id: PackId) -> Result<(), StoreError> {
        if let Some(index) = self.read_index(id)? {
            // Where it is known by now it was found twice.
            let _is_new = self.add(Arc::new(Pack::new(id, &self.folder, index)));
        }
        Ok(())
    }

    /// Forgets what of a pack no commit has announced.
    fn forget_unannounced(&self, pack: &Pack) {
        // Nobody may be reading on behind what is cut.
        let _only_one = lock(&self.catching_up);
        let extent = self.extent(pack.id);
        pack.change(|index| index.cut_back(extent.as_ref()));
    }

    /// Makes the names of all packs durable.
    pub(crate) fn sync_names(&self) -> Result<(), StoreError> {
        let synced = self.disk.sync_dir(&self.folder);
        synced.map_err(|error| StoreError::change(&self.folder, "sync", error))
    }

    /// Adds a pack unless one of its name is known; returns whether it did.
    fn add(&self, pack: Arc<Pack>) -> bool {
        let mut announced = lock(&self.announced);
        let mut known = write(&self.known);
        if known.all().iter().any(|other| other.id == pack.id) {
            return false;
        }
        announced.keep_if_retired(&pack);
        known.add(pack);
        true
    }

    fn pack(&self, id: PackId) -> Option<Arc<Pack>> {
        read(&self.known).all().iter().find(|pack| pack.id == id).cloned()
    }

    /// Returns all packs that count.
    pub(crate) fn all(&self) -> Vec<Arc<Pack>> {
        read(&self.known).all().iter().filter(|pack| pack.standing.counts()).cloned().collect()
    }

    /// Returns a place where the block is, in a pack that counts.
    pub(crate) fn find(&self, cid: &Cid) -> Result<Option<Place>, StoreError> {
        self.look_up(|known| known.find(cid))
    }

    /// Returns every place where the block is in packs that count.
    pub(crate) fn find_all(&self, cid: &Cid) -> Result<Vec<Place>, StoreError> {
        self.look_up(|known| known.find_all(cid, Standing::counts))
    }

    /// Looks something up, again where a multi-pack index turned out to be damaged.
    fn look_up<T>(
        &self,
        look_up: impl Fn(&Known) -> Result<T, Arc<known::Cover>>,
    ) -> Result<T, StoreError> {
        loop {
            // A name of its own, so that the lock is free before the index is dropped.
            let found = look_up(&read(&self.known));
            match found {
                Ok(found) => return Ok(found),
                Err(damaged) => self.uncover(&damaged)?,
            }
        }
    }

    /// Returns a pack that could not be read in full, and where.
    pub(crate) fn damage(&self) -> Option<(PackId, u64)> {
        self.all().iter().find_map(|pack| Some((pack.id, pack.damaged_at()?)))
    }

    /// Reads `len` bytes of a pack, fewer where it ends.
    pub(crate) fn read(&self, pack: &Pack, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let bytes = self.handle(pack).and_then(|file| read_vec(file.as_ref(), offset, len));
        bytes.map(Bytes::from).map_err(|error| StoreError::read(&pack.path, error))
    }

    /// Reads and verifies a block where it was found first. None says nothing: what is wrong is
    /// for [`Self::read_block`] to find out.
    pub(crate) fn try_read_block(&self, cid: &Cid) -> Option<Block> {
        let (pack, span) = self.find(cid).ok()??;
        let section = self.read(&pack, span.offset, span.len).ok()?;
        block_in_section(section, cid, 0)
    }

    /// Reads and verifies a block; where its copy is damaged, any other copy will do.
    pub(crate) fn read_block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        self.read_from(cid, self.find_all(cid)?.into_iter().chain(self.find_kept(cid)?))
    }

    /// Reads and verifies a block in the packs that count.
    pub(crate) fn read_counted(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        self.read_from(cid, self.find_all(cid)?.into_iter())
    }

    fn read_from(
        &self,
        cid: &Cid,
        places: impl Iterator<Item = Place>,
    ) -> Result<Option<Block>, StoreError> {
        let mut failure = None;
        for (pack, span) in places {
            match self.read(&pack, span.offset, span.len) {
                Ok(section) => match block_in_section(section, cid, 0) {
                    Some(block) => return Ok(Some(block)),
                    None => failure = Some(corrupt(cid, pack.id, span.offset)),
                },
                Err(error) => failure = Some(error),
            }
        }
        match (failure, self.damage()) {
            (Some(failure), _) => Err(failure),
            (None, Some((pack, offset))) => Err(corrupt(cid, pack, offset)),
            (None, None) => Ok(None),
        }
    }

    /// Returns the size of a pack's file in bytes.
    pub(crate) fn file_bytes(&self, id: PackId) -> Result<u64, StoreError> {
        let path = self.path(id);
        let size = self.disk.open(&path, OpenMode::Read).and_then(|file| file.size());
        size.map_err(|error| StoreError::read(&path, error))
    }

    fn handle(&self, pack: &Pack) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = self.handles.get(&pack.id) {
            return Ok(file);
        }
        let file: Arc<dyn DiskFile> = Arc::from(self.disk.open(&pack.path, OpenMode::Read)?);
        self.handles.insert(pack.id, Arc::clone(&file));
        Ok(file)
    }

    /// Returns figures about all packs.
    pub(crate) fn figures(&self) -> PackFigures {
        let mut figures = PackFigures::default();
        for pack in self.all() {
            let index = read(&pack.index);
            let blocks = index.len() as u64;
            figures.open += u64::from(matches!(*index, Index::Open(_)));
            figures.sealed += u64::from(!matches!(*index, Index::Open(_)));
            figures.covered += u64::from(matches!(*index, Index::Covered(_)));
            figures.blocks_bare += if matches!(*index, Index::Sealed(_)) { blocks } else { 0 };
            figures.blocks += blocks;
            figures.bytes += index.end();
        }
        figures
    }
}

/// Makes the cache of open files. It is one shard: of several, some would be full of the files of
/// a folder that has fewer than fit.
fn new_handles() -> Cache<PackId, Arc<dyn DiskFile>> {
    #[expect(clippy::expect_used, reason = "both required options are set right here")]
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(READ_HANDLES_MAX)
        .weight_capacity(READ_HANDLES_MAX as u64)
        .build()
        .expect("both required options are set");
    let hasher = DefaultHashBuilder::default();
    Cache::with_options(options, UnitWeighter, hasher, DefaultLifecycle::default())
}

/// Takes the block `cid` out of the bytes of its section, which may go on behind it; none if they
/// are damaged. `buffer_bytes` is the size of the buffer that `section` was cut from.
pub(crate) fn block_in_section(section: Bytes, cid: &Cid, buffer_bytes: usize) -> Option<Block> {
    reader::block_in_section(section, cid, buffer_bytes)
}

/// The error for a block whose copy in `pack` is damaged.
pub(crate) fn corrupt(cid: &Cid, pack: PackId, offset: u64) -> StoreError {
    StoreError::Corrupt { cid: *cid, pack: pack.file_name(), offset }
}

#[cfg(test)]
mod tests;

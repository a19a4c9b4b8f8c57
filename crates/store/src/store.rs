//! The public handle: blocks by CID, and the log, of one lake folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cidlake_block::{Block, Cid, PutReport, UnverifiedBlock, cid};

use crate::cache::BlockCache;
use crate::commit::{CommitQueue, Expect, Parts};
use crate::disk::{Disk, OpenMode};
use crate::error::{CommitError, StoreError};
use crate::fsck::{self, FsckLevel, FsckProgress, FsckReport};
use crate::locked::lock;
use crate::log::{self, LogFolder, Lsn, Payload, Record, Tail, records_between};
use crate::pack::{PackSet, PackWriter};
use crate::settings;
use crate::stats::StoreStats;

mod read;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether to make a lake where there is none.
    pub create: bool,
    /// The size over which a pack is sealed, in bytes.
    pub pack_bytes_max: u64,
    /// The size over which a log segment is followed by another, in bytes.
    pub segment_bytes_max: u64,
    /// The most that the cache of verified blocks may weigh, in bytes.
    pub cache_bytes_max: u64,
    /// Where the names of new packs come from: random, so that no two processes give the same.
    pub seed: [u8; 16],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: false,
            pack_bytes_max: 256 << 20,
            segment_bytes_max: 64 << 20,
            cache_bytes_max: 256 << 20,
            seed: [0; 16],
        }
    }
}

/// A lake folder as one process sees it.
///
/// Locks are taken in this order: the writer, the catching-up of packs, the log's tail; the rest
/// only for moments and with none of these inside.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    log_folder: LogFolder,
    packs: PackSet,
    /// Held while blocks are written, so that two threads never write the same block.
    writer: Mutex<PackWriter>,
    /// Held while the log is read on, which is short unless there is much new in it.
    tail: Mutex<Tail>,
    queue: CommitQueue,
    cache: BlockCache,
    /// Whether this process has made sure of the folders that it writes to.
    has_folders: Mutex<bool>,
    is_closed: AtomicBool,
}

impl Store {
    /// Opens the lake in the folder `root`.
    ///
    /// # Errors
    /// `NotALake` when there is none and [`Options::create`] is false; `NewerFormat` when a newer
    /// program made it; `LogCorrupt` when its log is damaged before its end. Nothing is changed
    /// in these cases.
    pub fn open(disk: Arc<dyn Disk>, root: &Path, options: Options) -> Result<Self, StoreError> {
        let Options { create, pack_bytes_max, segment_bytes_max, cache_bytes_max, seed } = options;
        if !settings::check(disk.as_ref(), root)? {
            if !create {
                return Err(StoreError::NotALake { path: root.to_owned() });
            }
            let unique = format!("{:032x}", u128::from_be_bytes(seed));
            settings::create(disk.as_ref(), root, &unique)?;
        }
        let log_folder =
            LogFolder { disk: Arc::clone(&disk), path: root.join("wal"), segment_bytes_max };
        let packs = PackSet::new(Arc::clone(&disk), root.join("packs"));
        let mut tail = Tail::default();
        // The log comes first: every pack that it speaks of is in the folder by then.
        tail.follow(&log_folder, true)?;
        packs.announce(&tail.take_extents());
        packs.load_all()?;
        Ok(Self {
            disk,
            root: root.to_owned(),
            log_folder,
            packs,
            writer: Mutex::new(PackWriter::new(seed, pack_bytes_max)),
            tail: Mutex::new(tail),
            queue: CommitQueue::default(),
            cache: BlockCache::new(cache_bytes_max),
            has_folders: Mutex::new(false),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Returns a block if it is in memory; never touches the disk.
    #[must_use]
    pub fn cached(&self, cid: &Cid) -> Option<Block> {
        inline(cid).or_else(|| self.cache.probe(cid))
    }

    /// Returns a block, verified; `None` when it is not here.
    ///
    /// # Errors
    /// `Corrupt` when no copy of it matches its CID, or when it may be in a part of a pack that
    /// cannot be read.
    pub fn get(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        self.check_open()?;
        if let Some(block) = inline(cid).or_else(|| self.cache.get(cid)) {
            return Ok(Some(block));
        }
        if self.packs.find(cid).is_none() {
            self.refresh()?;
        }
        let found = self.read_block(cid)?;
        if let Some(block) = &found {
            self.cache.insert(block);
        }
        Ok(found)
    }

    /// Returns blocks in the order asked for, reading those that lie side by side at once.
    ///
    /// # Errors
    /// As [`Self::get`]; one damaged block fails the whole call.
    pub fn get_many(&self, cids: &[Cid]) -> Result<Vec<Option<Block>>, StoreError> {
        self.check_open()?;
        read::get_many(self, cids)
    }

    /// Returns whether a block is here, without reading it.
    ///
    /// # Errors
    /// When the log or a pack cannot be read.
    pub fn has(&self, cid: &Cid) -> Result<bool, StoreError> {
        self.check_open()?;
        if is_inline(cid) || self.packs.find(cid).is_some() {
            return Ok(true);
        }
        self.refresh()?;
        Ok(self.packs.find(cid).is_some())
    }

    /// Writes the blocks that are not here yet. This process sees them at once; they are durable,
    /// and there for others, after the next [`Self::commit`].
    ///
    /// # Errors
    /// `ReadOnly`, `NoSpace` or `Poisoned` when the disk refuses; nothing that was committed is
    /// touched, and calling again is safe.
    pub fn put(&self, blocks: &[Block]) -> Result<PutReport, StoreError> {
        self.put_where(blocks, |cid| Ok(self.packs.find(cid).is_some()))
    }

    /// Writes the blocks that are not here, or whose copies here are damaged: the way to repair a
    /// store from good copies. It reads what it finds, so it is slower than [`Self::put`].
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn restore(&self, blocks: &[Block]) -> Result<PutReport, StoreError> {
        self.put_where(blocks, |cid| match self.packs.read_block(cid) {
            Ok(found) => Ok(found.is_some()),
            Err(StoreError::Corrupt { .. }) => Ok(false),
            Err(error) if error.is_absence() => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn put_where(
        &self,
        blocks: &[Block],
        is_here: impl Fn(&Cid) -> Result<bool, StoreError>,
    ) -> Result<PutReport, StoreError> {
        self.check_open()?;
        self.refresh()?;
        let refresh = || self.refresh();
        let mut writer = lock(&self.writer);
        writer.heal(&self.packs, &refresh)?;
        let mut new = Vec::new();
        let mut seen = HashSet::new();
        for block in blocks {
            let cid = block.cid();
            if !is_inline(cid) && seen.insert(cid.hash()) && !is_here(cid)? {
                new.push(block);
            }
        }
        if !new.is_empty() {
            self.make_folders()?;
            writer.append(&self.packs, &new, &refresh)?;
        }
        Ok(PutReport {
            new_blocks: new.len() as u64,
            new_bytes: new.iter().map(|block| block.len() as u64).sum(),
        })
    }

    /// Appends records to the log as a whole, and makes them and all blocks put before durable.
    /// Returns the number of the last record.
    ///
    /// # Errors
    /// `Behind` when the log has records after the one in `expect`; else what [`CommitError`]
    /// says of failures: the commit may still turn up.
    pub fn commit(&self, records: Vec<Payload>, expect: Expect) -> Result<Lsn, CommitError> {
        self.check_open()?;
        self.make_folders()?;
        let parts = Parts {
            folder: &self.log_folder,
            tail: &self.tail,
            packs: &self.packs,
            writer: &self.writer,
        };
        self.queue.commit(&parts, records, expect)
    }

    /// Returns the committed records after `lsn`, of all processes.
    ///
    /// # Errors
    /// `LogCorrupt` when the log is damaged, or when it no longer has a record that this process
    /// has read before.
    pub fn records_after(&self, lsn: Lsn) -> Result<Vec<Record>, StoreError> {
        self.check_open()?;
        let last = {
            let mut tail = lock(&self.tail);
            self.follow(&mut tail)?;
            if let Some(recent) = tail.recent_after(lsn) {
                return Ok(recent);
            }
            tail.last()
        };
        records_between(&self.log_folder, lsn, last)
    }

    /// Returns the number of the last committed record; 0 when there is none.
    ///
    /// # Errors
    /// As [`Self::records_after`].
    pub fn last_lsn(&self) -> Result<Lsn, StoreError> {
        self.check_open()?;
        let mut tail = lock(&self.tail);
        self.follow(&mut tail)?;
        Ok(tail.visible())
    }

    /// Holds what is on the disk against its checksums, as much of it as `level` says. Nothing is
    /// changed.
    ///
    /// # Errors
    /// When a file cannot be read at all; damage is in the report.
    pub fn fsck(
        &self,
        level: FsckLevel,
        progress: &mut dyn FnMut(FsckProgress),
    ) -> Result<FsckReport, StoreError> {
        self.check_open()?;
        fsck::check(&self.log_folder, &self.root.join("packs"), level, progress)
    }

    /// Returns figures about the store as this process knows it.
    pub fn stats(&self) -> StoreStats {
        let packs = self.packs.figures();
        let (records, last_lsn) = {
            let tail = lock(&self.tail);
            (tail.records(), tail.visible())
        };
        StoreStats {
            packs_sealed: packs.sealed,
            packs_open: packs.open,
            blocks: packs.blocks,
            bytes: packs.bytes,
            commits_waiting: self.queue.unanswered(),
            log: log::stats(&self.log_folder, records, last_lsn),
            cache: self.cache.stats(),
        }
    }

    /// Returns whether the folder takes writes at all.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        let path = self.log_folder.path.join("lock");
        self.disk.open(&path, OpenMode::WriteOrCreate).is_ok()
    }

    /// Syncs what this process wrote and leaves its pack for others to go on with. Blocks that no
    /// commit has announced stay out of sight until somebody does.
    ///
    /// # Errors
    /// `Poisoned` when the disk does not keep the blocks.
    pub fn close(&self) -> Result<(), StoreError> {
        if self.is_closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        lock(&self.writer).close()
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed.load(Ordering::SeqCst) { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Makes sure of the lake's folders before this process writes to them for the first time.
    fn make_folders(&self) -> Result<(), StoreError> {
        let mut has_folders = lock(&self.has_folders);
        if !*has_folders {
            settings::create_folders(self.disk.as_ref(), &self.root)?;
            *has_folders = true;
        }
        Ok(())
    }

    /// Reads a block from the packs. Where that fails another process may have brought a good copy
    /// since this one looked last.
    fn read_block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        self.packs.read_block(cid).or_else(|_| {
            self.refresh()?;
            self.packs.read_block(cid)
        })
    }

    /// Reads what other processes committed, and gets to know their blocks.
    fn refresh(&self) -> Result<(), StoreError> {
        self.follow(&mut lock(&self.tail))?;
        self.packs.catch_up()
    }

    /// Reads on in the log. What it says of packs is noted before anybody can see the records.
    fn follow(&self, tail: &mut Tail) -> Result<(), StoreError> {
        let followed = tail.follow(&self.log_folder, false);
        self.packs.announce(&tail.take_extents());
        followed
    }
}

fn is_inline(wanted: &Cid) -> bool {
    wanted.hash().code() == cid::IDENTITY
}

/// Returns the block that a CID itself contains.
fn inline(wanted: &Cid) -> Option<Block> {
    if !is_inline(wanted) {
        return None;
    }
    let data = wanted.hash().digest().to_vec().into();
    UnverifiedBlock { cid: *wanted, data }.verify().ok()
}

//! The public handle: blocks by CID, and the log, of one lake folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cidlake_block::{Block, Cid, PutReport, UnverifiedBlock, cid};

use crate::cache::BlockCache;
use crate::checkpoint::Base;
use crate::commit::{CommitQueue, Expect, Parts};
use crate::disk::{Disk, OpenMode};
use crate::error::{CommitError, StoreError};
use crate::fsck::{self, FsckLevel, FsckProgress, FsckReport};
use crate::gc::{self, GcOptions, GcProgress, GcReport, Liveness};
use crate::hold::{Hold, Holds};
use crate::lease::NOTHING_HELD;
use crate::locked::lock;
use crate::log::{self, LogFolder, LogLock, Lsn, Payload, Record, Tail, records_between};
use crate::pack::{IndexProgress, IndexReport, PackSet, PackWriter, Unannounced};
use crate::rescue::read_kept;
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
/// Locks are taken in this order: the log's lock file, the writer, the catching-up of packs, the
/// log's tail; the rest only for moments and with none of these inside.
#[derive(Debug)]
pub struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) root: PathBuf,
    pub(crate) log_folder: LogFolder,
    pub(crate) packs: Arc<PackSet>,
    holds: Arc<Holds>,
    /// Held while blocks are written, so that two threads never write the same block.
    writer: Mutex<PackWriter>,
    /// What collections of this process copied, and no commit has announced.
    copied: Unannounced,
    /// Held while the log is read on, which is short unless there is much new in it.
    pub(crate) tail: Mutex<Tail>,
    /// The checkpoint that this store was opened from.
    pub(crate) base: Option<Base>,
    pub(crate) checkpoint_lsn: AtomicU64,
    /// The last record of any kind that it covers.
    pub(crate) checkpoint_last: AtomicU64,
    /// Held while a checkpoint is made, which is before the log's tail.
    pub(crate) checkpointing: Mutex<()>,
    /// Held while a derived file is written.
    pub(crate) deriving: Mutex<()>,
    /// What no other process has in the names of its drafts.
    pub(crate) unique: String,
    pub(crate) queue: CommitQueue,
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
        let unique = format!("{:032x}", u128::from_be_bytes(seed));
        if !settings::check(disk.as_ref(), root)? {
            if !create {
                return Err(StoreError::NotALake { path: root.to_owned() });
            }
            settings::create(disk.as_ref(), root, &unique)?;
        }
        let log_folder = LogFolder::new(Arc::clone(&disk), root.join("wal"), segment_bytes_max);
        let packs = Arc::new(PackSet::new(Arc::clone(&disk), root.join("packs")));
        let leases = root.join("leases");
        let holds = Holds::new(Arc::clone(&disk), leases, seed, Arc::clone(&packs));
        // The log comes first: every pack that it speaks of is in the folder by then.
        let (mut tail, checkpoint) = log::open_tail(&log_folder)?;
        let checkpoint_last = AtomicU64::new(checkpoint.as_ref().map_or(0, |found| found.last()));
        let base = checkpoint.map(|found| Base { lsn: found.visible, state: found.state });
        packs.announce(&tail.take_extents());
        packs.retire(&tail.take_retirements(), None);
        packs.load_all()?;
        Ok(Self {
            disk,
            root: root.to_owned(),
            log_folder,
            packs,
            holds: Arc::new(holds),
            writer: Mutex::new(PackWriter::new(seed, pack_bytes_max)),
            copied: Unannounced::default(),
            tail: Mutex::new(tail),
            checkpoint_lsn: AtomicU64::new(base.as_ref().map_or(0, |base| base.lsn.0)),
            checkpoint_last,
            base,
            checkpointing: Mutex::new(()),
            deriving: Mutex::new(()),
            unique,
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
        let found = match self.packs.try_read_block(cid) {
            Some(block) => Some(block),
            None => self.read_anew(cid)?,
        };
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

    /// Takes a hold: what can be read now stays readable for as long as it lives, whatever is
    /// collected meanwhile, and what is put under it is there when a commit under it is made.
    ///
    /// # Errors
    /// When the log cannot be read, or the lease cannot be written although the folder takes
    /// writes.
    pub fn hold(&self) -> Result<Hold, StoreError> {
        self.check_open()?;
        self.holds.take(|| {
            let mut tail = lock(&self.tail);
            self.parts().follow(&mut tail)?;
            Ok(tail.last())
        })
    }

    /// Remembers blocks that are here already as if they had been put under `hold`: a commit under
    /// it finds them where it refers to them. What is only in a retired pack, which another hold of
    /// this process keeps, is written anew. Returns those that are not here.
    ///
    /// # Errors
    /// As [`Self::has`], and as [`Self::put`] where one is written anew.
    pub fn keep(&self, hold: &Hold, cids: &[Cid]) -> Result<Vec<Cid>, StoreError> {
        self.check_open()?;
        self.check_hold(hold);
        hold.remember(cids.iter().filter(|cid| !is_inline(cid)).copied());
        let mut missing = Vec::new();
        for cid in cids {
            if !is_inline(cid) && !self.counts(cid)? && !self.bring_back(hold, cid)? {
                missing.push(*cid);
            }
        }
        let is_missing: HashSet<&Cid> = missing.iter().collect();
        hold.was_here(cids.iter().filter(|cid| !is_missing.contains(cid)));
        Ok(missing)
    }

    /// Returns whether a block is in a pack that counts.
    fn counts(&self, cid: &Cid) -> Result<bool, StoreError> {
        if self.packs.find(cid)?.is_some() {
            return Ok(true);
        }
        self.refresh()?;
        Ok(self.packs.find(cid)?.is_some())
    }

    /// Writes a block anew that is only in retired packs; returns whether it is in one. What keeps
    /// their files may be an older hold than `hold`, and end before the commit.
    fn bring_back(&self, hold: &Hold, cid: &Cid) -> Result<bool, StoreError> {
        let Some(block) = read_kept(&self.packs, cid)? else { return Ok(false) };
        self.put(hold, &[block])?;
        Ok(true)
    }

    /// Returns whether a block is here, without reading it: for good only if it is kept alive, or
    /// was put or kept under a hold.
    ///
    /// # Errors
    /// When the log or a pack cannot be read.
    pub fn has(&self, cid: &Cid) -> Result<bool, StoreError> {
        self.check_open()?;
        if is_inline(cid) || self.counts(cid)? {
            return Ok(true);
        }
        Ok(!self.packs.find_kept(cid)?.is_empty())
    }

    /// Writes the blocks that are not here yet. This process sees them at once; they are durable,
    /// and there for others, after the next [`Self::commit`] under the same hold.
    ///
    /// # Errors
    /// `ReadOnly`, `NoSpace` or `Poisoned` when the disk refuses; nothing that was committed is
    /// touched, and calling again is safe.
    pub fn put(&self, hold: &Hold, blocks: &[Block]) -> Result<PutReport, StoreError> {
        self.put_where(hold, blocks, |cid| Ok(self.packs.find(cid)?.is_some()))
    }

    /// Writes the blocks that are not here, or whose copies here are damaged: the way to repair a
    /// store from good copies. It reads what it finds, so it is slower than [`Self::put`].
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn restore(&self, hold: &Hold, blocks: &[Block]) -> Result<PutReport, StoreError> {
        self.put_where(hold, blocks, |cid| match self.packs.read_counted(cid) {
            Ok(found) => Ok(found.is_some()),
            Err(StoreError::Corrupt { .. }) => Ok(false),
            Err(error) if error.is_absence() => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn put_where(
        &self,
        hold: &Hold,
        blocks: &[Block],
        is_here: impl Fn(&Cid) -> Result<bool, StoreError>,
    ) -> Result<PutReport, StoreError> {
        self.check_open()?;
        self.check_hold(hold);
        // Before it is looked for them: what is retired from then on is noticed by the commit.
        hold.remember(blocks.iter().map(|block| *block.cid()).filter(|cid| !is_inline(cid)));
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
        hold.was_here(blocks.iter().map(Block::cid));
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
    pub fn commit(
        &self,
        hold: &Hold,
        records: Vec<Payload>,
        expect: Expect,
    ) -> Result<Lsn, CommitError> {
        self.check_open()?;
        self.check_hold(hold);
        self.make_folders()?;
        self.queue.commit(&self.parts(), hold, records, expect)
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts {
            folder: &self.log_folder,
            tail: &self.tail,
            packs: &self.packs,
            holds: &self.holds,
            writer: &self.writer,
            copied: &self.copied,
        }
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
            self.parts().follow(&mut tail)?;
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
        self.parts().follow(&mut tail)?;
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
        // What is retired from now on stays until it was read.
        let _hold = self.hold()?;
        fsck::check(&self.log_folder, &self.root.join("packs"), level, progress)
    }

    /// Covers the sealed packs by few indexes of many packs, so that the lake opens and finds
    /// blocks fast with any number of packs. What is covered already is left alone, for the most
    /// part. Calling it at any time, from several processes too, is safe: readers go on.
    ///
    /// # Errors
    /// `ReadOnly` or `NoSpace` when the disk refuses; the lake is as good as before then.
    pub fn index_packs(
        &self,
        progress: &mut dyn FnMut(IndexProgress),
    ) -> Result<IndexReport, StoreError> {
        self.check_open()?;
        self.make_folders()?;
        let refresh = || {
            self.refresh()?;
            // A pack that the writer is beginning is in the folder before it is known.
            let _no_new_pack = lock(&self.writer);
            self.packs.load_all()
        };
        self.packs.index_packs(&refresh, progress)
    }

    /// Returns the leases of other live processes: the names of their files in `leases/`, and the
    /// record of the oldest hold of each; `None` where a process has none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn leases_elsewhere(&self) -> Result<Vec<(String, Option<Lsn>)>, StoreError> {
        let leases = self.holds.leases_elsewhere(false)?.into_iter();
        Ok(leases.map(|(name, lsn)| (name, (lsn != NOTHING_HELD).then_some(Lsn(lsn)))).collect())
    }

    /// Collects garbage: retires packs in which little or nothing is live, after copying what is,
    /// and removes their files, and those of packs retired earlier, as far as no other hold, here
    /// or elsewhere, is older. `hold` itself keeps none of them. `alive` has marked what the
    /// records up to the hold's keep alive; it sees what is committed meanwhile.
    ///
    /// # Errors
    /// Those of `alive`; `ReadOnly`, `NoSpace` and other refusals of the disk. Nothing is lost
    /// then, and the next run goes on.
    pub fn gc<L: Liveness>(
        &self,
        hold: &Hold,
        alive: &mut L,
        options: GcOptions,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<GcReport, L::Error> {
        self.check_open()?;
        self.check_hold(hold);
        gc::collect(self, hold, alive, options, progress)
    }

    /// Makes durable what was read of the log, so that an answer may rest on it: a writer whose sync
    /// failed, or that ended before it, leaves records that others read and a power cut takes. Where
    /// nothing of that kind is left nothing is written, nor in a folder that takes no writes.
    ///
    /// # Errors
    /// `Poisoned` when it was this process whose sync failed; `NoSpace` and other refusals of the
    /// disk, also where it cannot be told whether something is left.
    pub fn make_durable(&self) -> Result<(), StoreError> {
        self.check_open()?;
        if !log::read_dirty(&self.log_folder)? {
            return Ok(());
        }
        match LogLock::take(&self.log_folder) {
            Err(StoreError::ReadOnly { .. }) => Ok(()),
            log_lock => gc::make_durable(&self.parts(), log_lock?),
        }
    }

    /// Returns figures about the store as this process knows it.
    pub fn stats(&self) -> StoreStats {
        let packs = self.packs.figures();
        let (records, last_lsn, last) = {
            let tail = lock(&self.tail);
            (tail.records(), tail.visible(), tail.last())
        };
        StoreStats {
            packs_sealed: packs.sealed,
            packs_open: packs.open,
            packs_covered: packs.covered,
            blocks_bare: packs.blocks_bare,
            blocks: packs.blocks,
            bytes: packs.bytes,
            commits_waiting: self.queue.unanswered(),
            checkpoint_lsn: Lsn(self.checkpoint_lsn.load(Ordering::SeqCst)),
            records_behind: last.saturating_sub(self.checkpoint_last.load(Ordering::SeqCst)),
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

    /// Seals the pack that this process writes to if it is large, as it would be walked by every
    /// process that opens the lake otherwise. The next put goes on in another.
    ///
    /// # Errors
    /// `ReadOnly` or `NoSpace` when the disk refuses, `Poisoned` when it does not keep the index;
    /// the blocks are as safe as before.
    pub fn seal_own(&self) -> Result<(), StoreError> {
        self.check_open()?;
        lock(&self.writer).seal_own(&self.packs)
    }

    /// Does that also to large packs that other processes left open.
    ///
    /// # Errors
    /// As [`Self::seal_own`].
    pub fn seal_large(&self) -> Result<(), StoreError> {
        self.check_open()?;
        self.make_folders()?;
        lock(&self.writer).seal_large(&self.packs, &|| self.refresh())
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

    pub(crate) fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed.load(Ordering::SeqCst) { Err(StoreError::Closed) } else { Ok(()) }
    }

    fn check_hold(&self, hold: &Hold) {
        assert!(hold.is_of(&self.holds), "the hold was taken from another store");
    }

    /// Makes sure of the lake's folders before this process writes to them for the first time.
    pub(crate) fn make_folders(&self) -> Result<(), StoreError> {
        let mut has_folders = lock(&self.has_folders);
        if !*has_folders {
            settings::create_folders(self.disk.as_ref(), &self.root)?;
            *has_folders = true;
        }
        Ok(())
    }

    /// Reads a block that was not found, or not as it should be, at first sight.
    fn read_anew(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        if self.packs.find(cid)?.is_none() {
            self.refresh()?;
        }
        self.read_block(cid)
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
        self.parts().refresh()
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

//! Makes multi-pack indexes, so that few of them cover all sealed packs.
//!
//! What no index covers gets one, together with the indexes that are not at least twice as large
//! as everything smaller. So there are few of them, and a block's entry is written again a number
//! of times that grows with the logarithm of the blocks. One process at a time does this; others
//! read on meanwhile, also in files that are removed.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::known::Cover;
use super::midx::{
    self, CoveredPack, DamagedPage, Entry, Failure, Midx, Source, entries_of_pack, file_name,
    is_file_name,
};
use super::{Pack, PackId, PackSet, SealedIndex, reader};
use crate::disk::{DiskFile, OpenMode};
use crate::error::StoreError;
use crate::locked::{lock, read};

/// The file that is locked while indexes are made.
const LOCK_NAME: &str = "index.lock";
/// How the name of a draft ends.
const DRAFT_EXTENSION: &str = ".midx.tmp";
/// How often larger an index is than all smaller ones together, at least.
const FACTOR: u64 = 2;

/// How far the making of an index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexProgress {
    /// Entries that were written.
    pub entries_done: u64,
    /// Entries that are to be written.
    pub entries_total: u64,
}

/// What the making of multi-pack indexes did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Whether another process was at it, so that nothing was done.
    pub is_busy: bool,
    /// Multi-pack indexes that are in the folder now.
    pub indexes: u64,
    /// Packs that they cover.
    pub packs: u64,
    /// Packs of these that none covered before.
    pub packs_added: u64,
    /// Entries that were written, one for each copy of a block.
    pub entries_written: u64,
    /// Indexes that were removed: damaged, or replaced by a larger one.
    pub indexes_removed: u64,
}

/// A sound index in the folder, and which of its packs it is good for.
#[derive(Debug)]
struct Good {
    midx: Midx,
    /// By number in the index: whether the pack is there, as it was indexed, and in no larger one.
    counts: Vec<bool>,
}

/// A pack that no index covers.
#[derive(Debug)]
struct Bare {
    pack: CoveredPack,
    own: SealedIndex,
}

/// What is in the folder, and what is to be done about it.
#[derive(Debug, Default)]
struct Plan {
    /// Indexes to be merged into one, with `bare`.
    merged: Vec<Good>,
    bare: Vec<Bare>,
    kept: Vec<Good>,
    /// Files that are damaged or good for nothing any more.
    useless: Vec<PathBuf>,
}

impl Good {
    fn packs(&self) -> impl Iterator<Item = &CoveredPack> {
        self.midx
            .packs()
            .iter()
            .zip(&self.counts)
            .filter_map(|(pack, counts)| counts.then_some(pack))
    }

    fn entries(&self) -> u64 {
        self.packs().map(|pack| pack.entries).sum()
    }
}

impl PackSet {
    /// Covers all sealed packs by few multi-pack indexes. `refresh` brings what is known of the
    /// log and of the packs in the folder up to date.
    pub(crate) fn index_packs(
        &self,
        refresh: &dyn Fn() -> Result<(), StoreError>,
        progress: &mut dyn FnMut(IndexProgress),
    ) -> Result<IndexReport, StoreError> {
        let Some(_one_process) = self.lock_indexes()? else {
            return Ok(IndexReport { is_busy: true, ..IndexReport::default() });
        };
        // Whoever had the lock before may know of packs that this process has not heard of.
        refresh()?;
        let mut plan = self.plan()?;
        let mut report = plan.report();
        if !plan.merged.is_empty() || !plan.bare.is_empty() {
            let path = self.write_index(&plan, progress)?;
            plan.useless.extend(plan.merged.iter().map(|good| good.midx.path().to_owned()));
            // A damaged file of the same name was replaced.
            plan.useless.retain(|useless| *useless != path);
            self.uncover_files(&[path])?;
            report.entries_written = plan.entries();
        }
        self.load_covers_without(&plan.useless)?;
        self.uncover_files(&plan.useless)?;
        for path in &plan.useless {
            self.remove_file(path)?;
        }
        report.indexes_removed = plan.useless.len() as u64;
        Ok(report)
    }

    /// Returns the multi-pack indexes that list no packs but such that are over, and the sizes of
    /// their files in bytes.
    pub(crate) fn indexes_without_packs(
        &self,
        is_over: impl Fn(&PackId) -> bool,
    ) -> Result<Vec<(PathBuf, u64)>, StoreError> {
        let names = match self.disk.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(|error| StoreError::read(&self.folder, error))?,
        };
        let mut found = Vec::new();
        for name in names.iter().filter(|name| is_file_name(name)) {
            let path = self.folder.join(name);
            // One that is damaged or gone is nothing to a collection.
            if let Ok(Some(midx)) = Midx::open(self.disk.as_ref(), &path)
                && midx.packs().iter().all(|pack| is_over(&pack.id))
            {
                found.push((path, midx.file_bytes()));
            }
        }
        Ok(found)
    }

    /// Removes multi-pack indexes unless somebody is making some, who would remove them, too.
    /// Processes that have them open read on in them.
    pub(crate) fn remove_indexes(&self, paths: &[PathBuf]) -> Result<(), StoreError> {
        let Some(_one_process) = self.lock_indexes()? else { return Ok(()) };
        self.uncover_files(paths)?;
        paths.iter().try_for_each(|path| self.remove_file(path))
    }

    /// Takes the lock under which indexes are made; none if another process has it.
    fn lock_indexes(&self) -> Result<Option<Box<dyn DiskFile>>, StoreError> {
        let path = self.folder.join(LOCK_NAME);
        let refused = |error| StoreError::change(&path, "lock", error);
        let file = self.disk.open(&path, OpenMode::WriteOrCreate).map_err(refused)?;
        Ok(file.try_lock().map_err(refused)?.then_some(file))
    }

    /// Looks at what is in the folder. Drafts that somebody left are removed.
    fn plan(&self) -> Result<Plan, StoreError> {
        let refused = |error| StoreError::read(&self.folder, error);
        let names = self.disk.list(&self.folder).map_err(refused)?;
        for name in names.iter().filter(|name| name.ends_with(DRAFT_EXTENSION)) {
            self.remove_file(&self.folder.join(name))?;
        }
        let present: HashSet<PackId> =
            names.iter().filter_map(|name| PackId::parse_file_name(name)).collect();
        let mut plan = Plan::default();
        let mut found = Vec::new();
        for name in names.iter().filter(|name| is_file_name(name)) {
            let path = self.folder.join(name);
            let opened = Midx::open(self.disk.as_ref(), &path);
            match opened.map_err(|error| StoreError::read(&path, error))? {
                Some(midx) if midx.verify().is_ok() => found.push(midx),
                _ => plan.useless.push(path),
            }
        }
        found.sort_by(|a, b| (b.entries(), b.path()).cmp(&(a.entries(), a.path())));
        let mut rest: Vec<Arc<Pack>> = self.all();
        rest.retain(|pack| present.contains(&pack.id));
        let mut good = Vec::new();
        for midx in found {
            let counts = midx.packs().iter().map(|pack| self.is_good_for(pack, &mut rest));
            let counts: Vec<bool> = counts.collect();
            if counts.contains(&true) {
                good.push(Good { midx, counts });
            } else {
                plan.useless.push(midx.path().to_owned());
            }
        }
        for pack in rest {
            plan.bare.extend(self.bare(&pack)?);
        }
        plan.bare.retain(|bare| bare.pack.entries > 0);
        plan.choose(good);
        Ok(plan)
    }

    /// Returns whether a pack is as it was when it was indexed; takes it from the `rest` then.
    fn is_good_for(&self, covered: &CoveredPack, rest: &mut Vec<Arc<Pack>>) -> bool {
        let Some(at) = rest.iter().position(|pack| pack.id == covered.id) else { return false };
        let is_good =
            |pack| self.counts(covered) && self.is_as_indexed(pack, covered).is_ok_and(|has| has);
        let is_good = rest.get(at).is_some_and(|pack| is_good(pack));
        if is_good {
            rest.swap_remove(at);
        }
        is_good
    }

    /// Reads a pack's own index, if the pack may be covered.
    fn bare(&self, pack: &Pack) -> Result<Option<Bare>, StoreError> {
        let read = self.handle(pack).and_then(|file| reader::read_sealed(file.as_ref()));
        let sealed = match read {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StoreError::read(&pack.path, error)),
        };
        let Some((seal, index)) = sealed else { return Ok(None) };
        let own = SealedIndex::new(index, &seal);
        let Some(entries) = entries_of_pack(&own, 0) else { return Ok(None) };
        let covered = CoveredPack { id: pack.id, seal, entries: entries.len() as u64 };
        Ok(self.counts(&covered).then_some(Bare { pack: covered, own }))
    }

    /// Writes the index that `plan` asks for and makes it durable.
    fn write_index(
        &self,
        plan: &Plan,
        progress: &mut dyn FnMut(IndexProgress),
    ) -> Result<PathBuf, StoreError> {
        let packs = plan.packs();
        let path = self.folder.join(file_name(&packs));
        let draft = path.with_extension("midx.tmp");
        let refused = |error| StoreError::change(&draft, "write", error);
        let file = self.disk.open(&draft, OpenMode::CreateNew).map_err(refused)?;
        let entries_total = plan.entries();
        progress(IndexProgress { entries_done: 0, entries_total });
        let written = midx::write(file.as_ref(), &packs, plan.sources(&packs), &mut |done| {
            progress(IndexProgress { entries_done: done, entries_total });
        });
        let synced = written.and_then(|()| file.sync_data().map_err(Failure::Disk));
        let renamed = synced.and_then(|()| {
            self.disk.rename(&draft, &path).map_err(Failure::Disk)?;
            self.disk.sync_dir(&self.folder).map_err(Failure::Disk)
        });
        progress(IndexProgress { entries_done: entries_total, entries_total });
        renamed.map_err(|failure| match failure {
            Failure::Disk(error) => {
                let _removed = self.disk.remove(&draft);
                refused(error)
            }
            // It was sound a moment ago.
            Failure::Source(DamagedPage { offset }) => {
                let detail = format!("an index was damaged at byte {offset}");
                StoreError::read(&self.folder, io::Error::new(io::ErrorKind::InvalidData, detail))
            }
        })?;
        Ok(path)
    }

    /// Asks the indexes that are in the folder now, but for those that are `useless`.
    fn load_covers_without(&self, useless: &[PathBuf]) -> Result<(), StoreError> {
        let _only_one = lock(&self.catching_up);
        let names = self.disk.list(&self.folder);
        let mut names = names.map_err(|error| StoreError::read(&self.folder, error))?;
        names.retain(|name| !useless.contains(&self.folder.join(name)));
        self.load_covers(&names);
        Ok(())
    }

    /// Asks the indexes in these files no more.
    fn uncover_files(&self, paths: &[PathBuf]) -> Result<(), StoreError> {
        let covers: Vec<Arc<Cover>> = read(&self.known).covers().to_vec();
        let is_meant = |cover: &&Arc<Cover>| paths.iter().any(|path| path == cover.midx.path());
        covers.iter().filter(is_meant).try_for_each(|cover| self.uncover(cover))
    }

    fn remove_file(&self, path: &Path) -> Result<(), StoreError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::change(path, "remove", error))
            }
            _ => Ok(()),
        }
    }
}

impl Plan {
    /// Decides which of the sound indexes, largest first, are merged.
    fn choose(&mut self, mut good: Vec<Good>) {
        good.sort_by_key(|good| std::cmp::Reverse(good.entries()));
        let mut smaller: u64 = self.bare.iter().map(|bare| bare.pack.entries).sum();
        let mut kept = good.len();
        for (at, good) in good.iter().enumerate().rev() {
            // One that is mostly about packs that are gone is made anew, too.
            if good.entries() < FACTOR * smaller || good.entries() * FACTOR < good.midx.entries() {
                kept = at;
            }
            smaller += good.entries();
        }
        self.merged = good.split_off(kept);
        self.kept = good;
    }

    /// Returns the packs of the new index, by name.
    fn packs(&self) -> Vec<CoveredPack> {
        let merged = self.merged.iter().flat_map(Good::packs);
        let mut packs: Vec<CoveredPack> =
            merged.chain(self.bare.iter().map(|bare| &bare.pack)).copied().collect();
        packs.sort_unstable_by_key(|pack| pack.id);
        packs
    }

    fn entries(&self) -> u64 {
        self.packs().iter().map(|pack| pack.entries).sum()
    }

    /// Returns the entries of the new index, of which `packs` is the list.
    fn sources(&self, packs: &[CoveredPack]) -> Vec<Source<'_>> {
        let number = |pack: &CoveredPack| {
            let at = packs.binary_search_by_key(&pack.id, |other| other.id).ok()?;
            u32::try_from(at).ok()
        };
        let bare = self.bare.iter().filter_map(|bare| {
            number(&bare.pack).and_then(|number| entries_of_pack(&bare.own, number))
        });
        let bare: Vec<Entry> = bare.flatten().collect();
        let merged = self.merged.iter().map(|good| {
            let packs = good.midx.packs().iter().zip(&good.counts);
            let numbers = packs.map(|(pack, counts)| counts.then(|| number(pack)).flatten());
            Source::of_midx(&good.midx, numbers.collect())
        });
        merged.chain([Source::of_entries(bare)]).collect()
    }

    fn report(&self) -> IndexReport {
        let is_new = !self.merged.is_empty() || !self.bare.is_empty();
        let kept: usize = self.kept.iter().map(|good| good.packs().count()).sum();
        IndexReport {
            indexes: self.kept.len() as u64 + u64::from(is_new),
            packs: (kept + self.packs().len()) as u64,
            packs_added: self.bare.len() as u64,
            ..IndexReport::default()
        }
    }
}

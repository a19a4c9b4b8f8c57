//! Holds: the promise of this process that it still needs the lake as it was, and the lease file
//! in which other processes read how far back that goes.
//!
//! Whoever removes a retired pack looks at all leases after the retirement is in the log. So a
//! hold is taken in this order: read the log, write the lease, read the log again; if it moved,
//! once more. Then either the remover sees the lease, or the holder saw the retirement.
//!
//! A hold also remembers what was put under it. A commit looks whether a pack was retired since,
//! and brings blocks to safety that would be gone with it: see [`crate::commit`].

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cidlake_block::Cid;

use crate::disk::{Disk, DiskFile, OpenMode, read_vec};
use crate::error::StoreError;
use crate::lease::{self, LEASE_BYTES, NOTHING_HELD};
use crate::locked::lock;
use crate::log::Lsn;
use crate::pack::{Key, PackSet};

/// How often another name is tried for a lease file.
const NAMES_MAX: u128 = 1000;

/// Keeps the lake readable as it was at one record, for as long as this or a clone of it lives.
///
/// It is cheap to clone. In a folder that takes no writes it keeps nothing: what other processes
/// collect there may vanish under a reader.
#[derive(Debug, Clone)]
pub struct Hold(Arc<Held>);

#[derive(Debug)]
struct Held {
    lsn: u64,
    holds: Arc<Holds>,
    put: Mutex<Put>,
}

/// What was put under a hold.
#[derive(Debug, Default)]
struct Put {
    /// Each with whether it is certain that it was here, or was written: of the others the put is
    /// still to come, or has failed.
    blocks: HashMap<Key, bool>,
    /// All that were here were in packs that count after this record's retirements.
    checked: u64,
}

/// All holds of this process on one lake, and its lease.
#[derive(Debug)]
pub(crate) struct Holds {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    seed: [u8; 16],
    packs: Arc<PackSet>,
    /// Held for moments, and for the writing of 12 bytes; what was announced of packs, and which
    /// are known, may be locked inside.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many holds stand for each record.
    held: BTreeMap<u64, u64>,
    /// How many holds have something put under them.
    putting: u64,
    lease: Option<LeaseFile>,
}

#[derive(Debug)]
struct LeaseFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// What stands in it, where that is known.
    lsn: Option<u64>,
}

impl Hold {
    /// Returns the record up to which the lake is kept readable.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        Lsn(self.0.lsn)
    }

    /// Remembers blocks before it is looked whether they are here.
    pub(crate) fn remember(&self, cids: impl Iterator<Item = Cid>) {
        let mut put = lock(&self.0.put);
        let was_empty = put.blocks.is_empty();
        for cid in cids {
            put.blocks.entry(Key::of(&cid)).or_insert(false);
        }
        if was_empty && !put.blocks.is_empty() {
            lock(&self.0.holds.state).putting += 1;
        }
    }

    /// Takes note that remembered blocks were here, or were written: a commit fails from then on
    /// where they are gone.
    pub(crate) fn was_here<'a>(&self, cids: impl Iterator<Item = &'a Cid>) {
        let mut put = lock(&self.0.put);
        for cid in cids {
            if let Some(was_here) = put.blocks.get_mut(&Key::of(cid)) {
                *was_here = true;
            }
        }
    }

    /// Returns whether packs were retired since it was last made sure of the blocks put.
    pub(crate) fn is_behind(&self, last_retired: u64) -> bool {
        lock(&self.0.put).checked < last_retired
    }

    /// Returns the blocks that were put under this hold, under raw CIDs, always in the same order,
    /// each with whether it must be here.
    pub(crate) fn blocks(&self) -> Vec<(Cid, bool)> {
        let put = lock(&self.0.put);
        let blocks = put.blocks.iter();
        let mut blocks: Vec<(Cid, bool)> =
            blocks.filter_map(|(key, was_here)| Some((key.to_cid()?, *was_here))).collect();
        drop(put);
        blocks.sort_unstable();
        blocks
    }

    /// Takes note that all blocks are in packs that count after the retirements of this record.
    pub(crate) fn is_safe_up_to(&self, last_retired: u64) {
        let mut put = lock(&self.0.put);
        put.checked = put.checked.max(last_retired);
    }

    /// Returns whether it was taken from `holds`.
    pub(crate) fn is_of(&self, holds: &Arc<Holds>) -> bool {
        Arc::ptr_eq(&self.0.holds, holds)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let has_put = !lock(&self.put).blocks.is_empty();
        let mut state = lock(&self.holds.state);
        state.putting -= u64::from(has_put);
        state.release(self.lsn);
        // Under the lock: a hold that is taken meanwhile may need what would be let go of.
        self.holds.packs.release_retired(state.oldest());
    }
}

impl Holds {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        seed: [u8; 16],
        packs: Arc<PackSet>,
    ) -> Self {
        Self { disk, folder, seed, packs, state: Mutex::default() }
    }

    /// Takes a hold; `follow` reads the log to its end and returns the number of its last record.
    pub(crate) fn take(
        self: &Arc<Self>,
        follow: impl Fn() -> Result<u64, StoreError>,
    ) -> Result<Hold, StoreError> {
        let mut lsn = follow()?;
        loop {
            // Dropped in the next round, or on failure.
            let held = self.register(lsn)?;
            let now = follow()?;
            if now == lsn {
                return Ok(Hold(Arc::new(held)));
            }
            lsn = now;
        }
    }

    /// Enters a hold, and writes it to the lease.
    fn register(self: &Arc<Self>, lsn: u64) -> Result<Held, StoreError> {
        let mut state = lock(&self.state);
        if state.lease.is_none() {
            state.lease = self.make_lease()?;
        }
        if let Some(lease) = &mut state.lease
            && lease.lsn.is_none_or(|known| lsn < known)
        {
            lease.lower(lsn)?;
        }
        *state.held.entry(lsn).or_insert(0) += 1;
        let put = Mutex::new(Put { checked: lsn, ..Put::default() });
        Ok(Held { lsn, holds: Arc::clone(self), put })
    }

    /// Makes the lease file of this process and locks it. There is none where the folder takes no
    /// writes, or has no room.
    fn make_lease(&self) -> Result<Option<LeaseFile>, StoreError> {
        for number in 0..NAMES_MAX {
            let path = self.folder.join(lease::file_name(self.seed, number));
            match self.try_lease(&path) {
                Ok(None) => {}
                Ok(lease) => return Ok(lease),
                Err(StoreError::ReadOnly { .. } | StoreError::NoSpace { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let error = io::ErrorKind::AlreadyExists.into();
        Err(StoreError::change(&self.folder, "make a lease in", error))
    }

    /// Makes a lease file under this name, unless there is one.
    fn try_lease(&self, path: &Path) -> Result<Option<LeaseFile>, StoreError> {
        let refused = |error| StoreError::change(path, "create", error);
        let open = || self.disk.open(path, OpenMode::CreateNew);
        let opened = open().or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            self.disk.create_dir(&self.folder)?;
            open()
        });
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            opened => opened.map_err(refused)?,
        };
        // Before it was locked somebody may have taken it for that of a dead process.
        if !file.try_lock().map_err(refused)? {
            return Ok(None);
        }
        match self.disk.open(path, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(refused)?,
        };
        // Empty, it counts as the oldest lease that there is.
        let mut lease = LeaseFile { path: path.to_owned(), file, lsn: Some(0) };
        lease.raise(NOTHING_HELD);
        Ok(Some(lease))
    }

    /// Returns the oldest hold of this process besides `except`, which was taken once.
    pub(crate) fn oldest_besides(&self, except: &Hold) -> Option<u64> {
        let state = lock(&self.state);
        let count = |lsn: &u64, holds: &u64| holds - u64::from(*lsn == except.0.lsn);
        state.held.iter().find(|(lsn, holds)| count(lsn, holds) > 0).map(|(lsn, _)| *lsn)
    }

    /// Returns the oldest hold of this process.
    pub(crate) fn oldest(&self) -> Option<u64> {
        lock(&self.state).oldest()
    }

    /// Returns whether anything was put under a hold of this process besides `except`.
    pub(crate) fn is_putting_besides(&self, except: &Hold) -> bool {
        let own = u64::from(!lock(&except.0.put).blocks.is_empty());
        lock(&self.state).putting > own
    }

    /// Returns the oldest lease of all other processes, [`NOTHING_HELD`] where there is none.
    /// Those of dead processes are removed if `may_remove`.
    pub(crate) fn oldest_elsewhere(&self, may_remove: bool) -> Result<u64, StoreError> {
        let leases = self.leases_elsewhere(may_remove)?;
        Ok(leases.into_iter().map(|(_, lsn)| lsn).min().unwrap_or(NOTHING_HELD))
    }

    /// Returns the leases of all other live processes: names of files, and what stands in them.
    pub(crate) fn leases_elsewhere(
        &self,
        may_remove: bool,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let own = lock(&self.state).lease.as_ref().map(|lease| lease.path.clone());
        let mut names = match self.disk.list(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::read(&self.folder, error)),
        };
        names.sort_unstable();
        let mut leases = Vec::new();
        for name in names.into_iter().filter(|name| lease::is_lease(name)) {
            let path = self.folder.join(&name);
            if Some(&path) != own.as_ref() {
                let found = self.read_lease(&path, may_remove);
                let found = found.map_err(|error| StoreError::read(&path, error))?;
                leases.extend(found.map(|lsn| (name, lsn)));
            }
        }
        Ok(leases)
    }

    /// Reads a lease; `None` when its process is dead.
    fn read_lease(&self, path: &Path, may_remove: bool) -> io::Result<Option<u64>> {
        let file = match self.disk.open(path, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        if !file.try_lock()? {
            return Ok(Some(lease::parse(&read_vec(file.as_ref(), 0, LEASE_BYTES + 1)?)));
        }
        if may_remove {
            // Under its lock, so that its maker, if it still comes to lock it, finds it gone. Where
            // it cannot be removed it is found again the next time.
            let _removed = self.disk.remove(path);
        }
        file.unlock()?;
        Ok(None)
    }
}

impl State {
    fn oldest(&self) -> Option<u64> {
        self.held.first_key_value().map(|(lsn, _)| *lsn)
    }

    /// Takes one hold away, and raises the lease where it was the oldest.
    fn release(&mut self, lsn: u64) {
        if let Some(holds) = self.held.get_mut(&lsn) {
            *holds -= 1;
            if *holds == 0 {
                self.held.remove(&lsn);
            }
        }
        let oldest = self.oldest().unwrap_or(NOTHING_HELD);
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.lsn != Some(oldest)) {
            lease.raise(oldest);
        }
    }
}

impl LeaseFile {
    /// Writes a newer number. Where that fails others keep more than they would have to, unless it
    /// stands there all the same: the next hold writes again.
    fn raise(&mut self, lsn: u64) {
        let written = self.file.write_at(0, &lease::to_bytes(lsn));
        self.lsn = written.is_ok().then_some(lsn);
    }

    /// Writes an older number. Where there is no room for it the file is emptied, which holds
    /// everything.
    fn lower(&mut self, lsn: u64) -> Result<(), StoreError> {
        let Err(error) = self.file.write_at(0, &lease::to_bytes(lsn)) else {
            self.lsn = Some(lsn);
            return Ok(());
        };
        self.file.truncate(0).map_err(|_| StoreError::change(&self.path, "write", error))?;
        self.lsn = Some(0);
        Ok(())
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Removed under its lock. If it stays, whoever collects next finds that it is not locked.
        if let Some(lease) = state.lease.take().filter(|lease| lease.file.size().is_ok()) {
            let _removed = self.disk.remove(&lease.path);
        }
    }
}

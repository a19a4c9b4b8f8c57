//! What a collection copies, while it copies and when it came to nothing: who syncs it, who announces
//! it, and who goes on with its pack.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cidlake_block::Block;
use cidlake_store::disk::{Disk, DiskFile, MemDisk, OpenMode};
use cidlake_store::{Expect, FsckLevel, GcOptions, GcPhase, GcReport, Options, Store};

use crate::support::{
    Pinned, assert_here, block, commit, faulty, gc, hold, keep, open, options, pack_names, pin,
    root, try_gc, unpin,
};

/// A disk that remembers which files were synced.
#[derive(Debug, Clone)]
struct Watched {
    inner: MemDisk,
    synced: Arc<Mutex<Vec<PathBuf>>>,
}

#[derive(Debug)]
struct WatchedFile {
    inner: Box<dyn DiskFile>,
    path: PathBuf,
    synced: Arc<Mutex<Vec<PathBuf>>>,
}

impl Watched {
    fn new(disk: &MemDisk) -> Self {
        Self { inner: disk.process(), synced: Arc::default() }
    }

    /// Returns the files that were synced since the last call.
    fn take_synced(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.synced.lock().unwrap())
    }
}

impl Disk for Watched {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.inner.open(path, mode)?;
        let (path, synced) = (path.to_owned(), Arc::clone(&self.synced));
        Ok(Box::new(WatchedFile { inner, path, synced }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
}

impl DiskFile for WatchedFile {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, data)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.inner.truncate(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.synced.lock().unwrap().push(self.path.clone());
        self.inner.sync_data()
    }

    fn lock(&self) -> io::Result<()> {
        self.inner.lock()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.inner.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }
}

/// A lake with one pack that is mostly garbage; returns what is not.
fn sparse(disk: &MemDisk) -> Vec<Block> {
    let store = open(disk, 1);
    let live: Vec<Block> = (0..8).map(|number| block(number, 250)).collect();
    let dead = block(50, 400);
    // Everything in it goes to one pack: one that is not full yet takes a whole put.
    keep(&store, &live);
    keep(&store, std::slice::from_ref(&dead));
    let more = block(51, 4000);
    keep(&store, std::slice::from_ref(&more));
    commit(&store, vec![unpin(&dead), unpin(&more)]);
    store.close().unwrap();
    live
}

/// Collects, and lets something happen when a few blocks were copied.
fn collect(store: &Store, happens: impl FnOnce()) -> GcReport {
    let hold = hold(store);
    let mut alive = Pinned::at(store, &hold).unwrap();
    let options = GcOptions { live_share_min_percent: 101, ..GcOptions::default() };
    let mut happens = Some(happens);
    let report = store.gc(&hold, &mut alive, options, &mut |progress| {
        if progress.phase == GcPhase::Copy
            && progress.bytes_done > 1000
            && let Some(happens) = happens.take()
        {
            happens();
        }
    });
    assert!(happens.is_none(), "nothing was copied");
    report.unwrap()
}

/// Returns how often the log names a pack.
fn times_in_log(disk: &MemDisk, pack: &str) -> usize {
    let name = pack.trim_end_matches(".car").as_bytes();
    let wal = root().join("wal");
    let names = disk.list(&wal).unwrap().into_iter().filter(|name| name.ends_with(".wal"));
    let segments = names.map(|name| disk.content(&wal.join(name)).unwrap());
    segments.map(|log| log.windows(name.len()).filter(|window| *window == name).count()).sum()
}

#[test]
fn a_commit_does_not_wait_for_copies_and_does_not_announce_them() {
    let disk = MemDisk::new();
    let live = sparse(&disk);
    let watched = Watched::new(&disk);
    let store = Store::open(Arc::new(watched.clone()), root(), options(2)).unwrap();
    let before = pack_names(&disk);
    let mut copies = String::new();
    let mine = [block(100, 100), block(101, 200)];
    collect(&store, || {
        copies = pack_names(&disk).into_iter().find(|name| !before.contains(name)).unwrap();
        let path = root().join("packs").join(&copies);
        assert!(disk.content(&path).unwrap().len() > 500, "something was copied");
        watched.take_synced();
        // Also where it finds what is being copied.
        keep(&store, &[mine.as_slice(), &live].concat());
        let synced = watched.take_synced();
        assert!(synced.len() >= 2 && !synced.contains(&path), "{synced:?}");
        assert_eq!(times_in_log(&disk, &copies), 0);
        // What was acknowledged does not depend on what becomes of the copies.
        for seed in 0..8 {
            let disk = disk.fork();
            disk.crash(seed);
            let store = open(&disk, 3);
            assert_here(&store, &live);
            assert_here(&store, &mine);
            assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
        }
    });
    assert!(times_in_log(&disk, &copies) > 0);
    disk.crash(1);
    let store = open(&disk, 4);
    assert_here(&store, &live);
    assert_here(&store, &mine);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn the_pack_of_copies_is_nobody_elses_until_the_collection_is_over() {
    let disk = MemDisk::new();
    let live = sparse(&disk);
    let (store, other) = (open(&disk, 2), open(&disk, 3));
    let before = pack_names(&disk);
    let theirs = block(100, 100);
    let mut copies = Vec::new();
    collect(&store, || {
        copies = pack_names(&disk).into_iter().filter(|name| !before.contains(name)).collect();
        keep(&other, std::slice::from_ref(&theirs));
    });
    // The one of the other process is not that of the copies.
    let new = pack_names(&disk).into_iter().filter(|name| !before.contains(name));
    assert!(new.count() > copies.len());
    let names = pack_names(&disk);
    // Then it is adopted before another one is begun.
    keep(&open(&disk, 4), &[block(101, 100)]);
    assert_eq!(pack_names(&disk), names);
    for block in live.iter().chain([&theirs]) {
        assert_here(&open(&disk, 5), std::slice::from_ref(block));
    }
}

#[test]
fn collections_leave_no_litter_of_packs() {
    let everything = GcOptions { dry_run: false, live_share_min_percent: 101 };
    for is_writing in [false, true] {
        let disk = MemDisk::new();
        let large = |seed| Options { pack_bytes_max: 100_000, ..options(seed) };
        let open = |seed| Store::open(Arc::new(disk.process()), root(), large(seed)).unwrap();
        let store = open(1);
        // What a process is writing to is not collected, and no place for copies.
        let slow = hold(&store);
        if is_writing {
            store.put(&slow, &[block(1000, 100)]).unwrap();
        }
        for round in 0..12 {
            let (live, dead) = (block(round, 300), block(100 + round, 900));
            let other = open(2 + round as u8);
            keep(&other, &[live, dead.clone()]);
            commit(&other, vec![unpin(&dead)]);
            other.close().unwrap();
            drop(other);
            let report = try_gc(&store, everything).unwrap();
            assert_eq!(report.packs_repacked, 1, "round {round}");
            let waiting = usize::try_from(round).unwrap() + 1;
            assert_eq!(pack_names(&disk).len(), 1 + usize::from(is_writing) + waiting);
        }
        drop(slow);
        gc(&store);
        assert!(pack_names(&disk).len() <= 2);
        assert_here(&store, &(0..12).map(|round| block(round, 300)).collect::<Vec<_>>());
    }
}

#[test]
fn copies_that_came_to_nothing_are_announced_by_a_commit_that_relies_on_them() {
    for at in 0.. {
        let disk = MemDisk::new();
        let live = sparse(&disk);
        let (faults, store) = faulty(&disk, options(2));
        let before = faults.operations();
        faults.fail_at(before + at);
        let done = try_gc(&store, GcOptions { dry_run: false, live_share_min_percent: 101 });
        let is_through = faults.operations() < before + at;
        faults.clear();
        // Another process goes on with what was left, and one more collects it.
        let other = open(&disk, 3);
        keep(&other, &[block(100, 300)]);
        if at % 2 == 0 {
            other.close().unwrap();
            gc(&open(&disk, 4));
        }
        let held = hold(&store);
        let put = store.put(&held, &live).is_ok();
        let kept = put && store.commit(&held, live.iter().map(pin).collect(), Expect::Any).is_ok();
        drop((held, store, other));
        disk.crash(at);
        let store = open(&disk, 5);
        assert_here(&store, &live);
        assert_here(&store, &[block(100, 300)]);
        let report = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
        assert_eq!(report.damage, [], "operation {at}, then kept: {kept}");
        if is_through {
            assert!(done.is_ok() && kept && at > 50);
            return;
        }
    }
}

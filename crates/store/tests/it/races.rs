//! Orders of events that threads and processes meet only when one of them is slow.
//!
//! Nothing here is left to chance: a test holds one step back until the others are done.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cidlake_store::disk::{Disk, DiskFile, FaultyDisk, MemDisk, OpenMode};
use cidlake_store::{CommitError, Expect, FsckLevel, Lsn, Store, StoreError};

use crate::support::{
    assert_here, block, commit, delta, faulty, hold, open, options, payloads, root,
};

#[expect(clippy::disallowed_methods, reason = "it waits for threads that have no channel to it")]
/// Waits until it is so; gives up after a while, so that a test fails instead of hanging.
fn wait_for(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not come to that");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Holds the log's lock as another process would, until it is dropped.
fn hold_log(disk: &MemDisk) -> Box<dyn DiskFile> {
    let file = disk.process().open(&root().join("wal/lock"), OpenMode::Write).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn a_pack_that_is_sealed_while_a_commit_waits_is_announced_in_full() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    commit(&store, vec![delta(0)]);
    let before = block(1, 400);
    let after = [block(2, 1500), block(3, 1500), block(4, 300)];
    store.put(&hold(&store), std::slice::from_ref(&before)).unwrap();
    let syncs = faults.syncs();
    thread::scope(|scope| {
        let held = hold_log(&disk);
        let waiting = scope.spawn(|| commit(&store, vec![delta(1)]));
        // With the sync of the pack it is settled what the commit announces.
        wait_for(|| faults.syncs() > syncs);
        store.put(&hold(&store), &after).unwrap();
        drop(held);
        waiting.join().unwrap();
    });
    let stats = store.stats();
    assert_eq!((stats.packs_sealed, stats.packs_open), (1, 1));
    commit(&store, vec![delta(2)]);
    let other = open(&disk, 2);
    assert_here(&other, &[before]);
    assert_here(&other, &after);
}

#[test]
fn a_commit_that_the_end_overtakes_is_not_made() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    commit(&store, vec![delta(0)]);
    store.put(&hold(&store), &[block(1, 100)]).unwrap();
    let syncs = faults.syncs();
    thread::scope(|scope| {
        let held = hold_log(&disk);
        let first = scope.spawn(|| commit(&store, vec![delta(1)]));
        wait_for(|| faults.syncs() > syncs);
        store.put(&hold(&store), &[block(2, 100)]).unwrap();
        let second = scope.spawn(|| store.commit(&hold(&store), vec![delta(2)], Expect::Any));
        wait_for(|| store.stats().commits_waiting == 2);
        store.close().unwrap();
        drop(held);
        assert_eq!(first.join().unwrap(), Lsn(2));
        // Its record would speak of a block in a pack that this process holds no more.
        let refused = second.join().unwrap();
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Closed))), "{refused:?}");
    });
    let other = open(&disk, 2);
    assert_eq!(payloads(&other), [delta(0), delta(1)]);
    assert_here(&other, &[block(1, 100)]);
}

#[test]
fn a_slow_put_holds_up_no_other_process() {
    let disk = MemDisk::new();
    let gate = Arc::new(Gate::default());
    let gated = GatedDisk { inner: disk.process(), gate: Arc::clone(&gate) };
    let faulty = FaultyDisk::new(Arc::new(gated));
    let faults = faulty.faults();
    let slow = Store::open(Arc::new(faulty), root(), options(1)).unwrap();
    let other = open(&disk, 2);
    commit(&slow, vec![delta(0)]);
    slow.put(&hold(&slow), &[block(1, 100)]).unwrap();
    let syncs = faults.syncs();
    thread::scope(|scope| {
        let held = hold_log(&disk);
        let first = scope.spawn(|| commit(&slow, vec![delta(1)]));
        wait_for(|| faults.syncs() > syncs);
        let shut = gate.shut();
        let put = scope.spawn(|| slow.put(&hold(&slow), &[block(2, 100)]));
        wait_for(|| gate.held_up.load(Ordering::SeqCst) > 0);
        drop(held);
        wait_for(|| other.last_lsn().unwrap() == Lsn(2));
        let second = scope.spawn(|| commit(&other, vec![delta(2)]));
        wait_for(|| second.is_finished());
        drop(shut);
        put.join().unwrap().unwrap();
        assert_eq!(first.join().unwrap(), Lsn(2));
        assert_eq!(second.join().unwrap(), Lsn(3));
    });
    commit(&slow, vec![]);
    assert_here(&other, &[block(1, 100), block(2, 100)]);
}

#[test]
fn a_pack_that_another_process_filled_before_its_maker_locked_it_is_left_alone() {
    let disk = MemDisk::new();
    drop(open(&disk, 2));
    let theirs = [block(1, 400), block(2, 900)];
    let intruder = {
        let (disk, theirs) = (disk.clone(), theirs.clone());
        move || {
            let other = open(&disk, 2);
            other.put(&hold(&other), &theirs).unwrap();
            commit(&other, vec![delta(1)]);
            other.close().unwrap();
        }
    };
    let intruded =
        IntrudedDisk { inner: disk.process(), intruder: Mutex::new(Some(Box::new(intruder))) };
    let store = Store::open(Arc::new(intruded), root(), options(1)).unwrap();
    let ours = [block(3, 500), block(4, 300)];
    store.put(&hold(&store), &ours).unwrap();
    commit(&store, vec![delta(2)]);
    for store in [store, open(&disk, 3)] {
        assert_here(&store, &theirs);
        assert_here(&store, &ours);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
}

/// A disk on which another process comes in between when the first pack was created.
struct IntrudedDisk {
    inner: MemDisk,
    /// Taken when it is its turn.
    intruder: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl fmt::Debug for IntrudedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Disk for IntrudedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let file = self.inner.open(path, mode)?;
        let is_new_pack =
            mode == OpenMode::CreateNew && path.extension().is_some_and(|e| e == "car");
        if is_new_pack && let Some(intruder) = self.intruder.lock().unwrap().take() {
            intruder();
        }
        Ok(file)
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

/// Holds up writes to packs while it is shut.
#[derive(Debug, Default)]
struct Gate {
    is_shut: AtomicBool,
    held_up: AtomicU32,
}

/// Opens the gate when it is dropped, also in a test that fails.
struct Shut<'a>(&'a Gate);

impl Gate {
    fn shut(&self) -> Shut<'_> {
        self.is_shut.store(true, Ordering::SeqCst);
        Shut(self)
    }

    #[expect(clippy::disallowed_methods, reason = "a disk that is held up looks again and again")]
    fn pass(&self) {
        while self.is_shut.load(Ordering::SeqCst) {
            self.held_up.store(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.0.is_shut.store(false, Ordering::SeqCst);
    }
}

/// A disk with a gate before its packs.
#[derive(Debug)]
struct GatedDisk {
    inner: MemDisk,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct GatedFile {
    inner: Box<dyn DiskFile>,
    /// None but for packs.
    gate: Option<Arc<Gate>>,
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let is_pack = path.extension().is_some_and(|extension| extension == "car");
        let gate = is_pack.then(|| Arc::clone(&self.gate));
        Ok(Box::new(GatedFile { inner: self.inner.open(path, mode)?, gate }))
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

impl DiskFile for GatedFile {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        self.inner.write_at(offset, data)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.inner.truncate(size)
    }

    fn sync_data(&self) -> io::Result<()> {
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

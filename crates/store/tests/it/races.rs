//! Orders of events that threads and processes meet only when one of them is slow.
//!
//! Nothing here is left to chance: a test holds one step back until the others are done.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use cidlake_store::disk::{Disk, DiskFile, FaultyDisk, MemDisk, OpenMode};
use cidlake_store::{CommitError, Expect, FsckLevel, GcOptions, Lsn, Store, StoreError};

use crate::support::{
    assert_here, block, commit, delta, faulty, gc, hold, keep, open, options, pack_names, payloads,
    root, try_gc, unpin,
};
use crate::watched::{EventDisk, Gate, Watched, is_pack};

#[expect(clippy::disallowed_methods, reason = "it waits for threads that have no channel to it")]
/// Waits until it is so; gives up after a while, so that a test fails instead of hanging.
pub fn wait_for(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not come to that");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Holds the log's lock as another process would, until it is dropped.
pub fn hold_log(disk: &MemDisk) -> Box<dyn DiskFile> {
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
    let faulty = FaultyDisk::new(Arc::new(Watched::new(&disk, Arc::clone(&gate))));
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
    // When the first pack was created, and is not locked yet.
    let intruded = EventDisk::of(&disk, |path, mode| mode == OpenMode::CreateNew && is_pack(path));
    let store = intruded.store(1);
    intruded.plan(intruder);
    let ours = [block(3, 500), block(4, 300)];
    store.put(&hold(&store), &ours).unwrap();
    commit(&store, vec![delta(2)]);
    for store in [store, open(&disk, 3)] {
        assert_here(&store, &theirs);
        assert_here(&store, &ours);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
}

#[test]
fn a_collection_waits_for_a_pack_that_is_being_begun() {
    let disk = MemDisk::new();
    // When a pack is in the folder and its writer has not noted it yet.
    let events = EventDisk::of(&disk, |path, mode| mode == OpenMode::CreateNew && is_pack(path));
    let store = events.store(1);
    let dead = block(1, 3000);
    keep(&store, std::slice::from_ref(&dead));
    commit(&store, vec![unpin(&dead)]);
    let mine = block(2, 200);
    let ((begin, is_begun), (go, may_go)) = (sync_channel(1), sync_channel(1));
    events.plan(move || {
        begin.send(()).unwrap();
        may_go.recv().unwrap();
    });
    thread::scope(|scope| {
        let put = scope.spawn(|| keep(&store, std::slice::from_ref(&mine)));
        is_begun.recv().unwrap();
        let (finish, is_finished) = sync_channel(1);
        let store = &store;
        scope.spawn(move || {
            // It writes nothing, and so needs the writer for nothing else.
            let report = try_gc(store, GcOptions { dry_run: true, ..GcOptions::default() });
            finish.send(report).unwrap();
        });
        let early = is_finished.recv_timeout(Duration::from_millis(200));
        assert!(early.is_err(), "{early:?}");
        go.send(()).unwrap();
        put.join().unwrap();
        assert_eq!(is_finished.recv().unwrap().unwrap().damaged, []);
    });
    // Had the collection come to know it first, its writer would have begun another.
    assert_eq!(pack_names(&disk).len(), 2);
    gc(&store);
    for store in [store, open(&disk, 2)] {
        assert_here(&store, std::slice::from_ref(&mine));
        assert!(!store.has(dead.cid()).unwrap());
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
}

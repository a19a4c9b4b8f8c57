//! Power cuts and failures at every operation of a collection, and of what follows one.

use std::sync::Arc;

use cidlake_block::Block;
use cidlake_store::disk::{Disk as _, Faults, FaultyDisk, MemDisk};
use cidlake_store::{CommitError, Expect, FsckLevel, GcOptions, Store};

use crate::support::{
    assert_here, block, checkpoint, commit, faulty, gc, hold, keep, open, options, pack_names, pin,
    root, try_gc, try_open, unpin,
};

/// A lake with packs of every kind: full of what is dead, mixed, and full of what is live.
struct Lake {
    disk: MemDisk,
    live: Vec<Block>,
    dead: Vec<Block>,
}

fn lake() -> Lake {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let live: Vec<Block> = (0..9).map(|number| block(number, 200 + number as usize * 20)).collect();
    let dead: Vec<Block> = (20..29).map(|number| block(number, 900)).collect();
    keep(&store, &dead[..4]);
    for (live, dead) in live.iter().zip(&dead[4..]) {
        keep(&store, &[live.clone(), dead.clone()]);
    }
    keep(&store, &live);
    commit(&store, dead.iter().map(unpin).collect());
    store.close().unwrap();
    Lake { disk, live, dead }
}

impl Lake {
    /// The lake after a power cut, which also ends all processes that the copy still has.
    fn copy(&self) -> MemDisk {
        let disk = self.disk.fork();
        disk.crash(0);
        disk
    }

    fn check(&self, store: &Store) {
        assert_here(store, &self.live);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }

    /// Checks that the next collection goes all the way.
    fn check_end(&self, disk: &MemDisk, seed: u8) {
        let store = open(disk, seed);
        self.check(&store);
        gc(&store);
        let other = open(disk, seed + 1);
        self.check(&other);
        assert!(self.dead.iter().all(|block| !other.has(block.cid()).unwrap()));
        assert!(pack_names(disk).len() <= 3, "{:?}", pack_names(disk));
    }
}

fn faulty_at(disk: &MemDisk, seed: u8) -> (Faults, Store) {
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    (faulty.faults(), Store::open(Arc::new(faulty), root(), options(seed)).unwrap())
}

/// The operations of a whole collection.
fn operations(lake: &Lake) -> u64 {
    let (faults, store) = faulty_at(&lake.copy(), 2);
    let before = faults.operations();
    let report = gc(&store);
    assert!(report.packs_retired > 0 && report.packs_repacked > 0, "{report:?}");
    assert!(report.bytes_freed > 0);
    faults.operations() - before
}

#[test]
fn a_power_cut_at_any_operation_of_a_collection_loses_nothing_that_is_live() {
    let lake = lake();
    let operations = operations(&lake);
    assert!(operations > 100);
    for seed in 0..3 {
        for at in 0..=operations {
            let disk = lake.copy();
            let (faults, store) = faulty_at(&disk, 2);
            faults.fail_from(faults.operations() + at);
            let _ended_somewhere = try_gc(&store, GcOptions::default());
            disk.crash(seed * 100_000 + at);
            lake.check_end(&disk, 3);
        }
    }
}

#[test]
fn a_power_cut_after_a_collection_brings_no_pack_back() {
    let lake = lake();
    let disk = lake.copy();
    gc(&open(&disk, 2));
    let names = pack_names(&disk);
    for seed in 0..20 {
        let disk = disk.fork();
        disk.crash(seed);
        assert_eq!(pack_names(&disk), names);
    }
}

#[test]
fn a_process_that_dies_in_a_collection_leaves_a_lake_that_others_go_on_with() {
    let lake = lake();
    for at in 0..=operations(&lake) {
        let disk = lake.copy();
        let dying = disk.process();
        let faulty = FaultyDisk::new(Arc::new(dying.clone()));
        let faults = faulty.faults();
        let store = Store::open(Arc::new(faulty), root(), options(2)).unwrap();
        let reader = open(&disk, 3);
        lake.check(&reader);
        faults.fail_from(faults.operations() + at);
        let _ended_somewhere = try_gc(&store, GcOptions::default());
        dying.kill();
        lake.check(&reader);
        keep(&reader, &[block(100, 300)]);
        reader.close().unwrap();
        lake.check_end(&disk, 4);
        assert_here(&open(&disk, 6), &[block(100, 300)]);
    }
}

#[test]
fn a_power_cut_in_the_collection_after_a_power_cut_loses_nothing_either() {
    let lake = lake();
    let operations = operations(&lake);
    for first in (0..=operations).step_by(17) {
        let disk = lake.copy();
        let (faults, store) = faulty_at(&disk, 2);
        faults.fail_from(faults.operations() + first);
        let _ended_somewhere = try_gc(&store, GcOptions::default());
        drop(store);
        disk.crash(first);
        for second in (0..400).step_by(3) {
            let disk = disk.fork();
            let faulty = FaultyDisk::new(Arc::new(disk.process()));
            let faults = faulty.faults();
            faults.fail_from(second);
            let done = try_open(Arc::new(faulty), 3)
                .and_then(|store| try_gc(&store, GcOptions::default()));
            disk.crash(first * 1000 + second);
            lake.check_end(&disk, 4);
            if done.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn every_single_failure_in_a_collection_is_an_error_and_the_next_one_goes_on() {
    let lake = lake();
    for at in 0..=operations(&lake) {
        let disk = lake.copy();
        let (faults, store) = faulty_at(&disk, 2);
        faults.fail_at(faults.operations() + at);
        let _done_or_failed = try_gc(&store, GcOptions::default());
        faults.clear();
        assert_here(&store, &lake.live);
        let other = open(&disk, 3);
        lake.check(&other);
        // Also the same process can go on, but for files of which it failed to sync one.
        let _done_or_poisoned = try_gc(&store, GcOptions::default());
        assert_here(&store, &lake.live);
        drop(store);
        keep(&other, &[block(100, 300)]);
        other.close().unwrap();
        disk.crash(at);
        lake.check_end(&disk, 4);
        assert_here(&open(&disk, 6), &[block(100, 300)]);
    }
}

#[test]
fn a_power_cut_in_a_commit_that_brings_blocks_to_safety_loses_nothing_promised() {
    let prepare = |disk: &MemDisk| {
        let found = [block(1, 400), block(2, 700), block(3, 900)];
        let store = open(disk, 1);
        keep(&store, &found);
        commit(&store, found.iter().map(unpin).collect());
        store.close().unwrap();
        found
    };
    for at in 0.. {
        let disk = MemDisk::new();
        let found = prepare(&disk);
        let (faults, writer) = faulty_at(&disk, 2);
        let held = hold(&writer);
        writer.put(&held, &found).unwrap();
        gc(&open(&disk, 3));
        let before = faults.operations();
        faults.fail_from(before + at);
        let done = writer.commit(&held, found.iter().map(pin).collect(), Expect::Any);
        assert!(!matches!(done, Err(CommitError::Behind { .. })));
        let is_through = faults.operations() < before + at;
        drop((held, writer));
        disk.crash(at);
        let store = open(&disk, 4);
        let pins = crate::support::payloads(&store).len();
        assert!(pins == 6 || pins == 9, "{pins}");
        if done.is_ok() {
            assert_eq!(pins, 9);
        }
        if pins == 9 {
            assert_here(&store, &found);
        }
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
        gc(&store);
        if pins == 9 {
            assert_here(&open(&disk, 5), &found);
        } else {
            assert_eq!(pack_names(&disk), [""; 0]);
        }
        if is_through {
            break;
        }
    }
}

#[test]
fn a_checkpoint_knows_the_packs_that_wait_and_forgets_those_that_are_gone() {
    let lake = lake();
    let reader = open(&lake.disk, 2);
    let reading = hold(&reader);
    let report = gc(&open(&lake.disk, 3));
    assert!(report.bytes_waiting > 0);
    checkpoint(&reader).unwrap();
    let store = open(&lake.disk, 4);
    assert!(store.base().is_some());
    lake.check(&store);
    assert_eq!(gc(&store).bytes_waiting, report.bytes_waiting);
    drop(reading);
    assert_eq!(gc(&store).bytes_freed, report.bytes_waiting);
    commit(&store, vec![pin(&lake.live[0])]);
    checkpoint(&store).unwrap();
    let store = open(&lake.disk, 5);
    assert_eq!(gc(&store).bytes_waiting, 0);
    lake.check_end(&lake.disk, 6);
}

/// Puts blocks in a lake one by one, and finds them with the checkpoints and without.
fn put_and_find_without_checkpoints(disk: &MemDisk, seed: u8, blocks: &[Block]) {
    let store = open(disk, seed);
    blocks.iter().for_each(|block| keep(&store, std::slice::from_ref(block)));
    let without = disk.fork();
    let wal = root().join("wal");
    for name in without.list(&wal).unwrap() {
        if name.ends_with(".checkpoint") {
            without.remove(&wal.join(name)).unwrap();
        }
    }
    for disk in [disk, &without] {
        let store = open(disk, seed + 1);
        assert_here(&store, blocks);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
}

#[test]
fn a_pack_that_a_checkpoint_forgets_does_not_come_back() {
    let lake = lake();
    for at in 0.. {
        let disk = lake.copy();
        let (faults, store) = faulty(&disk, options(2));
        faults.fail_from(faults.operations() + at);
        let is_through = try_gc(&store, GcOptions::default()).is_ok();
        drop(store);
        // Files may be gone now, and their names still be on the disk.
        checkpoint(&open(&disk, 3)).unwrap();
        disk.crash(at);
        put_and_find_without_checkpoints(&disk, 4, &lake.dead);
        if is_through {
            return;
        }
    }
}

#[test]
fn no_file_goes_for_a_retirement_that_a_power_cut_may_take() {
    for syncs in 0..8 {
        let disk = MemDisk::new();
        let writer = open(&disk, 1);
        keep(&writer, &[block(1, 400), block(2, 400)]);
        commit(&writer, vec![unpin(&block(1, 400)), unpin(&block(2, 400))]);
        writer.close().unwrap();
        let store = open(&disk, 2);
        let collector = disk.process();
        let faulty = FaultyDisk::new(Arc::new(collector.clone()));
        let faults = faulty.faults();
        let failing = Store::open(Arc::new(faulty), root(), options(3)).unwrap();
        faults.fail_sync_at(faults.syncs() + syncs);
        let failed = try_gc(&failing, GcOptions::default()).is_err();
        collector.kill();
        // Something is being put, so that the collection commits nothing of its own at first.
        let putting = hold(&store);
        store.put(&putting, &[block(3, 100)]).unwrap();
        gc(&store);
        for seed in 0..8 {
            let disk = disk.fork();
            disk.crash(seed);
            let after = open(&disk, 4);
            let report = after.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
            assert_eq!(report.damage, [], "sync {syncs}, seed {seed}, failed: {failed}");
        }
    }
}

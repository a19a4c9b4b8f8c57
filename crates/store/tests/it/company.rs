//! Several processes and threads on one lake.

use std::sync::Arc;

use cidlake_block::Block;
use cidlake_store::disk::{Disk as _, FaultyDisk, MemDisk, OpenMode};
use cidlake_store::{CommitError, Expect, FsckLevel, Lsn, Payload, Store};

use crate::support::{assert_here, block, commit, delta, hold, open, options, payloads, root};

fn packs(disk: &MemDisk) -> Vec<String> {
    disk.list(&root().join("packs")).unwrap()
}

#[test]
fn processes_see_each_others_commits_and_nothing_before() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    let mut all: Vec<Block> = Vec::new();
    for round in 0..30 {
        let (writer, reader) = if round % 3 == 0 { (&two, &one) } else { (&one, &two) };
        let blocks = vec![block(round * 2, 600), block(round * 2 + 1, 50)];
        writer.put(&hold(writer), &blocks).unwrap();
        assert_here(writer, &blocks);
        assert!(!reader.has(blocks[0].cid()).unwrap());
        assert!(reader.get(blocks[1].cid()).unwrap().is_none());
        let last = commit(writer, vec![delta(round), delta(round + 1000)]);
        assert_eq!(reader.last_lsn().unwrap(), last);
        all.extend(blocks);
        assert_here(reader, &all);
        assert_eq!(payloads(reader), payloads(writer));
    }
    assert_eq!(two.put(&hold(&two), &all).unwrap().new_blocks, 0);
    assert!(one.stats().packs_sealed > 3);
    let report = one.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
    assert_eq!((report.damage, report.blocks), (vec![], 60));
}

/// Files that a process keeps open are no longer the log's when somebody else has replaced them.
#[test]
fn a_segment_that_is_kept_open_is_written_to_only_while_it_is_the_last() {
    let disk = MemDisk::new();
    let one = open(&disk, 1);
    let mut all = Vec::new();
    for number in 0..3 {
        all.push(delta(number));
        commit(&one, vec![delta(number)]);
    }
    // So many that a segment is full.
    let two = open(&disk, 2);
    let segments = one.stats().log.segments;
    for number in 10..30 {
        all.push(delta(number));
        commit(&two, vec![delta(number)]);
    }
    assert!(two.stats().log.segments > segments);
    for (number, store) in (30..40).zip([&one, &two].into_iter().cycle()) {
        all.push(delta(number));
        commit(store, vec![delta(number)]);
    }
    assert_eq!(payloads(&open(&disk, 3)), all);
}

#[test]
fn a_lock_that_was_removed_is_made_anew_by_all() {
    let disk = MemDisk::new();
    let one = open(&disk, 1);
    let mut all = vec![delta(0), delta(1)];
    commit(&one, vec![delta(0)]);
    commit(&one, vec![delta(1)]);
    disk.remove(&root().join("wal/lock")).unwrap();
    // The new lock counts names from the beginning: it comes to the number that `one` has read. And
    // what is written at once goes to a new segment as a whole, so the old one shows nothing of it.
    let two = open(&disk, 2);
    let segments = one.stats().log.segments;
    let many: Vec<Payload> = (2..30).map(delta).collect();
    commit(&two, many.clone());
    assert_eq!(two.stats().log.segments, segments + 1);
    all.extend(many);
    all.push(delta(100));
    commit(&one, vec![delta(100)]);
    assert_eq!(payloads(&open(&disk, 3)), all);
}

#[test]
fn a_segment_that_others_have_left_is_not_gone_on_with() {
    let disk = MemDisk::new();
    let one = open(&disk, 1);
    commit(&one, vec![delta(0)]);
    // With a hold from before, nothing of the log is read on the way to its lock.
    let held = hold(&one);
    let two = open(&disk, 2);
    let segments = one.stats().log.segments;
    let many: Vec<Payload> = (1..30).map(delta).collect();
    commit(&two, many.clone());
    assert_eq!(two.stats().log.segments, segments + 1);
    one.commit(&held, vec![delta(100)], Expect::Any).unwrap();
    assert_eq!(payloads(&open(&disk, 3)), [vec![delta(0)], many, vec![delta(100)]].concat());
}

#[test]
fn threads_of_several_processes_commit_at_once() {
    let disk = MemDisk::new();
    let stores = [open(&disk, 1), open(&disk, 2), open(&disk, 3)];
    std::thread::scope(|scope| {
        for thread in 0..6_u32 {
            let store = &stores[thread as usize % stores.len()];
            scope.spawn(move || {
                for round in 0..25 {
                    let number = thread * 1000 + round;
                    store.put(&hold(store), &[block(number, 300), block(round, 80)]).unwrap();
                    let own = vec![delta(number), delta(number + 100_000)];
                    let last = store.commit(&hold(store), own.clone(), Expect::Any).unwrap();
                    let found = store.records_after(Lsn(last.0 - 2)).unwrap();
                    let found: Vec<_> =
                        found.into_iter().take(2).map(|record| record.payload).collect();
                    assert_eq!(found, own);
                }
            });
        }
    });
    let all: Vec<Block> = (0..6)
        .flat_map(|thread| (0..25).map(move |round| block(thread * 1000 + round, 300)))
        .chain((0..25).map(|round| block(round, 80)))
        .collect();
    for store in &stores {
        assert_here(store, &all);
        assert_eq!(payloads(store), payloads(&stores[0]));
    }
    assert_eq!(payloads(&stores[0]).len(), 6 * 25 * 2);
    drop(stores);
    disk.crash(7);
    let store = open(&disk, 4);
    assert_here(&store, &all);
    assert_eq!(payloads(&store).len(), 6 * 25 * 2);
}

#[test]
fn of_two_commits_that_expect_the_same_one_is_made() {
    let disk = MemDisk::new();
    let stores = [open(&disk, 1), open(&disk, 2)];
    let increments = 20;
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let store = &stores[thread as usize % 2];
            scope.spawn(move || {
                let mut done = 0;
                while done < increments {
                    let seen = store.last_lsn().unwrap();
                    let number = u32::try_from(seen.0).unwrap();
                    match store.commit(&hold(store), vec![delta(number)], Expect::Last(seen)) {
                        Ok(lsn) => {
                            assert_eq!(lsn.0, seen.0 + 1);
                            done += 1;
                        }
                        Err(CommitError::Behind { last }) => assert!(last > seen),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let expected: Vec<Payload> = (0..4 * increments).map(delta).collect();
    assert_eq!(payloads(&stores[0]), expected);
}

#[test]
fn waiting_commits_share_one_sync() {
    let disk = MemDisk::new();
    let faulty = FaultyDisk::new(Arc::new(disk.clone()));
    let faults = faulty.faults();
    let store = Store::open(Arc::new(faulty), root(), options(1)).unwrap();
    commit(&store, vec![delta(0)]);
    let before = faults.syncs();
    // Somebody else holds the log's lock while the commits queue up behind the first.
    let lock = disk.process().open(&root().join("wal/lock"), OpenMode::Write).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        for number in 1..=16 {
            let store = &store;
            scope.spawn(move || commit(store, vec![delta(number)]));
        }
        while store.stats().commits_waiting < 16 {
            std::thread::yield_now();
        }
        lock.unlock().unwrap();
    });
    assert_eq!(payloads(&store).len(), 17);
    let syncs = faults.syncs() - before;
    // The leader of the first write, then one for all the others; a segment may end between.
    assert!(syncs <= 6, "{syncs} syncs for 16 commits");
}

#[test]
fn the_pack_of_a_dead_process_is_adopted_with_what_it_left() {
    let disk = MemDisk::new();
    let dead = disk.process();
    let store = Store::open(Arc::new(dead.clone()), root(), options(1)).unwrap();
    let (kept, left, torn) = (block(1, 300), block(2, 300), block(3, 300));
    let held = hold(&store);
    store.put(&hold(&store), std::slice::from_ref(&kept)).unwrap();
    commit(&store, vec![delta(1)]);
    store.put(&hold(&store), std::slice::from_ref(&left)).unwrap();
    store.put(&hold(&store), std::slice::from_ref(&torn)).unwrap();
    dead.kill();
    assert!(store.put(&held, &[block(4, 10)]).is_err());
    let name = packs(&disk)[0].clone();
    let path = root().join("packs").join(&name);
    let whole = disk.content(&path).unwrap();
    disk.set_content(&path, whole[..whole.len() - 1].to_vec()).unwrap();

    let heir = open(&disk, 2);
    assert!(!heir.has(left.cid()).unwrap());
    heir.put(&hold(&heir), &[block(5, 100)]).unwrap();
    assert_eq!(packs(&disk), [name]);
    assert_here(&heir, &[kept.clone(), left.clone(), block(5, 100)]);
    assert!(!heir.has(torn.cid()).unwrap());
    assert_eq!(heir.put(&hold(&heir), std::slice::from_ref(&left)).unwrap().new_blocks, 0);
    commit(&heir, vec![]);
    drop(heir);
    disk.crash(0);
    assert_here(&open(&disk, 3), &[kept, left, block(5, 100)]);
}

#[test]
fn an_heir_brings_the_head_of_a_pack_to_the_disk_too() {
    let disk = MemDisk::new();
    let dead = disk.process();
    let store = Store::open(Arc::new(dead.clone()), root(), options(1)).unwrap();
    store.put(&hold(&store), &[block(1, 300)]).unwrap();
    // The first sync of the pack failed, and nothing of it ever reaches the disk.
    let path = root().join("packs").join(&packs(&disk)[0]);
    disk.forget_unsynced(&path).unwrap();
    dead.kill();
    let heir = open(&disk, 2);
    heir.put(&hold(&heir), &[block(2, 300)]).unwrap();
    commit(&heir, vec![]);
    let whole = disk.content(&path).unwrap();
    drop(heir);
    disk.crash(0);
    assert_eq!(disk.content(&path).unwrap(), whole);
}

#[test]
fn a_pack_that_was_sealed_but_lost_its_head_is_whole_when_it_is_adopted() {
    let disk = MemDisk::new();
    let dead = disk.process();
    let store = Store::open(Arc::new(dead.clone()), root(), options(1)).unwrap();
    store.put(&hold(&store), &[block(1, 3100)]).unwrap();
    store.put(&hold(&store), &[block(2, 100)]).unwrap();
    dead.kill();
    let mut names = packs(&disk);
    names.sort();
    let path = root().join("packs").join(&names[0]);
    let whole = disk.content(&path).unwrap();
    // The first sync of this pack was that of its seal, and the power went in the middle of it.
    disk.set_content(&path, [vec![0; 77], whole[77..].to_vec()].concat()).unwrap();
    let heir = open(&disk, 2);
    heir.put(&hold(&heir), &[block(3, 100)]).unwrap();
    commit(&heir, vec![]);
    assert_eq!(disk.content(&path).unwrap(), whole);
    assert_eq!(heir.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    assert_here(&heir, &[block(1, 3100)]);
}

#[test]
fn a_pack_in_use_is_not_adopted() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    one.put(&hold(&one), &[block(1, 100)]).unwrap();
    two.put(&hold(&two), &[block(2, 100)]).unwrap();
    assert_eq!(packs(&disk).len(), 2);
    one.close().unwrap();
    let three = open(&disk, 3);
    three.put(&hold(&three), &[block(3, 100)]).unwrap();
    assert_eq!(packs(&disk).len(), 2);
    // What the first process left without a commit is the third's to announce.
    commit(&three, vec![]);
    assert_here(&two, &[block(1, 100), block(2, 100), block(3, 100)]);
}

#[test]
fn what_an_heir_adopts_is_on_the_disk_after_its_commit() {
    let disk = MemDisk::new();
    let dead = disk.process();
    let store = Store::open(Arc::new(dead.clone()), root(), options(1)).unwrap();
    commit(&store, vec![delta(1)]);
    store.put(&hold(&store), &[block(1, 300)]).unwrap();
    // A sync failed: the kernel took the pages for clean, and they never reach the disk.
    disk.forget_unsynced(&root().join("packs").join(&packs(&disk)[0])).unwrap();
    dead.kill();
    let heir = open(&disk, 2);
    heir.put(&hold(&heir), &[block(2, 300)]).unwrap();
    assert_eq!(heir.put(&hold(&heir), &[block(1, 300)]).unwrap().new_blocks, 0);
    commit(&heir, vec![delta(2)]);
    drop(heir);
    for seed in 0..8 {
        let disk = disk.fork();
        disk.crash(seed);
        assert_here(&open(&disk, 3), &[block(1, 300), block(2, 300)]);
    }
}

#[test]
fn a_writer_that_died_with_the_mark_set_is_cleaned_up_after() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    commit(&one, vec![delta(1)]);
    assert_eq!(payloads(&two), [delta(1)]);
    disk.set_content(&root().join("wal/lock"), vec![1]).unwrap();
    assert!(two.stats().log.dirty);
    let before = two.stats().log.epoch;
    commit(&two, vec![delta(2)]);
    let stats = two.stats().log;
    assert!(!stats.dirty);
    assert!(stats.epoch > before);
    assert_eq!(payloads(&one), [delta(1), delta(2)]);
    commit(&one, vec![delta(3)]);
    assert_eq!(payloads(&two), [delta(1), delta(2), delta(3)]);
    let names = disk.list(&root().join("wal")).unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_reader_notices_when_a_record_that_it_read_is_gone() {
    let disk = MemDisk::new();
    let (one, reader) = (open(&disk, 1), open(&disk, 2));
    commit(&one, vec![delta(1)]);
    let before: Vec<(std::path::PathBuf, Vec<u8>)> = disk
        .list(&root().join("wal"))
        .unwrap()
        .into_iter()
        .map(|name| root().join("wal").join(name))
        .map(|path| (path.clone(), disk.content(&path).unwrap()))
        .collect();
    commit(&one, vec![delta(2)]);
    assert_eq!(payloads(&reader), [delta(1), delta(2)]);
    for (path, content) in before {
        disk.set_content(&path, content).unwrap();
    }
    disk.set_content(&root().join("wal/lock"), vec![1]).unwrap();
    commit(&open(&disk, 3), vec![delta(3)]);
    assert!(matches!(
        reader.records_after(Lsn(0)),
        Err(cidlake_store::StoreError::LogCorrupt { .. })
    ));
}

#[test]
fn a_commit_without_records_saves_what_a_dead_writer_left_unsynced() {
    let disk = MemDisk::new();
    let dead = disk.process();
    let faulty = FaultyDisk::new(Arc::new(dead.clone()));
    let faults = faulty.faults();
    let store = Store::open(Arc::new(faulty), root(), options(1)).unwrap();
    commit(&store, vec![delta(1)]);
    store.put(&hold(&store), &[block(1, 300)]).unwrap();
    // The pack is synced, the log is not: the record that announces the block can be read, and
    // is not on the disk.
    faults.fail_sync_at(faults.syncs() + 1);
    store.commit(&hold(&store), vec![delta(2)], Expect::Any).unwrap_err();
    dead.kill();
    let heir = open(&disk, 2);
    assert_eq!(heir.put(&hold(&heir), &[block(1, 300)]).unwrap().new_blocks, 0);
    commit(&heir, vec![]);
    drop(heir);
    for seed in 0..16 {
        let disk = disk.fork();
        disk.crash(seed);
        let store = open(&disk, 3);
        assert_here(&store, &[block(1, 300)]);
        assert_eq!(payloads(&store), [delta(1), delta(2)]);
    }
}

//! Collections beside readers, writers and other collections, at the moments that matter.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;

use cidlake_block::{Block, Cid};
use cidlake_store::disk::{Disk, MemDisk, OpenMode};
use cidlake_store::{
    CommitError, Expect, FsckLevel, GcOptions, GcReport, Hold, Liveness, Record, Store, StoreError,
};

use crate::support::{
    Pinned, assert_here, block, commit, delta, gc, hold, keep, open, pack_names, pin, root, try_gc,
    unpin,
};
use crate::watched::{EventDisk, is_pack};

#[test]
fn a_reader_from_before_reads_everything_and_what_it_needs_waits() {
    let disk = MemDisk::new();
    let writer = open(&disk, 1);
    let blocks: Vec<Block> = (0..12).map(|number| block(number, 500)).collect();
    keep(&writer, &blocks);
    let reader = open(&disk, 2);
    let held = hold(&reader);
    commit(&writer, blocks.iter().map(unpin).collect());
    writer.close().unwrap();
    let store = open(&disk, 3);
    let report = gc(&store);
    assert_eq!((report.packs_retired, report.bytes_freed), (2, 0));
    assert!(report.bytes_waiting > 6000);
    assert!(!store.has(blocks[0].cid()).unwrap());
    assert_here(&reader, &blocks);
    assert!(!reader.has(block(999, 1).cid()).unwrap());
    assert_eq!(reader.stats().blocks, 0);
    assert_here(&reader, &blocks);
    // A clone is as good as the hold itself.
    let again = held.clone();
    drop(held);
    assert_eq!(gc(&store).bytes_freed, 0);
    assert_here(&reader, &blocks);
    let fsck = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
    assert_eq!((fsck.damage, fsck.packs_waiting, fsck.packs), (vec![], 2, 0));
    // A store that is opened meanwhile knows nothing of them, and writes to none of them.
    let late = open(&disk, 4);
    assert!(!late.has(blocks[0].cid()).unwrap());
    keep(&late, &[block(50, 10)]);
    assert_eq!(pack_names(&disk).len(), 3);
    drop(again);
    let after = gc(&store);
    assert_eq!(
        (after.packs_retired, after.bytes_freed, after.bytes_waiting),
        (0, report.bytes_waiting, 0)
    );
    assert_eq!(pack_names(&disk).len(), 1);
    assert!(reader.get(blocks[0].cid()).unwrap().is_none());
    assert!(!reader.has(blocks[0].cid()).unwrap());
}

#[test]
fn a_reader_in_the_collecting_process_is_a_reader_like_any_other() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let dead = block(1, 500);
    keep(&store, std::slice::from_ref(&dead));
    let held = hold(&store);
    commit(&store, vec![unpin(&dead)]);
    let report = gc(&store);
    assert_eq!((report.packs_retired, report.bytes_freed), (1, 0));
    assert!(report.bytes_waiting > 500);
    assert_here(&store, std::slice::from_ref(&dead));
    drop(held);
    assert!(!store.has(dead.cid()).unwrap());
    assert_eq!(gc(&store).bytes_freed, report.bytes_waiting);
}

#[test]
fn the_name_of_a_retired_pack_is_not_given_again() {
    let disk = MemDisk::new();
    let other = open(&disk, 2);
    for round in 0..3 {
        // The same seed, and so the same names.
        let store = open(&disk, 1);
        keep(&store, &[block(round, 300)]);
        assert_here(&other, &[block(round, 300)]);
        commit(&store, vec![unpin(&block(round, 300))]);
        assert_eq!(gc(&store).packs_retired, 1);
        assert_eq!(pack_names(&disk), [""; 0]);
    }
}

#[test]
fn a_younger_hold_keeps_nothing_of_before() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    keep(&store, &[block(1, 500)]);
    commit(&store, vec![unpin(&block(1, 500))]);
    let reader = open(&disk, 2);
    let old = hold(&reader);
    assert!(gc(&store).bytes_waiting > 0);
    let young = hold(&reader);
    assert!(young.lsn() > old.lsn());
    drop(old);
    assert!(gc(&store).bytes_freed > 0);
    assert_eq!(pack_names(&disk), [""; 0]);
}

#[test]
fn a_block_that_was_found_and_then_collected_is_there_after_the_commit() {
    let disk = MemDisk::new();
    let (writer, collector) = (open(&disk, 1), open(&disk, 2));
    let found = [block(1, 400), block(2, 2800), block(3, 1500)];
    keep(&collector, &found);
    commit(&collector, found.iter().map(unpin).collect());
    let held = hold(&writer);
    assert_eq!(writer.put(&held, &found).unwrap().new_blocks, 0);
    let report = gc(&collector);
    assert_eq!(report.packs_retired, 2);
    assert!(report.bytes_waiting > 0);
    let last = writer.last_lsn().unwrap();
    writer.commit(&held, found.iter().map(pin).collect(), Expect::Last(last)).unwrap();
    drop(held);
    let report = gc(&collector);
    assert_eq!((report.packs_retired, report.bytes_waiting), (0, 0));
    for store in [&writer, &collector, &open(&disk, 3)] {
        assert_here(store, &found);
    }
    assert_eq!(writer.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    disk.crash(1);
    assert_here(&open(&disk, 4), &found);
}

#[test]
fn blocks_that_are_kept_without_being_put_are_there_after_the_commit() {
    let disk = MemDisk::new();
    let (writer, collector) = (open(&disk, 1), open(&disk, 2));
    let found = [block(1, 400), block(2, 700)];
    keep(&collector, &found);
    commit(&collector, found.iter().map(unpin).collect());
    let held = hold(&writer);
    let cids: Vec<Cid> = [&found[0], &block(9, 9), &found[1]].map(|block| *block.cid()).to_vec();
    assert_eq!(writer.keep(&held, &cids).unwrap(), [*block(9, 9).cid()]);
    gc(&collector);
    writer.commit(&held, found.iter().map(pin).collect(), Expect::Any).unwrap();
    drop(held);
    gc(&collector);
    assert_here(&open(&disk, 3), &found);
}

#[test]
fn what_is_still_to_be_committed_survives_although_others_announced_it() {
    let disk = MemDisk::new();
    let (writer, collector) = (open(&disk, 1), open(&disk, 2));
    let mine = [block(1, 1600), block(2, 1600), block(3, 200)];
    let slow = hold(&writer);
    // The first two fill a pack, which is sealed and let go of.
    writer.put(&slow, &mine).unwrap();
    // Another thread's commit announces what there is.
    commit(&writer, vec![delta(1)]);
    let report = gc(&collector);
    assert_eq!((report.packs_retired, report.packs_skipped), (1, 1));
    assert!(!collector.has(mine[0].cid()).unwrap());
    writer.commit(&slow, mine.iter().map(pin).collect(), Expect::Any).unwrap();
    drop(slow);
    assert_eq!(gc(&collector).packs_retired, 0);
    assert_here(&collector, &mine);
    assert_here(&open(&disk, 3), &mine);
}

#[test]
fn of_commits_that_wait_together_one_whose_blocks_are_damaged_fails_alone() {
    let disk = MemDisk::new();
    let (writer, collector) = (open(&disk, 1), open(&disk, 2));
    let found = block(1, 400);
    keep(&collector, std::slice::from_ref(&found));
    commit(&collector, vec![unpin(&found)]);
    let held = hold(&writer);
    writer.put(&held, std::slice::from_ref(&found)).unwrap();
    gc(&collector);
    let path = root().join("packs").join(&pack_names(&disk)[0]);
    let mut content = disk.content(&path).unwrap();
    content[200] ^= 1;
    disk.set_content(&path, content).unwrap();
    let refused = writer.commit(&held, vec![pin(&found)], Expect::Any);
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Corrupt { .. }))), "{refused:?}");
    let last = writer.last_lsn().unwrap();
    keep(&writer, &[block(2, 100)]);
    assert_eq!(writer.last_lsn().unwrap().0, last.0 + 2, "the retirement has a number, too");
    assert!(!writer.has(block(77, 1).cid()).unwrap());
}

#[test]
fn a_pack_that_was_retired_just_before_it_was_locked_is_not_adopted() {
    for with_reader in [false, true] {
        let disk = MemDisk::new();
        let dead = block(1, 500);
        let first = open(&disk, 1);
        keep(&first, std::slice::from_ref(&dead));
        commit(&first, vec![unpin(&dead)]);
        first.close().unwrap();
        let events = EventDisk::of(&disk, |path, mode| is_pack(path) && mode == OpenMode::Write);
        let writer = events.store(2);
        // With the reader the file stays, without it goes.
        let reader = open(&disk, 3);
        let held = with_reader.then(|| hold(&reader));
        let collector = open(&disk, 4);
        events.plan(move || {
            assert_eq!(gc(&collector).packs_retired, 1);
        });
        let mine = [block(2, 100), block(3, 200)];
        keep(&writer, &mine);
        drop(held);
        gc(&writer);
        assert_eq!(pack_names(&disk).len(), 1);
        assert_here(&writer, &mine);
        assert_here(&open(&disk, 5), &mine);
    }
}

#[test]
fn a_reader_whose_pack_vanishes_finds_the_blocks_where_they_are_now() {
    let disk = MemDisk::new();
    let first = open(&disk, 1);
    let (live, dead) = (block(1, 300), block(2, 900));
    keep(&first, &[live.clone(), dead.clone()]);
    commit(&first, vec![unpin(&dead)]);
    first.close().unwrap();
    // Without a hold nothing keeps the file there.
    let reader = open(&disk, 2);
    let many = open(&disk, 3);
    gc(&open(&disk, 4));
    assert_here(&reader, std::slice::from_ref(&live));
    assert_eq!(many.get_many(&[*live.cid()]).unwrap()[0].as_ref().unwrap().data(), live.data());
    assert!(reader.get(dead.cid()).unwrap().is_none());
}

#[test]
fn a_store_that_is_opened_while_packs_go_sees_no_damage() {
    let disk = MemDisk::new();
    let first = open(&disk, 1);
    let (live, dead) = (block(1, 300), block(2, 900));
    keep(&first, &[live.clone(), dead.clone()]);
    commit(&first, vec![unpin(&dead)]);
    first.close().unwrap();
    let collector = open(&disk, 2);
    // When it has the names of the packs, and has read none of them.
    let events = EventDisk::of(&disk, |path, _| path.ends_with("packs"));
    let listing = events.clone();
    events.plan(move || {
        gc(&collector);
    });
    let store = listing.store(3);
    assert_here(&store, std::slice::from_ref(&live));
    assert!(store.get(dead.cid()).unwrap().is_none());
    assert!(store.get(block(9, 9).cid()).unwrap().is_none());
}

#[test]
fn a_hold_that_is_taken_while_packs_are_retired_is_either_old_or_knows_of_it() {
    let disk = MemDisk::new();
    let first = open(&disk, 1);
    let dead = block(1, 500);
    keep(&first, std::slice::from_ref(&dead));
    commit(&first, vec![unpin(&dead)]);
    first.close().unwrap();
    let is_lease: fn(&Path, OpenMode) -> bool =
        |path, mode| path.extension().is_some_and(|e| e == "lease") && mode == OpenMode::CreateNew;
    let events = EventDisk::of(&disk, is_lease);
    let reader = events.store(2);
    let collector = open(&disk, 3);
    events.plan(move || {
        // It also takes the lease, which is not locked yet, for that of a dead process.
        assert!(gc(&collector).bytes_freed > 0);
    });
    let held = hold(&reader);
    assert!(reader.get(dead.cid()).unwrap().is_none());
    // The lease that it has now is seen.
    keep(&reader, &[block(2, 50)]);
    let writer = open(&disk, 4);
    commit(&writer, vec![unpin(&block(2, 50))]);
    reader.close().unwrap();
    assert!(gc(&writer).bytes_waiting > 0);
    drop(held);
    assert_eq!(gc(&writer).bytes_waiting, 0);
}

#[test]
fn a_pack_that_is_retired_while_it_is_loaded_does_not_count() {
    let disk = MemDisk::new();
    let events = EventDisk::of(&disk, |path, mode| is_pack(path) && mode == OpenMode::Read);
    let reader = Arc::new(events.store(1));
    let writer = open(&disk, 2);
    let dead = block(1, 500);
    keep(&writer, std::slice::from_ref(&dead));
    writer.close().unwrap();
    let collector = open(&disk, 3);
    let other_thread = Arc::clone(&reader);
    let again = dead.clone();
    events.plan(move || {
        commit(&collector, vec![unpin(&again)]);
        assert_eq!(gc(&collector).packs_retired, 1);
        other_thread.last_lsn().unwrap();
    });
    reader.has(dead.cid()).unwrap();
    assert_eq!(reader.stats().blocks, 0);
    assert_eq!(reader.put(&hold(&reader), &[dead]).unwrap().new_blocks, 1);
}

#[test]
fn a_retired_pack_is_not_announced_by_who_sealed_it() {
    let disk = MemDisk::new();
    let (writer, heir) = (open(&disk, 1), open(&disk, 2));
    writer.put(&hold(&writer), &[block(1, 3000), block(2, 200)]).unwrap();
    let sealed = pack_names(&disk)[0].replace(".car", "");
    // Another process takes the sealed pack for that of a dead one, and collects it.
    keep(&heir, &[block(3, 100)]);
    assert_eq!(gc(&heir).packs_retired, 1);
    assert!(!pack_names(&disk).contains(&format!("{sealed}.car")));
    commit(&writer, vec![delta(1)]);
    let names = disk.list(&root().join("wal")).unwrap();
    let said = names.iter().map(|name| disk.content(&root().join("wal").join(name)).unwrap());
    let times = |log: Vec<u8>| {
        log.windows(sealed.len()).filter(|window| *window == sealed.as_bytes()).count()
    };
    assert_eq!(said.map(times).sum::<usize>(), 2, "once announced, once retired");
    let store = open(&disk, 3);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn a_collection_leaves_alone_what_its_own_process_is_writing() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let mine = [block(1, 3000), block(2, 200)];
    let slow = hold(&store);
    store.put(&slow, &mine).unwrap();
    for dry_run in [true, false] {
        let report = try_gc(&store, GcOptions { dry_run, ..GcOptions::default() }).unwrap();
        assert_eq!((report.packs_seen, report.packs_skipped, report.packs_retired), (2, 2, 0));
    }
    store.commit(&slow, mine.iter().map(pin).collect(), Expect::Any).unwrap();
    assert_here(&open(&disk, 2), &mine);
}

#[test]
fn a_good_copy_that_is_only_kept_for_readers_does_not_stand_in_the_way_of_a_repair() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let (live, dead) = (block(1, 300), block(2, 900));
    keep(&store, &[live.clone(), dead.clone()]);
    let held = hold(&store);
    commit(&store, vec![unpin(&dead)]);
    let old = pack_names(&disk);
    assert_eq!(gc(&store).packs_repacked, 1);
    let new = pack_names(&disk).into_iter().find(|name| !old.contains(name)).unwrap();
    let path = root().join("packs").join(new);
    let mut content = disk.content(&path).unwrap();
    content[200] ^= 1;
    disk.set_content(&path, content).unwrap();
    assert_here(&store, std::slice::from_ref(&live));
    assert_eq!(store.restore(&held, std::slice::from_ref(&live)).unwrap().new_blocks, 1);
    store.commit(&held, vec![], Expect::Any).unwrap();
    drop(held);
    assert_here(&open(&disk, 2), &[live]);
}

/// Pins, and something that happens whenever it is asked about the first block after an update.
struct Disturbed<'a> {
    pinned: Pinned,
    updates: u32,
    asked: Cell<u32>,
    disturb: RefCell<Box<dyn FnMut(u32) + 'a>>,
}

impl<'a> Disturbed<'a> {
    fn at(store: &Store, hold: &Hold, disturb: impl FnMut(u32) + 'a) -> Self {
        let disturb: Box<dyn FnMut(u32) + 'a> = Box::new(disturb);
        let pinned = Pinned::at(store, hold).unwrap();
        Self { pinned, updates: 0, asked: Cell::new(0), disturb: RefCell::new(disturb) }
    }
}

impl Liveness for Disturbed<'_> {
    type Error = StoreError;

    fn update(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.updates += 1;
        self.pinned.update(records)
    }

    fn is_live(&self, cid: &Cid) -> bool {
        let answer = self.pinned.is_live(cid);
        self.asked.set(self.asked.get() + 1);
        (self.disturb.borrow_mut())(self.asked.get());
        answer
    }
}

fn collect(store: &Store, alive: impl FnOnce(&Hold) -> Disturbed<'static>) -> (GcReport, u32) {
    let hold = hold(store);
    let mut alive = alive(&hold);
    let report = store.gc(&hold, &mut alive, GcOptions::default(), &mut |_| {}).unwrap();
    (report, alive.updates)
}

#[test]
fn what_becomes_live_while_a_collection_runs_is_kept() {
    // The question after which somebody pins the block anew.
    for when in 1..=12 {
        let disk = MemDisk::new();
        let writer = open(&disk, 1);
        let blocks = [block(1, 500), block(2, 600), block(3, 700)];
        keep(&writer, &blocks);
        commit(&writer, blocks.iter().map(unpin).collect());
        writer.close().unwrap();
        let other = open(&disk, 2);
        let collector = open(&disk, 3);
        let again = blocks[1].clone();
        let (report, updates) = collect(&collector, |hold| {
            Disturbed::at(&collector, hold, move |asked| {
                if asked == when {
                    keep(&other, std::slice::from_ref(&again));
                }
            })
        });
        // Nine questions: two looks at each pack, and the search for what is to be copied.
        let in_time = when <= 9;
        assert_eq!(
            (report.packs_retired + report.packs_repacked, updates),
            (1, u32::from(in_time))
        );
        if in_time {
            let store = open(&disk, 4);
            assert_here(&store, &blocks[1..2]);
            assert!(!store.has(blocks[0].cid()).unwrap());
            assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
        }
    }
}

#[test]
fn a_collection_comes_to_its_end_however_many_commit() {
    let disk = MemDisk::new();
    let writer = open(&disk, 1);
    let blocks: Vec<Block> = (0..6).map(|number| block(number, 300)).collect();
    keep(&writer, &blocks);
    commit(&writer, blocks.iter().map(unpin).collect());
    writer.close().unwrap();
    let other = open(&disk, 2);
    let collector = open(&disk, 3);
    let all = blocks.clone();
    let mut left = blocks.clone().into_iter();
    // Every pass over the pack meets another commit, until the log's lock keeps them out.
    let (report, updates) = collect(&collector, |hold| {
        Disturbed::at(&collector, hold, move |asked| {
            if asked > 12 && asked <= 36 && asked % 6 == 1 {
                keep(&other, &[left.next().unwrap()]);
            }
        })
    });
    assert_eq!((report.packs_retired + report.packs_repacked, updates), (1, 4));
    let store = open(&disk, 4);
    assert_here(&store, &all[..4]);
    assert!(!store.has(all[4].cid()).unwrap());
}

#[test]
fn two_collections_at_once_do_not_rely_on_what_the_other_retires() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    let twice = block(1, 500);
    let (first, second) = (hold(&one), hold(&two));
    one.put(&first, &[twice.clone(), block(2, 900)]).unwrap();
    two.put(&second, &[twice.clone(), block(3, 100)]).unwrap();
    one.commit(&first, vec![pin(&twice)], Expect::Any).unwrap();
    two.commit(&second, vec![], Expect::Any).unwrap();
    drop((first, second));
    one.close().unwrap();
    two.close().unwrap();
    let (collector, other) = (open(&disk, 3), open(&disk, 4));
    // The first retires the pack with the smaller share and relies on the other one.
    let (report, _) = collect(&collector, |hold| {
        Disturbed::at(&collector, hold, move |asked| {
            if asked == 9 {
                let all = GcOptions { dry_run: false, live_share_min_percent: 100 };
                assert_eq!(try_gc(&other, all).unwrap().packs_retired, 1);
            }
        })
    });
    assert_eq!((report.packs_retired, report.bytes_copied > 500), (1, true));
    let store = open(&disk, 5);
    assert_here(&store, &[twice]);
    assert_eq!(pack_names(&disk).len(), 1);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn a_mark_that_fails_ends_the_collection_before_anything_is_changed() {
    struct Failing;
    impl Liveness for Failing {
        type Error = StoreError;
        fn update(&mut self, _: &[Record]) -> Result<(), StoreError> {
            Err(StoreError::Closed)
        }
        fn is_live(&self, _: &Cid) -> bool {
            false
        }
    }
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    keep(&store, &[block(1, 100)]);
    let hold = hold(&store);
    keep(&store, &[block(2, 100)]);
    let refused = store.gc(&hold, &mut Failing, GcOptions::default(), &mut |_| {});
    assert!(matches!(refused, Err(StoreError::Closed)));
    assert_here(&open(&disk, 2), &[block(1, 100), block(2, 100)]);
}

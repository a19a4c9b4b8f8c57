//! Repair of a damaged log beside packs that went, or that the disk does not give out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cidlake_block::Block;
use cidlake_store::disk::{Disk, MemDisk, OpenMode};
use cidlake_store::{DamageKind, Expect, FsckLevel, RepairOptions, Store, repair};

use crate::damaged::{
    check, files, is_log_corrupt, lake, lost, places, records, repaired, segments, wound,
};
use crate::support::{
    assert_here, block, checkpoint, commit, delta, gc, hold, keep, open, pin, root, unpin,
};
use crate::watched::{EventDisk, deaf, is_pack};

/// A lake in which a collection retired a pack; `is_read` keeps its file. Returns the number of the
/// record that said so.
fn collected(is_read: bool) -> (MemDisk, Store, [Block; 2], u64) {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let [live, dead] = [block(1, 300), block(2, 3000)];
    keep(&store, &[live.clone(), dead.clone()]);
    commit(&store, vec![unpin(&dead)]);
    let reading = is_read.then(|| hold(&store));
    let before = hold(&store).lsn().0;
    let report = gc(&store);
    assert_eq!(report.bytes_waiting > 0, is_read, "{report:?}");
    drop(reading);
    for number in 0..20 {
        commit(&store, vec![delta(number)]);
    }
    (disk, store, [live, dead], before + 1)
}

#[test]
fn a_pack_that_went_is_missed_where_the_record_that_retired_it_is_lost() {
    let (disk, store, [live, dead], retired) = collected(false);
    drop(store);
    wound(&disk, retired);
    assert!(is_log_corrupt(&disk));
    // Its file might come back, and nothing says that it need not.
    let report = repaired(&disk);
    assert_eq!((lost(&report), report.damage.len()), (vec![retired], 1));
    assert_eq!(report.packs_retired.len(), 0);
    let store = open(&disk, 2);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage.len(), 1);
    assert_here(&store, std::slice::from_ref(&live));
    assert!(store.get(dead.cid()).is_err());
}

#[test]
fn a_pack_that_is_gone_is_missed_and_counts_where_it_comes_back() {
    for has_checkpoint in [false, true] {
        let (disk, _) = lake();
        if has_checkpoint {
            checkpoint(&open(&disk, 2)).unwrap();
        }
        wound(&disk, 24);
        let pack = files(&disk, "packs", ".car").remove(0);
        disk.remove(&pack).unwrap();
        let report = repaired(&disk);
        assert_eq!(lost(&report), [24]);
        assert_eq!(report.packs_retired, [] as [PathBuf; 0]);
        let missed = report.damage.iter().filter(|damage| damage.path == pack).count();
        assert_eq!(missed, 1);
    }
}

#[test]
fn a_pack_that_cannot_be_read_does_not_keep_the_log_from_being_repaired() {
    let (disk, promises) = lake();
    let before = records(&disk);
    wound(&disk, 2);
    for path in files(&disk, "packs", ".car") {
        let disk = disk.fork();
        let report =
            repair(&deaf(&disk, &path), root(), RepairOptions::default(), &mut |_| {}).unwrap();
        assert!(report.log_rebuilt);
        assert_eq!(lost(&report), [2]);
        let damage: Vec<_> = report.damage.iter().map(|d| (d.kind, &d.path)).collect();
        assert_eq!(damage, [(DamageKind::Pack, &path)]);
        assert!(report.damage[0].detail.contains("a bad sector"), "{report:?}");
        // Once it is read again all is well.
        check(&disk, &before, &[2], &promises.blocks);
    }
}

#[test]
fn a_pack_that_a_repair_left_out_outlives_a_collection_while_it_is_needed() {
    for is_needed in [false, true] {
        let disk = MemDisk::new();
        let first = open(&disk, 1);
        keep(&first, &[block(1, 300)]);
        let before = files(&disk, "packs", ".car");
        let block = block(2, 3000);
        // The other pack is held, so this one is new.
        keep(&open(&disk, 2), std::slice::from_ref(&block));
        drop(first);
        let path = files(&disk, "packs", ".car").into_iter().find(|path| !before.contains(path));
        let path = path.unwrap();
        commit(&open(&disk, 3), vec![if is_needed { pin(&block) } else { delta(3) }]);
        commit(&open(&disk, 3), vec![delta(4)]);
        // The one record that announces the pack.
        wound(&disk, 2);
        let report =
            repair(&deaf(&disk, &path), root(), RepairOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(lost(&report), [2]);
        gc(&open(&disk, 4));
        assert_eq!(files(&disk, "packs", ".car").contains(&path), is_needed);
    }
}

#[test]
fn a_repair_checks_other_packs_than_the_one_that_cannot_be_read() {
    let (disk, _) = lake();
    let packs = files(&disk, "packs", ".car");
    let whole = open(&disk, 2).fsck(FsckLevel::Full, &mut |_| {}).unwrap();
    let deaf = deaf(&disk, packs.last().unwrap());
    let told = repair(&deaf, root(), RepairOptions { dry_run: true }, &mut |_| {}).unwrap();
    assert_eq!((told.damage.len(), told.is_change()), (1, false));
    assert!(whole.damage.is_empty());
}

#[test]
fn a_pack_that_a_checkpoint_knows_to_be_retired_does_not_come_back() {
    let (disk, store, [live, dead], retired) = collected(true);
    checkpoint(&store).unwrap();
    commit(&store, vec![delta(100)]);
    drop(store);
    wound(&disk, retired);
    assert_eq!(lost(&repaired(&disk)), [retired]);
    // Not even for whoever reads the log from its first record.
    for path in files(&disk, "wal", ".checkpoint") {
        disk.remove(&path).unwrap();
    }
    let store = open(&disk, 2);
    let report = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
    assert_eq!((report.damage, report.packs_waiting), (vec![], 1));
    assert!(!store.has(dead.cid()).unwrap());
    assert_here(&store, std::slice::from_ref(&live));
    assert!(gc(&store).bytes_freed > 3000);
}

#[test]
fn a_pack_that_came_back_goes_with_the_next_collection() {
    let (disk, store, [live, dead], retired) = collected(true);
    drop(store);
    wound(&disk, retired);
    let report = repaired(&disk);
    assert_eq!((report.damage, report.packs_retired), (vec![], vec![]));
    let store = open(&disk, 2);
    let report = gc(&store);
    assert_eq!((report.packs_retired, report.damaged), (1, vec![]));
    assert!(!store.has(dead.cid()).unwrap());
    assert_here(&store, std::slice::from_ref(&live));
}

/// What may happen to packs while others look at them, and when: behind a step that comes after the
/// log was read.
const MOMENTS: [fn(&Path, OpenMode) -> bool; 3] = [
    // The names of the packs are not known yet.
    |path, mode| path.extension().is_some_and(|e| e == "checkpoint") && mode == OpenMode::Read,
    // They are.
    |path, _| path.ends_with("packs"),
    // One of the packs was opened, for its size.
    |path, mode| is_pack(path) && mode == OpenMode::Read,
];

/// A lake of two packs, of which nothing is needed any more.
fn waste() -> MemDisk {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let dead = [block(1, 3000), block(2, 600)];
    for block in &dead {
        keep(&store, std::slice::from_ref(block));
    }
    commit(&store, dead.iter().map(unpin).collect());
    checkpoint(&store).unwrap();
    store.close().unwrap();
    assert_eq!(files(&disk, "packs", ".car").len(), 2);
    disk
}

#[test]
fn packs_that_are_collected_while_they_are_checked_are_not_called_damaged() {
    for when in MOMENTS {
        let disk = waste();
        let events = EventDisk::of(&disk, when);
        let collector = open(&disk, 3);
        events.plan(move || {
            assert!(gc(&collector).bytes_freed > 3000);
        });
        let watched: Arc<dyn Disk> = Arc::new(events.clone());
        let report = repair(&watched, root(), RepairOptions::default(), &mut |_| {}).unwrap();
        assert_eq!((report.damage.as_slice(), report.is_change()), (&[][..], false));
        assert!(events.is_over());
        assert_eq!(files(&disk, "packs", ".car").len(), 0);
    }
}

#[test]
fn a_pack_that_goes_while_it_is_checked_and_was_not_retired_is_missed() {
    for when in MOMENTS {
        let disk = waste();
        let events = EventDisk::of(&disk, when);
        let paths = files(&disk, "packs", ".car");
        let (other, gone) = (disk.process(), paths.clone());
        events.plan(move || gone.iter().for_each(|path| other.remove(path).unwrap()));
        let watched: Arc<dyn Disk> = Arc::new(events.clone());
        let report = repair(&watched, root(), RepairOptions::default(), &mut |_| {}).unwrap();
        let mut missed: Vec<PathBuf> =
            report.damage.into_iter().map(|damage| damage.path).collect();
        missed.sort();
        assert_eq!(missed, paths);
    }
}

#[test]
fn an_index_is_not_made_again_of_a_pack_that_its_owner_went_on_with() {
    let disk = MemDisk::new();
    let owner = open(&disk, 1);
    keep(&owner, &[block(1, 300)]);
    let path = files(&disk, "packs", ".car").remove(0);
    let mut content = disk.content(&path).unwrap();
    content[20] ^= 1;
    disk.set_content(&path, content).unwrap();
    // When the log is read, the pack is checked, and it is opened to be repaired.
    let events = EventDisk::of(&disk, |path, mode| is_pack(path) && mode == OpenMode::Write);
    events.plan(move || {
        keep(&owner, &[block(2, 400)]);
        owner.close().unwrap();
    });
    let watched: Arc<dyn Disk> = Arc::new(events.clone());
    let report = repair(&watched, root(), RepairOptions::default(), &mut |_| {}).unwrap();
    assert!(events.is_over());
    assert_eq!(report.packs_reindexed, [] as [PathBuf; 0]);
    assert_here(&open(&disk, 3), &[block(1, 300), block(2, 400)]);
    // The next repair does what there is to do, and the one after it nothing.
    repaired(&disk);
    assert_here(&open(&disk, 3), &[block(1, 300), block(2, 400)]);
    assert_eq!(open(&disk, 3).fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    assert!(!repaired(&disk).is_change());
}

#[test]
fn what_a_torn_record_said_of_packs_does_not_count() {
    let (disk, promises) = lake();
    let before = records(&disk);
    let packs = files(&disk, "packs", ".car");
    // A second process announces a pack of its own with the first of two records.
    let (first, other) = (open(&disk, 1), open(&disk, 2));
    first.put(&hold(&first), &[block(300, 100)]).unwrap();
    let held = hold(&other);
    other.put(&held, &[block(301, 200)]).unwrap();
    let payloads = vec![delta(300), delta(301)];
    let last = other.commit(&held, payloads, Expect::Any).unwrap();
    drop((held, first, other));
    let new: Vec<PathBuf> =
        files(&disk, "packs", ".car").into_iter().filter(|path| !packs.contains(path)).collect();
    assert_eq!(new.len(), 1);
    // The end is torn, and what it spoke of never came to the disk.
    let path = segments(&disk).pop().unwrap();
    let mut content = disk.content(&path).unwrap();
    let (_, place) = places(&content).into_iter().find(|(lsn, _)| *lsn == last.0).unwrap();
    content[place].fill(0);
    disk.set_content(&path, content).unwrap();
    new.iter().for_each(|path| disk.remove(path).unwrap());
    wound(&disk, 2);
    let report = repaired(&disk);
    assert_eq!((lost(&report), report.damage), (vec![2], vec![]));
    check(&disk, &before, &[2], &promises.blocks);
}

//! Repair of a damaged log beside packs that went, or that the disk does not give out.

use std::path::PathBuf;

use cidlake_block::Block;
use cidlake_store::disk::{Disk, MemDisk};
use cidlake_store::{DamageKind, FsckLevel, RepairOptions, Store, repair};

use crate::damaged::{
    check, files, is_log_corrupt, lake, lost, records, repaired, wound,
};
use crate::support::{
    assert_here, block, checkpoint, commit, delta, gc, hold, keep, open, pin, root, unpin,
};
use crate::watched::deaf;

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

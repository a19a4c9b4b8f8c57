//! What a checkpoint covers was durable: its loss is damage, also where it looks like a torn end.

use cidlake_store::disk::{Disk as _, MemDisk};
use cidlake_store::{DamageKind, FsckLevel, Record, StoreError};

use crate::damaged::{
    check, is_log_corrupt, lake, lost, places, records, repaired, segments, touched,
};
use crate::support::{Promises, checkpoint, commit, delta, open};

/// A lake whose last record a checkpoint covers, and its records.
fn covered() -> (MemDisk, Promises, Vec<Record>) {
    let (disk, promises) = lake();
    let store = open(&disk, 2);
    commit(&store, vec![delta(900), delta(901)]);
    checkpoint(&store).unwrap();
    drop(store);
    let before = records(&disk);
    (disk, promises, before)
}

/// Sees that damage to the last segment is noticed, and that a repair costs only `gone`.
fn assert_mended(disk: &MemDisk, promises: &Promises, before: &[Record], gone: &[u64]) {
    assert!(is_log_corrupt(disk), "records {gone:?} went unnoticed");
    let report = repaired(disk);
    assert!(report.log_rebuilt);
    assert_eq!(lost(&report), gone);
    check(disk, before, gone, &promises.blocks);
}

#[test]
fn a_last_record_that_rots_is_damage_where_a_checkpoint_covers_it() {
    let (disk, promises, before) = covered();
    let path = segments(&disk).pop().unwrap();
    let content = disk.content(&path).unwrap();
    let used = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // What stands before it is found by a check: the lake opens from its checkpoint.
    let (_, last) = places(&content).pop().unwrap();
    for at in last.start..used {
        let disk = disk.fork();
        let mut damaged = content.clone();
        damaged[at] ^= 1 << (at % 8);
        disk.set_content(&path, damaged.clone()).unwrap();
        let gone = touched(&content, &damaged);
        assert_eq!(gone.len(), 1);
        assert_mended(&disk, &promises, &before, &gone);
    }
}

#[test]
fn an_end_that_is_lost_is_damage_where_a_checkpoint_covers_it() {
    let (disk, promises, before) = covered();
    let paths = segments(&disk);
    let path = paths.last().unwrap();
    let content = disk.content(path).unwrap();
    let all = places(&content);
    for (at, (first, place)) in all.iter().enumerate() {
        let gone: Vec<u64> = all[at..].iter().map(|(lsn, _)| *lsn).collect();
        for keeps_size in [true, false] {
            let disk = disk.fork();
            let mut damaged = content[..place.start].to_vec();
            damaged.resize(if keeps_size { content.len() } else { place.start }, 0);
            disk.set_content(path, damaged).unwrap();
            assert_mended(&disk, &promises, &before, &gone);
        }
        if at == 0 {
            let disk = disk.fork();
            disk.remove(path).unwrap();
            assert_mended(&disk, &promises, &before, &gone);
        }
        assert!(before.iter().any(|record| record.lsn.0 == *first));
    }
    for path in &paths {
        disk.remove(path).unwrap();
    }
    let gone: Vec<u64> = before.iter().map(|record| record.lsn.0).collect();
    assert_mended(&disk, &promises, &before, &gone);
}

#[test]
fn what_comes_behind_a_checkpoint_may_still_be_torn() {
    let (disk, promises, _) = covered();
    let store = open(&disk, 2);
    let full = segments(&disk).len();
    while segments(&disk).len() == full {
        commit(&store, vec![delta(902)]);
    }
    checkpoint(&store).unwrap();
    let before = records(&disk);
    commit(&store, vec![delta(903), delta(904)]);
    drop(store);
    let path = segments(&disk).pop().unwrap();
    let content = disk.content(&path).unwrap();
    let (_, last) = places(&content).pop().unwrap();
    let mut torn = content.clone();
    torn[last.start + 45] ^= 1;
    disk.set_content(&path, torn.clone()).unwrap();
    assert!(!is_log_corrupt(&disk));
    let whole = disk.fork();
    check(&whole, &before, &[], &promises.blocks);

    // A repair of what was durable does not call lost what was not.
    let covered =
        places(&content).into_iter().find(|(lsn, _)| *lsn == before.last().unwrap().lsn.0);
    let (gone, place) = covered.unwrap();
    torn[place.start + 45] ^= 1;
    disk.set_content(&path, torn).unwrap();
    assert_mended(&disk, &promises, &before, &[gone]);
}

#[test]
fn a_process_at_work_does_not_write_over_what_a_checkpoint_covers() {
    let (disk, _) = lake();
    let behind = open(&disk, 3);
    let store = open(&disk, 2);
    commit(&store, vec![delta(900)]);
    checkpoint(&store).unwrap();
    let path = segments(&disk).pop().unwrap();
    let mut damaged = disk.content(&path).unwrap();
    let (_, last) = places(&damaged).pop().unwrap();
    damaged[last.start + 45] ^= 1;
    disk.set_content(&path, damaged.clone()).unwrap();
    assert!(matches!(behind.hold(), Err(StoreError::LogCorrupt { .. })));
    assert!(matches!(behind.last_lsn(), Err(StoreError::LogCorrupt { .. })));
    assert_eq!(disk.content(&path).unwrap(), damaged);
    assert_eq!(segments(&disk).last(), Some(&path));
}

#[test]
fn a_check_of_a_lake_that_is_open_finds_that_its_end_is_lost() {
    let (disk, _, _) = covered();
    let store = open(&disk, 2);
    let path = segments(&disk).pop().unwrap();
    let mut damaged = disk.content(&path).unwrap();
    let (_, last) = places(&damaged).pop().unwrap();
    damaged[last].fill(0);
    disk.set_content(&path, damaged).unwrap();
    let damage = store.fsck(FsckLevel::Quick, &mut |_| {}).unwrap().damage;
    assert_eq!((damage.len(), damage[0].kind, &damage[0].path), (1, DamageKind::Log, &path));
}

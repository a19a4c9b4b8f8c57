//! Repair: what is whole is saved, what was damaged is kept aside, and power cuts do not matter.

use std::path::Path;
use std::sync::Arc;

use cidlake_block::Block;
use cidlake_store::disk::{Disk, FaultyDisk, MemDisk, OpenMode};
use cidlake_store::{
    DamageKind, FsckLevel, Payload, Record, RepairOptions, RepairReport, StoreError, repair,
};

use crate::damaged::{
    check, contents, files, is_log_corrupt, lake, lost, places, records, repaired, run, segments,
    touched, wound,
};
use crate::support::{
    Promises, assert_base, assert_here, block, checkpoint, commit, delta, gc, hold, keep, open,
    root, try_open, unpin,
};

/// Damages one segment and repairs; returns whether the log was damaged by it.
fn damage_and_repair(
    lake: &(MemDisk, Promises),
    before: &[Record],
    path: &Path,
    damaged: &[u8],
) -> bool {
    let (disk, promises) = lake;
    let content = disk.content(path).unwrap();
    let disk = disk.fork();
    disk.set_content(path, damaged.to_vec()).unwrap();
    if !is_log_corrupt(&disk) {
        let files = contents(&disk);
        assert!(!repaired(&disk).is_change());
        assert_eq!(contents(&disk), files);
        return false;
    }
    let files = contents(&disk);
    let told = run(&disk, RepairOptions { dry_run: true }).unwrap();
    assert_eq!(contents(&disk), files);
    let report = repaired(&disk);
    assert!(report.log_rebuilt && told.log_rebuilt);
    assert_eq!(told.records_lost, report.records_lost);
    let gone = touched(&content, damaged);
    assert_eq!(lost(&report), gone);
    for place in &report.records_lost {
        assert_eq!(place.segment, path);
    }
    assert_eq!(report.set_aside.len(), 1);
    assert_eq!(disk.content(&report.set_aside[0]).unwrap(), damaged);
    check(&disk, before, &gone, &promises.blocks);
    true
}

#[test]
fn damage_at_any_byte_of_the_log_costs_no_record_but_the_one_it_touches() {
    let lake = lake();
    let before = records(&lake.0);
    let paths = segments(&lake.0);
    for path in &paths {
        let content = lake.0.content(path).unwrap();
        let used = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let mut rebuilt = 0;
        for at in 0..used {
            let mut damaged = content.clone();
            damaged[at] ^= 1 << (at % 8);
            rebuilt += usize::from(damage_and_repair(&lake, &before, path, &damaged));
        }
        let is_last = Some(path) == paths.last();
        assert!(rebuilt == used || (is_last && rebuilt > used / 2), "{rebuilt} of {used}");
    }
}

#[test]
fn a_lost_stretch_of_the_log_costs_no_record_but_those_within() {
    let lake = lake();
    let before = records(&lake.0);
    for path in &segments(&lake.0) {
        let content = lake.0.content(path).unwrap();
        for at in (0..content.len() - 512).step_by(56) {
            for fill in [0, 0xff] {
                let mut damaged = content.clone();
                damaged[at..at + 512].fill(fill);
                if damaged != content {
                    damage_and_repair(&lake, &before, path, &damaged);
                }
            }
        }
    }
}

#[test]
fn records_of_a_segment_that_is_gone_are_lost_and_no_others() {
    let (disk, promises) = lake();
    let before = records(&disk);
    let paths = segments(&disk);
    for path in &paths[..paths.len() - 1] {
        let gone: Vec<u64> =
            places(&disk.content(path).unwrap()).into_iter().map(|(lsn, _)| lsn).collect();
        let disk = disk.fork();
        disk.remove(path).unwrap();
        let report = repaired(&disk);
        assert_eq!(lost(&report), gone);
        // What stands before the gap cannot be told from a segment that lost its end.
        assert!(report.set_aside.len() <= 1);
        check(&disk, &before, &gone, &promises.blocks);
    }
}

#[test]
fn damage_in_several_segments_is_repaired_at_once() {
    let (disk, promises) = lake();
    let before = records(&disk);
    let mut gone = Vec::new();
    let paths = segments(&disk);
    for path in &paths[..paths.len() - 1] {
        let content = disk.content(path).unwrap();
        let mut damaged = content.clone();
        let (lsn, place) = places(&content)[1].clone();
        damaged[place.start + 30] ^= 1;
        // The header says nothing that the name and the records do not say as well.
        damaged[20] ^= 1;
        disk.set_content(path, damaged).unwrap();
        gone.push(lsn);
    }
    let report = repaired(&disk);
    assert_eq!(lost(&report), gone);
    assert_eq!(report.set_aside.len(), paths.len() - 1);
    assert_eq!(segments(&disk).len(), 1);
    check(&disk, &before, &gone, &promises.blocks);
}

#[test]
fn a_power_cut_in_any_operation_of_a_repair_is_got_over_by_another() {
    let (disk, promises) = lake();
    let before = records(&disk);
    let path = segments(&disk).remove(1);
    let content = disk.content(&path).unwrap();
    let mut damaged = content.clone();
    let (gone, place) = places(&content)[1].clone();
    damaged[place.start + 9] ^= 4;
    disk.set_content(&path, damaged.clone()).unwrap();
    for seed in 0..5 {
        for at in 0.. {
            let disk = disk.fork();
            let faulty = FaultyDisk::new(Arc::new(disk.process()));
            faulty.faults().fail_from(at);
            let faulty: Arc<dyn Disk> = Arc::new(faulty);
            let done = repair(&faulty, root(), RepairOptions::default(), &mut |_| {});
            disk.crash(seed * 1000 + at);
            // Nothing but the old state or the new one: in both every whole record is there.
            if is_log_corrupt(&disk) {
                assert!(done.is_err());
                assert_eq!(disk.content(&path).unwrap(), damaged);
                assert_eq!(lost(&repaired(&disk)), [gone]);
            }
            check(&disk, &before, &[gone], &promises.blocks);
            if done.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_read_that_comes_back_short_in_a_repair_or_before_it_costs_nothing() {
    let (disk, promises) = lake();
    let before = records(&disk);
    let damaged = disk.fork();
    wound(&damaged, 4);
    for (disk, gone) in [(disk, &[][..]), (damaged, &[4][..])] {
        for at in 0.. {
            let disk = disk.fork();
            let faulty = FaultyDisk::new(Arc::new(disk.process()));
            let faults = faulty.faults();
            faults.short_read_at(at);
            let faulty: Arc<dyn Disk> = Arc::new(faulty);
            if gone.is_empty() {
                let store = try_open(faulty, 5).unwrap();
                commit(&store, vec![]);
                store.put(&hold(&store), &[block(700, 50)]).unwrap();
                let last = commit(&store, vec![delta(700)]);
                let all = records(&disk);
                assert_eq!(
                    all.split_last().map(|(new, old)| (new.lsn, old)),
                    Some((last, &before[..]))
                );
            } else {
                let report =
                    repair(&faulty, root(), RepairOptions::default(), &mut |_| {}).unwrap();
                assert_eq!(
                    (lost(&report), report.damage),
                    (gone.to_vec(), vec![]),
                    "operation {at}"
                );
                check(&disk, &before, gone, &promises.blocks);
            }
            if faults.operations() <= at {
                break;
            }
        }
    }
}

#[test]
fn a_repair_goes_on_with_what_others_left_dirty_or_torn() {
    let (disk, mut promises) = lake();
    let path = segments(&disk).remove(0);
    let mut damaged = disk.content(&path).unwrap();
    damaged[100] ^= 1;
    // A process ends between write and sync: what it wrote can be read and was not promised.
    let (faults, store) = crate::support::faulty(&disk, crate::support::options(3));
    faults.fail_sync_at(faults.syncs());
    assert!(!promises.store(&store, vec![], vec![delta(700), delta(701)]));
    drop(store);
    let before = records(&disk);
    let gone = touched(&disk.content(&path).unwrap(), &damaged);
    disk.set_content(&path, damaged).unwrap();
    let torn = disk.fork();
    assert_eq!(lost(&repaired(&disk)), gone);
    disk.crash(1);
    check(&disk, &before, &gone, &promises.blocks);

    // Of a write that is torn nothing is left, and nothing is called lost.
    let last = segments(&torn).pop().unwrap();
    let mut content = torn.content(&last).unwrap();
    let first = places(&content).into_iter().rev().nth(1).unwrap().1;
    content[first].fill(0);
    torn.set_content(&last, content).unwrap();
    assert_eq!(lost(&repaired(&torn)), gone);
    check(&torn, &before[..before.len() - 2], &gone, &promises.blocks);
}

#[test]
fn a_segment_that_is_named_too_far_ahead_is_not_filled_up_to() {
    let (disk, _) = lake();
    let (first, epoch) = (1_u64 << 60, 1_u64 << 20);
    let mut header = b"CIDLWAL\x01\x01\0\0\0\0\0\0\0".to_vec();
    header.extend_from_slice(&epoch.to_le_bytes());
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&[0; 28]);
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    let path = root().join("wal").join(format!("{first:020}-{epoch:08x}.wal"));
    disk.open(&path, OpenMode::WriteOrCreate).unwrap();
    disk.set_content(&path, header).unwrap();
    let files = contents(&disk);
    let refused = run(&disk, RepairOptions::default());
    assert!(matches!(refused, Err(StoreError::LogCorrupt { segment, .. }) if segment == path));
    assert_eq!(contents(&disk), files);
}

#[test]
fn a_pack_that_a_process_holds_is_not_announced_further() {
    let (disk, _) = lake();
    let store = open(&disk, 2);
    store.put(&hold(&store), &[block(500, 250)]).unwrap();
    commit(&store, vec![delta(500)]);
    store.put(&hold(&store), &[block(501, 250)]).unwrap();
    let path = segments(&disk).remove(0);
    let mut damaged = disk.content(&path).unwrap();
    damaged[100] ^= 1;
    disk.set_content(&path, damaged).unwrap();
    assert_eq!(repaired(&disk).packs_announced, 0);
    drop(store);
}

#[test]
fn a_sound_lake_is_left_as_it_is() {
    let (disk, _) = lake();
    checkpoint(&open(&disk, 2)).unwrap();
    let files = contents(&disk);
    let report = repaired(&disk);
    assert_eq!(report, RepairReport::default());
    assert_eq!(contents(&disk), files);
    let elsewhere: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let refused = repair(&elsewhere, root(), RepairOptions::default(), &mut |_| {});
    assert!(matches!(refused, Err(StoreError::NotALake { .. })));
}

#[test]
fn what_a_newer_program_wrote_is_not_repaired() {
    let (disk, _) = lake();
    let paths = segments(&disk);
    let mut first = disk.content(&paths[0]).unwrap();
    first[100] ^= 1;
    disk.set_content(&paths[0], first).unwrap();
    let last = paths.last().unwrap();
    let mut content = disk.content(last).unwrap();
    let (lsn, place) = places(&content).pop().unwrap();
    content[place.start + 24] = 99;
    let len = u32::from_le_bytes(content[place.start + 4..][..4].try_into().unwrap()) as usize;
    let covered =
        [&content[place.start..place.start + 36], &content[place.start + 40..][..len]].concat();
    content[place.start + 36..place.start + 40]
        .copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    disk.set_content(last, content).unwrap();
    let files = contents(&disk);
    let refused = run(&disk, RepairOptions::default());
    assert!(
        matches!(refused, Err(StoreError::UnknownRecord { lsn: found, kind: 99 }) if found == lsn),
        "{refused:?}"
    );
    assert_eq!(contents(&disk), files);
}

#[test]
fn a_checkpoint_behind_the_damage_still_counts() {
    let (disk, promises) = lake();
    let store = open(&disk, 2);
    checkpoint(&store).unwrap();
    commit(&store, vec![delta(800)]);
    drop(store);
    let before = records(&disk);
    let path = segments(&disk).remove(0);
    let content = disk.content(&path).unwrap();
    let mut damaged = content.clone();
    damaged[100] ^= 1;
    let gone = touched(&content, &damaged);
    disk.set_content(&path, damaged).unwrap();
    // The lake opens, because nothing before the checkpoint is read; the check finds it.
    let store = open(&disk, 3);
    let damage = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage;
    assert_eq!((damage.len(), damage[0].kind), (1, DamageKind::Log));
    let base = store.base();
    assert!(base.is_some());
    drop(store);
    assert_eq!(lost(&repaired(&disk)), gone);
    let store = open(&disk, 3);
    assert_eq!(store.base(), base);
    assert_eq!(store.records_after(base.unwrap().lsn).unwrap().len(), 1);
    check(&disk, &before, &gone, &promises.blocks);
}

#[test]
fn a_process_that_has_the_lake_open_says_so() {
    let (disk, promises) = lake();
    let store = open(&disk, 2);
    let path = segments(&disk).remove(0);
    let mut damaged = disk.content(&path).unwrap();
    damaged[100] ^= 1;
    disk.set_content(&path, damaged).unwrap();
    repaired(&disk);
    assert!(matches!(store.last_lsn(), Err(StoreError::LogCorrupt { .. })));
    assert_eq!(store.get(promises.blocks[0].cid()).unwrap().as_ref(), Some(&promises.blocks[0]));
    open(&disk, 3).last_lsn().unwrap();
}

#[test]
fn a_damaged_checkpoint_is_removed() {
    let (disk, promises) = lake();
    checkpoint(&open(&disk, 2)).unwrap();
    let before = records(&disk);
    let path = files(&disk, "wal", ".checkpoint").remove(0);
    disk.set_content(&path, b"CIDLCKP\x01".to_vec()).unwrap();
    let report = repaired(&disk);
    assert_eq!(report.checkpoints_removed, [path]);
    assert!(report.is_change() && !report.log_rebuilt);
    assert_base(&open(&disk, 3));
    check(&disk, &before, &[], &promises.blocks);
}

/// A lake with a sealed pack and an open one.
fn packs() -> (MemDisk, Vec<Block>, Vec<Record>) {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let blocks: Vec<Block> = (0..9).map(|number| block(number, 400)).collect();
    for block in &blocks {
        store.put(&hold(&store), std::slice::from_ref(block)).unwrap();
        commit(&store, vec![delta(1)]);
    }
    let stats = store.stats();
    assert_eq!((stats.packs_sealed, stats.packs_open), (1, 1));
    drop(store);
    let before = records(&disk);
    (disk, blocks, before)
}

#[test]
fn heads_and_indexes_are_made_again_and_blocks_are_not() {
    let (disk, blocks, before) = packs();
    for path in files(&disk, "packs", ".car") {
        let content = disk.content(&path).unwrap();
        for at in 0..content.len() {
            let disk = disk.fork();
            let mut damaged = content.clone();
            damaged[at] ^= 1 << (at % 8);
            disk.set_content(&path, damaged).unwrap();
            let found = open(&disk, 2).fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage;
            assert!(!found.is_empty());
            let told = run(&disk, RepairOptions { dry_run: true }).unwrap();
            let report = repaired(&disk);
            assert!(!report.log_rebuilt);
            assert_eq!(report.packs_reindexed, told.packs_reindexed);
            if report.damage.is_empty() {
                assert_eq!(report.packs_reindexed, std::slice::from_ref(&path));
                check(&disk, &before, &[], &blocks);
            } else {
                // A section is damaged: at most its block is, and no other.
                let store = open(&disk, 2);
                let damaged = blocks.iter().filter(|block| store.get(block.cid()).is_err());
                assert!(damaged.count() <= 1);
                assert!(!repaired(&disk).is_change());
                store.restore(&hold(&store), &blocks).unwrap();
                assert_here(&store, &blocks);
            }
        }
    }
}

#[test]
fn a_power_cut_while_an_index_is_made_again_is_got_over() {
    let (disk, blocks, before) = packs();
    for path in files(&disk, "packs", ".car") {
        let mut damaged = disk.content(&path).unwrap();
        damaged[20] ^= 1;
        disk.set_content(&path, damaged).unwrap();
    }
    for seed in 0..5 {
        for at in 0.. {
            let disk = disk.fork();
            let faulty = FaultyDisk::new(Arc::new(disk.process()));
            faulty.faults().fail_from(at);
            let faulty: Arc<dyn Disk> = Arc::new(faulty);
            let done = repair(&faulty, root(), RepairOptions::default(), &mut |_| {});
            disk.crash(seed * 1000 + at);
            assert_here(&open(&disk, 2), &blocks);
            assert_eq!(repaired(&disk).damage, []);
            check(&disk, &before, &[], &blocks);
            if done.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn what_cannot_be_made_again_stays_reported() {
    let (disk, _, before) = packs();
    let path = files(&disk, "packs", ".car").remove(0);
    let content = disk.content(&path).unwrap();
    disk.remove(&path).unwrap();
    let report = repaired(&disk);
    assert!(!report.is_change());
    assert_eq!((report.damage.len(), report.damage[0].kind), (1, DamageKind::Pack));
    assert_eq!(records(&disk), before);
    let payloads: Vec<Payload> = before.into_iter().map(|record| record.payload).collect();
    assert_eq!(payloads.len(), 9);
    assert!(!content.is_empty());
}

#[test]
fn a_repair_leaves_retired_packs_retired_unless_their_record_is_lost() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let [live, dead] = [block(1, 300), block(2, 3000)];
    keep(&store, &[live.clone(), dead.clone()]);
    commit(&store, vec![unpin(&dead)]);
    let reading = hold(&store);
    assert!(gc(&store).bytes_waiting > 0);
    let retired = reading.lsn().0 + 1;
    for number in 0..20 {
        commit(&store, vec![delta(number)]);
    }
    let (mut kept, mut gone) = (0, 0);
    for path in segments(&disk) {
        let content = disk.content(&path).unwrap();
        for (lsn, place) in places(&content) {
            let disk = disk.fork();
            let mut damaged = content.clone();
            damaged[place.start + 41] ^= 1;
            disk.set_content(&path, damaged).unwrap();
            if !is_log_corrupt(&disk) {
                continue;
            }
            assert_eq!(lost(&repaired(&disk)), [lsn]);
            let other = open(&disk, 2);
            let report = other.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
            assert_eq!(report.damage, []);
            assert_eq!(report.packs_waiting, u64::from(lsn != retired), "record {lsn}");
            assert_eq!(other.has(dead.cid()).unwrap(), lsn == retired);
            assert_here(&other, std::slice::from_ref(&live));
            *if lsn == retired { &mut gone } else { &mut kept } += 1;
        }
    }
    assert!(kept > 15 && gone == 1, "{kept} kept, {gone} gone");
}

//! Repair beside checkpoints: what they prove is asked for, not lost, and not taken on trust.

use std::path::PathBuf;
use std::sync::Arc;

use cidlake_store::disk::{Disk, FaultyDisk, MemDisk};
use cidlake_store::{
    Base, DamageKind, FsckLevel, Record, RepairOptions, Store, StoreError, repair,
};

use crate::damaged::{
    check, contents, files, is_log_corrupt, lake, lost, places, records, repaired, run, segments,
    wound,
};
use crate::support::{
    Promises, assert_here, block, checkpoint, commit, delta, gc, hold, keep, open, root, try_open,
    unpin,
};
use crate::watched::deaf;

fn checkpoints(disk: &MemDisk) -> Vec<PathBuf> {
    files(disk, "wal", ".checkpoint")
}

/// A lake whose last record, which a checkpoint covers, is damaged so that it looks torn.
struct Wounded {
    disk: MemDisk,
    promises: Promises,
    before: Vec<Record>,
    gone: u64,
    base: Option<Base>,
}

fn wounded() -> Wounded {
    let (disk, promises) = lake();
    let store = open(&disk, 2);
    let gone = commit(&store, vec![delta(900), delta(901)]).0;
    checkpoint(&store).unwrap();
    drop(store);
    let (before, base) = (records(&disk), open(&disk, 3).base());
    assert!(base.is_some());
    wound(&disk, gone);
    Wounded { disk, promises, before, gone, base }
}

impl Wounded {
    /// A copy of it.
    fn fork(&self) -> Self {
        let Self { disk, promises, before, gone, base } = self;
        let (disk, promises) = (disk.fork(), promises.clone());
        Self { disk, promises, before: before.clone(), gone: *gone, base: base.clone() }
    }

    /// Checks that it was repaired: all is there but the one record, and the checkpoint counts.
    fn assert_mended(&self) {
        assert_eq!(open(&self.disk, 5).base(), self.base);
        check(&self.disk, &self.before, &[self.gone], &self.promises.blocks);
        assert_eq!(open(&self.disk, 5).base(), self.base);
    }
}

/// A disk of which one operation fails, and how to tell whether it came to that.
fn failing(disk: &MemDisk, at: u64) -> (Arc<dyn Disk>, impl Fn() -> bool) {
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    let faults = faulty.faults();
    faults.fail_at(at);
    (Arc::new(faulty), move || faults.operations() > at)
}

#[test]
fn what_a_checkpoint_proves_is_not_taken_for_torn_whichever_operation_fails() {
    let lake = wounded();
    for at in 0.. {
        let lake = lake.fork();
        let before = contents(&lake.disk);
        let (disk, has_failed) = failing(&lake.disk, at);
        let opened = Store::open(disk, root(), crate::support::options(4));
        assert!(opened.is_err(), "operation {at}");
        assert_eq!(contents(&lake.disk), before);
        if !has_failed() {
            assert!(at > 20, "only {at} operations");
            return;
        }
    }
}

#[test]
fn a_repair_loses_nothing_that_a_checkpoint_proves_whichever_operation_fails() {
    let lake = wounded();
    let (mut told, mut done) = (0, 0);
    for at in 0.. {
        let lake = lake.fork();
        let (disk, has_failed) = failing(&lake.disk, at);
        match repair(&disk, root(), RepairOptions::default(), &mut |_| {}) {
            Ok(report) => {
                assert_eq!(lost(&report), [lake.gone], "operation {at}");
                done += 1;
            }
            Err(error) => {
                assert!(
                    matches!(&error, StoreError::Io { path, .. } if path.starts_with(root())),
                    "operation {at}: {error:?}"
                );
                told += 1;
                // Not all of what was lost is said twice: the log may be whole by now.
                let report = repaired(&lake.disk);
                assert!(!report.log_rebuilt || lost(&report) == [lake.gone]);
            }
        }
        lake.assert_mended();
        if !has_failed() {
            assert!(told > 20 && done > 1, "{told} told, {done} done");
            return;
        }
    }
}

#[test]
fn a_power_cut_in_any_operation_of_a_repair_costs_no_checkpoint() {
    let lake = wounded();
    for seed in 0..3 {
        for at in 0.. {
            let lake = lake.fork();
            let faulty = FaultyDisk::new(Arc::new(lake.disk.process()));
            faulty.faults().fail_from(at);
            let faulty: Arc<dyn Disk> = Arc::new(faulty);
            let done = repair(&faulty, root(), RepairOptions::default(), &mut |_| {});
            lake.disk.crash(seed * 1000 + at);
            if is_log_corrupt(&lake.disk) {
                assert!(done.is_err());
                assert_eq!(lost(&repaired(&lake.disk)), [lake.gone]);
            }
            lake.assert_mended();
            if done.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_checkpoint_that_is_not_given_out_is_named_where_it_may_prove_a_loss() {
    let lake = wounded();
    let path = checkpoints(&lake.disk).remove(0);
    let before = contents(&lake.disk);
    let is_told = |error: Option<StoreError>| matches!(error, Some(StoreError::Io { path: named, .. }) if named == path);
    for dry_run in [true, false] {
        let refused =
            repair(&deaf(&lake.disk, &path), root(), RepairOptions { dry_run }, &mut |_| {});
        assert!(is_told(refused.err()));
    }
    assert!(is_told(try_open(deaf(&lake.disk, &path), 4).err()));
    assert_eq!(contents(&lake.disk), before);
    assert_eq!(lost(&repaired(&lake.disk)), [lake.gone]);
    lake.assert_mended();
}

#[test]
fn a_process_at_work_asks_a_checkpoint_before_it_writes_over_a_torn_end() {
    let (disk, _) = lake();
    let store = open(&disk, 2);
    let last = commit(&store, vec![delta(900)]).0;
    let path = root().join(format!("wal/{:020}.checkpoint", last + 1));
    let behind = try_open(deaf(&disk, &path), 3).unwrap();
    commit(&store, vec![delta(901)]);
    checkpoint(&store).unwrap();
    assert_eq!(checkpoints(&disk).pop(), Some(path.clone()));
    wound(&disk, last + 1);
    let before = contents(&disk);
    for refused in [behind.last_lsn().err(), behind.hold().err()] {
        assert!(
            matches!(&refused, Some(StoreError::Io { path: named, .. }) if *named == path),
            "{refused:?}"
        );
    }
    assert_eq!(contents(&disk), before);
}

#[test]
fn a_checkpoint_that_is_not_given_out_is_no_obstacle_where_the_log_is_whole() {
    let (disk, promises) = lake();
    checkpoint(&open(&disk, 2)).unwrap();
    let path = checkpoints(&disk).remove(0);
    let store = try_open(deaf(&disk, &path), 3).unwrap();
    assert_eq!(store.base(), None);
    assert_here(&store, &promises.blocks);
    let checked = store.fsck(FsckLevel::Full, &mut |_| {});
    assert!(matches!(&checked, Err(StoreError::Io { path: named, .. }) if *named == path));
    drop(store);
    // It is neither removed nor passed over in silence.
    let report =
        repair(&deaf(&disk, &path), root(), RepairOptions::default(), &mut |_| {}).unwrap();
    assert!(!report.is_change());
    let damage: Vec<_> = report.damage.iter().map(|d| (d.kind, &d.path)).collect();
    assert_eq!(damage, [(DamageKind::Log, &path)]);
    assert!(open(&disk, 4).base().is_some());
}

#[test]
fn a_checkpoint_whose_last_record_is_lost_goes_on_counting() {
    // What comes behind the record, and before it, or only one of these, shows of what log it was.
    for behind in [0, 1, 30] {
        let (disk, promises) = lake();
        let store = open(&disk, 2);
        let gone = commit(&store, vec![delta(900)]).0;
        checkpoint(&store).unwrap();
        let base = open(&disk, 3).base();
        for number in 0..behind {
            commit(&store, vec![delta(1000 + number)]);
        }
        drop(store);
        let before = records(&disk);
        wound(&disk, gone);
        assert_eq!(lost(&repaired(&disk)), [gone], "{behind} behind it");
        let store = open(&disk, 4);
        assert_eq!(store.base(), base, "{behind} behind it");
        let after = store.records_after(base.unwrap().lsn).unwrap();
        assert_eq!(after.len(), behind as usize);
        drop(store);
        check(&disk, &before, &[gone], &promises.blocks);
    }
}

#[test]
fn two_checkpoints_whose_last_records_are_lost_both_count() {
    let (disk, promises) = lake();
    let store = open(&disk, 2);
    let mut gone = Vec::new();
    for number in 0..2 {
        commit(&store, vec![delta(800 + number)]);
        gone.push(commit(&store, vec![delta(900 + number)]).0);
        checkpoint(&store).unwrap();
    }
    drop(store);
    let (before, newest) = (records(&disk), open(&disk, 3).base());
    gone.iter().for_each(|lsn| wound(&disk, *lsn));
    assert_eq!(lost(&repaired(&disk)), gone);
    assert_eq!(open(&disk, 3).base(), newest);
    disk.remove(&checkpoints(&disk)[1]).unwrap();
    assert_eq!(open(&disk, 3).base().unwrap().lsn.0, gone[0]);
    check(&disk, &before, &gone, &promises.blocks);
}

#[test]
fn a_checkpoint_of_which_nothing_tells_whose_it_is_is_kept_aside() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    commit(&store, vec![delta(1)]);
    let older = disk.fork();
    for number in 2..5 {
        commit(&store, vec![delta(number)]);
    }
    checkpoint(&store).unwrap();
    drop(store);
    let (segment, path) = (segments(&disk).remove(0), checkpoints(&disk).remove(0));
    disk.set_content(&segment, older.content(&segment).unwrap()).unwrap();
    let content = disk.content(&path).unwrap();
    let report = repaired(&disk);
    assert_eq!(lost(&report), [2, 3, 4]);
    let copy = root().join("wal/damaged").join(path.file_name().unwrap());
    assert!(report.set_aside.contains(&copy), "{report:?}");
    // It is still there when others have taken its place.
    let store = open(&disk, 2);
    assert_eq!(store.base(), None);
    for number in 10..13 {
        commit(&store, vec![delta(number)]);
        checkpoint(&store).unwrap();
    }
    assert!(disk.content(&path).is_err());
    assert_eq!(disk.content(&copy).unwrap(), content);
}

#[test]
fn the_older_checkpoint_is_asked_about_packs_where_the_newest_is_damaged() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let [live, dead] = [block(1, 300), block(2, 3000)];
    keep(&store, &[live.clone(), dead.clone()]);
    commit(&store, vec![unpin(&dead)]);
    let reading = hold(&store);
    let retired = reading.lsn().0 + 1;
    assert!(gc(&store).bytes_waiting > 0);
    for number in 0..2 {
        commit(&store, vec![delta(number)]);
        checkpoint(&store).unwrap();
    }
    commit(&store, vec![delta(2)]);
    drop((reading, store));
    let [_, newest] = checkpoints(&disk).try_into().unwrap();
    let mut content = disk.content(&newest).unwrap();
    *content.last_mut().unwrap() ^= 1;
    disk.set_content(&newest, content).unwrap();
    wound(&disk, retired);
    let report = repaired(&disk);
    assert_eq!((lost(&report), report.damage), (vec![retired], vec![]));
    assert_eq!((report.packs_retired.len(), report.checkpoints_removed), (1, vec![newest]));
    let store = open(&disk, 2);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().packs_waiting, 1);
    assert!(!store.has(dead.cid()).unwrap());
    assert_here(&store, std::slice::from_ref(&live));
}

/// The same checkpoint, of a record that is as far ahead as `last` says.
fn far_ahead(content: &[u8], last: u64) -> Vec<u8> {
    let own_len = u64::from_le_bytes(content[8..16].try_into().unwrap()) as usize;
    let (own, rest) = content[36..].split_at(own_len);
    let at = own.windows(5).position(|bytes| bytes == b"dlast").unwrap() + 5;
    let old = match own[at] {
        0x18 => 2,
        small => {
            assert!(small < 0x18);
            1
        }
    };
    let own = [&own[..at], &[0x1b], &last.to_be_bytes(), &own[at + old..]].concat();
    let mut made = content[..8].to_vec();
    made.extend_from_slice(&(own.len() as u64).to_le_bytes());
    made.extend_from_slice(&content[16..32]);
    let crc = crc32c::crc32c(&[made.as_slice(), own.as_slice(), rest].concat());
    [made.as_slice(), &crc.to_le_bytes(), own.as_slice(), rest].concat()
}

#[test]
fn a_checkpoint_that_is_too_far_ahead_is_named_with_what_can_be_done() {
    let (disk, promises) = lake();
    checkpoint(&open(&disk, 2)).unwrap();
    let before = records(&disk);
    let path = checkpoints(&disk).remove(0);
    let last = 1_u64 << 33;
    let far = root().join(format!("wal/{last:020}.checkpoint"));
    disk.open(&far, cidlake_store::disk::OpenMode::CreateNew).unwrap();
    disk.set_content(&far, far_ahead(&disk.content(&path).unwrap(), last)).unwrap();
    assert!(is_log_corrupt(&disk));
    let files = contents(&disk);
    match run(&disk, RepairOptions::default()) {
        Err(StoreError::LogCorrupt { segment, detail, .. }) => {
            assert_eq!(segment, far);
            assert!(detail.contains("move this file out of the folder"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(contents(&disk), files);
    disk.remove(&far).unwrap();
    check(&disk, &before, &[], &promises.blocks);
}

#[test]
fn a_checkpoint_is_not_made_over_one_that_proves_that_the_log_lost_its_end() {
    let (disk, _) = lake();
    let behind = open(&disk, 3);
    let store = open(&disk, 2);
    commit(&store, vec![delta(900)]);
    checkpoint(&store).unwrap();
    let path = segments(&disk).pop().unwrap();
    let mut content = disk.content(&path).unwrap();
    let (_, last) = places(&content).pop().unwrap();
    content[last].fill(0);
    disk.set_content(&path, content).unwrap();
    let before = checkpoints(&disk);
    // Zeros look like the end to whoever has the lake open.
    behind.last_lsn().unwrap();
    assert!(matches!(checkpoint(&behind), Err(StoreError::LogCorrupt { .. })));
    assert_eq!(checkpoints(&disk), before);
}

#[test]
fn a_damaged_checkpoint_that_claims_to_be_newer_does_not_take_the_place_of_a_sound_one() {
    let (disk, _) = lake();
    let stray = root().join(format!("wal/{:020}.checkpoint", 9000));
    disk.open(&stray, cidlake_store::disk::OpenMode::CreateNew).unwrap();
    let store = open(&disk, 2);
    for number in 0..2 {
        commit(&store, vec![delta(number)]);
        checkpoint(&store).unwrap();
    }
    assert_eq!(checkpoints(&disk).len(), 2);
    assert!(!checkpoints(&disk).contains(&stray));
}

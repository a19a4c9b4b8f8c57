//! Checkpoints: opened from where they are sound, passed over where they are not.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use cidlake_store::disk::{Disk as _, FaultyDisk, MemDisk};
use cidlake_store::{Base, Checkpointed, Expect, FsckLevel, Lsn, Payload, Store, StoreError};

use crate::damaged::{is_log_corrupt, lost, repaired, segments};
use crate::support::{
    Promises, assert_base, assert_here, block, checkpoint, commit, delta, faulty, hold, open,
    options, payloads, root, try_open,
};

fn named(disk: &MemDisk, part: &str) -> Vec<PathBuf> {
    let folder = root().join("wal");
    let mut names = disk.list(&folder).unwrap();
    names.sort();
    names.iter().filter(|name| name.contains(part)).map(|name| folder.join(name)).collect()
}

/// A lake with several segments and packs, a checkpoint, and records behind it.
fn lake() -> (MemDisk, Promises) {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let mut promises = Promises::default();
    for number in 0..40 {
        if number == 30 {
            assert!(matches!(checkpoint(&store).unwrap(), Checkpointed::Made { .. }));
            assert_eq!(store.stats().checkpoint_lsn, store.last_lsn().unwrap());
        }
        promises.store(&store, vec![block(number, 300)], vec![delta(number)]);
    }
    (disk, promises)
}

#[test]
fn a_store_opens_from_a_checkpoint_without_the_log_before_it() {
    let (disk, mut promises) = lake();
    let store = open(&disk, 2);
    let base = Base { lsn: Lsn(30), state: 30_u64.to_le_bytes().to_vec().into() };
    assert_eq!(store.base(), Some(base.clone()));
    assert_eq!(store.stats().checkpoint_lsn, Lsn(30));
    promises.check(&store);
    let whole = disk.fork();
    for path in named(&whole, ".checkpoint") {
        whole.remove(&path).unwrap();
    }
    let replayed = open(&whole, 2);
    assert_eq!(replayed.base(), None);
    let (from_base, from_log) = (store.stats(), replayed.stats());
    assert_eq!((from_log.checkpoint_lsn, from_log.log), (Lsn(0), from_base.log));
    assert_eq!(
        (from_log.packs_sealed, from_log.blocks),
        (from_base.packs_sealed, from_base.blocks)
    );

    // Segments before the checkpoint are needed for their records alone.
    let segments = named(&disk, ".wal");
    assert!(segments.len() > 4);
    disk.remove(&segments[0]).unwrap();
    let store = open(&disk, 3);
    assert_eq!(store.base(), Some(base));
    assert_here(&store, &promises.blocks);
    assert_eq!(store.records_after(Lsn(30)).unwrap().len(), 10);
    commit(&store, vec![delta(100)]);
    assert!(matches!(store.records_after(Lsn(0)), Err(StoreError::LogCorrupt { .. })));
}

#[test]
fn records_that_are_gone_before_a_checkpoint_are_never_left_out() {
    let (disk, _) = lake();
    let segments = named(&disk, ".wal");
    for path in &segments[..segments.len() - 3] {
        let removed = disk.fork();
        removed.remove(path).unwrap();
        let damaged = disk.fork();
        let mut content = disk.content(path).unwrap();
        let at = content.windows(4).rposition(|bytes| bytes == b"CDLR").unwrap();
        content[at + 20] ^= 1;
        damaged.set_content(path, content.clone()).unwrap();
        let cut = disk.fork();
        content.truncate(at);
        cut.set_content(path, content).unwrap();
        for disk in [removed, damaged, cut] {
            let store = open(&disk, 2);
            assert!(store.base().is_some());
            let read = store.records_after(Lsn(0));
            assert!(matches!(read, Err(StoreError::LogCorrupt { .. })), "{path:?}: {read:?}");
        }
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let (disk, mut promises) = lake();
    let path = named(&disk, ".checkpoint").remove(0);
    let content = disk.content(&path).unwrap();
    for at in 0..=content.len() {
        let mut damaged = content.clone();
        match damaged.get_mut(at) {
            Some(byte) => *byte ^= 1 << (at % 8),
            None => damaged.push(0),
        }
        disk.set_content(&path, damaged).unwrap();
        let store = open(&disk, 2);
        assert_eq!(store.base(), None);
        assert_eq!(payloads(&store), promises.payloads);
        assert_here(&store, &promises.blocks[..1]);
        let damage = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage;
        assert_eq!(damage.len(), 1);
        assert_eq!(damage[0].path, path);
    }
    // With an older one beside it, that is used.
    disk.set_content(&path, content).unwrap();
    checkpoint(&open(&disk, 2)).unwrap();
    let newest = named(&disk, ".checkpoint").pop().unwrap();
    disk.set_content(&newest, b"CIDLCKP".to_vec()).unwrap();
    let store = open(&disk, 3);
    assert_eq!(store.base().unwrap().lsn, Lsn(30));
    disk.remove(&newest).unwrap();
    promises.check(&store);
}

#[test]
fn a_checkpoint_says_what_it_did() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    assert_eq!(checkpoint(&store).unwrap(), Checkpointed::Needless);
    commit(&store, vec![delta(1), delta(2)]);
    let other = open(&disk, 2);
    commit(&other, vec![delta(3)]);
    for at in [0, 2, 4] {
        let done = store.checkpoint(Lsn(at), Bytes::new()).unwrap();
        assert_eq!(done, Checkpointed::Behind { last: Lsn(3) });
    }
    assert!(named(&disk, "checkpoint").is_empty());
    let Checkpointed::Made { bytes } = store.checkpoint(Lsn(3), Bytes::new()).unwrap() else {
        panic!("not made")
    };
    let path = named(&disk, "checkpoint").remove(0);
    assert_eq!(disk.content(&path).unwrap().len() as u64, bytes);
    let base = open(&disk, 3).base();
    assert_eq!(base, Some(Base { lsn: Lsn(3), state: Bytes::new() }));
    store.close().unwrap();
    assert!(matches!(store.checkpoint(Lsn(3), Bytes::new()), Err(StoreError::Closed)));
}

#[test]
fn two_checkpoints_are_kept_and_what_others_left_goes() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    for number in 0..3 {
        let (faults, store) = faulty(&disk, options(10 + number));
        commit(&store, vec![delta(u32::from(number))]);
        let before = named(&disk, ".tmp").len();
        for at in 8.. {
            faults.fail_from(faults.operations() + at);
            assert!(checkpoint(&store).is_err());
            faults.clear();
            if named(&disk, ".tmp").len() > before {
                break;
            }
        }
    }
    assert_eq!(named(&disk, ".tmp").len(), 3);
    for number in 0..5 {
        commit(&store, vec![delta(100 + number)]);
        checkpoint(&store).unwrap();
    }
    let kept: Vec<PathBuf> = named(&disk, "checkpoint");
    let lsn = store.last_lsn().unwrap().0;
    let expected = [lsn - 1, lsn].map(|lsn| root().join(format!("wal/{lsn:020}.checkpoint")));
    assert_eq!(kept, expected);
}

#[test]
fn a_checkpoint_fits_the_copy_of_its_segment() {
    let disk = MemDisk::new();
    let one = open(&disk, 1);
    commit(&one, vec![delta(1)]);
    commit(&one, vec![delta(2)]);
    checkpoint(&one).unwrap();
    let before = named(&disk, ".wal");
    // This process ends after its record is written and before it is synced.
    let (faults, two) = faulty(&disk, options(2));
    faults.fail_sync_at(faults.syncs());
    assert!(two.commit(&hold(&two), vec![delta(3)], Expect::Any).is_err());
    let three = open(&disk, 3);
    commit(&three, vec![delta(4)]);
    assert_ne!(named(&disk, ".wal"), before);
    for store in [open(&disk, 4), one] {
        assert_eq!(payloads(&store), [1, 2, 3, 4].map(delta));
        assert_base(&store);
    }
    assert_eq!(open(&disk, 4).base().unwrap().lsn, Lsn(2));
}

/// A lake whose writer ended when it had begun a segment, before it wrote a record to it.
fn lake_with_empty_segment() -> (MemDisk, Vec<Payload>) {
    for at in 0..100 {
        let disk = MemDisk::new();
        let (faults, failing) = faulty(&disk, options(2));
        let before: Vec<Payload> = (0..9).map(delta).collect();
        for payload in &before {
            commit(&failing, vec![payload.clone()]);
        }
        let full = segments(&disk).len();
        while segments(&disk).len() == full {
            faults.clear();
            let held = hold(&failing);
            faults.fail_from(faults.operations() + at);
            if failing.commit(&held, vec![delta(100)], Expect::Any).is_err() {
                break;
            }
        }
        let last = disk.content(segments(&disk).last().unwrap()).unwrap();
        if last[64..].iter().all(|byte| *byte == 0) {
            return (disk, before);
        }
    }
    panic!("no writer ended there")
}

#[test]
fn a_checkpoint_at_the_beginning_of_a_segment_is_found_there() {
    let (disk, before) = lake_with_empty_segment();
    checkpoint(&open(&disk, 3)).unwrap();
    let store = open(&disk, 4);
    let base = store.base().unwrap();
    let written = payloads(&store);
    assert!(written.starts_with(&before));
    commit(&store, vec![delta(101)]);
    // The segments before it are needed for their records alone, the one with its record too.
    let paths = segments(&disk);
    paths[..paths.len() - 1].iter().for_each(|path| disk.remove(path).unwrap());
    let store = open(&disk, 5);
    assert_eq!(store.base(), Some(base.clone()));
    let after = store.records_after(base.lsn).unwrap();
    assert_eq!(after.into_iter().map(|r| r.payload).collect::<Vec<_>>(), [delta(101)]);
    // A copy takes the place of that segment.
    let (faults, failing) = faulty(&disk, options(6));
    faults.fail_sync_at(faults.syncs());
    assert!(failing.commit(&hold(&failing), vec![delta(102)], Expect::Any).is_err());
    commit(&open(&disk, 7), vec![delta(103)]);
    assert_ne!(segments(&disk).last(), paths.last());
    assert_eq!(open(&disk, 8).base(), Some(base));
}

#[test]
fn a_checkpoint_of_records_that_may_be_lost_makes_them_durable_first() {
    let disk = MemDisk::new();
    commit(&open(&disk, 1), vec![delta(1)]);
    let (faults, two) = faulty(&disk, options(2));
    faults.fail_sync_at(faults.syncs());
    assert!(two.commit(&hold(&two), vec![delta(2)], Expect::Any).is_err());
    let three = open(&disk, 3);
    assert!(matches!(checkpoint(&three).unwrap(), Checkpointed::Made { .. }));
    for seed in 0..20 {
        let disk = disk.fork();
        disk.crash(seed);
        let store = open(&disk, 4);
        assert_eq!(store.base().unwrap().lsn, Lsn(2));
        assert_eq!(payloads(&store), [delta(1), delta(2)]);
    }
}

#[test]
fn an_older_log_that_is_put_back_is_refused_beside_a_newer_checkpoint() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    commit(&store, vec![delta(1)]);
    let older = disk.fork();
    for number in 2..5 {
        commit(&store, vec![delta(number)]);
    }
    checkpoint(&store).unwrap();
    drop(store);
    let segment = named(&disk, ".wal").remove(0);
    disk.set_content(&segment, older.content(&segment).unwrap()).unwrap();
    assert!(is_log_corrupt(&disk));
    assert_eq!(lost(&repaired(&disk)), [2, 3, 4]);
    // The checkpoint is of records that the log does not have.
    let store = open(&disk, 2);
    assert_eq!((store.base(), payloads(&store)), (None, vec![delta(1)]));
    // Numbers are not given twice.
    assert_eq!(commit(&store, vec![delta(15)]), Lsn(5));
    checkpoint(&store).unwrap();
    assert_eq!(open(&disk, 3).base().unwrap().lsn, Lsn(5));
}

#[test]
fn a_checkpoint_of_another_history_is_passed_over() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    commit(&store, vec![delta(1)]);
    let other = disk.fork();
    for number in 2..5 {
        commit(&store, vec![delta(number)]);
    }
    checkpoint(&store).unwrap();
    drop(store);
    for number in 12..15 {
        commit(&open(&other, 2), vec![delta(number)]);
    }
    // With another record under its number it does not fit, nor in a copy of the segment.
    let segment = named(&disk, ".wal").remove(0);
    disk.set_content(&segment, other.content(&segment).unwrap()).unwrap();
    assert_eq!(open(&disk, 4).base(), None);
    let (faults, failing) = faulty(&disk, options(5));
    faults.fail_sync_at(faults.syncs());
    assert!(failing.commit(&hold(&failing), vec![delta(15)], Expect::Any).is_err());
    commit(&open(&disk, 6), vec![delta(16)]);
    assert!(!named(&disk, ".wal").contains(&segment));
    let store = open(&disk, 7);
    assert_eq!(store.base(), None);
    assert_eq!(payloads(&store), [1, 12, 13, 14, 15, 16].map(delta));
}

#[test]
fn checkpoints_are_made_while_other_processes_commit() {
    let disk = MemDisk::new();
    let stores = [open(&disk, 1), open(&disk, 2), open(&disk, 3)];
    let last = 60;
    std::thread::scope(|scope| {
        for (writer, store) in stores[..2].iter().enumerate() {
            scope.spawn(move || {
                for round in 0..last {
                    commit(store, vec![delta(writer as u32 * 1000 + round)]);
                }
            });
        }
        scope.spawn(|| {
            while stores[2].last_lsn().unwrap().0 < u64::from(last) * 2 {
                checkpoint(&stores[2]).unwrap();
                assert_base(&open(&disk, 4));
            }
        });
    });
    checkpoint(&stores[2]).unwrap();
    let store = open(&disk, 4);
    assert_eq!(store.base().unwrap().lsn, Lsn(u64::from(last) * 2));
    assert_base(&store);
    assert!(named(&disk, "checkpoint").len() <= 2);
}

#[test]
fn a_power_cut_in_any_operation_of_a_checkpoint_leaves_the_old_one_or_the_new() {
    for seed in 0..4 {
        for at in 0.. {
            let (disk, mut promises) = lake();
            let (faults, store) = faulty(&disk, options(5));
            faults.fail_from(faults.operations() + at);
            let is_through = checkpoint(&store).is_ok();
            disk.crash(seed * 1000 + at);
            let store = open(&disk, 6);
            let base = store.base().unwrap().lsn;
            assert!(base == Lsn(40) || (!is_through && base == Lsn(30)), "at {at}: {base}");
            promises.check(&store);
            checkpoint(&store).unwrap();
            assert!(promises.store(&store, vec![block(900, 400)], vec![delta(900)]));
            promises.check(&open(&disk, 7));
            if is_through {
                break;
            }
        }
    }
}

#[test]
fn a_folder_that_takes_no_writes_is_opened_from_its_checkpoint() {
    let (disk, promises) = lake();
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    faulty.faults().set_read_only(true);
    let store: Store = try_open(Arc::new(faulty), 2).unwrap();
    assert_eq!(store.base().unwrap().lsn, Lsn(30));
    let found: Vec<Payload> = payloads(&store);
    assert_eq!(found, promises.payloads);
    assert!(matches!(checkpoint(&store), Err(StoreError::ReadOnly { .. })));
}

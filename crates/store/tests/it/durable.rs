//! What was read of another's commit, and made durable before an answer rests on it.

use std::sync::Arc;

use cidlake_store::disk::{Disk, FaultyDisk, MemDisk};
use cidlake_store::{CommitError, Expect, Store, StoreError};

use crate::damaged::{contents, segments};
use crate::support::{commit, delta, faulty, hold, open, options, payloads, root, try_open};

/// A lake whose last record is read and is not on the disk: the sync of its writer failed.
fn lake() -> (MemDisk, Store) {
    let disk = MemDisk::new();
    let (faults, failing) = faulty(&disk, options(1));
    commit(&failing, vec![delta(1)]);
    faults.fail_sync_at(faults.syncs());
    let refused = failing.commit(&hold(&failing), vec![delta(2)], Expect::Any);
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Poisoned { .. }))), "{refused:?}");
    // No later sync of this file brings it there.
    disk.forget_unsynced(&segments(&disk)[0]).unwrap();
    assert!(failing.stats().log.dirty);
    (disk, failing)
}

fn assert_survives(disk: &MemDisk, numbers: &[u32]) {
    for seed in 0..30 {
        let disk = disk.fork();
        disk.crash(seed);
        assert_eq!(
            payloads(&open(&disk, 9)),
            numbers.iter().copied().map(delta).collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_was_read_of_a_commit_whose_sync_failed_survives_once_it_was_made_durable() {
    let (disk, _failing) = lake();
    let store = open(&disk, 2);
    assert_eq!(payloads(&store), [1, 2].map(delta));
    assert_survives(&disk, &[1]);
    store.make_durable().unwrap();
    assert!(!store.stats().log.dirty);
    assert_survives(&disk, &[1, 2]);
    assert_eq!(payloads(&store), [1, 2].map(delta));
    let last = commit(&store, vec![delta(3)]);
    assert_eq!(last.0, 3);
    assert_survives(&disk, &[1, 2, 3]);
}

#[test]
fn a_process_that_has_not_read_it_yet_makes_it_durable_too() {
    let disk = MemDisk::new();
    let early = open(&disk, 2);
    let (faults, failing) = faulty(&disk, options(1));
    faults.fail_sync_at(faults.syncs() + 1);
    for number in 1.. {
        if failing.commit(&hold(&failing), vec![delta(number)], Expect::Any).is_err() {
            break;
        }
    }
    disk.forget_unsynced(&segments(&disk)[0]).unwrap();
    early.make_durable().unwrap();
    let read = payloads(&early);
    assert!(!read.is_empty());
    disk.crash(0);
    assert_eq!(payloads(&open(&disk, 3)), read);
}

#[test]
fn where_nothing_is_left_to_be_made_durable_nothing_is_written() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    // Nobody has taken the log's lock yet.
    store.make_durable().unwrap();
    commit(&store, vec![delta(1)]);
    let (before, syncs) = (contents(&disk), faults.syncs());
    store.make_durable().unwrap();
    faults.set_read_only(true);
    store.make_durable().unwrap();
    assert_eq!((contents(&disk), faults.syncs()), (before, syncs));
}

#[test]
fn in_a_folder_that_takes_no_writes_nothing_is_made_durable_and_that_is_no_error() {
    let (disk, _failing) = lake();
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    faulty.faults().set_read_only(true);
    let store = try_open(Arc::new(faulty), 2).unwrap();
    assert_eq!(payloads(&store), [1, 2].map(delta));
    let before = contents(&disk);
    store.make_durable().unwrap();
    assert_eq!(contents(&disk), before);
    assert!(store.stats().log.dirty);
}

#[test]
fn the_process_whose_sync_failed_cannot_make_it_durable_and_says_so() {
    let (disk, failing) = lake();
    let refused = failing.make_durable();
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    open(&disk, 2).make_durable().unwrap();
    failing.make_durable().unwrap();
    assert_survives(&disk, &[1, 2]);
    failing.close().unwrap();
    assert!(matches!(failing.make_durable(), Err(StoreError::Closed)));
}

#[test]
fn it_is_durable_or_told_whichever_operation_fails() {
    let mut told = 0;
    for at in 0.. {
        let (disk, _failing) = lake();
        let faulty = FaultyDisk::new(Arc::new(disk.process()));
        let faults = faulty.faults();
        let store = try_open(Arc::new(faulty) as Arc<dyn Disk>, 2).unwrap();
        assert_eq!(payloads(&store), [1, 2].map(delta));
        faults.fail_at(faults.operations() + at);
        let is_through = {
            let before = faults.operations();
            match store.make_durable() {
                Ok(()) => assert_survives(&disk, &[1, 2]),
                Err(error) => {
                    assert!(
                        matches!(&error, StoreError::Io { path, .. } if path.starts_with(root()))
                    );
                    told += 1;
                    // Another try makes up for it.
                    store.make_durable().unwrap();
                    assert_survives(&disk, &[1, 2]);
                }
            }
            faults.operations() - before <= at
        };
        if is_through {
            assert!(told > 10, "only {told} operations could fail");
            return;
        }
    }
}

//! Disks that refuse: full, read-only, unable to sync.

use std::path::PathBuf;
use std::sync::Arc;

use cidlake_store::disk::{Disk, Faults, FaultyDisk, MemDisk};
use cidlake_store::{CommitError, Expect, FsckLevel, Lsn, Store, StoreError};

use crate::support::{
    Promises, assert_here, block, commit, delta, faulty, hold, open, options, payloads, root,
};

fn file_in(disk: &MemDisk, folder: &str, ending: &str) -> PathBuf {
    let folder = root().join(folder);
    let name = disk.list(&folder).unwrap().into_iter().find(|name| name.ends_with(ending));
    folder.join(name.unwrap())
}

#[test]
fn a_log_that_cannot_be_synced_is_written_to_no_more() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    commit(&store, vec![delta(1)]);
    let segment = file_in(&disk, "wal", ".wal");
    faults.fail_sync_at(faults.syncs());
    for _ in 0..3 {
        let refused = store.commit(&hold(&store), vec![delta(2)], Expect::Any);
        assert!(
            matches!(&refused, Err(CommitError::Store(StoreError::Poisoned { path, source }))
                if *path == segment && source.to_string().ends_with("was made to fail")),
            "{refused:?}"
        );
    }
    assert_eq!(payloads(&store), [delta(1)]);
    assert!(store.stats().log.dirty);
    let before = disk.content(&segment).unwrap();
    // The next process copies what is readable, the failed commit included, and goes on.
    let other = open(&disk, 2);
    commit(&other, vec![delta(3)]);
    assert_eq!(payloads(&other), [delta(1), delta(2), delta(3)]);
    assert!(disk.content(&segment).is_err(), "{} bytes remain", before.len());
    // With another segment in place the first process may write again.
    commit(&store, vec![delta(4)]);
    assert_eq!(payloads(&store), payloads(&other));
}

#[test]
fn a_pack_that_cannot_be_synced_is_replaced_by_the_next_put() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    store.put(&hold(&store), &[block(1, 100)]).unwrap();
    commit(&store, vec![delta(1)]);
    let pack = file_in(&disk, "packs", ".car");
    store.put(&hold(&store), &[block(2, 100), block(3, 200)]).unwrap();
    faults.fail_sync_at(faults.syncs());
    for _ in 0..3 {
        let refused = store.commit(&hold(&store), vec![delta(2)], Expect::Any);
        assert!(
            matches!(&refused, Err(CommitError::Store(StoreError::Poisoned { path, source }))
                if *path == pack && source.to_string().ends_with("was made to fail")),
            "{refused:?}"
        );
    }
    disk.forget_unsynced(&pack).unwrap();
    assert_eq!(store.put(&hold(&store), &[block(2, 100)]).unwrap().new_blocks, 0);
    commit(&store, vec![delta(2)]);
    let blocks = [block(1, 100), block(2, 100), block(3, 200)];
    assert_here(&store, &blocks);
    drop(store);
    disk.crash(0);
    let store = open(&disk, 2);
    assert_here(&store, &blocks);
    assert_eq!(payloads(&store), [delta(1), delta(2)]);
}

#[test]
fn every_single_failure_leaves_a_store_that_keeps_its_promises() {
    for at in 0..2000 {
        let disk = MemDisk::new();
        let faulty = FaultyDisk::new(Arc::new(disk.process()));
        let faults = faulty.faults();
        faults.fail_at(at);
        let disk_of_store: Arc<dyn Disk> = Arc::new(faulty);
        let mut promises = Promises::default();
        let opened = Store::open(Arc::clone(&disk_of_store), root(), options(1))
            .or_else(|_| Store::open(disk_of_store, root(), options(1)));
        let store = opened.unwrap();
        for round in 0..12 {
            let blocks = vec![block(round * 2, 500), block(round * 2 + 1, 700)];
            let is_done = promises.store(&store, blocks, vec![delta(round), delta(round + 50)]);
            // Nothing depends on it.
            let _sealed = if round % 4 == 3 { store.seal_own() } else { Ok(()) };
            if !is_done {
                // Another process settles what became of it, and makes that durable.
                let other = open(&disk, 2);
                promises.check(&other);
                assert!(promises.store(&other, vec![], vec![delta(1000 + round)]));
            }
        }
        if faults.operations() <= at {
            assert!(at > 150, "only {at} operations");
            return;
        }
        drop(store);
        disk.crash(at);
        promises.check(&open(&disk, 3));
    }
    panic!("the work has more operations than were tried");
}

/// Does a little of everything; an error must be about the disk, whatever it kept from being seen.
fn work(disk: &Arc<dyn Disk>, promises: &mut Promises) -> Result<(), StoreError> {
    let store = Store::open(Arc::clone(disk), root(), options(1))?;
    for round in 0..6 {
        let blocks = vec![block(round * 2, 500), block(round * 2 + 1, 900)];
        let payloads = vec![delta(round), delta(round + 50)];
        let hold = store.hold()?;
        store.put(&hold, &blocks)?;
        promises.open = Some((payloads.clone(), blocks.clone()));
        match store.commit(&hold, payloads.clone(), Expect::Any) {
            Ok(_) => promises.open = None,
            Err(CommitError::Store(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        }
        promises.payloads.extend(payloads);
        promises.blocks.extend(blocks);
        let cids: Vec<_> = promises.blocks.iter().map(|block| *block.cid()).collect();
        let found = store.get_many(&cids)?;
        assert!(found.iter().zip(&promises.blocks).all(|(found, block)| {
            found.as_ref().is_some_and(|found| found.data() == block.data())
        }));
        assert_eq!(store.records_after(Lsn(0))?.len(), promises.payloads.len());
    }
    assert!(store.get(block(5000, 5).cid())?.is_none());
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {})?.damage, []);
    store.restore(&store.hold()?, &promises.blocks)?;
    store.seal_own()?;
    store.close()
}

/// Lets each operation that `count` counts fail in one way; returns how many there were.
fn fail_everywhere(
    count: impl Fn(&Faults) -> u64,
    fail: impl Fn(&Faults, u64),
    is_told: impl Fn(&StoreError) -> bool,
) -> u64 {
    for at in 0.. {
        let disk = MemDisk::new();
        let faulty = FaultyDisk::new(Arc::new(disk.process()));
        let faults = faulty.faults();
        fail(&faults, at);
        let mut promises = Promises::default();
        let disk_of_store: Arc<dyn Disk> = Arc::new(faulty);
        if let Err(error) = work(&disk_of_store, &mut promises) {
            assert!(is_told(&error), "operation {at}: {error:?}");
        }
        let is_through = count(&faults) <= at;
        faults.clear();
        let store = Store::open(disk_of_store, root(), options(2)).unwrap();
        promises.check(&store);
        assert!(promises.store(&store, vec![block(900, 2500)], vec![delta(900)]));
        drop(store);
        for seed in 0..4 {
            let disk = disk.fork();
            disk.crash(seed * 1000 + at);
            promises.clone().check(&open(&disk, 3));
        }
        if is_through {
            return at;
        }
    }
    unreachable!("the work has an end")
}

#[test]
fn a_failure_of_any_operation_is_told_as_one_and_got_over() {
    let operations = fail_everywhere(Faults::operations, Faults::fail_at, |error| {
        matches!(error, StoreError::Io { .. } | StoreError::Poisoned { .. })
    });
    assert!(operations > 250, "only {operations} operations");
}

#[test]
fn a_disk_that_is_full_at_any_operation_is_told_as_one_and_got_over() {
    let full = |faults: &Faults, at| {
        faults.set_kind(std::io::ErrorKind::StorageFull);
        faults.fail_at(at);
    };
    let is_told = |error: &StoreError| match error {
        StoreError::NoSpace { .. } | StoreError::Poisoned { .. } => true,
        // Nobody says that of a read, but if somebody does it is passed on.
        StoreError::Io { op, .. } => *op == "read",
        _ => false,
    };
    fail_everywhere(Faults::operations, full, is_told);
}

#[test]
fn a_sync_that_fails_is_told_as_one_and_got_over() {
    let syncs = fail_everywhere(Faults::syncs, Faults::fail_sync_at, |error| {
        matches!(error, StoreError::Io { .. } | StoreError::Poisoned { .. })
    });
    assert!(syncs > 10, "only {syncs} syncs");
}

#[test]
fn a_read_that_comes_back_short_changes_nothing() {
    fail_everywhere(Faults::operations, Faults::short_read_at, |_| false);
}

#[test]
fn a_full_disk_loses_nothing_and_is_got_over() {
    for space in (0..6000).step_by(83) {
        let disk = MemDisk::new();
        let (faults, store) = faulty(&disk, options(1));
        let mut promises = Promises::default();
        assert!(promises.store(&store, vec![block(1, 500)], vec![delta(1)]));
        faults.limit_space(Some(space));
        for round in 2..20 {
            let blocks = vec![block(round, 500)];
            let hold = hold(&store);
            let put = store.put(&hold, &blocks);
            if let Err(error) = &put {
                assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
            }
            let payloads = vec![delta(round)];
            match put
                .map_err(CommitError::from)
                .and_then(|_| store.commit(&hold, payloads.clone(), Expect::Any))
            {
                Ok(_) => {
                    promises.payloads.extend(payloads);
                    promises.blocks.extend(blocks);
                }
                Err(error) => {
                    assert!(
                        matches!(&error, CommitError::Store(StoreError::NoSpace { .. })),
                        "{error:?}"
                    );
                    promises.open = Some((payloads, blocks));
                    break;
                }
            }
        }
        assert_here(&store, &promises.blocks);
        promises.check(&open(&disk, 2));
        faults.limit_space(None);
        assert!(promises.store(&store, vec![block(90, 600)], vec![delta(90)]));
        promises.check(&store);
        drop(store);
        disk.crash(space);
        promises.check(&open(&disk, 3));
    }
}

#[test]
fn a_read_only_folder_can_be_read() {
    let disk = MemDisk::new();
    let writer = open(&disk, 1);
    writer.put(&hold(&writer), &[block(1, 100)]).unwrap();
    commit(&writer, vec![delta(1)]);
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    faulty.faults().set_read_only(true);
    let store = Store::open(Arc::new(faulty), root(), options(2)).unwrap();
    assert_here(&store, &[block(1, 100)]);
    assert_eq!(payloads(&store), [delta(1)]);
    assert!(!store.is_writable());
    assert!(writer.is_writable());
    assert!(matches!(store.put(&hold(&store), &[block(2, 100)]), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(
        store.commit(&hold(&store), vec![delta(2)], Expect::Any),
        Err(CommitError::Store(StoreError::ReadOnly { .. }))
    ));
    commit(&writer, vec![delta(3)]);
    assert_eq!(payloads(&store), [delta(1), delta(3)]);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    store.close().unwrap();
}

#[test]
fn a_bit_flipped_on_the_way_is_never_handed_out() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    let block = block(1, 400);
    store.put(&hold(&store), std::slice::from_ref(&block)).unwrap();
    faults.flip_bit(".car", 300, 3);
    assert!(matches!(store.get(block.cid()), Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.get_many(&[*block.cid()]), Err(StoreError::Corrupt { .. })));
    faults.clear();
    assert_here(&store, &[block]);
}

#[test]
fn a_pack_whose_seal_could_not_be_synced_is_left_alone() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    let blocks = [block(1, 3000), block(2, 200)];
    store.put(&hold(&store), &blocks[..1]).unwrap();
    commit(&store, vec![delta(1)]);
    let pack = file_in(&disk, "packs", ".car");
    faults.fail_sync_at(faults.syncs());
    let refused = store.put(&hold(&store), &blocks[1..]);
    assert!(
        matches!(&refused, Err(StoreError::Poisoned { path, .. }) if *path == pack),
        "{refused:?}"
    );
    let left = disk.content(&pack).unwrap();
    store.put(&hold(&store), &blocks[1..]).unwrap();
    commit(&store, vec![delta(2)]);
    assert_eq!(disk.content(&pack).unwrap(), left);
    assert_here(&store, &blocks);
    // For another process it is a pack like any other.
    let heir = open(&disk, 2);
    heir.put(&hold(&heir), &[block(3, 200)]).unwrap();
    commit(&heir, vec![]);
    assert_ne!(disk.content(&pack).unwrap(), left);
    assert_here(&store, &[blocks[0].clone(), blocks[1].clone(), block(3, 200)]);
}

#[test]
fn a_pack_that_was_given_up_is_followed_when_another_process_goes_on_with_it() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    store.put(&hold(&store), &[block(1, 100)]).unwrap();
    commit(&store, vec![delta(1)]);
    let pack = file_in(&disk, "packs", ".car");
    store.put(&hold(&store), &[block(2, 600)]).unwrap();
    faults.fail_sync_at(faults.syncs());
    store.commit(&hold(&store), vec![delta(2)], Expect::Any).unwrap_err();
    store.put(&hold(&store), &[block(3, 50)]).unwrap();
    commit(&store, vec![delta(3)]);
    // What could not be synced is not what the next process finds.
    let mut content = disk.content(&pack).unwrap();
    content.pop();
    disk.set_content(&pack, content).unwrap();
    let heir = open(&disk, 2);
    heir.put(&hold(&heir), &[block(4, 80)]).unwrap();
    commit(&heir, vec![]);
    assert_eq!(disk.list(&root().join("packs")).unwrap().len(), 2);
    let all = [block(1, 100), block(2, 600), block(3, 50), block(4, 80)];
    assert_here(&heir, &all);
    assert_here(&store, &all);
}

//! Copies of closed segments: which are wanted, and how they appear and go.

use std::path::PathBuf;

use cidlake_store::disk::{Disk, MemDisk, OpenMode};
use cidlake_store::{Lsn, SealedLog, Store, StoreError};

use crate::support::{commit, delta, faulty, open, options, root};

fn folder() -> PathBuf {
    root().join("wal/sealed")
}

fn files(disk: &MemDisk) -> Vec<String> {
    let mut names = disk.list(&folder()).unwrap_or_default();
    names.sort();
    names
}

/// Puts a file there that no store has written.
fn plant(disk: &MemDisk, name: &str) {
    disk.open(&folder().join(name), OpenMode::CreateNew).unwrap();
}

/// A lake with several closed segments.
fn lake() -> MemDisk {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    for number in 0..40 {
        commit(&store, vec![delta(number)]);
    }
    disk
}

fn sealed(first: u64, last: u64) -> SealedLog {
    SealedLog { first: Lsn(first), last: Lsn(last) }
}

/// What a copy has in these tests: the numbers of its records.
fn content(store: &Store, sealed: SealedLog) -> Vec<u8> {
    let mut cursor = store.log_after(Lsn(sealed.first.0 - 1), Some(sealed.last)).unwrap();
    let records = cursor.next(usize::MAX).unwrap();
    assert_eq!(records.len() as u64, sealed.last.0 - sealed.first.0 + 1);
    records.iter().flat_map(|record| record.lsn.0.to_le_bytes()).collect()
}

#[test]
fn closed_segments_are_to_be_copied_and_go_on_where_copies_end() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    assert_eq!((store.unsealed_logs().unwrap(), store.sealed_logs().unwrap()), (vec![], vec![]));
    for number in 0..40 {
        commit(&store, vec![delta(number)]);
    }
    let unsealed = store.unsealed_logs().unwrap();
    assert_eq!(unsealed.len() as u64, store.stats().log.segments - 1);
    assert!(unsealed.len() > 2);
    assert_eq!(unsealed[0].first, Lsn(1));
    assert!(unsealed.windows(2).all(|two| two[1].first.0 == two[0].last.0 + 1));
    assert!(unsealed.last().unwrap().last < Lsn(40));
    for one in &unsealed {
        store.write_sealed(*one, &content(&store, *one)).unwrap();
    }
    let other = open(&disk, 2);
    assert_eq!(other.sealed_logs().unwrap(), unsealed);
    assert_eq!(other.unsealed_logs().unwrap(), []);
    let read: Vec<u8> = unsealed
        .iter()
        .flat_map(|one| other.read_sealed(*one).unwrap().unwrap().to_vec())
        .collect();
    let end = unsealed.last().unwrap().last;
    assert_eq!(read, (1..=end.0).flat_map(u64::to_le_bytes).collect::<Vec<_>>());
    for number in 40..60 {
        commit(&store, vec![delta(number)]);
    }
    assert_eq!(store.unsealed_logs().unwrap()[0].first, Lsn(end.0 + 1));
    // The last is wanted again when its copy is gone; one before it is not.
    other.remove_sealed(*unsealed.last().unwrap()).unwrap();
    assert_eq!(store.unsealed_logs().unwrap()[0], *unsealed.last().unwrap());
    other.remove_sealed(unsealed[0]).unwrap();
    other.remove_sealed(unsealed[0]).unwrap();
    assert_eq!(store.sealed_logs().unwrap(), unsealed[1..unsealed.len() - 1]);
    assert!(matches!(store.read_sealed(unsealed[0]), Err(StoreError::Io { .. })));
}

#[test]
fn of_copies_that_overlap_those_are_used_that_go_on() {
    let disk = lake();
    let store = open(&disk, 2);
    for one in [sealed(1, 5), sealed(1, 9), sealed(3, 4), sealed(6, 9), sealed(8, 12)] {
        store.write_sealed(one, b"").unwrap();
    }
    for name in [
        "1-3-00000000.parquet",
        "other",
        "00000000000000000013-00000000000000000012-00000000.parquet",
    ] {
        plant(&disk, name);
    }
    assert_eq!(store.sealed_logs().unwrap(), [sealed(1, 5), sealed(1, 9), sealed(8, 12)]);
    assert_eq!(store.unsealed_logs().unwrap()[0].first, Lsn(13));
}

#[test]
fn a_copy_that_is_written_again_takes_the_place_of_the_one_before() {
    let disk = lake();
    let stores = [open(&disk, 2), open(&disk, 3)];
    for (store, content) in stores.iter().zip([b"long content".as_slice(), b"short"]) {
        store.write_sealed(sealed(1, 9), content).unwrap();
        assert_eq!(stores[0].read_sealed(sealed(1, 9)).unwrap().unwrap(), content);
    }
    assert_eq!(files(&disk), [sealed(1, 9).file_name(b"short")]);
    stores[0].close().unwrap();
    let refused = stores[0].write_sealed(sealed(10, 11), b"");
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
}

#[test]
fn drafts_that_others_left_are_removed_once_their_records_are_copied() {
    let disk = lake();
    let store = open(&disk, 2);
    store.write_sealed(sealed(1, 9), b"a").unwrap();
    let draft = |sealed: SealedLog| format!("{}.0a.tmp", sealed.file_name(b""));
    let foreign = ["other.tmp".to_owned(), "notes".to_owned()];
    for name in [draft(sealed(1, 9)), draft(sealed(3, 5)), draft(sealed(10, 12))] {
        plant(&disk, &name);
    }
    foreign.iter().for_each(|name| plant(&disk, name));
    store.remove_sealed_drafts();
    let mut expected = vec![sealed(1, 9).file_name(b"a"), draft(sealed(10, 12))];
    expected.extend(foreign);
    expected.sort();
    assert_eq!(files(&disk), expected);
    store.write_sealed(sealed(10, 12), b"b").unwrap();
    store.remove_sealed_drafts();
    assert!(!files(&disk).contains(&draft(sealed(10, 12))));
}

#[test]
fn a_power_cut_in_any_operation_of_a_copy_leaves_all_of_it_or_none() {
    let (one, next) = (sealed(1, 9), sealed(10, 12));
    let content: Vec<u8> = (0..9_000_u32).map(|at| at as u8).collect();
    for seed in 0..4 {
        for at in 0.. {
            let disk = lake();
            let (faults, store) = faulty(&disk, options(2));
            faults.fail_from(faults.operations() + at);
            let is_through = store.write_sealed(one, &content).is_ok();
            drop(store);
            disk.crash(seed * 1000 + at);
            let store = open(&disk, 3);
            match store.sealed_logs().unwrap().as_slice() {
                [] => assert!(!is_through, "a copy is gone, at {at}"),
                found => {
                    assert_eq!(found, [one]);
                    assert_eq!(store.read_sealed(one).unwrap().unwrap(), content, "at {at}");
                }
            }
            // It is made again, and what was left of the first goes.
            store.write_sealed(one, &content).unwrap();
            store.write_sealed(next, b"next").unwrap();
            store.remove_sealed_drafts();
            assert_eq!(files(&disk), [one.file_name(&content), next.file_name(b"next")]);
            disk.crash(seed);
            let store = open(&disk, 4);
            assert_eq!(store.sealed_logs().unwrap(), [one, next]);
            assert_eq!(store.read_sealed(one).unwrap().unwrap(), content);
            if is_through {
                assert!(at > 5, "only {at} operations");
                break;
            }
        }
    }
}

#[test]
fn a_copy_that_is_not_what_was_written_is_none() {
    let disk = lake();
    let store = open(&disk, 2);
    let (one, content) = (sealed(1, 9), vec![7; 900]);
    store.write_sealed(one, &content).unwrap();
    let path = folder().join(one.file_name(&content));
    for at in [0, 450, 899] {
        let mut damaged = content.clone();
        damaged[at] ^= 1;
        disk.set_content(&path, damaged).unwrap();
        assert_eq!(store.read_sealed(one).unwrap(), None);
    }
    disk.set_content(&path, content[..899].to_vec()).unwrap();
    assert_eq!(store.read_sealed(one).unwrap(), None);
    assert_eq!(store.sealed_logs().unwrap(), [one]);
}

#[test]
fn a_copy_that_cannot_be_written_leaves_the_one_before_and_gives_back_its_room() {
    let (one, content) = (sealed(1, 9), vec![7; 9_000]);
    for at in 0.. {
        let disk = lake();
        open(&disk, 2).write_sealed(one, &content).unwrap();
        let (faults, store) = faulty(&disk, options(3));
        faults.fail_at(faults.operations() + at);
        if store.write_sealed(one, &content).is_ok() {
            assert!(at > 5, "only {at} operations");
            break;
        }
        assert_eq!(store.read_sealed(one).unwrap().unwrap(), content);
    }
    let disk = lake();
    open(&disk, 2).write_sealed(one, &content).unwrap();
    let (faults, store) = faulty(&disk, options(3));
    faults.limit_space(Some(4_000));
    let refused = store.write_sealed(sealed(10, 12), &content);
    assert!(matches!(refused, Err(StoreError::NoSpace { .. })), "{refused:?}");
    assert_eq!(files(&disk), [one.file_name(&content)]);
}

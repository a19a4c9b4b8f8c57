//! The log read record by record, whatever its records say.

use std::collections::BTreeSet;

use cidlake_store::disk::{Disk, MemDisk};
use cidlake_store::{Lsn, Says, Store, StoreError};

use crate::queue::{done, enqueue, failed, log, new, settle, take};
use crate::support::{
    block, commit, delta, faulty, gc, hold, keep, open, options, payloads, root, unpin,
};

/// A lake whose log has every kind of record in several segments, and what its processes asked for.
fn long_log() -> (MemDisk, Store) {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let dead = block(1, 3000);
    keep(&store, std::slice::from_ref(&dead));
    commit(&store, vec![unpin(&dead)]);
    for round in 0..12 {
        store.enqueue((0..3).map(|at| new(round * 10 + at)).collect(), round).unwrap();
        for leased in take(&store, round * 10 + 20, round * 10 + 25) {
            let settlement =
                if leased.token.0 % 2 == 0 { done(&leased) } else { failed(&leased, None) };
            assert!(settle(&store, settlement, round * 10 + 21));
        }
        commit(&store, vec![delta(round as u32), delta(100 + round as u32)]);
        // A record that says nothing but how far a pack is good.
        store.put(&hold(&store), &[block(1000 + round as u32, 40)]).unwrap();
        commit(&store, vec![]);
    }
    assert!(gc(&store).packs_retired > 0);
    (disk, store)
}

#[test]
fn the_log_is_read_record_by_record_across_segments_and_from_anywhere() {
    let (disk, store) = long_log();
    assert!(store.stats().log.segments > 4);
    let records = log(&store, Lsn(0), usize::MAX);
    let numbers: Vec<u64> = records.iter().map(|record| record.lsn.0).collect();
    assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>());
    let carried = records.iter().filter_map(|record| match &record.says {
        Says::Payload(payload) => Some(payload.clone()),
        _ => None,
    });
    assert_eq!(carried.collect::<Vec<_>>(), payloads(&store));
    let kinds: BTreeSet<u16> = records.iter().map(|record| record.kind).collect();
    assert!([0, 1, 4, 6, 7, 9].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let other = open(&disk, 2);
    for count in [1, 2, 7, 1000] {
        assert_eq!(log(&other, Lsn(0), count), records);
    }
    for after in 0..=records.len() {
        let rest = &records[after..];
        assert_eq!(log(&other, Lsn(after as u64), 5), rest);
        let end = Lsn(after as u64 + 4);
        let mut cursor = other.log_after(Lsn(after as u64), Some(end)).unwrap();
        assert_eq!(cursor.next(100).unwrap(), rest[..rest.len().min(4)]);
        assert!(cursor.next(100).unwrap().is_empty());
    }
    assert!(log(&other, Lsn(records.len() as u64 + 9), 5).is_empty());
    // A cursor ends where the log ended when it began.
    let mut cursor = other.log_after(Lsn(0), None).unwrap();
    enqueue(&store, 1);
    assert_eq!(cursor.next(10_000).unwrap(), records);
    assert_eq!(log(&other, Lsn(records.len() as u64), 5).len(), 1);
}

#[test]
fn a_cursor_goes_on_in_the_copy_of_its_segment() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    store.enqueue((0..5).map(new).collect(), 1).unwrap();
    let records = log(&store, Lsn(0), 9);
    let mut cursor = store.log_after(Lsn(0), None).unwrap();
    assert_eq!(cursor.next(2).unwrap(), records[..2]);
    let (faults, failing) = faulty(&disk, options(2));
    faults.fail_sync_at(faults.syncs());
    assert!(failing.enqueue(vec![new(5)], 2).is_err());
    let before = disk.list(&root().join("wal")).unwrap();
    enqueue(&open(&disk, 3), 6);
    assert_ne!(disk.list(&root().join("wal")).unwrap(), before);
    assert_eq!(cursor.next(2).unwrap(), records[2..4]);
    assert_eq!(cursor.next(2).unwrap(), records[4..]);
    assert_eq!(log(&store, Lsn(0), 9).len(), 7);
}

#[test]
fn a_cursor_says_what_record_is_gone() {
    let (disk, store) = long_log();
    let last = store.log_after(Lsn(0), None).unwrap().next(usize::MAX).unwrap().len();
    let folder = root().join("wal");
    let mut segments = disk.list(&folder).unwrap();
    segments.retain(|name| name.ends_with(".wal"));
    segments.sort();
    let first: u64 = segments[1][..20].parse().unwrap();
    disk.remove(&folder.join(&segments[0])).unwrap();
    let gone = store.log_after(Lsn(0), None).unwrap().next(5);
    assert!(matches!(gone, Err(StoreError::LogCorrupt { .. })), "{gone:?}");
    assert_eq!(log(&store, Lsn(first - 1), 5).len() as u64, last as u64 - first + 1);
}

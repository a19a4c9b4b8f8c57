//! What every user of a store relies on when nothing goes wrong.

use std::sync::Arc;

use cidlake_block::{Cid, Codec, UnverifiedBlock, parse_cid};
use cidlake_store::disk::{Disk, MemDisk, OpenMode, RealDisk};
use cidlake_store::{CommitError, Expect, FsckLevel, Lsn, Options, Payload, Store, StoreError};

use crate::support::{
    assert_here, block, commit, delta, hold, open, options, payloads, root, try_open,
};

#[test]
fn blocks_and_records_come_back_after_reopening() {
    let disk = MemDisk::new();
    let blocks: Vec<_> = (0..40).map(|number| block(number, 17 * number as usize)).collect();
    let records = vec![
        delta(1),
        Payload::Pin { cid: *block(2, 9).cid(), name: Some("a name".to_owned()) },
        Payload::Pin { cid: *block(3, 9).cid(), name: None },
        Payload::Unpin { cid: *block(2, 9).cid() },
    ];
    {
        let store = open(&disk, 1);
        let report = store.put(&hold(&store), &blocks).unwrap();
        assert_eq!(report.new_blocks, 40);
        assert_eq!(report.new_bytes, (0..40).map(|number| 17 * number).sum::<u64>());
        assert_here(&store, &blocks);
        assert_eq!(commit(&store, records.clone()), Lsn(4));
        store.close().unwrap();
    }
    let store = open(&disk, 2);
    assert_here(&store, &blocks);
    assert_eq!(payloads(&store), records);
    assert_eq!(store.last_lsn().unwrap(), Lsn(4));
    let later: Vec<u64> = store.records_after(Lsn(2)).unwrap().iter().map(|r| r.lsn.0).collect();
    assert_eq!(later, [3, 4]);
    let report = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
    assert_eq!((report.blocks, report.records, report.damage), (40, 4, vec![]));
}

#[test]
fn a_block_is_stored_once_whatever_its_codec() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let raw = block(1, 100);
    let cbor = Cid::new_v1(0x71, *raw.cid().hash());
    assert_eq!(store.put(&hold(&store), &[raw.clone(), raw.clone()]).unwrap().new_blocks, 1);
    let again = UnverifiedBlock { cid: cbor, data: raw.data().clone() }.verify().unwrap();
    assert_eq!(store.put(&hold(&store), &[again]).unwrap().new_blocks, 0);
    let found = store.get(&cbor).unwrap().unwrap();
    assert_eq!((found.cid(), found.data()), (&cbor, raw.data()));
    assert_eq!(Codec::of(found.cid()).unwrap(), Codec::DagCbor);
}

#[test]
fn identity_cids_need_no_storage() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let empty = parse_cid("bafkqaaa").unwrap();
    let found = store.get(&empty).unwrap().unwrap();
    assert!(found.is_empty());
    assert!(store.has(&empty).unwrap());
    assert_eq!(store.put(&hold(&store), std::slice::from_ref(&found)).unwrap().new_blocks, 0);
    assert_eq!(store.cached(&empty).unwrap().data(), found.data());
    assert_eq!(store.get_many(&[empty]).unwrap()[0].as_ref().unwrap().data(), found.data());
}

#[test]
fn what_is_not_here_is_none() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let (here, missing) = (block(1, 50), block(2, 50));
    store.put(&hold(&store), std::slice::from_ref(&here)).unwrap();
    assert!(store.get(missing.cid()).unwrap().is_none());
    assert!(!store.has(missing.cid()).unwrap());
    let found =
        store.get_many(&[*missing.cid(), *here.cid(), *missing.cid(), *here.cid()]).unwrap();
    let found: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(found, [false, true, false, true]);
    assert!(store.get_many(&[]).unwrap().is_empty());
}

#[test]
fn a_commit_expects_the_last_record() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    let first = one.commit(&hold(&one), vec![delta(1)], Expect::Last(Lsn(0))).unwrap();
    let behind = two.commit(&hold(&two), vec![delta(2)], Expect::Last(Lsn(0)));
    assert!(matches!(behind, Err(CommitError::Behind { last }) if last == first));
    let second = two.commit(&hold(&two), vec![delta(2)], Expect::Last(first)).unwrap();
    // Blocks made durable without a record move nothing that anybody could have read.
    one.put(&hold(&one), &[block(9, 80)]).unwrap();
    assert_eq!(one.commit(&hold(&one), vec![], Expect::Last(second)).unwrap(), second);
    two.commit(&hold(&two), vec![delta(3)], Expect::Last(second)).unwrap();
    assert_eq!(payloads(&one), [delta(1), delta(2), delta(3)]);
    assert!(matches!(
        one.commit(&hold(&one), vec![delta(4)], Expect::Last(Lsn(99))),
        Err(CommitError::Behind { .. })
    ));
}

#[test]
fn a_commit_without_records_makes_blocks_durable() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let blocks = [block(1, 500), block(2, 500)];
    store.put(&hold(&store), &blocks).unwrap();
    assert_eq!(commit(&store, vec![]), Lsn(0));
    assert_eq!(commit(&store, vec![]), Lsn(0));
    drop(store);
    disk.crash(0);
    assert_here(&open(&disk, 2), &blocks);
}

#[test]
fn old_records_are_read_from_the_segments() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let all: Vec<_> = (0..1500).map(delta).collect();
    for some in all.chunks(500) {
        commit(&store, some.to_vec());
    }
    commit(&store, vec![delta(5000)]);
    let found = store.records_after(Lsn(3)).unwrap();
    assert_eq!(found.len(), 1498);
    assert_eq!(found[0].lsn, Lsn(4));
    assert_eq!(found[0].payload, all[3]);
    assert!(store.stats().log.segments > 1);
    assert_eq!(payloads(&open(&disk, 2)).len(), 1501);
}

#[test]
fn a_folder_that_is_no_lake_is_left_alone() {
    let disk = MemDisk::new();
    let closed = Options { create: false, ..options(1) };
    let refused = Store::open(Arc::new(disk.clone()), root(), closed);
    assert!(matches!(refused, Err(StoreError::NotALake { path }) if path == root()));
    assert!(disk.list(root()).is_err());
}

#[test]
fn a_newer_format_is_refused() {
    let disk = MemDisk::new();
    open(&disk, 1).close().unwrap();
    disk.set_content(&root().join("lake.toml"), b"format_version = 2".to_vec()).unwrap();
    let refused = try_open(Arc::new(disk), 1);
    assert!(matches!(refused, Err(StoreError::NewerFormat { found: 2, supported: 1 })));
}

#[test]
fn a_closed_store_says_so() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let hold = hold(&store);
    store.close().unwrap();
    store.close().unwrap();
    assert!(matches!(store.hold(), Err(StoreError::Closed)));
    assert!(matches!(store.get(block(1, 1).cid()), Err(StoreError::Closed)));
    assert!(matches!(store.put(&hold, &[]), Err(StoreError::Closed)));
    assert!(matches!(
        store.commit(&hold, vec![], Expect::Any),
        Err(CommitError::Store(StoreError::Closed))
    ));
}

#[test]
fn a_record_that_is_too_large_is_refused() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let pin = Payload::Pin { cid: *block(1, 1).cid(), name: Some("x".repeat(2 << 20)) };
    assert!(matches!(
        store.commit(&hold(&store), vec![delta(1), pin], Expect::Any),
        Err(CommitError::Store(StoreError::RecordTooLarge { .. }))
    ));
    assert_eq!(payloads(&store), []);
}

#[test]
fn the_cache_serves_what_was_read() {
    let disk = MemDisk::new();
    let store =
        Store::open(Arc::new(disk), root(), Options { cache_bytes_max: 1 << 20, ..options(1) })
            .unwrap();
    let block = block(1, 1000);
    store.put(&hold(&store), std::slice::from_ref(&block)).unwrap();
    assert!(store.cached(block.cid()).is_none());
    store.get(block.cid()).unwrap().unwrap();
    store.get(block.cid()).unwrap().unwrap();
    assert_eq!(store.cached(block.cid()).unwrap().data(), block.data());
    let stats = store.stats().cache;
    assert_eq!((stats.hits, stats.misses, stats.entries), (2, 1, 1));
}

#[test]
fn many_blocks_are_read_in_large_pieces() {
    let disk = MemDisk::new();
    let store =
        Store::open(Arc::new(disk), root(), Options { pack_bytes_max: 1 << 30, ..options(1) })
            .unwrap();
    let blocks: Vec<_> = (0..24).map(|number| block(number, 1 << 20)).collect();
    store.put(&hold(&store), &blocks).unwrap();
    let cids: Vec<Cid> = blocks.iter().rev().map(|block| *block.cid()).collect();
    let found = store.get_many(&cids).unwrap();
    let mut places = Vec::new();
    for (block, found) in blocks.iter().rev().zip(found) {
        let found = found.unwrap();
        assert_eq!(found.data(), block.data());
        places.push(found.data().as_ptr() as usize);
    }
    // Slices of one read lie in it as they lie in the pack: a prefix apart.
    places.sort_unstable();
    let beside = places.windows(2).filter(|pair| pair[1] - pair[0] < (1 << 20) + 64).count();
    assert!(beside >= 16, "{beside} of 24 blocks lie beside another");
}

#[test]
fn a_real_folder_works_as_the_simulated_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/lake");
    let open = |seed| Store::open(Arc::new(RealDisk), &root, options(seed)).unwrap();
    let (one, two) = (open(1), open(2));
    assert!(one.is_writable());
    let mut all = Vec::new();
    for round in 0..10 {
        for (number, store) in [&one, &two].into_iter().enumerate() {
            let number = round * 10 + u32::try_from(number).unwrap();
            let blocks = vec![block(number, 700), block(number + 100, 900)];
            store.put(&hold(store), &blocks).unwrap();
            store.commit(&hold(store), vec![delta(number)], Expect::Any).unwrap();
            all.extend(blocks);
            assert_here(&one, &all);
            assert_here(&two, &all);
            assert_eq!(payloads(&one), payloads(&two));
        }
    }
    one.close().unwrap();
    two.close().unwrap();
    let three = open(3);
    assert_here(&three, &all);
    assert_eq!(payloads(&three).len(), 20);
    let report = three.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
    assert_eq!((report.blocks, report.damage), (40, vec![]));
    assert!(three.stats().packs_sealed > 5);
}

/// Pseudo file systems such as /proc refuse to sync folders, as some read-only images do.
#[cfg(target_os = "linux")]
#[test]
fn a_lake_can_lie_below_folders_that_cannot_be_synced() {
    let folder = tempfile::tempdir().unwrap();
    let way = folder.path().strip_prefix("/").unwrap();
    let root = std::path::Path::new("/proc/self/root").join(way).join("lake");
    let store = Store::open(Arc::new(RealDisk), &root, options(1)).unwrap();
    store.put(&hold(&store), &[block(1, 100)]).unwrap();
    commit(&store, vec![delta(1)]);
    assert!(folder.path().join("lake/lake.toml").exists());
}

#[test]
fn a_head_that_names_a_place_beyond_every_file_does_not_keep_a_lake_shut() {
    let folder = tempfile::tempdir().unwrap();
    let open = |seed| Store::open(Arc::new(RealDisk), folder.path(), options(seed)).unwrap();
    let store = open(1);
    let block = block(1, 400);
    store.put(&hold(&store), std::slice::from_ref(&block)).unwrap();
    commit(&store, vec![delta(1)]);
    store.close().unwrap();
    let mut entries = std::fs::read_dir(folder.path().join("packs")).unwrap();
    let pack = entries.next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    let data_end = 1_u64 << 63;
    bytes[35..43].copy_from_slice(&(data_end - 51).to_le_bytes());
    bytes[43..51].copy_from_slice(&(data_end + 24).to_le_bytes());
    std::fs::write(&pack, bytes).unwrap();
    assert_here(&open(2), &[block]);
}

#[test]
fn a_log_whose_epochs_are_used_up_says_so() {
    let disk = MemDisk::new();
    drop(open(&disk, 1));
    let mut header = [
        b"CIDLWAL\x01".as_slice(),
        &1_u32.to_le_bytes(),
        &[0; 4],
        &u64::MAX.to_le_bytes(),
        &1_u64.to_le_bytes(),
        &[0; 28],
    ]
    .concat();
    let crc = crc32c::crc32c(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    let files = [
        ("wal/00000000000000000001-ffffffffffffffff.wal", header),
        // The mark asks the next writer for a segment of a higher epoch.
        ("wal/lock", vec![1]),
    ];
    for (name, content) in files {
        let file = disk.open(&root().join(name), OpenMode::CreateNew).unwrap();
        file.write_at(0, &content).unwrap();
    }
    let store = open(&disk, 2);
    let refused = store.commit(&hold(&store), vec![delta(1)], Expect::Any);
    assert!(
        matches!(refused, Err(CommitError::Store(StoreError::LogCorrupt { .. }))),
        "{refused:?}"
    );
    assert_eq!(payloads(&store), []);
}

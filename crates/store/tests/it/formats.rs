//! The bytes of a lake's files, held against golden ones.
//!
//! What format version 1 has once written must be read for as long as a program calls itself able
//! to read version 1, so a test that fails here asks for a new version and not for new fixtures.
//! With `CIDLAKE_BLESS=1` in the environment the fixtures are written from what the code makes.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use cidlake_block::{Block, Cid, Codec, UnverifiedBlock};
use cidlake_store::disk::{Disk, MemDisk, OpenMode};
use cidlake_store::{Base, FsckLevel, Hold, Lsn, Options, Payload, Store};

use crate::formats_queue::{OPERATED, operated};
use crate::support::{
    assert_here, block, commit, delta, gc, hold, keep, open, options, pack_names, payloads, root,
    unpin,
};

/// The files of the lake and their fixtures: a sealed pack, an open one, and a segment with the
/// first kinds of records.
const FILES: [(&str, &str); 4] = [
    ("lake.toml", "lake-v1.toml"),
    ("packs/000102030405060708090a0b0c0d0e0f.car", "pack-v1.car"),
    ("packs/000102030405060708090a0b0c0d0e10.car", "pack-open-v1.car"),
    ("wal/00000000000000000001-00000001.wal", "log-v1.wal"),
];

/// The files of a second lake, which has what came later in the life of the format.
const LATER_FILES: [(&str, &str); 2] = [
    ("wal/00000000000000000001-00000001.wal", "log-later-v1.wal"),
    ("wal/00000000000000000003.checkpoint", "checkpoint-v2.checkpoint"),
];

/// The files of another lake: a segment with a record that retires a pack, a checkpoint behind it,
/// and the lease of a process that holds it.
const COLLECTED: [(&str, &str); 3] = [
    ("wal/00000000000000000001-00000001.wal", "log-retire-v1.wal"),
    ("wal/00000000000000000004.checkpoint", "checkpoint-retire-v2.checkpoint"),
    ("leases/01010101010101010101010101010101.lease", "lease-v1.lease"),
];

/// The same checkpoints as programs wrote them that knew no operations.
const CHECKPOINT_1: &str = "checkpoint-v1.checkpoint";
const CHECKPOINT_RETIRE_1: &str = "checkpoint-retire-v1.checkpoint";

static BLESSING: Once = Once::new();

fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/store")).join(name)
}

pub fn fixture(name: &str) -> Vec<u8> {
    BLESSING.call_once(|| {
        if std::env::var_os("CIDLAKE_BLESS").is_some() {
            bless();
        }
    });
    let path = fixture_path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn bless() {
    fs::create_dir_all(fixture_path("")).unwrap();
    let (collected, _hold) = collected();
    let lakes = [
        (written(), FILES.as_slice()),
        (written_later(), &LATER_FILES),
        (collected, &COLLECTED),
        (operated(), &OPERATED),
    ];
    for (disk, files) in lakes {
        for (path, name) in files {
            fs::write(fixture_path(name), disk.content(&root().join(path)).unwrap()).unwrap();
        }
    }
}

/// Blocks under CIDs of both versions and several codecs; one is empty.
fn blocks() -> Vec<Block> {
    let version_0 = block(2, 300);
    let version_0 = UnverifiedBlock {
        cid: Cid::new_v0(*version_0.cid().hash()).unwrap(),
        data: version_0.data().clone(),
    };
    vec![
        block(1, 700),
        Block::new(Codec::DagCbor, b"\xa1\x61a\x01".to_vec().into()),
        version_0.verify().unwrap(),
        block(3, 0),
        block(4, 800),
    ]
}

/// A block that comes when the first pack is full.
fn last_block() -> Block {
    block(5, 90)
}

fn records() -> Vec<Payload> {
    let cid = *block(1, 700).cid();
    vec![
        delta(1),
        Payload::Pin { cid, name: Some("a name".to_owned()) },
        Payload::Pin { cid, name: None },
        Payload::Unpin { cid },
    ]
}

pub fn writer(disk: &MemDisk) -> Store {
    let options = Options {
        create: true,
        pack_bytes_max: 1500,
        segment_bytes_max: 4096,
        cache_bytes_max: 0,
        seed: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    };
    Store::open(Arc::new(disk.process()), root(), options).unwrap()
}

/// Writes the lake that the fixtures were taken from.
fn written() -> MemDisk {
    let disk = MemDisk::new();
    let store = writer(&disk);
    store.put(&hold(&store), &blocks()).unwrap();
    commit(&store, records());
    store.put(&hold(&store), &[last_block()]).unwrap();
    commit(&store, vec![]);
    store.close().unwrap();
    disk
}

/// Records of the kinds that came later.
fn later_records() -> Vec<Payload> {
    vec![Payload::Expire { name: "main.people".to_owned(), oldest: *block(1, 700).cid() }]
}

/// Writes the second lake: a checkpoint, and a record behind it.
fn written_later() -> MemDisk {
    let disk = MemDisk::new();
    let store = writer(&disk);
    store.put(&hold(&store), &blocks()[..1]).unwrap();
    commit(&store, vec![delta(1), delta(2)]);
    let last = commit(&store, later_records());
    store.checkpoint(last, b"state".as_slice().into()).unwrap();
    commit(&store, vec![delta(3)]);
    store.close().unwrap();
    disk
}

/// Writes the lake that the fixtures of a collection were taken from.
fn collected() -> (MemDisk, Hold) {
    let disk = MemDisk::new();
    let options = Options { segment_bytes_max: 4096, ..options(1) };
    let store = Store::open(Arc::new(disk.process()), root(), options).unwrap();
    keep(&store, &[block(1, 300), block(2, 900)]);
    commit(&store, vec![unpin(&block(2, 900))]);
    let reader = hold(&store);
    assert_eq!(gc(&store).packs_repacked, 1);
    let last = store.last_lsn().unwrap();
    store.checkpoint(last, b"state".as_slice().into()).unwrap();
    drop(reader);
    let hold = hold(&store);
    (disk, hold)
}

#[test]
fn a_collected_lake_has_the_bytes_of_the_fixtures() {
    let (disk, hold) = collected();
    assert_eq!(hold.lsn(), Lsn(4));
    assert_golden(&disk, &COLLECTED);
}

#[test]
fn the_fixtures_of_a_collected_lake_are_read() {
    assert_collected_is_read(COLLECTED[1].1);
}

#[test]
fn a_collected_lake_is_read_with_a_checkpoint_of_version_1() {
    assert_collected_is_read(CHECKPOINT_RETIRE_1);
}

fn assert_collected_is_read(checkpoint: &str) {
    let (other, _hold) = collected();
    let disk = MemDisk::new();
    for folder in ["packs", "wal", "leases"] {
        disk.create_dir(&root().join(folder)).unwrap();
    }
    let write = |path: &str, content: &[u8]| {
        let file = disk.open(&root().join(path), OpenMode::CreateNew).unwrap();
        file.write_at(0, content).unwrap();
        file
    };
    write("lake.toml", &fixture("lake-v1.toml"));
    let [_retired, pack] = pack_names(&other).try_into().unwrap();
    let pack = root().join("packs").join(pack);
    write(pack.strip_prefix(root()).unwrap().to_str().unwrap(), &other.content(&pack).unwrap());
    let [(log, log_name), (checkpoint_path, _), (lease, lease_name)] = COLLECTED;
    write(log, &fixture(log_name));
    write(checkpoint_path, &fixture(checkpoint));
    let lease = write(lease, &fixture(lease_name));
    let store = open(&disk, 2);
    assert_eq!(store.base().unwrap().lsn, Lsn(3));
    assert_eq!(payloads(&store).len(), 3);
    assert_here(&store, &[block(1, 300)]);
    assert!(!store.has(block(2, 900).cid()).unwrap());
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    assert_eq!(store.leases_elsewhere().unwrap(), []);
    assert!(lease.try_lock().unwrap());
    let name = COLLECTED[2].0.strip_prefix("leases/").unwrap().to_owned();
    assert_eq!(store.leases_elsewhere().unwrap(), [(name, Some(Lsn(4)))]);
}

pub fn assert_golden(disk: &MemDisk, files: &[(&str, &str)]) {
    for (path, name) in files {
        let content = disk.content(&root().join(path)).unwrap();
        let golden = fixture(name);
        let same = content.iter().zip(&golden).take_while(|(a, b)| a == b).count();
        assert!(
            content == golden,
            "{path} has {} bytes and {name} {}; they differ at byte {same}",
            content.len(),
            golden.len()
        );
    }
}

#[test]
fn a_lake_has_the_bytes_of_the_fixtures() {
    let disk = written();
    assert_golden(&disk, &FILES);
    assert_golden(&written_later(), &LATER_FILES);
    // Clean, and one segment came to be.
    assert_eq!(disk.content(&root().join("wal/lock")).unwrap(), [0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(disk.list(&root().join("packs")).unwrap().len(), 2);
    assert_eq!(disk.list(&root().join("wal")).unwrap().len(), 2);
}

#[test]
fn the_later_fixtures_are_read() {
    assert_later_is_read(LATER_FILES[1].1);
}

#[test]
fn a_checkpoint_of_version_1_is_read() {
    assert_later_is_read(CHECKPOINT_1);
}

fn assert_later_is_read(checkpoint: &str) {
    let disk = written_later();
    let [(log, log_name), (checkpoint_path, _)] = LATER_FILES;
    disk.set_content(&root().join(log), fixture(log_name)).unwrap();
    disk.set_content(&root().join(checkpoint_path), fixture(checkpoint)).unwrap();
    let store = open(&disk, 2);
    let base = Base { lsn: Lsn(3), state: b"state".as_slice().into() };
    assert_eq!(store.base(), Some(base));
    let expected = [vec![delta(1), delta(2)], later_records(), vec![delta(3)]].concat();
    assert_eq!(payloads(&store), expected);
    assert_here(&store, &blocks()[..1]);
}

#[test]
fn the_fixtures_are_read_and_gone_on_with() {
    let disk = MemDisk::new();
    for folder in ["packs", "wal"] {
        disk.create_dir(&root().join(folder)).unwrap();
    }
    for (path, name) in FILES {
        let file = disk.open(&root().join(path), OpenMode::CreateNew).unwrap();
        file.write_at(0, &fixture(name)).unwrap();
    }
    let store = open(&disk, 2);
    let stats = store.stats();
    assert_eq!((stats.packs_sealed, stats.packs_open, stats.blocks), (1, 1, 6));
    assert_eq!(payloads(&store), records());
    assert_here(&store, &blocks());
    assert_here(&store, &[last_block()]);
    let report = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
    assert_eq!((report.blocks, report.records, report.damage), (6, 4, vec![]));

    store.put(&hold(&store), &[block(6, 100)]).unwrap();
    commit(&store, vec![delta(2)]);
    let other = open(&disk, 3);
    assert_eq!(payloads(&other), [records(), vec![delta(2)]].concat());
    assert_here(&other, &[block(6, 100)]);
    assert_eq!(disk.list(&root().join("packs")).unwrap().len(), 2);
}

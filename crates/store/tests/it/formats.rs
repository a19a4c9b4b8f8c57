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
use cidlake_store::{FsckLevel, Options, Payload, Store};

use crate::support::{assert_here, block, commit, delta, open, payloads, root};

/// The files of the lake and their fixtures: a sealed pack, an open one, and a segment with every
/// kind of record.
const FILES: [(&str, &str); 4] = [
    ("lake.toml", "lake-v1.toml"),
    ("packs/000102030405060708090a0b0c0d0e0f.car", "pack-v1.car"),
    ("packs/000102030405060708090a0b0c0d0e10.car", "pack-open-v1.car"),
    ("wal/00000000000000000001-00000001.wal", "log-v1.wal"),
];

static BLESSING: Once = Once::new();

fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/store")).join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    BLESSING.call_once(|| {
        if std::env::var_os("CIDLAKE_BLESS").is_some() {
            bless();
        }
    });
    let path = fixture_path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn bless() {
    let disk = written();
    fs::create_dir_all(fixture_path("")).unwrap();
    for (path, name) in FILES {
        fs::write(fixture_path(name), disk.content(&root().join(path)).unwrap()).unwrap();
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

/// Writes the lake that the fixtures were taken from.
fn written() -> MemDisk {
    let disk = MemDisk::new();
    let options = Options {
        create: true,
        pack_bytes_max: 1500,
        segment_bytes_max: 4096,
        cache_bytes_max: 0,
        seed: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    };
    let store = Store::open(Arc::new(disk.process()), root(), options).unwrap();
    store.put(&blocks()).unwrap();
    commit(&store, records());
    store.put(&[last_block()]).unwrap();
    commit(&store, vec![]);
    store.close().unwrap();
    disk
}

#[test]
fn a_lake_has_the_bytes_of_the_fixtures() {
    let disk = written();
    for (path, name) in FILES {
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
    assert_eq!(disk.content(&root().join("wal/lock")).unwrap(), [0]);
    assert_eq!(disk.list(&root().join("packs")).unwrap().len(), 2);
    assert_eq!(disk.list(&root().join("wal")).unwrap().len(), 2);
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

    store.put(&[block(6, 100)]).unwrap();
    commit(&store, vec![delta(2)]);
    let other = open(&disk, 3);
    assert_eq!(payloads(&other), [records(), vec![delta(2)]].concat());
    assert_here(&other, &[block(6, 100)]);
    assert_eq!(disk.list(&root().join("packs")).unwrap().len(), 2);
}

//! Sealed packs as others read them.

use std::path::PathBuf;
use std::sync::Arc;

use cidlake_block::car::{HeaderV2, Index, PRAGMA_V2, Reader, parse_section_prefix};
use cidlake_block::{Block, parse_cid};
use cidlake_store::disk::{Disk, MemDisk};
use cidlake_store::{FsckLevel, Options, Store};

use crate::support::{assert_here, block, commit, hold, open, options, root, try_open};

#[test]
fn a_sealed_pack_is_a_car_whose_index_finds_every_block() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let blocks: Vec<Block> =
        (0..30).map(|number| block(number, 10 + number as usize * 30)).collect();
    for block in &blocks {
        store.put(&hold(&store), std::slice::from_ref(block)).unwrap();
    }
    commit(&store, vec![]);
    let sealed = store.stats().packs_sealed;
    assert!(sealed >= 3);
    let mut found = Vec::new();
    for name in disk.list(&root().join("packs")).unwrap() {
        let bytes = disk.content(&root().join("packs").join(&name)).unwrap();
        assert_eq!(bytes[..11], PRAGMA_V2);
        let header = HeaderV2::parse(&bytes[11..51]).unwrap();
        if header.index_offset == 0 {
            assert_eq!((header.data_size, header.characteristics), (0, [0; 16]));
            continue;
        }
        assert_eq!(header.characteristics, HeaderV2::FULLY_INDEXED);
        let reader = Reader::new(bytes.as_slice()).unwrap();
        assert_eq!(reader.roots(), [parse_cid("bafkqaaa").unwrap()]);
        let index_offset = usize::try_from(header.index_offset).unwrap();
        let index = Index::parse(&bytes[index_offset..].to_vec().into()).unwrap();
        let mut count = 0;
        for block in reader {
            let block = block.unwrap().verify().unwrap();
            let offset = index.lookup(block.cid()).unwrap() + header.data_offset;
            let section = &bytes[usize::try_from(offset).unwrap()..];
            let prefix = parse_section_prefix(section).unwrap();
            assert_eq!(prefix.cid, *block.cid());
            assert_eq!(prefix.data_len, block.len() as u64);
            count += 1;
            found.push(block);
        }
        assert_eq!(index.len(), count);
    }
    assert!(found.len() >= 24);
    assert!(found.iter().all(|block| blocks.iter().any(|other| other.cid() == block.cid())));
}

#[test]
fn a_large_pack_is_sealed_when_it_is_left_and_a_small_one_is_gone_on_with() {
    let disk = MemDisk::new();
    let blocks: Vec<Block> = (0..4).map(|number| block(number, 20)).collect();
    let roomy = |seed| Options { pack_bytes_max: 32 * 1000, ..options(seed) };
    let open = |seed| Store::open(Arc::new(disk.process()), root(), roomy(seed)).unwrap();
    let leave = |seed, block: &Block| {
        let store = open(seed);
        store.put(&hold(&store), std::slice::from_ref(block)).unwrap();
        commit(&store, vec![]);
        store.seal_own().unwrap();
        store.close().unwrap();
        let stats = open(9).stats();
        (stats.packs_sealed, stats.packs_open)
    };
    assert_eq!(leave(1, &blocks[0]), (0, 1));
    assert_eq!(leave(2, &block(10, 1000)), (1, 0));
    assert_eq!(leave(3, &blocks[1]), (1, 1));
    let store = open(4);
    assert_here(&store, &[blocks[0].clone(), blocks[1].clone(), block(10, 1000)]);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn what_no_commit_announced_keeps_its_pack_open() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let (promised, more) = (block(1, 500), block(2, 500));
    store.put(&hold(&store), std::slice::from_ref(&promised)).unwrap();
    commit(&store, vec![]);
    store.put(&hold(&store), std::slice::from_ref(&more)).unwrap();
    store.seal_own().unwrap();
    assert_eq!((store.stats().packs_sealed, store.stats().packs_open), (0, 1));
    commit(&store, vec![]);
    store.seal_own().unwrap();
    assert_eq!((store.stats().packs_sealed, store.stats().packs_open), (1, 0));
    // Another process knows the pack as one that grows, and finds it sealed.
    assert_here(&open(&disk, 2), &[promised, more]);
}

#[test]
fn maintenance_seals_what_a_process_left_that_ended_in_the_middle() {
    let disk = MemDisk::new();
    let ended = disk.process();
    let store = try_open(Arc::new(ended.clone()), 1).unwrap();
    let blocks = [block(1, 500), block(2, 500)];
    store.put(&hold(&store), &blocks[..1]).unwrap();
    commit(&store, vec![]);
    store.put(&hold(&store), &blocks[1..]).unwrap();
    ended.kill();
    drop(store);
    let store = open(&disk, 2);
    assert_eq!(store.stats().packs_open, 1);
    store.seal_large().unwrap();
    assert_eq!((store.stats().packs_sealed, store.stats().packs_open), (1, 0));
    assert_here(&store, &blocks[..1]);
    commit(&store, vec![]);
    assert_here(&open(&disk, 3), &blocks[..1]);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn a_pack_that_was_left_while_it_was_sealed_is_finished_by_the_next_writer() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let blocks: Vec<Block> = (0..6).map(|number| block(number, 600)).collect();
    store.put(&hold(&store), &blocks).unwrap();
    commit(&store, vec![]);
    assert!(store.stats().packs_sealed >= 1);
    drop(store);
    let path = sealed_pack(&disk);
    let whole = disk.content(&path).unwrap();
    let mut open_header = vec![0; 40];
    open_header[16] = 51;
    // The header never reached the disk, or only in part.
    for header in [open_header, vec![0; 40], vec![0xee; 40]] {
        let disk = disk.fork();
        let mut content = whole.clone();
        content[11..51].copy_from_slice(&header);
        disk.set_content(&path, content).unwrap();
        let store = open(&disk, 2);
        assert_here(&store, &blocks);
        store.put(&hold(&store), &[block(100, 600)]).unwrap();
        assert_eq!(disk.content(&path).unwrap(), whole);
        commit(&store, vec![]);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
        assert_here(&open(&disk, 3), &blocks);
    }
}

#[test]
fn a_sealed_pack_that_nobody_announced_is_verified_before_it_counts() {
    let disk = MemDisk::new();
    let dead = disk.process();
    let store = Store::open(Arc::new(dead.clone()), root(), options(1)).unwrap();
    let blocks: Vec<Block> = (0..6).map(|number| block(number, 600)).collect();
    store.put(&hold(&store), &blocks).unwrap();
    assert_eq!(store.stats().packs_sealed, 1);
    dead.kill();
    let path = sealed_pack(&disk);
    let mut content = disk.content(&path).unwrap();
    content[1000] ^= 1;
    disk.set_content(&path, content).unwrap();
    let heir = open(&disk, 2);
    heir.put(&hold(&heir), &[block(100, 600)]).unwrap();
    heir.put(&hold(&heir), &blocks).unwrap();
    commit(&heir, vec![]);
    assert_here(&open(&disk, 3), &blocks);
    assert_eq!(heir.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

fn sealed_pack(disk: &MemDisk) -> PathBuf {
    let folder = root().join("packs");
    disk.list(&folder)
        .unwrap()
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| disk.content(path).unwrap()[43..51] != [0; 8])
        .unwrap()
}

//! Bits that rot in packs: found, named, and never handed out.

use std::path::{Path, PathBuf};

use cidlake_block::Block;
use cidlake_store::disk::{Disk, MemDisk};
use cidlake_store::{DamageKind, FsckLevel, StoreError};

use crate::support::{assert_here, block, commit, delta, hold, open, root};

fn packs(disk: &MemDisk) -> Vec<PathBuf> {
    let folder = root().join("packs");
    let mut names = disk.list(&folder).unwrap();
    names.sort();
    names.iter().map(|name| folder.join(name)).collect()
}

fn flip(disk: &MemDisk, path: &Path, at: usize) {
    let mut content = disk.content(path).unwrap();
    content[at] ^= 1 << (at % 8);
    disk.set_content(path, content).unwrap();
}

/// A lake with a sealed pack and an open one.
fn lake() -> (MemDisk, Vec<Block>) {
    let disk = MemDisk::new();
    let blocks: Vec<Block> =
        (0..7).map(|number| block(number, 150 + number as usize * 90)).collect();
    let store = open(&disk, 1);
    for block in &blocks {
        store.put(&hold(&store), std::slice::from_ref(block)).unwrap();
        commit(&store, vec![delta(1)]);
    }
    store.put(&hold(&store), &[block(100, 2000)]).unwrap();
    store.put(&hold(&store), &[block(101, 350), block(102, 450)]).unwrap();
    commit(&store, vec![]);
    let stats = store.stats();
    assert_eq!((stats.packs_sealed, stats.packs_open), (1, 1));
    let more = [block(100, 2000), block(101, 350), block(102, 450)];
    (disk, [blocks, more.to_vec()].concat())
}

#[test]
fn a_flipped_bit_anywhere_in_a_pack_gives_the_right_data_or_an_error() {
    let (disk, blocks) = lake();
    for path in packs(&disk) {
        let len = disk.content(&path).unwrap().len();
        for at in (0..len).step_by(7) {
            let disk = disk.fork();
            flip(&disk, &path, at);
            let store = open(&disk, 2);
            let mut damaged = 0;
            for block in &blocks {
                match store.get(block.cid()) {
                    Ok(found) => assert_eq!(found.expect("not lost").data(), block.data()),
                    Err(StoreError::Corrupt { cid, pack, .. }) => {
                        assert_eq!(cid, *block.cid());
                        assert!(path.ends_with(pack));
                        damaged += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(damaged <= 1, "byte {at}: {damaged} blocks are damaged");
            let report = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
            assert!(!report.damage.is_empty(), "byte {at} of {len} was not noticed");
            assert!(report.damage.iter().all(|damage| damage.path == path));
            // Bringing good copies makes the lake whole again.
            store.restore(&hold(&store), &blocks).unwrap();
            assert_here(&store, &blocks);
            commit(&store, vec![]);
            drop(store);
            assert_here(&open(&disk, 3), &blocks);
        }
    }
}

#[test]
fn another_copy_is_as_good() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    let block = block(1, 500);
    // Neither process knows of the other's block before it commits.
    one.put(&hold(&one), std::slice::from_ref(&block)).unwrap();
    two.put(&hold(&two), std::slice::from_ref(&block)).unwrap();
    commit(&one, vec![]);
    commit(&two, vec![]);
    let paths = packs(&disk);
    assert_eq!(paths.len(), 2);
    for path in paths {
        let disk = disk.fork();
        flip(&disk, &path, 200);
        let store = open(&disk, 3);
        assert_here(&store, std::slice::from_ref(&block));
        let damage = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage;
        assert_eq!(damage.len(), 1);
        assert_eq!((damage[0].kind, damage[0].cid), (DamageKind::Block, Some(*block.cid())));
    }
}

#[test]
fn a_pack_that_is_gone_or_cut_is_reported() {
    let (disk, blocks) = lake();
    let sealed = packs(&disk)
        .into_iter()
        .find(|path| disk.content(path).unwrap().windows(8).any(|bytes| bytes == b"CIDLSEAL"))
        .unwrap();
    let gone = disk.fork();
    gone.remove(&sealed).unwrap();
    let store = open(&gone, 2);
    assert!(matches!(store.get(blocks[0].cid()), Err(StoreError::Corrupt { .. })));
    assert!(!store.has(blocks[0].cid()).unwrap());
    for level in [FsckLevel::Quick, FsckLevel::Full] {
        let damage = store.fsck(level, &mut |_| {}).unwrap().damage;
        assert_eq!(damage.len(), 1);
        assert_eq!((damage[0].kind, &damage[0].path), (DamageKind::Pack, &sealed));
    }
    assert_eq!(store.put(&hold(&store), &blocks).unwrap().new_blocks, 7);
    assert_here(&store, &blocks);

    let cut = disk.fork();
    let content = cut.content(&sealed).unwrap();
    cut.set_content(&sealed, content[..1000].to_vec()).unwrap();
    let store = open(&cut, 2);
    assert_here(&store, &blocks[..3]);
    assert!(matches!(store.get(blocks[6].cid()), Err(StoreError::Corrupt { .. })));
    for level in [FsckLevel::Quick, FsckLevel::Full] {
        assert!(!store.fsck(level, &mut |_| {}).unwrap().damage.is_empty());
    }
    store.put(&hold(&store), &[block(200, 10)]).unwrap();
    assert_eq!(cut.content(&sealed).unwrap(), content[..1000]);
}

#[test]
fn a_quick_check_finds_whatever_hides_blocks() {
    let (disk, _) = lake();
    for path in packs(&disk) {
        let content = disk.content(&path).unwrap();
        let seal = content.windows(8).position(|bytes| bytes == b"CIDLSEAL");
        // An open pack is listed by its prefixes: the bytes of which the full check cannot say
        // whose data they are.
        let lists = |at: usize, disk: &MemDisk| match seal {
            Some(seal) => at < 77 || at >= seal,
            None => {
                let damage = open(disk, 2).fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage;
                damage.iter().any(|damage| damage.kind != DamageKind::Block || damage.cid.is_none())
            }
        };
        let mut tried = 0;
        for at in (0..content.len()).step_by(3) {
            let disk = disk.fork();
            flip(&disk, &path, at);
            if lists(at, &disk) {
                tried += 1;
                let damage = open(&disk, 2).fsck(FsckLevel::Quick, &mut |_| {}).unwrap().damage;
                assert!(!damage.is_empty(), "byte {at} of {} was not noticed", content.len());
            }
        }
        assert!(tried > 30, "{tried}");
    }
    let sound = open(&disk, 2);
    let [quick, full] =
        [FsckLevel::Quick, FsckLevel::Full].map(|level| sound.fsck(level, &mut |_| {}).unwrap());
    assert_eq!((quick.damage, quick.blocks), (Vec::new(), full.blocks));
    assert_eq!((quick.packs, quick.records), (full.packs, full.records));
}

#[test]
fn progress_reaches_its_end() {
    let (disk, _) = lake();
    for level in [FsckLevel::Quick, FsckLevel::Full] {
        let mut seen = Vec::new();
        open(&disk, 2).fsck(level, &mut |progress| seen.push(progress)).unwrap();
        assert!(seen.is_sorted_by_key(|progress| progress.bytes_done));
        let last = seen.last().unwrap();
        assert_eq!(last.bytes_done, last.bytes_total);
        assert!(last.bytes_total > 4000);
    }
}

#[test]
fn a_copy_that_another_process_restored_is_found() {
    let (disk, blocks) = lake();
    let reader = open(&disk, 2);
    // The sealed pack is the first; this byte is in the data of its first block.
    flip(&disk, &packs(&disk)[0], 150);
    assert!(matches!(reader.get(blocks[0].cid()), Err(StoreError::Corrupt { .. })));
    let healer = open(&disk, 3);
    assert_eq!(healer.restore(&hold(&healer), &blocks).unwrap().new_blocks, 1);
    commit(&healer, vec![]);
    assert_here(&reader, &blocks);
}

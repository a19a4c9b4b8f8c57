//! Collections: what goes, what stays, and what is said about it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cidlake_block::{Block, Codec};
use cidlake_store::disk::{Disk, FaultyDisk, MemDisk, OpenMode, RealDisk};
use cidlake_store::{
    DamageKind, Expect, FsckLevel, GcOptions, GcPhase, GcProgress, GcReport, Store, StoreError,
};

use crate::support::{
    Pinned, assert_here, block, commit, delta, faulty, gc, hold, keep, open, options, pack_names,
    pin, root, try_gc, unpin,
};

const DRY: GcOptions = GcOptions { dry_run: true, live_share_min_percent: 50 };

/// Every file of the lake.
fn files(disk: &MemDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let folders = ["packs", "wal", "leases"].map(|folder| root().join(folder));
    let paths = folders.iter().flat_map(|folder| {
        let names = disk.list(folder).unwrap();
        names.into_iter().map(move |name| folder.join(name))
    });
    paths.map(|path| (path.clone(), disk.content(&path).unwrap())).collect()
}

/// A lake of which another process wrote `count` blocks of `len` bytes, all of them pinned.
fn lake(count: u32, len: usize) -> (MemDisk, Vec<Block>) {
    let disk = MemDisk::new();
    let blocks: Vec<Block> = (0..count).map(|number| block(number, len)).collect();
    let store = open(&disk, 1);
    for some in blocks.chunks(3) {
        keep(&store, some);
    }
    store.close().unwrap();
    (disk, blocks)
}

fn gone(store: &Store, blocks: &[Block]) -> bool {
    blocks
        .iter()
        .all(|block| !store.has(block.cid()).unwrap() && store.get(block.cid()).unwrap().is_none())
}

#[test]
fn where_nothing_is_live_all_packs_go() {
    let (disk, blocks) = lake(20, 500);
    let bytes: usize = files(&disk)
        .iter()
        .filter(|(path, _)| path.extension() == Some("car".as_ref()))
        .map(|(_, content)| content.len())
        .sum();
    let store = open(&disk, 2);
    commit(&store, blocks.iter().map(unpin).collect());
    let report = gc(&store);
    assert_eq!((report.packs_seen, report.packs_retired, report.packs_repacked), (4, 4, 0));
    assert_eq!((report.bytes_live, report.bytes_copied, report.bytes_waiting), (0, 0, 0));
    assert_eq!(report.bytes_freed, bytes as u64);
    assert!(report.bytes_dead > 10_000 && report.bytes_dead < report.bytes_freed);
    assert_eq!(pack_names(&disk), [""; 0]);
    assert!(gone(&store, &blocks));
    let other = open(&disk, 3);
    assert!(gone(&other, &blocks));
    assert_eq!(other.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    assert_eq!(other.stats().blocks, 0);
    // And they can come back.
    keep(&store, &blocks);
    assert_here(&other, &blocks);
    assert_eq!(gc(&other).bytes_freed, 0);
}

#[test]
fn an_index_of_many_packs_goes_with_the_last_of_them() {
    let (disk, blocks) = lake(40, 500);
    let store = open(&disk, 2);
    store.index_packs(&mut |_| {}).unwrap();
    let has_index = || pack_names(&disk).iter().any(|name| name.ends_with(".midx"));
    commit(&store, blocks[1..].iter().map(unpin).collect());
    let reader = open(&disk, 3);
    let reading = hold(&reader);
    let would = try_gc(&store, DRY).unwrap();
    assert!(has_index());
    let report = gc(&store);
    assert_eq!(report, would);
    assert!(report.bytes_freed > 0 && report.bytes_waiting > 0 && !has_index());
    // Its file is gone, and not what it says.
    assert_here(&reader, &blocks);
    drop(reading);
    gc(&store);
    assert_here(&store, &blocks[..1]);
    assert!(gone(&store, &blocks[1..]));
    assert_here(&open(&disk, 4), &blocks[..1]);
}

#[test]
fn blocks_of_retired_packs_are_written_anew_although_an_index_lists_them() {
    let (disk, blocks) = lake(40, 500);
    open(&disk, 2).index_packs(&mut |_| {}).unwrap();
    let store = open(&disk, 3);
    assert!(store.stats().packs_covered > 0);
    let reading = hold(&store);
    let other = open(&disk, 4);
    commit(&other, blocks.iter().map(unpin).collect());
    assert!(gc(&other).bytes_waiting > 0);
    // They can be read here for as long as this lives, and do not count.
    assert_here(&store, &blocks);
    let putting = hold(&store);
    assert_eq!(store.put(&putting, &blocks).unwrap().new_blocks, 40);
    store.commit(&putting, blocks.iter().map(pin).collect(), Expect::Any).unwrap();
    drop((reading, putting));
    gc(&other);
    assert_here(&store, &blocks);
    assert_here(&open(&disk, 5), &blocks);
}

#[test]
fn a_process_collects_its_own_pack_too() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    keep(&store, &[block(1, 400)]);
    commit(&store, vec![unpin(&block(1, 400))]);
    // Written for nothing, and never announced.
    store.put(&hold(&store), &[block(2, 300)]).unwrap();
    assert_eq!(pack_names(&disk).len(), 1);
    let report = gc(&store);
    assert_eq!((report.packs_seen, report.packs_retired), (1, 1));
    assert_eq!(pack_names(&disk), [""; 0]);
    keep(&store, &[block(3, 400)]);
    assert_here(&open(&disk, 2), &[block(3, 400)]);
}

#[test]
fn what_is_live_moves_out_of_packs_that_are_mostly_dead() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let node = Block::new(Codec::DagCbor, b"\xa1\x61a\x01".to_vec().into());
    let live = [node.clone(), block(1, 300), block(10, 800), block(11, 800)];
    let dead = [block(2, 900), block(3, 900), block(4, 900), block(12, 200)];
    // The first pack has little that is live, the second much.
    keep(&store, &[&live[..2], &dead[..3]].concat());
    keep(&store, &[&live[2..], &dead[3..]].concat());
    commit(&store, dead.iter().map(unpin).collect());
    store.close().unwrap();
    let store = open(&disk, 2);
    let before = pack_names(&disk);
    let report = gc(&store);
    assert_eq!((report.packs_seen, report.packs_retired, report.packs_repacked), (2, 0, 1));
    assert!(report.bytes_copied > 300 && report.bytes_copied < 500);
    assert!(gone(&store, &dead[..3]));
    assert_here(&store, &live);
    assert_here(&store, &dead[3..]);
    assert_ne!(pack_names(&disk), before);
    let other = open(&disk, 3);
    assert_here(&other, &live);
    assert_eq!(other.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    // It is stored under the codec that it had.
    let has_node = pack_names(&disk).iter().any(|name| {
        let content = disk.content(&root().join("packs").join(name)).unwrap();
        let cid = node.cid().to_bytes();
        content.windows(cid.len()).any(|window| window == cid)
    });
    assert!(has_node);
    let again = gc(&store);
    assert_eq!((again.packs_retired, again.packs_repacked, again.bytes_freed), (0, 0, 0));
}

#[test]
fn many_small_packs_become_one() {
    let disk = MemDisk::new();
    let blocks: Vec<Block> = (0..40).map(|number| block(number, 20)).collect();
    // Each process keeps its pack until all are there, so that none adopts another's.
    let stores: Vec<Store> = (10..50).map(|seed| open(&disk, seed)).collect();
    for (store, block) in stores.iter().zip(&blocks) {
        keep(store, std::slice::from_ref(block));
    }
    assert_eq!(pack_names(&disk).len(), 40);
    drop(stores);
    let store = open(&disk, 2);
    let report = gc(&store);
    assert_eq!((report.packs_repacked, report.packs_retired), (40, 0));
    assert_eq!(pack_names(&disk).len(), 1);
    assert_here(&open(&disk, 3), &blocks);
}

#[test]
fn a_dry_run_says_what_a_run_does_and_changes_nothing() {
    for (with_reader, live) in
        [(false, 0..12), (false, 3..4), (true, 2..9), (true, 0..0), (false, 0..0)]
    {
        let (disk, blocks) = lake(24, 450);
        let store = open(&disk, 2);
        let dead: Vec<_> = (0..24)
            .filter(|number| !live.contains(number))
            .map(|number| unpin(&blocks[number]))
            .collect();
        commit(&store, dead);
        keep(&store, &[block(100, 333), block(101, 100)]);
        commit(&store, vec![unpin(&block(100, 333))]);
        store.put(&hold(&store), &[block(102, 50)]).unwrap();
        let reader = open(&disk, 3);
        let held = with_reader.then(|| hold(&reader));
        commit(&store, vec![delta(1)]);
        let before = files(&disk);
        let said = try_gc(&store, DRY).unwrap();
        let leases = |files: BTreeMap<PathBuf, Vec<u8>>| {
            files
                .into_iter()
                .filter(|(path, _)| path.extension() != Some("lease".as_ref()))
                .collect()
        };
        let same: [BTreeMap<PathBuf, Vec<u8>>; 2] = [leases(before), leases(files(&disk))];
        assert_eq!(same[0], same[1]);
        let done = gc(&store);
        assert_eq!(said, done);
        assert!(done.bytes_freed + done.bytes_waiting > 0);
        assert_eq!(done.bytes_waiting > 0, held.is_some());
    }
}

#[test]
fn progress_reaches_its_end_in_both_phases() {
    let (disk, blocks) = lake(12, 450);
    let store = open(&disk, 2);
    commit(&store, blocks[1..5].iter().chain(&blocks[6..]).map(unpin).collect());
    let hold = hold(&store);
    let mut alive = Pinned::at(&store, &hold).unwrap();
    let mut seen = Vec::new();
    let options = GcOptions::default();
    let report = store.gc(&hold, &mut alive, options, &mut |progress| seen.push(progress)).unwrap();
    assert!(report.bytes_copied > 900);
    let (measure, copy): (Vec<GcProgress>, Vec<GcProgress>) =
        seen.iter().partition(|progress| progress.phase == GcPhase::Measure);
    assert_eq!(seen, [measure.clone(), copy.clone()].concat());
    for phase in [measure, copy] {
        assert!(phase.is_sorted_by_key(|progress| progress.bytes_done));
        let last = phase.last().unwrap();
        assert_eq!(last.bytes_done, last.bytes_total);
        assert!(last.bytes_total > 900);
    }
}

#[test]
fn a_process_that_failed_to_sync_its_pack_can_collect() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    let (live, dead) = (block(1, 400), block(2, 500));
    keep(&store, &[live.clone(), dead.clone()]);
    store.put(&hold(&store), &[block(3, 300)]).unwrap();
    faults.fail_sync_at(faults.syncs());
    store.commit(&hold(&store), vec![unpin(&dead)], Expect::Any).unwrap_err();
    // The next put would bring what is only there to another pack; so does a collection.
    gc(&store);
    commit(&store, vec![unpin(&dead)]);
    gc(&store);
    assert_here(&store, std::slice::from_ref(&live));
    let other = open(&disk, 2);
    assert_here(&other, &[live]);
    assert!(gone(&other, &[dead, block(3, 300)]));
    assert_eq!(other.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn a_block_in_two_packs_counts_once() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    let (twice, dead) = (block(1, 500), block(2, 400));
    let (first, second) = (hold(&one), hold(&two));
    one.put(&first, &[twice.clone(), dead.clone()]).unwrap();
    two.put(&second, std::slice::from_ref(&twice)).unwrap();
    one.commit(&first, vec![pin(&twice)], Expect::Any).unwrap();
    two.commit(&second, vec![], Expect::Any).unwrap();
    drop((first, second));
    one.close().unwrap();
    two.close().unwrap();
    let store = open(&disk, 3);
    let report = gc(&store);
    assert_eq!((report.packs_seen, report.packs_retired, report.bytes_copied), (2, 1, 0));
    assert!((500..600).contains(&report.bytes_live), "{report:?}");
    assert_here(&open(&disk, 4), &[twice]);
}

#[test]
fn a_copy_that_stays_is_read_before_another_goes() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    let (twice, dead) = (block(1, 500), block(2, 400));
    let (first, second) = (hold(&one), hold(&two));
    one.put(&first, &[twice.clone(), dead]).unwrap();
    two.put(&second, std::slice::from_ref(&twice)).unwrap();
    one.commit(&first, vec![pin(&twice)], Expect::Any).unwrap();
    two.commit(&second, vec![], Expect::Any).unwrap();
    drop((first, second));
    one.close().unwrap();
    two.close().unwrap();
    // The copy in the pack that has nothing else.
    let path = root().join("packs").join(&pack_names(&disk)[1]);
    let mut content = disk.content(&path).unwrap();
    content[300] ^= 1;
    disk.set_content(&path, content).unwrap();
    let store = open(&disk, 3);
    let report = gc(&store);
    assert_eq!((report.packs_retired, report.bytes_copied > 500), (1, true));
    assert_here(&store, std::slice::from_ref(&twice));
    assert_here(&open(&disk, 4), &[twice]);
}

#[test]
fn a_damaged_live_block_leaves_its_pack_alone() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let (live, dead) = (block(1, 300), block(2, 900));
    keep(&store, &[live.clone(), dead.clone()]);
    commit(&store, vec![unpin(&dead)]);
    store.close().unwrap();
    let name = pack_names(&disk)[0].clone();
    let path = root().join("packs").join(&name);
    let sound = disk.content(&path).unwrap();
    let mut content = sound.clone();
    content[200] ^= 1;
    disk.set_content(&path, content).unwrap();
    let store = open(&disk, 2);
    for options in [DRY, GcOptions::default()] {
        let report = try_gc(&store, options).unwrap();
        assert_eq!((report.packs_retired, report.packs_repacked, report.bytes_freed), (0, 0, 0));
        assert_eq!((report.packs_damaged, report.packs_skipped), (1, 0));
        let damage = &report.damaged[0];
        assert_eq!(
            (damage.kind, damage.cid, &damage.path),
            (DamageKind::Block, Some(*live.cid()), &path)
        );
        assert_eq!(report.damaged.len(), 1);
    }
    assert_eq!(pack_names(&disk), [name]);
    disk.set_content(&path, sound).unwrap();
    let report = gc(&store);
    assert_eq!((report.packs_repacked, report.damaged), (1, vec![]));
    assert_here(&open(&disk, 3), &[live]);
}

#[test]
fn a_pack_that_is_gone_is_reported_and_left() {
    let (disk, blocks) = lake(3, 300);
    let path = root().join("packs").join(&pack_names(&disk)[0]);
    let content = disk.content(&path).unwrap();
    disk.remove(&path).unwrap();
    let store = open(&disk, 2);
    let report = gc(&store);
    assert_eq!((report.packs_retired, report.packs_skipped, report.packs_damaged), (0, 0, 1));
    assert_eq!(report.damaged.len(), 1);
    let file = disk.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(0, &content).unwrap();
    assert_here(&open(&disk, 3), &blocks);
}

#[test]
fn what_a_dead_writer_never_committed_is_garbage_when_nobody_else_is_there() {
    let disk = MemDisk::new();
    let dead = disk.process();
    let store = Store::open(Arc::new(dead.clone()), root(), options(1)).unwrap();
    // A sealed pack and an open one, none of them announced.
    store.put(&hold(&store), &[block(1, 2000), block(2, 1500), block(3, 300)]).unwrap();
    dead.kill();
    assert_eq!(pack_names(&disk).len(), 2);
    let store = open(&disk, 2);
    let reader = open(&disk, 3);
    let held = hold(&reader);
    assert_eq!((gc(&store).packs_skipped, pack_names(&disk).len()), (2, 2));
    drop(held);
    let said = try_gc(&store, DRY).unwrap();
    let done = gc(&store);
    assert_eq!((&said, done.packs_retired, done.bytes_freed > 3800), (&done, 2, true));
    assert_eq!(pack_names(&disk), [""; 0]);
}

#[test]
fn a_full_disk_ends_a_collection_and_loses_nothing() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let (live, dead): (Vec<_>, Vec<_>) =
        (0..6).map(|number| (block(number, 400), block(number + 100, 800))).unzip();
    for (live, dead) in live.iter().zip(&dead) {
        keep(&store, &[live.clone(), dead.clone()]);
    }
    commit(&store, dead.iter().map(unpin).collect());
    store.close().unwrap();
    let mut failed = 0;
    for space in (0..6000).step_by(97) {
        let disk = disk.fork();
        disk.crash(0);
        let (faults, store) = faulty(&disk, options(2));
        faults.limit_space(Some(space));
        match try_gc(&store, GcOptions::default()) {
            Ok(_) => {}
            Err(StoreError::NoSpace { .. }) => failed += 1,
            Err(error) => panic!("{error:?}"),
        }
        assert_here(&store, &live);
        assert_here(&open(&disk, 3), &live);
        faults.limit_space(None);
        gc(&store);
        let other = open(&disk, 4);
        assert_here(&other, &live);
        assert!(gone(&other, &dead));
        assert_eq!(other.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
    assert!(failed > 5, "{failed}");
}

#[test]
fn where_all_is_dead_a_full_disk_is_no_hindrance() {
    let (disk, blocks) = lake(20, 500);
    let store = open(&disk, 2);
    commit(&store, blocks.iter().map(unpin).collect());
    drop(store);
    let (faults, store) = faulty(&disk, options(3));
    // Room for the record, as the log keeps it ready.
    faults.limit_space(Some(2000));
    assert!(gc(&store).bytes_freed > 10_000);
    assert_eq!(pack_names(&disk), [""; 0]);
}

#[test]
fn in_a_folder_that_takes_no_writes_a_hold_is_given_and_nothing_collected() {
    let (disk, blocks) = lake(3, 300);
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    faulty.faults().set_read_only(true);
    let store = Store::open(Arc::new(faulty), root(), options(2)).unwrap();
    let held = hold(&store);
    assert_eq!(held.lsn(), store.last_lsn().unwrap());
    assert_here(&store, &blocks);
    assert!(matches!(try_gc(&store, GcOptions::default()), Err(StoreError::ReadOnly { .. })));
    let said = try_gc(&store, DRY).unwrap();
    assert_eq!((said.packs_seen, said.damaged), (1, vec![]));
}

#[test]
fn on_a_real_disk_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let open = |seed| Store::open(Arc::new(RealDisk), folder.path(), options(seed)).unwrap();
    let count = |name: &str| std::fs::read_dir(folder.path().join(name)).unwrap().count();
    let (writer, reader, collector) = (open(1), open(2), open(3));
    let blocks: Vec<Block> = (0..12).map(|number| block(number, 500)).collect();
    keep(&writer, &blocks);
    let held = hold(&reader);
    commit(&writer, blocks[1..].iter().map(unpin).collect());
    writer.close().unwrap();
    let report = gc(&collector);
    assert!((report.packs_retired + report.packs_repacked, report.bytes_freed) == (2, 0));
    assert_here(&reader, &blocks);
    assert_eq!((count("packs"), count("leases")), (3, 3));
    drop((held, writer));
    assert_eq!(gc(&collector).bytes_freed, report.bytes_waiting);
    assert_eq!((count("packs"), count("leases")), (1, 2));
    assert_here(&reader, &blocks[..1]);
    assert!(gone(&reader, &blocks[1..]));
    drop((reader, collector));
    assert_eq!(count("leases"), 0);
}

#[test]
fn leases_end_with_their_process_and_those_of_the_dead_are_removed() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let folder = root().join("leases");
    assert!(disk.list(&folder).is_err());
    let held = hold(&store);
    assert_eq!(disk.list(&folder).unwrap(), ["01010101010101010101010101010101.lease"]);
    drop(held);
    drop(store);
    assert_eq!(disk.list(&folder).unwrap(), [""; 0]);
    let dead = disk.process();
    let store = Store::open(Arc::new(dead.clone()), root(), options(2)).unwrap();
    let held = hold(&store);
    dead.kill();
    drop((held, store));
    assert_eq!(disk.list(&folder).unwrap().len(), 1);
    let store = open(&disk, 3);
    assert_eq!(store.leases_elsewhere().unwrap(), []);
    let report: GcReport = gc(&store);
    assert_eq!(report.bytes_waiting, 0);
    let name = "03030303030303030303030303030303.lease".to_owned();
    assert_eq!(disk.list(&folder).unwrap(), [name.as_str()]);
    let other = open(&disk, 4);
    assert_eq!(other.leases_elsewhere().unwrap(), [(name.clone(), None)]);
    let held = hold(&store);
    assert_eq!(other.leases_elsewhere().unwrap(), [(name, Some(held.lsn()))]);
}

#[test]
fn a_pack_that_is_damaged_after_it_was_measured_is_left() {
    let (disk, blocks) = lake(4, 700);
    let store = open(&disk, 2);
    // A pack that is sealed, and covered: then its own index is read when it is to go.
    keep(&store, &[block(50, 3000), block(51, 10)]);
    store.index_packs(&mut |_| {}).unwrap();
    commit(&store, blocks[..3].iter().map(unpin).collect());
    store.close().unwrap();
    let store = open(&disk, 3);
    assert!(store.stats().packs_covered > 0);
    let holder = |data: &[u8]| {
        let path = |name: &String| root().join("packs").join(name);
        let has = |content: &[u8]| content.windows(data.len()).any(|window| window == data);
        let names = pack_names(&disk).into_iter().filter(|name| name.ends_with(".car"));
        names.map(|name| path(&name)).find(|path| has(&disk.content(path).unwrap())).unwrap()
    };
    let path = holder(blocks[3].data());
    let (hold, mut hit) = (hold(&store), false);
    let mut alive = Pinned::at(&store, &hold).unwrap();
    let report = store.gc(&hold, &mut alive, GcOptions::default(), &mut |progress| {
        let is_end = progress.bytes_done == progress.bytes_total;
        if progress.phase == GcPhase::Measure && is_end && !hit {
            hit = true;
            let mut content = disk.content(&path).unwrap();
            // The first section's length, and the end of the index.
            content[77] ^= 0xff;
            *content.last_mut().unwrap() ^= 1;
            disk.set_content(&path, content).unwrap();
        }
    });
    let report = report.unwrap();
    assert!(hit && disk.content(&path).is_ok());
    let damage: Vec<_> = report.damaged.iter().map(|damage| (damage.kind, &damage.path)).collect();
    assert_eq!(damage, [(DamageKind::Pack, &path)]);
}

#[test]
fn what_an_older_hold_keeps_is_written_anew_when_it_is_kept_under_another() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let other = open(&disk, 2);
    let blocks = [block(1, 400), block(2, 300)];
    let writer = open(&disk, 3);
    keep(&writer, &blocks);
    commit(&writer, blocks.iter().map(unpin).collect());
    writer.close().unwrap();
    let older = hold(&store);
    assert!(gc(&other).bytes_waiting > 0);
    let newer = hold(&store);
    let cids = [*blocks[0].cid(), *blocks[1].cid(), *block(3, 10).cid()];
    assert_eq!(store.keep(&newer, &cids).unwrap(), cids[2..]);
    drop(older);
    gc(&other);
    store.commit(&newer, blocks.iter().map(pin).collect(), Expect::Any).unwrap();
    drop(newer);
    gc(&other);
    assert_here(&store, &blocks);
    assert_here(&open(&disk, 4), &blocks);
}

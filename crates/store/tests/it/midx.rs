//! Indexes of many packs: they find what the packs' own indexes find, and are never missed.

use std::path::PathBuf;
use std::sync::Arc;

use cidlake_block::Block;
use cidlake_store::disk::{Disk, FaultyDisk, MemDisk, OpenMode};
use cidlake_store::{
    DamageKind, FsckLevel, IndexReport, Options, RepairOptions, RepairReport, Store, StoreError,
    repair,
};

use crate::support::{assert_here, block, commit, delta, faulty, hold, open, options, root};

fn files(disk: &MemDisk, ending: &str) -> Vec<PathBuf> {
    let folder = root().join("packs");
    let mut names = disk.list(&folder).unwrap();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names.iter().map(|name| folder.join(name)).collect()
}

fn numbered(first: u32, count: u32) -> Vec<Block> {
    (first..first + count).map(|number| block(number, 200 + number as usize * 37 % 700)).collect()
}

/// Puts and commits blocks, a few at a time.
fn fill(store: &Store, first: u32, count: u32) -> Vec<Block> {
    let blocks = numbered(first, count);
    for blocks in blocks.chunks(3) {
        store.put(&hold(store), blocks).unwrap();
        commit(store, vec![delta(first)]);
    }
    blocks
}

fn index(store: &Store) -> IndexReport {
    store.index_packs(&mut |_| {}).unwrap()
}

/// A lake whose sealed packs are all covered, by one index.
fn lake() -> (MemDisk, Vec<Block>) {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let blocks = fill(&store, 0, 40);
    let report = index(&store);
    assert_eq!((report.indexes, report.packs), (1, store.stats().packs_sealed));
    assert!(report.packs >= 4);
    (disk, blocks)
}

#[test]
fn blocks_are_found_through_an_index_as_without_one() {
    let (disk, blocks) = lake();
    let store = open(&disk, 2);
    let stats = store.stats();
    assert_eq!(stats.packs_covered, stats.packs_sealed);
    assert_eq!(stats.blocks, 40);
    assert_here(&store, &blocks);
    for absent in (1000..1100).map(|number| block(number, 300)) {
        assert!(!store.has(absent.cid()).unwrap());
        assert!(store.get(absent.cid()).unwrap().is_none());
    }
    assert_eq!(store.put(&hold(&store), &blocks).unwrap().new_blocks, 0);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn a_covered_pack_is_not_read_when_a_lake_is_opened() {
    let (disk, blocks) = lake();
    let [index] = files(&disk, ".midx").try_into().unwrap();
    let without = disk.fork();
    without.remove(&index).unwrap();
    let [with, without] = [disk, without].map(|disk| {
        let (faults, store) = faulty(&disk, options(2));
        let opening = faults.operations();
        assert_here(&store, &blocks);
        opening
    });
    assert!(with < without, "{with} operations with an index, {without} without");
}

#[test]
fn each_index_covers_twice_what_the_smaller_ones_do() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let mut blocks = Vec::new();
    let (mut written, mut most) = (0, 0);
    for round in 0..24 {
        blocks.extend(fill(&store, round * 100, 9));
        let report = index(&store);
        written += report.entries_written;
        most = most.max(report.indexes);
        assert!(!report.is_busy);
        assert_eq!(files(&disk, ".midx").len() as u64, report.indexes);
        assert_eq!(files(&disk, ".tmp"), Vec::<PathBuf>::new());
        let stats = store.stats();
        assert_eq!((report.packs, stats.packs_covered), (stats.packs_sealed, stats.packs_sealed));
        let other = open(&disk, 2);
        assert_eq!(other.stats().packs_covered, stats.packs_sealed);
        assert_here(&other, &blocks);
        assert_here(&store, &blocks);
        assert_eq!(
            index(&other),
            IndexReport { packs_added: 0, entries_written: 0, indexes_removed: 0, ..report }
        );
    }
    let mut sizes: Vec<usize> =
        files(&disk, ".midx").iter().map(|path| disk.content(path).unwrap().len()).collect();
    sizes.sort_unstable();
    assert!(sizes.windows(2).all(|pair| pair[1] > pair[0] * 3 / 2), "{sizes:?}");
    // 216 entries: several indexes at times, and no entry written more than log2 times.
    assert!(most >= 2, "never more than {most} indexes");
    assert!(written < 216 * 6, "{written} entries were written");
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn progress_reaches_its_end() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    fill(&store, 0, 30);
    let mut seen = Vec::new();
    let report = store.index_packs(&mut |progress| seen.push(progress)).unwrap();
    let last = seen.last().unwrap();
    assert_eq!(
        (last.entries_done, last.entries_total),
        (report.entries_written, report.entries_written)
    );
    assert!(seen.is_sorted_by_key(|progress| progress.entries_done));
}

#[test]
fn any_flipped_byte_of_an_index_is_got_over_and_reported() {
    let (disk, blocks) = lake();
    let [path] = files(&disk, ".midx").try_into().unwrap();
    let content = disk.content(&path).unwrap();
    for at in 0..content.len() {
        let disk = disk.fork();
        let mut damaged = content.clone();
        damaged[at] ^= 1 << (at % 8);
        disk.set_content(&path, damaged).unwrap();
        let store = open(&disk, 2);
        for block in &blocks {
            assert_eq!(store.get(block.cid()).unwrap().expect("not lost").data(), block.data());
        }
        assert_eq!(store.put(&hold(&store), &blocks).unwrap().new_blocks, 0);
        assert_eq!(store.stats().packs_covered, 0);
        let damage = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage;
        assert_eq!(damage.len(), 1, "byte {at}");
        assert_eq!((damage[0].kind, &damage[0].path), (DamageKind::Index, &path));
        if at % 7 == 0 {
            // It is made again, with the same bytes.
            assert_eq!(index(&store).indexes, 1);
            assert_eq!(disk.content(&path).unwrap(), content);
            assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
            assert_eq!(store.stats().packs_covered, store.stats().packs_sealed);
            assert_here(&store, &blocks);
        }
    }
}

#[test]
fn an_index_that_is_damaged_while_it_is_in_use_is_got_over() {
    let (disk, blocks) = lake();
    let [path] = files(&disk, ".midx").try_into().unwrap();
    let store = open(&disk, 2);
    assert!(store.stats().packs_covered > 0);
    disk.set_content(&path, vec![0; 5000]).unwrap();
    assert_here(&store, &blocks);
    assert_eq!(store.stats().packs_covered, 0);
    assert_eq!(store.stats().blocks, 40);
}

#[test]
fn a_reader_goes_on_with_an_index_that_another_process_removed() {
    let (disk, mut blocks) = lake();
    let reader = open(&disk, 2);
    let covered = reader.stats().packs_covered;
    assert!(covered > 0);
    let before = files(&disk, ".midx");
    let writer = open(&disk, 3);
    blocks.extend(fill(&writer, 500, 90));
    assert_eq!(index(&writer).indexes_removed, 1);
    assert!(!files(&disk, ".midx").contains(&before[0]));
    assert_here(&reader, &blocks);
    assert_eq!(reader.stats().packs_covered, covered);
    // What it makes itself takes the place of what was removed.
    index(&reader);
    assert_eq!(reader.stats().packs_covered, reader.stats().packs_sealed);
    assert_here(&reader, &blocks);
}

#[test]
fn several_processes_index_and_read_and_write_at_once() {
    let disk = MemDisk::new();
    let stores = [open(&disk, 1), open(&disk, 2), open(&disk, 3)];
    std::thread::scope(|scope| {
        for thread in 0..6_u32 {
            let store = &stores[thread as usize % stores.len()];
            scope.spawn(move || {
                for round in 0..12 {
                    let blocks = fill(store, thread * 1000 + round * 20, 6);
                    index(store);
                    assert_here(store, &blocks);
                }
            });
        }
    });
    let all: Vec<Block> = (0..6)
        .flat_map(|thread| (0..12).map(move |round| thread * 1000 + round * 20))
        .flat_map(|first| numbered(first, 6))
        .collect();
    for store in &stores {
        assert_here(store, &all);
    }
    let store = open(&disk, 4);
    let report = index(&store);
    assert_eq!(files(&disk, ".midx").len() as u64, report.indexes);
    assert_eq!(report.packs, store.stats().packs_sealed);
    assert_here(&store, &all);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn one_process_at_a_time_makes_indexes() {
    let (disk, _) = lake();
    let lock = disk.process().open(&root().join("packs/index.lock"), OpenMode::Write).unwrap();
    assert!(lock.try_lock().unwrap());
    let store = open(&disk, 2);
    fill(&store, 500, 20);
    let before = files(&disk, "");
    let report = index(&store);
    assert_eq!(report, IndexReport { is_busy: true, ..IndexReport::default() });
    assert_eq!(files(&disk, ""), before);
    drop(lock);
    assert!(index(&store).packs_added > 0);
}

/// A lake with an index, and packs that are not covered yet.
fn lake_to_be_indexed() -> (MemDisk, Vec<Block>) {
    let (disk, mut blocks) = lake();
    blocks.extend(fill(&open(&disk, 2), 500, 60));
    (disk, blocks)
}

fn check_again(disk: &MemDisk, blocks: &[Block]) {
    let store = open(disk, 5);
    assert_here(&store, blocks);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    let report = index(&store);
    assert_eq!((report.packs, report.indexes), (store.stats().packs_sealed, 1));
    assert_eq!((files(disk, ".midx").len(), files(disk, ".tmp").len()), (1, 0));
    assert_here(&store, blocks);
    assert_here(&open(disk, 6), blocks);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_lake_that_finds_everything() {
    let (lake, blocks) = lake_to_be_indexed();
    let whole = lake.fork();
    let (faults, store) = faulty(&whole, options(3));
    let before = faults.operations();
    index(&store);
    let operations = faults.operations() - before;
    assert!(operations > 50, "only {operations} operations");
    for seed in 0..4 {
        for at in 0..=operations {
            let disk = lake.fork();
            let (faults, store) = faulty(&disk, options(3));
            faults.fail_from(faults.operations() + at);
            let done = store.index_packs(&mut |_| {});
            assert_eq!(done.is_ok(), at == operations, "operation {at}");
            drop(store);
            disk.crash(seed * 10_000 + at);
            check_again(&disk, &blocks);
        }
    }
}

#[test]
fn any_single_failure_leaves_a_store_that_finds_everything() {
    let (lake, blocks) = lake_to_be_indexed();
    for at in 0.. {
        let disk = lake.fork();
        let (faults, store) = faulty(&disk, options(3));
        let from = faults.operations() + at;
        faults.fail_at(from);
        let done = store.index_packs(&mut |_| {});
        let is_through = faults.operations() <= from;
        faults.clear();
        assert_here(&store, &blocks);
        if done.is_err() {
            index(&store);
            assert_here(&store, &blocks);
        }
        drop(store);
        check_again(&disk, &blocks);
        if is_through {
            assert!(at > 50, "only {at} operations");
            return;
        }
    }
}

#[test]
fn a_disk_that_is_full_or_read_only_says_so_and_keeps_no_draft() {
    let (disk, blocks) = lake_to_be_indexed();
    let (faults, store) = faulty(&disk, options(3));
    let before = files(&disk, "");
    faults.limit_space(Some(700));
    let full = store.index_packs(&mut |_| {});
    assert!(matches!(full, Err(StoreError::NoSpace { .. })), "{full:?}");
    assert_eq!(files(&disk, ""), before);
    faults.limit_space(None);
    faults.set_read_only(true);
    let refused = store.index_packs(&mut |_| {});
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    assert_here(&store, &blocks);
}

#[test]
fn another_copy_is_as_good_where_both_are_covered() {
    let disk = MemDisk::new();
    let (one, two) = (open(&disk, 1), open(&disk, 2));
    let twice: Vec<Block> = (0..8).map(|number| block(number, 700)).collect();
    // Neither process knows of the other's blocks before it commits.
    for block in &twice {
        one.put(&hold(&one), std::slice::from_ref(block)).unwrap();
        two.put(&hold(&two), std::slice::from_ref(block)).unwrap();
    }
    commit(&one, vec![]);
    commit(&two, vec![]);
    let report = index(&one);
    assert_eq!(report.packs, one.stats().packs_sealed);
    for path in files(&disk, ".car") {
        let disk = disk.fork();
        let mut content = disk.content(&path).unwrap();
        let end = content.len().min(3000);
        content[90..end].fill(0);
        disk.set_content(&path, content).unwrap();
        let store = open(&disk, 3);
        assert_here(&store, &twice);
        assert!(!store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage.is_empty());
    }
}

#[test]
fn a_covered_pack_that_is_gone_or_cut_is_reported() {
    let (disk, blocks) = lake();
    let sealed = files(&disk, ".car").into_iter().next().unwrap();
    let gone = disk.fork();
    gone.remove(&sealed).unwrap();
    let cut = disk.fork();
    let content = cut.content(&sealed).unwrap();
    cut.set_content(&sealed, content[..1500].to_vec()).unwrap();
    for (disk, lost) in [(gone, 5..9), (cut, 1..9)] {
        let store = open(&disk, 2);
        let stats = store.stats();
        assert_eq!((stats.packs_covered, stats.packs_open), (stats.packs_sealed, 2));
        let missing: Vec<Block> = blocks
            .iter()
            .filter(|block| match store.get(block.cid()) {
                Ok(found) => found.expect("damage is no absence").data() != block.data(),
                Err(StoreError::Corrupt { pack, .. }) => sealed.ends_with(pack),
                Err(error) => panic!("{error}"),
            })
            .cloned()
            .collect();
        assert!(lost.contains(&missing.len()), "{} blocks are missing", missing.len());
        assert!(missing.iter().all(|block| !store.has(block.cid()).unwrap()));
        let damage = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage;
        assert!(damage.iter().all(|damage| damage.path == sealed) && !damage.is_empty());
        assert_eq!(store.put(&hold(&store), &blocks).unwrap().new_blocks, missing.len() as u64);
        commit(&store, vec![]);
        index(&store);
        assert_here(&store, &blocks);
        assert_here(&open(&disk, 3), &blocks);
    }
}

#[test]
fn a_pack_that_nobody_announced_does_not_count_because_an_index_lists_it() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let early = fill(&store, 0, 30);
    let before = disk.fork();
    let late = fill(&store, 500, 30);
    index(&store);
    // The log is one of before, the packs are those of after.
    for path in [files(&disk, ".car"), files(&disk, ".midx")].concat() {
        let file = before.open(&path, OpenMode::WriteOrCreate).unwrap();
        drop(file);
        before.set_content(&path, disk.content(&path).unwrap()).unwrap();
    }
    let store = open(&before, 2);
    assert!(store.stats().packs_covered > 0);
    assert_here(&store, &early);
    let here = late.iter().filter(|block| store.has(block.cid()).unwrap()).count();
    assert_eq!(here, 0);
}

#[test]
fn a_pack_that_lost_its_seal_and_grows_again_is_not_covered() {
    let (disk, mut blocks) = lake();
    let sealed = files(&disk, ".car").into_iter().next().unwrap();
    let before = disk.content(&sealed).unwrap();
    // The header of an open pack, as a power cut may leave it.
    let mut content = before.clone();
    content[11..51].fill(0);
    content[27] = 51;
    disk.set_content(&sealed, content).unwrap();
    let reader = open(&disk, 2);
    let stats = reader.stats();
    assert_eq!((stats.packs_covered, stats.packs_open), (stats.packs_sealed, 2));
    let larger = Options { pack_bytes_max: 9000, ..options(3) };
    let writer = Store::open(Arc::new(disk.process()), root(), larger).unwrap();
    for first in [500, 600, 700] {
        blocks.extend(fill(&writer, first, 6));
        assert_here(&reader, &blocks);
    }
    assert!(disk.content(&sealed).unwrap()[51..] != before[51..], "the pack did not grow");
    assert!(index(&writer).packs_added > 0);
    assert_eq!(writer.stats().packs_covered, writer.stats().packs_sealed);
    for store in [reader, writer, open(&disk, 4)] {
        assert_here(&store, &blocks);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
}

#[test]
fn an_index_about_packs_that_are_gone_for_good_is_made_anew() {
    let (disk, blocks) = lake();
    let [path] = files(&disk, ".midx").try_into().unwrap();
    let foreign = disk.content(&path).unwrap();
    let other = MemDisk::new();
    let store = open(&other, 9);
    fill(&store, 700, 30);
    let file = other.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(0, &foreign).unwrap();
    drop(file);
    // No pack of it is here, so it is neither used nor damaged, and goes.
    let reader = open(&other, 8);
    assert_eq!(reader.stats().packs_covered, 0);
    assert!(!reader.has(blocks[0].cid()).unwrap());
    assert_eq!(reader.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    let report = index(&reader);
    assert_eq!((report.indexes, report.indexes_removed), (1, 1));
    assert!(!files(&other, ".midx").contains(&path));
}

/// The seed that gives the packs and with them the index their names.
const SEED: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The lake of which the golden index is.
fn golden_lake() -> (MemDisk, Vec<Block>) {
    let disk = MemDisk::new();
    let options = Options { pack_bytes_max: 1000, seed: SEED, ..options(0) };
    let store = Store::open(Arc::new(disk.process()), root(), options).unwrap();
    let blocks: Vec<Block> = (1..9).map(|number| block(number, 300)).collect();
    for block in &blocks {
        store.put(&hold(&store), std::slice::from_ref(block)).unwrap();
        commit(&store, vec![]);
    }
    assert_eq!(store.stats().packs_sealed, 2);
    (disk, blocks)
}

#[test]
fn an_index_has_the_bytes_of_the_fixture_and_the_fixture_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/store");
    let fixture = PathBuf::from(folder).join("packs-v1.midx");
    let (disk, blocks) = golden_lake();
    let indexed = disk.fork();
    index(&open(&indexed, 1));
    let [path] = files(&indexed, ".midx").try_into().unwrap();
    let content = indexed.content(&path).unwrap();
    if std::env::var_os("CIDLAKE_BLESS").is_some() {
        std::fs::write(&fixture, &content).unwrap();
    }
    let golden = std::fs::read(&fixture).unwrap();
    assert!(
        content == golden,
        "the index has {} bytes, the fixture {}",
        content.len(),
        golden.len()
    );
    assert_eq!(path, root().join("packs").join("90931a0ca2ea58a1f775e54c39d687d7.midx"));
    let file = disk.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(0, &golden).unwrap();
    drop(file);
    let store = open(&disk, 2);
    assert_eq!(store.stats().packs_covered, 2);
    assert_here(&store, &blocks);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
}

#[test]
fn a_real_folder_is_indexed_as_the_simulated_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::new(Arc::new(cidlake_store::disk::RealDisk)));
    let open = |seed| Store::open(Arc::clone(&disk) as Arc<dyn Disk>, folder.path(), options(seed));
    let store = open(1).unwrap();
    let mut blocks = fill(&store, 0, 40);
    let reader = open(2).unwrap();
    assert!(index(&store).packs > 0);
    blocks.extend(fill(&store, 500, 60));
    assert_eq!(index(&store).indexes_removed, 1);
    for store in [store, reader, open(3).unwrap()] {
        assert_here(&store, &blocks);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
}

#[test]
fn a_repair_removes_a_damaged_index_and_nothing_else() {
    let (disk, blocks) = lake();
    let [index] = files(&disk, ".midx").try_into().unwrap();
    let mut content = disk.content(&index).unwrap();
    *content.last_mut().unwrap() ^= 1;
    disk.set_content(&index, content).unwrap();
    let reader = open(&disk, 2);
    for dry_run in [true, false] {
        let shared: Arc<dyn Disk> = Arc::new(disk.process());
        let options = RepairOptions { dry_run };
        let report = repair(&shared, root(), options, &mut |_| {}).unwrap();
        let only = RepairReport { indexes_removed: vec![index.clone()], ..Default::default() };
        assert_eq!(report, only);
        assert!(report.is_change());
        assert_eq!(files(&disk, ".midx").len(), usize::from(dry_run));
    }
    assert_here(&reader, &blocks);
    assert_here(&open(&disk, 3), &blocks);
}

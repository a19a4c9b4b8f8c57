//! Power cuts at every operation, also during the recovery from one.

use std::sync::Arc;

use cidlake_store::disk::{Faults, FaultyDisk, MemDisk};
use cidlake_store::{Expect, Lsn, Payload, Store};

use crate::support::{Promises, block, checkpoint, delta, hold, open, payloads, root, try_open};

/// A store on a disk where everything from operation `from` on fails.
fn open_faulty(disk: &MemDisk, from: u64, seed: u8) -> (Faults, Option<Store>) {
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    let faults = faulty.faults();
    faults.fail_from(from);
    (faults, try_open(Arc::new(faulty), seed).ok())
}

/// Fills packs and segments and writes checkpoints; ends early when the store fails.
fn work(store: &Store, promises: &mut Promises) {
    for round in 0..8_u32 {
        let count = 1 + round % 3;
        let blocks = (0..count).map(|at| block(round * 10 + at, 200 + 310 * at as usize)).collect();
        let mut payloads: Vec<Payload> = (0..count).map(|at| delta(round * 10 + at)).collect();
        payloads.push(Payload::Pin { cid: *block(round, 5).cid(), name: None });
        if !promises.store(store, blocks, payloads) {
            return;
        }
        if round % 2 == 0 {
            // It may fail, and then the next commit does.
            let _made = checkpoint(store);
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_promised() {
    let whole = MemDisk::new();
    let (faults, store) = open_faulty(&whole, u64::MAX, 1);
    work(&store.unwrap(), &mut Promises::default());
    let operations = faults.operations();
    assert!(operations > 100);
    for seed in 0..4 {
        for at in 0..=operations {
            let disk = MemDisk::new();
            let mut promises = Promises::default();
            if let (_, Some(store)) = open_faulty(&disk, at, 1) {
                work(&store, &mut promises);
            }
            disk.crash(seed * 100_000 + at);
            promises.check(&open(&disk, 2));
        }
    }
}

#[test]
fn a_power_cut_in_any_operation_of_a_recovery_loses_nothing_either() {
    for at in (5..300).step_by(13) {
        let disk = MemDisk::new();
        let mut promises = Promises::default();
        if let (_, Some(store)) = open_faulty(&disk, at, 1) {
            work(&store, &mut promises);
        }
        disk.crash(at);
        for second in 0.. {
            let disk = disk.fork();
            let mut promises = promises.clone();
            let (faults, store) = open_faulty(&disk, second, 2);
            let mut is_through = false;
            if let Some(store) = store {
                promises.check_unless(&store, &faults, second);
                let _made = checkpoint(&store);
                if promises.open.is_none() {
                    let blocks = vec![block(900, 400), block(901, 2900)];
                    is_through = promises.store(&store, blocks, vec![delta(900), delta(901)]);
                }
            }
            disk.crash(at * 1000 + second);
            promises.check(&open(&disk, 3));
            if is_through {
                break;
            }
        }
    }
}

impl Promises {
    /// Settles an open commit, unless the disk has failed by then.
    fn check_unless(&mut self, store: &Store, faults: &Faults, failed_at: u64) {
        let before = self.clone();
        let Ok(found) = store.records_after(Lsn(0)) else {
            return;
        };
        if faults.operations() > failed_at {
            *self = before;
            return;
        }
        if let Some((payloads, blocks)) = self.open.take() {
            let found: Vec<Payload> = found.into_iter().map(|record| record.payload).collect();
            let whole = [self.payloads.clone(), payloads].concat();
            if found == whole {
                self.payloads = whole;
                self.blocks.extend(blocks);
            }
            assert_eq!(found, self.payloads);
        }
    }
}

#[test]
fn a_process_that_dies_leaves_its_last_commit_whole_or_not_at_all() {
    let whole = MemDisk::new();
    let (faults, store) = open_faulty(&whole, u64::MAX, 1);
    work(&store.unwrap(), &mut Promises::default());
    for at in 0..=faults.operations() {
        let disk = MemDisk::new();
        let mut promises = Promises::default();
        let (_, store) = open_faulty(&disk, at, 1);
        if let Some(store) = store {
            work(&store, &mut promises);
        }
        // The machine stays up: what the process wrote is in the live image, the lock is free.
        let survivor = open(&disk, 2);
        promises.check(&survivor);
        assert!(promises.store(&survivor, vec![block(900, 2500)], vec![delta(900)]));
        promises.check(&open(&disk, 3));
        disk.crash(at);
        promises.check(&open(&disk, 4));
    }
}

/// The only segment of a lake with `commits`.
fn one_segment(commits: &[Vec<Payload>]) -> (MemDisk, std::path::PathBuf, Vec<u8>) {
    let disk = MemDisk::new();
    let options =
        cidlake_store::Options { segment_bytes_max: 1 << 20, ..crate::support::options(1) };
    let store = Store::open(Arc::new(disk.process()), root(), options).unwrap();
    for payloads in commits {
        store.commit(&hold(&store), payloads.clone(), Expect::Any).unwrap();
    }
    drop(store);
    let path = root().join("wal/00000000000000000001-00000001.wal");
    let content = disk.content(&path).unwrap();
    let used = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let content = content[..used.next_multiple_of(8)].to_vec();
    (disk, path, content)
}

#[test]
fn a_torn_tail_at_any_byte_opens_with_the_commits_before() {
    let before = vec![vec![delta(1)], vec![delta(2), delta(3)]];
    let last = vec![delta(4), delta(5)];
    let (_, _, short) = one_segment(&before);
    let (disk, path, long) = one_segment(&[before.clone(), vec![last.clone()]].concat());
    assert_eq!(long[..short.len()], short);
    for cut in short.len()..long.len() {
        // The last byte is padding, so a cut just before it may leave the record whole.
        for fill in [None, Some(0), Some(0xff)] {
            let mut torn = long[..cut].to_vec();
            torn.extend(fill.into_iter().flat_map(|byte| vec![byte; long.len() - cut]));
            if torn == long {
                continue;
            }
            disk.set_content(&path, torn).unwrap();
            let disk = disk.fork();
            assert_eq!(payloads(&open(&disk, 2)), before.concat(), "cut at {cut}");
            let store = open(&disk, 3);
            store.commit(&hold(&store), vec![delta(6)], Expect::Last(Lsn(3))).unwrap();
            assert_eq!(payloads(&open(&disk, 4)), [before.concat(), vec![delta(6)]].concat());
        }
    }
}

#[test]
fn a_write_whose_first_sector_was_lost_is_torn_and_not_damaged() {
    let before = vec![vec![delta(1)]];
    let last: Vec<Payload> = (10..40).map(delta).collect();
    let (_, _, short) = one_segment(&before);
    let (disk, path, long) = one_segment(&[before.clone(), vec![last]].concat());
    let mut torn = long.clone();
    torn[short.len()..].iter_mut().take(512).for_each(|byte| *byte = 0);
    disk.set_content(&path, torn).unwrap();
    let store = open(&disk, 2);
    assert_eq!(payloads(&store), before.concat());
    // Sooner or later one of these would end where a record of the torn write begins.
    let mut expected = before.concat();
    for number in 2..40 {
        store.commit(&hold(&store), vec![delta(number)], Expect::Any).unwrap();
        expected.push(delta(number));
        assert_eq!(payloads(&open(&disk, 3)), expected);
    }
}

#[test]
fn records_of_another_history_are_refused() {
    let history = |first: u32| vec![vec![delta(first)], vec![delta(2)], vec![delta(3)]];
    let (_, _, one_record) = one_segment(&[vec![delta(1)]]);
    let (_, _, other) = one_segment(&history(9));
    let (disk, path, content) = one_segment(&history(1));
    assert_eq!(content.len(), other.len());
    let joint = one_record.len();
    disk.set_content(&path, [&content[..joint], &other[joint..]].concat()).unwrap();
    let refused = try_open(Arc::new(disk.process()), 2);
    assert!(matches!(refused, Err(cidlake_store::StoreError::LogCorrupt { .. })), "{refused:?}");
}

#[test]
fn a_flipped_bit_in_the_middle_of_the_log_is_refused_and_nothing_is_changed() {
    let commits: Vec<Vec<Payload>> = (0..6).map(|number| vec![delta(number)]).collect();
    let (_, _, all_but_one) = one_segment(&commits[..5]);
    let (disk, path, content) = one_segment(&commits);
    for at in 0..all_but_one.len() {
        let mut damaged = content.clone();
        damaged[at] ^= 1 << (at % 8);
        disk.set_content(&path, damaged.clone()).unwrap();
        let refused = try_open(Arc::new(disk.process()), 2);
        assert!(
            matches!(refused, Err(cidlake_store::StoreError::LogCorrupt { .. })),
            "bit {} of byte {at}: {refused:?}",
            at % 8,
        );
        assert_eq!(disk.content(&path).unwrap(), damaged);
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    for number in 0..60 {
        store.commit(&hold(&store), vec![delta(number)], Expect::Any).unwrap();
    }
    drop(store);
    let wal = root().join("wal");
    use cidlake_store::disk::Disk as _;
    let mut names = disk.list(&wal).unwrap();
    names.retain(|name| name.ends_with(".wal"));
    names.sort();
    assert!(names.len() > 2);
    for name in &names[..names.len() - 1] {
        let disk = disk.fork();
        disk.remove(&wal.join(name)).unwrap();
        let refused = try_open(Arc::new(disk), 2);
        assert!(matches!(refused, Err(cidlake_store::StoreError::LogCorrupt { .. })), "{name}");
    }
}

#[test]
fn a_record_with_unknown_flags_is_a_newer_program_s_and_is_not_replaced() {
    let (_, _, before) = one_segment(&[vec![delta(1)]]);
    let (disk, path, mut content) = one_segment(&[vec![delta(1)], vec![delta(2)]]);
    let record = &mut content[before.len()..];
    record[26] = 0x40;
    let payload_len = u32::from_le_bytes(record[4..8].try_into().unwrap()) as usize;
    let covered = [&record[..36], &record[40..40 + payload_len]].concat();
    record[36..40].copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    disk.set_content(&path, content.clone()).unwrap();
    let refused = try_open(Arc::new(disk.process()), 2);
    assert!(
        matches!(refused, Err(cidlake_store::StoreError::UnknownFlags { lsn: 2, flags: 0x40 })),
        "{refused:?}"
    );
    assert_eq!(disk.content(&path).unwrap(), content);
}

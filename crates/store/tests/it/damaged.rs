//! What the tests of damaged lakes share: where things stand in files, and a repair.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use cidlake_block::Block;
use cidlake_store::disk::{Disk, MemDisk};
use cidlake_store::{FsckLevel, Lsn, Record, RepairOptions, RepairReport, StoreError, repair};

use crate::support::{Promises, assert_here, block, commit, delta, hold, open, root, try_open};

pub fn files(disk: &MemDisk, folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let mut names = disk.list(&folder).unwrap_or_default();
    names.sort();
    names.iter().filter(|name| name.ends_with(ending)).map(|name| folder.join(name)).collect()
}

pub fn segments(disk: &MemDisk) -> Vec<PathBuf> {
    files(disk, "wal", ".wal")
}

/// Where the records of a segment stand, by number.
pub fn places(content: &[u8]) -> Vec<(u64, Range<usize>)> {
    let mut places = Vec::new();
    let mut at = 64;
    while content.get(at..at + 4) == Some(b"CDLR") {
        let len = u32::from_le_bytes(content[at + 4..at + 8].try_into().unwrap()) as usize;
        let lsn = u64::from_le_bytes(content[at + 8..at + 16].try_into().unwrap());
        let end = at + 40 + len.next_multiple_of(8);
        places.push((lsn, at..end));
        at = end;
    }
    places
}

pub fn run(disk: &MemDisk, options: RepairOptions) -> Result<RepairReport, StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.process());
    repair(&disk, root(), options, &mut |_| {})
}

pub fn repaired(disk: &MemDisk) -> RepairReport {
    run(disk, RepairOptions::default()).unwrap()
}

pub fn lost(report: &RepairReport) -> Vec<u64> {
    report.records_lost.iter().flat_map(|lost| lost.first.0..=lost.last.0).collect()
}

pub fn is_log_corrupt(disk: &MemDisk) -> bool {
    match try_open(Arc::new(disk.process()), 8) {
        Ok(_) => false,
        Err(StoreError::LogCorrupt { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

pub fn contents(disk: &MemDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = ["wal", "wal/damaged", "packs"].map(|folder| files(disk, folder, "")).concat();
    all.into_iter().filter_map(|path| Some((path.clone(), disk.content(&path).ok()?))).collect()
}

pub fn records(disk: &MemDisk) -> Vec<Record> {
    open(disk, 9).records_after(Lsn(0)).unwrap()
}

/// A lake whose log has several segments, with commits of one to three records.
pub fn lake() -> (MemDisk, Promises) {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let mut promises = Promises::default();
    for round in 0..14 {
        let payloads = (0..1 + round % 3).map(|at| delta(round * 10 + at)).collect();
        assert!(promises.store(&store, vec![block(round, 250)], payloads));
    }
    assert!(segments(&disk).len() > 2);
    (disk, promises)
}

/// The numbers of records that a change of `damaged` touches.
pub fn touched(content: &[u8], damaged: &[u8]) -> Vec<u64> {
    let places = places(content).into_iter();
    let hit = places.filter(|(_, place)| content[place.clone()] != damaged[place.clone()]);
    hit.map(|(lsn, _)| lsn).collect()
}

/// Checks a repaired lake: everything but `gone` is there under its number, and it goes on.
pub fn check(disk: &MemDisk, before: &[Record], gone: &[u64], blocks: &[Block]) {
    let kept: Vec<Record> =
        before.iter().filter(|record| !gone.contains(&record.lsn.0)).cloned().collect();
    assert_eq!(records(disk), kept);
    let store = open(disk, 7);
    assert_here(&store, blocks);
    assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    store.put(&hold(&store), &[block(9000, 400)]).unwrap();
    let last = commit(&store, vec![delta(9000)]);
    assert_eq!(records(disk).last().unwrap().lsn, last);
    assert_eq!(records(disk).len(), kept.len() + 1);
    let again = repaired(disk);
    assert!(!again.is_change(), "{again:?}");
}

/// Damages the record `lsn`.
pub fn wound(disk: &MemDisk, lsn: u64) {
    for path in segments(disk) {
        let mut content = disk.content(&path).unwrap();
        let found = places(&content).into_iter().find(|(number, _)| *number == lsn);
        if let Some((_, place)) = found {
            content[place.start + 41] ^= 1;
            disk.set_content(&path, content).unwrap();
            return;
        }
    }
    panic!("there is no record {lsn}");
}

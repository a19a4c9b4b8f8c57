//! What the tests share: a small lake, blocks made from numbers, and the record of what was
//! promised.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use cidlake_block::{Block, Cid, Codec};
use cidlake_store::disk::{Disk, Faults, FaultyDisk, MemDisk};
use cidlake_store::{
    Base, Checkpointed, CommitError, Expect, FsckLevel, GcOptions, GcReport, Hold, Liveness, Lsn,
    Options, Payload, Record, Store, StoreError,
};

pub fn root() -> &'static Path {
    Path::new("/lake")
}

/// Limits so small that a few commits fill packs and segments; no cache, so that every read is a
/// read of the disk.
pub fn options(seed: u8) -> Options {
    Options {
        create: true,
        pack_bytes_max: 3000,
        segment_bytes_max: 1500,
        cache_bytes_max: 0,
        seed: [seed; 16],
    }
}

pub fn open(disk: &MemDisk, seed: u8) -> Store {
    try_open(Arc::new(disk.process()), seed).unwrap()
}

/// A store of another process whose disk fails on request.
pub fn faulty(disk: &MemDisk, options: Options) -> (Faults, Store) {
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    (faulty.faults(), Store::open(Arc::new(faulty), root(), options).unwrap())
}

pub fn hold(store: &Store) -> Hold {
    store.hold().unwrap()
}

pub fn try_open(disk: Arc<dyn Disk>, seed: u8) -> Result<Store, StoreError> {
    Store::open(disk, root(), options(seed))
}

/// A block of `len` bytes that no other number gives.
pub fn block(number: u32, len: usize) -> Block {
    let mut state = u64::from(number) + 1;
    let data: Vec<u8> = (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    Block::new(Codec::Raw, data.into())
}

pub fn delta(number: u32) -> Payload {
    Payload::Delta { delta: *block(number, 40).cid() }
}

pub fn payloads(store: &Store) -> Vec<Payload> {
    store.records_after(Lsn(0)).unwrap().into_iter().map(|record| record.payload).collect()
}

pub fn commit(store: &Store, payloads: Vec<Payload>) -> Lsn {
    store.commit(&hold(store), payloads, Expect::Any).unwrap()
}

/// Writes a checkpoint whose state is the number of records that it covers.
pub fn checkpoint(store: &Store) -> Result<Checkpointed, StoreError> {
    let records = store.records_after(Lsn(0))?;
    let last = records.last().map_or(Lsn(0), |record| record.lsn);
    store.checkpoint(last, (records.len() as u64).to_le_bytes().to_vec().into())
}

/// Checks that what a store was opened from, and what came after, is the whole log.
pub fn assert_base(store: &Store) {
    let records = store.records_after(Lsn(0)).unwrap();
    let Some(Base { lsn, state }) = store.base() else { return };
    let covered = u64::from_le_bytes(state[..].try_into().unwrap()) as usize;
    assert_eq!(covered, records.iter().filter(|record| record.lsn <= lsn).count());
    // Others may be writing meanwhile.
    assert!(store.records_after(lsn).unwrap().starts_with(&records[covered..]));
}

pub fn assert_here(store: &Store, blocks: &[Block]) {
    let cids: Vec<Cid> = blocks.iter().map(|block| *block.cid()).collect();
    let found = store.get_many(&cids).unwrap();
    for (block, found) in blocks.iter().zip(found) {
        assert_eq!(found.expect("the block is here").data(), block.data());
        assert_eq!(store.get(block.cid()).unwrap().unwrap().data(), block.data());
        assert!(store.has(block.cid()).unwrap());
    }
}

/// What a store promised: commits in order, and perhaps a last one without an answer.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    pub payloads: Vec<Payload>,
    pub blocks: Vec<Block>,
    pub open: Option<(Vec<Payload>, Vec<Block>)>,
}

impl Promises {
    /// Puts and commits; returns false when the store failed, which leaves the commit open.
    pub fn store(&mut self, store: &Store, blocks: Vec<Block>, payloads: Vec<Payload>) -> bool {
        assert!(self.open.is_none());
        let done = store.hold().map_err(CommitError::from).and_then(|hold| {
            store.put(&hold, &blocks)?;
            store.commit(&hold, payloads.clone(), Expect::Any)
        });
        match done {
            Ok(_) => {
                self.payloads.extend(payloads);
                self.blocks.extend(blocks);
                true
            }
            Err(CommitError::Store(_)) => {
                self.open = Some((payloads, blocks));
                false
            }
            Err(CommitError::Behind { .. }) => panic!("nothing was expected"),
        }
    }

    /// Checks that everything promised is there, and that the open commit is there as a whole or
    /// not at all; which of the two is settled from now on.
    pub fn check(&mut self, store: &Store) {
        let found = payloads(store);
        if let Some((payloads, blocks)) = self.open.take() {
            let whole = [self.payloads.clone(), payloads].concat();
            if found == whole {
                self.payloads = whole;
                self.blocks.extend(blocks);
            }
        }
        assert_eq!(found, self.payloads);
        assert_base(store);
        assert_eq!(store.stats().log.records, found.len() as u64);
        assert_here(store, &self.blocks);
        let report = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
        assert_eq!(report.damage, []);
        assert_eq!(report.records, found.len() as u64);
    }
}

/// Keeps alive what pins name: multihashes.
#[derive(Debug, Default)]
pub struct Pinned(HashSet<Vec<u8>>);

impl Pinned {
    /// Marks what the records keep of which a hold says that they are the last.
    pub fn at(store: &Store, hold: &Hold) -> Result<Self, StoreError> {
        let mut pinned = Self::default();
        for record in store.records_after(Lsn(0))? {
            match record.payload {
                _ if record.lsn > hold.lsn() => {}
                Payload::Pin { cid, .. } => {
                    pinned.0.insert(cid.hash().to_bytes());
                }
                Payload::Unpin { cid } => {
                    pinned.0.remove(&cid.hash().to_bytes());
                }
                Payload::Delta { .. } | Payload::Expire { .. } => {}
            }
        }
        Ok(pinned)
    }
}

impl Liveness for Pinned {
    type Error = StoreError;

    fn update(&mut self, records: &[Record]) -> Result<(), StoreError> {
        for record in records {
            if let Payload::Pin { cid, .. } = &record.payload {
                self.0.insert(cid.hash().to_bytes());
            }
        }
        Ok(())
    }

    fn is_live(&self, cid: &Cid) -> bool {
        self.0.contains(&cid.hash().to_bytes())
    }
}

pub fn pin(block: &Block) -> Payload {
    Payload::Pin { cid: *block.cid(), name: None }
}

pub fn unpin(block: &Block) -> Payload {
    Payload::Unpin { cid: *block.cid() }
}

/// Puts and pins, as one operation.
pub fn keep(store: &Store, blocks: &[Block]) {
    let hold = hold(store);
    store.put(&hold, blocks).unwrap();
    store.commit(&hold, blocks.iter().map(pin).collect(), Expect::Any).unwrap();
}

/// Collects all but what is pinned.
pub fn try_gc(store: &Store, options: GcOptions) -> Result<GcReport, StoreError> {
    let hold = store.hold()?;
    let mut alive = Pinned::at(store, &hold)?;
    store.gc(&hold, &mut alive, options, &mut |_| {})
}

pub fn gc(store: &Store) -> GcReport {
    try_gc(store, GcOptions::default()).unwrap()
}

/// The names of all packs.
pub fn pack_names(disk: &MemDisk) -> Vec<String> {
    let mut names = disk.list(&root().join("packs")).unwrap();
    names.sort();
    names
}

//! Random work against a model, with power cuts, deaths and company.

use std::collections::BTreeMap;
use std::sync::Arc;

use cidlake_block::{Block, Cid};
use cidlake_store::disk::{FaultyDisk, MemDisk};
use cidlake_store::{Checkpointed, CommitError, Expect, FsckLevel, Lsn, Payload, Store};
use proptest::prelude::*;

use crate::support::{assert_base, block, checkpoint, hold, options, payloads, root};

/// One step of a process.
#[derive(Debug, Clone)]
enum Step {
    Put { process: usize, number: u32, len: usize },
    Commit { process: usize, records: u8 },
    Checkpoint { process: usize },
    Restart { process: usize },
    Crash { seed: u64, after: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let process = 0..2_usize;
    prop_oneof![
        6 => (process.clone(), 0..40_u32, 0..900_usize)
            .prop_map(|(process, number, len)| Step::Put { process, number, len }),
        5 => (process.clone(), 0..4_u8)
            .prop_map(|(process, records)| Step::Commit { process, records }),
        1 => process.clone().prop_map(|process| Step::Checkpoint { process }),
        1 => process.prop_map(|process| Step::Restart { process }),
        2 => (any::<u64>(), 0..60_u64).prop_map(|(seed, after)| Step::Crash { seed, after }),
    ]
}

/// What must be true of the lake.
#[derive(Debug, Default)]
struct Model {
    records: Vec<Payload>,
    durable: BTreeMap<Cid, Block>,
    /// Blocks that each process put since its last commit.
    put: [BTreeMap<Cid, Block>; 2],
    next: u32,
}

impl Model {
    fn settle(&mut self, process: usize) {
        let put = std::mem::take(&mut self.put[process]);
        self.durable.extend(put);
    }

    fn check(&self, store: &Store) {
        assert_eq!(payloads(store), self.records);
        assert_base(store);
        let cids: Vec<Cid> = self.durable.keys().copied().collect();
        for (found, block) in store.get_many(&cids).unwrap().iter().zip(self.durable.values()) {
            assert_eq!(found.as_ref().expect("promised").data(), block.data());
        }
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }

    fn commit(&mut self, stores: &[Store; 2], process: usize, records: u8) -> bool {
        let payloads: Vec<Payload> = (0..records)
            .map(|_| {
                self.next += 1;
                Payload::Pin { cid: *block(self.next, 8).cid(), name: Some(self.next.to_string()) }
            })
            .collect();
        match stores[process].commit(&hold(&stores[process]), payloads.clone(), Expect::Any) {
            Ok(_) => {
                self.records.extend(payloads);
                self.settle(process);
                true
            }
            Err(CommitError::Store(_)) => {
                // Whole or not at all: the caller finds out which.
                self.records.extend(payloads);
                false
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn open_both(disk: &MemDisk, round: u8) -> [Store; 2] {
    [0, 1].map(|process| {
        Store::open(Arc::new(disk.process()), root(), options(round * 2 + process)).unwrap()
    })
}

fn run(steps: Vec<Step>) {
    let disk = MemDisk::new();
    let mut model = Model::default();
    let mut round = 0;
    let mut stores = open_both(&disk, round);
    for step in steps {
        match step {
            Step::Put { process, number, len } => {
                let block = block(number * 1000 + len as u32, len);
                stores[process].put(&hold(&stores[process]), std::slice::from_ref(&block)).unwrap();
                assert!(stores[process].has(block.cid()).unwrap());
                model.put[process].insert(*block.cid(), block);
            }
            Step::Commit { process, records } => {
                assert!(model.commit(&stores, process, records));
                model.check(&stores[1 - process]);
            }
            Step::Checkpoint { process } => {
                let expected = stores[process].last_lsn().unwrap() == Lsn(0);
                let made = checkpoint(&stores[process]).unwrap();
                assert!(expected || matches!(made, Checkpointed::Made { .. }));
            }
            Step::Restart { process } => {
                round = round.wrapping_add(1);
                stores[process].close().unwrap();
                let store =
                    Store::open(Arc::new(disk.process()), root(), options(round ^ 0x80)).unwrap();
                stores[process] = store;
                model.put[process].clear();
                model.check(&stores[process]);
            }
            Step::Crash { seed, after } => {
                crash(&disk, &mut model, seed, after);
                round = round.wrapping_add(1);
                stores = open_both(&disk, round);
                model.put = Default::default();
                model.check(&stores[0]);
                model.check(&stores[1]);
            }
        }
    }
    model.check(&stores[0]);
}

/// Lets a third process fail in the middle of a commit, then cuts the power.
fn crash(disk: &MemDisk, model: &mut Model, seed: u64, after: u64) {
    let faulty = FaultyDisk::new(Arc::new(disk.process()));
    let faults = faulty.faults();
    let store = Store::open(Arc::new(faulty), root(), options(0x70)).unwrap();
    faults.fail_from(faults.operations() + after);
    let block = block(77_000_000 + model.next, 700);
    let before = model.records.len();
    model.next += 1;
    let payloads = [(); 2].map(|()| Payload::Delta { delta: *block.cid() }).to_vec();
    let done = store.hold().map_err(CommitError::from).and_then(|hold| {
        store.put(&hold, std::slice::from_ref(&block))?;
        store.commit(&hold, payloads.clone(), Expect::Any)
    });
    let committed = done.is_ok();
    drop(store);
    disk.crash(seed);
    let survivor = Store::open(Arc::new(disk.process()), root(), options(0x71)).unwrap();
    let found = crate::support::payloads(&survivor);
    if committed || found.len() > before {
        model.records.extend(payloads);
        model.durable.insert(*block.cid(), block);
    }
    assert_eq!(found, model.records);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_store_does_what_its_model_does(steps in prop::collection::vec(step(), 1..40)) {
        run(steps);
    }
}

//! Random work of several processes with holds, collections, indexes of many packs and
//! checkpoints, against a model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cidlake_block::{Block, Cid};
use cidlake_store::disk::{FaultyDisk, MemDisk};
use cidlake_store::{Expect, FsckLevel, GcOptions, Hold, Lsn, Payload, Store};
use proptest::prelude::*;

use crate::support::{Pinned, assert_base, block, checkpoint, options, root, try_gc};

const PROCESSES: usize = 3;

/// One step of a process.
#[derive(Debug, Clone)]
enum Step {
    /// Puts under the process's hold, which is taken where there is none.
    Put {
        process: usize,
        number: u32,
    },
    /// Pins what was put, and ends the hold.
    Commit {
        process: usize,
    },
    /// Gives up what was put.
    GiveUp {
        process: usize,
    },
    Unpin {
        process: usize,
        nth: usize,
    },
    /// Takes a hold to read under.
    Read {
        process: usize,
    },
    /// Reads everything under it, and ends it.
    EndRead {
        process: usize,
    },
    Gc {
        process: usize,
        share: u32,
    },
    /// Makes indexes of many packs.
    Index {
        process: usize,
    },
    Checkpoint {
        process: usize,
    },
    Restart {
        process: usize,
    },
    /// Cuts the power in a collection, after so many operations.
    Crash {
        seed: u64,
        after: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let process = 0..PROCESSES;
    prop_oneof![
        8 => (process.clone(), 0..30_u32).prop_map(|(process, number)| Step::Put { process, number }),
        5 => process.clone().prop_map(|process| Step::Commit { process }),
        1 => process.clone().prop_map(|process| Step::GiveUp { process }),
        4 => (process.clone(), 0..30_usize).prop_map(|(process, nth)| Step::Unpin { process, nth }),
        2 => process.clone().prop_map(|process| Step::Read { process }),
        2 => process.clone().prop_map(|process| Step::EndRead { process }),
        4 => (process.clone(), 0..101_u32).prop_map(|(process, share)| Step::Gc { process, share }),
        2 => process.clone().prop_map(|process| Step::Index { process }),
        2 => process.clone().prop_map(|process| Step::Checkpoint { process }),
        2 => process.prop_map(|process| Step::Restart { process }),
        1 => (any::<u64>(), 0..200_u64).prop_map(|(seed, after)| Step::Crash { seed, after }),
    ]
}

/// A block whose size goes with its number.
fn numbered(number: u32) -> Block {
    block(number, 30 + (number as usize * 137) % 900)
}

/// A process, and what it is in the middle of.
struct Process {
    store: Store,
    writing: Option<Hold>,
    put: BTreeSet<u32>,
    reading: Option<(Hold, BTreeSet<u32>)>,
}

/// The lake, and what must be true of it.
struct World {
    disk: MemDisk,
    opened: u8,
    processes: Vec<Process>,
    pinned: BTreeSet<u32>,
}

impl World {
    fn new() -> Self {
        let disk = MemDisk::new();
        let mut world = Self { disk, opened: 0, processes: Vec::new(), pinned: BTreeSet::new() };
        world.open_all();
        world
    }

    fn open(&mut self) -> Process {
        self.opened = self.opened.wrapping_add(1);
        let disk = Arc::new(self.disk.process());
        let store = Store::open(disk, root(), options(self.opened)).unwrap();
        Process { store, writing: None, put: BTreeSet::new(), reading: None }
    }

    fn open_all(&mut self) {
        self.processes.clear();
        for _ in 0..PROCESSES {
            let process = self.open();
            self.processes.push(process);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { process, number } => self.put(process, number),
            Step::Commit { process } => self.commit(process),
            Step::GiveUp { process } => {
                self.processes[process].put.clear();
                self.processes[process].writing = None;
            }
            Step::Unpin { process, nth } => self.unpin(process, nth),
            Step::Read { process } => {
                let hold = self.processes[process].store.hold().unwrap();
                self.processes[process].reading = Some((hold, self.pinned.clone()));
            }
            Step::EndRead { process } => {
                if let Some((_hold, seen)) = self.processes[process].reading.take() {
                    check_here(&self.processes[process].store, &seen);
                }
            }
            Step::Gc { process, share } => self.gc(process, share),
            Step::Index { process } => {
                self.processes[process].store.index_packs(&mut |_| {}).unwrap();
                self.check();
            }
            Step::Checkpoint { process } => {
                checkpoint(&self.processes[process].store).unwrap();
            }
            Step::Restart { process } => {
                self.processes[process].store.close().unwrap();
                self.processes[process] = self.open();
            }
            Step::Crash { seed, after } => self.crash(seed, after),
        }
    }

    fn put(&mut self, process: usize, number: u32) {
        let process = &mut self.processes[process];
        let hold = process.writing.get_or_insert_with(|| process.store.hold().unwrap());
        process.store.put(hold, &[numbered(number)]).unwrap();
        process.put.insert(number);
        check_here(&process.store, &process.put);
    }

    fn commit(&mut self, process: usize) {
        let process = &mut self.processes[process];
        let Some(hold) = process.writing.take() else { return };
        let put = std::mem::take(&mut process.put);
        let pin = |number: &u32| Payload::Pin { cid: *numbered(*number).cid(), name: None };
        process.store.commit(&hold, put.iter().map(pin).collect(), Expect::Any).unwrap();
        self.pinned.extend(put);
        self.check();
    }

    fn unpin(&mut self, process: usize, nth: usize) {
        let Some(number) = self.pinned.iter().nth(nth).copied() else { return };
        let store = &self.processes[process].store;
        let hold = store.hold().unwrap();
        let unpin = Payload::Unpin { cid: *numbered(number).cid() };
        store.commit(&hold, vec![unpin], Expect::Any).unwrap();
        self.pinned.remove(&number);
    }

    fn gc(&mut self, process: usize, share: u32) {
        let store = &self.processes[process].store;
        let hold = store.hold().unwrap();
        let mut alive = Pinned::at(store, &hold).unwrap();
        let options = GcOptions { dry_run: false, live_share_min_percent: share };
        let report = store.gc(&hold, &mut alive, options, &mut |_| {}).unwrap();
        assert_eq!(report.damaged, []);
        self.check();
    }

    /// Cuts the power in a collection by a process more.
    fn crash(&mut self, seed: u64, after: u64) {
        self.opened = self.opened.wrapping_add(1);
        let faulty = FaultyDisk::new(Arc::new(self.disk.process()));
        let faults = faulty.faults();
        let store = Store::open(Arc::new(faulty), root(), options(self.opened)).unwrap();
        faults.fail_from(faults.operations() + after);
        let _ended_somewhere = try_gc(&store, GcOptions::default());
        drop(store);
        self.disk.crash(seed);
        self.open_all();
        self.check();
    }

    /// Every process sees what is pinned, what it reads and what it has put.
    fn check(&self) {
        for process in &self.processes {
            check_here(&process.store, &self.pinned);
            check_here(&process.store, &process.put);
            if let Some((_, seen)) = &process.reading {
                check_here(&process.store, seen);
            }
        }
        let store = &self.processes[0].store;
        assert_base(store);
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
        let mut pins = BTreeMap::new();
        for record in store.records_after(Lsn(0)).unwrap() {
            match record.payload {
                Payload::Pin { cid, .. } => pins.insert(cid, true),
                Payload::Unpin { cid } => pins.insert(cid, false),
                other => panic!("{other:?}"),
            };
        }
        let pinned: BTreeSet<Cid> = self.pinned.iter().map(|at| *numbered(*at).cid()).collect();
        let found = pins.into_iter().filter_map(|(cid, is_pinned)| is_pinned.then_some(cid));
        assert_eq!(found.collect::<BTreeSet<_>>(), pinned);
    }

    /// When everybody is done and a collection is over, nothing is left but what is pinned.
    fn end(mut self) {
        for process in &mut self.processes {
            (process.writing, process.reading) = (None, None);
            process.put.clear();
            process.store.close().unwrap();
        }
        let last = self.open();
        self.processes = vec![last];
        self.gc(0, 101);
        self.gc(0, 101);
        self.check();
        let store = &self.processes[0].store;
        assert_eq!(store.stats().blocks, self.pinned.len() as u64);
    }
}

fn check_here(store: &Store, numbers: &BTreeSet<u32>) {
    let blocks: Vec<Block> = numbers.iter().copied().map(numbered).collect();
    let cids: Vec<Cid> = blocks.iter().map(|block| *block.cid()).collect();
    for (found, block) in store.get_many(&cids).unwrap().iter().zip(&blocks) {
        assert_eq!(found.as_ref().expect("promised").data(), block.data());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_pinned_put_or_held_stays_and_the_rest_goes(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.end();
    }
}

//! Processes on one lake, performing steps, and the oracle that watches them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cidlake_block::{Block, Cid};
use cidlake_store::disk::MemDisk;
use cidlake_store::{
    CommitError, Expect, FsckLevel, GcOptions, Hold, Leased, Liveness, Lsn, Options, Payload,
    Record, Store, StoreError,
};

use super::disk::{Control, SimDisk};
use super::oracle::Oracle;
use super::step::Step;
use crate::dice::Dice;
use crate::support::{block, options, root};

/// A lake and those who use it.
#[derive(Debug)]
pub struct World {
    pub disk: MemDisk,
    pub control: Control,
    pub oracle: Mutex<Oracle>,
    /// Every lease that a process was given, be it still good or not.
    pub leases: Mutex<Vec<(usize, Leased)>>,
    processes: Vec<Mutex<Process>>,
    /// Whether to say what happens, because one cut is tried again.
    is_told: bool,
}

#[derive(Debug, Default)]
struct Process {
    /// The process's view of the disk and its open store.
    running: Option<(MemDisk, Arc<Store>)>,
    /// What it put since its last commit that succeeded, and the hold under which it did.
    put: Vec<Block>,
    hold: Option<Hold>,
    /// What it has found in the log.
    seen: Vec<Payload>,
}

impl World {
    pub fn new(disk: MemDisk, oracle: Oracle, processes: usize) -> Arc<Self> {
        let processes = (0..processes).map(|_| Mutex::default()).collect();
        let (oracle, leases) = (Mutex::new(oracle), Mutex::default());
        let is_told = std::env::var_os("CIDLAKE_SEED").is_some();
        Arc::new(Self { disk, control: Control::default(), oracle, leases, processes, is_told })
    }

    /// The oracle as it is now.
    pub fn oracle(&self) -> Oracle {
        locked(&self.oracle).clone()
    }

    /// Does one step; a failure must have a reason. Returns whether all of it came about: its
    /// interruption or failure may have been due too late.
    pub fn perform(self: &Arc<Self>, step: &Step) -> bool {
        self.tell(step);
        match step {
            Step::During { step, after, other } => {
                let (world, other) = (Arc::clone(self), Step::clone(other));
                let act = Box::new(move || world.perform_simple(&other));
                self.control.interlude(step.process(), *after, act);
                self.perform_simple(step);
            }
            Step::Failing { step, at } => {
                self.control.fail(step.process(), *at);
                self.perform_simple(step);
            }
            Step::Dying { step, at } => {
                self.control.kill(step.process(), *at);
                self.perform_simple(step);
                if self.control.is_dead(step.process()) {
                    self.die(step.process());
                }
            }
            step => self.perform_simple(step),
        }
        self.control.end_step()
    }

    fn perform_simple(&self, step: &Step) {
        let process = step.process();
        self.tell(step);
        let done = match step {
            Step::Put { blocks, .. } => {
                let blocks = blocks.iter().map(|(number, len)| sized(*number, *len)).collect();
                self.put(process, blocks)
            }
            Step::Commit { records, is_careful, .. } => self.commit(process, *records, *is_careful),
            Step::Read { .. } => self.read(process),
            Step::Check { .. } => self.check(process),
            Step::Collect { seed, percent, .. } => self.collect(process, *seed, *percent),
            Step::Checkpoint { .. } => self.checkpoint(process),
            Step::Index { .. } => self.index(process),
            Step::Seal { all, .. } => self.seal(process, *all),
            Step::Close { .. } => self.close(process),
            Step::Enqueue { .. }
            | Step::Work { .. }
            | Step::Renew { .. }
            | Step::Change { .. }
            | Step::Wait { .. } => self.operate(step),
            Step::Die { .. } => {
                self.die(process);
                Ok(())
            }
            Step::During { .. } | Step::Failing { .. } | Step::Dying { .. } => {
                unreachable!("{step:?} is within a step")
            }
        };
        if let Err(error) = done {
            self.excuse(process, &error);
        }
    }

    fn tell(&self, what: &dyn std::fmt::Debug) {
        if self.is_told {
            println!("change {}: {what:?}", self.control.changes());
        }
    }

    /// Checks that a process had reason to fail, and that it said the right thing.
    pub fn excuse(&self, process: usize, error: &StoreError) {
        self.tell(error);
        assert!(self.control.is_hurt(process), "process {process} failed for nothing: {error:?}");
        assert!(
            matches!(
                error,
                StoreError::Io { .. } | StoreError::NoSpace { .. } | StoreError::Poisoned { .. }
            ),
            "process {process} takes a failure for something else: {error:?}"
        );
    }

    pub fn put(&self, process: usize, blocks: Vec<Block>) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let hold = self.hold(process, &store)?;
        locked(&self.oracle).hand_over(&blocks);
        store.put(&hold, &blocks)?;
        locked(&self.processes[process]).put.extend(blocks);
        Ok(())
    }

    /// The hold of a process from its first put to its commit.
    fn hold(&self, process: usize, store: &Store) -> Result<Hold, StoreError> {
        if let Some(hold) = &locked(&self.processes[process]).hold {
            return Ok(hold.clone());
        }
        let hold = store.hold()?;
        locked(&self.processes[process]).hold = Some(hold.clone());
        Ok(hold)
    }

    pub fn commit(&self, process: usize, records: u64, is_careful: bool) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let hold = self.hold(process, &store)?;
        let expect = if is_careful { Expect::Last(store.last_lsn()?) } else { Expect::Any };
        let blocks = locked(&self.processes[process]).put.clone();
        let (number, payloads) = {
            let mut oracle = locked(&self.oracle);
            let payloads: Vec<Payload> = (0..records).map(|_| payload(oracle.number())).collect();
            (oracle.begin(&payloads, &blocks), payloads)
        };
        match store.commit(&hold, payloads, expect) {
            Ok(_) => {
                // Reading on fails only where the power is cut, and then it is read afterwards.
                let found = match self.records(process, &store) {
                    Ok(found) => found,
                    Err(error) => {
                        self.excuse(process, &error);
                        locked(&self.oracle).keep(number);
                        return Ok(());
                    }
                };
                locked(&self.oracle).acknowledge(number, &found);
                let mut process = locked(&self.processes[process]);
                process.put.clear();
                process.hold = None;
                Ok(())
            }
            Err(CommitError::Behind { last }) => {
                assert!(matches!(expect, Expect::Last(expected) if last > expected));
                locked(&self.oracle).withdraw(number);
                Ok(())
            }
            Err(CommitError::Store(error)) => {
                locked(&self.oracle).fail(number);
                Err(error)
            }
        }
    }

    /// The records as a process finds them; it never goes back in time.
    fn records(&self, process: usize, store: &Store) -> Result<Vec<Payload>, StoreError> {
        let at_least = locked(&self.oracle).settled_records();
        let records = store.records_after(Lsn(0))?;
        if let Some(base) = store.base() {
            let covered = records.iter().filter(|record| record.lsn <= base.lsn).count();
            assert_eq!(base.state, covered_state(covered), "a checkpoint is not what it covers");
        }
        let found: Vec<Payload> = records.into_iter().map(|record| record.payload).collect();
        assert!(found.len() >= at_least, "settled records are not seen");
        locked(&self.oracle).explain(&found);
        let mut process = locked(&self.processes[process]);
        assert!(found.starts_with(&process.seen), "a process goes back in time");
        process.seen.clone_from(&found);
        Ok(found)
    }

    pub fn read(&self, process: usize) -> Result<(), StoreError> {
        let store = self.store(process)?;
        // What was promised until now stays for as long as this lives.
        let _hold = store.hold()?;
        let (promised, others): (Vec<Block>, Vec<Block>) = {
            let oracle = locked(&self.oracle);
            (oracle.promised().cloned().collect(), oracle.unpromised().cloned().collect())
        };
        let own = locked(&self.processes[process]).put.clone();
        self.records(process, &store)?;
        let must = [promised, own].concat();
        let cids: Vec<Cid> = must.iter().map(|block| *block.cid()).collect();
        for (block, found) in must.iter().zip(store.get_many(&cids)?) {
            let found = found.unwrap_or_else(|| panic!("{} was promised", block.cid()));
            assert_eq!(found.data(), block.data());
            assert!(store.has(block.cid())?);
        }
        for block in &others {
            if let Some(found) = store.get(block.cid())? {
                assert_eq!(found.data(), block.data());
            }
        }
        self.look(&store)
    }

    pub fn check(&self, process: usize) -> Result<(), StoreError> {
        self.read(process)?;
        let report = self.store(process)?.fsck(FsckLevel::Full, &mut |_| {})?;
        assert_eq!(report.damage, []);
        Ok(())
    }

    /// Collects what the oracle says is kept no longer, and what was never promised.
    pub fn collect(&self, process: usize, seed: u64, percent: u64) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let hold = store.hold()?;
        let records = store.records_after(Lsn(0))?.into_iter();
        let found: Vec<Payload> = records
            .filter(|record| record.lsn <= hold.lsn())
            .map(|record| record.payload)
            .collect();
        let mut dice = Dice::of(&[seed]);
        let dead = locked(&self.oracle).begin_collection(&found, |_| dice.below(100) < percent);
        let mut alive = Alive { oracle: &self.oracle, dead };
        let options = GcOptions { live_share_min_percent: 60, ..GcOptions::default() };
        let collected = store.gc(&hold, &mut alive, options, &mut |_| {});
        locked(&self.oracle).end_collection();
        assert_eq!(collected?.damaged, []);
        Ok(())
    }

    /// Writes a checkpoint, whose state says how many records it covers.
    pub fn checkpoint(&self, process: usize) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let records = store.records_after(Lsn(0))?;
        let last = records.last().map_or(Lsn(0), |record| record.lsn);
        store.checkpoint(last, covered_state(records.len())).map(|_| ())
    }

    pub fn index(&self, process: usize) -> Result<(), StoreError> {
        self.store(process)?.index_packs(&mut |_| {}).map(|_| ())
    }

    fn seal(&self, process: usize, all: bool) -> Result<(), StoreError> {
        let store = self.store(process)?;
        if all { store.seal_large() } else { store.seal_own() }
    }

    fn close(&self, process: usize) -> Result<(), StoreError> {
        let closed = self.store(process)?.close();
        *locked(&self.processes[process]) = Process::default();
        closed
    }

    fn die(&self, process: usize) {
        let ended = std::mem::take(&mut *locked(&self.processes[process]));
        if let Some((disk, _store)) = ended.running {
            disk.kill();
        }
    }

    /// Ends everybody, as a power cut does.
    pub fn end(&self) {
        (0..self.processes.len()).for_each(|process| self.die(process));
    }

    /// Takes note of what is found after a power cut.
    pub fn restart(&self, process: usize) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let records = store.records_after(Lsn(0))?;
        let found: Vec<Payload> = records.into_iter().map(|record| record.payload).collect();
        locked(&self.oracle).restart(&found);
        self.look(&store)
    }

    /// The store of a process, which begins with it.
    pub fn store(&self, process: usize) -> Result<Arc<Store>, StoreError> {
        if let Some((_, store)) = &locked(&self.processes[process]).running {
            return Ok(Arc::clone(store));
        }
        self.control.heal(process);
        let inner = self.disk.process();
        let disk = SimDisk { inner: inner.clone(), control: self.control.clone(), process };
        let mut seed = [process as u8; 16];
        seed[..4].copy_from_slice(&locked(&self.oracle).number().to_be_bytes());
        let options = Options { seed, ..options(0) };
        let store = Arc::new(Store::open(Arc::new(disk), root(), options)?);
        locked(&self.processes[process]).running = Some((inner, Arc::clone(&store)));
        Ok(store)
    }
}

/// What a collection takes for alive: all but what the oracle has given up and no record keeps
/// that came since.
struct Alive<'a> {
    oracle: &'a Mutex<Oracle>,
    dead: BTreeSet<Cid>,
}

impl Liveness for Alive<'_> {
    type Error = StoreError;

    fn update(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let oracle = locked(self.oracle);
        for record in records {
            let kept = oracle.kept_by(&record.payload);
            self.dead.retain(|cid| !kept.contains(cid));
        }
        Ok(())
    }

    fn is_live(&self, cid: &Cid) -> bool {
        !self.dead.contains(cid)
    }
}

/// The state of a checkpoint that covers so many records.
fn covered_state(records: usize) -> Bytes {
    (records as u64).to_le_bytes().to_vec().into()
}

fn payload(number: u32) -> Payload {
    let cid = *block(number, 8).cid();
    match number % 3 {
        0 => Payload::Delta { delta: cid },
        1 => Payload::Pin { cid, name: Some(number.to_string()) },
        _ => Payload::Unpin { cid },
    }
}

/// A block that no other number or length gives.
pub fn sized(number: u32, len: usize) -> Block {
    block(number * 10_000 + len as u32, len)
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

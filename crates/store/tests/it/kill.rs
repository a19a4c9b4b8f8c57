//! Real processes on a real folder, killed in the middle of their work.
//!
//! This test program runs itself: a worker is the same program with a folder in its environment.
//! It commits again and again and says so on its standard output, and what it has said must be
//! there whenever it dies. In between it collects, indexes packs and writes checkpoints. `CIDLAKE_KILLS` says how many are killed. The page cache outlives them
//! all, so this is about processes; power cuts are for `simulation` and `image`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use cidlake_block::{Block, Cid};
use cidlake_store::disk::RealDisk;
use cidlake_store::{
    Expect, FsckLevel, GcOptions, Liveness, Lsn, Options, Payload, Record, Store, StoreError,
};

use crate::dice::{Dice, times};
use crate::support::block;

/// The variable that makes a worker of this program: its number and the folder.
const WORKER: &str = "CIDLAKE_TEST_WORKER";
const FOLDER: &str = "CIDLAKE_TEST_FOLDER";
/// What a worker says before the number of a commit.
const DONE: &str = "committed ";

/// Limits so small that packs are sealed and segments end all the time.
fn options(worker: u32) -> Options {
    let mut seed = [0x77; 16];
    seed[..4].copy_from_slice(&worker.to_be_bytes());
    Options {
        create: true,
        pack_bytes_max: 60_000,
        segment_bytes_max: 40_000,
        cache_bytes_max: 0,
        seed,
    }
}

pub fn open(folder: &Path, worker: u32) -> Store {
    Store::open(Arc::new(RealDisk), folder, options(worker)).unwrap()
}

/// The blocks of a commit: one of its own, and one that others put too.
fn blocks(worker: u32, round: u32) -> Vec<Block> {
    let number = worker * 100_000 + round;
    vec![block(number, 50 + (number as usize * 37) % 900), block(3_000_000 + round % 50, 200)]
}

fn payloads(worker: u32, round: u32) -> Vec<Payload> {
    let cid = *blocks(worker, round)[0].cid();
    let name = |part: &str| Some(format!("{worker}.{round}.{part}"));
    vec![Payload::Pin { cid, name: name("first") }, Payload::Pin { cid, name: name("last") }]
}

/// Commits until it is killed or nobody listens any more. Not a test of its own: it passes at once
/// unless this program is run as a worker.
#[test]
fn a_worker_commits_until_it_is_killed() {
    let (Some(worker), Some(folder)) = (std::env::var_os(WORKER), std::env::var_os(FOLDER)) else {
        return;
    };
    let worker: u32 = worker.to_string_lossy().parse().unwrap();
    let store = open(Path::new(&folder), worker);
    for round in 0..u32::MAX {
        let hold = store.hold().unwrap();
        store.put(&hold, &blocks(worker, round)).unwrap();
        store.commit(&hold, payloads(worker, round), Expect::Any).unwrap();
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{DONE}{worker} {round}").and_then(|()| out.flush()).is_err() {
            return;
        }
        drop((out, hold));
        if round % 8 == worker % 8 {
            tidy_up(&store, (round / 8 + worker) % 3);
        }
    }
}

/// Keeps everything.
struct All;

impl Liveness for All {
    type Error = StoreError;

    fn update(&mut self, _records: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_live(&self, _cid: &Cid) -> bool {
        true
    }
}

/// Does one of the things that make files come and go beneath others.
fn tidy_up(store: &Store, what: u32) {
    match what {
        0 => {
            // Every pack that nobody writes to is written anew.
            let options = GcOptions { dry_run: false, live_share_min_percent: 101 };
            let hold = store.hold().unwrap();
            let report = store.gc(&hold, &mut All, options, &mut |_| {}).unwrap();
            assert_eq!(report.damaged, []);
        }
        1 => {
            store.index_packs(&mut |_| {}).unwrap();
        }
        _ => {
            // Somebody else may be faster.
            store.checkpoint(store.last_lsn().unwrap(), Bytes::new()).unwrap();
        }
    }
}

/// A worker; it ends with this.
pub struct Worker(pub Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already.
        let _killed = self.0.kill();
        let _waited = self.0.wait();
    }
}

impl Worker {
    /// Starts a worker; what it has done is sent to `done`, until it ends.
    pub fn start(number: u32, folder: &Path, done: SyncSender<(u32, u32)>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "kill::a_worker_commits_until_it_is_killed",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(WORKER, number.to_string())
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The first line may stand behind what the test harness says.
                let Some((_, said)) = line.split_once(DONE) else { continue };
                let (worker, round) = said.split_once(' ').unwrap();
                if done.send((worker.parse().unwrap(), round.parse().unwrap())).is_err() {
                    return;
                }
            }
        });
        Self(child)
    }
}

/// What workers have said.
pub struct Said {
    pub commits: BTreeSet<(u32, u32)>,
    pub heard: Receiver<(u32, u32)>,
}

impl Said {
    pub fn new() -> (SyncSender<(u32, u32)>, Self) {
        let (sender, heard) = sync_channel(100_000);
        (sender, Self { commits: BTreeSet::new(), heard })
    }

    /// Waits for so many commits.
    pub fn wait(&mut self, commits: u64) {
        for _ in 0..commits {
            self.commits.insert(self.heard.recv().expect("the workers live"));
        }
    }

    /// Takes what was said up to now.
    pub fn catch_up(&mut self) {
        self.commits.extend(self.heard.try_iter());
    }

    /// Checks that everything that was said is in the lake, whole, and nothing is damaged.
    pub fn check(&self, store: &Store) {
        let records = store.records_after(Lsn(0)).unwrap();
        let found: Vec<Payload> = records.into_iter().map(|record| record.payload).collect();
        let names: BTreeSet<String> = found.iter().filter_map(name_of).collect();
        assert_eq!(names.len(), found.len(), "a record is there twice");
        for pair in found.chunks(2) {
            let names: Vec<String> = pair.iter().filter_map(name_of).collect();
            let commit = names[0].strip_suffix(".first").expect("a commit begins with its first");
            assert_eq!(names.get(1), Some(&format!("{commit}.last")), "half a commit");
        }
        for (worker, round) in &self.commits {
            let name = format!("{worker}.{round}.last");
            assert!(names.contains(&name), "commit {round} of worker {worker} is gone");
            for block in blocks(*worker, *round) {
                let here = store.get(block.cid()).unwrap().expect("its blocks are there");
                assert_eq!(here.data(), block.data());
            }
        }
        assert_eq!(store.fsck(FsckLevel::Full, &mut |_| {}).unwrap().damage, []);
    }
}

fn name_of(payload: &Payload) -> Option<String> {
    match payload {
        Payload::Pin { name, .. } => name.clone(),
        _ => None,
    }
}

#[test]
fn a_process_that_is_killed_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let (done, mut said) = Said::new();
    let mut number = 0;
    let mut start = || {
        number += 1;
        Worker::start(number, &lake, done.clone())
    };
    let mut workers: Vec<Worker> = (0..8).map(|_| start()).collect();
    let mut dice = Dice::of(&[9]);
    let kills = times("CIDLAKE_KILLS", 25);
    for kill in 0..kills {
        // Now and then so early that a worker is still opening the lake.
        said.wait(dice.below(16));
        let victim = dice.below(workers.len() as u64) as usize;
        for worker in &mut workers {
            assert_eq!(worker.0.try_wait().unwrap(), None, "a worker has ended by itself");
        }
        workers[victim].0.kill().unwrap();
        workers[victim].0.wait().unwrap();
        said.catch_up();
        // The lake grows, so not every kill is worth a look at all of it.
        if kill % kills.isqrt().max(1) == 0 {
            said.check(&open(&lake, 900_000 + kill as u32));
        }
        workers[victim] = start();
    }
    said.wait(20);
    drop(workers);
    said.catch_up();
    let store = open(&lake, 990_000);
    said.check(&store);
    let hold = store.hold().unwrap();
    store.put(&hold, &blocks(7_777, 0)).unwrap();
    store.commit(&hold, payloads(7_777, 0), Expect::Any).unwrap();
    said.commits.insert((7_777, 0));
    said.check(&open(&lake, 990_001));
}

//! The operation queue: how fast operations are queued and run, and what a long queue costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cidlake_store::disk::RealDisk;
use cidlake_store::{
    LeaseRequest, Leased, NewOperation, OperationParams, OperationResult, Options, Settlement,
    Store,
};

use crate::Failure;
use crate::arguments::Arguments;
use crate::folder::Folder;
use crate::ours::{Ours, Shape};
use crate::random::Random;
use crate::report::{Report, Target, Wanted};
use crate::rivals::{Append, Records};
use crate::rounds::{Figures, Turn, take_turns};

/// Operations that a worker takes at a time.
const AT_ONCE: usize = 256;
/// Operations that are queued at a time where the queue is made long.
const QUEUED_AT_ONCE: usize = 10_000;
/// How often a long queue is asked.
const ASKED: usize = 200;

/// A store that is used as a queue alone.
fn open(folder: &std::path::Path, seed: u8) -> Result<Store, Failure> {
    let options = Options { create: true, seed: [seed; 16], ..Options::default() };
    Ok(Store::open(Arc::new(RealDisk), folder, options)?)
}

fn new(number: u64) -> Result<NewOperation, Failure> {
    let params = std::collections::BTreeMap::from([("number", number)]);
    Ok(NewOperation::new("nothing", OperationParams::of(&params)?)?)
}

fn wish(limit: usize) -> LeaseRequest {
    LeaseRequest {
        kinds: vec!["nothing".into()],
        worker: "bench".into(),
        until_ms: u64::MAX,
        limit,
    }
}

/// Queues operations from many threads, beside commits of records from as many; then runs them
/// while they are queued.
pub(crate) fn measure(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let place = folder.fresh("queue")?;
    let log = Ours::open(&place.join("log"), Shape::default())?;
    let queue = open(&place.join("queue"), 1)?;
    let run = open(&place.join("run"), 2)?;
    let records = Records::default();
    let (turn, threads) = (arguments.turn, arguments.threads);
    let commits = || together(threads, turn, |random| log.append(&[records.next(random)]));
    let enqueue = |store: &Store, random: &mut Random| -> Result<(), Failure> {
        store.enqueue(vec![new(random.number())?], 1)?;
        Ok(())
    };
    let enqueues = || together(threads, turn, |random| enqueue(&queue, random));
    let runs = || through(&run, threads, turn);
    let contestants: Vec<(&str, Turn<'_>)> = vec![
        ("commits of a record", Box::new(commits)),
        ("operations queued", Box::new(enqueues)),
        ("operations queued and run", Box::new(runs)),
    ];
    let figures = take_turns(arguments.rounds, contestants)?;
    let ratio = match figures.as_slice() {
        [commits, enqueues, _] => enqueues.ratio_to(commits),
        _ => f64::NAN,
    };
    let targets = [
        Target { what: "of commits", reached: ratio, wanted: Wanted::AtLeast(0.9) },
        Target {
            what: "queued and run a second",
            reached: figures.last().map_or(f64::NAN, Figures::median),
            wanted: Wanted::AtLeast(20_000.0),
        },
    ];
    let title =
        format!("{threads} threads that queue, each operation durable before its thread goes on");
    report.add(&title, "/s", &figures, &targets);
    long(arguments, folder, report)
}

/// Lets `threads` threads do `step` again and again; returns how often a second.
fn together(
    threads: usize,
    turn: Duration,
    step: impl Fn(&mut Random) -> Result<(), Failure> + Sync,
) -> Result<f64, Failure> {
    let (begin, step) = (Instant::now(), &step);
    let count = AtomicU64::new(0);
    let work = |seed: u64| -> Result<(), Failure> {
        let mut random = Random::new(seed);
        while begin.elapsed() < turn {
            step(&mut random)?;
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let work = &work;
    std::thread::scope(|scope| {
        let start = |seed: usize| scope.spawn(move || work(seed as u64));
        let running: Vec<_> = (0..threads).map(start).collect();
        let ended = running.into_iter().map(|thread| thread.join());
        ended
            .map(|ended| ended.map_err(|_| Failure::from("a thread panicked"))?)
            .collect::<Result<(), Failure>>()
    })?;
    Ok(count.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64())
}

/// Queues operations from many threads while a worker runs them, which does nothing; returns how many
/// are done a second, from the first that was queued to the last that was settled.
fn through(store: &Store, threads: usize, turn: Duration) -> Result<f64, Failure> {
    let begin = Instant::now();
    let is_over = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(store, &is_over));
        let queued = together(threads, turn, |random| {
            store.enqueue(vec![new(random.number())?], 1)?;
            Ok(())
        });
        is_over.store(true, Ordering::SeqCst);
        let done = worker.join().map_err(|_| Failure::from("the worker panicked"))?;
        queued.and(done)
    })?;
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

/// Takes operations and settles them until nothing is left and nobody queues more.
fn work(store: &Store, is_over: &AtomicBool) -> Result<u64, Failure> {
    let mut leased: Vec<Leased> = Vec::new();
    let mut done = 0;
    loop {
        let was_over = is_over.load(Ordering::SeqCst);
        let settle = |one: &Leased| Settlement::completed(one, OperationResult::default());
        let settlements: Vec<Settlement> = leased.iter().map(settle).collect();
        let (kept, next) = store.turn(settlements, Some(wish(AT_ONCE)), 2)?;
        if kept.contains(&false) {
            return Err("a lease was lost".into());
        }
        done += kept.len() as u64;
        leased = next;
        if leased.is_empty() && was_over {
            return Ok(done);
        }
    }
}

/// Asks a queue of as many operations as there are blocks elsewhere.
fn long(arguments: &Arguments, folder: &Folder, report: &mut Report) -> Result<(), Failure> {
    let place = folder.fresh("long")?;
    let store = open(&place, 3)?;
    let mut number = 0;
    while number < arguments.blocks as u64 {
        let some = (0..QUEUED_AT_ONCE as u64).map(|more| new(number + more));
        store.enqueue(some.collect::<Result<_, _>>()?, 1)?;
        number += QUEUED_AT_ONCE as u64;
    }
    let timed = |step: &mut dyn FnMut() -> Result<(), Failure>| -> Result<f64, Failure> {
        let mut times = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            let begin = Instant::now();
            step()?;
            times.push(begin.elapsed().as_secs_f64() * 1_000.0);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[ASKED * 99 / 100])
    };
    let mut figures: Vec<Figures> =
        ["the next operation, durably leased", "how many of each status", "opening"]
            .into_iter()
            .map(Figures::new)
            .collect();
    store.checkpoint(store.last_lsn()?, Vec::new().into())?;
    for _ in 0..arguments.rounds {
        figures[0].of_rounds.push(timed(&mut || {
            let given = store.lease(wish(1), 2)?;
            if given.len() == 1 { Ok(()) } else { Err("there is no next operation".into()) }
        })?);
        figures[1].of_rounds.push(timed(&mut || Ok(store.queue_stats(3).map(drop)?))?);
        let begin = Instant::now();
        drop(open(&place, 4)?);
        figures[2].of_rounds.push(begin.elapsed().as_secs_f64() * 1_000.0);
    }
    let targets = [
        Target {
            what: "the next, in ms",
            reached: figures[0].median(),
            wanted: Wanted::LessThan(1.0),
        },
        Target {
            what: "the status, in ms",
            reached: figures[1].median(),
            wanted: Wanted::LessThan(10.0),
        },
    ];
    let title = format!("a queue of {number} operations: 99th percentile of {ASKED} calls");
    report.add(&title, "ms", &figures, &targets);
    Ok(())
}

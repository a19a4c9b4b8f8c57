//! Records made durable: by one writer, by many, and many at a time.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::arguments::Arguments;
use crate::folder::Folder;
use crate::ours::{Ours, Shape};
use crate::random::Random;
use crate::raw::RawFile;
use crate::report::{Report, Target, Wanted};
use crate::rivals::{Append, Fjall, Record, Records, Redb, Sqlite};
use crate::rounds::{Figures, Turn, rate, take_turns};

const BATCH: usize = 256;

/// Returns the raw file, our store and the rivals, in this order.
fn everybody(folder: &Path) -> Result<Vec<Box<dyn Append>>, Failure> {
    Ok(vec![
        Box::new(RawFile::create(&folder.join("raw"))?),
        Box::new(Ours::open(&folder.join("lake"), Shape::default())?),
        Box::new(Redb::create(folder)?),
        Box::new(Fjall::create(folder)?),
        Box::new(Sqlite::create(folder)?),
    ])
}

/// One writer, one record at a time.
pub(crate) fn one(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let figures = alone(arguments, &folder.fresh("one")?, 1)?;
    let targets = [
        Target {
            what: "of raw fdatasync",
            reached: ratio(&figures, RAW),
            wanted: Wanted::AtLeast(0.9),
        },
        Target {
            what: "of the best rival",
            reached: ratio_to_best_rival(&figures),
            wanted: Wanted::AtLeast(0.95),
        },
    ];
    report.add("one writer, 256-byte records, each durable", "records/s", &figures, &targets);
    Ok(())
}

/// One writer, many records at a time.
pub(crate) fn batch(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let figures = alone(arguments, &folder.fresh("batch")?, BATCH)?;
    let targets = [Target {
        what: "of raw fdatasync",
        reached: ratio(&figures, RAW),
        wanted: Wanted::AtLeast(0.85),
    }];
    report.add("one writer, 256 records of 256 bytes at a time", "records/s", &figures, &targets);
    Ok(())
}

/// Many writers, one record at a time each, beside one writer on the raw file.
pub(crate) fn many(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let everybody = everybody(&folder.fresh("many")?)?;
    let records = Records::default();
    let mut random = Random::new(arguments.seed);
    let mut contestants: Vec<(&str, Turn<'_>)> = Vec::new();
    for (at, who) in everybody.iter().enumerate() {
        let threads = if at == RAW { 1 } else { arguments.threads };
        let (seed, turn, records) = (random.number(), arguments.turn, &records);
        contestants.push((
            who.name(),
            Box::new(move || together(who.as_ref(), records, threads, seed, turn)),
        ));
    }
    let figures = take_turns(arguments.rounds, contestants)?;
    let targets = [
        Target {
            what: "records for each raw fdatasync",
            reached: ratio(&figures, RAW),
            wanted: Wanted::AtLeast(16.7),
        },
        Target {
            what: "of the best rival",
            reached: ratio_to_best_rival(&figures),
            wanted: Wanted::AtLeast(1.0),
        },
    ];
    let title = format!(
        "{} writers, 256-byte records, each durable before its writer goes on (raw: one writer)",
        arguments.threads
    );
    report.add(&title, "records/s", &figures, &targets);
    Ok(())
}

/// Lets everybody append `at_once` records at a time from one thread.
fn alone(arguments: &Arguments, folder: &Path, at_once: usize) -> Result<Vec<Figures>, Failure> {
    let everybody = everybody(folder)?;
    let records = Records::default();
    let mut seeds = Random::new(arguments.seed);
    let mut contestants: Vec<(&str, Turn<'_>)> = Vec::new();
    for who in &everybody {
        let mut random = Random::new(seeds.number());
        let (turn, records) = (arguments.turn, &records);
        let step = move || {
            let some: Vec<Record> = (0..at_once).map(|_| records.next(&mut random)).collect();
            who.append(&some)?;
            Ok(some.len() as u64)
        };
        let mut step = step;
        contestants.push((who.name(), Box::new(move || rate(turn, &mut step))));
    }
    take_turns(arguments.rounds, contestants)
}

/// Lets `threads` threads append one record at a time, and returns the records a second.
fn together(
    who: &dyn Append,
    records: &Records,
    threads: usize,
    seed: u64,
    turn: Duration,
) -> Result<f64, Failure> {
    let begin = Instant::now();
    let counts = std::thread::scope(|scope| {
        let work = |seed| {
            let mut random = Random::new(seed);
            let mut count = 0_u64;
            while begin.elapsed() < turn {
                who.append(&[records.next(&mut random)])?;
                count += 1;
            }
            Ok(count)
        };
        let mut seeds = Random::new(seed);
        let running: Vec<_> = (0..threads)
            .map(|_| seeds.number())
            .map(|seed| scope.spawn(move || work(seed)))
            .collect();
        let ended = running.into_iter().map(|thread| thread.join());
        let counts = ended.map(|count| count.map_err(|_| Failure::from("a writer panicked"))?);
        counts.collect::<Result<Vec<u64>, Failure>>()
    })?;
    Ok(counts.iter().sum::<u64>() as f64 / begin.elapsed().as_secs_f64())
}

/// Where everybody stands in the list of [`everybody`].
const RAW: usize = 0;
const OURS: usize = 1;

fn ratio(figures: &[Figures], to: usize) -> f64 {
    match (figures.get(OURS), figures.get(to)) {
        (Some(ours), Some(other)) => ours.ratio_to(other),
        _ => f64::NAN,
    }
}

fn ratio_to_best_rival(figures: &[Figures]) -> f64 {
    let rivals = OURS + 1..figures.len();
    rivals.map(|rival| ratio(figures, rival)).fold(f64::INFINITY, f64::min)
}

//! Opening a lake: with a long log, and with many blocks. Pages are warm.

use std::path::Path;
use std::time::Instant;

use crate::Failure;
use crate::arguments::Arguments;
use crate::folder::Folder;
use crate::gets;
use crate::ours::{self, Ours, Shape};
use crate::random::Random;
use crate::report::{Report, Target, Wanted};
use crate::rivals::{Append as _, RECORD_BYTES, Records};
use crate::rounds::{Turn, take_turns};

/// Records that are written at a time.
const BATCH: usize = 4096;
/// The size of blocks in the lake of many: what opening costs does not depend on it.
const BLOCK_BYTES: usize = 256;

pub(crate) fn measure(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    log(arguments, &folder.fresh("log")?, report)?;
    folder.fresh("log")?;
    blocks(arguments, &folder.fresh("blocks")?, report)
}

/// How fast the log is read when a lake is opened.
fn log(arguments: &Arguments, lake: &Path, report: &mut Report) -> Result<(), Failure> {
    let count = (arguments.mebibytes << 20) / RECORD_BYTES;
    write_log(lake, arguments.seed, count)?;
    let megabytes = (count * RECORD_BYTES) as f64 / 1e6;
    let contestants: Vec<(&str, Turn<'_>)> = vec![
        (
            "cidlake",
            Box::new(|| {
                let (seconds, counts) = opened(lake)?;
                if counts.1 != count as u64 {
                    return Err("records are missing".into());
                }
                Ok(megabytes / seconds)
            }),
        ),
        (
            "reading the files alone",
            Box::new(|| {
                let begin = Instant::now();
                for path in ours::files(lake, "wal", "wal")? {
                    std::hint::black_box(std::fs::read(path)?);
                }
                Ok(megabytes / begin.elapsed().as_secs_f64())
            }),
        ),
    ];
    let figures = take_turns(arguments.rounds, contestants)?;
    let reached = figures.first().map_or(f64::NAN, |ours| ours.median());
    let targets = [Target { what: "MB/s", reached, wanted: Wanted::AtLeast(500.0) }];
    let title = format!("opening a log of {count} records of 256 bytes, {megabytes:.0} MB");
    report.add(&title, "MB/s", &figures, &targets);
    Ok(())
}

fn write_log(lake: &Path, seed: u64, count: usize) -> Result<(), Failure> {
    let ours = Ours::open(lake, Shape::default())?;
    let records = Records::default();
    let mut random = Random::new(seed);
    let mut rest = count;
    while rest > 0 {
        let batch = rest.min(BATCH);
        let some: Vec<_> = (0..batch).map(|_| records.next(&mut random)).collect();
        ours.append(&some)?;
        rest -= batch;
    }
    ours.close()
}

/// How long a lake of many blocks takes to open.
fn blocks(arguments: &Arguments, lake: &Path, report: &mut Report) -> Result<(), Failure> {
    let count = arguments.blocks;
    let packs = gets::build(lake, arguments.seed, count, BLOCK_BYTES)?;
    let contestants: Vec<(&str, Turn<'_>)> = vec![(
        "cidlake",
        Box::new(|| {
            let (seconds, counts) = opened(lake)?;
            if counts.0 != count as u64 {
                return Err("blocks are missing".into());
            }
            Ok(seconds * 1e3)
        }),
    )];
    let figures = take_turns(arguments.rounds, contestants)?;
    let reached = figures.first().map_or(f64::NAN, |ours| ours.median());
    let targets = [Target { what: "ms", reached, wanted: Wanted::LessThan(300.0) }];
    let title = format!("opening a lake of {count} blocks of {BLOCK_BYTES} bytes in {packs} packs");
    report.add(&title, "ms", &figures, &targets);
    Ok(())
}

/// Opens the lake and returns the seconds that it took, and its blocks and records.
fn opened(lake: &Path) -> Result<(f64, (u64, u64)), Failure> {
    let begin = Instant::now();
    let ours = Ours::open(lake, Shape::default())?;
    let seconds = begin.elapsed().as_secs_f64();
    let counts = ours.counts();
    ours.close()?;
    Ok((seconds, counts))
}

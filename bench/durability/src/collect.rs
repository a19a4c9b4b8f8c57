//! The slowest puts while garbage is collected, beside those when it is not.
//!
//! Each turn has a lake of its own in which a third of the blocks of every pack is live, so that
//! collecting copies them and removes the packs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cidlake_block::{Block, Cid, Codec};

use crate::Failure;
use crate::arguments::Arguments;
use crate::folder::Folder;
use crate::gets;
use crate::ours::{Ours, Shape};
use crate::random::Random;
use crate::report::{Report, Target, Wanted};
use crate::rounds::{Turn, take_turns};

const BLOCK_BYTES: usize = 4 << 10;
/// Blocks that are put at a time.
const BATCH: usize = 16;

pub(crate) fn measure(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let title = "p99 of durable puts of 16 blocks of 4 KiB while garbage is collected";
    let contestants: Vec<(&str, Turn<'_>)> = vec![
        ("while collecting", Box::new(|| turn(arguments, folder, true))),
        ("else", Box::new(|| turn(arguments, folder, false))),
    ];
    let figures = take_turns(arguments.rounds, contestants)?;
    let reached = match figures.as_slice() {
        [collecting, other] => collecting.ratio_to(other),
        _ => f64::NAN,
    };
    let targets = [Target { what: "of that without", reached, wanted: Wanted::LessThan(2.0) }];
    report.add(title, "ms", &figures, &targets);
    Ok(())
}

/// A third of all blocks, by their digests.
fn is_live(cid: &Cid) -> bool {
    cid.hash().digest().first().is_some_and(|byte| byte % 3 == 0)
}

/// Puts for as long as a turn lasts and returns the 99th percentile of what a put took, in ms.
fn turn(arguments: &Arguments, folder: &Folder, collects: bool) -> Result<f64, Failure> {
    let lake = folder.fresh("collect")?;
    gets::build(&lake, arguments.seed, (arguments.mebibytes << 20) / BLOCK_BYTES, BLOCK_BYTES)?;
    let times = puts(&lake, arguments.seed + 1, arguments.turn, collects)?;
    let at = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
    let time = times.get(at).ok_or("no put was made")?;
    Ok(time.as_secs_f64() * 1e3)
}

/// Returns what each put took, least first.
fn puts(lake: &Path, seed: u64, turn: Duration, collects: bool) -> Result<Vec<Duration>, Failure> {
    let ours = Ours::open(lake, Shape::default())?;
    let is_over = AtomicBool::new(false);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let collecting = collects.then(|| {
            scope.spawn(|| {
                let mut freed = 0;
                while !is_over.load(Ordering::Relaxed) {
                    freed += ours.collect(is_live)?;
                }
                if freed > 0 { Ok(()) } else { Err(Failure::from("nothing was collected")) }
            })
        });
        let put_all = put_until(&ours, Random::new(seed), turn, &mut times);
        is_over.store(true, Ordering::Relaxed);
        let collected = collecting.map_or(Ok(Ok(())), |thread| thread.join());
        put_all.and(collected.map_err(|_| Failure::from("the collector panicked"))?)
    })?;
    ours.close()?;
    times.sort_unstable();
    Ok(times)
}

fn put_until(
    ours: &Ours,
    mut random: Random,
    turn: Duration,
    times: &mut Vec<Duration>,
) -> Result<(), Failure> {
    let begin = Instant::now();
    while begin.elapsed() < turn {
        let data = (0..BATCH).map(|_| Bytes::from(random.bytes(BLOCK_BYTES)));
        let blocks: Vec<Block> = data.map(|data| Block::new(Codec::Raw, data)).collect();
        let before = Instant::now();
        ours.put(&blocks)?;
        times.push(before.elapsed());
    }
    Ok(())
}

//! Blocks made durable, hashing included: as many threads as there are cores, each hashing and
//! putting a batch and waiting until it is durable.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use bytes::Bytes;
use cidlake_block::{Block, Codec};
use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::arguments::Arguments;
use crate::folder::Folder;
use crate::ours::{Ours, Shape};
use crate::random::Random;
use crate::report::{Report, Target, Wanted};
use crate::rounds::{Figures, Turn, take_turns};

/// A size of blocks, and how many are put at a time.
#[derive(Debug, Clone, Copy)]
struct Size {
    block_bytes: usize,
    batch: usize,
}

const SMALL: Size = Size { block_bytes: 4 << 10, batch: 1024 };
const LARGE: Size = Size { block_bytes: 1 << 20, batch: 16 };

pub(crate) fn measure(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let small = figures(arguments, &folder.fresh("puts-small")?, SMALL)?;
    let [ours, ..] = &small;
    let targets =
        [Target { what: "blocks/s", reached: ours.median(), wanted: Wanted::AtLeast(50_000.0) }];
    let title = "durable puts of 4 KiB blocks, 1024 at a time, hashing included";
    report.add(title, "blocks/s", &small, &targets);
    let large = figures(arguments, &folder.fresh("puts-large")?, LARGE)?;
    let [ours, disk, hash] = &large;
    let slower = if disk.median() < hash.median() { disk } else { hash };
    let targets = [Target {
        what: "of the slower of disk and sha2-256",
        reached: ours.ratio_to(slower),
        wanted: Wanted::AtLeast(0.8),
    }];
    let title = "durable puts of 1 MiB blocks, 16 at a time, hashing included";
    report.add(title, "blocks/s", &large, &targets);
    Ok(())
}

/// Returns the blocks a second of our store, of the disk alone and of the hash alone.
fn figures(arguments: &Arguments, folder: &Path, size: Size) -> Result<[Figures; 3], Failure> {
    let ours = Ours::open(&folder.join("lake"), Shape::default())?;
    let count = (arguments.mebibytes << 20) / size.block_bytes;
    let threads = std::thread::available_parallelism()?.get();
    let random = Mutex::new(Random::new(arguments.seed));
    let fresh = || data(&random, count, size);
    let raw = folder.join("raw");
    let contestants: Vec<(&str, Turn<'_>)> = vec![
        ("cidlake", Box::new(|| timed(&fresh()?, threads, |batch| ours.put(&blocks(batch, size))))),
        ("write and fdatasync of the bytes", Box::new(|| to_disk(&raw, &fresh()?))),
        (
            "sha2-256 on all cores",
            Box::new(|| {
                timed(&fresh()?, threads, |batch| {
                    hash_all(batch, size);
                    Ok(())
                })
            }),
        ),
    ];
    let figures = take_turns(arguments.rounds, contestants)?;
    let per_block = |mut of_one: Figures| {
        of_one.of_rounds.iter_mut().for_each(|seconds| *seconds = count as f64 / *seconds);
        of_one
    };
    let figures = figures.into_iter().map(per_block).collect::<Vec<_>>().try_into();
    figures.map_err(|_| "there are three contestants".into())
}

/// Returns new data in batches.
fn data(random: &Mutex<Random>, count: usize, size: Size) -> Result<Vec<Bytes>, Failure> {
    let mut random = random.lock().map_err(|_| "another thread panicked")?;
    let mut batches = Vec::new();
    let mut rest = count;
    while rest > 0 {
        let batch = rest.min(size.batch);
        batches.push(Bytes::from(random.bytes(batch * size.block_bytes)));
        rest -= batch;
    }
    Ok(batches)
}

fn blocks(batch: &Bytes, size: Size) -> Vec<Block> {
    let begins = (0..batch.len()).step_by(size.block_bytes);
    let data = begins.map(|begin| batch.slice(begin..begin + size.block_bytes));
    data.map(|data| Block::new(Codec::Raw, data)).collect()
}

fn hash_all(batch: &Bytes, size: Size) {
    for data in batch.chunks(size.block_bytes) {
        std::hint::black_box(Sha256::digest(data));
    }
}

/// Lets threads take batches until none is left, and returns the seconds that it took.
fn timed(
    batches: &[Bytes],
    threads: usize,
    work: impl Fn(&Bytes) -> Result<(), Failure> + Sync,
) -> Result<f64, Failure> {
    let begin = Instant::now();
    let waiting = Mutex::new(batches.iter());
    let take = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(batch) = take() {
                        work(batch)?;
                    }
                    Ok::<(), Failure>(())
                })
            })
            .collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| Failure::from("a thread panicked"))?)
    })?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Writes all batches to a new file, syncing after each, and returns the seconds that it took.
fn to_disk(path: &Path, batches: &[Bytes]) -> Result<f64, Failure> {
    let mut file = File::create_new(path)?;
    let begin = Instant::now();
    for batch in batches {
        file.write_all(batch)?;
        file.sync_data()?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(seconds)
}

//! What processes do, as a seed decides. A new ability of the store gets a step here and a way to
//! perform it in `world`.

use crate::dice::Dice;

/// One step of one process.
#[derive(Debug, Clone)]
pub enum Step {
    /// Puts blocks, given by number and length; numbers repeat, so that blocks are met again.
    Put { process: usize, blocks: Vec<(u32, usize)> },
    /// Commits so many records; `is_careful` expects the last that it can see.
    Commit { process: usize, records: u64, is_careful: bool },
    /// Reads everything that was promised.
    Read { process: usize },
    /// Reads everything and holds it against its checksums.
    Check { process: usize },
    /// Collects garbage; so many percent of all blocks are kept no longer, as `seed` decides.
    Collect { process: usize, seed: u64, percent: u64 },
    /// Writes a checkpoint.
    Checkpoint { process: usize },
    /// Makes indexes of many packs.
    Index { process: usize },
    /// Seals its pack, or also those that others left.
    Seal { process: usize, all: bool },
    /// Queues so many operations with one request.
    Enqueue { process: usize, count: u64, keyed: bool },
    /// Settles some of what the process has a lease of, as `seed` decides, and takes up to `limit`
    /// operations more, with one request.
    Work { process: usize, limit: usize, seed: u64 },
    /// Makes all leases of the process last so long from now on.
    Renew { process: usize, ms: u64 },
    /// Lets an operation be tried again, or drops it, as `seed` decides.
    Change { process: usize, seed: u64 },
    /// Lets time pass, for everybody.
    Wait { process: usize, ms: u64 },
    /// Ends in order; the process begins anew with its next step.
    Close { process: usize },
    /// Ends as by `kill -9`.
    Die { process: usize },
    /// Does `step`, and before its operation number `after` another process does `other`.
    During { step: Box<Self>, after: u64, other: Box<Self> },
    /// Does `step`, of which one change fails.
    Failing { step: Box<Self>, at: Moment },
    /// Begins `step` and ends as by `kill -9` before one of its changes.
    Dying { step: Box<Self>, at: Moment },
}

/// One of the changes of a step, counted from 0.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    Change(u64),
    /// Of its syncs alone, which are few and matter most.
    Sync(u64),
}

impl Step {
    pub fn process(&self) -> usize {
        match self {
            Self::Put { process, .. }
            | Self::Commit { process, .. }
            | Self::Read { process }
            | Self::Check { process }
            | Self::Collect { process, .. }
            | Self::Checkpoint { process }
            | Self::Index { process }
            | Self::Seal { process, .. }
            | Self::Enqueue { process, .. }
            | Self::Work { process, .. }
            | Self::Renew { process, .. }
            | Self::Change { process, .. }
            | Self::Wait { process, .. }
            | Self::Close { process }
            | Self::Die { process } => *process,
            Self::During { step, .. } | Self::Failing { step, .. } | Self::Dying { step, .. } => {
                step.process()
            }
        }
    }
}

/// The steps of a run.
pub fn steps(dice: &mut Dice, processes: usize) -> Vec<Step> {
    // Leases have to be given out, to end and to be met again, which takes many steps of the queue.
    let (least, more, queue_weight) = dice.weighted(&[(2, (8, 12, 1)), (1, (14, 14, 8))]);
    let count = least + dice.below(more);
    (0..count).map(|_| step(dice, processes, queue_weight)).collect()
}

fn step(dice: &mut Dice, processes: usize, queue_weight: u64) -> Step {
    let process = dice.below(processes as u64) as usize;
    let step = simple(dice, process, queue_weight);
    match dice.below(10) {
        0 => Step::Failing { step: Box::new(step), at: moment(dice) },
        1 => Step::Dying { step: Box::new(step), at: moment(dice) },
        2 | 3 if processes > 1 => {
            let others = processes as u64 - 1;
            let other = (process + 1 + dice.below(others) as usize) % processes;
            let other = Box::new(simple(dice, other, queue_weight));
            Step::During { step: Box::new(step), after: dice.below(40), other }
        }
        _ => step,
    }
}

/// A step; those of the queue weigh `queue_weight` times as much as in most runs.
fn simple(dice: &mut Dice, process: usize, queue_weight: u64) -> Step {
    let kinds = [(40, 0), (40, 1), (6, 2), (4, 3), (5, 4), (9, 5), (6, 6), (6, 7), (6, 8), (5, 9)];
    let of_queue = [(12, 10), (20, 11), (4, 12), (4, 13), (9, 14)];
    let of_queue = of_queue.map(|(weight, kind)| (weight * queue_weight, kind));
    match dice.weighted(&[kinds.as_slice(), &of_queue].concat()) {
        0 => {
            let blocks = (0..=dice.below(3)).map(|_| (dice.below(60) as u32, len(dice))).collect();
            Step::Put { process, blocks }
        }
        1 => Step::Commit { process, records: dice.below(4), is_careful: dice.coin() },
        2 => Step::Read { process },
        3 => Step::Check { process },
        4 => Step::Close { process },
        5 => {
            let percent = dice.weighted(&[(1, 0), (2, 30), (3, 60), (1, 100)]);
            Step::Collect { process, seed: dice.next(), percent }
        }
        6 => Step::Checkpoint { process },
        7 => Step::Index { process },
        8 => Step::Seal { process, all: dice.coin() },
        10 => Step::Enqueue { process, count: 1 + dice.below(3), keyed: dice.coin() },
        11 => Step::Work { process, limit: dice.below(4) as usize, seed: dice.next() },
        12 => Step::Renew { process, ms: dice.below(60) },
        13 => Step::Change { process, seed: dice.next() },
        14 => Step::Wait { process, ms: 1 + dice.below(50) },
        _ => Step::Die { process },
    }
}

fn moment(dice: &mut Dice) -> Moment {
    if dice.coin() { Moment::Change(dice.below(8)) } else { Moment::Sync(dice.below(2)) }
}

/// Lengths of a few kinds, so that the same block turns up again.
fn len(dice: &mut Dice) -> usize {
    dice.weighted(&[(3, 40), (3, 300), (2, 900), (1, 1700), (1, 3100)])
}

//! Power cuts at every change of random work, and at a change of the recovery from each.
//!
//! `step` is what processes do, `world` and `queue` do it, `oracle` and `queue_oracle` say what may
//! be found afterwards, `disk` is the machine. `CIDLAKE_CUTS` says how many cuts are tried;
//! `CIDLAKE_SEED=RUN.CUT` tries one again. A run that is not cut at all is checked as well.

mod disk;
mod oracle;
mod queue;
mod queue_model;
mod queue_oracle;
mod step;
mod world;

use cidlake_store::disk::MemDisk;

use self::oracle::Oracle;
use self::step::{Moment, Step};
use self::world::{World, sized};
use crate::dice::{Dice, times};

/// One run of so many is cut before every change.
const RUNS_FOR_ONE_IN_FULL: u64 = 16;
/// In how many places the others are cut.
const CUTS_OF_A_RUN: u64 = 6;

/// What is left when everybody has ended.
struct Wreck {
    disk: MemDisk,
    oracle: Oracle,
    /// Changes of the disk up to then.
    changes: u64,
}

impl Wreck {
    /// Cuts the power.
    fn crash(self, seed: u64) -> Self {
        self.disk.crash(seed);
        Self { oracle: self.oracle.after_cut(), ..self }
    }

    fn fork(&self) -> Self {
        Self { disk: self.disk.fork(), oracle: self.oracle.clone(), changes: self.changes }
    }
}

/// Says how to try a cut again if the test fails in it.
struct Replay {
    run: u64,
    cut: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { run, cut } = self;
            eprintln!(
                "\nrun {run}, power cut before change {cut}; to try it again:\n    \
                 CIDLAKE_SEED={run}.{cut} cargo test -p cidlake-store simulation\n"
            );
        }
    }
}

/// Does the work of run number `run` until the power is cut before change `cut`.
fn work(run: u64, cut: u64) -> Wreck {
    let mut dice = Dice::of(&[run]);
    let processes = 1 + dice.below(3) as usize;
    let steps = step::steps(&mut dice, processes);
    let world = World::new(MemDisk::new(), Oracle::default(), processes);
    world.control.cut_at(cut);
    for step in &steps {
        world.perform(step);
        if world.control.is_cut() {
            break;
        }
    }
    world.end();
    Wreck { disk: world.disk.clone(), oracle: world.oracle(), changes: world.control.changes() }
}

/// Opens the lake after everybody has ended, checks everything and commits something, until the
/// power is cut before change `cut`.
fn recover(wreck: Wreck, cut: u64) -> Wreck {
    let world = World::new(wreck.disk, wreck.oracle, 2);
    world.control.cut_at(cut);
    let number = 1000 + world.oracle().number();
    let through = world
        .restart(0)
        .and_then(|()| world.check(0))
        .and_then(|()| world.put(0, vec![sized(number, 400), sized(number, 2900)]))
        .and_then(|()| world.put(0, vec![sized(number, 100)]))
        .and_then(|()| world.commit(0, 2, true))
        .and_then(|()| world.check(1))
        .and_then(|()| world.enqueue(1, 2, true))
        .and_then(|()| world.work(0, 1, number.into()))
        .and_then(|()| world.index(1))
        .and_then(|()| world.collect(0, number.into(), 40))
        .and_then(|()| world.checkpoint(0))
        .and_then(|()| world.check(1));
    if let Err(error) = through {
        assert!(world.control.is_cut(), "after everybody has ended: {error:?}");
    }
    world.end();
    Wreck { disk: world.disk.clone(), oracle: world.oracle(), changes: world.control.changes() }
}

/// Does that without a cut, and then all the work that the queue still has.
fn finish(wreck: Wreck) {
    let done = recover(wreck, u64::MAX);
    let world = World::new(done.disk, done.oracle, 1);
    world.drain(0).expect("nothing fails any more");
    world.end();
}

/// Tries one power cut, and another one in the recovery.
fn try_cut(run: u64, cut: u64) {
    let _replay = Replay { run, cut };
    let mut dice = Dice::of(&[run, cut]);
    let mut wreck = work(run, cut);
    // Else only the processes end, and the machine stays up.
    if dice.below(4) > 0 {
        wreck = wreck.crash(dice.next());
    }
    let whole = recover(wreck.fork(), u64::MAX);
    let second = recover(wreck, dice.below(whole.changes));
    let third = recover(second.crash(dice.next()), u64::MAX);
    for done in [whole, third] {
        // With nothing under way a power cut takes nothing.
        finish(done.crash(dice.next()));
    }
}

#[test]
fn a_power_cut_anywhere_loses_nothing_that_was_promised() {
    if let Some(seed) = std::env::var_os("CIDLAKE_SEED") {
        let seed = seed.to_string_lossy();
        let (run, cut) = seed.split_once('.').expect("CIDLAKE_SEED is RUN.CUT");
        return try_cut(run.parse().unwrap(), cut.parse().unwrap());
    }
    let mut left = times("CIDLAKE_CUTS", 500);
    for run in 0.. {
        let changes = {
            let _replay = Replay { run, cut: u64::MAX };
            let wreck = work(run, u64::MAX);
            finish(wreck.fork());
            wreck.changes
        };
        for cut in cuts(run, changes) {
            if left == 0 {
                return;
            }
            left -= 1;
            try_cut(run, cut);
        }
    }
}

/// Where a run is cut: some before every change, most in a few places, for the sake of more runs.
fn cuts(run: u64, changes: u64) -> Vec<u64> {
    if run % RUNS_FOR_ONE_IN_FULL == 1 {
        return (0..=changes).collect();
    }
    let mut dice = Dice::of(&[run, changes]);
    (0..CUTS_OF_A_RUN).map(|_| dice.below(changes + 1)).collect()
}

/// Every step that a process can take, with enough blocks to fill a pack.
fn every_step(process: usize) -> Vec<Step> {
    let number = 10 * process as u32;
    vec![
        Step::Put { process, blocks: vec![(number, 3100), (number + 1, 3100), (99, 300)] },
        Step::Put { process, blocks: vec![(number + 2, 900)] },
        Step::Commit { process, records: 2, is_careful: true },
        Step::Commit { process, records: 0, is_careful: false },
        Step::Check { process },
        Step::Collect { process, seed: 1, percent: 60 },
        Step::Checkpoint { process },
        Step::Index { process },
        Step::Close { process },
        Step::Enqueue { process, count: 3, keyed: true },
        Step::Work { process, limit: 3, seed: 3 },
        Step::Renew { process, ms: 50 },
        Step::Change { process, seed: 4 },
    ]
}

/// Does `step`, and `other` before its operation number `after`; returns whether it came to that.
fn interrupt(step: &Step, other: &Step, after: u64) -> bool {
    let world = World::new(MemDisk::new(), Oracle::default(), 2);
    world.perform(&Step::Commit { process: 0, records: 1, is_careful: false });
    world.perform(&Step::Put { process: 0, blocks: vec![(50, 300)] });
    world.perform(&Step::Put { process: 1, blocks: vec![(51, 900)] });
    world.perform(&Step::Commit { process: 1, records: 0, is_careful: false });
    world.perform(&Step::Enqueue { process: 0, count: 4, keyed: false });
    for process in [0, 1] {
        world.perform(&Step::Work { process, limit: 1, seed: 1 });
    }
    let (step, other) = (Box::new(step.clone()), Box::new(other.clone()));
    let was_interrupted = world.perform(&Step::During { step, after, other });
    for process in [1, 0] {
        world.perform(&Step::Commit { process, records: 1, is_careful: false });
    }
    world.end();
    let oracle = world.oracle();
    let wreck = Wreck { disk: world.disk.clone(), oracle, changes: world.control.changes() };
    recover(wreck.crash(after), u64::MAX);
    was_interrupted
}

#[test]
fn a_step_in_the_middle_of_another_processs_step_harms_neither() {
    let mut interruptions = 0;
    for step in every_step(0) {
        for other in every_step(1) {
            interruptions += (0..).take_while(|after| interrupt(&step, &other, *after)).count();
        }
    }
    assert!(interruptions > 500, "only {interruptions} interruptions");
}

/// Fills packs, of which one change fails, goes on, and cuts the power; returns whether it came to
/// the failure and to the cut.
fn fail_then_cut(failure: u64, cut: u64, seed: u64) -> (bool, bool) {
    let commit = Step::Commit { process: 0, records: 1, is_careful: false };
    let fill = |number| Step::Put { process: 0, blocks: vec![(number, 3100), (number + 1, 40)] };
    let world = World::new(MemDisk::new(), Oracle::default(), 1);
    world.control.cut_at(cut);
    world.perform(&Step::Put { process: 0, blocks: vec![(1, 900)] });
    world.perform(&commit);
    let failing = Step::Failing { step: Box::new(fill(2)), at: Moment::Change(failure) };
    let has_failed = world.perform(&failing);
    for step in [&commit, &fill(4), &commit] {
        world.perform(step);
    }
    let is_cut = world.control.is_cut();
    world.end();
    let wreck = Wreck { disk: world.disk.clone(), oracle: world.oracle(), changes: 0 };
    recover(wreck.crash(seed), u64::MAX);
    (has_failed, is_cut)
}

#[test]
fn a_power_cut_after_a_failure_loses_nothing_that_was_promised() {
    for failure in 0.. {
        let cuts = (0..)
            .take_while(|cut| (0..3).all(|seed| fail_then_cut(failure, *cut, seed * 1000 + cut).1));
        assert!(cuts.count() > 40);
        if !fail_then_cut(failure, u64::MAX, 0).0 {
            assert!(failure > 8, "only {failure} changes could fail");
            return;
        }
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for run in 0..10 {
        let [one, other] = [(); 2].map(|()| {
            let wreck = work(run, u64::MAX);
            (wreck.changes, format!("{:?}", wreck.oracle))
        });
        assert_eq!(one, other);
    }
}

//! Power cuts at every change of random work, and at a change of the recovery from each.
//!
//! `step` is what processes do, `world` does it, `oracle` says what may be found afterwards,
//! `disk` is the machine. `CIDLAKE_CUTS` says how many cuts are tried; `CIDLAKE_SEED=RUN.CUT`
//! tries one again.

mod disk;
mod oracle;
mod step;
mod world;

use cidlake_store::disk::MemDisk;

use self::oracle::Oracle;
use self::world::{World, sized};
use crate::dice::{Dice, times};

/// What a power cut leaves.
struct Wreck {
    disk: MemDisk,
    oracle: Oracle,
    /// Changes of the disk up to the cut.
    changes: u64,
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

/// Opens the lake after a cut, checks everything and commits something, until the power is cut
/// before change `cut`.
fn recover(disk: MemDisk, oracle: Oracle, cut: u64) -> Wreck {
    let world = World::new(disk, oracle, 2);
    world.control.cut_at(cut);
    let number = 1000 + world.oracle().number();
    let through = world
        .restart(0)
        .and_then(|()| world.check(0))
        .and_then(|()| world.put(0, vec![sized(number, 400), sized(number, 2900)]))
        .and_then(|()| world.put(0, vec![sized(number, 100)]))
        .and_then(|()| world.commit(0, 2, true))
        .and_then(|()| world.check(1));
    if let Err(error) = through {
        assert!(world.control.is_cut(), "after a power cut: {error:?}");
    }
    world.end();
    Wreck { disk: world.disk.clone(), oracle: world.oracle(), changes: world.control.changes() }
}

/// Tries one power cut, and another one in the recovery.
fn try_cut(run: u64, cut: u64) {
    let _replay = Replay { run, cut };
    let mut dice = Dice::of(&[run, cut]);
    let wreck = work(run, cut);
    wreck.disk.crash(dice.next());
    let whole = recover(wreck.disk.fork(), wreck.oracle.clone(), u64::MAX);
    let second = recover(wreck.disk, wreck.oracle, dice.below(whole.changes));
    second.disk.crash(dice.next());
    let third = recover(second.disk, second.oracle, u64::MAX);
    // With nothing under way a power cut takes nothing.
    third.disk.crash(dice.next());
    recover(third.disk, third.oracle, u64::MAX);
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
            work(run, u64::MAX).changes
        };
        for cut in 0..=changes {
            if left == 0 {
                return;
            }
            left -= 1;
            try_cut(run, cut);
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

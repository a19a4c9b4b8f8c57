//! Random programs of operations on versions, against a model, on a disk that may lose its power.
//!
//! After every step the heads are what the model says, and the log has the versions that it has;
//! now and then, and at the end, every version is read by every way to it. Between steps processes
//! leave, are killed or lose their disk, in the middle of an operation or of opening the lake: it
//! was done then, or it was not. What others see of an operation that nobody was told is done may
//! go with the power, until something that stands on it is done. `CIDLAKE_PROGRAMS` says how many
//! programs are run; `CIDLAKE_SEED=PROGRAM` runs one again and tells its steps. What a program does
//! depends on its number alone; the bytes of commits have the time in them, so a cut may come to
//! stand elsewhere.

pub mod check;
pub mod draw;
pub mod model;
pub mod system;
pub mod table;
pub mod world;

use std::collections::BTreeMap;

use self::check::{check_all, check_difference, check_disk, check_heads, seen};
use self::model::{Model, Op, Outcome};
use self::system::check_system;
use self::world::{Answer, Machine, perform};
use crate::dice::{Dice, times};
use crate::run;

const STEPS: u64 = 40;
/// How many operations of the disk something takes of which nothing is known yet.
const OPERATIONS: u64 = 150;

/// What happens to a process in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Leaves,
    /// It is killed in the middle of the operation.
    Dies,
    /// The power is cut in the middle of it.
    Darkness,
}

/// A program under way.
struct Program {
    number: u64,
    step: u64,
    dice: Dice,
    model: Model,
    /// What the lake may be again when the power goes, oldest first: what it was before operations
    /// that were found done and that nobody was told of.
    unpromised: Vec<Model>,
    machine: Machine,
    /// How many operations of the disk each kind of operation took the last time.
    operations: BTreeMap<&'static str, u64>,
    is_told: bool,
}

/// Says how to run a program again if the test fails in it.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(number) = self;
            eprintln!(
                "\nprogram {number}; to run it again:\n    \
                 CIDLAKE_SEED={number} cargo test --release -p cidlake --test it program\n"
            );
        }
    }
}

#[test]
fn a_lake_is_what_a_list_of_tables_would_be() {
    if let Some(seed) = std::env::var_os("CIDLAKE_SEED") {
        let number =
            seed.to_string_lossy().parse().expect("CIDLAKE_SEED is the number of a program");
        return program(number, true);
    }
    (0..times("CIDLAKE_PROGRAMS", 12)).for_each(|number| program(number, false));
}

fn program(number: u64, is_told: bool) {
    let _replay = Replay(number);
    run(async move {
        let mut program = Program {
            number,
            step: 0,
            dice: Dice::of(&[number]),
            model: Model::default(),
            unpromised: Vec::new(),
            machine: Machine::new(),
            operations: BTreeMap::new(),
            is_told,
        };
        while program.step < STEPS {
            program.step().await;
            program.step += 1;
        }
        program.end().await;
    });
}

impl Program {
    async fn step(&mut self) {
        let op = draw::op(&mut self.dice, &self.model);
        let fate = self.dice.weighted(&[
            (20, Fate::Stays),
            (2, Fate::Leaves),
            (3, Fate::Dies),
            (5, Fate::Darkness),
        ]);
        let process = self.dice.below(2) as usize;
        if self.is_told {
            eprintln!("{}.{}: process {process} {fate:?}: {op:?}", self.number, self.step);
        }
        let mut after = self.model.clone();
        let outcome = after.apply(&op);
        let (answer, was_hurt) = self.perform(&op, fate, process).await;
        if let Some(answer) = answer {
            self.settle(&op, after, &outcome, answer);
            self.suffer(fate, process).await;
        } else {
            assert!(was_hurt);
            self.suffer(fate, process).await;
            self.find_out(&op, after, &outcome, fate).await;
        }
        self.look().await;
    }

    /// Does the operation; returns what the lake said, unless the process was hurt before it said
    /// that it is done.
    async fn perform(
        &mut self,
        op: &Op,
        fate: Fate,
        process: usize,
    ) -> (Option<Result<Answer, cidlake::Error>>, bool) {
        let usual = *self.operations.get(op.word()).unwrap_or(&OPERATIONS);
        let process = self.machine.process(process).await;
        let (faults, lake) = (process.faults.clone(), process.lake.clone());
        let first = faults.operations();
        let until = match fate {
            Fate::Stays | Fate::Leaves => u64::MAX,
            Fate::Dies | Fate::Darkness => first + self.dice.below(usual + usual / 8 + 2),
        };
        faults.fail_from(until);
        let answer = perform(&lake, &self.model, op).await;
        let last = faults.operations();
        let was_hurt = last > until;
        if self.is_told {
            let answer = answer.as_ref().map_err(ToString::to_string);
            eprintln!("    {answer:?} in {} operations, hurt: {was_hurt}", last - first);
        }
        if !was_hurt {
            faults.clear();
            self.operations.insert(op.word(), last - first);
        }
        (Some(answer).filter(|answer| !was_hurt || answer.is_ok()), was_hurt)
    }

    /// Takes what the lake said over into the model, or finds it wrong.
    fn settle(
        &mut self,
        op: &Op,
        mut after: Model,
        outcome: &Outcome,
        answer: Result<Answer, cidlake::Error>,
    ) {
        let answer = match (answer, outcome) {
            (Err(error), Outcome::Refused(kind)) => {
                assert_eq!(error.kind(), *kind, "{op:?}: {error}");
                return;
            }
            (Err(error), _) => panic!("{op:?} is not to be refused: {error}"),
            (Ok(answer), Outcome::Refused(kind)) => panic!("{op:?} is {kind:?}, not {answer:?}"),
            (Ok(answer), _) => answer,
        };
        self.unpromised.clear();
        match outcome {
            Outcome::Version { counts, may_be_same } => {
                assert_eq!(answer.counts, *counts, "{op:?}");
                assert!(!answer.unchanged || *may_be_same, "{op:?} changes something");
                if answer.unchanged {
                    return;
                }
                let name = op.name().expect("a version is one of a dataset");
                let dataset = after.datasets.get_mut(name).expect("it is there");
                dataset.versions.last_mut().expect("the new version").commit = answer.commit;
            }
            Outcome::Done(counts) => assert_eq!(answer.counts, *counts, "{op:?}"),
            Outcome::Refused(_) => unreachable!("it was done"),
        }
        self.model = after;
    }

    /// Lets happen to the machine what is to happen in this step.
    async fn suffer(&mut self, fate: Fate, process: usize) {
        match fate {
            Fate::Stays => {}
            Fate::Leaves => self.machine.close(process).await,
            Fate::Dies => self.machine.kill(process),
            Fate::Darkness => {
                self.machine.cut_power(self.dice.next());
                if self.dice.below(3) == 0 {
                    let until = self.dice.below(60);
                    // It opens if it takes fewer operations than that.
                    let _opened = self.machine.begin(process, until).await;
                    self.machine.cut_power(self.dice.next());
                }
                self.find_promised().await;
            }
        }
    }

    /// Finds out what the power took of what nobody was promised. What is there now is on the disk.
    async fn find_promised(&mut self) {
        if self.unpromised.is_empty() {
            return;
        }
        let lake = self.machine.process(0).await.lake.clone();
        let seen = seen(&lake).await;
        let mut candidates = std::mem::take(&mut self.unpromised);
        candidates.push(self.model.clone());
        let found = candidates
            .into_iter()
            .rev()
            .find_map(|mut model| seen.compare(&mut model).is_ok().then_some(model));
        // What is none of them is told by whoever compares next.
        self.model = found.unwrap_or_else(|| self.model.clone());
    }

    /// Finds out whether an operation that did not come to its end was done: all of it or nothing.
    async fn find_out(&mut self, op: &Op, mut after: Model, outcome: &Outcome, fate: Fate) {
        let lake = self.machine.process(0).await.lake.clone();
        let seen = seen(&lake).await;
        let Err(not_before) = seen.compare(&mut self.model) else { return };
        let refused = matches!(outcome, Outcome::Refused(_));
        let done = if refused { Err("it is refused".to_owned()) } else { seen.compare(&mut after) };
        if let Err(not_after) = done {
            panic!("{op:?} was done half: {not_before}\nnor is it done: {not_after}");
        }
        let before = std::mem::replace(&mut self.model, after);
        // What is there after the power went is on the disk.
        if fate != Fate::Darkness {
            self.unpromised.push(before);
        }
    }

    /// Compares what there is with the model.
    async fn look(&mut self) {
        let process = self.dice.below(2) as usize;
        let lake = self.machine.process(process).await.lake.clone();
        if let Err(differs) = seen(&lake).await.compare(&mut self.model) {
            panic!("the catalog is another: {differs}");
        }
        check_heads(&lake, &self.model, &mut self.dice).await;
        check_difference(&lake, &self.model, &mut self.dice).await;
        if self.dice.below(12) == 0 {
            check_all(&lake, &self.model).await;
            check_system(&lake, &self.machine).await;
        }
    }

    async fn end(&mut self) {
        self.machine.cut_power(self.dice.next());
        self.find_promised().await;
        for process in 0..2 {
            let lake = self.machine.process(process).await.lake.clone();
            if let Err(differs) = seen(&lake).await.compare(&mut self.model) {
                panic!("the catalog is another: {differs}");
            }
            check_all(&lake, &self.model).await;
            check_disk(&lake).await;
            check_system(&lake, &self.machine).await;
        }
        for _ in 0..10 {
            let lake = self.machine.process(0).await.lake.clone();
            check_difference(&lake, &self.model, &mut self.dice).await;
        }
    }
}

//! `cargo xtask`: the project's chores. It runs the tests and keeps the house rules.
//!
//! It uses the standard library alone, so that it builds in a second on a fresh machine. It holds
//! nothing that the product needs, and it writes nothing outside the target folder.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "chores time their steps and ask the environment where things are"
)]

mod arguments;
mod bench;
mod interop;
mod node;
mod package;
mod planted;
mod process;
mod project;
mod python;
mod suite;
mod tidy;

use std::process::ExitCode;

use crate::arguments::Task;
use crate::project::Project;

/// What `cargo xtask --help` prints.
const HELP: &str = "\
The chores of the project.

Usage: cargo xtask <TASK> [OPTIONS] [-- ARGS…]

Tasks:
  test      Everything that must hold: the house rules, all Rust tests and doc tests in the
            release profile, then the tests against Python and Node, then the Python package
  tidy      The house rules alone; takes a second and compiles nothing
  interop   The tests against Python and Node alone; builds the binary if it is out of date
  python    The Python package alone: builds its wheel, installs it, runs its tests
  planted   Plants known bugs in a copy of the store, one at a time; its tests must notice each
  bench     bench/lineitem.py: `cidlake` beside its rivals; never part of the tests

Options:
  --no-interop   With `test`: leave out the tests against Python and Node, and the package
  -h, --help     Print this text

Behind `--`:
  test      filters for the Rust tests; the rest of the suite is then left out
  interop   arguments for pytest, such as `-k covid`; Node is then left out
  python    arguments for pytest, such as `-k fork`; other checks are then left out
  planted   parts of the names of bugs, such as `sync`; only these are planted
  bench     arguments for the benchmark, such as `--scale 10 --runs 1`

Environment:
  CARGO_TARGET_DIR       where everything is built and installed; `target` by default
  CIDLAKE_DATA           folder with real data; `../shared/data` is used where it exists
  CIDLAKE_REQUIRE_DATA   when set, absent real data is a failure and not a loud skip
  PYTHON                 the Python (3.11 or newer) to use in place of `python3`
  CI                     when set, an absent Python or Node is a failure and not a loud skip

Examples:
  cargo xtask test
  cargo xtask test --no-interop
  cargo xtask test -- crash
  cargo xtask interop -- -k covid
";

fn main() -> ExitCode {
    let task = match arguments::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(message) => {
            eprintln!("error: {message}\n\n`cargo xtask --help` lists the tasks.");
            return ExitCode::from(2);
        }
    };
    match perform(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<(), String> {
    match task {
        Task::Help => {
            print!("{HELP}");
            Ok(())
        }
        Task::Tidy => tidy::run(&project::root()?),
        Task::Test { interop, filters } => suite::run(&Project::locate()?, interop, &filters),
        Task::Interop { arguments } => {
            let project = Project::locate()?;
            suite::build(&project)?;
            interop::run(&project, &arguments)
        }
        Task::Python { arguments } => package::run(&Project::locate()?, &arguments),
        Task::Planted { filters } => planted::run(&Project::locate()?, &filters),
        Task::Bench { arguments } => bench::run(&Project::locate()?, &arguments),
    }
}

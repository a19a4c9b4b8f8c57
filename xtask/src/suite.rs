//! `cargo xtask test`: everything that must hold, cheapest first.
//!
//! One profile and one set of features serve every step, so that the dependency graph is built
//! once: the binary that Python and Node drive is the one that `cargo test` has just built.

use crate::process::{self, Steps};
use crate::project::Project;
use crate::{interop, package, tidy};

/// Runs the suite; with `filters` only the Rust tests that match them.
///
/// # Errors
/// The first step that failed.
pub(crate) fn run(project: &Project, interop: bool, filters: &[String]) -> Result<(), String> {
    let mut steps = Steps::default();
    let result = run_steps(project, interop, filters, &mut steps);
    steps.report();
    result
}

fn run_steps(
    project: &Project,
    interop: bool,
    filters: &[String],
    steps: &mut Steps,
) -> Result<(), String> {
    if filters.is_empty() {
        steps.step("house rules", || tidy::run(&project.root))?;
    }
    steps.step("Rust tests", || {
        let mut command = project.cargo();
        command.args(["test", "--release", "--workspace"]);
        if let Some(data) = project.data()? {
            command.env("CIDLAKE_DATA", data);
        }
        if !filters.is_empty() {
            command.arg("--").args(filters);
        }
        process::run(&mut command)
    })?;
    if interop && filters.is_empty() {
        steps.step("tests against Python and Node", || interop::run(project, &[]))?;
        steps.step("the Python package", || package::run(project, &[]))?;
    }
    Ok(())
}

/// Builds the release binary exactly as the tests build it.
///
/// # Errors
/// Says that it does not build.
pub(crate) fn build(project: &Project) -> Result<(), String> {
    // Not `cargo build`: without the features that test dependencies ask of common crates, some
    // of the graph would be compiled a second time.
    process::run(project.cargo().args(["test", "--release", "--workspace", "--no-run"]))
}

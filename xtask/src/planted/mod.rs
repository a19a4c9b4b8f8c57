//! `cargo xtask planted`: does the store's test suite notice when the store is wrong?
//!
//! Each of the known bugs is planted in a copy of the store, one at a time, and the tests of the
//! copy have to fail: the simulation first, then all of them. The checkout is never changed.

mod bugs;
mod copy;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use self::bugs::{BUGS, Bug};
use self::copy::Copy;
use crate::project::Project;

/// A run of tests that takes longer hangs, which is a failure like any other.
const RUN_MAX: Duration = Duration::from_secs(300);
/// The tests that are tried first, because they see most.
const FIRST: &str = "simulation";

/// What became of the tests.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// They failed; the names of the tests, or what else went wrong.
    Failed(Vec<String>),
}

/// Plants every bug whose name contains one of `filters`, or all of them.
///
/// # Errors
/// Where a bug does not fit the code any more, where tests fail without one, and where a bug is
/// not noticed.
pub(crate) fn run(project: &Project, filters: &[String]) -> Result<(), String> {
    let chosen: Vec<&Bug> = BUGS
        .iter()
        .filter(|bug| filters.is_empty() || filters.iter().any(|part| bug.name.contains(&**part)))
        .collect();
    let copy = Copy::make(project, &project.target.join("planted"))?;
    // All of them are looked for before the first is built.
    for bug in &chosen {
        copy.planted(bug)?;
    }
    eprintln!("the tests without a bug");
    if let Outcome::Failed(tests) = test(&copy, &[])? {
        return Err(format!("tests fail without a bug: {}", tests.join(", ")));
    }
    let mut survivors = Vec::new();
    for (number, bug) in (1..).zip(&chosen) {
        let started = Instant::now();
        let (good, bad) = copy.planted(bug)?;
        copy.write(bug, &bad)?;
        let tested = notice(&copy);
        copy.write(bug, &good)?;
        let said = match tested? {
            Outcome::Passed => {
                survivors.push(bug.name);
                "SURVIVED".to_owned()
            }
            Outcome::Failed(tests) => format!("caught by {}", tests.join(", ")),
        };
        let seconds = started.elapsed().as_secs();
        eprintln!("{number:>3}/{} {}: {said} ({seconds} s)", chosen.len(), bug.name);
    }
    let caught = chosen.len() - survivors.len();
    eprintln!("\n{caught} of {} bugs were caught", chosen.len());
    if survivors.is_empty() {
        return Ok(());
    }
    Err(format!("no test notices: {}", survivors.join("; ")))
}

/// Runs the tests until some fail.
fn notice(copy: &Copy) -> Result<Outcome, String> {
    match test(copy, &[FIRST])? {
        Outcome::Passed => test(copy, &[]),
        failed @ Outcome::Failed(_) => Ok(failed),
    }
}

/// Builds the copy's tests and runs those that match `filters`.
fn test(copy: &Copy, filters: &[&str]) -> Result<Outcome, String> {
    let mut failed = Vec::new();
    for program in build(copy)? {
        let mut command = Command::new(&program);
        command.args(filters).current_dir(copy.store()).env("RUST_BACKTRACE", "0");
        failed.extend(run_tests(command)?);
    }
    Ok(if failed.is_empty() { Outcome::Passed } else { Outcome::Failed(failed) })
}

/// Builds the tests of the copy and returns the programs.
fn build(copy: &Copy) -> Result<Vec<PathBuf>, String> {
    let built = copy
        .cargo()
        .args(["test", "--package", "cidlake-store", "--no-run"])
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    if !built.status.success() {
        return Err(format!("a bug does not compile:\n{said}"));
    }
    let programs = programs(&said, copy.root());
    if programs.is_empty() {
        return Err(format!("cargo names no test program:\n{said}"));
    }
    Ok(programs)
}

/// The programs that cargo says it has built.
fn programs(said: &str, folder: &Path) -> Vec<PathBuf> {
    let lines = said.lines().filter(|line| line.trim_start().starts_with("Executable "));
    let paths = lines.filter_map(|line| line.rsplit_once('(')?.1.strip_suffix(')'));
    paths.map(|path| folder.join(path)).collect()
}

/// Runs a test program to its end and returns the tests that failed.
fn run_tests(mut command: Command) -> Result<Vec<String>, String> {
    let refused = |error: std::io::Error| format!("cannot run the tests: {error}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(refused)?;
    let mut stdout = child.stdout.take().ok_or("the tests have no output")?;
    let (said, heard) = sync_channel(1);
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.read_to_end(&mut bytes);
        // Nobody waits for it any more where the tests hung.
        let _heard = said.send(read.map(|_| String::from_utf8_lossy(&bytes).into_owned()));
    });
    let output = match heard.recv_timeout(RUN_MAX) {
        Ok(output) => output.map_err(refused)?,
        Err(RecvTimeoutError::Timeout) => {
            child.kill().map_err(refused)?;
            child.wait().map_err(refused)?;
            return Ok(vec!["a test that hangs".to_owned()]);
        }
        Err(RecvTimeoutError::Disconnected) => return Err("the tests' output is lost".to_owned()),
    };
    let status = child.wait().map_err(refused)?;
    // It has sent everything.
    let _joined = reader.join();
    let mut failed = failed_tests(&output);
    if failed.is_empty() && !status.success() {
        failed.push(format!("a test program that ended with {status}"));
    }
    Ok(failed)
}

/// The names of the tests that failed.
fn failed_tests(output: &str) -> Vec<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test "));
    lines.filter_map(|line| line.strip_suffix(" ... FAILED")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_failures_are_found_in_what_others_print() {
        let said = "   Compiling x\n  Executable unittests src/lib.rs (/t/debug/deps/x-1)\n  \
                    Executable tests/it/main.rs (t/it-2)\n";
        assert_eq!(
            programs(said, Path::new("/f")),
            [PathBuf::from("/t/debug/deps/x-1"), PathBuf::from("/f/t/it-2")]
        );
        let output = "test a::b ... ok\ntest c::d ... FAILED\nfailures:\n    c::d\n";
        assert_eq!(failed_tests(output), ["c::d"]);
    }
}

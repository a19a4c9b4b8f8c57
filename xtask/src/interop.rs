//! The tests against other implementations: pyarrow, DuckDB, polars and an independent reader of
//! CIDs and CARs in Python; the reference implementation of UnixFS in Node.
//!
//! They drive the release binary from outside and know nothing of its insides.

use std::path::Path;
use std::process::Command;

use crate::project::{self, Project};
use crate::{node, process, python};

/// Runs the tests in Python and, unless `arguments` for pytest narrow the run, in Node.
///
/// # Errors
/// The first program that failed, or the one that is absent where that is a failure.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<(), String> {
    let binary = project.binary();
    if !binary.is_file() {
        return Err(format!("{} was not built", binary.display()));
    }
    let sources = project.root.join("tests/interop");
    let fixtures = project.root.join("fixtures");
    let work = project.target.join("interop");
    let data = project.data()?;
    if data.is_none() {
        let why = "there is no ../shared/data, and CIDLAKE_DATA is not set";
        process::skip("tests on real data", why, project::data_required())?;
    }
    let with_environment = |command: &mut Command| {
        command.env("CIDLAKE_BIN", &binary).env("CIDLAKE_FIXTURES", &fixtures);
        match &data {
            Some(data) => command.env("CIDLAKE_DATA", data),
            None => command.env_remove("CIDLAKE_DATA"),
        };
    };
    run_python(&sources, &work.join("python"), arguments, &with_environment)?;
    if arguments.is_empty() {
        run_node(&sources.join("node"), &work.join("node"), &with_environment)?;
    }
    Ok(())
}

fn run_python(
    sources: &Path,
    folder: &Path,
    arguments: &[String],
    with_environment: &dyn Fn(&mut Command),
) -> Result<(), String> {
    let Some(python) = python::find() else {
        let why = "no python3 of version 3.11 or newer was found; PYTHON may name one";
        return process::skip("tests against Python", why, project::unattended());
    };
    let interpreter = python.environment(folder, &sources.join("requirements.txt"))?;
    let mut command = Command::new(interpreter);
    command
        .args(["-m", "pytest", "-p", "no:cacheprovider"])
        .args(arguments)
        .current_dir(sources.join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    with_environment(&mut command);
    process::run(&mut command)
}

fn run_node(
    sources: &Path,
    folder: &Path,
    with_environment: &dyn Fn(&mut Command),
) -> Result<(), String> {
    let Some(version) = node::find() else {
        let why = "no node of version 20 or newer with npm was found";
        return process::skip("tests against Node", why, project::unattended());
    };
    let tests = node::prepare(sources, folder, &version)?;
    if tests.is_empty() {
        return Err(format!("there are no tests in {}", sources.display()));
    }
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter=spec"]).args(tests).current_dir(folder);
    with_environment(&mut command);
    process::run(&mut command)
}

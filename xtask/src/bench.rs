//! `cargo xtask bench`: runs the benchmark with an environment of its own. It measures; it judges
//! nothing and is part of no test.

use std::process::Command;

use crate::project::Project;
use crate::{process, python};

/// Builds the binary as a user would and runs `bench/lineitem.py` with `arguments`.
///
/// # Errors
/// The first program that failed.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<(), String> {
    let python = python::find().ok_or("the benchmark needs Python 3.11 or newer")?;
    let bench = project.root.join("bench");
    process::run(project.cargo().args(["build", "--release"]))?;
    let folder = project.target.join("bench").join("python");
    let interpreter = python.environment(&folder, &bench.join("requirements.txt"))?;
    process::run(
        Command::new(interpreter)
            .arg(bench.join("lineitem.py"))
            .arg("--binary")
            .arg(project.binary())
            .args(arguments),
    )
}

//! The Python package: its wheel, and the tests that import it from there as a user would.
//!
//! The wheel is built in the same profile and with the same features as everything else, so that
//! only the crate of the package itself is compiled for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{self, Project};
use crate::{process, python};

/// Builds the wheel, installs it and judges it; `arguments` for pytest narrow that to its tests.
///
/// # Errors
/// The first step that failed, or an absent Python where that is a failure.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<(), String> {
    let Some(python) = python::find() else {
        let why = "no python3 of version 3.11 or newer was found; PYTHON may name one";
        return process::skip("the Python package", why, project::unattended());
    };
    let sources = project.root.join("crates/python");
    let work = project.target.join("package");
    let interpreter =
        python.environment(&work.join("python"), &sources.join("tests/requirements.txt"))?;
    let wheel = wheel(project, &sources, &interpreter, &work.join("wheels"))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    process::run(
        Command::new(&interpreter).args(pip).args(["--force-reinstall", "--no-deps"]).arg(&wheel),
    )?;
    process::run(
        Command::new(&interpreter)
            .args(["-m", "pytest", "-p", "no:cacheprovider"])
            .args(arguments)
            .current_dir(&sources)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )?;
    if arguments.is_empty() { judge(&sources, &interpreter, &wheel, &work) } else { Ok(()) }
}

/// Builds the wheel and returns where it is.
fn wheel(
    project: &Project,
    sources: &Path,
    interpreter: &Path,
    folder: &Path,
) -> Result<PathBuf, String> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    process::run(
        Command::new(interpreter)
            .args(["-m", "maturin", "build", "--release", "--locked", "--out"])
            .arg(folder)
            .arg("--interpreter")
            .arg(interpreter)
            .current_dir(sources)
            .env("CARGO_TARGET_DIR", &project.target),
    )?;
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| format!("maturin left no wheel in {}", folder.display()))
}

/// Checks what tests do not: the stable interface of Python, and the types that are declared.
fn judge(sources: &Path, interpreter: &Path, wheel: &Path, work: &Path) -> Result<(), String> {
    let run = |arguments: &[&str]| {
        process::run(
            Command::new(interpreter)
                .arg("-m")
                .args(arguments)
                .current_dir(sources)
                .env("MYPY_CACHE_DIR", work.join("mypy")),
        )
    };
    run(&["abi3audit", "--strict", &wheel.to_string_lossy()])?;
    run(&["mypy", "--config-file", "pyproject.toml", "python/cidlake"])?;
    let allowed = ["--allowlist", "tests/stubtest-allow.txt", "cidlake"];
    run(&[&["mypy.stubtest", "--mypy-config-file", "pyproject.toml"], &allowed[..]].concat())
}

//! A Python environment under the target folder with exactly the packages of one requirements
//! file; made anew only when that file or the Python changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// Prints the version, and fails where it is too old.
const PROBE: &str = "import sys; assert sys.version_info >= (3, 11); print(sys.version)";
/// Name of the file in an environment that says what it was made of.
const STAMP: &str = "made-of.txt";

/// A Python that is new enough.
#[derive(Debug)]
pub(crate) struct Python {
    program: String,
    version: String,
}

/// Finds Python 3.11 or newer, `None` where there is none.
pub(crate) fn find() -> Option<Python> {
    let named = std::env::var("PYTHON").ok().filter(|program| !program.is_empty());
    let programs = named.map_or_else(
        || {
            ["python3", "python", "python3.13", "python3.12", "python3.11"]
                .map(str::to_owned)
                .to_vec()
        },
        |program| vec![program],
    );
    programs.into_iter().find_map(|program| {
        let version = process::answer(Command::new(&program).args(["-c", PROBE]))?;
        Some(Python { program, version })
    })
}

impl Python {
    /// Makes sure that `folder` is an environment with the packages of `requirements`, and
    /// returns its interpreter.
    ///
    /// # Errors
    /// Says which step failed and what to install.
    pub(crate) fn environment(
        &self,
        folder: &Path,
        requirements: &Path,
    ) -> Result<PathBuf, String> {
        let wanted = std::fs::read_to_string(requirements)
            .map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
        let wanted = format!("{}\n{wanted}", self.version);
        let interpreter = interpreter(folder);
        if is_made_of(folder, &wanted) && interpreter.is_file() {
            return Ok(interpreter);
        }
        if folder.exists() {
            std::fs::remove_dir_all(folder)
                .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
        }
        process::run(Command::new(&self.program).args(["-m", "venv"]).arg(folder)).map_err(
            |error| format!("{error}\non Debian and Ubuntu, `apt-get install python3-venv` helps"),
        )?;
        process::run(
            Command::new(&interpreter)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(requirements),
        )?;
        // Written last: an environment that was cut short is made anew.
        std::fs::write(folder.join(STAMP), wanted)
            .map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
        Ok(interpreter)
    }
}

fn is_made_of(folder: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(folder.join(STAMP)).is_ok_and(|made_of| made_of == wanted)
}

fn interpreter(folder: &Path) -> PathBuf {
    if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") }
}

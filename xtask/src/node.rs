//! A folder under the target folder with the Node tests and exactly the packages that their lock
//! file names, so that `node_modules` never lies in the source tree.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// The least Node that runs the tests.
const MAJOR_MIN: u32 = 20;
/// Name of the file in the folder that says what was installed.
const STAMP: &str = "made-of.txt";

/// Returns the version of a Node that is new enough and has npm, `None` where there is none.
pub(crate) fn find() -> Option<String> {
    let version = process::answer(Command::new("node").arg("--version"))?;
    process::answer(npm().arg("--version"))?;
    (major(&version)? >= MAJOR_MIN).then_some(version)
}

/// The number in front of the first point of `v20.1.2`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// Copies the tests of `source` to `folder`, installs their packages there where they changed,
/// and returns the names of the test files in order.
///
/// # Errors
/// Says which file or step failed.
pub(crate) fn prepare(
    source: &Path,
    folder: &Path,
    version: &str,
) -> Result<Vec<OsString>, String> {
    let fail = |error: std::io::Error| {
        format!("cannot copy {} to {}: {error}", source.display(), folder.display())
    };
    std::fs::create_dir_all(folder).map_err(fail)?;
    for stale in scripts(folder).map_err(fail)? {
        std::fs::remove_file(folder.join(stale)).map_err(fail)?;
    }
    let scripts = scripts(source).map_err(fail)?;
    let packages = ["package.json", "package-lock.json"].map(OsString::from);
    for name in scripts.iter().chain(&packages) {
        std::fs::copy(source.join(name), folder.join(name)).map_err(fail)?;
    }
    install(folder, version)?;
    let is_test = |name: &OsString| name.to_string_lossy().ends_with(".test.mjs");
    Ok(scripts.into_iter().filter(is_test).collect())
}

/// Names of the scripts in `folder`, in order.
fn scripts(folder: &Path) -> std::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|extension| extension == "mjs")
            && let Some(name) = path.file_name()
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn install(folder: &Path, version: &str) -> Result<(), String> {
    let lock = std::fs::read_to_string(folder.join("package-lock.json"))
        .map_err(|error| format!("cannot read the lock file of the Node tests: {error}"))?;
    let wanted = format!("{version}\n{lock}");
    let stamp = folder.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == wanted) {
        return Ok(());
    }
    process::run(npm().args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(folder))?;
    std::fs::write(&stamp, wanted)
        .map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_a_number() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("v8.1"), Some(8));
        assert_eq!(major("nothing"), None);
    }
}

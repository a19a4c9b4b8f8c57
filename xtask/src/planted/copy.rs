//! A copy of the store and what it builds on, as a workspace of its own. Cargo's target folder lies
//! beside it, so that a bug costs one crate's build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bugs::Bug;
use crate::project::Project;

/// What is copied, besides the manifest.
const FOLDERS: [&str; 3] = ["crates/block", "crates/store", "fixtures/store"];
/// How the copy is built: quick to build, and quick enough to run.
const PROFILE: &str = "[profile.dev]\nopt-level = 1\ndebug = false\n";

/// The copy.
#[derive(Debug)]
pub(super) struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Makes the copy in `folder`.
    ///
    /// # Errors
    /// Says which file could not be copied.
    pub(super) fn make(project: &Project, folder: &Path) -> Result<Self, String> {
        let original = &project.root;
        let (root, target) = (folder.join("copy"), folder.join("target"));
        let copy = Self { root, target };
        let refused = |error| format!("cannot copy the store to {}: {error}", copy.root.display());
        if copy.root.exists() {
            fs::remove_dir_all(&copy.root).map_err(refused)?;
        }
        for folder in FOLDERS {
            copy_folder(&original.join(folder), &copy.root.join(folder)).map_err(refused)?;
        }
        fs::copy(original.join("Cargo.lock"), copy.root.join("Cargo.lock")).map_err(refused)?;
        let manifest = fs::read_to_string(original.join("Cargo.toml")).map_err(refused)?;
        fs::write(copy.root.join("Cargo.toml"), trimmed(&manifest)).map_err(refused)?;
        Ok(copy)
    }

    /// The folder of the workspace.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the store.
    pub(super) fn store(&self) -> PathBuf {
        self.root.join("crates/store")
    }

    /// Cargo, to be run in the copy.
    pub(super) fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        // It would name the manifest of this program.
        command.env_remove("CARGO_MANIFEST_DIR");
        command
    }

    /// The text of a file as it is, and with the bug in it.
    ///
    /// # Errors
    /// Where the text to be replaced does not stand in the file exactly once.
    pub(super) fn planted(&self, bug: &Bug) -> Result<(String, String), String> {
        let path = self.store().join("src").join(bug.file);
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        match text.matches(bug.good).count() {
            1 => {
                let planted = text.replacen(bug.good, bug.bad, 1);
                Ok((text, planted))
            }
            count => Err(format!(
                "the bug {:?} does not fit {}: what it replaces stands there {count} times; \
                 adapt it in xtask/src/planted/bugs.rs",
                bug.name, bug.file
            )),
        }
    }

    /// Writes the file that a bug is in.
    ///
    /// # Errors
    /// Says that it could not be written.
    pub(super) fn write(&self, bug: &Bug, text: &str) -> Result<(), String> {
        let path = self.store().join("src").join(bug.file);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The workspace's manifest with the two crates as its only members, and one profile.
fn trimmed(manifest: &str) -> String {
    let mut text = String::new();
    for line in manifest.lines() {
        if line.starts_with("[profile.") {
            break;
        }
        if line.starts_with("members = ") {
            text.push_str("members = [\"crates/block\", \"crates/store\"]\n");
        } else if !line.starts_with("default-members = ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text + PROFILE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_keeps_all_but_members_and_profiles() {
        let manifest = "[workspace]\nmembers = [\"a\"]\ndefault-members = [\"a\"]\n\n\
                        [workspace.lints.rust]\nx = \"deny\"\n\n[profile.dev]\ny = 1\n";
        let expected = "[workspace]\nmembers = [\"crates/block\", \"crates/store\"]\n\n\
                        [workspace.lints.rust]\nx = \"deny\"\n\n[profile.dev]\nopt-level = 1\n\
                        debug = false\n";
        assert_eq!(trimmed(manifest), expected);
    }
}

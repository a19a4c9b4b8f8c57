//! A folder of this run on a real disk, removed when the run ends.

use std::path::{Path, PathBuf};

use crate::Failure;

/// File systems that keep nothing over a power cut, so that a durable write costs nothing there.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "devtmpfs"];

/// The folder of this run.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    file_system: String,
}

impl Folder {
    /// Makes a new folder in `dir`; refuses a file system in memory unless that is allowed.
    pub(crate) fn make(dir: &Path, in_memory: bool) -> Result<Self, Failure> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let file_system = file_system_of(&dir);
        if !in_memory && IN_MEMORY.contains(&file_system.as_str()) {
            let dir = dir.display();
            let detail = "nothing is durable there; give a folder on a disk with --dir";
            return Err(format!("{dir} is in memory ({file_system}): {detail}").into());
        }
        let path = dir.join(format!("cidlake-bench-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self { path, file_system })
    }

    /// Returns the name of the file system.
    pub(crate) fn file_system(&self) -> &str {
        &self.file_system
    }

    /// Makes a folder in this one, afresh.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("warning: {} could not be removed: {error}", self.path.display());
        }
    }
}

/// Returns the type of the file system that `dir` is on, as far as the system tells.
fn file_system_of(dir: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut best = (0, "unknown");
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(place), Some(kind)) = (fields.next(), fields.next()) else { continue };
        // Of two mounts on one place the later one hides the other.
        if dir.starts_with(place) && place.len() >= best.0 {
            best = (place.len(), kind);
        }
    }
    best.1.to_owned()
}

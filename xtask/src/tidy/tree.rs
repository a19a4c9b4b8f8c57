//! The files of a checkout, read once. What is built, installed or kept by version control is
//! left out.

use std::path::Path;

/// Files beyond this size are data; only their names count.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// Folders that hold nothing written by hand.
const LEFT_OUT: [&str; 5] = [".git", "target", "node_modules", "__pycache__", ".venv"];

/// A file of the checkout.
#[derive(Debug)]
pub(super) struct File {
    /// Where it is, from the root on, with slashes.
    pub(super) path: String,
    /// Its text; empty where it is none.
    pub(super) text: String,
}

impl File {
    /// Makes a file of its path and text.
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether the name ends with a point and `extension`.
    pub(super) fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }

    /// Whether the file is compiled for tests alone.
    pub(super) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/") || name == "tests.rs" || name == "samples.rs"
    }
}

/// Reads all files below `root`, in the order of their paths.
///
/// # Errors
/// Says which file or folder could not be read.
pub(super) fn read(root: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let place = root.join(&folder);
        let fail = |error: std::io::Error| format!("cannot read {}: {error}", place.display());
        // Cargo marks its target folders so, whatever their name.
        if !folder.is_empty() && place.join("CACHEDIR.TAG").exists() {
            continue;
        }
        for entry in std::fs::read_dir(&place).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let kind = entry.file_type().map_err(fail)?;
            if kind.is_dir() && !LEFT_OUT.contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file() {
                let text = text_of(&entry).map_err(fail)?;
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn text_of(entry: &std::fs::DirEntry) -> std::io::Result<String> {
    if entry.metadata()?.len() > TEXT_BYTES_MAX {
        return Ok(String::new());
    }
    Ok(String::from_utf8(std::fs::read(entry.path())?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_read_without_what_is_built() {
        let files = read(&crate::project::root().unwrap()).unwrap();
        assert!(files.iter().any(|file| file.path == "xtask/src/tidy/tree.rs"));
        assert!(files.iter().any(|file| file.path == ".cargo/config.toml"));
        assert!(!files.iter().any(|file| file.path.contains(".git/")));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }

    #[test]
    fn tests_are_known_by_their_place() {
        for path in ["crates/a/tests/it/main.rs", "crates/a/src/b/tests.rs", "c/src/samples.rs"] {
            assert!(File::new(path, "").is_test(), "{path}");
        }
        for path in ["crates/a/src/lib.rs", "crates/a/src/contests.rs"] {
            assert!(!File::new(path, "").is_test(), "{path}");
        }
    }
}

//! The folder for what queries have no memory for: made among the temporary files when a first
//! statement may need it, and removed with the lake. A process that was killed leaves its folder
//! behind, and the next one that makes its own removes it: whose lock is free has nobody.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cidlake_query::Spill;

const PREFIX: &str = "cidlake-spill-";
const LOCK: &str = "lock";

/// The folder of one open lake.
#[derive(Debug, Default)]
pub(crate) struct SpillFolder {
    held: Mutex<Option<Held>>,
}

/// A folder that nobody else removes while its lock is held.
#[derive(Debug)]
struct Held {
    folder: tempfile::TempDir,
    _lock: File,
}

impl Spill for SpillFolder {
    fn folder(&self) -> std::io::Result<PathBuf> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Cleaners of temporary files may have taken it.
        if let Some(held) = held.as_ref()
            && held.folder.path().is_dir()
        {
            return Ok(held.folder.path().to_owned());
        }
        let made = make(&std::env::temp_dir())?;
        Ok(held.insert(made).folder.path().to_owned())
    }
}

/// Makes a folder within `temporary`, and removes those that nobody holds.
fn make(temporary: &Path) -> std::io::Result<Held> {
    // What cannot be removed is another user's, or another's work: it is no reason to fail.
    drop(remove_left(temporary));
    let folder = private(tempfile::Builder::new().prefix(PREFIX)).tempdir_in(temporary)?;
    // It gets its name once it is locked, or it would look free in between.
    let draft = folder.path().join("draft");
    let lock = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    lock.try_lock().map_err(std::io::Error::from)?;
    std::fs::rename(&draft, folder.path().join(LOCK))?;
    Ok(Held { folder, _lock: lock })
}

/// Lets nobody else in.
fn private<'a, 'n>(
    builder: &'a mut tempfile::Builder<'n, 'n>,
) -> &'a mut tempfile::Builder<'n, 'n> {
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder
}

/// Opens what has the name of a lock. Anybody may have put it there: a pipe is not waited for, and a link
/// not followed.
fn open_lock(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    options.open(path)
}

fn remove_left(temporary: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(temporary)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = open_lock(&entry.path().join(LOCK)) else { continue };
        if lock.metadata()?.is_file() && lock.try_lock().is_ok() {
            // Where another process does the same at once, one of the two finds nothing.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_cleared_away_is_made_again() {
        let spill = SpillFolder::default();
        let folder = spill.folder().unwrap();
        assert_eq!(spill.folder().unwrap(), folder);
        std::fs::remove_dir_all(&folder).unwrap();
        let second = spill.folder().unwrap();
        assert!(second.is_dir() && second != folder);
    }

    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }

    #[test]
    fn folders_that_nobody_holds_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let held = make(temporary.path()).unwrap();
        // A process that was killed: its files are there and its lock is not held.
        let left = temporary.path().join(format!("{PREFIX}left"));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join(LOCK), []).unwrap();
        std::fs::write(left.join("rows"), [7; 100]).unwrap();
        // One that is being made, and a folder of somebody else's.
        let begun = temporary.path().join(format!("{PREFIX}begun"));
        let other = temporary.path().join("other");
        std::fs::create_dir(&begun).unwrap();
        std::fs::create_dir(&other).unwrap();

        // A link to somebody's lock is none.
        let linked = temporary.path().join(format!("{PREFIX}linked"));
        std::fs::create_dir(&linked).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/dev/null", linked.join(LOCK)).unwrap();

        let second = make(temporary.path()).unwrap();
        let mut expected = vec![
            held.folder.path().to_owned(),
            second.folder.path().to_owned(),
            begun,
            other,
            linked,
        ];
        expected.sort();
        assert_eq!(names(temporary.path()), expected);

        drop(held);
        expected.retain(|path| path.exists());
        assert_eq!(expected.len(), 4);
    }
}

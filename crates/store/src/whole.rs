//! Files that are derived from others: each appears whole and durable under its name, or not at all.
//! Nothing is lost with them, so whoever finds one damaged makes it again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, OpenMode, read_vec};
use crate::error::StoreError;

const DRAFT_EXTENSION: &str = ".tmp";

/// A folder of such files.
#[derive(Debug)]
pub(crate) struct WholeFiles<'a> {
    disk: &'a Arc<dyn Disk>,
    folder: PathBuf,
    /// What no other process has in the names of its drafts.
    unique: &'a str,
}

impl<'a> WholeFiles<'a> {
    pub(crate) fn new(disk: &'a Arc<dyn Disk>, folder: PathBuf, unique: &'a str) -> Self {
        Self { disk, folder, unique }
    }

    /// Returns all names in the folder, drafts too, in order.
    pub(crate) fn names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = match self.disk.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(|error| StoreError::read(&self.folder, error))?,
        };
        names.sort_unstable();
        Ok(names)
    }

    /// Writes a file; one that has the name is replaced.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        let draft = self.folder.join(format!("{name}.{}{DRAFT_EXTENSION}", self.unique));
        let refused = |error| StoreError::change(&path, "write", error);
        self.disk.create_dir(&self.folder).map_err(refused)?;
        if let Some(above) = self.folder.parent() {
            self.disk.sync_dir(above).map_err(refused)?;
        }
        let written = || {
            let file = self.disk.open(&draft, OpenMode::WriteOrCreate)?;
            file.truncate(0)?;
            file.write_at(0, content)?;
            file.sync_data()
        };
        if let Err(error) = written() {
            // What a draft that failed takes of a full disk is given back.
            let _removed = self.disk.remove(&draft);
            return Err(refused(error));
        }
        match self.disk.rename(&draft, &path) {
            // Another process wrote the same, and took this for the draft of a dead one.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_there(&path) => {}
            renamed => renamed.map_err(refused)?,
        }
        let synced = self.disk.sync_dir(&self.folder);
        synced.map_err(|error| StoreError::change(&self.folder, "sync", error))
    }

    fn is_there(&self, path: &Path) -> bool {
        self.disk.open(path, OpenMode::Read).is_ok()
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Result<Bytes, StoreError> {
        let path = self.folder.join(name);
        let unread = |error| StoreError::read(&path, error);
        let file = self.disk.open(&path, OpenMode::Read).map_err(unread)?;
        let len = usize::try_from(file.size().map_err(unread)?).unwrap_or(usize::MAX);
        Ok(read_vec(file.as_ref(), 0, len).map_err(unread)?.into())
    }

    /// Removes a file; one that is gone already is no failure.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        match self.disk.remove(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| StoreError::change(&path, "remove", error)),
        }
    }

    /// Removes the drafts of files that `is_done`: those of a process that ended, or was overtaken.
    pub(crate) fn remove_drafts(&self, is_done: impl Fn(&str) -> bool) {
        let Ok(names) = self.names() else { return };
        for name in &names {
            let draft = name.strip_suffix(DRAFT_EXTENSION);
            let of = draft.and_then(|draft| draft.rsplit_once('.'));
            if of.is_some_and(|(of, _unique)| is_done(of)) {
                let _removed = self.remove(name);
            }
        }
    }
}

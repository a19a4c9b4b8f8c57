//! What is to be made durable, and what is to be announced then: packs that this process writes to.
//!
//! How they are written is for `writer`; that a commit syncs first and announces then, for
//! [`crate::commit`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::PackSet;
use crate::disk::DiskFile;
use crate::error::StoreError;
use crate::locked::lock;
use crate::log::Extent;

/// What a commit has to make durable and to announce.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(super) file: Option<(Arc<SyncedFile>, u64)>,
    /// What the commit announces.
    pub(crate) extents: Vec<Extent>,
}

impl Pending {
    /// Makes everything durable that the extents speak of.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.as_ref().map_or(Ok(()), |(file, len)| file.sync_to(*len))
    }
}

/// Durable packs, or beginnings of packs, that no commit has announced.
#[derive(Debug, Default, Clone)]
pub(crate) struct Unannounced {
    /// Held for moments.
    extents: Arc<Mutex<Vec<Extent>>>,
}

impl Unannounced {
    /// Returns what there is, besides packs that others adopted, announced and collected since.
    pub(crate) fn extents(&self, packs: &PackSet) -> Vec<Extent> {
        let mut extents = lock(&self.extents);
        extents.retain(|extent| !packs.is_retired(extent.pack));
        extents.clone()
    }

    /// Takes note that `extents` were announced.
    pub(crate) fn announced(&self, extents: &[Extent]) {
        let mut unannounced = lock(&self.extents);
        for extent in extents {
            // The pack may have grown and been sealed while the commit was on its way.
            unannounced.retain(|other| other.pack != extent.pack || other.len > extent.len);
        }
    }

    pub(super) fn add(&self, extent: Extent) {
        let mut extents = lock(&self.extents);
        extents.retain(|other| other.pack != extent.pack);
        extents.push(extent);
    }
}

/// A file of which it is known how much is durable.
#[derive(Debug)]
pub(super) struct SyncedFile {
    pub(super) file: Box<dyn DiskFile>,
    path: PathBuf,
    /// Held during a sync: two at once on one open file could share one error between them.
    state: Mutex<SyncState>,
}

#[derive(Debug)]
struct SyncState {
    durable: u64,
    /// How a sync failed, if one did.
    poison: Option<StoreError>,
}

impl SyncedFile {
    pub(super) fn new(file: Box<dyn DiskFile>, path: &Path, durable: u64) -> Self {
        let state = Mutex::new(SyncState { durable, poison: None });
        Self { file, path: path.to_owned(), state }
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poison().is_some()
    }

    /// Returns the error of the sync that failed, if one did.
    pub(super) fn poison(&self) -> Option<StoreError> {
        lock(&self.state).poison.clone()
    }

    /// Syncs unless the first `len` bytes are known to be durable.
    pub(super) fn sync_to(&self, len: u64) -> Result<(), StoreError> {
        let mut state = lock(&self.state);
        if state.durable >= len && state.poison.is_none() {
            return Ok(());
        }
        self.sync_locked(&mut state)?;
        state.durable = len;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.sync_locked(&mut lock(&self.state))
    }

    fn sync_locked(&self, state: &mut SyncState) -> Result<(), StoreError> {
        if state.poison.is_none()
            && let Err(error) = self.file.sync_data()
        {
            state.poison = Some(StoreError::poisoned(&self.path, error));
        }
        state.poison.clone().map_or(Ok(()), Err)
    }

    pub(super) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.file.write_at(offset, bytes);
        written.map_err(|error| StoreError::change(&self.path, "write", error))
    }

    pub(super) fn truncate(&self, len: u64) -> Result<(), StoreError> {
        let cut = self.file.truncate(len);
        cut.map_err(|error| StoreError::change(&self.path, "truncate", error))
    }

    /// Appends `bytes` at `end`. Where that fails the file is cut back, so that it ends with a
    /// whole section; where even that fails, the next append or adoption overwrites the rest.
    pub(super) fn append(&self, end: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_at(end, bytes).inspect_err(|_| {
            let _cut_back = self.truncate(end);
        })
    }
}

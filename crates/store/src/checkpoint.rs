//! Checkpoints of a store: the log up to one record as a state, so that opening reads only what
//! came after. What is in the state is for the floors above.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::error::StoreError;
use crate::locked::lock;
use crate::log::{self, LogLock, Lsn};
use crate::store::Store;

/// What a store was opened from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The last record that the state covers.
    pub lsn: Lsn,
    /// What [`Store::checkpoint`] was given.
    pub state: Bytes,
}

/// What became of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpointed {
    /// It is durable.
    Made {
        /// Its size in bytes.
        bytes: u64,
    },
    /// The log has other records than the state covers, or newer checkpoints came first.
    Behind {
        /// The log's last record.
        last: Lsn,
    },
    /// The log is empty.
    Needless,
}

impl Store {
    /// Returns the checkpoint that this store was opened from: the records after it are the ones
    /// to take in.
    #[must_use]
    pub fn base(&self) -> Option<Base> {
        self.base.clone()
    }

    /// Writes a checkpoint: `state` is what the records up to `at` amount to. A store that is
    /// opened later begins with it. Commits of others wait only for the moment in which the
    /// position is taken.
    ///
    /// # Errors
    /// `ReadOnly` or `NoSpace` when the disk refuses, `Poisoned` when this process failed to sync
    /// the log, `LogCorrupt` when the log ends before an older checkpoint; what was there before
    /// stays.
    pub fn checkpoint(&self, at: Lsn, state: Bytes) -> Result<Checkpointed, StoreError> {
        self.check_open()?;
        self.make_folders()?;
        let _only_one = lock(&self.checkpointing);
        let (taken, last) = {
            let mut log_lock = LogLock::take(&self.log_folder)?;
            self.parts().follow_locked(&log_lock)?;
            let mut tail = lock(&self.tail);
            if tail.visible() != at {
                return Ok(Checkpointed::Behind { last: tail.visible() });
            }
            // A checkpoint must not speak of records that a power cut may still take.
            log::mend(&self.log_folder, &mut log_lock, &mut tail)?;
            log::check_strays(&self.log_folder, &tail, &log_lock)?;
            let retired = self.packs.retired_files()?;
            (tail.checkpoint(self.packs.extents(), retired, state), tail.visible())
        };
        let Some(taken) = taken else { return Ok(Checkpointed::Needless) };
        // The checkpoint forgets retired packs whose files are gone, so they must not come back.
        self.packs.sync_names()?;
        let Some(bytes) = log::write_checkpoint(&self.log_folder, &taken, &self.unique)? else {
            return Ok(Checkpointed::Behind { last });
        };
        self.checkpoint_lsn.store(at.0, Ordering::SeqCst);
        self.checkpoint_last.store(taken.last(), Ordering::SeqCst);
        Ok(Checkpointed::Made { bytes })
    }
}

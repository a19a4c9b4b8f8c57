//! Repairing a damaged lake, also one that does not open. How is the store's to know.

use std::sync::Arc;

use cidlake_store::disk::RealDisk;
use cidlake_store::{RepairOptions, RepairReport};

use crate::blocks::blocking;
use crate::error::Error;
use crate::key::fill_random;
use crate::lake::Lake;
use crate::progress::{Progress, ProgressEvent, Unit};
use crate::settings::Settings;

/// What a repair did.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// What was saved or made anew, a sentence each; empty for a lake that needed nothing.
    pub changed: Vec<String>,
    /// What could not be saved, a sentence each.
    pub lost: Vec<String>,
}

impl Lake {
    /// Saves what is whole of a lake whose log or indexes are damaged. What was damaged is kept
    /// aside; damaged blocks stay listed as damage, and come back with good copies (`import`).
    ///
    /// # Errors
    /// `NotFound` when there is no lake, `Unavailable` when the disk refuses.
    pub async fn repair(settings: Settings, progress: Progress) -> Result<Repaired, Error> {
        blocking(move || repair(&settings, &progress)).await
    }
}

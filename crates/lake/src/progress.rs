//! How long work reports where it stands. Drawing it is the front end's business.

use std::sync::Arc;

/// What a [`ProgressEvent`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of input or output.
    Bytes,
    /// Rows of a table.
    Rows,
    /// IPLD blocks.
    Blocks,
}

/// One report of a running operation.
#[derive(Clone, Copy, Debug)]
pub struct ProgressEvent {
    /// What is being done, as a verb in the -ing form: "storing".
    pub phase: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is in all, where that is known.
    pub total: Option<u64>,
    /// What `done` and `total` count.
    pub unit: Unit,
}

/// A listener for progress; called from worker threads, so it should return at once.
pub type Progress = Arc<dyn Fn(ProgressEvent) + Send + Sync>;

/// Returns a listener that ignores everything.
#[must_use]
pub fn no_progress() -> Progress {
    Arc::new(|_| {})
}

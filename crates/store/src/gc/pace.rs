//! How fast a collection goes where others commit: it takes one small piece of work at a time, each
//! behind a commit, so that a commit waits for one piece at most. Where nobody commits it waits for
//! nobody.

use std::time::Duration;

use crate::commit::Traffic;

/// The longest that a collection waits for commits before a piece of its work: among many writers
/// there is always one that commits.
const PATIENCE: Duration = Duration::from_millis(5);

/// The pace of one collection.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    traffic: &'a Traffic,
    /// Whether commits wait for the collection, which then must not wait for them.
    pub(super) is_awaited: bool,
}

impl<'a> Pace<'a> {
    pub(super) fn new(traffic: &'a Traffic) -> Self {
        Self { traffic, is_awaited: false }
    }

    /// Lets the commits go first that are being made.
    pub(super) fn step(&self) {
        if !self.is_awaited {
            self.traffic.wait_for_quiet(PATIENCE);
        }
    }
}

//! The hybrid logical clock that stamps deltas: wall time where clocks agree, a counter where
//! they do not.
//!
//! It reads no clock: the local time is an argument. It orders concurrent changes for people (the
//! later one wins); what supersedes what is decided by dots, never by clocks.

use serde::{Deserialize, Serialize};

use crate::limits::CLOCK_AHEAD_MS_MAX;

/// A hybrid logical timestamp, ordered by wall time, then counter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Hlc {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Tells apart what happened within one millisecond, or while a clock stood still.
    pub counter: u32,
}

impl Hlc {
    /// Returns the next timestamp after this one, at `now_ms` if that is later.
    ///
    /// A local clock that stands still or jumps back costs nothing but the counter. Only the very
    /// last timestamp has no next one and is returned again; no delta carries it.
    #[must_use]
    pub fn tick(self, now_ms: u64) -> Self {
        if now_ms > self.wall_ms {
            return Self { wall_ms: now_ms, counter: 0 };
        }
        match (self.counter.checked_add(1), self.wall_ms.checked_add(1)) {
            (Some(counter), _) => Self { wall_ms: self.wall_ms, counter },
            (None, Some(wall_ms)) => Self { wall_ms, counter: 0 },
            (None, None) => self,
        }
    }

    /// Returns the next timestamp after this one and `other`, at `now_ms` if that is later.
    ///
    /// An `other` that is too far ahead of `now_ms` (see [`Self::is_followed_at`]) does not move
    /// the result: one machine with a broken clock must not drag all others into the future.
    #[must_use]
    pub fn observe(self, other: Self, now_ms: u64) -> Self {
        if other.is_followed_at(now_ms) { self.max(other).tick(now_ms) } else { self.tick(now_ms) }
    }

    /// Says whether a clock that shows `now_ms` follows this timestamp: whether it is at most
    /// [`CLOCK_AHEAD_MS_MAX`] ahead.
    ///
    /// A timestamp further ahead keeps its place in the order. Its delta is applied as any other
    /// and wins over concurrent ones until time has caught up; a change that has seen it
    /// supersedes it all the same, with whatever timestamp.
    #[must_use]
    pub fn is_followed_at(self, now_ms: u64) -> bool {
        self.wall_ms <= now_ms.saturating_add(CLOCK_AHEAD_MS_MAX)
    }
}

#[cfg(test)]
mod tests;

//! What is queued by itself, now and then; pure.
//!
//! Time is cut into spans of equal length, and in each span an operation is queued once, by its key,
//! whichever process comes first and however many come.

/// How often each kind of maintenance is queued by itself, in seconds; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Holding what is stored against its checksums.
    pub verify_seconds: u64,
    /// Compacting datasets that need it.
    pub compact_seconds: u64,
    /// Collecting garbage.
    pub gc_seconds: u64,
    /// Making the lake quick to open, and copies of the log.
    pub seal_seconds: u64,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

impl Default for Schedule {
    fn default() -> Self {
        Self { verify_seconds: 7 * DAY, compact_seconds: DAY, gc_seconds: DAY, seal_seconds: HOUR }
    }
}

impl Schedule {
    /// Returns the kinds that are to be queued in the span in which `now_ms` is, each with its key.
    pub(super) fn due(&self, now_ms: u64) -> Vec<(&'static str, String)> {
        let kinds = [
            ("compact", self.compact_seconds),
            ("gc", self.gc_seconds),
            ("seal", self.seal_seconds),
            ("verify", self.verify_seconds),
        ];
        let scheduled = kinds.into_iter().filter(|(_, every)| *every > 0);
        let keyed = scheduled.map(|(kind, every)| {
            let span = now_ms / every.saturating_mul(1_000).max(1);
            (kind, format!("{kind} every {every} s, span {span}"))
        });
        keyed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn a_key_stays_within_a_span_and_changes_with_it() {
        let schedule = Schedule { verify_seconds: 0, gc_seconds: 10, ..Schedule::default() };
        let keys = |now_ms| -> Vec<String> {
            schedule.due(now_ms).into_iter().map(|(_, key)| key).collect()
        };
        assert_eq!(keys(10_000), keys(19_999));
        assert_ne!(keys(19_999), keys(20_000));
        assert!(keys(20_000)[1].starts_with("gc every 10 s, span 2"));
        assert!(schedule.due(0).iter().all(|(kind, _)| *kind != "verify"));
    }
}

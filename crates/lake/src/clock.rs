//! The one place that reads the wall clock; everything below takes the time as a number.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns milliseconds since the Unix epoch; 0 on a clock set before 1970.
#[expect(clippy::disallowed_methods, reason = "the facade is where time enters the system")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

//! When a failed operation is tried again; pure.
//!
//! Exponential backoff with full jitter: the wait is anything between nothing and a bound that
//! doubles with each attempt, so that what failed at once is not tried again at once. (Marc Brooker,
//! "Exponential Backoff And Jitter", 2015.)

/// The bound of the wait after the first attempt, in milliseconds.
pub const RETRY_MS_BASE: u64 = 2_000;
/// The bound that is not passed, in milliseconds.
pub const RETRY_MS_MAX: u64 = 3_600_000;

/// Returns how long to wait after attempt number `attempts`, counted from 1, in milliseconds;
/// `random` is any number, all alike likely.
#[must_use]
pub fn retry_delay_ms(attempts: u32, random: u64) -> u64 {
    let doublings = attempts.saturating_sub(1).min(u64::BITS - 1);
    let bound = RETRY_MS_BASE.checked_shl(doublings).unwrap_or(RETRY_MS_MAX);
    // A shift loses bits that fall out at the top.
    let bound = if bound >> doublings == RETRY_MS_BASE { bound } else { RETRY_MS_MAX };
    let choices = u128::from(bound.min(RETRY_MS_MAX)) + 1;
    u64::try_from((u128::from(random) * choices) >> u64::BITS).unwrap_or(RETRY_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_anything_up_to_a_bound_that_doubles() {
        let bounds = [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000];
        for (attempts, bound) in (1..).zip(bounds) {
            assert_eq!(retry_delay_ms(attempts, 0), 0);
            assert_eq!(retry_delay_ms(attempts, u64::MAX), bound);
            let half = retry_delay_ms(attempts, u64::MAX / 2);
            assert!(half.abs_diff(bound / 2) <= 1, "{half} of {bound}");
        }
        for attempts in [12, 63, 64, 1_000, u32::MAX] {
            assert_eq!(retry_delay_ms(attempts, u64::MAX), RETRY_MS_MAX);
        }
        assert_eq!(retry_delay_ms(0, u64::MAX), RETRY_MS_BASE);
    }
}

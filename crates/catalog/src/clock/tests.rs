//! Tests of the clock: it only moves forward, and nobody drags it far.

use proptest::prelude::*;

use super::*;

const fn at(wall_ms: u64, counter: u32) -> Hlc {
    Hlc { wall_ms, counter }
}

#[test]
fn ticks() {
    for (before, now_ms, after) in [
        (at(0, 0), 100, at(100, 0)),
        (at(100, 0), 100, at(100, 1)),
        (at(100, 7), 50, at(100, 8)),
        (at(100, 7), 101, at(101, 0)),
        (at(100, u32::MAX), 100, at(101, 0)),
        (at(u64::MAX, 0), 5, at(u64::MAX, 1)),
        (at(u64::MAX, u32::MAX), 5, at(u64::MAX, u32::MAX)),
    ] {
        assert_eq!(before.tick(now_ms), after, "{before:?} at {now_ms}");
    }
}

#[test]
fn a_clock_far_ahead_is_not_followed() {
    let own = at(1_000, 3);
    let edge = 2_000 + CLOCK_AHEAD_MS_MAX;
    assert_eq!(own.observe(at(500, 0), 900), at(1_000, 4));
    assert_eq!(own.observe(at(1_500, 9), 900), at(1_500, 10));
    assert_eq!(own.observe(at(1_500, 9), 2_000), at(2_000, 0));
    assert_eq!(own.observe(at(edge, 2), 2_000), at(edge, 3));
    assert_eq!(own.observe(at(edge + 1, 2), 2_000), at(2_000, 0));
    assert_eq!(own.observe(at(u64::MAX, u32::MAX), 2_000), at(2_000, 0));
    // It is not followed, and yet it is later than what is.
    assert!(at(edge + 1, 2) > own.observe(at(edge + 1, 2), 2_000));
}

prop_compose! {
    fn any_clock()(wall_ms in prop_oneof![0..5_000_u64, any::<u64>()], counter: u32) -> Hlc {
        at(wall_ms, counter)
    }
}

proptest! {
    #[test]
    fn time_only_moves_forward(own in any_clock(), other in any_clock(), now_ms: u64) {
        prop_assume!(own.wall_ms < u64::MAX && other.wall_ms < u64::MAX);
        let next = own.observe(other, now_ms);
        prop_assert!(next > own);
        prop_assert!(next.wall_ms >= now_ms);
        prop_assert_eq!(next > other || !other.is_followed_at(now_ms), true);
        prop_assert!(own.tick(now_ms) > own);
    }

    #[test]
    fn nobody_is_dragged_beyond_the_bound(
        others in proptest::collection::vec(any_clock(), 0..20),
        now_ms in 0..10_000_u64,
    ) {
        let clock = others.iter().fold(Hlc::default(), |clock, other| clock.observe(*other, now_ms));
        // One millisecond more where a counter ran over.
        prop_assert!(clock.wall_ms <= now_ms + CLOCK_AHEAD_MS_MAX + 1);
    }
}

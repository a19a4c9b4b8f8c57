//! Tests of moments as text.

use super::*;

fn check(text: &str, expected: &Result<u64, TimeError>) {
    assert_eq!(&parse(text), expected, "{text:?}");
}

#[test]
fn dates_and_timestamps_are_moments() {
    for (text, unix_ms) in [
        ("1970-01-01", 0),
        ("1970-03-01", 5_097_600_000),
        ("2000-02-29", 951_782_400_000),
        ("2024-02-29", 1_709_164_800_000),
        ("2024-03-01", 1_709_251_200_000),
        ("2100-03-01", 4_107_542_400_000),
        ("2026-01-31", 1_769_817_600_000),
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31t12:00:00z", 1_769_860_800_000),
        ("2026-01-31T12:00:00+00:00", 1_769_860_800_000),
        ("2026-01-31T12:00:00-00:00", 1_769_860_800_000),
        ("2026-01-31T14:00:00+02:00", 1_769_860_800_000),
        ("2026-01-31T06:30:00-05:30", 1_769_860_800_000),
        ("2026-02-01T00:30:00+12:30", 1_769_860_800_000),
        ("2026-01-31T12:00:00.5Z", 1_769_860_800_500),
        ("2026-01-31T12:00:00.007Z", 1_769_860_800_007),
        ("2026-01-31T12:00:00.123456789+00:00", 1_769_860_800_123),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ] {
        check(text, &Ok(unix_ms));
    }
}

#[test]
fn other_texts_say_where_they_go_wrong() {
    for (text, position) in [
        ("", 1),
        ("2026", 5),
        ("2026-1-31", 7),
        ("2026-01-3", 10),
        ("26-01-31", 3),
        ("2026/01/31", 5),
        ("2026-01-31 12:00:00Z", 11),
        ("2026-01-31T12:00Z", 17),
        ("2026-01-31T12:00:00.Z", 21),
        ("2026-01-31T12:00:00.1234567890Z", 30),
        ("2026-01-31T12:00:00ZZ", 21),
        ("2026-01-31T12:00:00+0200", 23),
        ("2026-01-31T12:00:00+02", 23),
        ("+2026-01-31", 1),
        ("2026-01-31Z", 11),
        ("２026-01-31", 1),
    ] {
        check(text, &Err(TimeError::Malformed { position }));
    }
    check("2026-01-31T12:00:00", &Err(TimeError::NoOffset));
    check("2026-01-31T12:00:00.25", &Err(TimeError::NoOffset));
    check("1970-01-01T00:00:00+00:01", &Err(TimeError::BeforeEpoch));
}

#[test]
fn fields_that_do_not_exist_are_named() {
    for (text, field, value, min, max) in [
        ("1969-12-31", "year", 1969, 1970, 9999),
        ("2026-00-10", "month", 0, 1, 12),
        ("2026-13-10", "month", 13, 1, 12),
        ("2026-01-00", "day", 0, 1, 31),
        ("2026-04-31", "day", 31, 1, 30),
        ("2026-02-29", "day", 29, 1, 28),
        ("2100-02-29", "day", 29, 1, 28),
        ("2024-02-30", "day", 30, 1, 29),
        ("2026-01-31T24:00:00Z", "hour", 24, 0, 23),
        ("2026-01-31T12:60:00Z", "minute", 60, 0, 59),
        ("2026-12-31T23:59:60Z", "second", 60, 0, 59),
        ("2026-01-31T12:00:00+24:00", "hour of the offset", 24, 0, 23),
        ("2026-01-31T12:00:00+02:60", "minute of the offset", 60, 0, 59),
    ] {
        check(text, &Err(TimeError::OutOfRange { field, value, min, max }));
    }
}

#[test]
fn every_day_follows_the_one_before() {
    let mut expected = 0;
    for year in 1970..2110_u32 {
        for (index, days) in DAYS_IN_MONTH.iter().enumerate() {
            let month = index + 1;
            let leap = month == 2 && (year % 400 == 0 || (year % 4 == 0 && year % 100 != 0));
            for day in 1..=days + u32::from(leap) {
                check(&format!("{year}-{month:02}-{day:02}"), &Ok(expected));
                expected += 24 * 60 * 60 * 1_000;
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,40}|[0-9TZ:.+-]{0,40}") {
        let _ = parse(&text);
    }
}

//! Finds the type of a CSV column from all its values.
//!
//! | every value is | type |
//! |---|---|
//! | empty | Null |
//! | `true` or `false`, in any case | Boolean |
//! | a number as JSON writes it, or `NaN`, `Infinity`, `-Infinity` | see [`Numbers`]; zeros in front and plus signs make text, so that codes keep them |
//! | `YYYY-MM-DD` | Date32 |
//! | `YYYY-MM-DD`, `T` or space, `hh:mm:ss`, up to 9 digits of a second | Timestamp, microseconds, or nanoseconds where there are more than 6 digits |
//! | the same with `Z` or `±hh:mm` | Timestamp in UTC |
//! | anything else | Utf8 |

use arrow::compute::kernels::cast_utils::{Parser, string_to_timestamp_nanos};
use arrow::datatypes::{DataType, Date32Type, TimeUnit};

use crate::ingest::numbers::{Literal, Numbers};

/// What the values of a column may still be.
#[derive(Debug, Clone)]
pub(super) struct Guess {
    seen: bool,
    boolean: bool,
    number: bool,
    date: bool,
    timestamp: bool,
    zoned: bool,
    numbers: Numbers,
    nanos: bool,
    beyond_nanos: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            seen: false,
            boolean: true,
            number: true,
            date: true,
            timestamp: true,
            zoned: true,
            numbers: Numbers::default(),
            nanos: false,
            beyond_nanos: false,
        }
    }
}

impl Guess {
    /// Takes one value into account; nulls are not values.
    pub(super) fn observe(&mut self, value: &str) {
        self.seen = true;
        if self.boolean {
            self.boolean =
                value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
        }
        if self.number {
            self.number = self.observe_number(value);
        }
        if self.date || self.timestamp || self.zoned {
            self.observe_time(value);
        }
    }

    fn observe_number(&mut self, value: &str) -> bool {
        match Literal::parse(value) {
            Some(literal) => self.numbers.observe(literal),
            None if matches!(value, "NaN" | "Infinity" | "-Infinity") => {
                self.numbers.observe_special();
            }
            None => return false,
        }
        true
    }

    fn observe_time(&mut self, value: &str) {
        let moment = Moment::parse(value);
        let clock = moment.as_ref().and_then(|moment| moment.clock.as_ref());
        self.date &= moment.is_some() && clock.is_none();
        self.zoned &= clock.is_some_and(|clock| clock.zoned);
        // A date alone is midnight in a column of local times.
        self.timestamp &= moment.is_some() && clock.is_none_or(|clock| !clock.zoned);
        self.nanos |= clock.is_some_and(|clock| clock.digits > 6);
        self.beyond_nanos |= string_to_timestamp_nanos(value).is_err();
    }

    /// Returns the type that holds every value seen.
    pub(super) fn data_type(&self) -> DataType {
        let unit = if self.nanos { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
        let in_reach = !(self.nanos && self.beyond_nanos);
        if !self.seen {
            DataType::Null
        } else if self.boolean {
            DataType::Boolean
        } else if self.number {
            self.numbers.data_type()
        } else if self.date {
            DataType::Date32
        } else if self.timestamp && in_reach {
            DataType::Timestamp(unit, None)
        } else if self.zoned && in_reach {
            DataType::Timestamp(unit, Some("UTC".into()))
        } else {
            DataType::Utf8
        }
    }
}

/// A date, perhaps with a time of day.
struct Moment {
    clock: Option<Clock>,
}

struct Clock {
    /// Digits behind the second's point.
    digits: usize,
    zoned: bool,
}

impl Moment {
    fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let shaped = matches_shape(date, b"0000-00-00") && Date32Type::parse(date).is_some();
        if !shaped {
            return None;
        }
        if rest.is_empty() {
            return Some(Self { clock: None });
        }
        let rest = rest.strip_prefix(['T', ' '])?;
        Some(Self { clock: Some(Clock::parse(rest)?) })
    }
}

impl Clock {
    fn parse(text: &str) -> Option<Self> {
        let (time, rest) = text.split_at_checked(8)?;
        let in_day = matches_shape(time, b"00:00:00")
            && two_digits(time, 0)? < 24
            && two_digits(time, 3)? < 60
            && two_digits(time, 6)? < 60;
        if !in_day {
            return None;
        }
        let (digits, zone) = match rest.strip_prefix('.') {
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                (digits, rest.get(digits..)?)
            }
            None => (0, rest),
        };
        let fraction = if rest.starts_with('.') { (1..=9).contains(&digits) } else { true };
        let zoned = match zone {
            "" => false,
            "Z" => true,
            offset => is_offset(offset).then_some(true)?,
        };
        fraction.then_some(Self { digits, zoned })
    }
}

/// `+hh:mm` or `-hh:mm`.
fn is_offset(text: &str) -> bool {
    let Some(offset) = text.strip_prefix(['+', '-']) else { return false };
    matches_shape(offset, b"00:00")
        && two_digits(offset, 0).is_some_and(|hours| hours < 24)
        && two_digits(offset, 3).is_some_and(|minutes| minutes < 60)
}

/// Whether `text` is like `shape`, where `0` stands for any digit.
fn matches_shape(text: &str, shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

fn two_digits(text: &str, at: usize) -> Option<u8> {
    text.get(at..at + 2)?.parse().ok()
}

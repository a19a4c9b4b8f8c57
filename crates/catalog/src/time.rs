//! Moments as text: RFC 3339 timestamps and plain dates, to milliseconds since the Unix epoch.
//!
//! Strict and small on purpose: no time zones by name, no local time, no guessing. Formatting of
//! moments is not done here.

/// First year that a moment may lie in.
const YEAR_MIN: u32 = 1970;
/// Days before each month of a common year.
const DAYS_BEFORE_MONTH: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_IN_MONTH: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Why a text is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text has another shape.
    #[error(
        "the time does not have the form 2026-01-31, 2026-01-31T12:00:00Z or \
         2026-01-31T12:00:00+02:00 at character {position}"
    )]
    Malformed {
        /// Where it departs, counted in characters from 1.
        position: usize,
    },
    /// A time of day without an offset could mean any of a day's worth of moments.
    #[error("the time has no offset: add Z for UTC, or an offset such as +02:00")]
    NoOffset,
    /// A field of the date or time does not exist.
    #[error("the {field} of the time is {value}: it must lie between {min} and {max}")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What was written.
        value: u32,
        /// The least that is possible.
        min: u32,
        /// The most that is possible.
        max: u32,
    },
    /// The moment lies before 1970.
    #[error("the time lies before 1970-01-01T00:00:00Z")]
    BeforeEpoch,
}

/// Parses an RFC 3339 timestamp, or a plain date as its first moment in UTC, to Unix milliseconds.
///
/// Fractions of a second beyond milliseconds are cut off.
///
/// # Errors
/// The first rule that the text breaks.
pub fn parse(text: &str) -> Result<u64, TimeError> {
    let mut rest = Scanner { bytes: text.as_bytes(), position: 0 };
    let days = date(&mut rest)?;
    let day_ms = u64::from(days) * 24 * 60 * 60 * 1_000;
    if rest.is_empty() {
        return Ok(day_ms);
    }
    rest.one_of(b"Tt")?;
    let local_ms = day_ms + time_of_day(&mut rest)?;
    let (east, offset_ms) = offset(&mut rest)?;
    if !rest.is_empty() {
        return Err(rest.malformed());
    }
    // East of Greenwich the clock shows more than UTC does.
    if east {
        local_ms.checked_sub(offset_ms).ok_or(TimeError::BeforeEpoch)
    } else {
        Ok(local_ms + offset_ms)
    }
}

/// Reads `YYYY-MM-DD`; returns days since the Unix epoch.
fn date(rest: &mut Scanner<'_>) -> Result<u32, TimeError> {
    let year = rest.number(4)?;
    rest.one_of(b"-")?;
    let month = rest.number(2)?;
    rest.one_of(b"-")?;
    let day = rest.number(2)?;
    in_range("year", year, YEAR_MIN, 9_999)?;
    in_range("month", month, 1, 12)?;
    let leap = is_leap(year);
    let february = u32::from(leap && month == 2);
    let month_index = month as usize - 1;
    let days_in_month = DAYS_IN_MONTH.get(month_index).map_or(0, |days| days + february);
    in_range("day", day, 1, days_in_month)?;
    let before_month = DAYS_BEFORE_MONTH.get(month_index).copied().unwrap_or(0);
    let leap_day = u32::from(leap && month > 2);
    Ok(days_before_year(year) - days_before_year(YEAR_MIN) + before_month + leap_day + day - 1)
}

/// Reads `HH:MM:SS` with an optional fraction; returns milliseconds since midnight.
fn time_of_day(rest: &mut Scanner<'_>) -> Result<u64, TimeError> {
    let hour = rest.number(2)?;
    rest.one_of(b":")?;
    let minute = rest.number(2)?;
    rest.one_of(b":")?;
    let second = rest.number(2)?;
    in_range("hour", hour, 0, 23)?;
    in_range("minute", minute, 0, 59)?;
    in_range("second", second, 0, 59)?;
    let fraction_ms = if rest.take(b'.') { rest.fraction_ms()? } else { 0 };
    Ok(u64::from((hour * 60 + minute) * 60 + second) * 1_000 + fraction_ms)
}

/// Reads `Z`, `+HH:MM` or `-HH:MM`; returns whether it is east, and its milliseconds.
fn offset(rest: &mut Scanner<'_>) -> Result<(bool, u64), TimeError> {
    if rest.is_empty() {
        return Err(TimeError::NoOffset);
    }
    let sign = rest.one_of(b"Zz+-")?;
    if matches!(sign, b'Z' | b'z') {
        return Ok((false, 0));
    }
    let hour = rest.number(2)?;
    rest.one_of(b":")?;
    let minute = rest.number(2)?;
    in_range("hour of the offset", hour, 0, 23)?;
    in_range("minute of the offset", minute, 0, 59)?;
    Ok((sign == b'+', u64::from(hour * 60 + minute) * 60 * 1_000))
}

fn in_range(field: &'static str, value: u32, min: u32, max: u32) -> Result<(), TimeError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(TimeError::OutOfRange { field, value, min, max })
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days of the Gregorian calendar before the first of January of `year`, from year 1 on.
fn days_before_year(year: u32) -> u32 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

/// Reads a text from left to right and knows where it is.
struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Scanner<'_> {
    fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    fn malformed(&self) -> TimeError {
        TimeError::Malformed { position: self.position + 1 }
    }

    /// Takes `byte` if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.position) == Some(&byte);
        self.position += usize::from(found);
        found
    }

    /// Takes the next byte, which must be one of `bytes`.
    fn one_of(&mut self, bytes: &[u8]) -> Result<u8, TimeError> {
        match self.bytes.get(self.position) {
            Some(byte) if bytes.contains(byte) => {
                self.position += 1;
                Ok(*byte)
            }
            _ => Err(self.malformed()),
        }
    }

    /// Takes the next digit.
    fn digit(&mut self) -> Result<u32, TimeError> {
        self.one_of(b"0123456789").map(|byte| u32::from(byte - b'0'))
    }

    /// Takes a number of exactly `digits` digits.
    fn number(&mut self, digits: u32) -> Result<u32, TimeError> {
        (0..digits).try_fold(0, |number, _| Ok(number * 10 + self.digit()?))
    }

    /// Takes one to nine digits behind the point; returns whole milliseconds.
    fn fraction_ms(&mut self) -> Result<u64, TimeError> {
        let mut millionths_of_ms = 0;
        let mut weight = 100_000_000;
        while weight > 0 {
            if !self.bytes.get(self.position).is_some_and(u8::is_ascii_digit) {
                break;
            }
            millionths_of_ms += u64::from(self.digit()?) * weight;
            weight /= 10;
        }
        if weight == 100_000_000 {
            return Err(self.malformed());
        }
        Ok(millionths_of_ms / 1_000_000)
    }
}

#[cfg(test)]
mod tests;

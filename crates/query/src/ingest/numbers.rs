//! Finds the type that holds all numbers of a column without loss, from their text.
//!
//! | the numbers | type |
//! |---|---|
//! | whole, within 64 bits with sign | Int64 |
//! | whole, not negative, within 64 bits | UInt64 |
//! | whole, up to 38 digits | Decimal128(38, 0) |
//! | some with fraction or exponent, none with more than 17 significant digits, whole ones within ±2^53 | Float64 |
//! | else, without exponent, and 38 digits are enough before and behind the point together | Decimal128(38, digits behind the point) |
//! | else | Utf8, the text as it stands |

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};

/// Digits that a 64-bit float keeps.
const FLOAT_DIGITS: usize = 17;
/// Whole numbers up to this are exact as 64-bit floats.
const FLOAT_WHOLE_MAX: u128 = 1 << 53;
const DECIMAL_DIGITS: usize = DECIMAL128_MAX_PRECISION as usize;

/// What the numbers of a column have in common so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    min: i128,
    max: i128,
    digits_before: usize,
    digits_behind: usize,
    fractional: bool,
    exponent: bool,
    beyond_float: bool,
    beyond_decimal: bool,
}

/// A number's text, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal<'a> {
    negative: bool,
    before: &'a str,
    behind: Option<&'a str>,
    exponent: bool,
    text: &'a str,
}

impl<'a> Literal<'a> {
    /// Takes `text` apart, or says that it is no number as JSON writes them: no plus sign, no
    /// zeros in front, digits on both sides of the point.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, Some(power)),
            None => (rest, None),
        };
        let (before, behind) = match mantissa.split_once('.') {
            Some((before, behind)) => (before, Some(behind)),
            None => (mantissa, None),
        };
        let power_digits = power.map(|power| power.strip_prefix(['+', '-']).unwrap_or(power));
        let well_formed = is_digits(before)
            && (before.len() == 1 || !before.starts_with('0'))
            && behind.is_none_or(is_digits)
            && power_digits.is_none_or(is_digits);
        well_formed.then_some(Self { negative, before, behind, exponent: power.is_some(), text })
    }

    /// Digits that matter, zeros at both ends left out.
    fn significant(&self) -> usize {
        let behind = self.behind.unwrap_or("");
        let all = self.before.len() + behind.len();
        let mut digits = self.before.bytes().chain(behind.bytes());
        let leading = digits.by_ref().take_while(|digit| *digit == b'0').count();
        let trailing =
            self.before.bytes().chain(behind.bytes()).rev().take_while(|d| *d == b'0').count();
        all.saturating_sub(leading + trailing)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Numbers {
    /// Takes one more number into account.
    pub(super) fn observe(&mut self, literal: Literal<'_>) {
        let behind = literal.behind.unwrap_or("");
        self.digits_before = self.digits_before.max(literal.before.len());
        self.digits_behind = self.digits_behind.max(behind.len());
        // A whole number has no negative zero.
        let negative_zero = literal.negative && literal.significant() == 0;
        if literal.behind.is_some() || literal.exponent || negative_zero {
            self.fractional = true;
            self.exponent |= literal.exponent || negative_zero;
            let finite = literal.text.parse::<f64>().is_ok_and(f64::is_finite);
            self.beyond_float |= !finite || literal.significant() > FLOAT_DIGITS;
            self.beyond_decimal |= behind.len() > DECIMAL_DIGITS;
        } else {
            self.observe_whole(literal);
        }
    }

    /// Takes a number into account that has no digits: NaN or an infinity.
    pub(super) fn observe_special(&mut self) {
        self.fractional = true;
        self.exponent = true;
    }

    fn observe_whole(&mut self, literal: Literal<'_>) {
        match literal.text.parse::<i128>() {
            Ok(value) if literal.before.len() <= DECIMAL_DIGITS => {
                self.min = self.min.min(value);
                self.max = self.max.max(value);
            }
            _ => self.beyond_decimal = true,
        }
        let exact = self.min.unsigned_abs() <= FLOAT_WHOLE_MAX
            && self.max.unsigned_abs() <= FLOAT_WHOLE_MAX;
        self.beyond_float |= !exact || self.beyond_decimal;
    }

    /// Returns the type that holds every number seen.
    pub(super) fn data_type(&self) -> DataType {
        let decimal = !self.beyond_decimal
            && !self.exponent
            && self.digits_before + self.digits_behind <= DECIMAL_DIGITS;
        let scale = i8::try_from(self.digits_behind).unwrap_or(i8::MAX);
        if self.fractional && !self.beyond_float {
            DataType::Float64
        } else if self.fractional && decimal {
            DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale)
        } else if self.fractional || self.beyond_decimal {
            DataType::Utf8
        } else if self.min >= i128::from(i64::MIN) && self.max <= i128::from(i64::MAX) {
            DataType::Int64
        } else if self.min >= 0 && self.max <= i128::from(u64::MAX) {
            DataType::UInt64
        } else {
            DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)
        }
    }
}

//! One value of a parameter: how it is read, and what it is where a type is needed.
//!
//! A value is brought into the type of its place only where it stays the same value; what would be
//! rounded or guessed at is refused.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use serde_json::Value;

use super::wrong;
use crate::error::QueryError;

/// Most digits of a decimal.
const DIGITS_MAX: usize = 38;

/// The value of a parameter. A text also stands for dates, times, decimals and numbers, where the
/// statement needs one.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// A decimal number of at most 38 digits, such as `12.50`.
    Decimal(String),
    /// A date, such as `2026-01-31`.
    Date(String),
    /// A moment to the microsecond, such as `2026-01-31T12:00:00Z`.
    Timestamp(String),
}

impl Param {
    /// Reads a JSON value: null, true, a number, a text, or an object that says the type of a text:
    /// `{"decimal": "12.50"}`, `{"date": "2026-01-31"}`, `{"timestamp": "2026-01-31T12:00:00Z"}`.
    ///
    /// # Errors
    /// [`QueryError::Param`], which calls it `name`, for anything else.
    pub fn from_json(name: &str, value: &Value) -> Result<Self, QueryError> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Self::Int(whole),
                (None, _) if number.is_u64() => Self::Decimal(number.to_string()),
                (None, Some(float)) => Self::Float(float),
                (None, None) => return Err(wrong(name, "it is no number that can be held")),
            },
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(_) => return Err(wrong(name, "a list is no single value")),
            Value::Object(object) => {
                let mut entries = object.iter();
                match (entries.next(), entries.next()) {
                    (Some((kind, Value::String(text))), None) if kind == "decimal" => {
                        Self::Decimal(text.clone())
                    }
                    (Some((kind, Value::String(text))), None) if kind == "date" => {
                        Self::Date(text.clone())
                    }
                    (Some((kind, Value::String(text))), None) if kind == "timestamp" => {
                        Self::Timestamp(text.clone())
                    }
                    _ => return Err(wrong(name, OBJECTS)),
                }
            }
        })
    }

    /// Returns the value for a place of type `kind`, or of any type; the error says what is wrong.
    pub(super) fn scalar(&self, kind: Option<&DataType>) -> Result<ScalarValue, String> {
        let Some(kind) = kind.filter(|kind| !kind.is_null()) else { return self.own() };
        let refused = || Err(format!("{} is no {}", self.told(), told_type(kind)));
        match self {
            Self::Null => ScalarValue::try_from(kind).map_err(|error| error.strip_backtrace()),
            Self::Bool(_) if *kind == DataType::Boolean => self.own(),
            Self::Int(_) if kind.is_numeric() => self.own(),
            Self::Float(value) if kind.is_integer() => match value.fract() == 0.0 {
                true => self.own(),
                false => refused(),
            },
            Self::Float(_) if kind.is_floating() => self.own(),
            Self::Float(value) if is_decimal(kind) => {
                decimal(&value.to_string()).map_or_else(|| self.own(), Ok)
            }
            Self::Decimal(_) if kind.is_numeric() => self.own(),
            Self::Date(_) | Self::Timestamp(_) if kind.is_temporal() => self.own(),
            Self::Text(_) if is_text(kind) => self.own(),
            Self::Text(text) if is_decimal(kind) => decimal(text).map_or_else(refused, Ok),
            Self::Text(text) => {
                let text = ScalarValue::Utf8(Some(text.clone()));
                match text.cast_to(kind) {
                    Ok(value) if !value.is_null() => Ok(value),
                    _ => refused(),
                }
            }
            _ => refused(),
        }
    }

    /// Returns the value as what it says it is.
    fn own(&self) -> Result<ScalarValue, String> {
        let cast = |text: &String, kind: DataType| {
            let value = ScalarValue::Utf8(Some(text.clone())).cast_to(&kind);
            value
                .ok()
                .filter(|value| !value.is_null())
                .ok_or_else(|| format!("{} is no {}", self.told(), told_type(&kind)))
        };
        match self {
            Self::Null => Ok(ScalarValue::Null),
            Self::Bool(flag) => Ok(ScalarValue::Boolean(Some(*flag))),
            Self::Int(whole) => Ok(ScalarValue::Int64(Some(*whole))),
            Self::Float(float) => Ok(ScalarValue::Float64(Some(*float))),
            Self::Text(text) => Ok(ScalarValue::Utf8(Some(text.clone()))),
            Self::Decimal(text) => decimal(text)
                .ok_or_else(|| format!("{text:?} is no decimal of up to {DIGITS_MAX} digits")),
            Self::Date(text) => cast(text, DataType::Date32),
            Self::Timestamp(text) => cast(text, DataType::Timestamp(TimeUnit::Microsecond, None)),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(flag) => flag.to_string(),
            Self::Int(whole) => whole.to_string(),
            Self::Float(float) => float.to_string(),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Decimal(text) => format!("the decimal {text}"),
            Self::Date(text) => format!("the date {text}"),
            Self::Timestamp(text) => format!("the timestamp {text}"),
        }
    }
}

const OBJECTS: &str = "an object says the type of one text: {\"decimal\": \"1.50\"}, \
                       {\"date\": \"2026-01-31\"} or {\"timestamp\": \"2026-01-31T12:00:00Z\"}";

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_text(values),
        kind => kind.is_string(),
    }
}

fn is_decimal(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

/// A type in the words of SQL where they are shorter.
fn told_type(kind: &DataType) -> String {
    match kind {
        kind if is_text(kind) => {
            "text; write a text in double quotes where it reads as JSON".into()
        }
        DataType::Boolean => "true or false".into(),
        kind if kind.is_integer() => format!("whole number ({kind})"),
        DataType::Date32 | DataType::Date64 => "date such as 2026-01-31".into(),
        DataType::Timestamp(..) => "timestamp such as 2026-01-31T12:00:00Z".into(),
        other => other.to_string(),
    }
}

/// Reads a decimal with exactly the digits that it has.
fn decimal(text: &str) -> Option<ScalarValue> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let is_number = !all.is_empty() && all.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || all.len() > DIGITS_MAX {
        return None;
    }
    let value = format!("{sign}{all}").parse().ok()?;
    let (precision, scale) = (u8::try_from(all.len()).ok()?, i8::try_from(fraction.len()).ok()?);
    Some(ScalarValue::Decimal128(Some(value), precision, scale))
}

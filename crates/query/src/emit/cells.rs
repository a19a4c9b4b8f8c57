//! How a value reads as text and as JSON; the same rules for files, programs and tables.
//!
//! | type | as text | as JSON |
//! |---|---|---|
//! | null | nothing | `null` |
//! | Boolean | `true`, `false` | the same |
//! | integers | decimal digits | a number within ±(2^53 − 1), else a string |
//! | floats | shortest that reads back the same; `NaN`, `Infinity`, `-Infinity` | a number; the last three as strings |
//! | decimals | digits with the point | a string |
//! | dates, times | `2026-01-31`, `12:30:00.5` | a string |
//! | timestamps | RFC 3339: `2026-01-31T12:30:00.5`, with `Z` or an offset where the column has a time zone | a string |
//! | durations, intervals | ISO 8601: `PT1.5S` | a string |
//! | text | itself | a string |
//! | binary | hexadecimal, lower case | a string |
//! | lists | as JSON | an array |
//! | structs, maps | as JSON | an object; keys of maps as text |

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float32Array, Float64Array, Int64Array,
    LargeBinaryArray, LargeStringArray, RecordBatch, StringArray, StringViewArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};
use serde_json::{Map, Number, Value};

use crate::error::{QueryError, arrow_message};

/// Whole numbers up to this are safe in every JSON reader.
const SAFE_WHOLE_MAX: u64 = (1 << 53) - 1;

const FORMAT: FormatOptions<'static> =
    FormatOptions::new().with_display_error(false).with_duration_format(DurationFormat::ISO8601);

/// The cells of a batch, readable by row and column.
#[derive(Debug)]
pub struct Cells {
    names: Vec<String>,
    columns: Vec<Node>,
    rows: usize,
}

impl Cells {
    /// Prepares to read `batch`.
    ///
    /// # Errors
    /// `Unsupported` names a column whose type has no text.
    pub fn new(batch: &RecordBatch) -> Result<Self, QueryError> {
        let fields = batch.schema_ref().fields();
        let columns = batch
            .columns()
            .iter()
            .zip(fields)
            .map(|(column, field)| {
                Node::new(column).map_err(|error| {
                    let what = format!("it has no text form: {}", arrow_message(&error));
                    QueryError::unsupported(field.name(), what)
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let names = fields.iter().map(|field| field.name().clone()).collect();
        Ok(Self { names, columns, rows: batch.num_rows() })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns a cell as text, `None` where it is null or where there is no such cell.
    pub fn text(&self, row: usize, column: usize) -> Option<String> {
        let node = self.columns.get(column).filter(|_| row < self.rows)?;
        node.text(row)
    }

    /// Returns a cell as JSON, null also where there is no such cell.
    pub fn json(&self, row: usize, column: usize) -> Value {
        match self.columns.get(column) {
            Some(node) if row < self.rows => node.json(row),
            _ => Value::Null,
        }
    }

    /// Appends a row as a JSON object, its keys in the order of the columns.
    pub(super) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        let fields = self.names.iter().map(String::as_str).zip(&self.columns);
        write_object(fields, row, out);
    }
}

/// One column, or what is inside one: what depends on its type is decided once.
#[derive(Debug)]
enum Node {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    UInt(UInt64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Binary(BinaryArray),
    LargeBinary(LargeBinaryArray),
    List(Nested, Box<Self>),
    Struct(Option<NullBuffer>, Vec<(String, Self)>),
    Map(Nested, Box<Self>, Box<Self>),
}

/// Which rows of a list or map are null, and where their elements are.
#[derive(Debug)]
struct Nested {
    nulls: Option<NullBuffer>,
    offsets: OffsetBuffer<i32>,
}

impl Nested {
    /// The elements of a row, `None` where it is null.
    fn elements(&self, row: usize) -> Option<std::ops::Range<usize>> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let (start, end) = (self.offsets.get(row)?, self.offsets.get(row + 1)?);
        Some(start.unsigned_abs() as usize..end.unsigned_abs() as usize)
    }
}

impl Node {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            kind if kind.is_signed_integer() => {
                Self::Int(cast(array, &DataType::Int64)?.as_primitive().clone())
            }
            kind if kind.is_unsigned_integer() => {
                Self::UInt(cast(array, &DataType::UInt64)?.as_primitive().clone())
            }
            DataType::Float16 | DataType::Float32 => {
                Self::Float32(cast(array, &DataType::Float32)?.as_primitive().clone())
            }
            DataType::Float64 => Self::Float64(array.as_primitive().clone()),
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Self::LargeText(array.as_string().clone()),
            DataType::Utf8View => Self::TextView(array.as_string_view().clone()),
            DataType::Binary => Self::Binary(array.as_binary().clone()),
            DataType::FixedSizeBinary(_) => {
                Self::Binary(cast(array, &DataType::Binary)?.as_binary().clone())
            }
            DataType::LargeBinary => Self::LargeBinary(array.as_binary().clone()),
            DataType::BinaryView => {
                Self::LargeBinary(cast(array, &DataType::LargeBinary)?.as_binary().clone())
            }
            DataType::Dictionary(_, values) => Self::new(&cast(array, values)?)?,
            DataType::RunEndEncoded(_, values) => Self::new(&cast(array, values.data_type())?)?,
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let (nulls, offsets) = (list.nulls().cloned(), list.offsets().clone());
                Self::List(Nested { nulls, offsets }, Box::new(Self::new(list.values())?))
            }
            DataType::LargeList(element)
            | DataType::ListView(element)
            | DataType::LargeListView(element)
            | DataType::FixedSizeList(element, _) => {
                Self::new(&cast(array, &DataType::List(Arc::clone(element)))?)?
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter().zip(fields);
                let columns = columns
                    .map(|(column, field)| Ok((field.name().clone(), Self::new(column)?)))
                    .collect::<Result<Vec<_>, ArrowError>>()?;
                Self::Struct(array.nulls().cloned(), columns)
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let (nulls, offsets) = (map.nulls().cloned(), map.offsets().clone());
                let (keys, values) = (Self::new(map.keys())?, Self::new(map.values())?);
                Self::Map(Nested { nulls, offsets }, Box::new(keys), Box::new(values))
            }
            _ => Self::Text(formatted(array)?),
        })
    }

    /// The value as text; what is nested reads as JSON.
    fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(array) => array.is_valid(row).then(|| array.value(row).to_string()),
            Self::Int(array) => array.is_valid(row).then(|| array.value(row).to_string()),
            Self::UInt(array) => array.is_valid(row).then(|| array.value(row).to_string()),
            Self::Float32(array) => array.is_valid(row).then(|| float32_text(array.value(row))),
            Self::Float64(array) => array.is_valid(row).then(|| float64_text(array.value(row))),
            Self::Text(array) => array.is_valid(row).then(|| array.value(row).to_owned()),
            Self::LargeText(array) => array.is_valid(row).then(|| array.value(row).to_owned()),
            Self::TextView(array) => array.is_valid(row).then(|| array.value(row).to_owned()),
            Self::Binary(array) => array.is_valid(row).then(|| hex(array.value(row))),
            Self::LargeBinary(array) => array.is_valid(row).then(|| hex(array.value(row))),
            Self::List(nested, _) | Self::Map(nested, _, _) => {
                nested.elements(row)?;
                Some(self.json_text(row))
            }
            Self::Struct(nulls, _) => {
                let null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                (!null).then(|| self.json_text(row))
            }
        }
    }

    fn json_text(&self, row: usize) -> String {
        let mut out = Vec::new();
        self.write_json(row, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The value as JSON.
    fn json(&self, row: usize) -> Value {
        match self {
            Self::Bool(array) if array.is_valid(row) => Value::Bool(array.value(row)),
            Self::Int(array) if array.is_valid(row) => {
                let value = array.value(row);
                if value.unsigned_abs() > SAFE_WHOLE_MAX {
                    value.to_string().into()
                } else {
                    value.into()
                }
            }
            Self::UInt(array) if array.is_valid(row) => {
                let value = array.value(row);
                if value > SAFE_WHOLE_MAX { value.to_string().into() } else { value.into() }
            }
            Self::Float32(array) if array.is_valid(row) => {
                let text = float32_text(array.value(row));
                let value = text.parse().ok().and_then(Number::from_f64);
                value.map_or(Value::String(text), Value::Number)
            }
            Self::Float64(array) if array.is_valid(row) => {
                let value = array.value(row);
                Number::from_f64(value)
                    .map_or_else(|| Value::String(float64_text(value)), Value::Number)
            }
            Self::List(nested, element) => match nested.elements(row) {
                None => Value::Null,
                Some(rows) => rows.map(|row| element.json(row)).collect(),
            },
            Self::Struct(nulls, fields) => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return Value::Null;
                }
                let object: Map<String, Value> =
                    fields.iter().map(|(name, node)| (name.clone(), node.json(row))).collect();
                Value::Object(object)
            }
            Self::Map(nested, keys, values) => match nested.elements(row) {
                None => Value::Null,
                Some(rows) => {
                    let pair = |row| (keys.text(row).unwrap_or_default(), values.json(row));
                    Value::Object(rows.map(pair).collect())
                }
            },
            _ => self.text(row).map_or(Value::Null, Value::String),
        }
    }

    /// Appends the value as JSON.
    fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::List(nested, element) => match nested.elements(row) {
                None => out.extend_from_slice(b"null"),
                Some(rows) => {
                    out.push(b'[');
                    for (index, row) in rows.enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        element.write_json(row, out);
                    }
                    out.push(b']');
                }
            },
            Self::Struct(nulls, fields) => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    out.extend_from_slice(b"null");
                } else {
                    let fields = fields.iter().map(|(name, node)| (name.as_str(), node));
                    write_object(fields, row, out);
                }
            }
            Self::Map(nested, keys, values) => match nested.elements(row) {
                None => out.extend_from_slice(b"null"),
                Some(rows) => {
                    out.push(b'{');
                    for (index, row) in rows.enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        write_string(&keys.text(row).unwrap_or_default(), out);
                        out.push(b':');
                        values.write_json(row, out);
                    }
                    out.push(b'}');
                }
            },
            Self::Float32(array) if array.is_valid(row) && array.value(row).is_finite() => {
                out.extend_from_slice(float32_text(array.value(row)).as_bytes());
            }
            leaf => out.extend_from_slice(leaf.json(row).to_string().as_bytes()),
        }
    }
}

/// Appends an object of the values in one row.
fn write_object<'a>(
    fields: impl Iterator<Item = (&'a str, &'a Node)>,
    row: usize,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (index, (name, node)) in fields.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        node.write_json(row, out);
    }
    out.push(b'}');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Dates, times, decimals, durations and intervals as text. A moment that no calendar holds reads
/// as its number.
fn formatted(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let formatter = ArrayFormatter::try_new(array, &FORMAT)?;
    let number = |row: usize| -> Result<String, ArrowError> {
        let value = array.slice(row, 1);
        let value = match array.data_type() {
            DataType::Date32 | DataType::Time32(_) => cast(&value, &DataType::Int32)?,
            _ => cast(&value, &DataType::Int64)?,
        };
        ArrayFormatter::try_new(&value, &FORMAT)?.value(0).try_to_string()
    };
    let text = |row: usize| {
        if array.is_null(row) {
            return Ok(None);
        }
        formatter.value(row).try_to_string().or_else(|_| number(row)).map(Some)
    };
    (0..array.len()).map(text).collect()
}

fn float64_text(value: f64) -> String {
    special(value).map_or_else(|| Value::from(value).to_string(), str::to_owned)
}

fn float32_text(value: f32) -> String {
    let shortest = || serde_json::to_string(&value).unwrap_or_else(|_| value.to_string());
    special(f64::from(value)).map_or_else(shortest, str::to_owned)
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.filter_map(|half| DIGITS.get(usize::from(half))).collect()
}

//! What somebody looks for: a condition on one field of a version, as text or as a list; and which
//! rows it holds for. Pure.
//!
//! The operators are those that filters of rows have. A field with many values, such as the columns
//! of a table, fits where one of them does; with `!=`, where none is equal.

use cidlake_catalog::parse_time;
use cidlake_query::arrow::array::{
    Array as _, AsArray as _, BooleanArray, ListArray, MapArray, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use cidlake_query::arrow::record_batch::RecordBatch;
use serde_json::Value;

use crate::error::Error;

const FIELDS: &str = "name, namespace, cid, commit, rows, bytes, parts, columns, depth, time, operation, \
                      author, message, logical_hash, column, type, key, partition, tag, metadata, \
                      metadata.KEY";
const SHAPE_HINT: &str = "write FIELD OPERATOR VALUE, such as 'rows > 1000' or 'name starts_with sales'; \
                          operators: = != < <= > >= in, contains, starts_with, ends_with, is_null, \
                          is_not_null";

/// A condition on a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FindCondition {
    field: String,
    op: Op,
    /// What the field is held against; several for `in`.
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
    IsNull,
    IsNotNull,
}

/// The operators and how they are written, the longer ones first.
const OPS: [(&str, Op); 16] = [
    ("==", Op::Equal),
    ("!=", Op::Unequal),
    ("<>", Op::Unequal),
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("=", Op::Equal),
    ("<", Op::Less),
    (">", Op::Greater),
    ("in", Op::In),
    ("contains", Op::Contains),
    ("starts_with", Op::StartsWith),
    ("ends_with", Op::EndsWith),
    ("is_null", Op::IsNull),
    ("is_not_null", Op::IsNotNull),
    ("is null", Op::IsNull),
    ("is not null", Op::IsNotNull),
];

impl FindCondition {
    /// Reads `FIELD OPERATOR VALUE`. A single word is looked for in names, or is a CID.
    ///
    /// # Errors
    /// `Usage` says what cannot be understood.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let end = text.find(|c: char| c.is_whitespace() || "=!<>".contains(c));
        let Some((field, rest)) = end.and_then(|end| text.split_at_checked(end)) else {
            return Self::word(text);
        };
        let rest = rest.trim_start();
        let of = |(word, op): &(&'static str, Op)| {
            let behind = strip_word(rest, word)?;
            Some((*op, behind.trim()))
        };
        let Some((op, value)) = OPS.iter().filter_map(of).max_by_key(|(_, rest)| {
            // The longest operator leaves the least.
            std::cmp::Reverse(rest.len())
        }) else {
            return Err(Error::usage(format!("{text:?} has no operator that is known"))
                .with_hint(SHAPE_HINT));
        };
        let values = match op {
            Op::IsNull | Op::IsNotNull if value.is_empty() => Vec::new(),
            Op::IsNull | Op::IsNotNull => {
                return Err(Error::usage(format!("in {text:?} nothing can follow the operator"))
                    .with_hint(SHAPE_HINT));
            }
            Op::In => {
                let list = value.strip_prefix(['(', '[']).unwrap_or(value);
                let list = list.strip_suffix([')', ']']).unwrap_or(list);
                list.split(',').map(|value| unquoted(value.trim()).to_owned()).collect()
            }
            _ if value.is_empty() => {
                return Err(Error::usage(format!("{text:?} has no value")).with_hint(SHAPE_HINT));
            }
            _ => vec![unquoted(value).to_owned()],
        };
        Self::new(field, op, values)
    }

    /// Reads `[field, operator, value]`.
    ///
    /// # Errors
    /// `Usage` says what cannot be understood.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let bad = |why: &str| {
            Error::usage(format!("the condition {value} cannot be understood: {why}"))
                .with_hint(r#"write ["rows", ">", 1000] or ["name", "in", ["a", "b"]]"#)
        };
        let (field, op, operand) = match value.as_array().map(Vec::as_slice) {
            Some([Value::String(field), Value::String(op)]) => (field, op, None),
            Some([Value::String(field), Value::String(op), value]) => (field, op, Some(value)),
            _ => return Err(bad("it is not [field, operator, value]")),
        };
        let known = OPS.iter().find(|(word, _)| *word == op.to_ascii_lowercase());
        let (_, op) = known.ok_or_else(|| bad("the operator is not known"))?;
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => Err(bad("a value is a text, a number, true or false")),
        };
        let values = match (op, operand) {
            (Op::IsNull | Op::IsNotNull, None | Some(Value::Null)) => Vec::new(),
            (Op::Equal, Some(Value::Null)) => return Self::new(field, Op::IsNull, Vec::new()),
            (Op::Unequal, Some(Value::Null)) => {
                return Self::new(field, Op::IsNotNull, Vec::new());
            }
            (Op::In, Some(Value::Array(values))) => {
                values.iter().map(text).collect::<Result<_, _>>()?
            }
            (Op::In, _) => return Err(bad("`in` takes a list")),
            (Op::IsNull | Op::IsNotNull, Some(_)) => return Err(bad("it takes no value")),
            (_, Some(value)) => vec![text(value)?],
            (_, None) => return Err(bad("a value is missing")),
        };
        Self::new(field, *op, values)
    }

    fn word(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::usage("there is nothing to look for").with_hint(SHAPE_HINT));
        }
        let is_cid = cidlake_block::parse_cid(text).is_ok();
        let (field, op) = if is_cid { ("cid", Op::Equal) } else { ("name", Op::Contains) };
        Self::new(field, op, vec![text.to_owned()])
    }

    fn new(field: &str, op: Op, values: Vec<String>) -> Result<Self, Error> {
        let condition = Self { field: field.to_owned(), op, values };
        let what = condition.what().ok_or_else(|| {
            Error::usage(format!("there is no field {field:?} to look for"))
                .with_hint(format!("fields: {FIELDS}"))
        })?;
        condition.check(what)?;
        Ok(match what {
            // However an address is written, it is one.
            What::Address => condition.canonical()?,
            _ => condition,
        })
    }

    fn check(&self, what: What) -> Result<(), Error> {
        for value in &self.values {
            match what {
                What::Number(_) => drop(number(&self.field, value)?),
                What::Time => drop(moment(&self.field, value)?),
                _ => {}
            }
        }
        let is_of_text = matches!(self.op, Op::Contains | Op::StartsWith | Op::EndsWith);
        if is_of_text && matches!(what, What::Number(_) | What::Time) {
            return Err(Error::usage(format!("{} is no text", self.field))
                .with_hint("compare it with = != < <= > >= or in"));
        }
        Ok(())
    }

    fn canonical(mut self) -> Result<Self, Error> {
        if matches!(self.op, Op::Equal | Op::Unequal | Op::In) {
            for value in &mut self.values {
                *value = cidlake_block::parse_cid(value)?.to_string();
            }
        }
        Ok(self)
    }

    /// Returns the address that alone fits, where this is about one.
    pub(super) fn address(&self) -> Option<&str> {
        match (self.what(), self.op, self.values.as_slice()) {
            (Some(What::Address), Op::Equal, [cid]) if self.field == "cid" => Some(cid),
            _ => None,
        }
    }

    fn what(&self) -> Option<What> {
        Some(match self.field.as_str() {
            "name" => What::Name,
            "namespace" => What::Namespace,
            "cid" | "commit" => What::Address,
            "rows" => What::Number("rows"),
            "bytes" | "size" => What::Number("bytes"),
            "parts" => What::Number("parts"),
            "columns" => What::Number("columns"),
            "depth" => What::Number("depth"),
            "time" => What::Time,
            "operation" => What::Text("operation"),
            "author" => What::Text("author"),
            "message" => What::Text("message"),
            "logical_hash" => What::Text("logical_hash"),
            "column" => What::List("column_names"),
            "type" => What::List("column_types"),
            "key" => What::List("key_columns"),
            "partition" => What::List("partition_columns"),
            "tag" => What::List("tags"),
            "metadata" => What::MetadataKey,
            other => {
                return other.starts_with("metadata.").then_some(What::Metadata);
            }
        })
    }

    /// Returns of each version whether the condition holds.
    pub(super) fn mask(&self, commits: &RecordBatch) -> Result<BooleanArray, Error> {
        let rows = 0..commits.num_rows();
        let text = |column: &str| commits[column].as_string::<i32>().clone();
        let Some(what) = self.what() else {
            return Err(Error::internal(format!("there is no field {}", self.field)));
        };
        Ok(match what {
            What::Name => {
                let names = text("dataset");
                rows.map(|row| Some(self.fits_name(names.value(row)))).collect()
            }
            What::Namespace => {
                let names = text("dataset");
                let space =
                    |row| names.value(row).split_once('.').map_or("main", |(space, _)| space);
                rows.map(|row| Some(self.fits_text(Some(space(row))))).collect()
            }
            What::Address => {
                let (commits, contents) = (text("commit"), text("cid"));
                let fits = |row| self.fits_address(commits.value(row), contents.value(row));
                rows.map(|row| Some(fits(row))).collect()
            }
            What::Text(column) => {
                let texts = text(column);
                rows.map(|row| Some(self.fits_text(value(&texts, row)))).collect()
            }
            What::Number(column) => {
                let numbers: &UInt64Array = commits[column].as_primitive();
                let wanted = self.numbers()?;
                rows.map(|row| Some(self.fits_number(&wanted, i128::from(numbers.value(row)))))
                    .collect()
            }
            What::Time => {
                let times: &TimestampMillisecondArray = commits["time"].as_primitive();
                let wanted = self.moments()?;
                rows.map(|row| Some(self.fits_number(&wanted, i128::from(times.value(row)))))
                    .collect()
            }
            What::List(column) => {
                let lists: &ListArray = commits[column].as_list();
                rows.map(|row| Some(self.fits_list(&lists.value(row)))).collect()
            }
            What::MetadataKey => {
                let maps: &MapArray = commits["metadata"].as_map();
                rows.map(|row| {
                    let entry = maps.value(row);
                    Some(self.fits_list(entry.column(0)))
                })
                .collect()
            }
            What::Metadata => {
                let maps: &MapArray = commits["metadata"].as_map();
                let key = self.field.strip_prefix("metadata.").unwrap_or_default();
                rows.map(|row| {
                    let entry = maps.value(row);
                    let (keys, values) =
                        (entry.column(0).as_string::<i32>(), entry.column(1).as_string::<i32>());
                    let at = keys.iter().position(|known| known == Some(key));
                    Some(self.fits_text(at.map(|at| values.value(at))))
                })
                .collect()
            }
        })
    }

    /// Says it of the name of a dataset: one in the default namespace is meant with that or without.
    fn fits_name(&self, name: &str) -> bool {
        let full = (!name.contains('.')).then(|| format!("main.{name}"));
        let fits_full = |name: String| self.fits_text(Some(&name));
        match self.op {
            // It is neither.
            Op::Unequal => self.fits_text(Some(name)) && full.is_none_or(fits_full),
            _ => self.fits_text(Some(name)) || full.is_some_and(fits_full),
        }
    }

    /// Says it of a version, whose content has the address as well, unless only commits are meant.
    fn fits_address(&self, commit: &str, content: &str) -> bool {
        let (commit, content) = (self.fits_text(Some(commit)), self.fits_text(Some(content)));
        match (self.field.as_str(), self.op) {
            ("commit", _) => commit,
            (_, Op::Unequal) => commit && content,
            _ => commit || content,
        }
    }

    fn fits_text(&self, text: Option<&str>) -> bool {
        let Some(text) = text else { return self.op == Op::IsNull };
        let any = |fits: &dyn Fn(&str) -> bool| self.values.iter().any(|value| fits(value));
        match self.op {
            Op::Equal | Op::In => any(&|value| text == value),
            Op::Unequal => !any(&|value| text == value),
            Op::Less => any(&|value| text < value),
            Op::LessOrEqual => any(&|value| text <= value),
            Op::Greater => any(&|value| text > value),
            Op::GreaterOrEqual => any(&|value| text >= value),
            Op::Contains => any(&|value| text.contains(value)),
            Op::StartsWith => any(&|value| text.starts_with(value)),
            Op::EndsWith => any(&|value| text.ends_with(value)),
            Op::IsNull => false,
            Op::IsNotNull => true,
        }
    }

    fn fits_number(&self, wanted: &[i128], number: i128) -> bool {
        let any = |fits: &dyn Fn(i128) -> bool| wanted.iter().any(|value| fits(*value));
        match self.op {
            Op::Equal | Op::In => any(&|value| number == value),
            Op::Unequal => !any(&|value| number == value),
            Op::Less => any(&|value| number < value),
            Op::LessOrEqual => any(&|value| number <= value),
            Op::Greater => any(&|value| number > value),
            Op::GreaterOrEqual => any(&|value| number >= value),
            Op::IsNotNull => true,
            Op::IsNull | Op::Contains | Op::StartsWith | Op::EndsWith => false,
        }
    }

    fn fits_list(&self, list: &dyn cidlake_query::arrow::array::Array) -> bool {
        let texts: &StringArray = list.as_string();
        let mut values = texts.iter().flatten();
        match self.op {
            Op::IsNull => texts.is_empty(),
            Op::IsNotNull => !texts.is_empty(),
            Op::Unequal => values.all(|text| self.fits_text(Some(text))),
            _ => values.any(|text| self.fits_text(Some(text))),
        }
    }

    fn numbers(&self) -> Result<Vec<i128>, Error> {
        self.values.iter().map(|value| number(&self.field, value)).collect()
    }

    fn moments(&self) -> Result<Vec<i128>, Error> {
        self.values.iter().map(|value| moment(&self.field, value)).collect()
    }
}

/// What a field is.
#[derive(Clone, Copy)]
enum What {
    Name,
    Namespace,
    Address,
    Text(&'static str),
    Number(&'static str),
    Time,
    List(&'static str),
    MetadataKey,
    Metadata,
}

fn value(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

/// Takes an operator off the beginning; one of letters ends with a word.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    let behind = text.get(word.len()..)?;
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
    let ends = !is_word || !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (head.eq_ignore_ascii_case(word) && ends).then_some(behind)
}

fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('\'').or_else(|| within('"')).unwrap_or(text)
}

fn number(field: &str, text: &str) -> Result<i128, Error> {
    let digits = text.replace('_', "");
    digits.parse().map_err(|_| {
        Error::usage(format!("{field} is a whole number, and {text:?} is none"))
            .with_hint("write it without a unit: 1048576")
    })
}

fn moment(field: &str, text: &str) -> Result<i128, Error> {
    parse_time(text).map(i128::from).map_err(|error| {
        Error::usage(format!("{field} is a moment, and {text:?} is none: {error}"))
            .with_hint("write 2026-01-31 or 2026-01-31T12:00:00Z")
    })
}

#[cfg(test)]
mod tests;

//! The arguments of a call, taken one by one: every error names the argument that is wrong.
//!
//! What a tool does not know is refused before it does anything, so that a misspelt argument is
//! never silently ignored. Null stands for an argument that was left out.

use std::ops::RangeInclusive;

use cidlake::{Error, ErrorKind};
use rmcp::model::JsonObject;
use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// The arguments of one call that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Arguments {
    tool: &'static str,
    values: JsonObject,
}

impl Arguments {
    /// Accepts `values` when all of them are among `known`.
    ///
    /// # Errors
    /// `Usage` names the first argument that the tool does not have.
    pub(super) fn new(
        tool: &'static str,
        values: Option<JsonObject>,
        known: &[&str],
    ) -> Result<Self, Error> {
        let mut values = values.unwrap_or_default();
        if let Some(odd) = values.keys().find(|name| !known.contains(&name.as_str())) {
            let hint = match known {
                [] => format!("{tool} takes no arguments"),
                known => format!("{tool} takes {}", known.join(", ")),
            };
            return Err(usage(format!("{tool} has no argument {odd:?}")).with_hint(hint));
        }
        values.retain(|_, value| !value.is_null());
        Ok(Self { tool, values })
    }

    /// Takes any value.
    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// Takes a text.
    ///
    /// # Errors
    /// `Usage` when it is another value.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a text", &other)),
        }
    }

    /// Takes a text that must be there.
    ///
    /// # Errors
    /// `Usage` when it is absent or another value.
    pub(super) fn required_text(&mut self, name: &str) -> Result<String, Error> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes one of the words `choices`.
    ///
    /// # Errors
    /// `Usage` when it is none of them.
    pub(super) fn choice(
        &mut self,
        name: &str,
        choices: &[&'static str],
    ) -> Result<Option<&'static str>, Error> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match choices.iter().find(|choice| **choice == text) {
            Some(choice) => Ok(Some(*choice)),
            None => Err(usage(format!("{name} cannot be {text:?}"))
                .with_hint(format!("{name} is one of {}", choices.join(", ")))),
        }
    }

    /// Takes a whole number within `range`.
    ///
    /// # Errors
    /// `Usage` when it is outside of it or no whole number.
    pub(super) fn number(
        &mut self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Error> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let what = match (*range.start(), *range.end()) {
                    (start, u64::MAX) => format!("a whole number from {start}"),
                    (start, end) => format!("a whole number from {start} to {end}"),
                };
                Err(wrong(name, &what, &value))
            }
        }
    }

    /// Takes true or false.
    ///
    /// # Errors
    /// `Usage` when it is another value.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(name, "true or false", &other)),
        }
    }

    /// Takes a list of texts.
    ///
    /// # Errors
    /// `Usage` when it is another value or has another value in it.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let texts = value.as_array().and_then(|list| {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        texts.map(Some).ok_or_else(|| wrong(name, "a list of texts", &value))
    }

    /// Takes an object.
    ///
    /// # Errors
    /// `Usage` when it is another value.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Error> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(wrong(name, "an object", &other)),
        }
    }

    /// Says that an argument is absent.
    pub(super) fn missing(&self, name: &str) -> Error {
        usage(format!("{} needs the argument {name}", self.tool))
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

/// Says what an argument must be, and what it is instead.
fn wrong(name: &str, expected: &str, found: &Value) -> Error {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    usage(format!("{name} must be {expected}, not {found}"))
}

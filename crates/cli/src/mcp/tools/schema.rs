//! JSON Schemas of arguments and answers, in the plain subset that every client understands: no
//! references, no lists of types, no schema that is just `true`.

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use crate::mcp::caps::{
    ENTRIES_DEFAULT, ROWS_DEFAULT, ROWS_MAX, TEXT_BYTES_DEFAULT, TEXT_BYTES_MAX,
};

/// The longest time a caller may ask for, in milliseconds.
pub(super) const TIMEOUT_MS_MAX: u64 = 3_600_000;

/// Returns the schema of a tool's arguments; there are no others than these.
pub(super) fn input(properties: Vec<(&str, Value)>, required: &[&str]) -> JsonObject {
    let mut schema = object(properties, required);
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// Returns the schema of a tool's answers, failures included: a client that checks an answer
/// checks a failure in the same way.
pub(super) fn output(properties: Vec<(&str, Value)>) -> JsonObject {
    let mut all = properties;
    all.push(("success", flag("Whether the call did what it should")));
    all.push(("error", text("What failed")));
    all.push((
        "error_type",
        text("not_found, invalid, usage, conflict, corrupt, unavailable or internal"),
    ));
    all.push(("hint", text("What to do about it")));
    object(all, &["success"])
}

fn object(properties: Vec<(&str, Value)>, required: &[&str]) -> JsonObject {
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// A text.
pub(super) fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// One of some words.
pub(super) fn choice(description: &str, choices: &[&str]) -> Value {
    json!({"type": "string", "enum": choices, "description": description})
}

/// The same with the word that is meant when there is none.
pub(super) fn choice_or(description: &str, choices: &[&str], default: &str) -> Value {
    json!({"type": "string", "enum": choices, "default": default, "description": description})
}

/// True or false.
pub(super) fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

/// A whole number from 0.
pub(super) fn count(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

/// A whole number between bounds.
pub(super) fn within(description: &str, min: u64, max: u64) -> Value {
    json!({"type": "integer", "minimum": min, "maximum": max, "description": description})
}

/// An object of whatever fields.
pub(super) fn any_object(description: &str) -> Value {
    json!({"type": "object", "description": description})
}

/// A list of objects.
pub(super) fn objects(description: &str) -> Value {
    json!({"type": "array", "items": {"type": "object"}, "description": description})
}

/// A list of texts.
pub(super) fn texts(description: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": description})
}

/// The values of a statement's parameters.
pub(super) fn params() -> Value {
    let value = json!({"anyOf": [
        {"type": "string"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"type": "object"},
    ]});
    json!({
        "description": "What the statement's parameters mean, instead of values pasted into its \
                        text: a list for $1, $2 … or each ?, an object for $name. Texts also \
                        stand for dates and decimals; {\"date\": …}, {\"decimal\": …} and \
                        {\"timestamp\": …} say so",
        "anyOf": [{"type": "array", "items": value}, {"type": "object"}],
    })
}

/// How many rows are wanted.
pub(super) fn limit_rows() -> Value {
    let description = format!(
        "Most rows to return. Without it {ROWS_DEFAULT} rows and {TEXT_BYTES_DEFAULT} bytes; \
         with it as many as asked for, up to {TEXT_BYTES_MAX} bytes"
    );
    within(&description, 1, ROWS_MAX)
}

/// How many entries of a list are wanted, and how many to leave out before them.
pub(super) fn list_window() -> [(&'static str, Value); 2] {
    let limit = format!("Most entries to return; {ENTRIES_DEFAULT} when absent");
    [
        ("limit", within(&limit, 1, ROWS_MAX)),
        ("offset", count("Entries to leave out before the first")),
    ]
}

/// Which bytes of a file are wanted.
pub(super) fn file_window() -> [(&'static str, Value); 2] {
    let length = format!("Most bytes to return; {TEXT_BYTES_DEFAULT} when absent");
    [("offset", count("The first byte to return")), ("length", within(&length, 1, TEXT_BYTES_MAX))]
}

/// How long the work may take.
pub(super) fn timeout() -> Value {
    within("Longest run in milliseconds; never more than this server allows", 1, TIMEOUT_MS_MAX)
}

/// Rows of a table, in any of the formats.
pub(super) fn data() -> Value {
    json!({
        "description": "The rows: objects for json, text for csv, base64 for parquet",
        "anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "string"}],
    })
}

/// What an answer of rows says beside the rows.
pub(super) fn about_rows() -> [(&'static str, Value); 7] {
    [
        ("format", text("The format of data")),
        ("num_rows", count("Rows in this answer")),
        ("columns", objects("Columns in their order: name, Arrow type, nullable")),
        ("truncated", flag("Whether rows were left out")),
        ("truncated_by", text("What left them out: rows or bytes")),
        ("row_cap", count("The most rows that this answer could have")),
        ("byte_cap", count("The most bytes of text that this answer could have")),
    ]
}

/// What an answer says of a list.
pub(super) fn about_list() -> [(&'static str, Value); 4] {
    [
        ("count", count("Entries in this answer")),
        ("total", count("Entries there are")),
        ("truncated", flag("Whether entries behind these were left out")),
        ("next_offset", count("Where to go on")),
    ]
}

/// What an answer says of a piece of a file.
pub(super) fn about_file() -> [(&'static str, Value); 6] {
    [
        ("content", text("The bytes, as text or base64")),
        ("encoding", choice("What content is written in", &["utf-8", "base64"])),
        ("size", count("Bytes of the whole file")),
        ("offset", count("The first byte of content")),
        ("truncated", flag("Whether bytes behind these were left out")),
        ("next_offset", count("Where to go on")),
    ]
}

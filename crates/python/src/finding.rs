//! What `find` looks for and what it finds, between Python and the facade. CIDs are text and moments
//! milliseconds since the Unix epoch.

use cidlake::{FindCondition, FoundObject};
use pyo3::prelude::*;
use serde_json::Value;

use crate::errors::{python_error, usage};

#[derive(IntoPyObject)]
pub(crate) struct FoundDict {
    kind: &'static str,
    name: Option<String>,
    cid: String,
    commit: Option<String>,
    newest: bool,
    rows: Option<u64>,
    bytes: Option<u64>,
    parts: Option<u64>,
    columns: Option<u64>,
    time: Option<u64>,
    operation: Option<String>,
    tags: Vec<String>,
}

/// Reads a JSON list of conditions: each a text, or a list of field, operator and value.
///
/// # Errors
/// `UsageError` says what cannot be understood.
pub(crate) fn conditions(json: &str) -> PyResult<Vec<FindCondition>> {
    let values: Vec<Value> = serde_json::from_str(json).map_err(|error| {
        usage(&format!("the conditions cannot be read: {error}"), "write them as texts")
    })?;
    let conditions = values.iter().map(|value| match value {
        Value::String(text) => FindCondition::parse(text),
        other => FindCondition::from_json(other),
    });
    conditions.collect::<Result<_, _>>().map_err(python_error)
}

impl From<FoundObject> for FoundDict {
    fn from(found: FoundObject) -> Self {
        Self {
            kind: found.kind.word(),
            name: found.name,
            cid: found.cid,
            commit: found.commit,
            newest: found.newest,
            rows: found.rows,
            bytes: found.bytes,
            parts: found.parts,
            columns: found.columns,
            time: found.time_ms,
            operation: found.operation,
            tags: found.tags,
        }
    }
}

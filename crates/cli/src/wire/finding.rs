//! The shape of the answer of `find`.

use cidlake::FoundObject;
use serde::Serialize;

use super::{Field, record};
use crate::output::{Cell, Kind, Record, moment};

record! {
    /// One thing that `find` found; `cid` is of a version that of its content.
    FoundWire {
        kind: &'static str,
        name: Option<String>,
        cid: String,
        commit: Option<String>,
        newest: bool,
        rows: Option<u64>,
        bytes: Option<u64>,
        parts: Option<u64>,
        columns: Option<u64>,
        time: Option<String>,
        operation: Option<String>,
        tags: Vec<String>,
    }
}

impl From<&FoundObject> for FoundWire {
    fn from(found: &FoundObject) -> Self {
        Self {
            kind: found.kind.word(),
            name: found.name.clone(),
            cid: found.cid.clone(),
            commit: found.commit.clone(),
            newest: found.newest,
            rows: found.rows,
            bytes: found.bytes,
            parts: found.parts,
            columns: found.columns,
            time: found.time_ms.map(moment),
            operation: found.operation.clone(),
            tags: found.tags.clone(),
        }
    }
}

//! The shape of the answer of `compact`.

use cidlake::Compacted;
use serde::Serialize;

use super::{Field, record};
use crate::output::{Cell, Kind, Record};

record! {
    /// The answer of `compact`, and one dataset in that of `maintain`.
    CompactedWire {
        success: bool,
        name: String,
        cid: String,
        commit: String,
        rows: u64,
        parts_before: u64,
        parts: u64,
        bytes_before: u64,
        bytes: u64,
        new_bytes: u64,
        unchanged: bool,
    }
}

impl From<&Compacted> for CompactedWire {
    fn from(compacted: &Compacted) -> Self {
        Self {
            success: true,
            name: compacted.name.clone(),
            cid: compacted.cid.to_string(),
            commit: compacted.commit.to_string(),
            rows: compacted.rows,
            parts_before: compacted.parts_before,
            parts: compacted.parts,
            bytes_before: compacted.bytes_before,
            bytes: compacted.bytes,
            new_bytes: compacted.new_bytes,
            unchanged: compacted.unchanged,
        }
    }
}

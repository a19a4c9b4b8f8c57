//! The shape of the answer of `alter`.

use cidlake::Altered;
use serde::Serialize;

use super::{Field, record};
use crate::output::{Cell, Kind, Record};

record! {
    /// The answer of `alter`.
    AlteredWire {
        success: bool,
        name: String,
        cid: String,
        commit: String,
        rows: u64,
        columns: u64,
        bytes: u64,
        new_bytes: u64,
        unchanged: bool,
    }
}

impl From<&Altered> for AlteredWire {
    fn from(altered: &Altered) -> Self {
        Self {
            success: true,
            name: altered.name.clone(),
            cid: altered.cid.to_string(),
            commit: altered.commit.to_string(),
            rows: altered.rows,
            columns: altered.columns.len() as u64,
            bytes: altered.bytes,
            new_bytes: altered.new_bytes,
            unchanged: altered.unchanged,
        }
    }
}

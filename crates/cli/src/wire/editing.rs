//! The shapes of the answers of what changes some rows: `delete`.

use cidlake::Deleted;
use serde::Serialize;

use super::{Field, record};
use crate::output::{Cell, Kind, Record};

record! {
    /// The answer of `delete`; `parts_touched` of the `parts_before` were made anew, or went.
    DeletedWire {
        success: bool,
        name: String,
        cid: String,
        commit: String,
        rows_deleted: u64,
        rows: u64,
        parts_touched: u64,
        parts_before: u64,
        new_bytes: u64,
        dry_run: bool,
    }
}

impl From<&Deleted> for DeletedWire {
    fn from(deleted: &Deleted) -> Self {
        Self {
            success: true,
            name: deleted.name.clone(),
            cid: deleted.cid.to_string(),
            commit: deleted.commit.to_string(),
            rows_deleted: deleted.rows_deleted,
            rows: deleted.rows,
            parts_touched: deleted.parts_touched,
            parts_before: deleted.parts_before,
            new_bytes: deleted.new_bytes,
            dry_run: deleted.dry_run,
        }
    }
}

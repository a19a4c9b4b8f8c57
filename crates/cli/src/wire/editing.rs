//! The shapes of the answers of what changes some rows: `delete`, and `store --upsert`.

use cidlake::{Deleted, Stored, Upserted};
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

record! {
    /// The answer of `store --upsert`.
    UpsertedWire {
        success: bool,
        name: Option<String>,
        cid: String,
        commit: String,
        key: Vec<String>,
        rows_updated: u64,
        rows_inserted: u64,
        rows_unchanged: u64,
        rows: u64,
        parts_touched: u64,
        parts_before: u64,
        bytes: u64,
        new_bytes: u64,
    }
}

impl UpsertedWire {
    /// Says what was stored, and what became of the rows.
    pub(crate) fn new(stored: &Stored, upserted: &Upserted) -> Self {
        Self {
            success: true,
            name: stored.name.clone(),
            cid: stored.cid.to_string(),
            commit: stored.commit.to_string(),
            key: stored.key_columns.clone(),
            rows_updated: upserted.rows_updated,
            rows_inserted: upserted.rows_inserted,
            rows_unchanged: upserted.rows_unchanged,
            rows: stored.rows,
            parts_touched: upserted.parts_touched,
            parts_before: upserted.parts_before,
            bytes: stored.bytes,
            new_bytes: stored.new_bytes,
        }
    }
}

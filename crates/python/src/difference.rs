//! What two versions differ in, as a Python dict; rows of either are answers of their own.

use std::collections::BTreeMap;

use cidlake::{ColumnChange, ColumnDiff, DiffSide, Difference, MetadataDiff, RoleDiff};
use pyo3::prelude::*;

use crate::result::NativeResult;

#[derive(IntoPyObject)]
pub(crate) struct DifferenceDict {
    same: bool,
    a: SideDict,
    b: SideDict,
    columns: Vec<ColumnDiffDict>,
    metadata: BTreeMap<String, (Option<String>, Option<String>)>,
    roles: BTreeMap<&'static str, (Vec<String>, Vec<String>)>,
    key: Vec<String>,
    rows_removed: u64,
    rows_added: u64,
    rows_changed: u64,
    columns_changed: BTreeMap<String, u64>,
    removed: NativeResult,
    removed_times: Vec<u64>,
    added: NativeResult,
    added_times: Vec<u64>,
    changed_before: NativeResult,
    changed_after: NativeResult,
    changed_columns: Vec<Vec<String>>,
    parts_differing: u64,
    rows_read: u64,
}

#[derive(IntoPyObject)]
pub(crate) struct SideDict {
    reference: String,
    name: Option<String>,
    commit: String,
    cid: String,
    rows: u64,
    parts: u64,
}

#[derive(IntoPyObject)]
pub(crate) struct ColumnDiffDict {
    name: String,
    change: &'static str,
    before: Option<String>,
    after: Option<String>,
}

impl From<Difference> for DifferenceDict {
    fn from(difference: Difference) -> Self {
        let same = difference.is_none();
        let Difference { a, b, key, metadata, roles, table } = difference;
        let metadata = metadata.into_iter().map(|MetadataDiff { word, a, b }| (word, (a, b)));
        let roles = roles.into_iter().map(|RoleDiff { role, a, b }| (role, (a, b)));
        Self {
            same,
            a: SideDict::from(a),
            b: SideDict::from(b),
            columns: table.columns.into_iter().map(ColumnDiffDict::from).collect(),
            metadata: metadata.collect(),
            roles: roles.collect(),
            key,
            rows_removed: table.rows_removed,
            rows_added: table.rows_added,
            rows_changed: table.rows_changed,
            columns_changed: table.columns_changed.into_iter().collect(),
            removed: NativeResult::of(table.removed.values),
            removed_times: table.removed.times,
            added: NativeResult::of(table.added.values),
            added_times: table.added.times,
            changed_before: NativeResult::of(table.changed.before),
            changed_after: NativeResult::of(table.changed.after),
            changed_columns: table.changed.columns,
            parts_differing: table.parts_differing,
            rows_read: table.rows_read,
        }
    }
}

impl From<DiffSide> for SideDict {
    fn from(side: DiffSide) -> Self {
        let DiffSide { reference, name, commit, cid, rows, parts } = side;
        let (commit, cid) = (commit.to_string(), cid.to_string());
        Self { reference, name, commit, cid, rows, parts }
    }
}

impl From<ColumnDiff> for ColumnDiffDict {
    fn from(column: ColumnDiff) -> Self {
        let change = match column.change {
            ColumnChange::Added => "added",
            ColumnChange::Removed => "removed",
            ColumnChange::Retyped => "retyped",
            ColumnChange::Moved => "moved",
        };
        Self { name: column.name, change, before: column.a, after: column.b }
    }
}

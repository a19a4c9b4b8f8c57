//! The answers of the facade as Python dicts: their words are the fields of the data classes in
//! `cidlake/_answers.py`. CIDs are text and moments milliseconds since the Unix epoch.

use std::collections::BTreeMap;

use cidlake::{
    Added, ColumnInfo, DatasetInfo, Dropped, Exported, Log, LogEnd, LogEntry, PartInfo, Shown,
    ShownKind, Stored, Upserted,
};
use pyo3::prelude::*;

#[derive(IntoPyObject)]
pub(crate) struct StoredDict {
    name: Option<String>,
    cid: String,
    commit: String,
    rows: u64,
    columns: usize,
    parts: u64,
    bytes: u64,
    new_bytes: u64,
    unchanged: bool,
    key: Vec<String>,
    partition_by: Vec<String>,
    metadata: BTreeMap<String, String>,
    upserted: Option<UpsertedDict>,
}

#[derive(IntoPyObject)]
pub(crate) struct UpsertedDict {
    rows_updated: u64,
    rows_inserted: u64,
    rows_unchanged: u64,
}

#[derive(IntoPyObject)]
pub(crate) struct DatasetDict {
    name: String,
    cid: String,
    commit: String,
    rows: u64,
    columns: u64,
    parts: u64,
    bytes: u64,
    updated: u64,
    operation: String,
    partition_by: Vec<String>,
    metadata: BTreeMap<String, String>,
    conflicts: u64,
}

#[derive(IntoPyObject)]
pub(crate) struct ShownDict {
    name: Option<String>,
    cid: String,
    commit: Option<String>,
    kind: &'static str,
    rows: Option<u64>,
    bytes: Option<u64>,
    columns: Vec<ColumnDict>,
    parts: Vec<PartDict>,
    metadata: BTreeMap<String, String>,
    operation: Option<String>,
    parents: Vec<String>,
    author: Option<String>,
    time: Option<u64>,
    message: Option<String>,
    profile: Option<String>,
    logical_hash: Option<String>,
    key: Vec<String>,
    cut_columns: Vec<String>,
    partition_by: Vec<String>,
    conflicts: Vec<String>,
    tags: Vec<String>,
}

#[derive(IntoPyObject)]
pub(crate) struct ColumnDict {
    name: String,
    #[pyo3(item("type"))]
    kind: String,
    nulls: Option<u64>,
    min: Option<String>,
    max: Option<String>,
    bytes: Option<u64>,
}

#[derive(IntoPyObject)]
pub(crate) struct PartDict {
    cid: String,
    rows: u64,
    bytes: u64,
    folders: Vec<String>,
}

#[derive(IntoPyObject)]
pub(crate) struct LogDict {
    name: Option<String>,
    end: &'static str,
    next: Option<String>,
    entries: Vec<EntryDict>,
}

#[derive(IntoPyObject)]
pub(crate) struct EntryDict {
    commit: String,
    parent: Option<String>,
    cid: String,
    depth: u64,
    back: Option<u64>,
    time: u64,
    author: String,
    operation: String,
    message: Option<String>,
    rows: u64,
    rows_before: Option<u64>,
    bytes: u64,
    parts: u64,
    metadata_changed: bool,
    tags: Vec<String>,
}

#[derive(IntoPyObject)]
pub(crate) struct DroppedDict {
    name: String,
    commit: String,
    tags: Vec<String>,
}

#[derive(IntoPyObject)]
pub(crate) struct AddedDict {
    cid: String,
    name: String,
    bytes: u64,
    new_bytes: u64,
}

#[derive(IntoPyObject)]
pub(crate) struct ExportedDict {
    cid: String,
    commit: Option<String>,
    blocks: u64,
    bytes: u64,
    path: String,
}

impl From<Stored> for StoredDict {
    fn from(stored: Stored) -> Self {
        Self {
            name: stored.name,
            cid: stored.cid.to_string(),
            commit: stored.commit.to_string(),
            rows: stored.rows,
            columns: stored.columns,
            parts: stored.parts,
            bytes: stored.bytes,
            new_bytes: stored.new_bytes,
            unchanged: stored.unchanged,
            key: stored.key_columns,
            partition_by: stored.partition_columns,
            metadata: stored.metadata,
            upserted: stored.upserted.map(UpsertedDict::from),
        }
    }
}

impl From<Upserted> for UpsertedDict {
    fn from(upserted: Upserted) -> Self {
        Self {
            rows_updated: upserted.rows_updated,
            rows_inserted: upserted.rows_inserted,
            rows_unchanged: upserted.rows_unchanged,
        }
    }
}

impl From<DatasetInfo> for DatasetDict {
    fn from(info: DatasetInfo) -> Self {
        Self {
            name: info.name,
            cid: info.cid.to_string(),
            commit: info.commit.to_string(),
            rows: info.rows,
            columns: info.columns,
            parts: info.parts,
            bytes: info.bytes,
            updated: info.updated_ms,
            operation: info.operation,
            partition_by: info.partition_columns,
            metadata: info.metadata,
            conflicts: info.conflicts,
        }
    }
}

impl From<Shown> for ShownDict {
    fn from(shown: Shown) -> Self {
        let kind = match shown.kind {
            ShownKind::Table => "table",
            ShownKind::File => "file",
            ShownKind::Directory => "directory",
            ShownKind::Block => "block",
        };
        Self {
            name: shown.name,
            cid: shown.cid.to_string(),
            commit: shown.commit.map(|cid| cid.to_string()),
            kind,
            rows: shown.rows,
            bytes: shown.bytes,
            columns: shown.columns.into_iter().map(ColumnDict::from).collect(),
            parts: shown.parts.into_iter().map(PartDict::from).collect(),
            metadata: shown.metadata,
            operation: shown.operation,
            parents: shown.parents.iter().map(ToString::to_string).collect(),
            author: shown.author,
            time: shown.time_ms,
            message: shown.message,
            profile: shown.profile,
            logical_hash: shown.logical_hash,
            key: shown.key_columns,
            cut_columns: shown.cut_columns,
            partition_by: shown.partition_columns,
            conflicts: shown.conflicts.iter().map(ToString::to_string).collect(),
            tags: shown.tags,
        }
    }
}

impl From<ColumnInfo> for ColumnDict {
    fn from(column: ColumnInfo) -> Self {
        let ColumnInfo { name, kind, nulls, min, max, bytes } = column;
        Self { name, kind, nulls, min, max, bytes }
    }
}

impl From<PartInfo> for PartDict {
    fn from(part: PartInfo) -> Self {
        let PartInfo { cid, rows, bytes, folders } = part;
        Self { cid: cid.to_string(), rows, bytes, folders }
    }
}

impl From<Log> for LogDict {
    fn from(log: Log) -> Self {
        let (end, next) = match log.end {
            LogEnd::More(next) => ("more", Some(next.to_string())),
            LogEnd::First => ("first", None),
            LogEnd::Expired => ("expired", None),
            LogEnd::Missing => ("missing", None),
        };
        let entries = log.entries.into_iter().map(EntryDict::from).collect();
        Self { name: log.name, end, next, entries }
    }
}

impl From<LogEntry> for EntryDict {
    fn from(entry: LogEntry) -> Self {
        Self {
            commit: entry.commit.to_string(),
            parent: entry.parent.map(|cid| cid.to_string()),
            cid: entry.cid.to_string(),
            depth: entry.depth,
            back: entry.back,
            time: entry.time_ms,
            author: entry.author,
            operation: entry.operation,
            message: entry.message,
            rows: entry.rows,
            rows_before: entry.rows_before,
            bytes: entry.bytes,
            parts: entry.parts,
            metadata_changed: entry.metadata_changed,
            tags: entry.tags,
        }
    }
}

impl From<Dropped> for DroppedDict {
    fn from(dropped: Dropped) -> Self {
        Self { name: dropped.name, commit: dropped.commit.to_string(), tags: dropped.tags }
    }
}

impl From<Added> for AddedDict {
    fn from(added: Added) -> Self {
        let Added { cid, name, bytes, new_bytes } = added;
        Self { cid: cid.to_string(), name, bytes, new_bytes }
    }
}

impl From<Exported> for ExportedDict {
    fn from(exported: Exported) -> Self {
        Self {
            cid: exported.cid.to_string(),
            commit: exported.commit.map(|cid| cid.to_string()),
            blocks: exported.blocks,
            bytes: exported.bytes,
            path: exported.path.display().to_string(),
        }
    }
}

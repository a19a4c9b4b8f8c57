//! The shapes of the answers: what the keys of a JSON object are, and the columns of the same
//! answer as rows.
//!
//! Field names and their order are what programs rely on; they change only with a note in the
//! changelog. CIDs, moments and paths are text. Nothing here decides how an answer looks.

mod altering;
mod compacting;
mod diff;
mod editing;
mod finding;
mod history;
mod keeping;
mod queue;

use std::collections::BTreeMap;

use cidlake::{
    Added, AsFile, Cid, ColumnInfo, Damage, DatasetInfo, Dropped, Error, Exported, FileKind,
    FsckReport, Imported, LsEntry, PartDag, PartInfo, Renamed, Repaired, Shown, ShownKind, Stored,
};
use serde::Serialize;

pub(crate) use self::altering::AlteredWire;
pub(crate) use self::compacting::CompactedWire;
pub(crate) use self::diff::DiffWire;
pub(crate) use self::editing::{DeletedWire, UpsertedWire};
pub(crate) use self::finding::FoundWire;
pub(crate) use self::history::{LogWire, RestoredWire, TagWire, TaggedWire, UntaggedWire};
pub(crate) use self::keeping::{
    DoctorWire, ExpiredWire, GcWire, MaintainedWire, PinWire, PinnedWire, UnpinnedWire,
};
pub(crate) use self::queue::{
    OperationChangedWire, OperationWire, QueuedWire, WalStatusWire, WorkWire,
};

use crate::output::{Cell, Kind, Record, moment};

/// Defines a record: a struct that is a JSON object and a row of typed columns at once.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Serialize)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }

        impl Record for $name {
            fn columns() -> Vec<(&'static str, Kind)> {
                vec![$((stringify!($field), <$type as Field>::KIND),)*]
            }

            fn cells(&self) -> Vec<Cell> {
                vec![$(self.$field.cell(),)*]
            }
        }
    };
}
pub(crate) use record;

/// A type that a field of a record may have.
pub(crate) trait Field {
    /// The type of its column.
    const KIND: Kind;

    /// Returns the value for its column.
    fn cell(&self) -> Cell;
}

impl Field for String {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(Some(self.clone()))
    }
}

impl Field for &'static str {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(Some((*self).to_owned()))
    }
}

impl Field for Option<String> {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(self.clone())
    }
}

/// As a column, texts that are CIDs or names stand in one cell, separated by spaces.
impl Field for Vec<String> {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(Some(self.join(" ")))
    }
}

/// As a column, an object is its JSON text.
impl<T: Serialize> Field for BTreeMap<String, T> {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(serde_json::to_string(self).ok())
    }
}

impl Field for u64 {
    const KIND: Kind = Kind::Count;

    fn cell(&self) -> Cell {
        Cell::Count(Some(*self))
    }
}

impl Field for Option<u64> {
    const KIND: Kind = Kind::Count;

    fn cell(&self) -> Cell {
        Cell::Count(*self)
    }
}

impl Field for bool {
    const KIND: Kind = Kind::Flag;

    fn cell(&self) -> Cell {
        Cell::Flag(*self)
    }
}

impl Field for f64 {
    const KIND: Kind = Kind::Real;

    fn cell(&self) -> Cell {
        Cell::Real(*self)
    }
}

record! {
    /// The answer of `store`.
    StoredWire {
        success: bool,
        name: Option<String>,
        cid: String,
        commit: String,
        rows: u64,
        bytes: u64,
        new_bytes: u64,
    }
}

impl From<&Stored> for StoredWire {
    fn from(stored: &Stored) -> Self {
        Self {
            success: true,
            name: stored.name.clone(),
            cid: stored.cid.to_string(),
            commit: stored.commit.to_string(),
            rows: stored.rows,
            bytes: stored.bytes,
            new_bytes: stored.new_bytes,
        }
    }
}

record! {
    /// One dataset of `datasets`.
    DatasetWire {
        name: String,
        cid: String,
        commit: String,
        rows: u64,
        bytes: u64,
        columns: u64,
        parts: u64,
        updated: String,
        operation: String,
        metadata: BTreeMap<String, String>,
        conflicts: u64,
    }
}

impl From<&DatasetInfo> for DatasetWire {
    fn from(info: &DatasetInfo) -> Self {
        Self {
            name: info.name.clone(),
            cid: info.cid.to_string(),
            commit: info.commit.to_string(),
            rows: info.rows,
            bytes: info.bytes,
            columns: info.columns,
            parts: info.parts,
            updated: moment(info.updated_ms),
            operation: info.operation.clone(),
            metadata: info.metadata.clone(),
            conflicts: info.conflicts,
        }
    }
}

record! {
    /// One column of `show`.
    ColumnWire {
        name: String,
        kind: String,
        nulls: Option<u64>,
        min: Option<String>,
        max: Option<String>,
        bytes: Option<u64>,
    }
}

impl From<&ColumnInfo> for ColumnWire {
    fn from(column: &ColumnInfo) -> Self {
        Self {
            name: column.name.clone(),
            kind: column.kind.clone(),
            nulls: column.nulls,
            min: column.min.clone(),
            max: column.max.clone(),
            bytes: column.bytes,
        }
    }
}

record! {
    /// One part of `show`.
    PartWire {
        cid: String,
        rows: u64,
        bytes: u64,
        folder: String,
    }
}

impl From<&PartInfo> for PartWire {
    fn from(part: &PartInfo) -> Self {
        let folder = part.folders.join("/");
        Self { cid: part.cid.to_string(), rows: part.rows, bytes: part.bytes, folder }
    }
}

/// The answer of `show`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShownWire {
    pub(crate) name: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) cid: String,
    pub(crate) commit: Option<String>,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) columns: Vec<ColumnWire>,
    pub(crate) parts: Vec<PartWire>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) operation: Option<String>,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) logical_hash: Option<String>,
    pub(crate) cut_columns: Vec<String>,
    pub(crate) key_columns: Vec<String>,
    pub(crate) partition_columns: Vec<String>,
    pub(crate) conflicts: Vec<String>,
    pub(crate) tags: Vec<String>,
}

impl From<&Shown> for ShownWire {
    fn from(shown: &Shown) -> Self {
        Self {
            name: shown.name.clone(),
            kind: kind(shown.kind),
            cid: shown.cid.to_string(),
            commit: shown.commit.map(|commit| commit.to_string()),
            rows: shown.rows,
            bytes: shown.bytes,
            columns: shown.columns.iter().map(ColumnWire::from).collect(),
            parts: shown.parts.iter().map(PartWire::from).collect(),
            metadata: shown.metadata.clone(),
            operation: shown.operation.clone(),
            parents: texts(&shown.parents),
            author: shown.author.clone(),
            time: shown.time_ms.map(moment),
            message: shown.message.clone(),
            profile: shown.profile.clone(),
            logical_hash: shown.logical_hash.clone(),
            cut_columns: shown.cut_columns.clone(),
            key_columns: shown.key_columns.clone(),
            partition_columns: shown.partition_columns.clone(),
            conflicts: texts(&shown.conflicts),
            tags: shown.tags.clone(),
        }
    }
}

fn kind(kind: ShownKind) -> &'static str {
    match kind {
        ShownKind::Table => "table",
        ShownKind::File => "file",
        ShownKind::Directory => "directory",
        ShownKind::Block => "block",
    }
}

record! {
    /// The answer of `drop`.
    DroppedWire {
        success: bool,
        name: String,
        commit: String,
        tags: Vec<String>,
    }
}

impl From<&Dropped> for DroppedWire {
    fn from(dropped: &Dropped) -> Self {
        let (commit, tags) = (dropped.commit.to_string(), dropped.tags.clone());
        Self { success: true, name: dropped.name.clone(), commit, tags }
    }
}

record! {
    /// The answer of `rename`.
    RenamedWire {
        success: bool,
        from: String,
        to: String,
        commit: String,
        tags: Vec<String>,
    }
}

impl From<&Renamed> for RenamedWire {
    fn from(renamed: &Renamed) -> Self {
        Self {
            success: true,
            from: renamed.from.clone(),
            to: renamed.to.clone(),
            commit: renamed.commit.to_string(),
            tags: renamed.tags.clone(),
        }
    }
}

record! {
    /// One path of `add`.
    AddedWire {
        success: bool,
        cid: String,
        name: String,
        bytes: u64,
        new_bytes: u64,
    }
}

impl From<&Added> for AddedWire {
    fn from(added: &Added) -> Self {
        Self {
            success: true,
            cid: added.cid.to_string(),
            name: added.name.clone(),
            bytes: added.bytes,
            new_bytes: added.new_bytes,
        }
    }
}

record! {
    /// One entry of `ls`.
    EntryWire {
        name: String,
        cid: String,
        size: u64,
        kind: &'static str,
    }
}

impl From<&LsEntry> for EntryWire {
    fn from(entry: &LsEntry) -> Self {
        Self {
            name: entry.name.clone(),
            cid: entry.cid.to_string(),
            size: entry.size,
            kind: match entry.kind {
                FileKind::File => "file",
                FileKind::Directory => "directory",
                FileKind::Symlink => "symlink",
            },
        }
    }
}

record! {
    /// One leaf in the answer of `dag`.
    LeafWire {
        part: u64,
        part_cid: String,
        cid: String,
        offset: u64,
        bytes: u64,
        holds: &'static str,
        column: Option<String>,
        pages: u64,
    }
}

impl LeafWire {
    /// Returns the leaves of part number `ordinal`.
    pub(crate) fn of_part((ordinal, part): (usize, &PartDag)) -> Vec<Self> {
        let leaves = part.leaves.iter().map(|leaf| Self {
            part: ordinal as u64,
            part_cid: part.cid.to_string(),
            cid: leaf.cid.to_string(),
            offset: leaf.offset,
            bytes: leaf.bytes,
            holds: leaf.kind.name(),
            column: leaf.column.clone(),
            pages: leaf.pages,
        });
        leaves.collect()
    }
}

record! {
    /// The answer of `show --as-file`.
    AsFileWire {
        success: bool,
        cid: String,
        bytes: u64,
        new_bytes: u64,
    }
}

impl From<&AsFile> for AsFileWire {
    fn from(file: &AsFile) -> Self {
        let AsFile { cid, bytes, new_bytes } = *file;
        Self { success: true, cid: cid.to_string(), bytes, new_bytes }
    }
}

record! {
    /// The answer of `export`.
    ExportedWire {
        success: bool,
        cid: String,
        commit: Option<String>,
        blocks: u64,
        bytes: u64,
        path: String,
    }
}

impl From<&Exported> for ExportedWire {
    fn from(exported: &Exported) -> Self {
        Self {
            success: true,
            cid: exported.cid.to_string(),
            commit: exported.commit.map(|commit| commit.to_string()),
            blocks: exported.blocks,
            bytes: exported.bytes,
            path: exported.path.display().to_string(),
        }
    }
}

record! {
    /// The answer of `import`.
    ImportedWire {
        success: bool,
        roots: Vec<String>,
        names: Vec<String>,
        blocks: u64,
        bytes: u64,
        new_bytes: u64,
    }
}

impl From<&Imported> for ImportedWire {
    fn from(imported: &Imported) -> Self {
        Self {
            success: true,
            roots: texts(&imported.roots),
            names: imported.names.clone(),
            blocks: imported.blocks,
            bytes: imported.bytes,
            new_bytes: imported.new_bytes,
        }
    }
}

record! {
    /// One damage of `fsck`.
    DamageWire {
        what: &'static str,
        cid: Option<String>,
        place: String,
        detail: String,
    }
}

impl From<&Damage> for DamageWire {
    fn from(damage: &Damage) -> Self {
        Self {
            what: damage.what,
            cid: damage.cid.map(|cid| cid.to_string()),
            place: damage.place.clone(),
            detail: damage.detail.clone(),
        }
    }
}

/// The answer of `fsck`; `success` says that the lake is whole.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FsckWire {
    pub(crate) success: bool,
    pub(crate) full: bool,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    pub(crate) packs: u64,
    pub(crate) log_records: u64,
    pub(crate) deltas: u64,
    pub(crate) datasets: u64,
    pub(crate) damage: Vec<DamageWire>,
    /// What `--repair` did; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repaired: Option<RepairedWire>,
}

/// What `fsck --repair` did, a sentence each.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RepairedWire {
    pub(crate) changed: Vec<String>,
    pub(crate) lost: Vec<String>,
}

impl From<&FsckReport> for FsckWire {
    fn from(report: &FsckReport) -> Self {
        Self::new(report, None)
    }
}

impl FsckWire {
    /// Makes the answer of a check that came after a repair.
    pub(crate) fn new(report: &FsckReport, repaired: Option<&Repaired>) -> Self {
        Self {
            success: report.damage.is_empty(),
            full: report.full,
            repaired: repaired.map(|repaired| RepairedWire {
                changed: repaired.changed.clone(),
                lost: repaired.lost.clone(),
            }),
            blocks: report.blocks,
            bytes: report.bytes,
            packs: report.packs,
            log_records: report.log_records,
            deltas: report.deltas,
            datasets: report.datasets,
            damage: report.damage.iter().map(DamageWire::from).collect(),
        }
    }
}

/// An error, with `--error-format json`.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    error: ErrorWire,
}

#[derive(Debug, Serialize)]
struct ErrorWire {
    kind: &'static str,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    exit_code: u8,
}

impl ErrorReport {
    /// Makes the report of an error with its causes and exit code.
    pub(crate) fn new(error: &Error, causes: Vec<String>, exit_code: u8) -> Self {
        let error = ErrorWire {
            kind: error.kind().word(),
            message: error.to_string(),
            causes,
            hint: error.hint().map(str::to_owned),
            exit_code,
        };
        Self { error }
    }
}

fn texts(cids: &[Cid]) -> Vec<String> {
    cids.iter().map(ToString::to_string).collect()
}

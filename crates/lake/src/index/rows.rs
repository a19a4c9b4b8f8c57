//! The tables of the index: their columns, and rows on their way into them; pure.

use std::ops::Range;
use std::sync::Arc;

use cidlake_query::QueryError;
use cidlake_query::arrow::array::{
    ArrayRef, BooleanArray, ListBuilder, MapBuilder, StringArray, StringBuilder,
    TimestampMillisecondArray, UInt64Array,
};
use cidlake_query::arrow::compute::concat_batches;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::record_batch::RecordBatch;

use crate::error::Error;

/// A table of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Every version that is kept.
    Commits = 0,
    /// The parts of the newest versions.
    Parts = 1,
    /// The columns of the newest versions.
    Columns = 2,
}

impl Table {
    pub(crate) const ALL: [Self; 3] = [Self::Commits, Self::Parts, Self::Columns];

    /// Returns the word that its files go by.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Parts => "parts",
            Self::Columns => "columns",
        }
    }

    /// Returns the columns that hold addresses.
    pub(crate) fn addresses(self) -> &'static [&'static str] {
        match self {
            Self::Commits => &["commit", "cid"],
            Self::Parts => &["cid"],
            Self::Columns => &[],
        }
    }

    /// Returns its columns.
    pub(crate) fn schema(self) -> SchemaRef {
        let empty = match self {
            Self::Commits => commits_batch(&[]),
            Self::Parts => parts_batch(&[]),
            Self::Columns => columns_batch(&[]),
        };
        empty.unwrap_or_else(|error| unreachable!("no rows make no table: {error}")).schema()
    }
}

/// Which rows of each table are meant.
pub(crate) type RowRanges = [Range<usize>; Table::ALL.len()];

/// Rows of all tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables([RecordBatch; Table::ALL.len()]);

impl Tables {
    pub(crate) fn new(tables: [RecordBatch; Table::ALL.len()]) -> Self {
        Self(tables)
    }

    pub(crate) fn of(&self, table: Table) -> &RecordBatch {
        &self.0[table as usize]
    }

    /// Joins what `batches` gives of each table.
    pub(crate) fn joined(batches: impl Fn(Table) -> Vec<RecordBatch>) -> Result<Self, Error> {
        let join = |table: Table| {
            let joined = concat_batches(&table.schema(), &batches(table));
            joined.map_err(|error| Error::from(QueryError::internal(error)))
        };
        Ok(Self([join(Table::Commits)?, join(Table::Parts)?, join(Table::Columns)?]))
    }
}

/// A version of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct CommitRow {
    pub(crate) dataset: String,
    pub(crate) commit: String,
    pub(crate) cid: String,
    pub(crate) parent: Option<String>,
    pub(crate) depth: u64,
    pub(crate) time_ms: u64,
    pub(crate) operation: String,
    pub(crate) author: String,
    pub(crate) message: Option<String>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) parts: u64,
    pub(crate) columns: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) key_columns: Vec<String>,
    pub(crate) partition_columns: Vec<String>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) logical_hash: Option<String>,
}

/// What changes of a version although it stays the same: which one is the newest, and its tags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Whether it is the newest of its dataset, or stands beside that.
    pub(crate) newest: bool,
    pub(crate) conflict: bool,
    pub(crate) tags: Vec<String>,
}

/// A part of the newest version of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct PartRow {
    pub(crate) dataset: String,
    pub(crate) ordinal: u64,
    pub(crate) cid: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) folder: Option<String>,
}

/// A column of the newest version of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct ColumnRow {
    pub(crate) dataset: String,
    pub(crate) ordinal: u64,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) nulls: Option<u64>,
    pub(crate) min: Option<String>,
    pub(crate) max: Option<String>,
    pub(crate) bytes: Option<u64>,
    pub(crate) is_key: bool,
    pub(crate) is_partition: bool,
}

pub(crate) fn commits_batch(rows: &[(CommitRow, Standing)]) -> Result<RecordBatch, QueryError> {
    let text = |pick: fn(&CommitRow) -> &str| texts(rows.iter().map(|(row, _)| Some(pick(row))));
    let maybe = |pick: fn(&CommitRow) -> Option<&str>| texts(rows.iter().map(|(row, _)| pick(row)));
    let number = |pick: fn(&CommitRow) -> u64| numbers(rows.iter().map(|(row, _)| Some(pick(row))));
    let list = |pick: fn(&CommitRow) -> &[String]| lists(rows.iter().map(|(row, _)| pick(row)));
    let time: TimestampMillisecondArray =
        rows.iter().map(|(row, _)| i64::try_from(row.time_ms).ok()).collect();
    let standings: Vec<&Standing> = rows.iter().map(|(_, standing)| standing).collect();
    let [newest, conflict, tags] = standing_columns(&standings);
    batch(vec![
        ("dataset", text(|row| &row.dataset)),
        ("commit", text(|row| &row.commit)),
        ("cid", text(|row| &row.cid)),
        ("newest", newest),
        ("conflict", conflict),
        ("tags", tags),
        ("parent", maybe(|row| row.parent.as_deref())),
        ("depth", number(|row| row.depth)),
        ("time", Arc::new(time.with_timezone_utc())),
        ("operation", text(|row| &row.operation)),
        ("author", text(|row| &row.author)),
        ("message", maybe(|row| row.message.as_deref())),
        ("rows", number(|row| row.rows)),
        ("bytes", number(|row| row.bytes)),
        ("parts", number(|row| row.parts)),
        ("columns", numbers(rows.iter().map(|(row, _)| Some(row.columns.len() as u64)))),
        ("column_names", list(|row| &row.columns)),
        ("column_types", list(|row| &row.types)),
        ("key_columns", list(|row| &row.key_columns)),
        ("partition_columns", list(|row| &row.partition_columns)),
        ("metadata", maps(rows.iter().map(|(row, _)| row.metadata.as_slice()))?),
        ("logical_hash", maybe(|row| row.logical_hash.as_deref())),
    ])
}

/// Where the columns of a version's standing are: [`standing_columns`].
pub(crate) const STANDING: [&str; 3] = ["newest", "conflict", "tags"];

/// Returns the columns of what changes of versions.
pub(crate) fn standing_columns(standings: &[&Standing]) -> [ArrayRef; STANDING.len()] {
    let flag = |pick: fn(&Standing) -> bool| -> ArrayRef {
        Arc::new(standings.iter().map(|standing| Some(pick(standing))).collect::<BooleanArray>())
    };
    let tags = lists(standings.iter().map(|standing| standing.tags.as_slice()));
    [flag(|standing| standing.newest), flag(|standing| standing.conflict), tags]
}

pub(crate) fn parts_batch(rows: &[PartRow]) -> Result<RecordBatch, QueryError> {
    batch(vec![
        ("dataset", texts(rows.iter().map(|row| Some(row.dataset.as_str())))),
        ("ordinal", numbers(rows.iter().map(|row| Some(row.ordinal)))),
        ("cid", texts(rows.iter().map(|row| Some(row.cid.as_str())))),
        ("rows", numbers(rows.iter().map(|row| Some(row.rows)))),
        ("bytes", numbers(rows.iter().map(|row| Some(row.bytes)))),
        ("folder", texts(rows.iter().map(|row| row.folder.as_deref()))),
    ])
}

pub(crate) fn columns_batch(rows: &[ColumnRow]) -> Result<RecordBatch, QueryError> {
    let flag = |pick: fn(&ColumnRow) -> bool| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(pick(row))).collect::<BooleanArray>())
    };
    batch(vec![
        ("dataset", texts(rows.iter().map(|row| Some(row.dataset.as_str())))),
        ("ordinal", numbers(rows.iter().map(|row| Some(row.ordinal)))),
        ("column", texts(rows.iter().map(|row| Some(row.name.as_str())))),
        ("type", texts(rows.iter().map(|row| Some(row.kind.as_str())))),
        ("nulls", numbers(rows.iter().map(|row| row.nulls))),
        ("min", texts(rows.iter().map(|row| row.min.as_deref()))),
        ("max", texts(rows.iter().map(|row| row.max.as_deref()))),
        ("bytes", numbers(rows.iter().map(|row| row.bytes))),
        ("is_key", flag(|row| row.is_key)),
        ("is_partition", flag(|row| row.is_partition)),
    ])
}

/// Every column may be null, so that batches with and without nulls have one schema.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, QueryError> {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).map_err(QueryError::internal)
}

pub(crate) fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

pub(crate) fn numbers(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(values.collect::<UInt64Array>())
}

fn lists<'a>(values: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    values.for_each(|list| lists.append_value(list.iter().map(Some)));
    Arc::new(lists.finish())
}

/// Makes a column of maps from text to text.
pub(crate) fn maps<'a>(
    values: impl Iterator<Item = &'a [(String, String)]>,
) -> Result<ArrayRef, QueryError> {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for map in values {
        for (key, value) in map {
            maps.keys().append_value(key);
            maps.values().append_value(value);
        }
        maps.append(true).map_err(QueryError::internal)?;
    }
    Ok(Arc::new(maps.finish()))
}

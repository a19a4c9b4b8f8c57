//! Table functions: what is known of a dataset as the rows of a statement. A version, the history,
//! the parts, and the difference of two versions.
//!
//! Arguments are texts. How a call is found in a statement is the query engine's.

use std::sync::Arc;

use cidlake_query::arrow::array::{
    ArrayRef, ListBuilder, StringArray, StringBuilder, TimestampMillisecondArray, UInt64Array,
};
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::{QueryError, Resolved};

use super::meant;
use crate::datasets::PartInfo;
use crate::diff::{DiffRequest, Difference};
use crate::error::Error;
use crate::lake::Lake;
use crate::log::{LogEnd, LogEntry, LogOptions};
use crate::progress::no_progress;

/// All functions, by name.
pub(super) const NAMES: [&str; 4] = ["at", "diff", "history", "parts"];
/// The most versions that `history` returns.
const VERSIONS_MAX: usize = 100_000;
/// The most rows of one kind, removed, added or changed, that `diff` returns.
const DIFF_ROWS_MAX: usize = 100_000;

/// Returns what the function `name` returns; `None` where there is none of this name.
pub(super) async fn call(
    lake: &Lake,
    name: &str,
    args: &[String],
) -> Result<Option<Resolved>, Error> {
    Ok(Some(match (name, args) {
        ("at", [dataset, version]) => meant(lake.target(&reference(dataset, version)).await?)?,
        ("at", _) => return Err(usage("at", "at('users', '~1')")),
        ("history", [reference]) => Resolved::Rows(history(lake, reference).await?),
        ("history", _) => return Err(usage("history", "history('users')")),
        ("parts", [reference]) => Resolved::Rows(parts(lake, reference).await?),
        ("parts", _) => return Err(usage("parts", "parts('users')")),
        ("diff", [dataset, a, b]) => {
            Resolved::Rows(diff(lake, [reference(dataset, a), reference(dataset, b)]).await?)
        }
        ("diff", _) => return Err(usage("diff", "diff('users', '~1', '~0')")),
        _ => return Ok(None),
    }))
}

fn usage(function: &str, example: &str) -> Error {
    Error::invalid(format!("the table function {function} is called otherwise"))
        .with_hint(format!("write it so: {example}"))
}

/// Returns the reference to a version of a dataset: `~1`, or what follows an `@`, with it or not.
fn reference(dataset: &str, version: &str) -> String {
    match version.starts_with(['~', '@']) {
        true => format!("{dataset}{version}"),
        false => format!("{dataset}@{version}"),
    }
}

async fn history(lake: &Lake, reference: &str) -> Result<RecordBatch, Error> {
    let options = LogOptions { limit: VERSIONS_MAX, from: None };
    let log = lake.log(reference, options).await?;
    if let LogEnd::More(next) = log.end {
        let message = format!("{reference} has more than {VERSIONS_MAX} versions");
        let hint = format!("begin further back: history('{reference}~{VERSIONS_MAX}'), or {next}");
        return Err(Error::invalid(message).with_hint(hint));
    }
    Ok(history_rows(&log.entries)?)
}

fn history_rows(entries: &[LogEntry]) -> Result<RecordBatch, QueryError> {
    let number = |pick: fn(&LogEntry) -> Option<u64>| -> ArrayRef {
        Arc::new(entries.iter().map(pick).collect::<UInt64Array>())
    };
    let text = |pick: fn(&LogEntry) -> Option<String>| -> ArrayRef {
        Arc::new(entries.iter().map(pick).collect::<StringArray>())
    };
    let time: TimestampMillisecondArray =
        entries.iter().map(|entry| i64::try_from(entry.time_ms).ok()).collect();
    let mut tags = ListBuilder::new(StringBuilder::new());
    for entry in entries {
        tags.append_value(entry.tags.iter().map(Some));
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("back", number(|entry| entry.back)),
        ("depth", number(|entry| Some(entry.depth))),
        ("commit", text(|entry| Some(entry.commit.to_string()))),
        ("parent", text(|entry| entry.parent.map(|parent| parent.to_string()))),
        ("cid", text(|entry| Some(entry.cid.to_string()))),
        ("time", Arc::new(time.with_timezone_utc())),
        ("operation", text(|entry| Some(entry.operation.clone()))),
        ("rows", number(|entry| Some(entry.rows))),
        ("parts", number(|entry| Some(entry.parts))),
        ("bytes", number(|entry| Some(entry.bytes))),
        ("author", text(|entry| Some(entry.author.clone()))),
        ("message", text(|entry| entry.message.clone())),
        ("tags", Arc::new(tags.finish())),
    ];
    batch(columns)
}

async fn parts(lake: &Lake, reference: &str) -> Result<RecordBatch, Error> {
    let shown = lake.show(reference).await?;
    if shown.commit.is_none() {
        return Err(Error::invalid(format!("{reference} is no table and has no parts"))
            .with_hint("`SELECT name FROM datasets` lists the tables"));
    }
    Ok(parts_rows(&shown.parts)?)
}

fn parts_rows(parts: &[PartInfo]) -> Result<RecordBatch, QueryError> {
    let number = |pick: fn(&PartInfo) -> u64| -> ArrayRef {
        Arc::new(parts.iter().map(|part| Some(pick(part))).collect::<UInt64Array>())
    };
    let ordinals: UInt64Array = (0..).take(parts.len()).map(Some).collect();
    let starts: UInt64Array = parts
        .iter()
        .scan(0, |next, part| {
            let start = *next;
            *next += part.rows;
            Some(Some(start))
        })
        .collect();
    let cids: StringArray = parts.iter().map(|part| Some(part.cid.to_string())).collect();
    let folders: StringArray = parts
        .iter()
        .map(|part| (!part.folders.is_empty()).then(|| part.folders.join("/")))
        .collect();
    batch(vec![
        ("ordinal", Arc::new(ordinals)),
        ("cid", Arc::new(cids)),
        ("first_row", Arc::new(starts)),
        ("rows", number(|part| part.rows)),
        ("bytes", number(|part| part.bytes)),
        ("folder", Arc::new(folders)),
    ])
}

/// Columns may be null in all rows, and there may be no rows: every one is nullable.
fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, QueryError> {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).map_err(QueryError::internal)
}

async fn diff(lake: &Lake, references: [String; 2]) -> Result<RecordBatch, Error> {
    let request = DiffRequest { key: None, samples_max: DIFF_ROWS_MAX };
    let said = references.join(" and ");
    let found: Difference =
        lake.blocking(move |inner| inner.difference(references, request, &no_progress())).await?;
    let table = &found.table;
    let most = table.rows_removed.max(table.rows_added).max(table.rows_changed);
    if most > DIFF_ROWS_MAX as u64 {
        let message = format!(
            "{said} differ in {} rows removed, {} added and {} changed; diff returns up to \
             {DIFF_ROWS_MAX} of a kind",
            table.rows_removed, table.rows_added, table.rows_changed
        );
        return Err(Error::invalid(message).with_hint(
            "compare versions that are nearer, or select from both with at(…) and EXCEPT",
        ));
    }
    Ok(table.rows()?)
}

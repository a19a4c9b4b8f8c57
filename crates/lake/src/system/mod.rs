//! What is known of the lake as tables of the schema `system`, and where each comes from.
//!
//! `objects` are those of the index, `wal` is the log, `figures` is what is counted, `chunks` makes
//! rows while they are read. The tables of `chunks` are what they are when they are read.

mod chunks;
mod figures;
mod objects;
mod seal;
mod wal;

use cidlake_query::Resolved;

use crate::error::Error;
use crate::index::Table;
use crate::lake::Lake;

/// The schema of these tables.
const SCHEMA: &str = "system.";

/// All of them, without the schema.
const TABLES: [&str; 11] = [
    "blocks",
    "cache",
    "columns",
    "commits",
    "datasets",
    "metrics",
    "operations",
    "parts",
    "pins",
    "settings",
    "wal",
];

/// Returns their names with the schema.
pub(crate) fn names() -> impl Iterator<Item = String> {
    TABLES.into_iter().map(|table| format!("{SCHEMA}{table}"))
}

/// Returns what a reference means, if it is one of these tables.
pub(crate) async fn table(lake: &Lake, reference: &str) -> Result<Option<Resolved>, Error> {
    let Some(name) = reference.strip_prefix(SCHEMA) else { return Ok(None) };
    Ok(Some(match name {
        "blocks" => objects::blocks(lake),
        "cache" => figures::cache(lake).await?,
        "columns" => objects::indexed(lake, Table::Columns).await?,
        "commits" => objects::indexed(lake, Table::Commits).await?,
        "datasets" => objects::datasets(lake).await?,
        "metrics" => figures::metrics(lake).await?,
        "operations" => objects::operations(lake),
        "parts" => objects::indexed(lake, Table::Parts).await?,
        "pins" => objects::pins(lake).await?,
        "settings" => figures::settings(lake)?,
        "wal" => wal::table(lake),
        _ => return Ok(None),
    }))
}

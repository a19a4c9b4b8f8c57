//! What the demo tells: its JSON object, its rows, and its text for people.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::output::{Align, Cell, Kind, Layout, Record, bytes, count, plural, seconds};
use crate::wire::{Field, FsckWire, record};

record! {
    /// One table that was generated and stored.
    TableWire {
        name: String,
        rows: u64,
        parts: u64,
        bytes: u64,
        new_bytes: u64,
        seconds: f64,
        cid: String,
        commit: String,
    }
}

record! {
    /// One read of a table.
    ReadWire {
        what: String,
        rows: u64,
        seconds: f64,
    }
}

record! {
    /// The table that was stored again.
    AgainWire {
        name: String,
        cid: String,
        same_cid: bool,
        new_bytes: u64,
        seconds: f64,
    }
}

record! {
    /// One step, for the formats that know only rows.
    StepWire {
        step: &'static str,
        what: String,
        rows: Option<u64>,
        new_bytes: Option<u64>,
        seconds: f64,
        cid: Option<String>,
    }
}

/// One query with the first rows of its answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct QueryWire {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) rows: u64,
    pub(super) seconds: f64,
    pub(super) first: Vec<Map<String, Value>>,
    /// The same rows as text for people.
    #[serde(skip)]
    pub(super) preview: String,
}

/// The check at the end.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CheckWire {
    pub(super) success: bool,
    pub(super) blocks: u64,
    pub(super) bytes: u64,
    pub(super) damage: usize,
    pub(super) seconds: f64,
}

impl CheckWire {
    pub(super) fn new(found: FsckWire, seconds: f64) -> Self {
        Self {
            success: found.success,
            blocks: found.blocks,
            bytes: found.bytes,
            damage: found.damage.len(),
            seconds,
        }
    }
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) scale: f64,
    pub(super) lake: String,
    pub(super) prepare_seconds: f64,
    pub(super) tables: Vec<TableWire>,
    pub(super) queries: Vec<QueryWire>,
    pub(super) reads: Vec<ReadWire>,
    pub(super) again: AgainWire,
    pub(super) check: CheckWire,
    pub(super) seconds: f64,
}

/// Returns the steps as rows.
pub(super) fn rows(report: &Report) -> Vec<StepWire> {
    let mut rows = Vec::new();
    for table in &report.tables {
        rows.push(StepWire {
            step: "store",
            what: table.name.clone(),
            rows: Some(table.rows),
            new_bytes: Some(table.new_bytes),
            seconds: table.seconds,
            cid: Some(table.cid.clone()),
        });
    }
    let read = |step, what: &str, rows, seconds| StepWire {
        step,
        what: what.to_owned(),
        rows: Some(rows),
        new_bytes: None,
        seconds,
        cid: None,
    };
    rows.extend(report.queries.iter().map(|one| read("sql", &one.name, one.rows, one.seconds)));
    rows.extend(report.reads.iter().map(|one| read("get", &one.what, one.rows, one.seconds)));
    let again = &report.again;
    rows.push(StepWire {
        step: "store again",
        what: again.name.clone(),
        rows: None,
        new_bytes: Some(again.new_bytes),
        seconds: again.seconds,
        cid: Some(again.cid.clone()),
    });
    let what = plural(report.check.blocks, "block");
    let seconds = report.check.seconds;
    rows.push(StepWire { step: "fsck", what, rows: None, new_bytes: None, seconds, cid: None });
    rows
}

/// Writes the report for people.
pub(super) fn people(report: &Report) -> String {
    let mut text = stored(report);
    for query in &report.queries {
        text.push_str(&format!("\n{} ({})\n{}", query.name, seconds(query.seconds), query.preview));
    }
    text.push('\n');
    for read in &report.reads {
        text.push_str(&format!(
            "read {}: {} in {}\n",
            read.what,
            plural(read.rows, "row"),
            seconds(read.seconds)
        ));
    }
    text.push_str(&format!(
        "stored {} again, in other batches: the same CID, {} written, {}\n",
        report.again.name,
        bytes(report.again.new_bytes),
        seconds(report.again.seconds)
    ));
    let whole = if report.check.success { "the lake is whole" } else { "the lake is damaged" };
    text.push_str(&format!(
        "checked {}, {}, in {}: {whole}\n\nall of it in {}\n",
        plural(report.check.blocks, "block"),
        bytes(report.check.bytes),
        seconds(report.check.seconds),
        seconds(report.seconds)
    ));
    text
}

fn stored(report: &Report) -> String {
    let mut layout = Layout::new([
        ("table", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("time", Align::Right),
        ("cid", Align::Left),
    ]);
    for table in &report.tables {
        layout.row([
            table.name.clone(),
            count(table.rows),
            bytes(table.bytes),
            seconds(table.seconds),
            table.cid.clone(),
        ]);
    }
    format!(
        "TPC-H at scale {}, generated (first text {}) and stored in {}\n\n{}",
        report.scale,
        seconds(report.prepare_seconds),
        report.lake,
        layout.list()
    )
}

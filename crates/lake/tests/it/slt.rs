//! SQL with the answers that it must give: each `.slt` file below `tests/slt`, on a lake of its
//! own.
//!
//! The format is that of sqllogictest, and what is expected is what standard SQL says, never what
//! was printed here. Beyond the format:
//!
//! - Statements may write, but for those behind `connection reader`.
//! - A statement that writes is counted by the rows that it affected: `statement count 2`.
//! - An error reads `kind: message (hint)`.
//! - Types of columns are checked: `B` Boolean, `I` whole numbers, `R` other numbers, `T` text,
//!   `D` dates, `P` timestamps, `?` all others.
//! - Blanks count: nothing is trimmed. Values read as they do in CSV, null as `NULL`, an empty text
//!   as `(empty)`, control characters escaped.

use std::fmt;
use std::future::ready;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cidlake::arrow::array::AsArray as _;
use cidlake::arrow::datatypes::{DataType, Schema, UInt64Type};
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::emit::Cells;
use cidlake::{Error, Lake, SqlOptions};
use sqllogictest::{
    AsyncDB, ColumnType, Connection, DBOutput, MakeConnection, Record, Runner, parse_with_name,
    strict_column_validator,
};

use crate::{Place, run};

/// All folders of files.
const FOLDERS: [&str; 4] = ["lake", "queries", "values", "writes"];
/// Whose statements may not write.
const READER: &str = "reader";
/// What tells the answer of a statement that writes.
const AFFECTED: &str = "rows_affected";

#[test]
fn what_is_asked_of_a_lake() {
    run(folder("lake"));
}

#[test]
fn what_is_asked_of_tables() {
    run(folder("queries"));
}

#[test]
fn what_is_made_of_values() {
    run(folder("values"));
}

#[test]
fn what_is_written() {
    run(folder("writes"));
}

#[test]
fn no_file_is_left_out() {
    let mut folders: Vec<String> = entries(&root())
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    assert_eq!(folders, FOLDERS);
    for folder in FOLDERS {
        for file in entries(&root().join(folder)) {
            assert!(file.extension().is_some_and(|extension| extension == "slt"), "{file:?}");
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Runs the files of a folder and tells everything in them that went wrong.
async fn folder(name: &str) {
    let mut files = entries(&root().join(name));
    files.sort();
    assert!(!files.is_empty(), "{name} has no files");
    let mut failures = Vec::new();
    for file in files {
        failures.extend(failures_of(&file).await);
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
}

async fn failures_of(file: &Path) -> Vec<String> {
    let script = std::fs::read_to_string(file).unwrap();
    let label = file.strip_prefix(root()).unwrap().display().to_string();
    let records = parse_with_name::<Kind>(&script, label).unwrap();
    let place = Place::new();
    let lake = place.open().await;
    let (mut writer, mut reader) = (runner(lake.clone(), true), runner(lake, false));
    let mut failures = Vec::new();
    for record in records {
        let runner = if only_reads(&record) { &mut reader } else { &mut writer };
        if let Err(error) = runner.run_async(record).await {
            failures.push(error.to_string());
        }
    }
    failures
}

fn only_reads(record: &Record<Kind>) -> bool {
    let (Record::Statement { connection, .. } | Record::Query { connection, .. }) = record else {
        return false;
    };
    matches!(connection, Connection::Named(name) if name == READER)
}

fn runner(lake: Lake, write: bool) -> Runner<Session, impl MakeConnection<Conn = Session>> {
    let connect = move || ready(Ok::<_, Refused>(Session { lake: lake.clone(), write }));
    let mut runner = Runner::new(connect);
    runner.with_normalizer(String::clone);
    runner.with_column_validator(strict_column_validator);
    runner
}

/// A lake as the runner sees it.
struct Session {
    lake: Lake,
    write: bool,
}

#[async_trait]
impl AsyncDB for Session {
    type Error = Refused;
    type ColumnType = Kind;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Kind>, Refused> {
        self.answer(sql).await.map_err(Refused)
    }

    async fn shutdown(&mut self) {}
}

impl Session {
    async fn answer(&self, sql: &str) -> Result<DBOutput<Kind>, Error> {
        let options = SqlOptions { write: self.write, ..SqlOptions::default() };
        let answer = self.lake.sql(sql, options).await?;
        let schema = answer.schema();
        let batches = answer.collect().await?;
        if let Some(count) = affected(&schema, &batches) {
            return Ok(DBOutput::StatementComplete(count));
        }
        let types = schema.fields().iter().map(|field| Kind::of(field.data_type())).collect();
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(shown_rows(batch)?);
        }
        Ok(DBOutput::Rows { types, rows })
    }
}

/// Returns how many rows a statement wrote or deleted, if that is what the answer says.
fn affected(schema: &Schema, batches: &[RecordBatch]) -> Option<u64> {
    let (index, field) = schema.column_with_name(AFFECTED)?;
    let of_write = schema.fields().len() == 6 && *field.data_type() == DataType::UInt64;
    let batch = batches.first().filter(|_| of_write)?;
    Some(batch.column(index).as_primitive::<UInt64Type>().value(0))
}

fn shown_rows(batch: &RecordBatch) -> Result<Vec<Vec<String>>, Error> {
    let cells = Cells::new(batch)?;
    let row = |row| {
        let columns = 0..batch.num_columns();
        columns.map(|column| shown(cells.text(row, column).as_deref())).collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// Returns how a value stands in a file.
fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text
            .chars()
            .map(|character| match character.is_control() {
                true => character.escape_default().to_string(),
                false => character.to_string(),
            })
            .collect(),
    }
}

/// The type of a column, as one letter says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    Date,
    Whole,
    Number,
    Text,
    Timestamp,
    Other,
}

const LETTERS: [(Kind, char); 7] = [
    (Kind::Boolean, 'B'),
    (Kind::Date, 'D'),
    (Kind::Whole, 'I'),
    (Kind::Number, 'R'),
    (Kind::Text, 'T'),
    (Kind::Timestamp, 'P'),
    (Kind::Other, '?'),
];

impl Kind {
    fn of(kind: &DataType) -> Self {
        match kind {
            DataType::Boolean => Self::Boolean,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, _) => Self::Timestamp,
            kind if kind.is_integer() => Self::Whole,
            kind if kind.is_numeric() => Self::Number,
            kind if kind.is_string() => Self::Text,
            _ => Self::Other,
        }
    }
}

impl ColumnType for Kind {
    fn from_char(value: char) -> Option<Self> {
        LETTERS.iter().find(|(_, letter)| *letter == value).map(|(kind, _)| *kind)
    }

    fn to_char(&self) -> char {
        LETTERS.iter().find(|(kind, _)| kind == self).map_or('?', |(_, letter)| *letter)
    }
}

/// An error as files expect it.
#[derive(Debug)]
struct Refused(Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind().word(), self.0)?;
        match self.0.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refused {}

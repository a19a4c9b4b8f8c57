//! Answers that are not rows of a stored table: one object, or a list of records.
//!
//! Every answer can be written in every format: to people as text, to programs as JSON, and as
//! rows for whoever asks for CSV, Markdown, Arrow or Parquet.

use std::io;
use std::sync::Arc;

use cidlake::arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray, UInt64Array};
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{Error, ErrorKind, Format, emit};
use serde::Serialize;

use super::line::line_rows;
use super::{Form, Output, print, table};

/// The type of a column of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Count,
    Flag,
    Real,
}

/// One value of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(Option<String>),
    Count(Option<u64>),
    Flag(bool),
    Real(f64),
}

/// One row of an answer.
pub(crate) trait Record: Serialize {
    /// Returns the names and types of the columns.
    fn columns() -> Vec<(&'static str, Kind)>;

    /// Returns the values in the order of the columns.
    fn cells(&self) -> Vec<Cell>;
}

/// Writes a list: an array in JSON, a record a line in NDJSON; `people` is the text for people.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn list<R: Record>(
    output: &Output,
    records: &[R],
    people: impl FnOnce() -> String,
) -> Result<(), Error> {
    match output.form {
        Form::Data(Format::Json) => print(json_line(&records)?.as_bytes()),
        Form::Data(Format::Ndjson) => {
            let lines = records.iter().map(json_line).collect::<Result<String, Error>>()?;
            print(lines.as_bytes())
        }
        _ => other(output, records, people),
    }
}

/// Writes one object, in JSON and NDJSON alike on one line; `rows` are what it has to tell in the
/// formats that know only rows.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn object<D: Serialize, R: Record>(
    output: &Output,
    document: &D,
    rows: &[R],
    people: impl FnOnce() -> String,
) -> Result<(), Error> {
    match output.form {
        Form::Data(Format::Json | Format::Ndjson) => print(json_line(document)?.as_bytes()),
        _ => other(output, rows, people),
    }
}

fn other<R: Record>(
    output: &Output,
    records: &[R],
    people: impl FnOnce() -> String,
) -> Result<(), Error> {
    match output.form {
        Form::Table => print(people().as_bytes()),
        Form::Markdown => {
            let batch = batch(records)?;
            let mut text = table::markdown_head(&batch.schema());
            text.push_str(&table::markdown_rows(&batch)?);
            print(text.as_bytes())
        }
        Form::Line => print(line_rows(&batch(records)?, true)?.as_bytes()),
        Form::ArrowStream => {
            let batch = batch(records)?;
            let mut writer = emit::arrow_stream(Box::new(io::stdout()), &batch.schema())?;
            writer.write(&batch)?;
            Ok(writer.finish()?)
        }
        Form::Data(format) => {
            let batch = batch(records)?;
            let mut writer = emit::writer(format, Box::new(io::stdout()), batch.schema())?;
            writer.write(&batch)?;
            Ok(writer.finish()?)
        }
    }
}

fn json_line<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let mut text = serde_json::to_string(value).map_err(internal)?;
    text.push('\n');
    Ok(text)
}

/// Returns records as Arrow columns.
fn batch<R: Record>(records: &[R]) -> Result<RecordBatch, Error> {
    let names = R::columns();
    let mut columns: Vec<Vec<Cell>> = names.iter().map(|_| Vec::new()).collect();
    for record in records {
        for (column, cell) in columns.iter_mut().zip(record.cells()) {
            column.push(cell);
        }
    }
    let arrays = names.iter().zip(&columns).map(|((name, kind), cells)| {
        let array: ArrayRef = match kind {
            Kind::Text => Arc::new(cells.iter().map(Cell::text).collect::<StringArray>()),
            Kind::Count => Arc::new(cells.iter().map(Cell::count).collect::<UInt64Array>()),
            Kind::Flag => Arc::new(cells.iter().map(Cell::flag).collect::<BooleanArray>()),
            Kind::Real => Arc::new(cells.iter().map(Cell::real).collect::<Float64Array>()),
        };
        (*name, array, true)
    });
    RecordBatch::try_from_iter_with_nullable(arrays).map_err(internal)
}

impl Cell {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            _ => None,
        }
    }

    fn count(&self) -> Option<u64> {
        match self {
            Self::Count(count) => *count,
            _ => None,
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    fn real(&self) -> Option<f64> {
        match self {
            Self::Real(real) => Some(*real),
            _ => None,
        }
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "the answer could not be written").with_source(error)
}

#[cfg(test)]
mod tests {
    use cidlake::arrow::array::AsArray as _;
    use cidlake::arrow::datatypes::DataType;
    use serde::Serialize;

    use super::{Cell, Kind, Record, batch, json_line};

    #[derive(Serialize)]
    struct Pair {
        name: Option<String>,
        size: u64,
    }

    impl Record for Pair {
        fn columns() -> Vec<(&'static str, Kind)> {
            vec![("name", Kind::Text), ("size", Kind::Count)]
        }

        fn cells(&self) -> Vec<Cell> {
            vec![Cell::Text(self.name.clone()), Cell::Count(Some(self.size))]
        }
    }

    #[test]
    fn records_become_typed_columns() {
        let pairs =
            [Pair { name: Some("a".to_owned()), size: u64::MAX }, Pair { name: None, size: 0 }];
        let batch = batch(&pairs).unwrap();
        assert_eq!(batch.num_rows(), 2);
        let names: Vec<Option<&str>> = batch["name"].as_string::<i32>().iter().collect();
        assert_eq!(names, [Some("a"), None]);
        assert_eq!(batch["size"].data_type(), &DataType::UInt64);
        assert_eq!(json_line(&pairs[1]).unwrap(), "{\"name\":null,\"size\":0}\n");
    }

    #[test]
    fn an_empty_list_still_has_its_columns() {
        let batch = batch::<Pair>(&[]).unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (0, 2));
    }
}

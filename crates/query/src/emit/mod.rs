//! Rows out: as files of every format, as JSON values for programs, and as text for tables.
//!
//! One set of rules ([`cells`]) says how a value reads as text or JSON; the writers stream batch by
//! batch and hold no more than one batch. Nothing here knows terminals, colours or column widths.

mod arrow_ipc;
mod cells;
mod csv;
mod json;
mod markdown;
mod parquet;

#[cfg(test)]
mod tests;

use std::io::{BufWriter, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

pub use self::arrow_ipc::arrow_stream;
pub use self::cells::Cells;
pub use self::json::json_rows;
pub use self::markdown::markdown_cell;
use crate::error::{QueryError, arrow_message};
use crate::format::Format;

/// Writes batches of one schema to a sink.
pub trait BatchWriter: Send {
    /// Writes the rows of one batch.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError>;

    /// Writes what ends the output and flushes it. Without this the output is cut short.
    fn finish(self: Box<Self>) -> Result<(), QueryError>;
}

/// Returns a writer of `format` to `out`, which is buffered here.
///
/// Parquet and Arrow keep the schema with its metadata; an Arrow output is an IPC file, whose
/// dictionaries are unpacked, because the file format has but one dictionary for all batches
/// ([`arrow_stream`] keeps them). CSV, JSON and NDJSON write text by the rules of [`Cells`].
///
/// # Errors
/// `Unsupported` names a column that the format cannot hold; `Io` that the sink failed.
pub fn writer(
    format: Format,
    out: Box<dyn Write + Send>,
    schema: SchemaRef,
) -> Result<Box<dyn BatchWriter>, QueryError> {
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    Ok(match format {
        Format::Parquet => Box::new(parquet::ParquetWriter::new(out, &schema)?),
        Format::Csv => Box::new(csv::CsvWriter::new(out, &schema)?),
        Format::Json => Box::new(json::JsonWriter::array(out, &schema)?),
        Format::Ndjson => Box::new(json::JsonWriter::lines(out, &schema)?),
        Format::Arrow => Box::new(arrow_ipc::FileWriter::new(out, &schema)?),
    })
}

/// What collects before the sink is asked to take it.
const BUFFER_BYTES: usize = 256 << 10;

/// The buffered sink of a writer.
type Out = BufWriter<Box<dyn Write + Send>>;

/// Returns the text of the cells of one row, `None` for null; for many rows make [`Cells`] once.
///
/// # Errors
/// `Internal` when the batch has no such row.
pub fn cells(batch: &RecordBatch, row: usize) -> Result<Vec<Option<String>>, QueryError> {
    if row >= batch.num_rows() {
        return Err(QueryError::internal(format!("no row {row} in {}", batch.num_rows())));
    }
    let cells = Cells::new(batch)?;
    Ok((0..batch.num_columns()).map(|column| cells.text(row, column)).collect())
}

fn io_error(source: std::io::Error) -> QueryError {
    QueryError::Io { label: "the output".to_owned(), op: "write", source }
}

fn arrow_error(error: ArrowError) -> QueryError {
    match error {
        ArrowError::IoError(_, source) => io_error(source),
        ArrowError::ExternalError(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => io_error(*source),
            Err(inner) => QueryError::internal(inner),
        },
        other => QueryError::internal(arrow_message(&other)),
    }
}

//! Files of tables that users hand in, as one schema and a stream of batches.
//!
//! What the file says about types is what the user gave; formats that say nothing (CSV, JSON) are
//! read twice, once over the whole file to find types that hold every value without loss. Nothing
//! is stored here and nothing is made canonical. Every file is foreign: damage is an error that
//! names the file and the place, never a panic.

mod arrow_ipc;
mod csv;
mod failing;
mod json;
mod numbers;
mod parquet;
mod source;
mod unify;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::source::Source;
pub use self::unify::{adapt, unify};
use crate::error::QueryError;
use crate::format::Format;

/// Rows that readers put into one batch.
const BATCH_ROWS: usize = 8192;

/// Batches as they come out of a file.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, QueryError>> + Send>;

/// An opened file.
pub struct Input {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// The rows, in the order of the file; ends after the first error.
    pub batches: Batches,
    /// Size of the file in bytes.
    pub bytes_total: u64,
    /// How much of the file was read, for progress; it may be a little more than the total.
    pub bytes_read: Arc<AtomicU64>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("schema", &self.schema)
            .field("bytes_total", &self.bytes_total)
            .finish_non_exhaustive()
    }
}

/// Opens `file`, which can seek and is read from its beginning, as `format`; `label` names it in
/// errors.
///
/// # Errors
/// `BadInput` says what is wrong with the content and where; `Io` that it could not be read.
pub fn open(file: File, label: &str, format: Format) -> Result<Input, QueryError> {
    let source = Source::new(file, label)?;
    if source.bytes_total() == 0 {
        return Err(source.bad("", "the file is empty"));
    }
    let (bytes_total, bytes_read) = (source.bytes_total(), source.bytes_read());
    let (schema, batches) = match format {
        Format::Parquet => parquet::open(source),
        Format::Csv => csv::open(source),
        Format::Json => json::open(source, json::Layout::Array),
        Format::Ndjson => json::open(source, json::Layout::Lines),
        Format::Arrow => arrow_ipc::open(source),
    }?;
    Ok(Input { schema, batches, bytes_total, bytes_read })
}

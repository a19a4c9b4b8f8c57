//! Rows that come from Python through Arrow's C interfaces, without copies.

use cidlake::arrow::array::{RecordBatch, RecordBatchReader};
use cidlake::arrow::error::ArrowError;
use cidlake::{BatchSource, Error, ErrorKind, Source};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3_arrow::input::AnyRecordBatch;

use crate::errors::python_error;

/// How many rows are handed on at once. A DataFrame may be one batch; work between batches is where
/// progress is told and where it is stopped.
const ROWS_MAX: usize = 1 << 17;

/// Opens the stream of rows that `rows` offers.
///
/// # Errors
/// What the object raised; `InvalidError` where it is no table.
pub(crate) fn source(
    rows: &Bound<'_, PyAny>,
    label: String,
    rows_total: Option<u64>,
) -> PyResult<Source> {
    let reader = rows
        .extract::<AnyRecordBatch>()
        .and_then(AnyRecordBatch::into_reader)
        .map_err(|error| no_table(rows.py(), &label, error))?;
    let schema = reader.schema();
    let batches = Box::new(Pieces { reader, rest: None });
    Ok(Source::Batches(BatchSource { label, schema, batches, rows_total }))
}

/// Says what is wrong with an object whose stream is none of rows.
fn no_table(py: Python<'_>, label: &str, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyValueError>(py) && !error.is_instance_of::<PyTypeError>(py) {
        return error;
    }
    let message = format!("{label} is no table: {}", error.value(py));
    let error = Error::new(ErrorKind::Invalid, message);
    python_error(error.with_hint("store a DataFrame, or a table with named columns"))
}

/// Batches in pieces of at most [`ROWS_MAX`] rows, which are slices of them.
struct Pieces {
    reader: Box<dyn RecordBatchReader + Send>,
    /// What is left of the last batch.
    rest: Option<RecordBatch>,
}

impl Iterator for Pieces {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.reader.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        let rows = batch.num_rows();
        if rows <= ROWS_MAX {
            return Some(Ok(batch));
        }
        self.rest = Some(batch.slice(ROWS_MAX, rows - ROWS_MAX));
        Some(Ok(batch.slice(0, ROWS_MAX)))
    }
}

//! The first rows of an answer as text, for people who look at it.

use cidlake::arrow::array::RecordBatch;
use cidlake::arrow::error::ArrowError;
use cidlake::arrow::util::display::{ArrayFormatter, FormatOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::rows_out::{Failure, Outgoing, take};

/// Rows of cells, `None` for a null; and whether there are more rows.
pub(crate) type Preview = (Vec<Vec<Option<String>>>, bool);

/// Returns the first `rows_max` rows of `stream`; what comes behind them is not read.
///
/// # Errors
/// What ended the stream.
pub(crate) fn of(
    py: Python<'_>,
    mut stream: Outgoing,
    failure: &Failure,
    rows_max: usize,
) -> PyResult<Preview> {
    let mut rows = Vec::new();
    while let Some(batch) = next(py, &mut stream, failure)? {
        let missing = rows_max - rows.len();
        let shown = batch.slice(0, missing.min(batch.num_rows()));
        rows.extend(cells(&shown).map_err(|error| PyValueError::new_err(error.to_string()))?);
        if batch.num_rows() > missing {
            return Ok((rows, true));
        }
    }
    Ok((rows, false))
}

/// Returns the next batch of `stream`, read with Python's lock released.
///
/// # Errors
/// What ended the stream.
pub(crate) fn next(
    py: Python<'_>,
    stream: &mut Outgoing,
    failure: &Failure,
) -> PyResult<Option<RecordBatch>> {
    py.detach(|| stream.next())
        .map_err(|error| take(failure).unwrap_or_else(|| PyValueError::new_err(error.to_string())))
}

fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, ArrowError> {
    let options = FormatOptions::new().with_display_error(true);
    let columns = batch.columns().iter();
    let formatters: Vec<ArrayFormatter<'_>> = columns
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<_, _>>()?;
    let row = |index: usize| {
        let cells = batch.columns().iter().zip(&formatters);
        cells
            .map(|(column, formatter)| {
                (!column.is_null(index)).then(|| formatter.value(index).to_string())
            })
            .collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

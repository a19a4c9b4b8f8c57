//! Rows on their way to Python as an Arrow stream. Whoever reads it may do so from any thread, with
//! Python's lock or without; batches are handed on as they are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cidlake::arrow::array::{Array as _, ArrayRef, RecordBatch, StructArray};
use cidlake::arrow::datatypes::{Field, SchemaRef};
use cidlake::arrow::error::ArrowError;
use cidlake::{Error, Rows};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::{ArrayIterator, to_stream_pycapsule};
use tokio::runtime::Runtime;

use crate::errors::python_error;
use crate::process::{Owned, is_main_thread};

/// How often signals are looked for while the next batch is awaited.
const TICK: Duration = Duration::from_millis(50);

/// What ended a stream before its end. The stream itself can only tell a text.
#[derive(Debug)]
pub(crate) enum Failed {
    /// An error of the lake.
    Lake(Error),
    /// What the handler of a signal raised.
    Signal(PyErr),
}

/// Where streams leave what ended them.
pub(crate) type Failure = Arc<Mutex<Option<Failed>>>;

/// Takes what ended a stream, as an exception.
pub(crate) fn take(failure: &Failure) -> Option<PyErr> {
    let failed = failure.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some(match failed {
        Failed::Lake(error) => python_error(error),
        Failed::Signal(error) => error,
    })
}

/// Rows that are read once.
pub(crate) struct Outgoing {
    /// Batches that are there, the next one last.
    ready: Vec<RecordBatch>,
    /// Those that come behind them.
    rest: Option<Owned<Rows>>,
    runtime: &'static Runtime,
    failure: Failure,
    /// Whether a signal that ends the stream is to be raised again, because nobody asks for what
    /// ended it.
    is_alone: bool,
}

impl Outgoing {
    /// Makes a stream of `ready` and what comes behind them.
    pub(crate) fn new(
        mut ready: Vec<RecordBatch>,
        rest: Option<Owned<Rows>>,
        runtime: &'static Runtime,
        failure: Failure,
    ) -> Self {
        ready.reverse();
        Self { ready, rest, runtime, failure, is_alone: false }
    }

    /// Returns the next batch. Not to be called with Python's lock held, where it can be helped.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if let Some(batch) = self.ready.pop() {
            return Ok(Some(batch));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let Some(rows) = rest.get_mut() else {
            let message = "these rows were being read in the process that this one was forked from";
            return Err(ArrowError::ExternalError(message.into()));
        };
        let runtime = self.runtime;
        // A panic must not cross the interface of C.
        let next = catch_unwind(AssertUnwindSafe(|| runtime.block_on(awaited(rows))));
        let failed = match next {
            Ok(Ok(next)) => return Ok(next),
            Ok(Err(failed)) => failed,
            Err(_) => {
                let message = "a defect of cidlake ended the reading of these rows";
                Failed::Lake(Error::new(cidlake::ErrorKind::Internal, message))
            }
        };
        Err(self.fail(failed))
    }

    fn fail(&mut self, failed: Failed) -> ArrowError {
        self.rest = None;
        let text = match &failed {
            Failed::Lake(error) => match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            },
            Failed::Signal(_) => "interrupted".to_owned(),
        };
        let again = self.is_alone && matches!(failed, Failed::Signal(_));
        if again {
            // Where that cannot be done the text above is all there is.
            drop(Python::attach(raise_again));
        }
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).replace(failed);
        // Texts of C end at the first zero.
        ArrowError::ExternalError(text.replace('\0', " ").into())
    }

    /// Hands the stream to Python; `schema` is that of its batches.
    ///
    /// # Errors
    /// Where the schema cannot be told through Arrow's C interface.
    pub(crate) fn capsule<'py>(
        mut self,
        py: Python<'py>,
        schema: &SchemaRef,
        requested: Option<Bound<'py, PyCapsule>>,
        is_alone: bool,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.is_alone = is_alone;
        let field = Field::new_struct("", schema.fields().clone(), false);
        let field = Arc::new(field.with_metadata(schema.metadata().clone()));
        let arrays = std::iter::from_fn(move || self.next().transpose()).map(|batch| {
            let array: ArrayRef = Arc::new(StructArray::from(batch?));
            debug_assert_eq!(array.null_count(), 0, "a batch has no nulls of its own");
            Ok(array)
        });
        let reader = Box::new(ArrayIterator::new(arrays, field));
        Ok(to_stream_pycapsule(py, reader, requested)?)
    }
}

/// Waits for the next batch; in the thread that handles signals, handles them.
async fn awaited(rows: &mut Rows) -> Result<Option<RecordBatch>, Failed> {
    if !is_main_thread() {
        return rows.next().await.map_err(Failed::Lake);
    }
    let mut next = std::pin::pin!(rows.next());
    loop {
        if let Ok(batch) = tokio::time::timeout(TICK, next.as_mut()).await {
            return batch.map_err(Failed::Lake);
        }
        tokio::task::block_in_place(|| Python::attach(|py| py.check_signals()))
            .map_err(Failed::Signal)?;
    }
}

fn raise_again(py: Python<'_>) -> PyResult<()> {
    py.import("_thread")?.call_method0("interrupt_main")?;
    Ok(())
}

//! Rows on their way to Python as an Arrow stream. Whoever reads it may do so from any thread, with
//! Python's lock or without; batches are handed on as they are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use cidlake::arrow::array::{ArrayRef, RecordBatch, StructArray};
use cidlake::arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use cidlake::arrow::datatypes::{Field, Schema, SchemaRef};
use cidlake::arrow::error::ArrowError;
use cidlake::{Error, ErrorKind, Rows};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::PySchema;
use pyo3_arrow::ffi::{ArrayIterator, to_stream_pycapsule};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::errors::python_error;
use crate::process::Owned;
use crate::wait::{Signals, drive};

/// Values that a requested type cannot hold are errors, not nulls.
const CHECKED: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: cidlake::arrow::util::display::FormatOptions::new(),
};

/// What ended a stream before its end. The stream itself can only tell a text.
#[derive(Debug)]
enum Failed {
    /// An error of the lake.
    Lake(Error),
    /// What the handler of a signal raised.
    Signal(PyErr),
}

/// Where streams leave what ended them. It is never waited for: in a process that was forked nobody
/// may be there to unlock it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Failed>>>);

/// Takes what ended a stream, as an exception.
pub(crate) fn take(failure: &Failure) -> Option<PyErr> {
    let failed = failure.0.try_lock().ok()?.take()?;
    Some(match failed {
        Failed::Lake(error) => python_error(error),
        Failed::Signal(error) => error,
    })
}

/// Rows that somebody makes, and what they ask whether to go on.
pub(crate) struct Running {
    pub(crate) rows: Rows,
    pub(crate) signals: Signals,
}

impl Running {
    /// Waits for the next batch; in the thread that handles signals, handles them.
    fn next(&mut self, looked: &mut Instant) -> Result<Option<RecordBatch>, Failed> {
        let Self { rows, signals } = self;
        let next =
            drive(pin!(rows.next()), looked, || if signals.look() { Err(()) } else { Ok(()) });
        match (signals.raised(), next) {
            (Some(raised), _) => Err(Failed::Signal(raised)),
            (None, Ok(next)) => next.map_err(Failed::Lake),
            (None, Err(())) => Err(Failed::Lake(Error::new(ErrorKind::Unavailable, "interrupted"))),
        }
    }
}

/// Rows that are read once.
pub(crate) struct Outgoing {
    /// Batches that are there, the next one last.
    ready: Vec<RecordBatch>,
    /// Those that come behind them.
    rest: Option<Owned<Running>>,
    runtime: &'static Runtime,
    failure: Failure,
    /// What ended it, for who asks once more.
    ended_by: Option<String>,
    /// When signals were looked for.
    looked: Instant,
    /// Whether a signal that ends the stream is to be raised again, because nobody asks for what
    /// ended it.
    is_alone: bool,
}

impl Outgoing {
    /// Makes a stream of `ready` and what comes behind them.
    pub(crate) fn new(
        mut ready: Vec<RecordBatch>,
        rest: Option<Running>,
        runtime: &'static Runtime,
        failure: Failure,
    ) -> Self {
        ready.reverse();
        let (rest, looked) = (rest.map(Owned::new), Instant::now());
        Self { ready, rest, runtime, failure, ended_by: None, looked, is_alone: false }
    }

    /// Returns the next batch. Not to be called with Python's lock held, where it can be helped.
    ///
    /// # Errors
    /// What ended the stream, again each time.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if let Some(text) = &self.ended_by {
            return Err(ArrowError::ExternalError(text.clone().into()));
        }
        if let Some(batch) = self.ready.pop() {
            return Ok(Some(batch));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let Some(running) = rest.get_mut() else {
            let message = "these rows were being read in the process that this one was forked from";
            return Err(self.fail(Failed::Lake(Error::new(ErrorKind::Usage, message))));
        };
        let (runtime, looked) = (self.runtime, &mut self.looked);
        // A panic must not cross the interface of C.
        let next = catch_unwind(AssertUnwindSafe(|| {
            let _entered = runtime.enter();
            running.next(looked)
        }));
        match next {
            Ok(Ok(Some(batch))) => Ok(Some(batch)),
            Ok(Ok(None)) => {
                // Behind the last batch the statement is let go of.
                self.rest = None;
                Ok(None)
            }
            Ok(Err(failed)) => Err(self.fail(failed)),
            Err(_) => {
                let message = "a defect of cidlake ended the reading of these rows";
                Err(self.fail(Failed::Lake(Error::new(ErrorKind::Internal, message))))
            }
        }
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
        if self.is_alone
            && let Failed::Signal(error) = &failed
        {
            // Where that cannot be done, or another exception was raised, the text is all there is.
            drop(Python::attach(|py| raise_again(py, error)));
        }
        if let Ok(mut last) = self.failure.0.try_lock() {
            last.replace(failed);
        }
        // Texts of C end at the first zero.
        let text = text.replace('\0', " ");
        ArrowError::ExternalError(self.ended_by.insert(text).clone().into())
    }

    /// Hands the stream to Python; `schema` is that of its batches. Types that are requested for the
    /// same columns are given where there is a way.
    ///
    /// # Errors
    /// Where the schema cannot be told through Arrow's C interface.
    pub(crate) fn capsule<'py>(
        mut self,
        py: Python<'py>,
        schema: &SchemaRef,
        requested: Option<&Bound<'py, PyCapsule>>,
        is_alone: bool,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.is_alone = is_alone;
        let requested = match requested {
            Some(capsule) => Some(PySchema::from_arrow_pycapsule(capsule)?.into_inner()),
            None => None,
        };
        let wanted = requested.and_then(|requested| followed(schema, &requested));
        let told = wanted.as_ref().unwrap_or(schema);
        let field = Field::new_struct("", told.fields().clone(), false);
        let field = Arc::new(field.with_metadata(told.metadata().clone()));
        let batches = std::iter::from_fn(move || self.next().transpose());
        let arrays = batches.map(move |batch| {
            let batch = match &wanted {
                Some(wanted) => cast(&batch?, wanted).map_err(without_zeros)?,
                None => batch?,
            };
            let array: ArrayRef = Arc::new(StructArray::from(batch));
            Ok(array)
        });
        let reader = Box::new(ArrayIterator::new(arrays, field));
        Ok(to_stream_pycapsule(py, reader, None)?)
    }
}

/// Returns `schema` with the types of `requested`, where that asks for the same columns and there is
/// a way to each of its types.
fn followed(schema: &Schema, requested: &Schema) -> Option<SchemaRef> {
    if schema.fields().len() != requested.fields().len() {
        return None;
    }
    let pairs = schema.fields().iter().zip(requested.fields());
    let fields: Option<Vec<Field>> = pairs
        .map(|(own, asked)| {
            let can = can_cast_types(own.data_type(), asked.data_type());
            let typed = own.as_ref().clone().with_data_type(asked.data_type().clone());
            (own.name() == asked.name() && can).then_some(typed)
        })
        .collect();
    Some(Arc::new(Schema::new_with_metadata(fields?, schema.metadata().clone())))
}

fn cast(batch: &RecordBatch, wanted: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let pairs = batch.columns().iter().zip(wanted.fields());
    let columns =
        pairs.map(|(column, field)| cast_with_options(column, field.data_type(), &CHECKED));
    let options = cidlake::arrow::array::RecordBatchOptions::new();
    let options = options.with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(
        SchemaRef::clone(wanted),
        columns.collect::<Result<_, _>>()?,
        &options,
    )
}

fn without_zeros(error: ArrowError) -> ArrowError {
    ArrowError::ExternalError(error.to_string().replace('\0', " ").into())
}

/// Lets Python interrupt the main thread as if Ctrl-C were pressed now.
fn raise_again(py: Python<'_>, error: &PyErr) -> PyResult<()> {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        py.import("_thread")?.call_method0("interrupt_main")?;
    }
    Ok(())
}

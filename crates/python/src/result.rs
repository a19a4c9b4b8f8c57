//! An answer that can be read again: `NativeResult`.
//!
//! What a statement returned is kept where it is small; else, and where a table is read, the rows
//! come from the lake each time, of the versions that were meant the first time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cidlake::arrow::array::RecordBatch;
use cidlake::arrow::datatypes::SchemaRef;
use cidlake::{Error, GetOptions, Lake, Params, Rows, Snapshot, SqlOptions};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};
use pyo3_arrow::ffi::to_schema_pycapsule;
use tokio::time::Instant;

use crate::lake::NativeLake;
use crate::preview::{self, Preview};
use crate::process::{Owned, runtime};
use crate::rows_out::{Failure, Outgoing, take};
use crate::wait::wait;

/// How many bytes of a statement's answer are kept to be read again.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// How many rows become Python's values before signals are looked for.
const ROWS_BETWEEN_SIGNALS: usize = 1024;
/// How long a statement that has more to say waits for its reader.
const UNREAD_MAX: Duration = Duration::from_secs(2);

/// An answer that can be read again.
#[pyclass(frozen, name = "Result", module = "cidlake._native")]
pub(crate) struct NativeResult {
    schema: SchemaRef,
    origin: Origin,
    held: Arc<Mutex<Held>>,
    failure: Failure,
    seconds: f64,
}

/// Where rows come from when they are read again.
enum Origin {
    /// They are all kept.
    Kept,
    /// From a table, by the CID of its version.
    Table { lake: Py<NativeLake>, version: String, options: GetOptions },
    /// From a statement over the same versions.
    Statement { lake: Py<NativeLake>, statement: Statement },
}

/// A statement and how it runs.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) params: Params,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) write: bool,
    pub(crate) snapshot: Snapshot,
}

/// What is held of the rows.
#[derive(Default)]
struct Held {
    /// All rows.
    kept: Option<Vec<RecordBatch>>,
    /// The first rows and those that a statement has still to say.
    begun: Option<(Vec<RecordBatch>, Owned<Rows>)>,
}

impl Statement {
    async fn run(self, lake: &Lake) -> Result<Rows, Error> {
        let options = SqlOptions {
            timeout_ms: self.timeout_ms,
            params: self.params,
            write: self.write,
            snapshot: self.snapshot,
            ..SqlOptions::default()
        };
        lake.sql(&self.text, options).await
    }
}

impl NativeResult {
    /// Makes an answer of rows that are there.
    pub(crate) fn of(batch: RecordBatch) -> Self {
        let schema = batch.schema();
        Self::new(schema, Origin::Kept, Held { kept: Some(vec![batch]), begun: None }, 0.0)
    }

    fn new(schema: SchemaRef, origin: Origin, held: Held, seconds: f64) -> Self {
        let held = Arc::new(Mutex::new(held));
        Self { schema, origin, held, failure: Failure::default(), seconds }
    }

    /// Looks a table up, and what is asked of it; no row is read before somebody reads them.
    ///
    /// # Errors
    /// Those of `Lake::get`.
    pub(crate) fn of_table(
        py: Python<'_>,
        lake: Py<NativeLake>,
        reference: &str,
        options: GetOptions,
    ) -> PyResult<Self> {
        let open = lake.get().open(py)?;
        let asked = options.clone();
        let (version, schema) = wait(py, async move {
            let version = open.resolve(reference).await?.to_string();
            let schema = open.get(&version, asked).await?.schema();
            Ok((version, schema))
        })?;
        let origin = Origin::Table { lake, version, options };
        Ok(Self::new(schema, origin, Held::default(), 0.0))
    }

    /// Runs a statement, and keeps its rows where they are few.
    ///
    /// # Errors
    /// Those of `Lake::sql`.
    pub(crate) fn of_statement(
        py: Python<'_>,
        lake: Py<NativeLake>,
        statement: Statement,
    ) -> PyResult<Self> {
        let open = lake.get().open(py)?;
        let run = statement.clone();
        let (schema, batches, rest, seconds) = wait(py, async move {
            let started = Instant::now();
            let mut rows = run.run(&open).await?;
            let schema = rows.schema();
            let (batches, ended) = gather(&mut rows).await?;
            let rest = (!ended).then_some(rows);
            Ok((schema, batches, rest, started.elapsed().as_secs_f64()))
        })?;
        let held = match rest {
            None => Held { kept: Some(batches), begun: None },
            Some(rows) => Held { kept: None, begun: Some((batches, Owned::new(rows))) },
        };
        let is_begun = held.begun.is_some();
        let origin = Origin::Statement { lake, statement };
        let result = Self::new(schema, origin, held, seconds);
        if is_begun {
            result.let_go_unread()?;
        }
        Ok(result)
    }

    /// Ends the statement where nobody reads it, for it takes room that others need.
    fn let_go_unread(&self) -> PyResult<()> {
        let held = Arc::downgrade(&self.held);
        runtime()?.spawn(async move {
            tokio::time::sleep(UNREAD_MAX).await;
            if let Some(held) = held.upgrade() {
                let begun = held.lock().unwrap_or_else(PoisonError::into_inner).begun.take();
                drop(begun);
            }
        });
        Ok(())
    }

    fn stream(&self, py: Python<'_>) -> PyResult<Outgoing> {
        let runtime = runtime()?;
        let failure = Arc::clone(&self.failure);
        drop(take(&failure));
        let (kept, begun) = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            (held.kept.clone(), held.begun.take())
        };
        if let Some(batches) = kept {
            return Ok(Outgoing::new(batches, None, runtime, failure));
        }
        if let Some((batches, rows)) = begun.filter(|(_, rows)| rows.get().is_some()) {
            return Ok(Outgoing::new(batches, Some(rows), runtime, failure));
        }
        let rows = self.run_again(py)?;
        Ok(Outgoing::new(Vec::new(), Some(Owned::new(rows)), runtime, failure))
    }

    fn run_again(&self, py: Python<'_>) -> PyResult<Rows> {
        match &self.origin {
            Origin::Kept => Err(crate::errors::usage("these rows are gone", "ask for them again")),
            Origin::Table { lake, version, options } => {
                let open = lake.get().open(py)?;
                wait(py, async { open.get(version, options.clone()).await })
            }
            Origin::Statement { lake, statement } => {
                let open = lake.get().open(py)?;
                wait(py, statement.clone().run(&open))
            }
        }
    }
}

/// Takes batches up to a size; says whether these were all.
async fn gather(rows: &mut Rows) -> Result<(Vec<RecordBatch>, bool), Error> {
    let mut batches = Vec::new();
    let mut bytes = 0;
    while bytes <= KEPT_BYTES_MAX {
        let Some(batch) = rows.next().await? else { return Ok((batches, true)) };
        bytes += batch.get_array_memory_size();
        batches.push(batch);
    }
    Ok((batches, false))
}

#[pymethods]
impl NativeResult {
    /// The columns: name and Arrow type of each.
    #[getter]
    fn columns(&self) -> Vec<(String, String)> {
        let fields = self.schema.fields().iter();
        fields.map(|field| (field.name().clone(), field.data_type().to_string())).collect()
    }

    /// How long the statement took inside the lake, in seconds; 0 where there was none.
    #[getter]
    fn seconds(&self) -> f64 {
        self.seconds
    }

    /// How many rows there are, where they are all kept.
    #[getter]
    fn rows(&self) -> Option<usize> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.kept.as_ref().map(|batches| batches.iter().map(RecordBatch::num_rows).sum())
    }

    /// The version that a table's rows come from.
    #[getter]
    fn version(&self) -> Option<String> {
        match &self.origin {
            Origin::Table { version, .. } => Some(version.clone()),
            Origin::Kept | Origin::Statement { .. } => None,
        }
    }

    /// The schema, through Arrow's C interface.
    fn c_schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }

    /// The rows, through Arrow's C interface. `is_alone` says that nobody will ask for the failure.
    #[pyo3(signature = (requested_schema, is_alone))]
    fn c_stream<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
        is_alone: bool,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.stream(py)?.capsule(py, &self.schema, requested_schema, is_alone)
    }

    /// What ended the last stream before its end, as an exception.
    fn take_failure(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        take(&self.failure).map(|error| error.into_value(py).into_any())
    }

    /// The first `rows_max` rows as text, and whether there are more.
    fn preview(&self, py: Python<'_>, rows_max: usize) -> PyResult<Preview> {
        preview::of(py, self.stream(py)?, &self.failure, rows_max)
    }

    /// All rows as dicts of Python's own values.
    fn to_pylist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut stream = self.stream(py)?;
        let rows = PyList::empty(py);
        while let Some(batch) = preview::next(py, &mut stream, &self.failure)? {
            append(&rows, &batch)?;
        }
        Ok(rows)
    }
}

fn append(rows: &Bound<'_, PyList>, batch: &RecordBatch) -> PyResult<()> {
    let py = rows.py();
    let schema = batch.schema();
    for row in 0..batch.num_rows() {
        if row % ROWS_BETWEEN_SIGNALS == 0 {
            py.check_signals()?;
        }
        let dict = PyDict::new(py);
        for (column, field) in batch.columns().iter().zip(schema.fields()) {
            let scalar = pyo3_arrow::PyScalar::try_new(column.slice(row, 1), Arc::clone(field))?;
            let value = Bound::new(py, scalar)?.call_method0("as_py")?;
            dict.set_item(field.name(), value)?;
        }
        rows.append(dict)?;
    }
    Ok(())
}

//! An answer that can be read again: `NativeResult`.
//!
//! What a statement returned is kept where it is small; else, and where a table is read, the rows
//! come from the lake each time, of the versions that were meant the first time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cidlake::arrow::array::{Array as _, RecordBatch};
use cidlake::arrow::datatypes::SchemaRef;
use cidlake::{Error, GetOptions, Lake, Params, Rows, Snapshot, SqlOptions, Stop};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};
use pyo3_arrow::ffi::to_schema_pycapsule;
use tokio::time::Instant;

use crate::lake::NativeLake;
use crate::preview::{self, Preview};
use crate::process::{Owned, runtime};
use crate::rows_out::{Failure, Outgoing, Running, take};
use crate::values;
use crate::wait::{Signals, Watch, wait, watched};

/// How many bytes of a statement's answer are kept to be read again.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// How many rows of a larger answer are kept to be looked at.
const LOOKED_AT_ROWS: usize = 100;
/// How long a statement that has more to say waits for its reader.
const UNREAD_MAX: Duration = Duration::from_secs(2);

/// An answer that can be read again.
#[pyclass(frozen, name = "Result", module = "cidlake._native")]
pub(crate) struct NativeResult {
    schema: SchemaRef,
    origin: Origin,
    failure: Failure,
    seconds: f64,
}

/// Where rows come from when they are read.
enum Origin {
    /// They are all here.
    Kept(Vec<RecordBatch>),
    /// From a table, by the CID of its version.
    Table { lake: Py<NativeLake>, version: String, options: GetOptions },
    /// From a statement over the same versions.
    Statement { lake: Py<NativeLake>, statement: Statement, looked_at: RecordBatch, begun: Begun },
}

/// The first rows of a statement and the others, for its first reader. No other process touches it:
/// a thread that it does not have may have held the lock.
type Begun = Arc<Owned<Mutex<Option<(Vec<RecordBatch>, Running)>>>>;

/// A statement and how it runs.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) params: Params,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) write: bool,
    pub(crate) snapshot: Snapshot,
}

/// What a statement said when it was run.
struct Said {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// What it has still to say.
    rest: Option<Running>,
    seconds: f64,
}

impl Statement {
    async fn run(self, lake: &Lake, (stop, signals): (Stop, Signals)) -> Result<Running, Error> {
        let options = SqlOptions {
            timeout_ms: self.timeout_ms,
            params: self.params,
            write: self.write,
            snapshot: self.snapshot,
            stop,
            ..SqlOptions::default()
        };
        let rows = lake.sql(&self.text, options).await?;
        Ok(Running { rows, signals })
    }

    async fn first(self, lake: &Lake, ends: (Stop, Signals)) -> Result<Said, Error> {
        let started = Instant::now();
        let mut running = self.run(lake, ends).await?;
        let schema = running.rows.schema();
        let (batches, ended) = gather(&mut running.rows).await?;
        let rest = (!ended).then_some(running);
        Ok(Said { schema, batches, rest, seconds: started.elapsed().as_secs_f64() })
    }
}

impl NativeResult {
    /// Makes an answer of rows that are there.
    pub(crate) fn of(batch: RecordBatch) -> Self {
        Self::new(batch.schema(), Origin::Kept(vec![batch]), 0.0)
    }

    fn new(schema: SchemaRef, origin: Origin, seconds: f64) -> Self {
        Self { schema, origin, failure: Failure::default(), seconds }
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
        Ok(Self::new(schema, Origin::Table { lake, version, options }, 0.0))
    }

    /// Runs a statement, and keeps its rows where they are few.
    ///
    /// # Errors
    /// Those of `Lake::sql`.
    pub(crate) fn of_statement(
        py: Python<'_>,
        lake: Py<NativeLake>,
        mut statement: Statement,
    ) -> PyResult<Self> {
        let open = lake.get().open(py)?;
        // It is told to end, and waited for, so that nothing is written after an interrupt was raised.
        let (watch, stop) = Watch::default().ending();
        let said = statement.clone().first(&open, (stop, watch.signals()));
        let Said { schema, batches, rest, seconds } = watched(py, &watch, said)?;
        let Some(rest) = rest else {
            return Ok(Self::new(schema, Origin::Kept(batches), seconds));
        };
        // It has many rows, so it did not write, and will read the same versions.
        statement.write = false;
        let looked_at = match batches.first() {
            Some(first) => first.slice(0, LOOKED_AT_ROWS.min(first.num_rows())),
            None => RecordBatch::new_empty(SchemaRef::clone(&schema)),
        };
        let begun = Arc::new(Owned::new(Mutex::new(Some((batches, rest)))));
        let_go_unread(&begun)?;
        let origin = Origin::Statement { lake, statement, looked_at, begun };
        Ok(Self::new(schema, origin, seconds))
    }

    /// Returns a new stream of the rows.
    fn stream(&self, py: Python<'_>) -> PyResult<Outgoing> {
        let runtime = runtime()?;
        let failure = self.failure.clone();
        drop(take(&failure));
        let rows = match &self.origin {
            Origin::Kept(batches) => {
                return Ok(Outgoing::new(batches.clone(), None, runtime, failure));
            }
            Origin::Table { lake, version, options } => {
                let open = lake.get().open(py)?;
                wait(py, of_version(&open, version, options.clone()))?
            }
            Origin::Statement { lake, statement, begun, .. } => {
                if let Some((batches, rows)) = taken(begun) {
                    return Ok(Outgoing::new(batches, Some(rows), runtime, failure));
                }
                let open = lake.get().open(py)?;
                let (watch, stop) = Watch::default().ending();
                watched(py, &watch, statement.clone().run(&open, (stop, watch.signals())))?
            }
        };
        Ok(Outgoing::new(Vec::new(), Some(rows), runtime, failure))
    }

    /// Returns a stream that may end behind the first rows, which is no loss to who looks at them.
    fn first(&self, py: Python<'_>, rows_max: usize) -> PyResult<Outgoing> {
        match &self.origin {
            Origin::Table { lake, version, options } => {
                let open = lake.get().open(py)?;
                let limit = options.limit.map_or(rows_max, |limit| limit.min(rows_max));
                let options = GetOptions { limit: Some(limit), ..options.clone() };
                let rows = wait(py, of_version(&open, version, options))?;
                Ok(Outgoing::new(Vec::new(), Some(rows), runtime()?, self.failure.clone()))
            }
            Origin::Statement { looked_at, .. } if looked_at.num_rows() >= rows_max => {
                let first = vec![looked_at.clone()];
                Ok(Outgoing::new(first, None, runtime()?, self.failure.clone()))
            }
            Origin::Kept(_) | Origin::Statement { .. } => self.stream(py),
        }
    }
}

async fn of_version(lake: &Lake, version: &str, options: GetOptions) -> Result<Running, Error> {
    Ok(Running { rows: lake.get(version, options).await?, signals: Signals::default() })
}

fn taken(begun: &Begun) -> Option<(Vec<RecordBatch>, Running)> {
    begun.get()?.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Ends a statement that nobody reads, for it takes room that others need.
fn let_go_unread(begun: &Begun) -> PyResult<()> {
    let begun = Arc::downgrade(begun);
    runtime()?.spawn(async move {
        tokio::time::sleep(UNREAD_MAX).await;
        drop(begun.upgrade().and_then(|begun| taken(&begun)));
    });
    Ok(())
}

/// Takes batches up to a size; says whether these were all.
async fn gather(rows: &mut Rows) -> Result<(Vec<RecordBatch>, bool), Error> {
    let mut batches = Vec::new();
    let mut bytes = 0;
    while bytes <= KEPT_BYTES_MAX {
        let Some(batch) = rows.next().await? else { return Ok((batches, true)) };
        bytes += bytes_of(&batch);
        batches.push(batch);
    }
    Ok((batches, false))
}

/// Returns how many bytes the rows of a batch take, whatever they are slices of.
fn bytes_of(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    let bytes = columns.map(|column| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    });
    bytes.sum()
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
        match &self.origin {
            Origin::Kept(batches) => Some(batches.iter().map(RecordBatch::num_rows).sum()),
            Origin::Table { .. } | Origin::Statement { .. } => None,
        }
    }

    /// How many rows there are; reads them where they are not kept.
    fn count(&self, py: Python<'_>) -> PyResult<usize> {
        if let Some(rows) = self.rows() {
            return Ok(rows);
        }
        let mut stream = self.stream(py)?;
        let mut rows = 0;
        while let Some(batch) = preview::next(py, &mut stream, &self.failure)? {
            rows += batch.num_rows();
        }
        Ok(rows)
    }

    /// The version that a table's rows come from.
    #[getter]
    fn version(&self) -> Option<String> {
        match &self.origin {
            Origin::Table { version, .. } => Some(version.clone()),
            Origin::Kept(_) | Origin::Statement { .. } => None,
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
        self.stream(py)?.capsule(py, &self.schema, requested_schema.as_ref(), is_alone)
    }

    /// What ended the last stream before its end, as an exception.
    fn take_failure(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        take(&self.failure).map(|error| error.into_value(py).into_any())
    }

    /// The first `rows_max` rows as text, and whether there are more.
    fn preview(&self, py: Python<'_>, rows_max: usize) -> PyResult<Preview> {
        preview::of(py, self.first(py, rows_max + 1)?, &self.failure, rows_max)
    }

    /// All rows as dicts of Python's own values.
    fn to_pylist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        values::check(&self.schema)?;
        let mut stream = self.stream(py)?;
        let rows = PyList::empty(py);
        while let Some(batch) = preview::next(py, &mut stream, &self.failure)? {
            values::append(&rows, &batch)?;
        }
        Ok(rows)
    }
}

//! An open lake as Python has it: `NativeLake`. Each method is one call of the facade.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cidlake::{
    AddSource, DiffRequest, FindRequest, GetOptions, Lake, LogOptions, Open, OperationRequest,
    OperationsRequest, Overrides, Settings, Snapshot, Source, StoreMode, StoreRequest, WorkRequest,
};
use futures::TryStreamExt as _;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::answers::{
    AddedDict, DatasetDict, DroppedDict, ExportedDict, LogDict, ShownDict, StoredDict,
};
use crate::difference::DifferenceDict;
use crate::errors::{python_error, usage};
use crate::finding::{FoundDict, conditions};
use crate::params::params;
use crate::process::Owned;
use crate::queue::{OperationDict, WalStatusDict, WorkedDict, operation_params};
use crate::result::{NativeResult, Statement};
use crate::rows_in;
use crate::wait::{Watch, wait, watched};

/// An open lake. In a process that was forked it opens the lake anew when it is first used.
#[pyclass(frozen, name = "Lake", module = "cidlake._native")]
pub(crate) struct NativeLake {
    settings: Settings,
    /// `None` once it was closed. Locked only for a moment, in which Python's lock is held and nothing
    /// of Python runs: so nobody waits for it, and nobody holds it when a process is forked.
    lake: Mutex<Option<Owned<Lake>>>,
}

impl NativeLake {
    /// Returns the lake as this process has it open.
    ///
    /// # Errors
    /// `UsageError` for one that was closed; what keeps it from being opened again.
    pub(crate) fn open(&self, py: Python<'_>) -> PyResult<Lake> {
        if let Some(lake) = self.mine().ok_or_else(|| self.closed())? {
            return Ok(lake);
        }
        let lake = wait(py, Lake::open(self.settings.clone(), Open::Existing))?;
        self.take_over(lake).ok_or_else(|| self.closed())
    }

    /// Returns the lake if this process has it open; nothing at all where it was closed.
    fn mine(&self) -> Option<Option<Lake>> {
        let slot = self.lake.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().map(|owned| owned.get().cloned())
    }

    /// Keeps a lake that this process has opened, unless another thread was first; returns the one
    /// that is kept.
    fn take_over(&self, lake: Lake) -> Option<Lake> {
        let mut slot = self.lake.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = slot.as_ref()?.get() {
            return Some(first.clone());
        }
        slot.replace(Owned::new(lake.clone()));
        Some(lake)
    }

    fn closed(&self) -> PyErr {
        let message = format!("the lake at {} is closed", self.settings.path.display());
        usage(&message, "open it again with cidlake.Lake(path)")
    }
}

/// What to store, beside the rows.
#[derive(FromPyObject)]
struct StoreAsked {
    #[pyo3(item)]
    label: String,
    #[pyo3(item)]
    rows_total: Option<u64>,
    #[pyo3(item)]
    name: Option<String>,
    #[pyo3(item)]
    mode: String,
    #[pyo3(item)]
    key: Option<Vec<String>>,
    #[pyo3(item)]
    partition_by: Option<Vec<String>>,
    #[pyo3(item)]
    metadata: BTreeMap<String, String>,
    #[pyo3(item)]
    message: Option<String>,
}

#[pymethods]
impl NativeLake {
    #[new]
    #[pyo3(signature = (path, create, memory_bytes_max, cache_bytes_max, timeout_ms, threads, key_file))]
    #[expect(clippy::too_many_arguments, reason = "they are the settings, each by its name")]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        create: bool,
        memory_bytes_max: Option<usize>,
        cache_bytes_max: Option<u64>,
        timeout_ms: Option<u64>,
        threads: Option<usize>,
        key_file: Option<PathBuf>,
    ) -> PyResult<Self> {
        let overrides = Overrides {
            lake: path,
            key_file,
            memory_bytes_max,
            cache_bytes_max,
            query_timeout_ms: timeout_ms,
            threads,
        };
        let settings = Settings::load(overrides).map_err(python_error)?;
        let open = if create { Open::Create } else { Open::Existing };
        let lake = wait(py, Lake::open(settings.clone(), open))?;
        Ok(Self { settings, lake: Mutex::new(Some(Owned::new(lake))) })
    }

    /// The lake's folder.
    #[getter]
    fn path(&self) -> PathBuf {
        self.settings.path.clone()
    }

    /// Whether it was closed.
    #[getter]
    fn closed_(&self) -> bool {
        self.lake.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Leaves the lake.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        // Apart from the lock, which must not be held while it is closed.
        let owned = self.lake.lock().unwrap_or_else(PoisonError::into_inner).take();
        match owned.as_ref().and_then(Owned::get) {
            Some(lake) => wait(py, lake.close()),
            None => Ok(()),
        }
    }

    /// Stores rows, or the files at `paths`.
    #[pyo3(signature = (rows, paths, asked, show))]
    fn store(
        &self,
        py: Python<'_>,
        rows: Option<Bound<'_, PyAny>>,
        paths: Vec<PathBuf>,
        asked: StoreAsked,
        show: Option<Py<PyAny>>,
    ) -> PyResult<StoredDict> {
        let lake = self.open(py)?;
        let sources = match rows {
            None => paths.into_iter().map(Source::Path).collect(),
            Some(rows) => vec![rows_in::source(&rows, asked.label, asked.rows_total)?],
        };
        let (watch, stop) = Watch::showing(show).ending();
        let request = StoreRequest {
            sources,
            name: asked.name,
            mode: match asked.mode.as_str() {
                "append" => StoreMode::Append,
                "upsert" => StoreMode::Upsert,
                _ => StoreMode::Overwrite,
            },
            key: asked.key,
            partition_by: asked.partition_by,
            metadata: asked.metadata,
            message: asked.message,
            stop,
            ..StoreRequest::default()
        };
        let progress = watch.listener();
        Ok(watched(py, &watch, lake.store(request, progress))?.into())
    }

    /// Looks a table up, to be read.
    #[pyo3(signature = (reference, columns, filter, filters_json, limit))]
    fn get(
        slf: &Bound<'_, Self>,
        reference: &str,
        columns: Option<Vec<String>>,
        filter: Option<String>,
        filters_json: Option<&str>,
        limit: Option<usize>,
    ) -> PyResult<NativeResult> {
        let filter = match filters_json {
            None => filter,
            Some(text) => {
                let filters = serde_json::from_str(text).map_err(|error| {
                    usage(&format!("the filter cannot be read: {error}"), "write it as SQL")
                })?;
                cidlake::filter_expression(&filters).map_err(python_error)?
            }
        };
        let options = GetOptions { columns, filter, limit };
        NativeResult::of_table(slf.py(), slf.clone().unbind(), reference, options)
    }

    /// Runs one SQL statement.
    #[pyo3(signature = (query, values, write, timeout_ms))]
    fn sql(
        slf: &Bound<'_, Self>,
        query: String,
        values: Option<Bound<'_, PyAny>>,
        write: bool,
        timeout_ms: Option<u64>,
    ) -> PyResult<NativeResult> {
        let params = params(values.as_ref())?;
        let snapshot = Snapshot::default();
        let statement = Statement { text: query, params, timeout_ms, write, snapshot };
        NativeResult::of_statement(slf.py(), slf.clone().unbind(), statement)
    }

    /// Lists the datasets.
    fn datasets(&self, py: Python<'_>) -> PyResult<Vec<DatasetDict>> {
        let lake = self.open(py)?;
        let infos = wait(py, lake.datasets())?;
        Ok(infos.into_iter().map(DatasetDict::from).collect())
    }

    /// Finds what fits conditions, which are JSON.
    #[pyo3(signature = (conditions_json, all_versions, limit))]
    fn find(
        &self,
        py: Python<'_>,
        conditions_json: &str,
        all_versions: bool,
        limit: Option<usize>,
    ) -> PyResult<Vec<FoundDict>> {
        let lake = self.open(py)?;
        let conditions = conditions(conditions_json)?;
        let found = wait(py, lake.find(FindRequest { conditions, all_versions, limit }))?;
        Ok(found.into_iter().map(FoundDict::from).collect())
    }

    /// Says everything about one reference.
    fn show(&self, py: Python<'_>, reference: &str) -> PyResult<ShownDict> {
        let lake = self.open(py)?;
        Ok(wait(py, lake.show(reference))?.into())
    }

    /// Lists versions, newest first.
    #[pyo3(signature = (reference, limit, start))]
    fn log(
        &self,
        py: Python<'_>,
        reference: &str,
        limit: usize,
        start: Option<String>,
    ) -> PyResult<LogDict> {
        let lake = self.open(py)?;
        Ok(wait(py, lake.log(reference, LogOptions { limit, from: start }))?.into())
    }

    /// Compares two versions.
    #[pyo3(signature = (a, b, key, samples_max, show))]
    fn diff(
        &self,
        py: Python<'_>,
        a: &str,
        b: &str,
        key: Option<Vec<String>>,
        samples_max: usize,
        show: Option<Py<PyAny>>,
    ) -> PyResult<DifferenceDict> {
        let lake = self.open(py)?;
        let watch = Watch::showing(show);
        let request = DiffRequest { key, samples_max };
        let progress = watch.listener();
        Ok(watched(py, &watch, lake.diff(a, b, request, progress))?.into())
    }

    /// Frees a name.
    fn drop(&self, py: Python<'_>, name: &str) -> PyResult<DroppedDict> {
        let lake = self.open(py)?;
        Ok(wait(py, lake.drop_dataset(name))?.into())
    }

    /// Adds a file or folder, or bytes.
    #[pyo3(signature = (path, data, label, show))]
    fn add(
        &self,
        py: Python<'_>,
        path: Option<PathBuf>,
        data: Option<&[u8]>,
        label: String,
        show: Option<Py<PyAny>>,
    ) -> PyResult<AddedDict> {
        let lake = self.open(py)?;
        let source = match path {
            Some(path) => AddSource::Path(path),
            None => AddSource::Bytes { label, data: data.unwrap_or_default().to_vec().into() },
        };
        let watch = Watch::showing(show);
        let progress = watch.listener();
        Ok(watched(py, &watch, lake.add(source, progress))?.into())
    }

    /// Reads a file, or the bytes from `start` up to `end` of it.
    #[pyo3(signature = (target, start, end))]
    fn cat<'py>(
        &self,
        py: Python<'py>,
        target: &str,
        start: u64,
        end: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let lake = self.open(py)?;
        let bytes = wait(py, async {
            let stream = lake.cat(target, Some(start..end.unwrap_or(u64::MAX))).await?;
            let whole = stream.try_fold(Vec::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            });
            whole.await
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Writes a CAR file.
    #[pyo3(signature = (reference, path, history, show))]
    fn export(
        &self,
        py: Python<'_>,
        reference: &str,
        path: PathBuf,
        history: bool,
        show: Option<Py<PyAny>>,
    ) -> PyResult<ExportedDict> {
        let lake = self.open(py)?;
        let watch = Watch::showing(show);
        let progress = watch.listener();
        Ok(watched(py, &watch, lake.export(reference, path, history, progress))?.into())
    }

    /// Queues an operation; returns it, and whether it was not known already.
    #[pyo3(signature = (kind, params_json, key, attempts_max, delay_ms))]
    fn enqueue(
        &self,
        py: Python<'_>,
        kind: String,
        params_json: &str,
        key: Option<String>,
        attempts_max: Option<u32>,
        delay_ms: u64,
    ) -> PyResult<(OperationDict, bool)> {
        let lake = self.open(py)?;
        let params = operation_params(params_json)?;
        let request = OperationRequest { kind, params, key, attempts_max, delay_ms };
        let queued = wait(py, lake.enqueue(request))?;
        Ok((queued.info.into(), queued.is_new))
    }

    /// Lists operations in the order in which they were queued.
    #[pyo3(signature = (statuses, kind, after, limit))]
    fn operations(
        &self,
        py: Python<'_>,
        statuses: Vec<String>,
        kind: Option<String>,
        after: Option<String>,
        limit: Option<usize>,
    ) -> PyResult<Vec<OperationDict>> {
        let lake = self.open(py)?;
        let request = OperationsRequest { statuses, kind, after, limit };
        let infos = wait(py, lake.operations(request))?;
        Ok(infos.into_iter().map(OperationDict::from).collect())
    }

    /// Says everything about one operation.
    fn operation(&self, py: Python<'_>, id: &str) -> PyResult<OperationDict> {
        let lake = self.open(py)?;
        Ok(wait(py, lake.operation(id))?.into())
    }

    /// Lets an operation be tried again.
    fn retry_operation(&self, py: Python<'_>, id: &str) -> PyResult<OperationDict> {
        let lake = self.open(py)?;
        Ok(wait(py, lake.retry_operation(id))?.into())
    }

    /// Takes an operation out of the queue; returns what it was.
    fn drop_operation(&self, py: Python<'_>, id: &str) -> PyResult<OperationDict> {
        let lake = self.open(py)?;
        Ok(wait(py, lake.drop_operation(id))?.into())
    }

    /// Runs operations that are due.
    #[pyo3(signature = (kinds, schedule, watch, limit, show))]
    fn work(
        &self,
        py: Python<'_>,
        kinds: Vec<String>,
        schedule: bool,
        watch: bool,
        limit: Option<u64>,
        show: Option<Py<PyAny>>,
    ) -> PyResult<WorkedDict> {
        let lake = self.open(py)?;
        let (waiting, stop) = Watch::showing(show).ending();
        let request = WorkRequest { kinds, schedule, watch, limit, stop };
        let progress = waiting.listener();
        Ok(watched(py, &waiting, lake.work(request, progress))?.into())
    }

    /// Says what the log and the operation queue hold.
    fn wal_status(&self, py: Python<'_>) -> PyResult<WalStatusDict> {
        let lake = self.open(py)?;
        Ok(wait(py, lake.wal_status())?.into())
    }
}

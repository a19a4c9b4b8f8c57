//! Waiting for work of the lake from Python: other threads of Python run meanwhile, signals are
//! handled, and progress is shown.
//!
//! Progress is told by threads of the lake and shown by the thread that waits, so that none of them
//! ever needs Python.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cidlake::{Error, Progress, ProgressEvent, Stop, Unit, no_progress};
use pyo3::prelude::*;

use crate::errors::python_error;
use crate::process::runtime;

/// How often signals are looked for and progress is shown.
const TICK: Duration = Duration::from_millis(50);

/// What is done while work goes on.
#[derive(Default)]
pub(crate) struct Watch {
    /// A function of the phase, what is done, the total where it is known, and its unit.
    shown_by: Option<Py<PyAny>>,
    latest: Arc<Mutex<Option<ProgressEvent>>>,
    /// How work is told to end that does not end by being dropped.
    stop: Option<Stop>,
}

impl Watch {
    /// Shows progress by calling `shown_by`.
    pub(crate) fn showing(shown_by: Option<Py<PyAny>>) -> Self {
        Self { shown_by, ..Self::default() }
    }

    /// Ends work by `stop`, and waits for it to end.
    pub(crate) fn ending_by(mut self, stop: Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Returns the listener that work is given.
    pub(crate) fn listener(&self) -> Progress {
        if self.shown_by.is_none() {
            return no_progress();
        }
        let latest = Arc::clone(&self.latest);
        Arc::new(move |event| {
            latest.lock().unwrap_or_else(PoisonError::into_inner).replace(event);
        })
    }

    fn tick(&self, py: Python<'_>) -> PyResult<()> {
        py.check_signals()?;
        let event = self.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(show), Some(event)) = (&self.shown_by, event) {
            let unit = match event.unit {
                Unit::Bytes => "B",
                Unit::Rows => "rows",
                Unit::Blocks => "blocks",
            };
            show.call1(py, (event.phase, event.done, event.total, unit))?;
        }
        Ok(())
    }
}

/// Waits for `work` with Python's lock released.
///
/// # Errors
/// What `work` failed with, or what a signal's handler raised.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    work: impl Future<Output = Result<T, Error>> + Send,
) -> PyResult<T> {
    watched(py, &Watch::default(), work)
}

/// Waits for `work` as [`wait`] does and shows its progress.
///
/// # Errors
/// As [`wait`], and what the function raised that shows progress.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    watch: &Watch,
    work: impl Future<Output = Result<T, Error>> + Send,
) -> PyResult<T> {
    let runtime = runtime()?;
    py.detach(|| runtime.block_on(until_done(watch, pin!(work))))
}

async fn until_done<T, F>(watch: &Watch, mut work: Pin<&mut F>) -> PyResult<T>
where
    F: Future<Output = Result<T, Error>> + Send,
{
    let mut broken = None;
    loop {
        if let Ok(done) = tokio::time::timeout(TICK, work.as_mut()).await {
            return match broken {
                Some(error) => Err(error),
                None => done.map_err(python_error),
            };
        }
        if broken.is_some() {
            continue;
        }
        // What Python runs here may call the lake again, which a thread that works for it may not.
        let ticked = tokio::task::block_in_place(|| Python::attach(|py| watch.tick(py)));
        if let Err(error) = ticked {
            let Some(stop) = &watch.stop else { return Err(error) };
            stop.stop();
            broken = Some(error);
        }
    }
}

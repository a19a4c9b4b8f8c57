//! Waiting for work of the lake from Python: other threads of Python run meanwhile, signals are
//! handled, and progress is shown.
//!
//! Progress is told by threads of the lake and shown by the thread that waits, so that none of them
//! ever needs Python. That thread measures its time itself: clocks of the runtime stand still while all
//! of its threads are busy.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::Duration;

use cidlake::{Error, ErrorKind, Progress, ProgressEvent, Stop, Unit, no_progress};
use futures::FutureExt as _;
use pyo3::prelude::*;
use tokio::time::Instant;

use crate::errors::python_error;
use crate::process::{is_main_thread, runtime};

/// How often signals are looked for and progress is shown.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// What is done while work goes on.
#[derive(Default)]
pub(crate) struct Watch {
    /// A function of the phase, what is done, the total where it is known, and its unit.
    shown_by: Option<Py<PyAny>>,
    latest: Arc<Mutex<Option<ProgressEvent>>>,
    signals: Signals,
    /// How work is told to end that does not end by being dropped.
    stop: Option<Stop>,
}

/// Signals of Python, for work that may run in the thread that handles them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<Mutex<Looked>>);

#[derive(Debug, Default)]
struct Looked {
    at: Option<Instant>,
    /// What the handler of a signal raised.
    raised: Option<PyErr>,
}

impl Signals {
    /// Returns a switch for work that asks it again and again: it is looked for signals then, where
    /// that is due and this is their thread.
    pub(crate) fn stop(&self) -> Stop {
        let signals = self.clone();
        Stop::asking(Arc::new(move || signals.look()))
    }

    /// Says whether a handler raised something.
    pub(crate) fn look(&self) -> bool {
        if !is_main_thread() {
            return false;
        }
        // Only this thread comes here, so nobody waits.
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked.at.is_none_or(|at| at.elapsed() >= TICK);
        if looked.raised.is_none() && is_due {
            // What Python runs here may use the lake, and come here again.
            drop(looked);
            let raised = Python::attach(|py| py.check_signals()).err();
            looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *looked = Looked { at: Some(Instant::now()), raised };
        }
        looked.raised.is_some()
    }

    /// Takes what a handler raised.
    pub(crate) fn raised(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).raised.take()
    }
}

impl Watch {
    /// Shows progress by calling `shown_by`.
    pub(crate) fn showing(shown_by: Option<Py<PyAny>>) -> Self {
        Self { shown_by, ..Self::default() }
    }

    /// Ends work by a switch, and waits for it to end.
    pub(crate) fn ending(mut self) -> (Self, Stop) {
        let stop = self.signals.stop();
        self.stop = Some(stop.clone());
        (self, stop)
    }

    /// Returns the signals that are looked for.
    pub(crate) fn signals(&self) -> Signals {
        self.signals.clone()
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
        if self.signals.look()
            && let Some(raised) = self.signals.raised()
        {
            return Err(raised);
        }
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
    // A panic is a defect of ours, and no exception that nobody expects.
    let work = AssertUnwindSafe(work).catch_unwind().map(|done| done.unwrap_or_else(|_| broken()));
    py.detach(|| {
        let _entered = runtime.enter();
        let mut raised: Option<PyErr> = None;
        let tick = || {
            let Err(error) = Python::attach(|py| watch.tick(py)) else { return Ok(()) };
            match &watch.stop {
                // Work that is told to end is waited for, but not for longer than one is patient.
                Some(stop) if raised.is_none() => {
                    stop.stop();
                    raised = Some(error);
                    Ok(())
                }
                _ => Err(error),
            }
        };
        let done = drive(pin!(work), &mut Instant::now(), tick)?;
        // Work that asks by itself has ended before a tick noticed.
        let raised = raised.or_else(|| watch.signals.raised());
        raised.map_or_else(|| done.map_err(python_error), Err)
    })
}

fn broken<T>() -> Result<T, Error> {
    Err(Error::new(ErrorKind::Internal, "a defect of cidlake ended the work"))
}

/// Wakes a thread that waits.
struct Waking(Thread);

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `work` to its end in this thread and calls `tick` every now and then, by what `ticked` says.
///
/// # Errors
/// What `tick` failed with, before the end.
pub(crate) fn drive<F: Future, E>(
    mut work: Pin<&mut F>,
    ticked: &mut Instant,
    mut tick: impl FnMut() -> Result<(), E>,
) -> Result<F::Output, E> {
    let waker = Arc::new(Waking(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        let since = ticked.elapsed();
        if since >= TICK {
            tick()?;
            *ticked = Instant::now();
        }
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return Ok(done);
        }
        std::thread::park_timeout(TICK.saturating_sub(ticked.elapsed()));
    }
}

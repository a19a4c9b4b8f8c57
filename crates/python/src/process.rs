//! What there is one of in a process: the threads that all lakes work on, and Python's main thread.
//!
//! A process that was forked has neither the threads nor the right to the open files of the one that
//! it came from. So what belongs to a process is kept with its number, and left alone, without being
//! closed, where the number is another.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::ThreadId;

use cidlake::{Error, ErrorKind};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::errors::python_error;

/// The threads of one process. Never joined: what is acknowledged is durable, and Python's end does
/// not wait for the rest.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);
/// The thread in which Python handles signals, where the module was imported there.
static MAIN: OnceLock<ThreadId> = OnceLock::new();

/// What only the process may touch that made it. In a process that was forked from that one it is
/// neither used nor dropped: dropping it would let go of locks that the other still holds.
#[derive(Debug)]
pub(crate) struct Owned<T> {
    owner: u32,
    value: Option<T>,
}

impl<T> Owned<T> {
    /// Makes `value` this process's.
    pub(crate) fn new(value: T) -> Self {
        Self { owner: id(), value: Some(value) }
    }

    /// Returns it, if this is its process.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.owner == id())
    }

    /// Returns it, if this is its process, to be changed.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut().filter(|_| self.owner == id())
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.owner != id() {
            Box::leak(Box::new(self.value.take()));
        }
    }
}

/// Returns the number of this process.
pub(crate) fn id() -> u32 {
    std::process::id()
}

/// Returns the threads of this process; starts them where there are none.
///
/// # Errors
/// `UnavailableError` where the system gives no threads.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    started().map_err(|error| {
        let message = "the threads of the lake could not be started";
        python_error(Error::new(ErrorKind::Unavailable, message).with_source(error))
    })
}

fn started() -> std::io::Result<&'static Runtime> {
    // Taken only while attached to Python and with nothing of Python running, so that nobody waits
    // for it, and nobody else holds it when a process is forked.
    let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, runtime)) = *slot
        && owner == id()
    {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread().thread_name("cidlake").enable_all().build()?;
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *slot = Some((id(), runtime));
    Ok(runtime)
}

/// Notes which thread handles signals, if it is this one.
///
/// # Errors
/// Where Python has no threads to ask for.
pub(crate) fn note_main_thread(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    let current = threading.call_method0("current_thread")?;
    if current.is(&threading.call_method0("main_thread")?) {
        MAIN.get_or_init(|| std::thread::current().id());
    }
    Ok(())
}

/// Whether this thread is the one that handles signals.
pub(crate) fn is_main_thread() -> bool {
    MAIN.get() == Some(&std::thread::current().id())
}

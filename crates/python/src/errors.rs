//! Errors of the facade as Python's exceptions. The family itself is Python: `cidlake/_errors.py`.

use std::error::Error as _;

use cidlake::Error;
use pyo3::prelude::*;

/// Returns the exception that stands for `error`, with the causes in its text.
pub(crate) fn python_error(error: Error) -> PyErr {
    Python::attach(|py| {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // Some errors repeat what caused them.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        made(py, error.kind().word(), &message, error.hint()).unwrap_or_else(|wrong| wrong)
    })
}

/// Returns the exception of a kind of the facade's.
pub(crate) fn usage(message: &str, hint: &str) -> PyErr {
    let error = Error::new(cidlake::ErrorKind::Usage, message).with_hint(hint);
    python_error(error)
}

fn made(py: Python<'_>, kind: &str, message: &str, hint: Option<&str>) -> PyResult<PyErr> {
    let family = py.import("cidlake._errors")?;
    let exception = family.call_method1("of_kind", (kind, message, hint))?;
    Ok(PyErr::from_value(exception))
}

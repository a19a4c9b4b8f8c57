//! The native half of the Python package `cidlake`: the module `cidlake._native`.
//!
//! It turns Python values into calls of the facade and answers into Python values, and moves rows
//! through Arrow's C interfaces without copying them. What users import (classes with names, docs and
//! conversions to pandas and the others) is Python, in `python/cidlake`.

mod answers;
mod difference;
mod errors;
mod finding;
mod lake;
mod params;
mod preview;
mod process;
mod queue;
mod result;
mod rows_in;
mod rows_out;
mod values;
mod wait;

/// What Python imports as `cidlake._native`.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::lake::NativeLake;
    #[pymodule_export]
    use super::result::NativeResult;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::process::note_main_thread(module.py())?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}

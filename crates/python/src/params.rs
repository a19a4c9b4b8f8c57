//! Python values as the parameters of a statement.

use std::collections::BTreeMap;

use cidlake::{Param, Params};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDate, PyDateTime, PyDict, PyFloat, PyInt, PyMapping, PyString};

/// Reads a sequence of positional values, or a mapping of named ones.
///
/// # Errors
/// `TypeError` names the parameter that can be none.
pub(crate) fn params(values: Option<&Bound<'_, PyAny>>) -> PyResult<Params> {
    let mut params = Params::default();
    let Some(values) = values else { return Ok(params) };
    if let Ok(named) = values.cast::<PyMapping>() {
        let named = PyDict::from_sequence(&named.items()?.into_any())?;
        params.named = named_values(&named)?;
    } else if values.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(
            "params is a text; give a list of values, or a dict of names and values",
        ));
    } else {
        for (value, number) in values.try_iter()?.zip(1..) {
            params.positional.push(param(&format!("${number}"), &value?)?);
        }
    }
    Ok(params)
}

fn named_values(named: &Bound<'_, PyDict>) -> PyResult<BTreeMap<String, Param>> {
    let mut out = BTreeMap::new();
    for (name, value) in named {
        let name: String = name.extract()?;
        let value = param(&format!("${name}"), &value)?;
        out.insert(name, value);
    }
    Ok(out)
}

fn param(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Param> {
    let class = value.get_type().name()?.to_string();
    // pandas' nulls, of which one is a datetime.
    if value.is_none() || class == "NaTType" || class == "NAType" {
        return Ok(Param::Null);
    }
    // A bool is an int, and a datetime a date, so the order counts.
    if value.is_instance_of::<PyBool>() {
        return Ok(Param::Bool(value.extract()?));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(match value.extract::<i64>() {
            Ok(number) => Param::Int(number),
            Err(_) => Param::Decimal(value.str()?.to_string()),
        });
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Param::Float(value.extract()?));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Param::Text(value.extract()?));
    }
    if value.is_instance_of::<PyDateTime>() {
        let text = value.call_method0("isoformat")?;
        return Ok(Param::Timestamp(text.extract()?));
    }
    if value.is_instance_of::<PyDate>() {
        let text = value.call_method0("isoformat")?;
        return Ok(Param::Date(text.extract()?));
    }
    let decimal = value.py().import("decimal")?.getattr("Decimal")?;
    if value.is_instance(&decimal)? {
        let text = value.call_method1("__format__", ("f",))?;
        return Ok(Param::Decimal(text.extract()?));
    }
    // As an integer, which a moment of nanoseconds is to numpy, it would lose its meaning.
    if class == "datetime64" {
        let text = value.str()?.to_string();
        return Ok(if text == "NaT" { Param::Null } else { Param::Timestamp(text) });
    }
    // Numbers of numpy and the like say themselves which number of Python's they are.
    if value.hasattr("item")? && class != "timedelta64" {
        let plain = value.call_method0("item")?;
        if !plain.is(value) && !plain.hasattr("item")? {
            return param(name, &plain);
        }
    }
    Err(PyTypeError::new_err(format!(
        "the parameter {name} is a {class}; a parameter is None or a bool, int, float, str, Decimal, \
         date or datetime"
    )))
}

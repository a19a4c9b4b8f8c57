//! Rows as Python's own values, one by one: for few rows, where no library is at hand.

use std::collections::HashSet;
use std::sync::Arc;

use cidlake::arrow::array::RecordBatch;
use cidlake::arrow::datatypes::{DataType, Schema};
use cidlake::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use pyo3_arrow::PyScalar;

use crate::errors::python_error;

/// How many rows become Python's values before signals are looked for.
const ROWS_BETWEEN_SIGNALS: usize = 1024;

/// Checks that rows of a schema can be dicts.
///
/// # Errors
/// `InvalidError` names the column that cannot be a value, and two columns of one name.
pub(crate) fn check(schema: &Schema) -> PyResult<()> {
    let mut seen = HashSet::new();
    for field in schema.fields() {
        if !seen.insert(field.name()) {
            let message = format!("two columns are named {:?}, and a dict has one", field.name());
            return Err(refused(message, "give one another name with AS, or use to_arrow()"));
        }
        if !has_values(field.data_type()) {
            let (name, kind) = (field.name(), field.data_type());
            let message = format!("the column {name:?} is of the type {kind}, which Python lacks");
            return Err(refused(message, "use to_arrow(), or cast it in SQL"));
        }
    }
    Ok(())
}

fn refused(message: String, hint: &str) -> PyErr {
    python_error(Error::new(ErrorKind::Invalid, message).with_hint(hint))
}

/// Whether values of a type are made below.
fn has_values(kind: &DataType) -> bool {
    match kind {
        DataType::Interval(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::RunEndEncoded(..)
        | DataType::Union(..) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_values(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| has_values(field.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
                names == ["key", "value"]
                    && fields.iter().all(|field| has_values(field.data_type()))
            }
            _ => false,
        },
        DataType::Dictionary(_, values) => has_values(values),
        _ => true,
    }
}

/// Appends the rows of a batch as dicts.
///
/// # Errors
/// A value that Python's type cannot hold, such as a year beyond 9999; what a signal's handler raised.
pub(crate) fn append(rows: &Bound<'_, PyList>, batch: &RecordBatch) -> PyResult<()> {
    let py = rows.py();
    let schema = batch.schema();
    for row in 0..batch.num_rows() {
        if row % ROWS_BETWEEN_SIGNALS == 0 {
            py.check_signals()?;
        }
        let dict = PyDict::new(py);
        for (column, field) in batch.columns().iter().zip(schema.fields()) {
            let scalar = PyScalar::try_new(column.slice(row, 1), Arc::clone(field))?;
            let value = Bound::new(py, scalar)?.call_method0("as_py")?;
            dict.set_item(field.name(), value)?;
        }
        rows.append(dict)?;
    }
    Ok(())
}

//! JSON out: an array of objects, one object a line, or values for programs. Objects have every
//! column, nulls too, in order.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use serde_json::{Map, Value};

use super::cells::Cells;
use super::{BatchWriter, Out, io_error};
use crate::error::QueryError;

/// Writes JSON objects, between brackets and commas or one a line.
pub(super) struct JsonWriter {
    out: Out,
    array: bool,
    empty: bool,
    text: Vec<u8>,
}

impl JsonWriter {
    /// An array of objects, each on its line.
    pub(super) fn array(out: Out, schema: &Schema) -> Result<Self, QueryError> {
        let mut writer = Self::lines(out, schema)?;
        writer.array = true;
        writer.out.write_all(b"[").map_err(io_error)?;
        Ok(writer)
    }

    /// One object a line.
    pub(super) fn lines(out: Out, schema: &Schema) -> Result<Self, QueryError> {
        check_names(schema)?;
        Ok(Self { out, array: false, empty: true, text: Vec::new() })
    }
}

impl BatchWriter for JsonWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows() {
            self.text.clear();
            match (self.array, self.empty) {
                (true, true) => self.text.push(b'\n'),
                (true, false) => self.text.extend_from_slice(b",\n"),
                (false, _) => {}
            }
            self.empty = false;
            cells.write_json(row, &mut self.text);
            if !self.array {
                self.text.push(b'\n');
            }
            self.out.write_all(&self.text).map_err(io_error)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), QueryError> {
        if self.array {
            let end: &[u8] = if self.empty { b"]\n" } else { b"\n]\n" };
            self.out.write_all(end).map_err(io_error)?;
        }
        self.out.flush().map_err(io_error)
    }
}

/// An object cannot have two values of one name.
fn check_names(schema: &Schema) -> Result<(), QueryError> {
    let fields = schema.fields();
    for (index, field) in fields.iter().enumerate() {
        if fields.iter().skip(index + 1).any(|other| other.name() == field.name()) {
            let what = "two columns have this name; rename one of them (… AS other_name)";
            return Err(QueryError::unsupported(field.name(), what));
        }
    }
    Ok(())
}

/// Returns the rows as JSON objects, by the rules of [`Cells`].
///
/// # Errors
/// `Unsupported` names a column that JSON cannot hold, or a name that two columns have.
pub fn json_rows(batches: &[RecordBatch]) -> Result<Vec<Map<String, Value>>, QueryError> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        check_names(batch.schema_ref())?;
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows() {
            let names = cells.names().iter().cloned();
            rows.push(names.zip((0..).map(|column| cells.json(row, column))).collect());
        }
    }
    Ok(rows)
}

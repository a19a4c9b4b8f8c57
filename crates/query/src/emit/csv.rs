//! CSV out: a header line, commas, quotes where needed (RFC 4180, lines end with `\n`). Null is an
//! empty field; an empty text is `""`, which most readers, also ours, take for null as well.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::cells::Cells;
use super::{BatchWriter, Out, io_error};
use crate::error::QueryError;

/// Writes CSV.
pub(super) struct CsvWriter {
    out: Out,
    line: String,
}

impl CsvWriter {
    pub(super) fn new(mut out: Out, schema: &Schema) -> Result<Self, QueryError> {
        let names = schema.fields().iter().map(|field| Some(field.name().clone()));
        let mut line = String::new();
        write_line(names, &mut line);
        out.write_all(line.as_bytes()).map_err(io_error)?;
        Ok(Self { out, line })
    }
}

impl BatchWriter for CsvWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows() {
            self.line.clear();
            write_line((0..batch.num_columns()).map(|at| cells.text(row, at)), &mut self.line);
            self.out.write_all(self.line.as_bytes()).map_err(io_error)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), QueryError> {
        self.out.flush().map_err(io_error)
    }
}

/// Appends one line. A lone null is quoted: readers skip blank lines.
fn write_line(fields: impl ExactSizeIterator<Item = Option<String>>, line: &mut String) {
    let lone = fields.len() == 1;
    for (index, field) in fields.enumerate() {
        if index > 0 {
            line.push(',');
        }
        match field {
            None if lone => line.push_str("\"\""),
            None => {}
            Some(text) => write_field(&text, line),
        }
    }
    line.push('\n');
}

fn write_field(text: &str, line: &mut String) {
    let blank_ends = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    if !text.is_empty() && !blank_ends && !text.contains(['"', ',', '\n', '\r']) {
        line.push_str(text);
        return;
    }
    line.push('"');
    for (index, piece) in text.split('"').enumerate() {
        if index > 0 {
            line.push_str("\"\"");
        }
        line.push_str(piece);
    }
    line.push('"');
}

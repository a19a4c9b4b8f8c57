//! Arrow IPC out: files, which name their batches in a footer, and streams, which do not.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;

use super::{BUFFER_BYTES, BatchWriter, Out, arrow_error};
use crate::error::QueryError;

/// Returns a writer of an Arrow IPC stream to `out`, exactly in the types of `schema`.
///
/// # Errors
/// `Io` that the sink failed.
pub fn arrow_stream(
    out: Box<dyn Write + Send>,
    schema: &Schema,
) -> Result<Box<dyn BatchWriter>, QueryError> {
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let writer = StreamWriter::try_new(out, schema).map_err(arrow_error)?;
    Ok(Box::new(Stream(writer)))
}

struct Stream(StreamWriter<Out>);

impl BatchWriter for Stream {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.0.write(batch).map_err(arrow_error)
    }

    fn finish(mut self: Box<Self>) -> Result<(), QueryError> {
        self.0.finish().map_err(arrow_error)?;
        self.0.get_mut().flush().map_err(super::io_error)
    }
}

/// Writes an Arrow IPC file. A file has one dictionary for all its batches, and these come one by
/// one with dictionaries of their own: so dictionaries are unpacked.
pub(super) struct FileWriter {
    writer: arrow::ipc::writer::FileWriter<Out>,
    plain: SchemaRef,
}

impl FileWriter {
    pub(super) fn new(out: Out, schema: &Schema) -> Result<Self, QueryError> {
        let fields: Fields = schema.fields().iter().map(plain_field).collect();
        let plain = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let writer = arrow::ipc::writer::FileWriter::try_new(out, &plain).map_err(arrow_error)?;
        Ok(Self { writer, plain })
    }
}

impl BatchWriter for FileWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.plain.fields())
            .map(|(column, field)| cast(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(arrow_error)?;
        let batch =
            RecordBatch::try_new(SchemaRef::clone(&self.plain), columns).map_err(arrow_error)?;
        self.writer.write(&batch).map_err(arrow_error)
    }

    fn finish(mut self: Box<Self>) -> Result<(), QueryError> {
        self.writer.finish().map_err(arrow_error)?;
        self.writer.get_mut().flush().map_err(super::io_error)
    }
}

/// The field with its dictionaries replaced by their values, at every depth.
fn plain_field(field: &FieldRef) -> FieldRef {
    let kind = match field.data_type() {
        DataType::Dictionary(_, values) => {
            let values = Field::new("", values.as_ref().clone(), true);
            plain_field(&Arc::new(values)).data_type().clone()
        }
        DataType::List(element) => DataType::List(plain_field(element)),
        DataType::LargeList(element) => DataType::LargeList(plain_field(element)),
        DataType::ListView(element) => DataType::ListView(plain_field(element)),
        DataType::LargeListView(element) => DataType::LargeListView(plain_field(element)),
        DataType::FixedSizeList(element, size) => {
            DataType::FixedSizeList(plain_field(element), *size)
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(kind))
}

//! The last step of every answer: types that a caller can rely on, and errors that name what
//! really failed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt as _;

use crate::engine::Rows;
use crate::error::QueryError;
use crate::part_files::Reading;

/// Returns the rows of a statement with view types, which serve computing, made plain. The types are
/// those of the plan that runs: in the plan as it was written, branches may still differ in theirs.
pub(crate) fn plain(stream: SendableRecordBatchStream, reading: Arc<Reading>) -> Rows {
    let schema = stream.schema();
    let fields: Vec<Field> = schema.fields().iter().map(|field| plain_field(field)).collect();
    let out = Arc::new(Schema::new(fields));
    let target = Arc::clone(&out);
    map(out, stream, reading, move |batch| to_plain(&batch, &target))
}

fn plain_field(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    };
    // That these rows have no nulls says nothing of rows that are put beside them.
    Field::new(field.name(), kind, true)
}

fn to_plain(batch: &RecordBatch, target: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let columns = batch.columns().iter().zip(target.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast(column, field.data_type()).map_err(QueryError::internal)
    });
    let columns: Result<Vec<ArrayRef>, QueryError> = columns.collect();
    // A projection of no columns still has rows.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(target), columns?, &options)
        .map_err(QueryError::internal)
}

/// Returns `stream` with `convert` applied to every batch and every error made clear. A panic in
/// it, which foreign bytes may cause in a decoder, is an error too and ends the stream.
pub(crate) fn map(
    schema: SchemaRef,
    stream: SendableRecordBatchStream,
    reading: Arc<Reading>,
    convert: impl Fn(RecordBatch) -> Result<RecordBatch, QueryError> + Send + 'static,
) -> Rows {
    let mapped = stream.map(move |batch| {
        let batch = batch.map_err(|error| cause(error, &reading)).and_then(&convert);
        batch.map_err(|error| DataFusionError::External(Box::new(error)))
    });
    // What the stream leaves behind after a panic is never looked at again.
    let caught = AssertUnwindSafe(mapped).catch_unwind().map(|batch| {
        let failed = || DataFusionError::Internal("the engine failed on these data".to_owned());
        batch.unwrap_or_else(|_| Err(failed()))
    });
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), caught);
    Rows { schema, stream: Box::pin(stream) }
}

/// Returns what really failed: the error of a block where one was noted, else the engine's own.
pub(crate) fn cause(error: DataFusionError, reading: &Arc<Reading>) -> QueryError {
    let noted = reading.failure();
    match noted {
        Some(QueryError::UnixFs(cidlake_block::unixfs::UnixFsError::Blocks(error))) => error.into(),
        Some(noted) => noted,
        None => error.into(),
    }
}

//! Rows that were made of something else, as Parquet that is read back whole: copies of the log,
//! snapshots of an index. Their bytes are no identity, and their types are what was written.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::QueryError;

/// Little effort: what is written often is read seldom.
const ZSTD_LEVEL: i32 = 1;
/// Rows that are read at a time.
const BATCH_ROWS: usize = 64 << 10;
/// The most rows of a row group, so that few are in memory while they are written.
const GROUP_ROWS_MAX: usize = 256 << 10;

/// Rows on their way into Parquet, in memory.
pub struct DerivedWriter {
    writer: ArrowWriter<Vec<u8>>,
}

impl std::fmt::Debug for DerivedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DerivedWriter").finish_non_exhaustive()
    }
}

impl DerivedWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// `Internal` for a type that Parquet does not have.
    pub fn new(schema: &SchemaRef) -> Result<Self, QueryError> {
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(QueryError::internal)?;
        let properties = WriterProperties::builder()
            .set_created_by("cidlake".to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        let schema = SchemaRef::clone(schema);
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties));
        Ok(Self { writer: writer.map_err(QueryError::internal)? })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// `Internal` for rows of another schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.writer.write(batch).map_err(QueryError::internal)
    }

    /// Ends the file and returns its bytes.
    ///
    /// # Errors
    /// `Internal` when it cannot be ended.
    pub fn finish(self) -> Result<Vec<u8>, QueryError> {
        let mut bytes = self.writer.into_inner().map_err(QueryError::internal)?;
        bytes.flush().map_err(QueryError::internal)?;
        Ok(bytes)
    }
}

/// Reads all rows of a file as one batch, which must have exactly this schema; `label` names it in
/// errors.
///
/// # Errors
/// `BadInput` when the bytes are something else, or damaged.
pub fn read_derived(
    label: &str,
    bytes: Bytes,
    schema: &SchemaRef,
) -> Result<RecordBatch, QueryError> {
    // In one piece, so that nothing has to be joined.
    let mut batches = DerivedReader::with_batches(label, bytes, schema, None)?;
    let first = batches.next().unwrap_or_else(|| Ok(RecordBatch::new_empty(Arc::clone(schema))))?;
    match batches.next() {
        None => Ok(first),
        Some(_) => Err(QueryError::internal("all rows are more than one batch")),
    }
}

/// Rows out of such a file, a batch at a time.
pub struct DerivedReader {
    batches: Box<dyn Iterator<Item = Result<RecordBatch, QueryError>> + Send>,
}

impl std::fmt::Debug for DerivedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DerivedReader").finish_non_exhaustive()
    }
}

impl DerivedReader {
    /// Begins to read a file, which must have exactly this schema; `label` names it in errors.
    ///
    /// # Errors
    /// `BadInput` when the bytes are something else.
    pub fn new(label: &str, bytes: Bytes, schema: &SchemaRef) -> Result<Self, QueryError> {
        Self::with_batches(label, bytes, schema, Some(BATCH_ROWS))
    }

    /// Reads so many rows at a time, or all at once.
    fn with_batches(
        label: &str,
        bytes: Bytes,
        schema: &SchemaRef,
        rows: Option<usize>,
    ) -> Result<Self, QueryError> {
        let bad = |detail: String| QueryError::bad_input(label, "the file", detail);
        let opened = sound(|| ParquetRecordBatchReaderBuilder::try_new(bytes));
        let builder = opened.map_err(bad)?;
        if builder.schema().fields() != schema.fields() {
            return Err(bad("its columns are not those that are expected".to_owned()));
        }
        let total = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let rows = rows.unwrap_or(total).max(1);
        let reader = sound(|| builder.with_batch_size(rows).build()).map_err(bad)?;
        let (label, schema) = (label.to_owned(), SchemaRef::clone(schema));
        let mut reader = Some(reader);
        let batches = std::iter::from_fn(move || {
            let bad = |detail: String| QueryError::bad_input(&label, "the file", detail);
            // After a failure there is nothing more.
            let mut own = reader.take()?;
            let next = sound(|| own.next().transpose()).map_err(bad);
            let next = next.transpose()?;
            if next.is_ok() {
                reader = Some(own);
            }
            // What is said of the schema as a whole is the caller's.
            let with_schema = |batch: RecordBatch| {
                RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
                    .map_err(QueryError::internal)
            };
            Some(next.and_then(with_schema))
        });
        Ok(Self { batches: Box::new(batches) })
    }
}

impl Iterator for DerivedReader {
    type Item = Result<RecordBatch, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

/// Runs a decoder, which may panic on bytes that are damaged.
fn sound<T, E: std::fmt::Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(_) => Err("the bytes are damaged".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn sample() -> (SchemaRef, RecordBatch) {
        let fields =
            vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)];
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let a = Int32Array::from(vec![Some(1), None, Some(3)]);
        let b = StringArray::from(vec![Some("x"), Some(""), None]);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(a), Arc::new(b)]);
        (schema, batch.unwrap())
    }

    fn written(schema: &SchemaRef, batch: &RecordBatch) -> Bytes {
        let mut writer = DerivedWriter::new(schema).unwrap();
        writer.write(batch).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap().into()
    }

    #[test]
    fn what_is_written_is_read() {
        let (schema, batch) = sample();
        let bytes = written(&schema, &batch);
        let twice = concat_batches(&schema, [&batch, &batch]).unwrap();
        assert_eq!(read_derived("f", bytes.clone(), &schema).unwrap(), twice);
        let pieces: Vec<RecordBatch> =
            DerivedReader::new("f", bytes, &schema).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(concat_batches(&schema, &pieces).unwrap(), twice);
        let none = DerivedWriter::new(&schema).unwrap().finish().unwrap();
        assert_eq!(read_derived("f", none.into(), &schema).unwrap().num_rows(), 0);
    }

    #[test]
    fn damaged_bytes_and_other_columns_are_errors() {
        let (schema, batch) = sample();
        let bytes = written(&schema, &batch);
        let other: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        assert!(DerivedReader::new("f", bytes.clone(), &other).is_err());
        for len in 0..bytes.len() {
            assert!(read_derived("f", bytes.slice(..len), &schema).is_err(), "{len}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x55;
            // Read as something, or refused; never a panic.
            drop(read_derived("f", damaged.into(), &schema));
        }
    }
}

//! Parquet out: one file with the user's schema in it, for other programs. Its bytes are no
//! identity; those of stored parts are made in `layout`.
//!
//! Types that Parquet has no word for are written as the nearest one that it has, or other
//! programs would see bare integers: seconds become milliseconds, dates in milliseconds become
//! timestamps, and decimals write out the digits that a negative scale leaves out.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast_with_options;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::{BatchWriter, Out, arrow_error};
use crate::error::QueryError;
use crate::layout::{CHECKED, canonical_schema};

const ZSTD_LEVEL: i32 = 3;

/// Writes one Parquet file.
pub(super) struct ParquetWriter {
    writer: ArrowWriter<Out>,
    readable: SchemaRef,
}

impl ParquetWriter {
    pub(super) fn new(out: Out, schema: &SchemaRef) -> Result<Self, QueryError> {
        // Refuses, by column, what Parquet cannot hold; the writer itself would panic.
        let canonical = canonical_schema(schema)?;
        let fields: Vec<FieldRef> = schema
            .fields()
            .iter()
            .zip(canonical.fields())
            .map(|(field, canonical)| readable_field(field, canonical.data_type()))
            .collect();
        let readable = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(parquet_error)?;
        let properties = WriterProperties::builder()
            .set_created_by("cidlake".to_owned())
            .set_compression(Compression::ZSTD(level))
            .build();
        let writer = ArrowWriter::try_new(out, SchemaRef::clone(&readable), Some(properties))
            .map_err(parquet_error)?;
        Ok(Self { writer, readable })
    }
}

impl BatchWriter for ParquetWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.readable.fields())
            .map(|(column, field)| readable_column(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        let batch =
            RecordBatch::try_new(SchemaRef::clone(&self.readable), columns).map_err(arrow_error)?;
        self.writer.write(&batch).map_err(parquet_error)
    }

    fn finish(self: Box<Self>) -> Result<(), QueryError> {
        self.writer.close().map(drop).map_err(parquet_error)
    }
}

fn readable_column(column: &ArrayRef, kind: &DataType) -> Result<ArrayRef, QueryError> {
    if column.data_type() == kind {
        return Ok(Arc::clone(column));
    }
    cast_with_options(column, kind, &CHECKED).map_err(arrow_error)
}

/// The field in a type that every reader of Parquet understands; `canonical` is its stored type.
fn readable_field(field: &FieldRef, canonical: &DataType) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(readable_type(field.data_type(), canonical)))
}

fn readable_type(kind: &DataType, canonical: &DataType) -> DataType {
    match (kind, canonical) {
        (DataType::Timestamp(TimeUnit::Second, zone), _) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        (DataType::Time32(_) | DataType::Date64, canonical) => canonical.clone(),
        (
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale),
            canonical,
        ) if *scale < 0 => canonical.clone(),
        (DataType::Dictionary(key, values), canonical) => {
            DataType::Dictionary(key.clone(), Box::new(readable_type(values, canonical)))
        }
        (DataType::List(element), DataType::List(stored)) => {
            DataType::List(readable_field(element, stored.data_type()))
        }
        (DataType::LargeList(element), DataType::List(stored)) => {
            DataType::LargeList(readable_field(element, stored.data_type()))
        }
        (DataType::FixedSizeList(element, size), DataType::List(stored)) => {
            DataType::FixedSizeList(readable_field(element, stored.data_type()), *size)
        }
        (DataType::Struct(fields), DataType::Struct(stored)) => {
            let fields = fields.iter().zip(stored);
            DataType::Struct(
                fields.map(|(field, stored)| readable_field(field, stored.data_type())).collect(),
            )
        }
        (DataType::Map(entries, sorted), DataType::Map(stored, _)) => {
            DataType::Map(readable_field(entries, stored.data_type()), *sorted)
        }
        (kind, _) => kind.clone(),
    }
}

fn parquet_error(error: ParquetError) -> QueryError {
    match error {
        ParquetError::External(inner) => {
            arrow_error(arrow::error::ArrowError::ExternalError(inner))
        }
        other => QueryError::internal(format!("writing Parquet: {other}")),
    }
}

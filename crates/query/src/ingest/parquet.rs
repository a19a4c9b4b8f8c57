//! Parquet files of any writer. The types are those that the file says, its `ARROW:schema`
//! included.

use std::io::Read;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::{max, min};
use arrow::datatypes::{
    DataType, Field, IntervalUnit, IntervalYearMonthType, Schema, SchemaRef, TimeUnit,
    TimestampSecondType,
};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescriptor;

use super::failing::failing_column;
use super::source::{CountedReader, Guarded, Source, guarded};
use super::{BATCH_ROWS, Batches};
use crate::error::{QueryError, arrow_message};

/// What a file begins with.
const MAGIC: &[u8] = b"PAR1";
/// What an encrypted file begins with; its footer says more.
const MAGIC_ENCRYPTED: &[u8] = b"PARE";
/// Nanosecond timestamps reach from 1677 to 2262.
const NANOS_SECONDS_MAX: i64 = i64::MAX / 1_000_000_000;

pub(super) fn open(source: Source) -> Result<(SchemaRef, Batches), QueryError> {
    let file = ParquetFile(Arc::new(source));
    let label = file.0.label().to_owned();
    guarded(&label, || {
        check_magic(&file)?;
        let meta = load(&file)?;
        let schema = SchemaRef::clone(meta.schema());
        let promised = meta.metadata().file_metadata().num_rows();
        let columns = meta.clone();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), meta)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| file.bad(&error))?;
        let errors = file.clone();
        let short = file.clone();
        // The reader's own schema has lost the file's metadata.
        let target = SchemaRef::clone(&schema);
        let batches = reader.map(move |batch| {
            let batch = batch.map_err(|error| errors.bad_column(&columns, error))?;
            batch.with_schema(SchemaRef::clone(&target)).map_err(|error| errors.bad_rows(error))
        });
        // Asked for behind the last batch: rows that cannot be read must not go missing quietly.
        let batches = batches.map(Some).chain(std::iter::once(None));
        let mut given = 0_i64;
        let batches = batches.filter_map(move |batch| match batch {
            Some(batch) => {
                let rows = batch.as_ref().map_or(0, |batch| batch.num_rows());
                given = given.saturating_add(i64::try_from(rows).unwrap_or(i64::MAX));
                Some(batch)
            }
            None => (given < promised).then(|| Err(short.fewer_rows(given, promised))),
        });
        let batches: Batches = Box::new(Guarded::new(&label, batches));
        Ok((schema, batches))
    })
}

/// Readers follow the footer and never look at how a file begins, so a foreign one could pass.
fn check_magic(file: &ParquetFile) -> Result<(), QueryError> {
    let first = file.get_bytes(0, MAGIC.len()).map_err(|error| file.bad(&error))?;
    if first == MAGIC || first == MAGIC_ENCRYPTED {
        return Ok(());
    }
    Err(QueryError::bad_input(file.0.label(), "", "not readable as Parquet: it does not begin so"))
}

/// Reads the footer. An `ARROW:schema` that does not fit the file is set aside.
fn load(file: &ParquetFile) -> Result<ArrowReaderMetadata, QueryError> {
    let meta = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).or_else(|error| {
        let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        ArrowReaderMetadata::load(file, plain).map_err(|_| file.bad(&error))
    })?;
    let meta = counted(file, meta)?;
    check_intervals(file, &meta)?;
    match wide_int96(file, &meta)? {
        None => Ok(meta),
        Some(schema) => {
            let options = ArrowReaderOptions::new().with_schema(schema);
            ArrowReaderMetadata::load(file, options).map_err(|error| file.bad(&error))
        }
    }
}

/// Corrects a footer whose number of rows is not that of its row groups, by which readers would
/// stop early: early writers left it 0.
fn counted(
    file: &ParquetFile,
    meta: ArrowReaderMetadata,
) -> Result<ArrowReaderMetadata, QueryError> {
    let metadata = meta.metadata();
    let footer = metadata.file_metadata();
    let rows: i64 = metadata.row_groups().iter().map(|group| group.num_rows()).sum();
    if footer.num_rows() == rows {
        return Ok(meta);
    }
    let footer = FileMetaData::new(
        footer.version(),
        rows,
        footer.created_by().map(ToOwned::to_owned),
        footer.key_value_metadata().cloned(),
        footer.schema_descr_ptr(),
        footer.column_orders().cloned(),
    );
    let metadata = ParquetMetaData::new(footer, metadata.row_groups().to_vec());
    let schema = SchemaRef::clone(meta.schema());
    let options = ArrowReaderOptions::new().with_schema(schema);
    ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(|error| file.bad(&error))
}

/// INT96 timestamps have nanoseconds and reach beyond what 64 bits of nanoseconds hold, and the
/// decoder would let them wrap around. Columns with such values become microseconds.
fn wide_int96(
    file: &ParquetFile,
    meta: &ArrowReaderMetadata,
) -> Result<Option<SchemaRef>, QueryError> {
    let int96 = top_leaves(meta, |column| column.physical_type() == PhysicalType::INT96);
    let mut wide: Vec<String> = Vec::new();
    let seconds = DataType::Timestamp(TimeUnit::Second, None);
    for batch in read_as(file, meta, &int96, &seconds)?.into_iter().flatten() {
        let batch = batch.map_err(|error| file.bad_rows(error))?;
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let seconds = column.as_primitive_opt::<TimestampSecondType>();
            let ends = seconds.map(|seconds| (min(seconds), max(seconds)));
            if let Some((Some(first), Some(last))) = ends
                && (first <= -NANOS_SECONDS_MAX || last >= NANOS_SECONDS_MAX)
            {
                wide.push(field.name().clone());
            }
        }
    }
    let names: Vec<&str> = wide.iter().map(String::as_str).collect();
    let microseconds = DataType::Timestamp(TimeUnit::Microsecond, None);
    Ok((!wide.is_empty()).then(|| retyped(meta.schema(), &names, &microseconds)))
}

/// Intervals of Parquet have months, days and milliseconds. The decoder gives days and
/// milliseconds and would drop the months without a word: columns that have any are refused.
fn check_intervals(file: &ParquetFile, meta: &ArrowReaderMetadata) -> Result<(), QueryError> {
    let dropped = DataType::Interval(IntervalUnit::DayTime);
    let intervals = top_leaves(meta, |column| {
        let schema = meta.schema();
        column.converted_type() == ConvertedType::INTERVAL
            && schema.field_with_name(column.name()).is_ok_and(|f| *f.data_type() == dropped)
    });
    let months = DataType::Interval(IntervalUnit::YearMonth);
    for batch in read_as(file, meta, &intervals, &months)?.into_iter().flatten() {
        let batch = batch.map_err(|error| file.bad_rows(error))?;
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let months = column.as_primitive_opt::<IntervalYearMonthType>();
            if months.is_some_and(|months| months.iter().flatten().any(|months| months != 0)) {
                let what = "intervals with months cannot be stored; split the column into months, \
                            days and milliseconds";
                return Err(QueryError::unsupported(field.name(), what));
            }
        }
    }
    Ok(())
}

/// The leaves that are columns of the table themselves, for which `is` holds.
fn top_leaves(meta: &ArrowReaderMetadata, is: impl Fn(&ColumnDescriptor) -> bool) -> Vec<usize> {
    let leaves = meta.parquet_schema().columns().iter().enumerate();
    leaves
        .filter(|(_, column)| column.path().parts().len() == 1 && is(column))
        .map(|(leaf, _)| leaf)
        .collect()
}

/// A reader of just these leaves, decoded as `kind`; `None` without leaves.
fn read_as(
    file: &ParquetFile,
    meta: &ArrowReaderMetadata,
    leaves: &[usize],
    kind: &DataType,
) -> Result<Option<ParquetRecordBatchReader>, QueryError> {
    if leaves.is_empty() {
        return Ok(None);
    }
    let columns = meta.parquet_schema().columns();
    let names: Vec<&str> =
        leaves.iter().filter_map(|leaf| columns.get(*leaf)).map(|column| column.name()).collect();
    let options = ArrowReaderOptions::new().with_schema(retyped(meta.schema(), &names, kind));
    let probe = ArrowReaderMetadata::load(file, options).map_err(|error| file.bad(&error))?;
    let mask = ProjectionMask::leaves(probe.parquet_schema(), leaves.iter().copied());
    ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), probe)
        .with_projection(mask)
        .build()
        .map(Some)
        .map_err(|error| file.bad(&error))
}

/// The schema with the columns of `names` as `kind`.
fn retyped(schema: &Schema, names: &[&str], kind: &DataType) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        if names.contains(&field.name().as_str()) {
            Arc::new(Field::clone(field).with_data_type(kind.clone()))
        } else {
            Arc::clone(field)
        }
    });
    let fields: Vec<_> = fields.collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The file as the decoder reads it: ranges are checked against the file before anything is
/// allocated for them.
#[derive(Debug, Clone)]
struct ParquetFile(Arc<Source>);

impl ParquetFile {
    fn bad(&self, error: &ParquetError) -> QueryError {
        let message = match error {
            ParquetError::General(text)
            | ParquetError::NYI(text)
            | ParquetError::EOF(text)
            | ParquetError::ArrowError(text) => text.clone(),
            other => other.to_string(),
        };
        self.0.bad("", format!("not readable as Parquet: {message}"))
    }

    /// The error of a file that gives fewer rows than its footer says.
    fn fewer_rows(&self, given: i64, promised: i64) -> QueryError {
        let message = format!(
            "its footer says {promised} rows and {given} can be read; its schema may be one that \
             only its writer understands, write it anew with another program"
        );
        QueryError::bad_input(self.0.label(), "", message)
    }

    fn bad_rows(&self, error: ArrowError) -> QueryError {
        self.damaged("", error)
    }

    /// The error of rows that cannot be decoded, with the column that is to blame.
    fn bad_column(&self, meta: &ArrowReaderMetadata, error: ArrowError) -> QueryError {
        let column = failing_column(meta.schema(), |index| {
            let mask = ProjectionMask::roots(meta.parquet_schema(), [index]);
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.clone(), meta.clone())
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build()
                .ok()
        });
        self.damaged(&column.unwrap_or_default(), error)
    }

    fn damaged(&self, place: &str, error: ArrowError) -> QueryError {
        match error {
            ArrowError::IoError(_, error) => self.0.io(error),
            other => self.0.bad(place, format!("damaged Parquet: {}", arrow_message(&other))),
        }
    }
}

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        self.0.bytes_total()
    }
}

impl ChunkReader for ParquetFile {
    type T = std::io::BufReader<CountedReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let reader =
            self.0.reader_at(start).map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(std::io::BufReader::new(reader))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.len());
        if end.is_none() {
            let text = format!("{length} bytes at offset {start} are beyond the end of the file");
            return Err(ParquetError::EOF(text));
        }
        let mut reader =
            self.0.reader_at(start).map_err(|error| ParquetError::External(Box::new(error)))?;
        let mut buffer = vec![0; length];
        reader.read_exact(&mut buffer)?;
        Ok(Bytes::from(buffer))
    }
}

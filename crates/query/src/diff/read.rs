//! Reading some rows of some columns of one part: only the pages that hold them are fetched and
//! decoded. What is compared with what is decided elsewhere.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{cast_with_options, concat_batches};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::StreamExt as _;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;

use super::parts::{Placed, Selected};
use crate::error::{QueryError, arrow_message};
use crate::layout::{CHECKED, Partitioning, restore};
use crate::part_files::{OpenFile, PartFiles, Reading};
use crate::table::{Table, not_parquet};

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 16 << 10;

/// Takes batches as they are read.
pub(super) type Take<'a> = dyn FnMut(RecordBatch) -> Result<(), QueryError> + Send + 'a;

/// One of two tables that are compared.
#[derive(Debug)]
pub(super) struct Side<'a> {
    files: &'a Arc<PartFiles>,
    /// Its own columns, in the types in which parts are stored, and which of them are in files.
    columns: Partitioning,
    /// Its own columns, in the user's types.
    user: SchemaRef,
    /// Where the columns that are compared stand among its own.
    places: Vec<usize>,
    /// The columns that are compared, in the types in which they are.
    common: SchemaRef,
}

impl<'a> Side<'a> {
    pub(super) fn new(
        files: &'a Arc<PartFiles>,
        table: &Table,
        places: Vec<usize>,
        common: &SchemaRef,
    ) -> Self {
        let (user, common) = (Arc::clone(&table.schema), Arc::clone(common));
        Self { files, columns: table.partitioning.clone(), user, places, common }
    }

    /// Returns the columns that are compared, in the types in which they are.
    pub(super) fn common(&self) -> &SchemaRef {
        &self.common
    }

    /// Returns where a column that is compared stands among all of this side.
    pub(super) fn place(&self, column: usize) -> Option<usize> {
        self.places.get(column).copied()
    }

    /// Returns where a column of this side stands in its files; `None` for one that is folders.
    pub(super) fn place_in_files(&self, column: usize) -> Option<usize> {
        self.columns.place_in_files(column)
    }

    /// Returns where blocks come from.
    pub(super) fn files(&self) -> &Arc<PartFiles> {
        self.files
    }

    /// Opens the file of a part.
    pub(super) async fn open(&self, placed: &Placed) -> Result<OpenFile, QueryError> {
        let cid = placed.part.cid;
        let open = self.files.open(&cid).await.map_err(|error| not_parquet(&cid, error))?;
        let rows = u64::try_from(open.metadata.file_metadata().num_rows()).unwrap_or_default();
        let groups = open.metadata.num_row_groups();
        if rows != placed.part.rows || groups != 1 {
            let said = placed.part.rows;
            let detail = format!("it has {rows} rows in {groups} row groups, and not {said} in 1");
            return Err(QueryError::Corrupt { cid, detail });
        }
        Ok(open)
    }

    /// Reads rows of a part, counted from its first, with some of the columns that are compared.
    pub(super) async fn read(
        &self,
        placed: &Placed,
        ranges: &[Range<u64>],
        columns: &[usize],
        take: &mut Take<'_>,
    ) -> Result<(), QueryError> {
        let wanted = self.common.project(columns).map(Arc::new).map_err(QueryError::internal)?;
        let places: Vec<usize> = columns.iter().filter_map(|column| self.place(*column)).collect();
        let mut order = places.clone();
        order.sort_unstable();
        let of: Vec<usize> =
            places.iter().filter_map(|place| order.binary_search(place).ok()).collect();
        self.stored_rows(placed, ranges, &order, &mut |batch| {
            let batch = batch.project(&of).map_err(QueryError::internal)?;
            take(as_compared(&batch, &wanted)?)
        })
        .await
    }

    /// Reads one column that is compared, for some rows of a part at once.
    pub(super) async fn column(
        &self,
        rows: &Selected,
        column: usize,
    ) -> Result<ArrayRef, QueryError> {
        let schema = self.common.project(&[column]).map(Arc::new).map_err(QueryError::internal)?;
        let mut batches = Vec::new();
        let mut take = |batch| {
            batches.push(batch);
            Ok(())
        };
        self.read(&rows.placed, &rows.ranges, &[column], &mut take).await?;
        joined(&schema, &batches)?
            .columns()
            .first()
            .cloned()
            .ok_or_else(|| QueryError::internal("no column was read"))
    }

    /// Reads rows with all columns of this side, in the user's types.
    pub(super) async fn user_rows(&self, selected: &[Selected]) -> Result<RecordBatch, QueryError> {
        let all: Vec<usize> = (0..self.columns.schema().fields().len()).collect();
        let mut batches = Vec::new();
        for Selected { placed, ranges } in selected {
            let mut take = |batch| {
                batches.push(batch);
                Ok(())
            };
            self.stored_rows(placed, ranges, &all, &mut take).await?;
        }
        restore(&joined(self.columns.schema(), &batches)?, &self.user)
    }

    /// Reads rows of a part with those of its own columns that stand at `places`, which rise, in
    /// the types in which parts are stored.
    async fn stored_rows(
        &self,
        placed: &Placed,
        ranges: &[Range<u64>],
        places: &[usize],
        take: &mut Take<'_>,
    ) -> Result<(), QueryError> {
        let cid = placed.part.cid;
        let reading = Arc::new(Reading::default());
        let failed = |error| cause(error, &reading, placed);
        let in_files: Vec<usize> =
            places.iter().filter_map(|place| self.columns.place_in_files(*place)).collect();
        let schema = self.columns.file_schema().project(&in_files).map(Arc::new);
        let schema = schema.map_err(QueryError::internal)?;
        let open = self.open(placed).await?;
        let metadata = ArrowReaderMetadata::try_new(open.metadata, ArrowReaderOptions::new());
        let metadata = metadata.map_err(failed)?;
        let columns = ProjectionMask::roots(metadata.parquet_schema(), in_files.iter().copied());
        let reader = self.files.reader(cid, Arc::clone(&reading));
        let mut stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_projection(columns)
            .with_row_selection(selection(ranges, placed.part.rows)?)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(failed)?;
        let mut missing: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            missing = missing.saturating_sub(batch.num_rows() as u64);
            let rows = restore(&batch, &schema)?;
            take(self.columns.with_folders(&rows, places, &placed.part)?)?;
        }
        if missing > 0 {
            let detail = format!("{missing} of its rows cannot be read");
            return Err(QueryError::Corrupt { cid, detail });
        }
        Ok(())
    }
}

fn joined(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch, QueryError> {
    concat_batches(schema, batches).map_err(|error| QueryError::internal(arrow_message(&error)))
}

/// Brings columns into the types in which they are compared.
fn as_compared(batch: &RecordBatch, wanted: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let columns = batch.columns().iter().zip(wanted.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast_with_options(column, field.data_type(), &CHECKED)
            .map_err(|error| QueryError::unsupported(field.name(), arrow_message(&error)))
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, QueryError>>()?;
    RecordBatch::try_new(Arc::clone(wanted), columns)
        .map_err(|error| QueryError::internal(arrow_message(&error)))
}

fn selection(ranges: &[Range<u64>], rows: u64) -> Result<RowSelection, QueryError> {
    let size = |number: u64| usize::try_from(number).map_err(QueryError::internal);
    let ranges = ranges.iter().map(|range| Ok(size(range.start)?..size(range.end)?));
    let ranges = ranges.collect::<Result<Vec<Range<usize>>, QueryError>>()?;
    Ok(RowSelection::from_consecutive_ranges(ranges.into_iter(), size(rows)?))
}

/// Returns what really failed: the error of a block where one was noted.
fn cause(error: ParquetError, reading: &Arc<Reading>, placed: &Placed) -> QueryError {
    let noted = reading.failure();
    noted.unwrap_or_else(|| QueryError::Corrupt {
        cid: placed.part.cid,
        detail: format!("it cannot be read: {error}"),
    })
}

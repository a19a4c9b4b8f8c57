//! A version of a table as the SQL engine sees it: parts that can be pruned, planned into one
//! scan, and read from blocks.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use cidlake_block::Cid;
use cidlake_catalog::{Commit, Part};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, FileSource as _, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use crate::blooms::{holding, sought};
use crate::error::QueryError;
use crate::layout::{Partitioning, schema_from_bytes};
use crate::object_store::{lake_url, object_meta};
use crate::part_files::{OpenFile, PartFiles, Readers, Reading};
use crate::parts::{Parts, Wanted};
use crate::prune::part_statistics;
use crate::scan::FilteringSource;
use crate::tally::note_parts;

/// One version of a table, ready to be read.
#[derive(Clone, Debug)]
pub struct Table {
    /// The commit.
    pub commit: Commit,
    /// The schema that the user gave.
    pub schema: SchemaRef,
    /// Which of its columns are folders, and which are in files.
    pub partitioning: Partitioning,
    /// Its parts, or those of them that are to be read.
    pub parts: Parts,
}

impl Table {
    /// Makes a table of all parts of a commit.
    ///
    /// # Errors
    /// When the commit's schema cannot be read, or does not have its partition columns.
    pub fn new(commit: Commit) -> Result<Self, QueryError> {
        let parts = Parts::Listed(commit.parts.clone().into());
        let schema = schema_from_bytes(&commit.schema)?;
        let partitioning = Partitioning::new(&schema, &commit.partition_columns)?;
        Ok(Self { commit, schema, partitioning, parts })
    }

    /// Returns the table of some of the parts alone.
    #[must_use]
    pub fn narrowed(&self, parts: Vec<Part>) -> Self {
        Self { parts: Parts::Given(parts.into()), ..self.clone() }
    }
}

/// Which types a scan shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Types {
    /// Those in which parts are stored, to be restored by the caller.
    Canonical,
    /// Those for computing: the user's for times and numbers, views for text and bytes.
    Sql,
}

/// Parquet files under one schema, as a provider of the SQL engine.
#[derive(Debug)]
pub(crate) struct PartsProvider {
    /// What the scan yields.
    schema: SchemaRef,
    /// What the files hold.
    file_schema: SchemaRef,
    /// Which columns are folders; `None` where all are in files.
    partitioning: Option<Partitioning>,
    parts: Parts,
    /// Whether the files were written by others.
    foreign: bool,
    files: Arc<PartFiles>,
    reading: Arc<Reading>,
}

impl PartsProvider {
    /// Provides a table of the lake.
    pub(crate) fn of_table(
        table: &Table,
        types: Types,
        files: Arc<PartFiles>,
        reading: Arc<Reading>,
    ) -> Result<Self, QueryError> {
        let partitioning = &table.partitioning;
        let stored = partitioning.schema();
        let schema = match types {
            Types::Canonical => Arc::clone(stored),
            Types::Sql => sql_schema(&table.schema, stored),
        };
        Ok(Self {
            schema,
            file_schema: Arc::clone(partitioning.file_schema()),
            partitioning: partitioning.is_partitioned().then(|| partitioning.clone()),
            parts: table.parts.clone(),
            foreign: false,
            files,
            reading,
        })
    }

    /// Provides one Parquet file that was not laid out here.
    pub(crate) async fn of_file(
        root: Cid,
        files: Arc<PartFiles>,
        reading: Arc<Reading>,
    ) -> Result<Self, QueryError> {
        let open = files.open(&root).await.map_err(|error| not_parquet(&root, error))?;
        let OpenFile { file, metadata } = open;
        let options = ArrowReaderOptions::new();
        let read = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options);
        let schema = Arc::clone(read.map_err(|error| not_parquet(&root, error))?.schema());
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        let part = Part {
            cid: root,
            rows,
            bytes: file.len(),
            tsize: 0,
            partition: Vec::new(),
            columns: Vec::new(),
            rows_hash: None,
        };
        let (file_schema, parts) = (Arc::clone(&schema), Parts::Given(Arc::new([part])));
        let partitioning = None;
        Ok(Self { schema, file_schema, partitioning, parts, foreign: true, files, reading })
    }

    /// Returns the parts that `filters` do not rule out; without any, as many as have `limit` rows.
    pub(crate) async fn kept(
        &self,
        state: &dyn Session,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Vec<Part>> {
        let filter = self.pruning(state, filters)?;
        let wanted = Wanted {
            filter: filter.as_deref().map(|filter| (filter, &self.schema)),
            rows: limit.filter(|_| filters.is_empty()).map(|limit| limit as u64),
        };
        let kept = self.parts.wanted(self.files.blocks().as_ref(), wanted).await;
        kept.map_err(external)
    }

    /// Returns what `filters` say of bounds of columns; nothing where they say nothing of them.
    fn pruning(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> datafusion::common::Result<Option<Arc<PruningPredicate>>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(None) };
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let filter = state.create_physical_expr(filter, &schema)?;
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.schema));
        Ok(builder.build(filter))
    }

    /// Returns the columns in the order of a scan: those of files, then partition columns. A column's
    /// place in the table is that of its place here.
    fn scan_order(&self) -> Vec<usize> {
        match &self.partitioning {
            None => (0..self.schema.fields().len()).collect(),
            Some(columns) => columns.in_files().iter().chain(columns.folders()).copied().collect(),
        }
    }

    /// Returns the columns of files and the partition columns, in the types that the scan yields.
    fn table_schema(&self) -> datafusion::common::Result<TableSchema> {
        let Some(columns) = &self.partitioning else {
            return Ok(TableSchema::from(Arc::clone(&self.schema)));
        };
        let in_files = Arc::new(self.schema.project(columns.in_files())?);
        let folders = columns.folders().iter().map(|index| self.schema.fields().get(*index));
        let folders: Vec<FieldRef> = folders.flatten().cloned().collect();
        Ok(TableSchema::builder(in_files).with_table_partition_cols(folders).build())
    }

    /// Returns what is known of a part, its columns in the order of a scan.
    fn statistics(&self, part: &Part) -> Statistics {
        let known = part_statistics(part, &self.schema);
        if self.partitioning.is_none() {
            return known;
        }
        let columns = self.scan_order().into_iter();
        let columns = columns.filter_map(|index| known.column_statistics.get(index).cloned());
        Statistics { column_statistics: columns.collect(), ..known }
    }

    fn file(&self, part: &Part) -> datafusion::common::Result<PartitionedFile> {
        let mut file =
            PartitionedFile::new_from_meta(object_meta(&part.cid.to_string(), part.bytes))
                .with_arrow_schema(Arc::clone(&self.file_schema));
        // Set as a whole: the engine takes it that no partition column is null.
        file.statistics = Some(Arc::new(self.statistics(part)));
        if let Some(columns) = &self.partitioning {
            let values = columns.arrays(part).map_err(external)?;
            let typed = columns.folders().iter().zip(&values).map(|(index, value)| {
                let value = cast(value, self.schema.field(*index).data_type())?;
                ScalarValue::try_from_array(&value, 0)
            });
            file.partition_values = typed.collect::<datafusion::common::Result<_>>()?;
        }
        Ok(file)
    }

    /// Spreads parts over partitions of a plan: as many groups as threads, neighbours together.
    fn groups(
        &self,
        kept: &[Part],
        partitions: usize,
    ) -> datafusion::common::Result<Vec<FileGroup>> {
        if kept.is_empty() {
            // Nodes above take it that there is a partition.
            return Ok(vec![FileGroup::new(Vec::new())]);
        }
        let size = kept.len().div_ceil(partitions.max(1)).max(1);
        let group = |parts: &[Part]| {
            let files = parts.iter().map(|part| self.file(part));
            Ok(FileGroup::new(files.collect::<datafusion::common::Result<_>>()?))
        };
        kept.chunks(size).map(group).collect()
    }

    /// Returns where the columns of a projection stand in the order of a scan; where there is none,
    /// that of all.
    fn projection(&self, wanted: Option<&Vec<usize>>) -> Option<Vec<usize>> {
        if self.partitioning.is_none() {
            return wanted.cloned();
        }
        let order = self.scan_order();
        let place = |column: &usize| order.iter().position(|index| index == column);
        let all: Vec<usize> = (0..order.len()).collect();
        Some(wanted.unwrap_or(&all).iter().filter_map(place).collect())
    }
}

#[async_trait]
impl TableProvider for PartsProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::common::Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let kept = self.kept(state, filters, limit).await?;
        let kept = match self.foreign {
            true => kept,
            false => holding(&self.files, kept, &sought(filters, &self.schema)).await,
        };
        let statistics: Vec<Statistics> = kept.iter().map(|part| self.statistics(part)).collect();
        let columns = self.table_schema()?;
        let statistics = Statistics::try_merge_iter(&statistics, columns.table_schema())?;
        let readers = Readers::new(Arc::clone(&self.files), Arc::clone(&self.reading));
        let mut options = state.table_options().parquet.clone();
        if self.foreign && self.file_schema.fields().iter().any(|field| may_be_nan(field)) {
            // Other writers leave NaN out of their bounds, and statements sort it above every
            // number: rows that match would be skipped.
            options.global.pruning = false;
            options.global.enable_page_index = false;
        }
        let source = ParquetSource::new(columns)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        note_parts(source.metrics(), self.parts.count(), kept.len());
        let source = FilteringSource::new(source, Arc::new(statistics.clone()));
        // A scan that may stop early reads part after part, so that it stops at the same rows
        // each time.
        let partitions = match limit {
            Some(_) if filters.is_empty() => 1,
            _ => state.config_options().execution.target_partitions,
        };
        let config = FileScanConfigBuilder::new(lake_url()?, Arc::new(source))
            .with_file_groups(self.groups(&kept, partitions)?)
            .with_statistics(statistics)
            .with_projection_indices(self.projection(projection))?
            .with_limit(if filters.is_empty() { limit } else { None })
            .with_preserve_order(partitions == 1)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Returns the schema in which statements compute: every field nullable and plain, with the
/// user's own types where they mean more than the stored ones.
pub(crate) fn sql_schema(user: &SchemaRef, stored: &SchemaRef) -> SchemaRef {
    let fields = user.fields().iter().zip(stored.fields()).map(|(user, stored)| {
        let kind = match (user.data_type(), stored.data_type()) {
            (
                own @ (DataType::Timestamp(..)
                | DataType::Duration(_)
                | DataType::Date64
                | DataType::Time32(_)
                | DataType::Decimal32(..)
                | DataType::Decimal64(..)),
                _,
            ) => own.clone(),
            // Views are what the engine computes text in fastest.
            (_, DataType::Utf8) => DataType::Utf8View,
            (_, DataType::Binary) => DataType::BinaryView,
            (_, stored) => stored.clone(),
        };
        Field::new(stored.name(), kind, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
}

fn may_be_nan(field: &Field) -> bool {
    match field.data_type() {
        DataType::Dictionary(_, values) => values.is_floating(),
        kind => kind.is_floating(),
    }
}

pub(crate) fn not_parquet(root: &Cid, error: parquet::errors::ParquetError) -> QueryError {
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast::<QueryError>() {
            Ok(own) => *own,
            Err(other) => QueryError::External(other),
        },
        other => {
            QueryError::bad_input(&root.to_string(), "", format!("not a Parquet file: {other}"))
        }
    }
}

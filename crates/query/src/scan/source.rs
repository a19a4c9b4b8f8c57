//! The file source of a scan: the engine's Parquet source, with conditions and a projection of its
//! own around it.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::can_expr_be_pushed_down_with_schemas;
use datafusion::datasource::physical_plan::{
    FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::{collect_columns, split_conjunction};
use datafusion::physical_expr::{
    EquivalenceProperties, PhysicalExpr, PhysicalSortExpr, conjunction_opt,
};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{
    DisplayFormatType, SortOrderPushdownResult, apply_expression_roots,
};
use datafusion_datasource::morsel::Morselizer;
use object_store::ObjectStore;

use super::after::{After, Check};
use super::choice::Place;
use super::condition::{Condition, is_hint, is_plain_hint};
use super::early::Early;
use super::morsels::{PartMorselizer, Prepared};

/// Parts as files of a plan, filtered where it pays.
#[derive(Clone, Debug)]
pub(crate) struct FilteringSource {
    /// Reads all columns of all rows: what it is to leave out is told it part by part.
    reader: ParquetSource,
    projection: ProjectionExprs,
    conditions: Vec<Condition>,
    /// What is known of the columns of the table.
    statistics: Arc<Statistics>,
    batch_rows: usize,
}

impl FilteringSource {
    /// Wraps a source that reads everything of parts of which `statistics` are known.
    pub(crate) fn new(reader: ParquetSource, statistics: Arc<Statistics>) -> Self {
        let fields = reader.table_schema().table_schema().fields().len();
        let all: Vec<usize> = (0..fields).collect();
        let projection = ProjectionExprs::from_indices(&all, reader.table_schema().table_schema());
        Self { reader, projection, conditions: Vec::new(), statistics, batch_rows: 0 }
    }

    fn with_reader(&self, reader: &dyn FileSource) -> Result<Self> {
        Ok(Self { reader: as_parquet(reader)?, ..self.clone() })
    }

    /// Whether a condition can be checked here: over columns of files or partition columns, and of
    /// types that the reader can filter by.
    fn takes(&self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        let schema = self.reader.table_schema().schema_without_virtual_columns();
        can_expr_be_pushed_down_with_schemas(filter, schema)
            && !is_volatile(filter)
            && (!is_hint(filter) || is_plain_hint(filter))
    }

    fn exprs(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        self.conditions.iter().map(|condition| &condition.expr)
    }
}

impl FileSource for FilteringSource {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        internal_err!("parts are opened as morsels")
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let (source, config) = (self.clone(), config.clone());
        let opening = Opening { source, store, config, partition };
        if self.conditions.is_empty() {
            return Ok(opening.prepare(&[])?.reader);
        }
        Ok(Box::new(PartMorselizer::new(opening)))
    }

    fn table_schema(&self) -> &TableSchema {
        self.reader.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let reader = self.reader.with_batch_size(batch_size);
        let source = self.with_reader(reader.as_ref());
        let source = source.expect("a Parquet source of another batch size is a Parquet source");
        Arc::new(Self { batch_rows: batch_size, ..source })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        conjunction_opt(self.exprs().cloned())
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.reader.metrics()
    }

    fn file_type(&self) -> &str {
        self.reader.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.filter() {
            Some(filter) => self.reader.with_predicate(filter).fmt_extra(kind, f),
            None => self.reader.fmt_extra(kind, f),
        }
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let mut source = self.clone();
        let schema = self.reader.table_schema().table_schema();
        let mut taken = Vec::with_capacity(filters.len());
        for filter in &filters {
            let takes = self.takes(filter);
            taken.push(if takes { PushedDown::Yes } else { PushedDown::No });
            let conjuncts = split_conjunction(filter).into_iter().filter(|_| takes).cloned();
            let known = self.statistics.as_ref();
            source.conditions.extend(conjuncts.map(|expr| Condition::new(expr, schema, known)));
        }
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(taken);
        Ok(answer.with_updated_node(Arc::new(source)))
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let with = |inner: Arc<dyn FileSource>| -> Result<Arc<dyn FileSource>> {
            Ok(Arc::new(self.with_reader(inner.as_ref())?))
        };
        Ok(match self.reader.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } => {
                SortOrderPushdownResult::Exact { inner: with(inner)? }
            }
            SortOrderPushdownResult::Inexact { inner } => {
                SortOrderPushdownResult::Inexact { inner: with(inner)? }
            }
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.reader.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let projection = self.projection.try_merge(projection)?;
        Ok(Some(Arc::new(Self { projection, ..self.clone() })))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let projected = self.projection.iter().map(|projected| &projected.expr);
        apply_expression_roots(self.exprs().chain(projected), visit)
    }
}

/// What one partition of a scan opens parts with.
pub(super) struct Opening {
    source: FilteringSource,
    store: Arc<dyn ObjectStore>,
    config: FileScanConfig,
    partition: usize,
}

impl Opening {
    pub(super) fn conditions(&self) -> &[Condition] {
        &self.source.conditions
    }

    /// Makes the reader of parts whose conditions are checked at `places`.
    pub(super) fn prepare(&self, places: &[Place]) -> Result<Prepared> {
        let checks = self.checks(places);
        let source = &self.source;
        if checks.is_empty() {
            let reader = self.reader(places, &source.projection, &self.config)?;
            return Ok(Prepared { reader, after: None });
        }
        let decoded = self.decoded(&checks);
        let schema = source.reader.table_schema().table_schema();
        let columns = ProjectionExprs::from_indices(&decoded, schema);
        let decoded = columns.project_schema(schema)?;
        let after = After::new(checks, &source.projection, &decoded, source.batch_rows)?;
        // The rows that are wanted are those that pass.
        let config = FileScanConfigBuilder::from(self.config.clone()).with_limit(None).build();
        let reader = self.reader(places, &columns, &config)?;
        Ok(Prepared { reader, after: Some(Arc::new(after)) })
    }

    fn checks(&self, places: &[Place]) -> Vec<Check> {
        let placed = self.conditions().iter().zip(places);
        let after = placed.filter(|(_, place)| **place != Place::Early);
        let check = |(condition, place): (&Condition, &Place)| Check {
            expr: Arc::clone(&condition.expr),
            seen: Arc::clone(&condition.seen),
            is_sample: *place == Place::Sampled,
        };
        after.map(check).collect()
    }

    /// Returns the columns that the projection and `checks` need, in the order of the table.
    fn decoded(&self, checks: &[Check]) -> Vec<usize> {
        let mut columns = self.source.projection.column_indices();
        let checked = checks.iter().flat_map(|check| collect_columns(&check.expr));
        columns.extend(checked.map(|column| column.index()));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn reader(
        &self,
        places: &[Place],
        projection: &ProjectionExprs,
        config: &FileScanConfig,
    ) -> Result<Box<dyn Morselizer>> {
        let reader = &self.source.reader;
        let some_early = places.contains(&Place::Early);
        let conditions = self.conditions().iter().zip(places);
        let predicate = conjunction_opt(conditions.map(|(condition, place)| {
            let expr = Arc::clone(&condition.expr);
            match place {
                Place::Early => Arc::new(Early::on(expr, Arc::clone(&condition.seen))) as _,
                _ if some_early => Arc::new(Early::off(expr)) as _,
                _ => expr,
            }
        }));
        let reader = match predicate {
            Some(predicate) => reader.with_predicate(predicate).with_pushdown_filters(some_early),
            None => reader.clone(),
        };
        let Some(projected) = reader.try_pushdown_projection(projection)? else {
            return internal_err!("a Parquet source takes every projection");
        };
        projected.create_morselizer(Arc::clone(&self.store), config, self.partition)
    }
}

fn as_parquet(source: &dyn FileSource) -> Result<ParquetSource> {
    source
        .downcast_ref::<ParquetSource>()
        .cloned()
        .ok_or_else(|| DataFusionError::Internal("a Parquet source became another".to_owned()))
}

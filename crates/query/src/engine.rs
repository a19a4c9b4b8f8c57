//! The query engine: what a session may use, and scans of one table.
//!
//! Statements run in `run.rs`, over a catalog that holds just the tables that they name. Every plan
//! is checked before anything runs: it may read the lake and do nothing else. No task is spawned
//! here that outlives the stream.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cidlake_block::{Blocks, Cid};
use cidlake_catalog::Part;
use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::context::{SQLOptions, SessionConfig, SessionState};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Expr, LogicalPlan, ident};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;

use crate::bounded;
use crate::error::{QueryError, arrow_message};
use crate::guard::{Admit, AdmitAll, Spill};
use crate::layout::{LaidPart, LeafInfo, SingleFile, column_index, leaf_map, restore, single_file};
use crate::object_store::{BlockStore, LakeRegistry};
use crate::part_files::{OpenFile, PartFiles, Reading};
use crate::pushdown;
use crate::rows;
use crate::statement;
use crate::table::{PartsProvider, Table, Types, not_parquet};

/// Catalog and schema under which names without one are looked up.
pub(crate) const CATALOG: &str = "lake";
pub(crate) const SCHEMA: &str = "main";
/// Consumers named in an error about memory.
const CONSUMERS_SHOWN: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;
/// How much of the disk spilling may take, as a multiple of the memory.
const SPILL_FACTOR: u64 = 32;

/// How deep a statement may nest, as the parser counts.
const NESTING_MAX: usize = 100;
/// The time zone of statements.
const TIME_ZONE: &str = "+00:00";
/// Runs on disk that are merged at once: each has a batch in memory.
const RUNS_MERGED_MAX: usize = 16;
/// So many sorts of a thread get what they set aside for merging.
const SORTS_AT_ONCE: usize = 16;

/// What an engine may use.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// Working memory of all statements together, in bytes.
    pub memory_bytes_max: usize,
    /// Partitions of a plan that run at once.
    pub threads: usize,
    /// Parsed footers that are kept, in bytes.
    pub footer_cache_bytes: usize,
}

/// The rows of an answer: dropping the stream stops the work.
pub struct Rows {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// The batches. An error in it converts to a [`QueryError`].
    pub stream: SendableRecordBatchStream,
}

/// What of a table to read.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Columns in the order wanted; all of them when absent.
    pub columns: Option<Vec<String>>,
    /// An SQL expression over the table's columns; only rows for which it is true are returned.
    pub filter: Option<String>,
    /// The most rows to return.
    pub limit: Option<usize>,
}

/// Runs statements and scans over blocks.
pub struct Engine {
    state: SessionState,
    files: Arc<PartFiles>,
    admit: Arc<dyn Admit>,
    /// Where plans spill; among the temporary files of the machine where nobody says otherwise.
    spill: Option<Arc<dyn Spill>>,
    /// What plans that may spill run in, once there was one.
    /// What plans run in that may spill, and the folder that they spill into.
    spilling: Mutex<Option<(PathBuf, Arc<RuntimeEnv>)>>,
    /// How much of the disk they may take.
    spill_bytes_max: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes an engine over `blocks`.
    ///
    /// # Errors
    /// When the folder for spilling cannot be prepared.
    pub fn new(blocks: Arc<dyn Blocks>, options: EngineOptions) -> Result<Self, QueryError> {
        let files = Arc::new(PartFiles::new(Arc::clone(&blocks), options.footer_cache_bytes));
        let mut builder = SessionStateBuilder::new()
            .with_config(config(options)?)
            .with_runtime_env(runtime(blocks, options.memory_bytes_max)?)
            .with_default_features()
            .with_physical_optimizer_rules(pushdown::rules());
        bounded::bound(builder.scalar_functions(), options.memory_bytes_max);
        Ok(Self {
            state: builder.build(),
            files,
            admit: Arc::new(AdmitAll),
            spill: None,
            spilling: Mutex::default(),
            spill_bytes_max: spill_bytes_max(options.memory_bytes_max),
        })
    }

    /// Has every statement wait for its turn.
    #[must_use]
    pub fn admitting(self, admit: Arc<dyn Admit>) -> Self {
        Self { admit, ..self }
    }

    /// Has plans spill into the folder of `spill`, which is asked for it when one may need it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn spilling_into(mut self, spill: Arc<dyn Spill>) -> Result<Self, QueryError> {
        let env = with_disk(self.state.runtime_env(), DiskManagerMode::Disabled, 0)?;
        self.state =
            SessionStateBuilder::new_from_existing(self.state).with_runtime_env(env).build();
        self.spill = Some(spill);
        Ok(self)
    }

    /// Returns what a plan that may spill runs in.
    pub(crate) fn spilling(&self) -> datafusion::common::Result<Arc<RuntimeEnv>> {
        let env = self.state.runtime_env();
        let Some(spill) = &self.spill else { return Ok(Arc::clone(env)) };
        // Another one where somebody cleared the temporary files away.
        let folder = spill.folder()?;
        let mut kept = self.spilling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((used, made)) = kept.as_ref()
            && *used == folder
        {
            return Ok(Arc::clone(made));
        }
        let folders = DiskManagerMode::Directories(vec![folder.clone()]);
        let made = with_disk(env, folders, self.spill_bytes_max)?;
        kept.replace((folder, Arc::clone(&made)));
        Ok(made)
    }

    pub(crate) fn spill(&self) -> Option<Arc<dyn Spill>> {
        self.spill.clone()
    }

    pub(crate) fn admit(&self) -> &dyn Admit {
        self.admit.as_ref()
    }

    pub(crate) fn files(&self) -> &Arc<PartFiles> {
        &self.files
    }

    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    /// Returns how many parsed footers are kept.
    #[must_use]
    pub fn footer_entries(&self) -> u64 {
        self.files.footer_entries()
    }

    /// Reads one table: rows in stored order, in exactly the types that the user gave.
    ///
    /// # Errors
    /// [`QueryError::UnknownColumn`] for a column that is not there, [`QueryError::Sql`] for a
    /// filter that is no condition over the columns.
    pub async fn scan(&self, table: Arc<Table>, scan: Scan) -> Result<Rows, QueryError> {
        let reading = Arc::new(Reading::default());
        let files = Arc::clone(&self.files);
        // A filter sees the types that a statement sees, so that it means the same.
        let types = if scan.filter.is_some() { Types::Sql } else { Types::Canonical };
        let provider = PartsProvider::of_table(&table, types, files, Arc::clone(&reading))?;
        let indices = column_indices(&table.schema, scan.columns.as_deref())?;
        let user = Arc::new(table.schema.project(&indices).map_err(|error| {
            QueryError::internal(format!("projecting a schema by its own columns: {error}"))
        })?);
        let stream = self.scan_provider(Arc::new(provider), &user, scan, &reading).await?;
        let restored = Arc::clone(&user);
        let convert = move |batch: RecordBatch| restore(&batch, &restored);
        Ok(rows::map(user, stream, reading, convert))
    }

    /// Reads one Parquet file that was not laid out here.
    ///
    /// # Errors
    /// As [`Self::scan`], and [`QueryError::BadInput`] when it is no Parquet file.
    pub async fn scan_file(&self, root: Cid, scan: Scan) -> Result<Rows, QueryError> {
        let reading = Arc::new(Reading::default());
        let files = Arc::clone(&self.files);
        let provider = PartsProvider::of_file(root, files, Arc::clone(&reading)).await?;
        let schema = provider.schema();
        let indices = column_indices(&schema, scan.columns.as_deref())?;
        let user = Arc::new(schema.project(&indices).map_err(QueryError::internal)?);
        let stream = self.scan_provider(Arc::new(provider), &user, scan, &reading).await?;
        Ok(rows::map(user, stream, reading, Ok))
    }

    /// Hangs the leaves of `parts`, in row order, under the root of one Parquet file.
    ///
    /// # Errors
    /// When a part's footer cannot be had, or is not of the layout's making.
    pub async fn single_file(&self, parts: &[Part]) -> Result<SingleFile, QueryError> {
        let mut laid = Vec::with_capacity(parts.len());
        for part in parts {
            laid.push(self.laid(part).await?);
        }
        single_file(&laid)
    }

    /// Says what each leaf of a part holds, in the order of its file.
    ///
    /// # Errors
    /// When the part's footer cannot be had.
    pub async fn leaves(&self, part: &Part) -> Result<Vec<LeafInfo>, QueryError> {
        Ok(leaf_map(&self.laid(part).await?))
    }

    /// Reads the columns at `columns` of one part of a table, whole and in row order, as one batch in
    /// the types in which parts are stored.
    ///
    /// # Errors
    /// When the part cannot be had, or has other rows than its record says.
    pub async fn part(
        &self,
        table: &Table,
        part: &Part,
        columns: &[usize],
    ) -> Result<RecordBatch, QueryError> {
        self.part_in(Types::Canonical, table, part, columns).await
    }

    /// Reads columns of one part as [`Self::part`] does, in `types`. The rows of a part fit one
    /// array, because they were one when it was written.
    pub(crate) async fn part_in(
        &self,
        types: Types,
        table: &Table,
        part: &Part,
        columns: &[usize],
    ) -> Result<RecordBatch, QueryError> {
        let reading = Arc::new(Reading::default());
        let narrowed = table.narrowed(vec![part.clone()]);
        let files = Arc::clone(&self.files);
        let provider = PartsProvider::of_table(&narrowed, types, files, Arc::clone(&reading))?;
        let schema = Arc::new(provider.schema().project(columns).map_err(QueryError::internal)?);
        let scan = Scan::default();
        let stream = self.scan_provider(Arc::new(provider), &schema, scan, &reading).await?;
        let mut rows = rows::map(Arc::clone(&schema), stream, reading, Ok);
        let mut batches = Vec::new();
        while let Some(batch) = rows.stream.next().await {
            batches.push(batch?);
        }
        let read = concat_batches(&schema, &batches)
            .map_err(|error| QueryError::internal(arrow_message(&error)))?;
        if read.num_rows() as u64 != part.rows {
            let detail = format!("it has {} rows and not {}", read.num_rows(), part.rows);
            return Err(QueryError::Corrupt { cid: part.cid, detail });
        }
        Ok(read)
    }

    /// Returns a session to plan with, which says what time it is.
    pub(crate) fn session(&self) -> SessionState {
        let mut state = self.state.clone();
        state.mark_start_execution();
        state
    }

    async fn laid(&self, part: &Part) -> Result<LaidPart, QueryError> {
        let open = self.files.open(&part.cid).await;
        let OpenFile { file, metadata } = open.map_err(|error| not_parquet(&part.cid, error))?;
        Ok(LaidPart { root: part.cid, leaves: file.leaves().into(), metadata })
    }

    async fn scan_provider(
        &self,
        provider: Arc<dyn TableProvider>,
        columns: &SchemaRef,
        scan: Scan,
        reading: &Arc<Reading>,
    ) -> Result<SendableRecordBatchStream, QueryError> {
        // One partition keeps the rows in the order of the parts.
        let state = in_order(self.state.clone());
        let mut frame = SessionContext::new_with_state(state).read_table(provider)?;
        if let Some(filter) = &scan.filter {
            statement::check_text(filter)?;
            let condition = frame.parse_sql_expr(filter)?;
            check_condition(&condition)?;
            frame = frame.filter(condition)?;
        }
        let selected: Vec<Expr> =
            columns.fields().iter().map(|field| ident(field.name().clone())).collect();
        frame = frame.select(selected)?;
        if let Some(limit) = scan.limit {
            frame = frame.limit(0, Some(limit))?;
        }
        check(frame.logical_plan())?;
        frame.execute_stream().await.map_err(|error| rows::cause(error, reading))
    }
}

fn config(options: EngineOptions) -> Result<SessionConfig, QueryError> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(options.threads.max(1))
        // A part is one row group: cutting its bytes in two gives one reader nothing to do.
        .with_repartition_file_scans(false);
    let more = config.options_mut();
    more.sql_parser.map_string_types_to_utf8view = true;
    more.sql_parser.recursion_limit = ConfigNonZeroUsize::try_new(NESTING_MAX)?;
    // Whether a column may be null is told differently by the logical plan and by the other: no harm.
    more.execution.skip_physical_aggregate_schema_check = true;
    // A moment is one wherever it is asked for.
    more.execution.time_zone = Some(TIME_ZONE.to_owned());
    // What a sort sets aside for merging is taken by each of them, before it has sorted anything.
    let share = options.memory_bytes_max / (options.threads.max(1) * SORTS_AT_ONCE);
    let aside = &mut more.execution.sort_spill_reservation_bytes;
    *aside = share.min(*aside);
    Ok(config)
}

/// Returns a session in which one thread makes the rows: in the order in which they are stored, where
/// nothing is said of order, so that what is kept of the same rows has the same CID.
pub(crate) fn in_order(state: SessionState) -> SessionState {
    let config = state.config().clone().with_target_partitions(1);
    SessionStateBuilder::new_from_existing(state).with_config(config).build()
}

fn runtime(
    blocks: Arc<dyn Blocks>,
    memory_bytes_max: usize,
) -> Result<Arc<RuntimeEnv>, QueryError> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(memory_bytes_max), CONSUMERS_SHOWN);
    let store = Arc::new(BlockStore::new(blocks));
    let env = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_max_temp_directory_size(spill_bytes_max(memory_bytes_max))
        .with_object_store_registry(Arc::new(LakeRegistry::new(store)));
    Ok(env.build_arc()?)
}

fn spill_bytes_max(memory_bytes_max: usize) -> u64 {
    (memory_bytes_max as u64).saturating_mul(SPILL_FACTOR)
}

/// Returns the same memory and files with another place to spill.
fn with_disk(
    env: &RuntimeEnv,
    mode: DiskManagerMode,
    bytes_max: u64,
) -> datafusion::common::Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default()
        .with_mode(mode)
        .with_max_temp_directory_size(bytes_max)
        .with_max_spill_merge_fan_in(RUNS_MERGED_MAX);
    RuntimeEnvBuilder::from_runtime_env(env).with_disk_manager_builder(disk).build_arc()
}

/// Refuses a plan that does more than read. The plan is what counts: text can hide.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), QueryError> {
    let options =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| {
        let text = QueryError::from(error).to_string();
        let what = text.rsplit_once(": ").map_or(text.as_str(), |(_, what)| what);
        QueryError::Forbidden { what: what.to_owned() }
    })
}

/// Refuses a filter that is more than a condition over one table's columns.
pub(crate) fn check_condition(condition: &Expr) -> Result<(), QueryError> {
    use datafusion::common::tree_node::TreeNode as _;
    let odd = condition.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
        ))
    })?;
    if odd {
        let message = "a filter is a condition over the table's own columns".to_owned();
        return Err(QueryError::Sql { message });
    }
    Ok(())
}

/// Returns where the wanted columns stand in `schema`.
pub(crate) fn column_indices(
    schema: &SchemaRef,
    columns: Option<&[String]>,
) -> Result<Vec<usize>, QueryError> {
    let Some(columns) = columns else { return Ok((0..schema.fields().len()).collect()) };
    columns.iter().map(|name| column_index(schema, name)).collect()
}

#[cfg(test)]
pub(crate) mod tests;

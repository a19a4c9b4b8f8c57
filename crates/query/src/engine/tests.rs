//! Tests of scans and statements over blocks in memory.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use arrow::array::*;
use arrow::datatypes::*;
use async_trait::async_trait;
use bytes::Bytes;
use cidlake_block::{Block, BlocksError, Codec, MemBlocks, PutReport};
use cidlake_catalog::{Commit, part_tree};
use datafusion::common::DataFusionError;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::layout::{
    CutRule, PROFILE, Partitioning, RowGroups, encode_partitioned, in_partition_order,
    partitioned_root, schema_to_bytes,
};
use crate::params::Params;
use crate::resolve::{Resolve, Resolved};
use crate::watch::GoOn;

/// Runs what waits for nobody: blocks in memory and one partition.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("somebody is waited for");
}

pub(crate) fn engine_over(blocks: &Arc<MemBlocks>) -> Engine {
    let options =
        EngineOptions { memory_bytes_max: 64 << 20, threads: 1, footer_cache_bytes: 1 << 20 };
    Engine::new(Arc::clone(blocks) as Arc<dyn Blocks>, options).unwrap()
}

/// A table of which each batch is a part.
pub(crate) fn table_of(blocks: &MemBlocks, batches: &[RecordBatch]) -> Arc<Table> {
    partitioned_table_of(blocks, batches, &[])
}

/// A table partitioned by some columns, of which each batch is parts: as many as it has partitions.
pub(crate) fn partitioned_table_of(
    blocks: &MemBlocks,
    batches: &[RecordBatch],
    partition_by: &[&str],
) -> Arc<Table> {
    let schema = batches[0].schema();
    let partition_columns: Vec<String> = partition_by.iter().map(ToString::to_string).collect();
    let columns = Partitioning::new(&schema, &partition_columns).unwrap();
    let mut parts = Vec::new();
    for batch in batches {
        let rule = CutRule { partition_columns: partition_columns.clone(), ..CutRule::default() };
        let mut cutter = RowGroups::new(&schema, rule).unwrap();
        let mut groups = cutter.push(batch.clone()).unwrap();
        groups.extend(cutter.finish().unwrap());
        for group in groups {
            let encoded = encode_partitioned(&group, &columns, 1).unwrap();
            now(blocks.put_many(encoded.leaves)).unwrap();
            now(blocks.put_many(encoded.nodes)).unwrap();
            parts.push(encoded.part);
        }
    }
    let parts = in_partition_order(parts, &columns).unwrap();
    let lists = part_tree(&parts).unwrap();
    now(blocks.put_many(lists.blocks)).unwrap();
    let commit = Commit {
        content: partitioned_root(&parts, &columns).unwrap().root,
        profile: PROFILE.to_owned(),
        rows: parts.iter().map(|part| part.rows).sum(),
        bytes: parts.iter().map(|part| part.bytes).sum(),
        schema: schema_to_bytes(&schema),
        columns: Vec::new(),
        parts: lists.top,
        cut_columns: Vec::new(),
        key_columns: Vec::new(),
        partition_columns,
        rows_hash: None,
        logical_hash: None,
        metadata: BTreeMap::new(),
        operation: "create".to_owned(),
        parents: Vec::new(),
        depth: 0,
        jump: None,
        author: String::new(),
        time_ms: 0,
        message: None,
    };
    Arc::new(Table::new(commit).unwrap())
}

pub(crate) fn batch_of(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(crate) fn collect(mut rows: Rows) -> RecordBatch {
    let mut batches = Vec::new();
    while let Some(batch) = now(rows.stream.next()) {
        batches.push(batch.unwrap());
    }
    concat_batches(&rows.schema, &batches).unwrap()
}

fn where_true(filter: &str) -> Scan {
    Scan { filter: Some(filter.to_owned()), ..Scan::default() }
}

struct Only(Arc<Table>);

#[async_trait]
impl Resolve for Only {
    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, QueryError> {
        Ok((reference == "t").then(|| Resolved::Table(Arc::clone(&self.0))))
    }
}

fn sql(engine: &Engine, table: &Arc<Table>, statement: &str) -> RecordBatch {
    let go_on: GoOn = Arc::new(|| Ok(()));
    let resolver = Only(Arc::clone(table));
    collect(now(engine.sql(statement, &Params::default(), &resolver, &go_on)).unwrap())
}

mod partitioned;

#[test]
fn nan_is_found_beyond_the_bounds_that_leave_it_out() {
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let batch = batch_of(vec![("x", Arc::new(Float64Array::from(vec![1.0, f64::NAN, 2.0])))]);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let file = Block::new(Codec::Raw, Bytes::from(bytes));
    let root = *file.cid();
    now(blocks.put_many(vec![file])).unwrap();
    let table = table_of(&blocks, &[batch]);
    for filter in ["x > 5", "x <> 1 AND x <> 2"] {
        let own = collect(now(engine.scan(Arc::clone(&table), where_true(filter))).unwrap());
        assert_eq!(own.num_rows(), 1, "{filter} over a table of ours");
        let foreign = collect(now(engine.scan_file(root, where_true(filter))).unwrap());
        assert_eq!(foreign.num_rows(), 1, "{filter} over a file of others");
    }
}

#[test]
fn a_filter_means_what_it_means_in_a_statement() {
    // 23:00 in UTC, four in the morning of the next day in the column's own zone.
    let times = TimestampMicrosecondArray::from(vec![1_704_063_600_000_000]);
    let batch = batch_of(vec![
        ("t", Arc::new(times.with_timezone("+05:00"))),
        ("d", Arc::new(DurationSecondArray::from(vec![90]))),
        ("s", Arc::new(StringArray::from(vec!["text"]))),
    ]);
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let table = table_of(&blocks, std::slice::from_ref(&batch));
    for (condition, rows) in [("t >= '2024-01-01 04:00:00'", 1), ("t >= '2024-01-01 04:00:01'", 0)]
    {
        let scanned = collect(now(engine.scan(Arc::clone(&table), where_true(condition))).unwrap());
        assert_eq!(scanned, batch.slice(0, rows), "{condition}");
        let statement = format!("SELECT t FROM t AS r WHERE {condition}");
        assert_eq!(sql(&engine, &table, &statement).num_rows(), rows, "{condition}");
    }
}

#[test]
fn the_least_zero_has_its_own_sign() {
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let check = |values: [f64; 2]| {
        let batch = batch_of(vec![("x", Arc::new(Float64Array::from(values.to_vec())))]);
        let table = table_of(&blocks, &[batch]);
        let ends = sql(&engine, &table, "SELECT min(x), max(x) FROM t");
        let end = |at: usize| ends.column(at).as_primitive::<Float64Type>().value(0).to_bits();
        assert_eq!([end(0), end(1)], values.map(f64::to_bits), "{values:?}");
    };
    check([0.0, 1.0]);
    check([-1.0, -0.0]);
}

#[test]
fn a_scan_with_a_limit_reads_part_after_part() {
    let blocks = Arc::new(MemBlocks::new());
    let part = |value| batch_of(vec![("n", Arc::new(Int64Array::from(vec![value; 3])))]);
    let table = table_of(&blocks, &[part(1), part(2)]);
    let files = Arc::new(PartFiles::new(blocks, 1 << 20));
    let provider = PartsProvider::of_table(&table, Types::Sql, files, Arc::default()).unwrap();
    let state = SessionStateBuilder::new()
        .with_config(SessionConfig::new().with_target_partitions(2))
        .with_default_features()
        .build();
    let partitions = |limit| {
        let plan = now(provider.scan(&state, None, &[], limit)).unwrap();
        plan.output_partitioning().partition_count()
    };
    assert_eq!((partitions(None), partitions(Some(4))), (2, 1));
}

#[test]
fn a_decoder_that_panics_ends_its_statement_only() {
    let schema: SchemaRef = Arc::new(Schema::empty());
    let broken =
        futures::stream::poll_fn(|_| -> Poll<Option<Result<RecordBatch, DataFusionError>>> {
            panic!("as decoders may")
        });
    let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), broken));
    let mut rows = rows::map(schema, stream, Arc::default(), Ok);
    assert!(now(rows.stream.next()).unwrap().is_err());
    assert!(now(rows.stream.next()).is_none());
}

/// Stands for a parser of footers that panics: what is around both is the same.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Blocks for Broken {
    async fn get(&self, _: &Cid) -> Result<Block, BlocksError> {
        panic!("as parsers may")
    }

    async fn has(&self, _: &Cid) -> Result<bool, BlocksError> {
        Ok(false)
    }

    async fn put_many(&self, _: Vec<Block>) -> Result<PutReport, BlocksError> {
        Ok(PutReport::default())
    }
}

#[test]
fn a_footer_that_panics_is_damaged() {
    let files = PartFiles::new(Arc::new(Broken), 1 << 20);
    let root = *Block::new(Codec::Raw, Bytes::from_static(b"x")).cid();
    let error = now(files.open(&root)).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

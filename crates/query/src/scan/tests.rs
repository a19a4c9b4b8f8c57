//! Tests of scans: the same rows wherever conditions are checked, and each where it pays.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use cidlake_block::MemBlocks;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt as _;

use super::choice::{EARLY_MAX, Known, Place, choose};
use super::condition::Seen;
use crate::engine::Engine;
use crate::engine::tests::{batch_of, collect, engine_over, now, partitioned_table_of, table_of};
use crate::error::QueryError;
use crate::params::Params;
use crate::part_files::Reading;
use crate::resolve::{Resolve, Resolved};
use crate::table::{PartsProvider, Table, Types};
use crate::watch::GoOn;

const PARTS: i64 = 6;
const PART_ROWS: i64 = 3_000;

#[test]
fn a_condition_is_checked_where_it_pays() {
    let known = |is_hint, may_be_early, seen: Option<(f64, f64)>| Known {
        is_hint,
        may_be_early,
        passing: seen.map(|(passing, _)| passing),
        touched: seen.map(|(_, touched)| touched),
    };
    for (condition, place) in [
        (known(false, true, None), Place::After),
        (known(false, true, Some((0.0, 0.0))), Place::Early),
        (known(false, true, Some((0.05, EARLY_MAX))), Place::Early),
        // Few rows, but of every page.
        (known(false, true, Some((0.001, 1.0))), Place::After),
        (known(false, true, Some((1.0, 1.0))), Place::After),
        // One that may fail on rows that others keep from it stays behind them.
        (known(false, false, Some((0.0, 0.0))), Place::After),
        (known(true, true, None), Place::Sampled),
        (known(true, true, Some((0.0001, 0.05))), Place::Early),
        (known(true, true, Some((0.1, 1.0))), Place::After),
        (known(true, true, Some((0.9, 1.0))), Place::Sampled),
    ] {
        assert_eq!(choose(&[condition]), [place], "{condition:?}");
    }
}

/// Rows in which little is in order: `k` is unique, `g` has twenty values, some of all are null.
fn part(part: i64) -> RecordBatch {
    let rows = || (0..PART_ROWS).map(move |row| part * PART_ROWS + row);
    let scattered = |row: i64| (row * 7_919) % (PARTS * PART_ROWS);
    let some = |row: i64, every: i64| row % every != 0;
    let text = |row: i64| some(row, 11).then(|| format!("text {}", scattered(row) % 500));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(rows().map(|row| Some(scattered(row))).collect::<Int64Array>())),
        (
            "g",
            Arc::new(rows().map(|row| some(row, 13).then_some(row % 20)).collect::<Int64Array>()),
        ),
        ("t", Arc::new(rows().map(text).collect::<StringArray>())),
        ("d", Arc::new(rows().map(|row| i32::try_from(row / 50).ok()).collect::<Date32Array>())),
        ("x", Arc::new(rows().map(|row| Some(row as f64 / 8.0)).collect::<Float64Array>())),
    ];
    batch_of(columns)
}

/// `t` and `p` are tables of parts, the second one partitioned; `m` has the same rows in memory.
struct Tables {
    parts: Arc<Table>,
    partitioned: Arc<Table>,
    memory: RecordBatch,
}

#[async_trait]
impl Resolve for Tables {
    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, QueryError> {
        Ok(match reference {
            "t" => Some(Resolved::Table(Arc::clone(&self.parts))),
            "p" => Some(Resolved::Table(Arc::clone(&self.partitioned))),
            "m" => Some(Resolved::Rows(self.memory.clone())),
            _ => None,
        })
    }
}

fn lake() -> (Engine, Tables) {
    let blocks = Arc::new(MemBlocks::new());
    let batches: Vec<RecordBatch> = (0..PARTS).map(part).collect();
    let memory = concat_batches(&batches[0].schema(), &batches).unwrap();
    let partitioned = partitioned_table_of(&blocks, &batches, &["g"]);
    let tables = Tables { parts: table_of(&blocks, &batches), partitioned, memory };
    (engine_over(&blocks), tables)
}

fn answer(engine: &Engine, tables: &Tables, sql: &str) -> Vec<String> {
    let go_on: GoOn = Arc::new(|| Ok(()));
    let rows = now(engine.sql(sql, &Params::default(), tables, &go_on));
    let rows = collect(rows.unwrap_or_else(|error| panic!("{sql}: {error}")));
    let line = |row: usize| {
        let cells = rows.columns().iter();
        let cells = cells.map(|cell| array_value_to_string(cell, row).unwrap());
        cells.collect::<Vec<_>>().join("|")
    };
    let mut lines: Vec<String> = (0..rows.num_rows()).map(line).collect();
    lines.sort();
    lines
}

#[test]
fn the_same_rows_come_wherever_conditions_are_checked() {
    let (engine, tables) = lake();
    for sql in [
        // Few, some, all and no rows pass; the condition's column is shown, or is not.
        "SELECT t, x FROM $ WHERE k = 4711",
        "SELECT k FROM $ WHERE k = 4711",
        "SELECT * FROM $ WHERE k IN (5, 17, 4711, 99999)",
        "SELECT x FROM $ WHERE k < 40 AND t LIKE 'text 1%'",
        "SELECT k, t FROM $ WHERE g = 7",
        "SELECT k FROM $ WHERE x >= 0",
        "SELECT k FROM $ WHERE x < 0",
        "SELECT t FROM $ WHERE g IS NULL AND k < 900",
        "SELECT x FROM $ WHERE t IS NOT NULL AND d = DATE '1970-02-01'",
        "SELECT k FROM $ WHERE g = 3 OR k = 12",
        "SELECT k FROM $ WHERE NOT (g > 1) AND t = 'text 17'",
        // No column is left, a computed one, one twice.
        "SELECT count(*) FROM $ WHERE k = 4711",
        "SELECT count(*) FROM $ WHERE g > 10",
        "SELECT 1 FROM $ WHERE k % 1000 = 1",
        "SELECT k * 2 AS twice, k, upper(t) FROM $ WHERE k BETWEEN 100 AND 120",
        "SELECT k FROM $ WHERE k > 2 AND 100 / (k + 1) > 10",
        // Conditions that other nodes hand down.
        "SELECT k, t FROM $ ORDER BY k LIMIT 5",
        "SELECT k, t FROM $ WHERE g = 4 ORDER BY x DESC, k LIMIT 7",
        "SELECT a.t, b.x FROM $ a JOIN (SELECT k, x FROM $ WHERE k < 9) b ON a.k = b.k",
        "SELECT count(*) FROM $ a JOIN (SELECT DISTINCT g FROM $ WHERE g < 3) b ON a.g = b.g",
        "SELECT max(k), min(x) FROM $",
        "SELECT count(*) FROM $ WHERE k IN (SELECT k FROM $ WHERE t = 'text 3')",
        "SELECT count(*) FROM $ WHERE x > (SELECT avg(x) FROM $)",
    ] {
        let expected = answer(&engine, &tables, &sql.replace('$', "m"));
        for table in ["t", "p"] {
            let sql = sql.replace('$', table);
            assert_eq!(answer(&engine, &tables, &sql), expected, "{sql}");
        }
    }
}

#[test]
fn a_limit_counts_rows_that_pass() {
    let (engine, tables) = lake();
    for (sql, rows) in [
        ("SELECT k FROM t WHERE g = 7 LIMIT 3", 3),
        ("SELECT k FROM t WHERE g > 1 LIMIT 5000", 5_000),
        ("SELECT k FROM t WHERE k < 40 LIMIT 100", 40),
        ("SELECT k FROM t WHERE g = 7 LIMIT 3 OFFSET 2", 3),
    ] {
        assert_eq!(answer(&engine, &tables, sql).len(), rows, "{sql}");
    }
}

/// Runs a statement over the table of parts, and returns how many rows its conditions left out while
/// these were decoded.
fn left_out_early(engine: &Engine, tables: &Tables, sql: &str) -> usize {
    let (files, reading) = (Arc::clone(engine.files()), Arc::new(Reading::default()));
    let provider = PartsProvider::of_table(&tables.parts, Types::Sql, files, reading).unwrap();
    let config = SessionConfig::new().with_target_partitions(1);
    let env = Arc::clone(engine.state().runtime_env());
    let context = SessionContext::new_with_config_rt(config, env);
    context.register_table("t", Arc::new(provider)).unwrap();
    let plan = now(async { context.sql(sql).await?.create_physical_plan().await }).unwrap();
    let mut stream = execute_stream(Arc::clone(&plan), context.task_ctx()).unwrap();
    while let Some(batch) = now(stream.next()) {
        batch.unwrap();
    }
    left_out_by(&plan)
}

fn left_out_by(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("pushdown_rows_pruned"));
    let below: usize = plan.children().into_iter().map(left_out_by).sum();
    own.map_or(0, |own| own.as_usize()) + below
}

#[test]
fn what_was_seen_fades() {
    let seen = Seen::default();
    assert_eq!((seen.passing(), seen.touched()), (None, None));
    // A part of one batch with rows that pass, then parts without.
    seen.add(100, 50);
    for expected in [1.0, 1.0 / 3.0, 1.0 / 7.0, 1.0 / 15.0] {
        assert_eq!(seen.touched(), Some(expected));
        seen.fade();
        seen.add(100, 0);
    }
    assert!(seen.passing().unwrap() < 0.05);
}

#[test]
fn conditions_that_few_rows_pass_spare_the_other_columns() {
    let (engine, tables) = lake();
    for (sql, is_early) in [
        // Expected by bounds, by being an equality, and after the first part by what was seen.
        ("SELECT t FROM t WHERE k = 4711", true),
        ("SELECT x FROM t WHERE t = 'text 3'", true),
        ("SELECT x FROM t WHERE t LIKE '%t 3' AND d > DATE '1970-01-01'", false),
        ("SELECT x FROM t WHERE g > 9", false),
        ("SELECT x FROM t WHERE t LIKE 'text%'", false),
        ("SELECT t FROM t WHERE k % 1000 = 1", false),
    ] {
        let early = left_out_early(&engine, &tables, sql);
        assert_eq!(early > 0, is_early, "{sql}: {early}");
    }
}

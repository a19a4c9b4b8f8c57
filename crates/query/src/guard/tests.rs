//! Tests of limits, and of what plans are said to need.

use arrow::array::{Int64Array, StringArray};
use cidlake_block::MemBlocks;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;
use crate::engine::tests::{batch_of, engine_over, now, table_of};
use crate::part_files::Reading;
use crate::resolve::{Resolve, Resolved};
use crate::run::{Answer, RunOptions};
use crate::table::{PartsProvider, Table, Types};
use crate::watch::GoOn;

struct Numbers(Arc<Table>);

#[async_trait]
impl Resolve for Numbers {
    async fn resolve(&self, _: &str) -> Result<Option<Resolved>, QueryError> {
        Ok(Some(Resolved::Table(Arc::clone(&self.0))))
    }
}

fn numbers(rows: i64) -> (Arc<MemBlocks>, Numbers) {
    let blocks = Arc::new(MemBlocks::new());
    let text: StringArray = (0..rows).map(|row| Some(format!("row {}", row * 7_919))).collect();
    let batch = batch_of(vec![
        ("n", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("t", Arc::new(text)),
    ]);
    let table = table_of(&blocks, &[batch]);
    (blocks, Numbers(table))
}

/// Runs a statement within limits: the number of its rows, or the limit that it met.
fn run(sql: &str, limits: Limits) -> Result<u64, (&'static str, u64)> {
    let (blocks, numbers) = numbers(10_000);
    let engine = engine_over(&blocks);
    let go_on: GoOn = Arc::new(|| Ok(()));
    let options = RunOptions { limits, ..RunOptions::default() };
    let met = |error| match error {
        QueryError::Limit { what, limit } => (what, limit),
        other => panic!("{sql}: {other}"),
    };
    let mut rows = match now(engine.run(sql, &options, &numbers, &go_on)).map_err(met)? {
        Answer::Rows(rows) => rows,
        Answer::Write(_) => panic!("{sql} writes"),
    };
    let mut count = 0;
    while let Some(batch) = now(rows.stream.next()) {
        count += batch.map_err(|error| met(error.into()))?.num_rows() as u64;
    }
    Ok(count)
}

#[test]
fn an_answer_ends_where_its_limit_does() {
    let none = Limits::default();
    let rows = |rows_max| Limits { rows_max: Some(rows_max), ..none };
    let bytes = |bytes_max| Limits { bytes_max: Some(bytes_max), ..none };
    let read = |read_bytes_max| Limits { read_bytes_max: Some(read_bytes_max), ..none };
    for (sql, limits, expected) in [
        ("SELECT * FROM t", none, Ok(10_000)),
        ("SELECT * FROM t", rows(10_000), Ok(10_000)),
        ("SELECT * FROM t", rows(9_999), Err(("rows in its answer", 9_999))),
        ("SELECT * FROM t LIMIT 5", rows(5), Ok(5)),
        ("SELECT count(*) FROM t", rows(1), Ok(1)),
        ("SELECT n FROM t", bytes(90_000), Ok(10_000)),
        ("SELECT n FROM t", bytes(50_000), Err(("bytes in its answer", 50_000))),
        // What a batch is cut from does not count.
        ("SELECT n FROM t LIMIT 3", bytes(100), Ok(3)),
        ("SELECT * FROM t", read(10_000), Err(("bytes that it reads", 10_000))),
        ("SELECT * FROM t", read(10_000_000), Ok(10_000)),
        ("SELECT count(*) FROM t", read(0), Ok(1)),
    ] {
        assert_eq!(run(sql, limits), expected, "{sql} {limits:?}");
    }
}

#[test]
fn the_stricter_limit_holds() {
    let a = Limits { rows_max: Some(5), bytes_max: None, read_bytes_max: Some(9) };
    let b = Limits { rows_max: Some(7), bytes_max: Some(1), read_bytes_max: Some(2) };
    let least = Limits { rows_max: Some(5), bytes_max: Some(1), read_bytes_max: Some(2) };
    assert_eq!((a.least(b), b.least(a)), (least, least));
    assert_eq!(a.least(Limits::default()), a);
}

#[test]
fn plans_say_what_they_need() {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for (name, rows) in [("small", 100), ("large", 60_000)] {
        let (blocks, Numbers(table)) = numbers(rows);
        let files = Arc::clone(engine_over(&blocks).files());
        let reading = Arc::new(Reading::default());
        let provider = PartsProvider::of_table(&table, Types::Sql, files, reading).unwrap();
        context.register_table(name, Arc::new(provider)).unwrap();
    }
    for (sql, need) in [
        ("SELECT * FROM large", Need::Little),
        ("SELECT count(*) FROM large WHERE n > 5", Need::Little),
        ("SELECT * FROM large ORDER BY t LIMIT 10", Need::Little),
        ("SELECT * FROM large UNION ALL SELECT * FROM large", Need::Little),
        ("SELECT t, count(*) FROM small GROUP BY t", Need::Little),
        ("SELECT * FROM small a JOIN small b ON a.n = b.n", Need::Little),
        ("SELECT * FROM large ORDER BY t", Need::Share),
        ("SELECT * FROM large ORDER BY t LIMIT 100000", Need::Share),
        ("SELECT t, count(*) FROM large GROUP BY t", Need::Share),
        ("SELECT DISTINCT t FROM large", Need::Share),
        ("SELECT * FROM small a JOIN large b ON a.n = b.n", Need::Share),
        ("SELECT n, row_number() OVER (ORDER BY t) FROM large", Need::Share),
        ("SELECT a.t, b.t FROM small a, small b", Need::Share),
        ("SELECT unnest([1, 2, 3]) FROM small ORDER BY 1", Need::Share),
    ] {
        let plan = now(async { context.sql(sql).await?.create_physical_plan().await });
        let plan = plan.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(need_of(&plan), need, "{sql}");
    }
}

//! Tests of statements with table functions and parameters, over blocks in memory.

use arrow::array::{AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use cidlake_block::MemBlocks;

use super::*;
use crate::engine::tests::{batch_of, collect, engine_over, now, table_of};
use crate::table::Table;

/// One table under every version that is asked for, of as many rows as the version says.
struct Versions(Arc<Table>);

#[async_trait]
impl Resolve for Versions {
    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, QueryError> {
        Ok((reference == "t").then(|| Resolved::Table(Arc::clone(&self.0))))
    }

    fn functions(&self) -> &[&'static str] {
        &["at", "count_of"]
    }

    async fn call(&self, name: &str, args: &[String]) -> Result<Option<Resolved>, QueryError> {
        assert_eq!(name, "at");
        let last: i64 = args[1].parse().map_err(QueryError::internal)?;
        Ok(Some(Resolved::Rows(numbers(last))))
    }
}

fn numbers(last: i64) -> RecordBatch {
    batch_of(vec![("n", Arc::new(Int64Array::from_iter_values(1..=last)))])
}

fn first(sql: &str, params: &[&str]) -> Result<i64, QueryError> {
    let blocks = Arc::new(MemBlocks::new());
    let table = table_of(&blocks, &[numbers(10)]);
    let mut values = Params::default();
    params.iter().for_each(|param| values.push_text(param).unwrap());
    let go_on: GoOn = Arc::new(|| Ok(()));
    let engine = engine_over(&blocks);
    let rows = collect(now(engine.sql(sql, &values, &Versions(table), &go_on))?);
    Ok(rows.column(0).as_primitive::<Int64Type>().value(0))
}

#[test]
fn what_functions_return_is_joined_with_tables() {
    for (sql, expected) in [
        ("SELECT count(*) FROM at('t', '3')", 3),
        ("SELECT count(*) FROM t JOIN at('t', '3') AS old ON old.n = t.n", 3),
        ("SELECT count(*) FROM at('t', '3') AS a JOIN at('t', '5') AS b ON a.n = b.n", 3),
        ("SELECT max(n) FROM t WHERE n IN (SELECT n FROM at('t', '4'))", 4),
        ("WITH w AS (SELECT * FROM at('t', '2')) SELECT count(*) FROM w, t", 20),
        ("SELECT at.n FROM at('t', '7') ORDER BY at.n DESC", 7),
    ] {
        assert_eq!(first(sql, &[]).unwrap(), expected, "{sql}");
    }
}

#[test]
fn parameters_take_the_types_of_their_places() {
    for (sql, params, expected) in [
        ("SELECT count(*) FROM t WHERE n < $1", &["4"][..], 3),
        ("SELECT count(*) FROM t WHERE n < ? AND n > ?", &["4", "1"], 2),
        ("SELECT count(*) FROM t WHERE n BETWEEN $low AND $high", &["low=2", "high=3"], 2),
        ("SELECT count(*) FROM t WHERE n IN (SELECT n FROM t WHERE n > $1)", &["8"], 2),
        ("SELECT n + $1 FROM t ORDER BY n LIMIT $2", &["5", "1"], 6),
    ] {
        assert_eq!(first(sql, params).unwrap(), expected, "{sql}");
    }
    for (sql, params) in [
        ("SELECT n FROM t WHERE n < $1", &["'4'"][..]),
        ("SELECT n FROM t WHERE n < $1", &["true"]),
        ("SELECT n FROM t LIMIT $1", &["ten"]),
        ("SELECT n FROM t WHERE n < :low", &["low=1"]),
    ] {
        let error = first(sql, params).unwrap_err();
        assert!(matches!(error, QueryError::Param { .. }), "{sql}: {error}");
    }
}

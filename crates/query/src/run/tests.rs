//! Tests of statements with table functions and parameters, over blocks in memory.

use arrow::array::{AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
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

/// Two tables with columns of one name, and one without rows.
struct Namesakes {
    a: Arc<Table>,
    b: Arc<Table>,
    none: Arc<Table>,
}

#[async_trait]
impl Resolve for Namesakes {
    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, QueryError> {
        Ok(match reference {
            "a" => Some(Resolved::Table(Arc::clone(&self.a))),
            "b" => Some(Resolved::Table(Arc::clone(&self.b))),
            "none" => Some(Resolved::Table(Arc::clone(&self.none))),
            _ => None,
        })
    }
}

/// Returns the answer over `a(g, v)`, `b(g, v)` and `none(g, v)`, as `1,2;3,4`.
fn of_namesakes(sql: &str) -> Result<String, QueryError> {
    let blocks = Arc::new(MemBlocks::new());
    let table = |g: Vec<i64>, v: Vec<Option<i64>>| {
        let (g, v) = (Arc::new(Int64Array::from(g)), Arc::new(Int64Array::from(v)));
        table_of(&blocks, &[batch_of(vec![("g", g), ("v", v)])])
    };
    let tables = Namesakes {
        a: table(vec![1, 2, 3], vec![Some(10), Some(20), None]),
        b: table(vec![1, 2, 4], vec![Some(10), Some(99), Some(5)]),
        none: table(vec![], vec![]),
    };
    let go_on: GoOn = Arc::new(|| Ok(()));
    let engine = engine_over(&blocks);
    let rows = collect(now(engine.sql(sql, &Params::default(), &tables, &go_on))?);
    let cell = |column: usize, row| array_value_to_string(rows.column(column), row).unwrap();
    let line = |row| {
        let cells: Vec<String> = (0..rows.num_columns()).map(|column| cell(column, row)).collect();
        cells.join(",")
    };
    Ok((0..rows.num_rows()).map(line).collect::<Vec<_>>().join(";"))
}

#[test]
fn conditions_hold_for_the_columns_that_they_name() {
    for (sql, expected) in [
        ("SELECT count(*) FROM a RIGHT JOIN b ON a.g = b.g WHERE b.v = a.v OR b.v = 7", "1"),
        ("SELECT count(*) FROM a FULL JOIN b ON a.g = b.g WHERE b.v = a.v OR b.v = 99", "2"),
        (
            "SELECT b.v, a.g FROM a RIGHT JOIN b ON a.g = b.g WHERE NULLIF(a.v, 11) <= 50 ORDER BY 1",
            "10,1;99,2",
        ),
        (
            "SELECT count(*) FROM (SELECT a.v, b.v AS w, b.g FROM a LEFT JOIN b ON a.g = b.g) x \
             JOIN b ON x.g = b.g",
            "2",
        ),
        (
            "SELECT a.g, b.g FROM a LEFT JOIN b ON a.g = b.g AND b.v > 10 \
             JOIN (SELECT g FROM a WHERE v IS NULL) c ON c.g = a.g",
            "3,",
        ),
    ] {
        assert_eq!(of_namesakes(sql).unwrap(), expected, "{sql}");
    }
}

#[test]
fn types_are_those_of_all_branches() {
    for (sql, expected) in [
        ("SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x", "1.0;2.5"),
        (
            "SELECT CASE WHEN g < 2 THEN 1 ELSE 4294967296 END FROM a ORDER BY 1",
            "1;4294967296;4294967296",
        ),
        ("SELECT NULL AS x UNION ALL SELECT 'x' ORDER BY x", "x;"),
        ("SELECT 1 AS x UNION ALL SELECT 'a' ORDER BY x", "1;a"),
        ("SELECT coalesce(v, 0.5) FROM a ORDER BY g", "10.0;20.0;0.5"),
    ] {
        assert_eq!(of_namesakes(sql).unwrap(), expected, "{sql}");
    }
}

#[test]
fn scans_without_parts_are_scans() {
    for (sql, expected) in [
        ("SELECT v FROM a WHERE g > 100 ORDER BY v LIMIT 3", ""),
        ("SELECT v FROM none WHERE v = 7 ORDER BY g", ""),
        ("SELECT v FROM a WHERE g > 100 UNION ALL SELECT v FROM b WHERE v = 5 ORDER BY v", "5"),
        ("SELECT count(*) FROM a WHERE g NOT IN (SELECT g FROM none WHERE v > 100)", "3"),
        ("SELECT rank() OVER (ORDER BY v) FROM a WHERE g > 100", ""),
        ("SELECT count(*), sum(v) FROM none", "0,"),
    ] {
        assert_eq!(of_namesakes(sql).unwrap(), expected, "{sql}");
    }
}

#[test]
fn a_statement_has_a_time() {
    assert_eq!(of_namesakes("SELECT now() = current_timestamp").unwrap(), "true");
    assert_eq!(of_namesakes("SELECT now() > TIMESTAMPTZ '2020-01-01T00:00:00Z'").unwrap(), "true");
    let utc = "SELECT CAST(TIMESTAMPTZ '2024-06-01T14:00:00+02:00' AS TEXT)";
    assert_eq!(of_namesakes(utc).unwrap(), "2024-06-01T12:00:00Z");
}

#[test]
fn orders_by_what_is_computed_are_orders() {
    for (sql, expected) in [
        ("SELECT g FROM b ORDER BY abs(v) > 50, g", "1;4;2"),
        ("SELECT g FROM b ORDER BY -abs(v)", "2;1;4"),
        ("SELECT g FROM b ORDER BY v % 7 < 3, g DESC", "4;1;2"),
        ("SELECT g, rank() OVER (ORDER BY abs(v) > 50) FROM b ORDER BY g", "1,1;2,3;4,1"),
        (
            "SELECT g FROM (SELECT * FROM a UNION ALL SELECT * FROM b) ORDER BY -g, v NULLS LAST",
            "4;3;2;2;1;1",
        ),
    ] {
        assert_eq!(of_namesakes(sql).unwrap(), expected, "{sql}");
    }
}

#[test]
fn hints_do_not_ask_what_the_statement_keeps_from_them() {
    for (sql, expected) in [
        ("SELECT v FROM a WHERE v <> 0 ORDER BY 1000 / v LIMIT 2", "20;10"),
        ("SELECT g FROM a WHERE g <> 2 ORDER BY 100 / (g - 2) LIMIT 1", "1"),
        (
            "SELECT count(*) FROM (SELECT g FROM a WHERE g <> 2) x JOIN b ON 100 / (x.g - 2) = b.v * 10",
            "1",
        ),
    ] {
        assert_eq!(of_namesakes(sql).unwrap(), expected, "{sql}");
    }
}

//! Statements that nest: deeper than the stack of a thread, were they read as they come. Each is
//! refused before that; the end of the stack would be the end of the process.

use cidlake::ErrorKind::Invalid;

use super::Target;
use crate::run;

/// How often an opening and its closing are written.
const DEPTH: usize = 10_000;

/// What nests: before, opening, innermost, closing, behind.
const NESTED: [[&str; 5]; 35] = [
    ["SELECT ", "(", "1", ")", ""],
    ["SELECT 1 WHERE ", "(", "true", ")", ""],
    ["SELECT ", "abs(", "1", ")", ""],
    ["SELECT ", "CAST(", "1", " AS INT)", ""],
    ["SELECT ", "CASE WHEN true THEN ", "1", " END", ""],
    ["SELECT ", "CASE WHEN ", "true", " THEN true END", ""],
    ["SELECT ", "CASE ", "1", " WHEN 1 THEN 1 END", ""],
    ["SELECT ", "coalesce(NULL, ", "1", ")", ""],
    ["SELECT ", "[", "1", "]", ""],
    ["SELECT ", "ARRAY[", "1", "]", ""],
    ["SELECT ", "{'a': ", "1", "}", ""],
    ["SELECT ", "MAP {'a': ", "1", "}", ""],
    ["SELECT ", "named_struct('a', ", "1", ")", ""],
    ["SELECT ", "NOT ", "true", "", ""],
    ["SELECT ", "- ", "1", "", ""],
    ["SELECT ", "+ ", "1", "", ""],
    ["SELECT ", "~ ", "1", "", ""],
    ["SELECT ", "INTERVAL ", "'1'", "", " DAY"],
    ["SELECT ", "(SELECT ", "1", ")", ""],
    ["SELECT ", "EXISTS (SELECT ", "1", ")", ""],
    ["SELECT 1 FROM ", "(SELECT 1 FROM ", "t", ")", ""],
    ["SELECT 1 FROM ", "(", "t", ")", ""],
    ["SELECT 1 FROM ", "(t JOIN ", "t", " ON true)", ""],
    ["", "(", "SELECT 1", ")", ""],
    ["", "WITH x AS (", "SELECT 1", ") SELECT 1", ""],
    ["", "EXPLAIN ", "SELECT 1", "", ""],
    ["", "PREPARE p AS ", "SELECT 1", "", ""],
    ["SELECT CAST(NULL AS ", "ARRAY<", "INT", ">", ")"],
    ["SELECT CAST(NULL AS ", "STRUCT<a ", "INT", ">", ")"],
    ["SELECT CAST(NULL AS ", "Nullable(", "INT", ")", ")"],
    ["SELECT CAST(NULL AS ", "LowCardinality(", "INT", ")", ")"],
    ["SELECT CAST(NULL AS ", "Tuple(a ", "INT", ")", ")"],
    ["SELECT CAST(NULL AS ", "Map(INT, ", "INT", ")", ")"],
    ["SELECT * FROM t MATCH_RECOGNIZE (PATTERN (", "(", "a", ")", ") DEFINE a AS true)"],
    [
        "SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (",
        "NESTED PATH '$' COLUMNS (",
        "a INT PATH '$'",
        ")",
        "))",
    ],
];

/// What goes on and on: before, what is repeated, behind.
const CHAINED: [[&str; 3]; 28] = [
    ["SELECT 1 WHERE true", " AND true", ""],
    ["SELECT 1 WHERE true", " OR n = 1", " AND true"],
    ["SELECT 1", " + 1", ""],
    ["SELECT 'a'", " || 'a'", ""],
    ["SELECT n", "::INT", " FROM t"],
    ["SELECT n", " IS NULL", " FROM t"],
    ["SELECT n", " IN (1)", " FROM t"],
    ["SELECT n", " BETWEEN 1 AND 2", " FROM t"],
    ["SELECT s", " LIKE 'a'", " FROM t"],
    ["SELECT s", " COLLATE x", " FROM t"],
    ["SELECT s", "[1]", " FROM t"],
    ["SELECT s", ".a", " FROM t"],
    ["SELECT now()", " AT TIME ZONE 'UTC'", ""],
    ["SELECT CASE", " WHEN n = 1 THEN 1", " END FROM t"],
    ["SELECT 1", " UNION SELECT 1", ""],
    ["SELECT 1", " UNION ALL SELECT 1", ""],
    ["SELECT 1", " INTERSECT SELECT 1", ""],
    ["SELECT 1", " EXCEPT ALL SELECT 1", ""],
    ["VALUES (1)", " UNION ALL VALUES (1)", ""],
    ["TABLE t", " UNION TABLE t", ""],
    ["SELECT 1 FROM t", ", t", ""],
    ["SELECT 1 FROM t", " CROSS JOIN t", ""],
    ["SELECT 1 FROM t", " NATURAL JOIN t", ""],
    ["SELECT 1 FROM t AS a", " JOIN t USING (n)", ""],
    ["WITH x AS (SELECT 1)", ", x AS (SELECT 1)", " SELECT 1"],
    ["SELECT * FROM t", " PIVOT (sum(n) FOR s IN ('a'))", ""],
    ["SELECT * FROM t", " UNPIVOT (v FOR k IN (n))", ""],
    ["SELECT INTERVAL '1' DAY", " + INTERVAL '1' DAY", ""],
];

#[test]
fn what_nests_too_deep_is_refused() {
    run(async {
        let target = Target::new().await;
        for [before, open, inner, close, behind] in NESTED {
            let (open, close) = (open.repeat(DEPTH), close.repeat(DEPTH));
            target.refused(&format!("{before}{open}{inner}{close}{behind}"), &[Invalid]).await;
        }
    });
}

#[test]
fn what_is_not_closed_is_refused() {
    run(async {
        let target = Target::new().await;
        for [before, open, inner, _, _] in NESTED {
            target.refused(&format!("{before}{}{inner}", open.repeat(DEPTH)), &[Invalid]).await;
        }
        for open in
            ["(", "[", "{", "/*", "'", "\"", "$$", "CASE ", "SELECT ", "(SELECT ", "EXPLAIN "]
        {
            target.refused(&open.repeat(DEPTH), &[Invalid]).await;
            target.refused(&format!("SELECT {}", open.repeat(DEPTH + 1)), &[Invalid]).await;
        }
    });
}

#[test]
fn a_mistake_within_is_found_at_once() {
    run(async {
        let target = Target::new().await;
        for [before, open, inner, close, behind] in NESTED {
            for mistake in ["1 1", "END", "'"] {
                let (open, close) = (open.repeat(40), close.repeat(40));
                let sql = format!("{before}{open}{inner} {mistake}{close}{behind}");
                target.refused(&sql, &[Invalid]).await;
            }
        }
    });
}

#[test]
fn chains_that_are_too_long_are_refused() {
    run(async {
        let target = Target::new().await;
        for [before, more, behind] in CHAINED {
            target.refused(&format!("{before}{}{behind}", more.repeat(5000)), &[Invalid]).await;
        }
    });
}

#[test]
fn conditions_nest_no_deeper_either() {
    run(async {
        let target = Target::new().await;
        for [before, open, inner, close, behind] in NESTED {
            let Some(before) = before.strip_prefix("SELECT ") else { continue };
            if before.contains("FROM") {
                continue;
            }
            let (open, close) = (open.repeat(DEPTH), close.repeat(DEPTH));
            let before = before.strip_prefix("1 WHERE ").unwrap_or(before);
            let condition = format!("({before}{open}{inner}{close}{behind}) IS NOT NULL");
            target.refused(&format!("DELETE FROM t WHERE {condition}"), &[Invalid]).await;
            target
                .refused(&format!("INSERT INTO t SELECT 1, 'x' WHERE {condition}"), &[Invalid])
                .await;
        }
    });
}

#[test]
fn what_people_write_is_not_too_deep() {
    run(async {
        let target = Target::new().await;
        for (sql, expected) in [
            (format!("SELECT {}1{}", "(".repeat(20), ")".repeat(20)), "1"),
            (format!("SELECT 0{}", " + 1".repeat(300)), "300"),
            (format!("SELECT count(*) FROM t WHERE n = 0{}", " OR n = 2".repeat(190)), "1"),
            (format!("SELECT count(*) FROM (SELECT 1{})", " UNION ALL SELECT 1".repeat(70)), "71"),
            (format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(10), " END".repeat(10)), "1"),
        ] {
            assert_eq!(target.ask(&sql).await.unwrap(), expected, "{}", super::beginning(&sql));
        }
    });
}

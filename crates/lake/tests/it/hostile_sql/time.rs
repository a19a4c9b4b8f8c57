//! Statements that would run for ever, or for days: stopped when their time or their memory is
//! over.

use cidlake::ErrorKind::{Internal, Invalid, NotFound, Unavailable};

use super::Target;
use crate::run;

/// 8 000 000 000 000 rows.
const WIDE: &str = "(SELECT a.n FROM many a, many b, many c)";

#[test]
fn joins_without_end_are_stopped() {
    run(async {
        let target = Target::new().await;
        for sql in [
            "SELECT count(*) FROM many a, many b, many c WHERE a.n + b.n + c.n < 0",
            "SELECT sum(a.n * b.n) FROM many a, many b, many c, many d",
            "SELECT count(*) FROM many a JOIN many b USING (k) JOIN many c USING (k)",
            "SELECT count(*) FROM many a JOIN many b ON a.k = b.k AND a.n < -b.n, many c",
            "SELECT count(*) FROM many a LEFT JOIN many b ON a.n < b.n, many c",
            "SELECT count(*) FROM many a FULL JOIN many b ON a.n <> b.n, many c",
            "SELECT a.n FROM many a, many b, many c ORDER BY a.n + b.n + c.n DESC LIMIT 1",
            "SELECT a.n, b.n, c.n, count(*) FROM many a, many b, many c GROUP BY 1, 2, 3",
            "SELECT count(DISTINCT a.n * 20000 + b.n) FROM many a, many b, many c",
            "SELECT 1 FROM many a, many b, many c OFFSET 7999999999999",
        ] {
            target.refused(sql, &[Unavailable]).await;
        }
    });
}

#[test]
fn subqueries_of_every_row_are_stopped() {
    run(async {
        let target = Target::new().await;
        for sql in [
            format!("SELECT n FROM t WHERE n = (SELECT sum(n % 7) FROM {WIDE})"),
            format!(
                "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM {WIDE} w WHERE w.n < -t.n)"
            ),
            format!("SELECT (SELECT count(*) FROM {WIDE} w WHERE w.n = t.n) FROM t"),
            format!("SELECT n FROM {WIDE} EXCEPT SELECT n FROM {WIDE}"),
            format!("SELECT sum(n) OVER (ORDER BY n) FROM {WIDE}"),
            format!("INSERT INTO t SELECT n, 'x' FROM {WIDE}"),
            format!("CREATE TABLE u AS SELECT sum(n % 7) AS c FROM {WIDE}"),
            format!("EXPLAIN ANALYZE SELECT sum(n % 7) FROM {WIDE}"),
        ] {
            target.refused(&sql, &[Unavailable]).await;
        }
    });
}

#[test]
fn a_join_that_has_no_memory_left_says_so() {
    run(async {
        let target = Target::new().await;
        let made = "(SELECT n FROM unnest(range(20000)) AS u(n))";
        let sql =
            format!("SELECT count(*) FROM {made} a, {made} b, {made} c WHERE a.n < -b.n - c.n");
        // The engine may fail on itself when its memory is over: that is an error like any other.
        for _ in 0..3 {
            target.refused(&sql, &[Unavailable, Internal]).await;
        }
    });
}

#[test]
fn recursion_without_end_is_stopped() {
    run(async {
        let target = Target::new().await;
        for (first, union, next) in [
            ("SELECT 1", "UNION ALL", "SELECT n + 1 FROM x"),
            ("SELECT 1", "UNION", "SELECT n + 1 FROM x"),
            ("SELECT 1", "UNION ALL", "SELECT n FROM x"),
            ("SELECT 1", "UNION ALL", "SELECT n FROM x WHERE n > 0"),
            ("SELECT 1", "UNION ALL", "SELECT x.n + t.n FROM x, t"),
            ("SELECT n FROM t", "UNION ALL", "SELECT x.n FROM x JOIN t ON true"),
        ] {
            let sql =
                format!("WITH RECURSIVE x(n) AS ({first} {union} {next}) SELECT sum(n) FROM x");
            target.refused(&sql, &[Unavailable]).await;
        }
        // What has no end may not have a meaning either.
        for (first, next) in [
            ("SELECT n FROM x", "SELECT n FROM x"),
            ("SELECT n FROM y", "SELECT n FROM x"),
            ("SELECT 1", "SELECT a.n + b.n FROM x a, x b"),
        ] {
            let sql = format!("WITH RECURSIVE x(n) AS ({first} UNION ALL {next}) SELECT n FROM x");
            target.refused(&sql, &[Invalid, NotFound, Unavailable]).await;
        }
    });
}

#[test]
fn a_text_that_doubles_without_end_is_stopped() {
    run(async {
        let target = Target::patient().await;
        let sql = "WITH RECURSIVE x(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM x) \
                   SELECT max(length(s)) FROM x";
        target.refused(sql, &[Invalid, Unavailable]).await;
    });
}

#[test]
fn patterns_do_not_explode() {
    run(async {
        let target = Target::new().await;
        let text = "a".repeat(30_000);
        for pattern in
            ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*)(.*)(.*)(.*)(.*)x", "^(([a-z])+.)+[A-Z]"]
        {
            target.bounded(&format!("SELECT '{text}!' ~ '{pattern}'")).await;
            target.bounded(&format!("SELECT regexp_replace('{text}!', '{pattern}', 'b')")).await;
        }
        for pattern in ["a{1000}{1000}{1000}", "(((a{100}){100}){100}){100}", "\\w{1000000}"] {
            target.refused(&format!("SELECT 'a' ~ '{pattern}'"), &[Invalid]).await;
            target.refused(&format!("SELECT s ~ '{pattern}' FROM t"), &[Invalid]).await;
        }
        let deep = format!("SELECT 'a' ~ '{}a{}'", "(".repeat(10_000), ")".repeat(10_000));
        target.refused(&deep, &[Invalid]).await;
        target.bounded(&format!("SELECT '{text}' LIKE '{}b'", "%a".repeat(1000))).await;
    });
}

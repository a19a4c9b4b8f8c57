//! Tests of parsing under limits.

use super::{Parsed, QueryError};
use crate::params::Params;

const DEPTH: usize = 50;

fn parse(sql: &str, depth_max: usize) -> Result<Parsed, QueryError> {
    super::parse(sql, depth_max, &Params::default())
}

/// What makes a deep tree: a beginning, what is repeated, an end.
const CHAINS: [(&str, &str, &str); 12] = [
    ("SELECT 1", " + 1", ""),
    ("SELECT 1 WHERE true", " OR x = 1", ""),
    ("SELECT 1", "::INT", ""),
    ("SELECT x", "[1]", ""),
    ("SELECT (x)", ".a", ""),
    ("SELECT x", " IS NULL", ""),
    ("SELECT x", " AT TIME ZONE 'UTC'", ""),
    ("SELECT 1", " + (1 + 1)", ""),
    ("SELECT 1", " UNION ALL SELECT 1", ""),
    ("SELECT 1 FROM t", " CROSS JOIN t", ""),
    ("SELECT 1 FROM t", ", t", ""),
    ("", "EXPLAIN ", "SELECT 1"),
];

#[test]
fn chains_that_the_stack_would_not_bear_are_refused() {
    for (first, more, last) in CHAINS {
        let long = format!("{first}{}{last}", more.repeat(10_000));
        let error = parse(&long, DEPTH).unwrap_err();
        assert!(error.to_string().contains("more than"), "{more}: {error}");
    }
}

#[test]
fn what_people_write_is_parsed() {
    for (first, more, last) in CHAINS {
        let short = format!("{first}{}{last}", more.repeat(3));
        assert!(parse(&short, DEPTH).is_ok(), "{short}");
    }
    let many = "-1, a.b + c.d, 'x'::TEXT, ".repeat(5000);
    assert!(parse(&format!("SELECT 1 FROM a.b WHERE x IN ({many} 0)"), DEPTH).is_ok());
    let names = "t.a, u.b, ".repeat(500);
    assert!(parse(&format!("SELECT {names} u.c FROM t"), DEPTH).is_ok());
}

#[test]
fn a_statement_may_hold_a_long_value_but_not_a_longer_one() {
    let text = "x".repeat(1 << 20);
    assert!(parse(&format!("SELECT length('{text}')"), DEPTH).is_ok());
    for sql in [format!("SELECT '{text}{text}'"), "1,".repeat(1 << 20)] {
        let error = parse(&sql, DEPTH).unwrap_err().to_string();
        assert!(error.contains("are the most"), "{error}");
    }
}

#[test]
fn rows_that_are_equal_are_not_counted() {
    for sql in [
        "SELECT 1 EXCEPT ALL SELECT 2",
        "SELECT 1 intersect /* */ all SELECT 2",
        "SELECT 1 WHERE 1 IN (SELECT 1 EXCEPT ALL SELECT 2)",
        "WITH x AS (SELECT 1 INTERSECT ALL SELECT 2) SELECT * FROM x",
        "INSERT INTO t SELECT 1 EXCEPT ALL SELECT 2",
        "EXPLAIN SELECT 1 MINUS ALL SELECT 2",
    ] {
        let error = parse(sql, DEPTH).unwrap_err().to_string();
        assert!(error.contains(" ALL, which counts"), "{sql}: {error}");
    }
    for sql in [
        "SELECT 1 EXCEPT SELECT 2",
        "SELECT 1 INTERSECT DISTINCT SELECT 2",
        "SELECT 1 UNION ALL SELECT 2",
        "SELECT \"except\" AS \"all\" FROM t",
    ] {
        assert!(parse(sql, DEPTH).is_ok(), "{sql}");
    }
}

#[test]
fn no_function_has_a_long_name() {
    let name = "x".repeat(300);
    let error = parse(&format!("SELECT \"{name}\" (1)"), DEPTH).unwrap_err().to_string();
    assert!(error.contains("no function"), "{error}");
    assert!(parse(&format!("SELECT \"{name}\" FROM t"), DEPTH).is_ok());
}

#[test]
fn one_statement_a_call() {
    assert!(parse("SELECT 1;", DEPTH).is_ok());
    for wrong in ["", "SELECT 1; SELECT 2", "SELEC 1", "SELECT 'a"] {
        assert!(parse(wrong, DEPTH).is_err(), "{wrong}");
    }
}

#[test]
fn what_would_be_answered_wrongly_is_refused() {
    let refused = [
        "SELECT id FROM a FULL JOIN b USING (id)",
        "SELECT id FROM a RIGHT JOIN b USING (id)",
        "SELECT * FROM a NATURAL FULL JOIN b",
        "WITH w AS (SELECT 1 UNION SELECT id FROM a RIGHT OUTER JOIN b USING (id)) SELECT * FROM w",
        "SELECT * FROM a WHERE id IN (SELECT id FROM a FULL OUTER JOIN b USING (id))",
        "EXPLAIN SELECT id FROM a FULL JOIN b USING (id)",
        "SELECT * FROM t WHERE n > ANY (SELECT n FROM t)",
        "SELECT * FROM t WHERE n >= ALL (SELECT n FROM t)",
    ];
    for sql in refused {
        let error = parse(sql, DEPTH).unwrap_err();
        assert!(matches!(error, QueryError::Sql { .. }), "{sql}: {error}");
    }
    let answered = [
        "SELECT id FROM a JOIN b USING (id)",
        "SELECT id FROM a LEFT JOIN b USING (id)",
        "SELECT * FROM a NATURAL JOIN b",
        "SELECT a.id FROM a FULL JOIN b ON a.id = b.id",
        "SELECT * FROM t WHERE n = ANY ([1, 2])",
    ];
    for sql in answered {
        assert!(parse(sql, DEPTH).is_ok(), "{sql}");
    }
}

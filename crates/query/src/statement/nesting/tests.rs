//! Tests of what nests too deep, or is read too often.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::{OPEN_MAX, check};

/// What nests: an opening, what is innermost, a closing.
const NESTED: [(&str, &str, &str); 48] = [
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{'a': ", "1", "}"),
    ("abs(", "1", ")"),
    ("Nullable(", "INT", ")"),
    ("LowCardinality(", "INT", ")"),
    ("Tuple(a ", "INT", ")"),
    ("Map(INT, ", "INT", ")"),
    ("Nested(a ", "INT", ")"),
    ("TABLE(a ", "INT", ")"),
    ("ARRAY<", "INT", ">"),
    ("STRUCT<a ", "INT", ">"),
    ("(", "a", ")"),
    ("NESTED PATH '$' COLUMNS (", "a INT PATH '$'", ")"),
    ("INTERVAL ", "'1'", ""),
    ("INTERVAL - ", "'1'", ""),
    ("INTERVAL (", "'1'", ")"),
    ("INTERVAL abs(", "'1'", ")"),
    ("CAST(", "1", " AS INT)"),
    ("TRY_CAST(", "1", " AS INT)"),
    ("SAFE_CAST(", "1", " AS INT)"),
    ("CONVERT(", "1", ", INT)"),
    ("ARRAY[", "1", "]"),
    ("NOT (", "true", ")"),
    ("CASE (", "1", ") WHEN 1 THEN 1 END"),
    ("NOT - ", "true", ""),
    ("NOT - a + (", "true", ")"),
    ("NOT (a) = (", "true", ")"),
    ("NOT - a BETWEEN 1 AND (", "true", ")"),
    ("NOT IN (", "true", ")"),
    ("a AND NOT LIKE (", "true", ")"),
    ("CASE WHEN a THEN ", "1", " END"),
    ("CASE WHEN a THEN 1 + ", "1", " END"),
    ("CASE WHEN a THEN b ELSE ", "1", " END"),
    ("CASE WHEN ", "true", " THEN true END"),
    ("CASE - (", "1", ") WHEN 1 THEN 1 END"),
    ("CASE ", "1", " WHEN 1 THEN 1 END"),
    ("EXTRACT(DAY FROM ", "x", ")"),
    ("FLOOR(", "1", ")"),
    ("SUBSTRING(", "x", " FROM 1)"),
    ("OVERLAY(", "x", " PLACING 'a' FROM 1)"),
    ("POSITION('a' IN ", "x", ")"),
    ("position(1) OVER (ORDER BY ", "x", ")"),
    ("abs(CAST(", "1", " AS INT))"),
    ("x.", "x", ""),
    ("x.a[", "1", "]"),
    ("((SELECT * FROM ", "t", ") a JOIN b ON true)"),
    ("(((FROM ", "t", ") a JOIN b ON true) JOIN c ON true)"),
];

fn nests(sql: &str) -> Result<(), String> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap();
    let spoken: Vec<&Token> =
        tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    check(&spoken).map_err(|error| error.to_string())
}

#[test]
fn what_would_end_the_stack_or_take_for_ever_is_refused() {
    for (open, inner, close) in NESTED {
        for depth in [OPEN_MAX + 1, 10_000] {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            for sql in [format!("{open}{inner}{close}"), format!("{open}{inner}"), open] {
                let said = nests(&sql).unwrap_err();
                assert!(said.contains("nest") && said.contains("deep"), "{said}");
            }
        }
    }
}

#[test]
fn what_people_write_is_let_through() {
    for (open, inner, close) in NESTED {
        let sql = format!("SELECT {}{inner}{}", open.repeat(8), close.repeat(8));
        assert_eq!(nests(&sql), Ok(()), "{sql}");
    }
    let numbers = "123, ".repeat(100_000);
    for sql in [
        format!("SELECT {}1{}", "(".repeat(60), ")".repeat(60)),
        format!("SELECT 1 WHERE true{}", " AND a.b.c < 5".repeat(399)),
        format!("SELECT 1 WHERE true{}", " AND array < 5".repeat(399)),
        format!("SELECT 1 WHERE true{}", " AND NOT (a = 1 OR b BETWEEN 1 AND 2)".repeat(190)),
        format!("SELECT 1 WHERE true{}", " AND date NOT IN (1, 2)".repeat(190)),
        format!("SELECT {}1{}", "CASE WHEN a THEN 1 ELSE ".repeat(60), " END".repeat(60)),
        format!("SELECT {} 1", "CASE WHEN a THEN (b) END, ".repeat(10_000)),
        format!("SELECT 1 WHERE NOT (CAST(n AS INT) IN ({numbers} 1))"),
        format!("SELECT {}x{}", "replace(".repeat(50), ", 'a', 'b')".repeat(50)),
        format!("SELECT {}x{}", "CAST(".repeat(15), " AS INT)".repeat(15)),
        format!("SELECT {} 1", "t.a, CAST(u.b AS INT) AS x, ".repeat(20_000)),
        format!("VALUES {} (1)", "(CAST('2026-01-31' AS DATE), ARRAY[1]), ".repeat(20_000)),
        format!("SELECT now(){}", " + INTERVAL '1' DAY".repeat(399)),
        format!("SELECT 1{}", " UNION ALL ((SELECT 1))".repeat(149)),
    ] {
        let beginning: String = sql.chars().take(60).collect();
        assert_eq!(nests(&sql), Ok(()), "{beginning}");
    }
}

#[test]
fn what_is_read_again_counts_with_all_that_it_holds() {
    let casts = |depth: usize, values: usize| {
        format!(
            "SELECT {}f({} 1){}",
            "CAST(".repeat(depth),
            "1, ".repeat(values),
            " AS INT)".repeat(depth)
        )
    };
    assert_eq!(nests(&casts(2, 100_000)), Ok(()));
    assert!(nests(&casts(6, 100_000)).is_err());
    assert!(nests(&casts(25, 1)).is_err());
}

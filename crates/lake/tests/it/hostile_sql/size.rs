//! Values, texts and counts without measure: refused, or within the memory of a statement.

use cidlake::ErrorKind::{Invalid, NotFound, Unavailable, Usage};

use super::Target;
use crate::run;

#[test]
fn a_function_makes_no_value_beyond_memory() {
    run(async {
        let target = Target::new().await;
        for sql in [
            "SELECT length(repeat('x', 1000000000))",
            "SELECT length(repeat('x', 9223372036854775807))",
            "SELECT length(repeat(s, 1000000000)) FROM t",
            "SELECT length(repeat(repeat('x', 100000), 100000))",
            "SELECT length(lpad('x', 2000000000, 'ab'))",
            "SELECT length(rpad(s, 2000000000)) FROM t",
            "SELECT length(lpad(s, 9223372036854775807)) FROM t",
            "SELECT array_length(range(1000000000))",
            "SELECT array_length(range(1000000000000))",
            "SELECT array_length(range(n * 1000000000)) FROM t",
            "SELECT array_length(generate_series(1, 1000000000000))",
            "SELECT array_length(generate_series(-9223372036854775807, 9223372036854775807))",
            "SELECT count(*) FROM unnest(generate_series(1, 1000000000000)) AS u(n)",
            "SELECT count(*) FROM t, LATERAL generate_series(1, 1000000000000) AS g",
            "SELECT array_length(array_repeat(1, 1000000000))",
            "SELECT array_length(array_repeat(array_repeat(n, 100000), 100000)) FROM t",
            "SELECT array_length(array_resize([1], 1000000000, 0))",
            "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
            "SELECT length(regexp_replace(repeat('x', 100000), 'x', repeat('y', 100000), 'g'))",
            "SELECT length(translate(repeat('x', 1000000000), 'x', 'y'))",
            "SELECT array_length(string_to_array(repeat(',', 1000000000), ','))",
            "SELECT length(array_to_string(range(1000000000), ','))",
            "INSERT INTO t SELECT 1, repeat('x', 1000000000)",
            "CREATE TABLE u AS SELECT repeat('x', 2000000000) AS s",
            "DELETE FROM t WHERE s = repeat('x', 1000000000)",
        ] {
            target.refused(sql, &[Invalid, Unavailable]).await;
        }
    });
}

#[test]
fn aggregates_hold_no_more_than_memory() {
    run(async {
        let target = Target::new().await;
        let many = "unnest(range(3000000)) AS a(n)";
        for sql in [
            format!("SELECT array_length(array_agg(repeat('x', 1000) || n)) FROM {many}"),
            format!("SELECT length(string_agg(repeat('x', 1000), ',')) FROM {many}"),
            format!("SELECT count(DISTINCT repeat('x', 100) || n) FROM {many}"),
        ] {
            target.refused(&sql, &[Unavailable]).await;
        }
    });
}

#[test]
fn limits_and_offsets_may_be_huge() {
    run(async {
        let target = Target::new().await;
        let most = i64::MAX;
        for (sql, expected) in [
            (format!("SELECT n FROM t ORDER BY n LIMIT {most}"), "1;2;3"),
            (format!("SELECT n FROM t ORDER BY n LIMIT {most} OFFSET 1"), "2;3"),
            (format!("SELECT n FROM t OFFSET {most}"), ""),
            (format!("SELECT n FROM t LIMIT {most} OFFSET {most}"), ""),
            (format!("SELECT lag(n, {most}) OVER (ORDER BY n) FROM t LIMIT 1"), "null"),
            (format!("SELECT substr(s, {most}) FROM t LIMIT 1"), ""),
            (format!("SELECT left(s, {most}) FROM t ORDER BY n LIMIT 1"), "a"),
        ] {
            assert_eq!(target.ask(&sql).await.unwrap(), expected, "{sql}");
        }
        let sum = "SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN 9223372036854775807 PRECEDING AND \
                   9223372036854775807 FOLLOWING) FROM t";
        assert_eq!(target.ask(sum).await.unwrap(), "6;6;6");
        for sql in [
            "SELECT n FROM t LIMIT -1",
            "SELECT n FROM t OFFSET -1",
            "SELECT n FROM t LIMIT 99999999999999999999999",
            "SELECT n FROM t LIMIT 1e300",
            "SELECT n FROM t LIMIT (SELECT 1)",
        ] {
            target.refused(sql, &[Invalid]).await;
        }
    });
}

/// Names that no dataset, column or function has.
const NAMES: [&str; 31] = [
    "a\0b",
    "t\0",
    "",
    " ",
    "t ",
    "T",
    "t;",
    "\"\"",
    "''",
    "t'",
    "t/*",
    "../t",
    "t~-1",
    "t~99999999999999999999",
    "t@",
    "t@\0",
    "~1",
    "@x",
    "t~1~1",
    ".",
    "..",
    "t.",
    ".t",
    "\u{202e}t",
    "t\u{200b}",
    "\u{1f4a9}",
    "%s%n",
    "$(id)",
    "`t`",
    "t\n",
    "function.at('t', '~0')",
];

/// Uses a name wherever there may be one.
async fn no_name(target: &Target, name: &str) {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let text = name.replace('\'', "''");
    for sql in [
        format!("SELECT * FROM {quoted}"),
        format!("SELECT * FROM {quoted}.t"),
        format!("SELECT * FROM main.{quoted}"),
        format!("SELECT {quoted} FROM t"),
        format!("SELECT t.{quoted} FROM t"),
        format!("SELECT {quoted}(n) FROM t"),
        format!("SELECT * FROM {quoted}('t')"),
        format!("SELECT * FROM at('{text}', '~0')"),
        format!("SELECT * FROM at('t', '{text}')"),
        format!("SELECT * FROM history('{text}')"),
        format!("INSERT INTO {quoted} VALUES (1, 'a')"),
        format!("INSERT INTO t ({quoted}) VALUES (1)"),
        format!("DELETE FROM {quoted} WHERE true"),
        format!("DELETE FROM t WHERE {quoted} = 1"),
        format!("CREATE TABLE {quoted} AS SELECT 1 AS n"),
    ] {
        target.refused(&sql, &[Invalid, NotFound, Usage]).await;
    }
}

#[test]
fn names_may_be_anything_and_find_nothing() {
    run(async {
        let target = Target::new().await;
        for name in NAMES {
            no_name(&target, name).await;
        }
    });
}

#[test]
fn a_name_may_be_long() {
    run(async {
        let target = Target::new().await;
        for name in ["x".repeat(65), "x".repeat(1 << 20), "t.".repeat(1 << 19)] {
            no_name(&target, &name).await;
        }
    });
}

#[test]
fn a_statement_may_be_long() {
    run(async {
        let target = Target::patient().await;
        let text = "x".repeat(1 << 20);
        assert_eq!(target.ask(&format!("SELECT length('{text}')")).await.unwrap(), "1048576");
        assert_eq!(target.ask(&format!("SELECT 1 /* {text} */")).await.unwrap(), "1");
        assert_eq!(target.ask(&format!("SELECT 1 -- {text}")).await.unwrap(), "1");
        let text = text.repeat(16);
        for sql in [
            format!("SELECT length('{text}')"),
            format!("SELECT 1 /* {text} */"),
            format!("SELECT 1 -- {text}"),
            format!("SELECT 1{}", " ".repeat(16 << 20)),
            format!("SELECT {}", "9".repeat(16 << 20)),
        ] {
            target.bounded(&sql).await;
        }
        for sql in [
            format!("SELECT {text} FROM t"),
            format!("SELECT * FROM \"{text}\""),
            format!("SELECT '{text}"),
            format!("SELECT 1 /* {text}"),
            text.clone(),
        ] {
            target.refused(&sql, &[Invalid, NotFound]).await;
        }
    });
}

#[test]
fn lists_of_values_may_be_long() {
    run(async {
        let target = Target::patient().await;
        let numbers: Vec<String> = (2..100_002).map(|number| number.to_string()).collect();
        let numbers = numbers.join(",");
        for (sql, expected) in [
            (format!("SELECT count(*) FROM t WHERE n IN ({numbers})"), "2"),
            (format!("SELECT count(*) FROM t WHERE n NOT IN ({numbers})"), "1"),
        ] {
            assert_eq!(target.ask(&sql).await.unwrap(), expected);
        }
        for sql in [
            format!("SELECT count(*) FROM (VALUES {} (1))", "(1),".repeat(20_000)),
            format!("SELECT array_length([{numbers}])"),
            format!("SELECT {} 1 FROM t", "n,".repeat(2000)),
            format!("SELECT concat({} '') FROM t", "s,".repeat(10_000)),
        ] {
            target.bounded(&sql).await;
        }
    });
}

#[test]
fn a_statement_of_millions_of_words_is_refused() {
    run(async {
        let target = Target::new().await;
        for word in ["1,", "n,", "(1),", "''||", "a.b,"] {
            let sql = format!("SELECT {}1", word.repeat((16 << 20) / word.len()));
            target.refused(&sql, &[Invalid, Unavailable]).await;
        }
    });
}

//! Tests of numbering placeholders and of the types of values.

use arrow::datatypes::{DataType, TimeUnit};
use serde_json::json;

use super::*;
use crate::statement::parse;

fn params(values: &[&str]) -> Params {
    let mut params = Params::default();
    values.iter().for_each(|value| params.push_text(value).unwrap());
    params
}

#[test]
fn values_are_json_where_they_read_as_such() {
    let read = params(&["5", "2.5", "true", "null", "01234", "\"5\"", "a=1", "b=x y", "x y=1"]);
    let text = |text: &str| Param::Text(text.to_owned());
    let positional = [
        Param::Int(5),
        Param::Float(2.5),
        Param::Bool(true),
        Param::Null,
        text("01234"),
        text("5"),
        text("x y=1"),
    ];
    assert_eq!(read.positional, positional);
    let named = [("a".to_owned(), Param::Int(1)), ("b".to_owned(), text("x y"))];
    assert_eq!(read.named, named.into_iter().collect());
    assert!(Params::default().push_text("[1]").is_err());
    assert!(params(&["a=1"]).push_text("a=2").is_err());
    let typed = Params::from_json(&json!([{"date": "2026-01-31"}, 18446744073709551615_u64]));
    let expected =
        [Param::Date("2026-01-31".into()), Param::Decimal("18446744073709551615".into())];
    assert_eq!(typed.unwrap().positional, expected);
    for wrong in [json!(5), json!([[1]]), json!({"a": {"b": "c"}}), json!([{"date": 5}])] {
        assert!(Params::from_json(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_placeholder_has_a_value_and_every_value_a_placeholder() {
    let number = |sql: &str, values: &[&str]| parse(sql, 50, &params(values));
    for (sql, values, count) in [
        ("SELECT 1", &[][..], 0),
        ("SELECT $1, $2, $1", &["a", "b"], 2),
        ("SELECT ?, ?", &["a", "b"], 2),
        ("SELECT $x, $1, $y", &["y=1", "5", "x=2"], 3),
        ("SELECT '$1', \"?\" -- $2", &[], 0),
    ] {
        assert_eq!(number(sql, values).unwrap().bound.len(), count, "{sql}");
    }
    for (sql, values, said) in [
        ("SELECT $1", &[][..], "parameter $1: it has no value"),
        ("SELECT $2", &["a"], "parameter $2: it has no value"),
        ("SELECT $x", &["y=1"], "parameter $x: it has no value"),
        ("SELECT ?, ?", &["a"], "parameter ? number 2: it has no value"),
        ("SELECT $1", &["a", "b"], "parameter $2: it has a value"),
        ("SELECT $2", &["a", "b"], "parameter $1: it has a value"),
        ("SELECT 1", &["x=1"], "parameter $x: it has a value"),
        ("SELECT ?, $1", &["a"], "parameter ?"),
        ("SELECT $0", &["a"], "numbers go from 1"),
        ("SELECT $99999999999999999999999", &["a"], "numbers go from 1"),
        ("SELECT ?1", &["a"], "parameter ?1"),
    ] {
        let error = number(sql, values).unwrap_err().to_string();
        assert!(error.contains(said), "{sql}: {error}");
    }
}

#[test]
fn values_stay_what_they_are_or_are_refused() {
    let text = |text: &str| Param::Text(text.to_owned());
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    for (value, kind) in [
        (Param::Null, DataType::Int32),
        (Param::Int(5), DataType::Int8),
        (Param::Int(5), DataType::Float64),
        (Param::Float(5.0), DataType::Int64),
        (Param::Float(5.5), DataType::Decimal128(10, 2)),
        (text("a"), DataType::Utf8View),
        (text("12.50"), DataType::Decimal128(10, 2)),
        (text("2026-01-31"), DataType::Date32),
        (text("2026-01-31T12:00:00"), micros.clone()),
        (Param::Date("2026-01-31".into()), micros),
        (Param::Decimal("1.5".into()), DataType::Float64),
    ] {
        assert!(value.scalar(Some(&kind)).is_ok(), "{value:?} as {kind}");
    }
    for (value, kind) in [
        (text("abc"), DataType::Int64),
        (text("yesterday"), DataType::Date32),
        (text("1.5.0"), DataType::Decimal128(10, 2)),
        (Param::Int(5), DataType::Utf8View),
        (Param::Int(5), DataType::Date32),
        (Param::Float(5.5), DataType::Int64),
        (Param::Bool(true), DataType::Int64),
        (Param::Bool(true), DataType::Utf8),
        (Param::Date("31.1.2026".into()), DataType::Date32),
        (Param::Decimal("1e5".into()), DataType::Float64),
    ] {
        assert!(value.scalar(Some(&kind)).is_err(), "{value:?} as {kind}");
    }
    let exact = Param::Decimal("-0.10".into()).scalar(None).unwrap();
    assert_eq!(exact, ScalarValue::Decimal128(Some(-10), 3, 2));
}

//! Tests of JSON and NDJSON: types, nesting, and text that is wrong.

use arrow::array::*;
use arrow::datatypes::*;
use proptest::prelude::*;

use crate::format::Format;
use crate::ingest::tests::{complaint, ingest, table};

fn kind_of(values: &[&str]) -> DataType {
    let rows: String = values.iter().map(|value| format!("{{\"a\":{value}}}\n")).collect();
    table(Format::Ndjson, &rows).schema().field(0).data_type().clone()
}

fn list_of(kind: DataType) -> DataType {
    DataType::new_list(kind, true)
}

#[test]
fn columns_get_the_narrowest_type_that_keeps_every_value() {
    let point = |kind| DataType::Struct(vec![Field::new("x", kind, true)].into());
    let cases: [(&[&str], DataType); 22] = [
        (&["null"], DataType::Null),
        (&["true", "null"], DataType::Boolean),
        (&["1", "-2"], DataType::Int64),
        (&["18446744073709551615"], DataType::UInt64),
        (&["18446744073709551616", "-1"], DataType::Decimal128(38, 0)),
        (&["123456789012345678901234567890123456789"], DataType::Utf8),
        (&["1", "2.5"], DataType::Float64),
        (&["-0"], DataType::Float64),
        (&["9007199254740993", "2.5"], DataType::Decimal128(38, 1)),
        (&["9007199254740993", "1e3"], DataType::Utf8),
        (&["1e400"], DataType::Utf8),
        (&["\"x\"", "null"], DataType::Utf8),
        (&["\"2024-01-01\""], DataType::Utf8),
        (&["\"x\"", "1", "true"], DataType::Utf8),
        (&["true", "1"], DataType::Utf8),
        (&["[]"], list_of(DataType::Null)),
        (&["[]", "[1,null]", "[2.5]"], list_of(DataType::Float64)),
        (&["[[1],[]]"], list_of(list_of(DataType::Int64))),
        (&["{\"x\":1}", "null"], point(DataType::Int64)),
        (&["{\"x\":1}", "{\"x\":\"y\"}"], point(DataType::Utf8)),
        (&["[{\"x\":1}]"], list_of(point(DataType::Int64))),
        (&["{\"x\":null}", "{}"], point(DataType::Null)),
    ];
    for (values, expected) in cases {
        assert_eq!(kind_of(values), expected, "{values:?}");
    }
}

#[test]
fn every_value_is_there() {
    let rows = r#"{"u":18446744073709551615,"m":"x","d":0.5,"big":1e400,"n":{"a":[1,null]}}
        {"m":12345678901234567890.5,"d":9007199254740993,"u":1,"big":123,"n":{"b":"\ud834\udd1e\n"}}
        {"m":false}"#;
    let batch = table(Format::Ndjson, rows);
    let schema = batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["u", "m", "d", "big", "n"], "in the order of appearance");
    assert_eq!(batch["u"].as_primitive::<UInt64Type>().value(0), u64::MAX);
    let mixed: Vec<Option<&str>> = batch["m"].as_string::<i32>().iter().collect();
    assert_eq!(mixed, [Some("x"), Some("12345678901234567890.5"), Some("false")]);
    let decimals = batch["d"].as_primitive::<Decimal128Type>();
    assert_eq!(decimals.value_as_string(1), "9007199254740993.0");
    assert_eq!(batch["big"].as_string::<i32>().value(0), "1e400");
    let inside = batch["n"].as_struct();
    let text = inside.column_by_name("b").unwrap();
    assert_eq!(text.as_string::<i32>().value(1), "𝄞\n");
    assert!(batch["u"].is_null(2) && inside.is_null(2));
}

#[test]
fn arrays_and_lines_are_the_same_table() {
    let array = table(Format::Json, "\u{feff} [ {\"a\": \"]}\\\"\\\\\"} ,\n{\"a\":\"{\"}\n] \n");
    let lines = table(Format::Ndjson, "\u{feff}{\"a\": \"]}\\\"\\\\\"}\r\n\r\n{\"a\":\"{\"}");
    assert_eq!(array, lines);
    assert_eq!(array["a"].as_string::<i32>().value(0), "]}\"\\");
}

#[test]
fn types_are_found_over_the_whole_file() {
    let mut text = String::new();
    for row in 0..20_000 {
        text.push_str(&format!("{{\"a\":{row}}}\n"));
    }
    text.push_str("{\"b\":1,\"a\":\"x\"}\n");
    let batch = table(Format::Ndjson, &text);
    assert_eq!((batch.num_rows(), batch.num_columns()), (20_001, 2));
    assert_eq!(batch["a"].as_string::<i32>().value(19_999), "19999");
}

#[test]
fn malformed_files_name_the_line() {
    let lines: [(&str, &str); 14] = [
        ("{\"a\":1}\n{\"a\":1\n{\"a\":2}\n", "line 2"),
        ("{\"a\":1}\n\n[1]\n", "line 3"),
        ("{\"a\":1} {\"a\":2}\n", "line 1"),
        ("{\"a\":1,}\n", "line 1: expected a key in quotes, found '}'"),
        ("{\"a\" 1}\n", "a colon"),
        ("{\"a\":1,\"a\":2}\n", "twice"),
        ("{\"a\":01}\n", "01 is no number"),
        ("{\"a\":\"\t\"}\n", "control character"),
        ("{\"a\":\"\\x\"}\n{\"\\x\":1}\n", "escape"),
        ("{\"a\":1}\n{\"a\":[1]}\n", "`a` is a number on line 1 and a list on line 2"),
        (
            "{\"a\":{\"b\":[{}]}}\n{\"a\":{\"b\":[\"x\"]}}\n",
            "`a.b` is text on line 2 and an object on line 1",
        ),
        ("{}\n", "no columns"),
        ("[{\"a\":1}]\n", "its format is json"),
        ("\n\n", "no columns"),
    ];
    for (text, expected) in lines {
        let message = complaint(Format::Ndjson, text);
        assert!(message.contains(expected), "{message}");
    }
    let arrays: [(&str, &str); 12] = [
        ("[{\"a\":1},\n{\"a\":1", "cut short"),
        ("[{\"a\":1},\n{\"a\":1]", "line 2: expected a comma or a closing brace"),
        ("[{\"a\":1}", "closing bracket is missing"),
        ("[{\"a\":1}\n{\"a\":2}]", "line 2: a comma"),
        ("[{\"a\":1},]", "no object"),
        ("[1]", "no object"),
        ("[]", "no columns"),
        ("[{\"a\":1}] x", "behind the end"),
        ("{\"a\":1}", "ndjson"),
        ("\"a\"", "no JSON array"),
        ("[{\"a\":1},\n\n{\"a\" 2}]", "line 3: expected a colon"),
        (" ", "the file is empty"),
    ];
    for (text, expected) in arrays {
        let message = complaint(Format::Json, text);
        assert!(message.contains(expected), "{message}");
    }
    assert!(complaint(Format::Ndjson, b"{\"a\":\"\xff\"}".as_slice()).contains("UTF-8"));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(complaint(Format::Ndjson, deep).contains("deeper"));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-c\"é]{0,2}", inner, 0..4)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever an array holds is read or refused in one piece, and both layouts agree.
    #[test]
    fn any_json_is_read_or_refused(rows in prop::collection::vec(prop::collection::hash_map("[a-b]", json(), 1..3), 1..5)) {
        let objects: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
        let lines = ingest(Format::Ndjson, objects.join("\n").as_bytes());
        let array = ingest(Format::Json, format!("[{}]", objects.join(",")).as_bytes());
        match (lines, array) {
            (Ok((_, lines)), Ok((_, array))) => {
                prop_assert_eq!(lines[0].num_rows(), rows.len());
                prop_assert_eq!(format!("{lines:?}"), format!("{array:?}"));
            }
            (Err(_), Err(_)) => {}
            (lines, array) => prop_assert!(false, "{lines:?} but {array:?}"),
        }
    }

    #[test]
    fn damaged_text_never_panics(at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let good = br#"[{"a":1,"b":[true,null],"c":{"d":"x\u00e9\n"}},{"a":-2.5e3,"c":null}]"#;
        let mut bad = good.to_vec();
        let at = at % bad.len();
        bad[at] = byte;
        for format in [Format::Json, Format::Ndjson, Format::Csv] {
            let _ = ingest(format, &bad);
            let _ = ingest(format, &good[..cut % good.len()]);
        }
    }
}

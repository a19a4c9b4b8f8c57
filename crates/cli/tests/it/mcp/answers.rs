//! Answers are as long as they may be, say when they are cut, and lose no digit.

use serde_json::{Value, json};

use super::client::Place;

#[test]
fn a_cut_answer_says_so_and_how_to_go_on() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let rows: Value = (0..1_000).map(|n| json!({"n": n})).collect();
    client.store("numbers", &rows);
    let sql = "SELECT n FROM numbers ORDER BY n";
    let table = [
        (json!({}), 100, Some("rows"), 100),
        (json!({"limit": 999}), 999, Some("rows"), 999),
        (json!({"limit": 1000}), 1_000, None, 1_000),
        (json!({"limit": 10_000}), 1_000, None, 10_000),
    ];
    for (mut arguments, rows, cut, cap) in table {
        arguments["sql"] = sql.into();
        let answer = client.good("parquet_query_datasets", arguments);
        assert_eq!((&answer["num_rows"], &answer["row_cap"]), (&json!(rows), &json!(cap)));
        assert_eq!(answer["data"].as_array().unwrap().len(), rows);
        assert_eq!(answer["truncated"], cut.is_some());
        assert_eq!(answer["truncated_by"].as_str(), cut);
    }

    let (mut offset, mut seen) = (json!(0), Vec::new());
    while !offset.is_null() {
        let arguments = json!({"cid": "numbers", "limit": 333, "offset": offset});
        let answer = client.good("parquet_retrieve_dataframe", arguments);
        assert_eq!(answer["total_rows"], 1_000);
        assert_eq!(answer["truncated"], answer["next_offset"].is_u64());
        seen.extend(answer["data"].as_array().unwrap().iter().map(|row| row["n"].clone()));
        offset = answer["next_offset"].clone();
    }
    assert_eq!(seen, (0..1_000).map(Value::from).collect::<Vec<_>>());
    client.close();
}

#[test]
fn long_rows_are_cut_by_their_bytes() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let rows: Value = (0..50).map(|n| json!({"n": n, "text": "x".repeat(2_000)})).collect();
    client.store("wide", &rows);
    for format in ["json", "csv"] {
        let arguments = json!({"sql": "SELECT * FROM wide", "format": format});
        let answer = client.good("parquet_query_datasets", arguments);
        assert_eq!((&answer["num_rows"], &answer["truncated_by"]), (&json!(16), &json!("bytes")));
        let data =
            answer["data"].as_str().map_or_else(|| answer["data"].to_string(), str::to_owned);
        assert!(data.len() <= 33 << 10, "{format}: {}", data.len());
    }
    let all = json!({"sql": "SELECT * FROM wide", "limit": 50});
    assert_eq!(client.good("parquet_query_datasets", all)["num_rows"], 50);

    let huge = json!({"sql": "SELECT repeat('x', 2000000) AS text"});
    let (failed, answer) = client.call("parquet_query_datasets", huge);
    assert!(failed && answer["error"].as_str().unwrap().contains("one row has"), "{answer}");
    client.close();
}

#[test]
fn every_value_arrives_exactly() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let table = [
        ("9007199254740991", json!(9_007_199_254_740_991_i64), "Int64"),
        ("9007199254740993", json!("9007199254740993"), "Int64"),
        ("-9223372036854775807 - 1", json!("-9223372036854775808"), "Int64"),
        (
            "CAST('123456789012345678.90' AS DECIMAL(20, 2))",
            json!("123456789012345678.90"),
            "Decimal128(20, 2)",
        ),
        ("CAST('NaN' AS DOUBLE)", json!("NaN"), "Float64"),
        ("CAST('-inf' AS DOUBLE)", json!("-Infinity"), "Float64"),
        ("CAST(0.5 AS DOUBLE)", json!(0.5), "Float64"),
        ("DATE '2026-01-31'", json!("2026-01-31"), "Date32"),
        ("true", json!(true), "Boolean"),
        ("'ünï \"quoted\"'", json!("ünï \"quoted\""), "Utf8"),
        ("CAST(NULL AS BIGINT)", Value::Null, "Int64"),
    ];
    for (expression, value, kind) in table {
        let arguments = json!({"sql": format!("SELECT {expression} AS v")});
        let answer = client.good("parquet_query_datasets", arguments);
        assert_eq!(answer["data"], json!([{"v": value}]), "{expression}");
        assert_eq!(answer["columns"][0]["type"], kind, "{expression}");
    }
    let moment = json!({"sql": "SELECT TIMESTAMP '2026-01-31T12:30:00' AS v"});
    let answer = client.good("parquet_query_datasets", moment);
    assert_eq!(answer["data"], json!([{"v": "2026-01-31T12:30:00"}]));
    assert!(answer["columns"][0]["type"].as_str().unwrap().starts_with("Timestamp"));

    let data = r#"[{"id": 9007199254740993, "at": "2026-01-31T12:30:00Z"}]"#;
    let stored = json!({"data": data, "format": "json", "name": "exact"});
    client.good("parquet_store_dataframe", stored);
    let answer = client.good("parquet_retrieve_dataframe", json!({"cid": "exact"}));
    assert_eq!(answer["data"][0]["id"], "9007199254740993");
    assert_eq!(answer["data"][0]["at"], "2026-01-31T12:30:00Z");
    client.close();
}

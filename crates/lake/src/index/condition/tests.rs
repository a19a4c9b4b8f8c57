//! Tests of conditions: what is read as what, and which versions fit.

use cidlake_query::arrow::array::AsArray as _;
use serde_json::json;

use super::*;
use crate::index::rows::{CommitRow, Standing, commits_batch};

fn row(dataset: &str, rows: u64) -> (CommitRow, Standing) {
    let text = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let row = CommitRow {
        dataset: dataset.to_owned(),
        commit: "bafyreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq".to_owned(),
        cid: "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e".to_owned(),
        parent: None,
        depth: 0,
        time_ms: 1_767_225_600_000,
        operation: "create".to_owned(),
        author: "me".to_owned(),
        message: None,
        rows,
        bytes: 10 * rows,
        parts: 1,
        columns: text(&["id", "city"]),
        types: text(&["Int64", "Utf8"]),
        key_columns: text(&["id"]),
        partition_columns: Vec::new(),
        metadata: vec![("source".to_owned(), "user_db".to_owned())],
        logical_hash: None,
    };
    (row, Standing { newest: true, conflict: false, tags: text(&["v1"]) })
}

fn fitting(condition: &FindCondition) -> Vec<String> {
    let rows = [row("people", 10), row("sales.orders", 2_000), row("empty", 0)];
    let commits = commits_batch(&rows).unwrap();
    let mask = condition.mask(&commits).unwrap();
    let names = commits["dataset"].as_string::<i32>();
    (0..commits.num_rows())
        .filter(|row| mask.value(*row))
        .map(|row| names.value(row).to_owned())
        .collect()
}

#[test]
fn a_condition_fits_the_versions_that_it_says() {
    let all = ["people", "sales.orders", "empty"].as_slice();
    let table: [(&str, &[&str]); 37] = [
        ("rows > 5", &["people", "sales.orders"]),
        ("rows>=2_000", &["sales.orders"]),
        ("rows in 0, 10", &["people", "empty"]),
        ("rows != 10", &["sales.orders", "empty"]),
        ("bytes < 1000", &["people", "empty"]),
        ("size = 20000", &["sales.orders"]),
        ("columns = 2", all),
        ("name = people", &["people"]),
        ("name = main.people", &["people"]),
        ("name == orders", &[]),
        ("name starts_with sales", &["sales.orders"]),
        ("name starts_with emp", &["empty"]),
        ("name ends_with s", &["sales.orders"]),
        ("name contains p", &["people", "empty"]),
        ("name != main.people", &["sales.orders", "empty"]),
        ("people", &["people"]),
        ("namespace = sales", &["sales.orders"]),
        ("time >= 2026-01-01", all),
        ("time < 2026-01-01T00:00:00Z", &[]),
        ("column = city", all),
        ("column contains cit", all),
        ("column != city", &[]),
        ("column in [id, name]", all),
        ("type = Int64", all),
        ("type starts_with Float", &[]),
        ("key is_not_null", all),
        ("partition is_null", all),
        ("tag = v1", all),
        ("tag is null", &[]),
        ("message is_null", all),
        ("message = x", &[]),
        ("metadata = source", all),
        ("metadata.source = 'user_db'", all),
        ("metadata.owner is_null", all),
        ("metadata.source contains db", all),
        ("operation IN create,append", all),
        ("bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", all),
    ];
    for (text, expected) in table {
        let condition =
            FindCondition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(fitting(&condition), expected, "{text}");
    }
}

#[test]
fn a_list_says_the_same_as_a_text() {
    for (text, list) in [
        ("rows > 5", json!(["rows", ">", 5])),
        ("name in a,b", json!(["name", "in", ["a", "b"]])),
        ("message is_null", json!(["message", "is_null"])),
        ("message is_null", json!(["message", "=", null])),
        ("message is_not_null", json!(["message", "!=", null])),
        ("tag = v1", json!(["tag", "==", "v1"])),
    ] {
        let (text, list) = (FindCondition::parse(text), FindCondition::from_json(&list));
        assert_eq!(text.unwrap(), list.unwrap());
    }
}

#[test]
fn what_cannot_be_understood_is_refused_with_a_hint() {
    for text in [
        "",
        "rows",
        "rows >",
        "rows > many",
        "rows contains 1",
        "colour = red",
        "time > soon",
        "rows ~ 1",
        "message is_null x",
        "cid = nonsense",
        "rows > -",
    ] {
        let parsed = FindCondition::parse(text);
        // A word alone is looked for in names.
        if text == "rows" {
            assert!(parsed.is_ok());
            continue;
        }
        let error = parsed.unwrap_err();
        assert!(error.hint().is_some() || text.starts_with("cid"), "{text}: {error}");
    }
    for list in [
        json!("rows > 1"),
        json!(["rows"]),
        json!(["rows", ">"]),
        json!(["rows", "~", 1]),
        json!(["rows", "in", 1]),
        json!(["rows", ">", [1]]),
        json!(["message", "is_null", 1]),
    ] {
        assert!(FindCondition::from_json(&list).is_err(), "{list}");
    }
}

#[test]
fn an_address_is_one_however_it_is_written() {
    let cid = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    let other = cidlake_block::format_cid(
        &cidlake_block::parse_cid(cid).unwrap(),
        cidlake_block::Base::B58,
    )
    .unwrap();
    let condition = FindCondition::parse(&format!("cid = {other}")).unwrap();
    assert_eq!(condition.address(), Some(cid));
    assert_eq!(FindCondition::parse(&format!("commit = {cid}")).unwrap().address(), None);
}

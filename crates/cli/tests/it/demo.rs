//! The demo does what it says, and leaves the user's own things alone.

use serde_json::json;

use crate::{Place, exists, text};

const SMALL: [&str; 3] = ["demo", "--scale", "0.001"];

#[test]
fn the_demo_reports_every_step_and_leaves_nothing() {
    let place = Place::new();
    let report = place.json(&SMALL);
    let tables = report["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 8);
    // Row counts of the specification at this scale.
    for (name, rows) in
        [("demo.region", 5), ("demo.nation", 25), ("demo.customer", 150), ("demo.orders", 1500)]
    {
        let table = tables.iter().find(|table| table["name"] == name).unwrap();
        assert_eq!(table["rows"], rows, "{name}");
        assert!(text(table, "cid").starts_with("baf"), "{table}");
    }
    assert_eq!(report["queries"].as_array().unwrap().len(), 3);
    assert_eq!(report["queries"][0]["rows"], 4, "TPC-H 1 has four groups");
    assert!(report["reads"][0]["rows"].as_u64() > Some(0));
    assert_eq!(
        (&report["again"]["new_bytes"], &report["again"]["same_cid"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(
        (&report["check"]["success"], &report["check"]["damage"]),
        (&json!(true), &json!(0))
    );

    assert_eq!(place.names("tmp"), Vec::<String>::new(), "the temporary lake is gone");
    assert!(!exists(&place.path("lake")) && !exists(&place.path("key")), "nothing of the user's");
}

#[test]
fn a_kept_lake_can_be_asked_afterwards() {
    let place = Place::new();
    let report = place.json(&[&SMALL[..], &["--keep"]].concat());
    let lake = text(&report, "lake");
    let query = "SELECT count(*) AS n FROM demo.nation";
    assert_eq!(place.json(&["--lake", lake, "sql", query]), json!([{"n": 25}]));
    assert!(!exists(&place.path("key")), "the kept lake has a key of its own");
}

#[test]
fn a_named_lake_is_used_and_the_report_has_rows() {
    let place = Place::new();
    let csv = place.good(&[&["--lake", "play", "--format", "csv"][..], &SMALL].concat());
    // A line of names, eight tables, three queries, two reads, one store again and one check.
    assert_eq!(csv.lines().count(), 1 + 8 + 3 + 2 + 1 + 1, "{csv}");
    assert_eq!(place.json(&["--lake", "play", "datasets"]).as_array().unwrap().len(), 8);
    let people = place.good(&[&["--lake", "play", "--format", "table"][..], &SMALL].concat());
    assert!(people.contains("demo.lineitem") && people.contains("the lake is whole"), "{people}");
}

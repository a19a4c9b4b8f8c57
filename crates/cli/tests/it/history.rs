//! Versions, as the command line says them: the log, tags, and old versions that become the newest.

use serde_json::json;

use crate::{Place, text};

/// A place whose dataset `people` has three versions: of 3, 4 and 5 rows.
fn with_versions() -> Place {
    let place = Place::with_people();
    for (file, row) in [("more.csv", "4,Dora,Oslo"), ("last.csv", "5,Eve,Rome")] {
        place.write(file, format!("id,name,city\n{row}\n"));
        place.good(&["store", file, "--name", "people", "--append", "--message", file]);
    }
    place
}

#[test]
fn the_log_tells_of_each_version_and_how_to_go_on() {
    let place = with_versions();
    let log = place.json(&["log", "people"]);
    assert_eq!((&log["name"], &log["end"]), (&json!("people"), &json!("first")));
    let versions = log["versions"].as_array().unwrap();
    let told: Vec<_> = versions
        .iter()
        .map(|version| (version["rows"].clone(), version["rows_before"].clone()))
        .collect();
    assert_eq!(told, [(json!(5), json!(4)), (json!(4), json!(3)), (json!(3), json!(null))]);
    assert_eq!(versions[0]["message"], json!("last.csv"));
    assert_eq!(versions[2]["operation"], json!("create"));

    let page = place.json(&["log", "people", "-n", "2"]);
    assert_eq!((&page["end"], &page["next"]), (&json!("more"), &versions[2]["commit"]));
    let rest = place.json(&["log", "people", "--from", text(&page, "next")]);
    assert_eq!(rest["versions"].as_array().unwrap(), &versions[2..]);
    let oneline = place.good(&["log", "people", "--oneline", "--format", "table"]);
    assert!(oneline.contains("people~1") && oneline.contains("+1"), "{oneline}");
    let long = place.run(&["log", "people", "-n", "1", "--format", "table"]);
    assert!(long.stderr.contains("cidlake log people --from people@"), "{long:?}");
    place.bad(&["log", "people", "-n", "0"], 2);
    place.bad(&["log", "peple"], 3);
}

#[test]
fn tags_are_set_read_listed_moved_and_ended() {
    let place = with_versions();
    let set = place.json(&["tag", "people", "v1", "~2"]);
    assert_eq!((&set["unchanged"], &set["before"]), (&json!(false), &json!(null)));
    assert_eq!(place.json(&["get", "people@v1"]).as_array().unwrap().len(), 3);
    let rows = place.json(&["sql", "SELECT count(*) AS n FROM \"people@v1\""]);
    assert_eq!(rows, json!([{"n": 3}]));
    assert_eq!(place.json(&["show", "people@v1"])["tags"], json!(["v1"]));
    assert_eq!(place.json(&["log", "people"])["versions"][2]["tags"], json!(["v1"]));
    assert_eq!(place.json(&["tag", "people", "v1", "people~2"])["unchanged"], json!(true));

    let error = place.bad(&["tag", "people", "v1"], 1);
    assert!(error.contains("people@v1") && error.contains("--force"), "{error}");
    let moved = place.json(&["tag", "people", "v1", "--force"]);
    assert_eq!(moved["before"], set["commit"]);
    let tags = place.json(&["tag", "people"]);
    assert_eq!((text(&tags[0], "tag"), &tags[0]["rows"]), ("v1", &json!(5)));
    let error = place.bad(&["get", "people@v2"], 3);
    assert!(error.contains("people@v1"), "it names what is near: {error}");

    place.good(&["tag", "people", "v1", "--delete"]);
    assert_eq!(place.json(&["tag", "people"]), json!([]));
    place.bad(&["tag", "people", "v1", "--delete"], 3);
    for wrong in ["V1", "2026", "latest", "bafoon", "a b"] {
        let error = place.bad(&["tag", "people", wrong], 2);
        assert!(error.contains("hint:"), "{error}");
    }
    place.bad(&["tag", "people", "--delete"], 2);
    place.bad(&["tag", "nosuch", "v1"], 3);
}

#[test]
fn an_old_version_is_the_newest_again() {
    let place = with_versions();
    let old = place.json(&["show", "people~2"]);
    let restored = place.json(&["restore", "people", "~2", "--message", "as it was"]);
    assert_eq!((&restored["cid"], &restored["from"]), (&old["cid"], &old["commit"]));
    assert_eq!((&restored["rows"], &restored["rows_before"]), (&json!(3), &json!(5)));
    assert_eq!(place.json(&["get", "people"]).as_array().unwrap().len(), 3);
    let newest = &place.json(&["log", "people"])["versions"][0];
    assert_eq!(
        (&newest["operation"], &newest["message"], &newest["depth"]),
        (&json!("restore"), &json!("as it was"), &json!(3))
    );
    assert_eq!(place.json(&["restore", "people", "~0"])["unchanged"], json!(true));
    place.bad(&["restore", "people", "~9"], 3);
    place.good(&["expire", "people", "--keep", "1"]);
    let error = place.bad(&["restore", "people", "~1"], 3);
    assert!(error.contains("expired"), "{error}");
}

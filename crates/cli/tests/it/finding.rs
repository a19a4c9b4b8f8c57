//! `cidlake find`: conditions, addresses, and what is no condition.

use serde_json::{Value, json};

use crate::{Place, text};

/// A place with two versions of `people` and a dataset of two columns.
fn with_shop() -> Place {
    let place = Place::with_people();
    place.write("more.csv", "id,name,city\n4,Dora,Oslo\n");
    place.good(&["store", "more.csv", "--name", "people", "--append"]);
    place.write("shop.csv", "id,price\n1,2.5\n");
    let words = ["--metadata", "source=shop"];
    place.good(&[&["store", "shop.csv", "--name", "sales.shop"][..], &words].concat());
    place
}

/// Returns the names of what fits.
fn names(place: &Place, conditions: &[&str]) -> Vec<String> {
    let found = place.json(&[&["find"][..], conditions].concat());
    found.as_array().unwrap().iter().map(|found| text(found, "name").to_owned()).collect()
}

#[test]
fn datasets_are_found_by_what_is_known_of_them() {
    let place = with_shop();
    let table: [(&[&str], &[&str]); 11] = [
        (&["peop"], &["people"]),
        (&["rows > 3"], &["people"]),
        (&["rows>=1", "columns = 2"], &["sales.shop"]),
        (&["column = city"], &["people"]),
        (&["namespace = sales"], &["sales.shop"]),
        (&["name in (people, sales.shop)"], &["people", "sales.shop"]),
        (&["metadata.source = shop"], &["sales.shop"]),
        (&["metadata.source is_null"], &["people"]),
        (&["operation = append"], &["people"]),
        (&["time < 2000-01-01"], &[]),
        (&["name starts_with s", "rows > 1"], &[]),
    ];
    for (conditions, expected) in table {
        assert_eq!(names(&place, conditions), expected, "{conditions:?}");
    }
    let found = place.json(&["find", "people"]);
    let found = &found[0];
    let shown = place.json(&["show", "people"]);
    for key in ["cid", "commit", "rows", "bytes", "operation"] {
        assert_eq!(found[key], shown[key], "{key}");
    }
    assert_eq!((text(found, "kind"), &found["newest"]), ("version", &json!(true)));
}

#[test]
fn older_versions_are_found_for_whoever_asks() {
    let place = with_shop();
    let all = place.json(&["find", "people", "--all-versions"]);
    let rows: Vec<&Value> = all.as_array().unwrap().iter().map(|found| &found["rows"]).collect();
    assert_eq!(rows, [&json!(4), &json!(3)], "the newest comes first: {all}");
    assert_eq!(all[1]["newest"], json!(false));
    let one = place.json(&["find", "people", "--all-versions", "-n", "1"]);
    assert_eq!(one, json!([all[0]]));
}

#[test]
fn an_address_alone_is_looked_for_everywhere() {
    let place = with_shop();
    let old = place.json(&["show", "people~1"]);
    let kinds = |cid: &str| -> Vec<String> {
        let found = place.json(&["find", cid]);
        found.as_array().unwrap().iter().map(|found| text(found, "kind").to_owned()).collect()
    };
    assert_eq!(kinds(text(&old, "commit")), ["version"]);
    assert!(kinds(text(&old, "cid")).contains(&"version".to_owned()));
    let part = text(&place.json(&["show", "people"])["parts"][0], "cid").to_owned();
    assert!(kinds(&part).contains(&"part".to_owned()));
    place.write("note.txt", "a note");
    let note = text(&place.json(&["add", "note.txt"]), "cid").to_owned();
    assert_eq!(kinds(&note), ["pin"]);
    let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    assert_eq!(kinds(absent), Vec::<String>::new());
}

#[test]
fn people_get_a_table_and_programs_rows() {
    let place = with_shop();
    let people = place.good(&["find", "people", "--format", "table"]);
    let mut lines = people.lines();
    let heads: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["name", "kind", "rows", "size", "time", "cid"]);
    assert!(lines.next().unwrap().starts_with("people  version     4  "), "{people}");
    assert_eq!(place.good(&["find", "nosuch", "--format", "table"]), "nothing fits\n");
    assert_eq!(place.json(&["find", "nosuch"]), json!([]));
    let csv = place.good(&["find", "nosuch", "--format", "csv"]);
    let columns = "kind,name,cid,commit,newest,rows,bytes,parts,columns,time,operation,tags\n";
    assert_eq!(csv, columns);
}

#[test]
fn what_is_no_condition_is_said_so() {
    let place = Place::with_people();
    let table: [(&[&str], i32, &str); 9] = [
        (&["find", "rows >"], 2, "has no value"),
        (&["find", "rows ~ 3"], 2, "starts_with"),
        (&["find", "nosuch = 1"], 2, "fields: name, namespace"),
        (&["find", "rows > many"], 2, "\"many\""),
        (&["find", "rows contains 1"], 2, "no text"),
        (&["find", "time > soon"], 2, "2026-01-31"),
        (&["find", "name is_null x"], 2, "nothing can follow"),
        (&["find", ""], 2, "nothing to look for"),
        (&["--lake", "nowhere", "find", "people"], 3, "nowhere"),
    ];
    for (arguments, code, words) in table {
        let error = place.bad(arguments, code);
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?} says {error}");
    }
    assert!(place.bad(&["find"], 2).contains("<CONDITION>"));
    assert!(place.bad(&["find", "people", "--limit", "0"], 2).contains("--limit"));
}

//! Rows that change, as the command line says it: `delete`, keys, `store --upsert`.

use serde_json::json;

use crate::{Place, text};

#[test]
fn rows_are_deleted_by_a_condition() {
    let place = Place::with_people();
    let before = place.json(&["show", "people"]);
    let dry = place.json(&["delete", "people", "--where", "id < 3", "--dry-run"]);
    assert_eq!((&dry["rows_deleted"], &dry["rows"]), (&json!(2), &json!(1)));
    assert_eq!((&dry["dry_run"], &dry["commit"]), (&json!(true), &before["commit"]));
    let none = place.json(&["delete", "people", "--where", "city = 'Oslo'"]);
    assert_eq!((&none["rows_deleted"], &none["new_bytes"]), (&json!(0), &json!(0)));
    assert_eq!(none["commit"], before["commit"]);
    // Bob has no city: it is not known to be another one.
    let done =
        place.json(&["delete", "people", "--where", "city <> 'London'", "-m", "Londoners only"]);
    assert_eq!((&done["rows_deleted"], &done["rows"]), (&json!(1), &json!(2)));
    assert_eq!((&done["parts_touched"], &done["parts_before"]), (&json!(1), &json!(1)));
    let newest = &place.json(&["log", "people"])["versions"][0];
    assert_eq!(
        (&newest["operation"], &newest["message"], &newest["rows_before"]),
        (&json!("delete"), &json!("Londoners only"), &json!(3))
    );
    let table = place.good(&["delete", "people", "--all", "--format", "table"]);
    assert!(table.contains("people lost 2 rows, 0 rows left"), "{table}");
    assert_eq!(place.json(&["get", "people"]), json!([]));

    place.bad(&["delete", "people"], 2);
    place.bad(&["delete", "people", "--all", "--where", "true"], 2);
    place.bad(&["delete", "people", "--where", "nosuch = 1"], 1);
    place.bad(&["delete", "peple", "--all"], 3);
}

#[test]
fn rows_are_put_in_by_their_keys() {
    let place = Place::with_people();
    place.write("changes.csv", "id,name,city\n2,Bob,Paris\n4,Dora,Oslo\n1,Ada,London\n");
    let store = ["store", "changes.csv", "--name", "people"];
    let upsert = [&store[..], &["--upsert"]].concat();
    let error = place.bad(&upsert, 2);
    assert!(error.contains("--key id"), "{error}");
    let done = place.json(&[&upsert[..], &["--key", "id"]].concat());
    let counts = ["rows_updated", "rows_inserted", "rows_unchanged", "rows"];
    assert_eq!(counts.map(|key| done[key].clone()), [json!(1), json!(1), json!(1), json!(4)]);
    assert_eq!((&done["key"], &done["parts_touched"]), (&json!(["id"]), &json!(1)));
    let names = place.json(&["get", "people", "--columns", "id,city"]);
    let ids: Vec<_> = names.as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), json!(3), json!(4)]);
    assert_eq!(text(&names[1], "city"), "Paris");
    assert_eq!(place.json(&["show", "people"])["key_columns"], json!(["id"]));

    let again = place.json(&upsert);
    assert_eq!((&again["rows_unchanged"], &again["new_bytes"]), (&json!(3), &json!(0)));
    let error = place.bad(&[&store[..], &["--append"]].concat(), 1);
    assert!(error.contains("key id = 1 of row 2") && error.contains("--upsert"), "{error}");
    let error = place.bad(&[&upsert[..], &["--key", "name"]].concat(), 1);
    assert!(error.contains("has the key id, and not name"), "{error}");
    place.bad(&[&upsert[..], &["--append"]].concat(), 2);
    place.bad(&[&upsert[..], &["--no-key"]].concat(), 2);
    place.good(&[&store[..], &["--no-key"]].concat());
    place.good(&[&store[..], &["--append"]].concat());
    let error = place.bad(&[&store[..], &["--key", "nam"]].concat(), 1);
    assert!(error.contains("`nam`") && error.contains("`name`"), "{error}");
}

//! Rows that change, as the command line says it: `delete`.

use serde_json::json;

use crate::Place;

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

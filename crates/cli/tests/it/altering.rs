//! `cidlake alter`, from the command line.

use serde_json::json;

use crate::Place;

#[test]
fn columns_keys_and_words_are_changed() {
    let place = Place::new();
    place.write("people.csv", "id,name\n1,ann\n2,bob\n");
    place.good(&["store", "people.csv", "--name", "people"]);
    let altered = place.json(&[
        "alter",
        "people",
        "--add",
        "score DOUBLE DEFAULT 1.5",
        "--rename",
        "name=full_name",
        "--key",
        "id",
        "--set",
        "source=crm",
        "-m",
        "scored",
    ]);
    assert_eq!((&altered["columns"], &altered["rows"]), (&json!(3), &json!(2)));
    let rows = place.json(&["get", "people"]);
    assert_eq!(rows[1], json!({"id": 2, "full_name": "bob", "score": 1.5}));
    let newest = &place.json(&["log", "people"])["versions"][0];
    assert_eq!((&newest["operation"], &newest["message"]), (&json!("alter"), &json!("scored")));
    assert_eq!(place.json(&["alter", "people", "--key", "id"])["unchanged"], json!(true));
    place.bad(&["alter", "people", "--drop", "id"], 2);
    place.bad(&["alter", "people", "--rename", "id"], 2);
    place.bad(&["alter", "people", "--key", "id", "--no-key"], 2);
    place.bad(&["alter", "nosuch", "--drop", "id"], 3);
}

//! Two versions beside each other, as the command line tells it.

use serde_json::json;

use crate::{PEOPLE, Place};

/// People of whom one moved, one went and one came.
const LATER: &str = "id,name,city\n1,Ada,Leeds\n2,Bob,\n4,Dora,Oslo Sentrum\n";

fn place() -> Place {
    let place = Place::with_people();
    place.write("later.csv", LATER);
    place.good(&["store", "later.csv", "--name", "people", "--metadata", "year=1850"]);
    place
}

#[test]
fn rows_are_compared_whole_or_by_a_key() {
    let place = place();
    let whole = place.json(&["diff", "people~1", "people"]);
    let counts = ["rows_removed", "rows_added", "rows_changed"].map(|key| whole[key].clone());
    assert_eq!(counts, [json!(2), json!(2), json!(0)]);
    assert_eq!((&whole["success"], &whole["same"]), (&json!(true), &json!(false)));
    assert_eq!(whole["metadata"], json!([{"word": "year", "before": null, "after": "1850"}]));
    assert_eq!(whole["removed"][0]["values"]["city"], json!("London"));

    let keyed = place.json(&["diff", "people~1", "people", "--key", "id"]);
    assert_eq!(keyed["columns_changed"], json!({"city": 1}));
    assert_eq!(
        keyed["changed"],
        json!([{"row_before": 0, "row_after": 0, "key": {"id": 1},
            "before": {"city": "London"}, "after": {"city": "Leeds"}}])
    );
    let stat = place.json(&["diff", "people~1", "people", "--stat"]);
    assert_eq!((&stat["rows_added"], &stat["added"]), (&json!(2), &json!([])));
}

#[test]
fn people_read_signs() {
    let place = place();
    let told = place.good(&["diff", "people~1", "people", "--key", "id", "--format", "table"]);
    assert_eq!(
        told,
        "people~1, 3 rows → people, 3 rows\n\
         + metadata year=1850\n\
         1 row removed, 1 added, 1 changed, by id\n\
         changed: city in 1 row\n\
         - id=3 name=Żółw city=Łódź\n\
         + id=4 name=Dora city=\"Oslo Sentrum\"\n\
         ~ id=1  city: London → Leeds\n"
    );
    let few = place.good(&["diff", "people~1", "people", "-n", "1", "--format", "table"]);
    assert!(few.ends_with("… and 2 rows more; --limit N shows more\n"), "{few}");
    let same = place.good(&["diff", "people", "people", "--format", "table"]);
    assert!(same.ends_with("nothing differs\n"), "{same}");
    let csv = place.good(&["diff", "people~1", "people", "--key", "id", "--format", "csv"]);
    assert!(
        csv.starts_with("what,change,name,before,after,count\nmetadata,added,year,,1850,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 5);
}

#[test]
fn columns_are_told_by_what_became_of_them() {
    let place = Place::with_people();
    place.good(&["alter", "people", "--add", "born DATE", "--drop", "city"]);
    let told = place.good(&["diff", "people~1", "people", "--format", "table"]);
    assert!(told.contains("- column city Utf8\n+ column born Date32\n"), "{told}");
}

#[test]
fn the_exit_code_tells_when_it_is_asked_for() {
    let place = place();
    let code = |arguments: &[&str]| place.run(&[&["diff"], arguments].concat()).code;
    assert_eq!(code(&["people~1", "people"]), Some(0));
    assert_eq!(code(&["people~1", "people", "--exit-code"]), Some(1));
    assert_eq!(code(&["people", "people", "--exit-code"]), Some(0));
    place.bad(&["diff", "people~9", "people"], 3);
    place.bad(&["diff", "people~1"], 2);
    place.bad(&["diff", "people~1", "people", "--key", "id", "--no-key"], 2);
    place.write("twice.csv", PEOPLE.replace("2,Bob", "1,Bob"));
    place.good(&["store", "twice.csv", "--name", "people"]);
    let error = place.bad(&["diff", "people~1", "people", "--key", "id"], 1);
    assert!(error.contains("people: key id = 1 occurs twice, in rows 0 and 1"), "{error}");
}

//! Arguments are taken as what they are, and whatever they are not is named.

use serde_json::{Value, json};

use super::Arguments;

const KNOWN: [&str; 3] = ["a", "b", "limit"];

fn arguments(values: Value) -> Result<Arguments, cidlake::Error> {
    Arguments::new("a_tool", values.as_object().cloned(), &KNOWN)
}

#[test]
fn what_is_given_is_taken() {
    let mut given = arguments(json!({"a": "x", "b": ["y", "z"], "limit": 7})).unwrap();
    assert_eq!(given.required_text("a").unwrap(), "x");
    assert_eq!(given.texts("b").unwrap().unwrap(), ["y", "z"]);
    assert_eq!(given.number("limit", 1..=10).unwrap(), Some(7));

    let mut left_out = arguments(json!({"a": null})).unwrap();
    assert_eq!(left_out.text("a").unwrap(), None);
    assert_eq!(left_out.flag("b").unwrap(), None);
    assert_eq!(left_out.choice("a", &["json"]).unwrap(), None);
    assert!(left_out.object("b").unwrap().is_none());
}

#[test]
fn what_is_wrong_is_named() {
    type Take = fn(&mut Arguments) -> Result<(), cidlake::Error>;
    let table: [(Value, Take, &str); 9] = [
        (json!({}), |given| given.required_text("a").map(drop), "a_tool needs the argument a"),
        (json!({"a": 1}), |given| given.text("a").map(drop), "a must be a text, not 1"),
        (
            json!({"limit": 11}),
            |given| given.number("limit", 1..=10).map(drop),
            "limit must be a whole number from 1 to 10, not 11",
        ),
        (
            json!({"limit": -1}),
            |given| given.number("limit", 0..=u64::MAX).map(drop),
            "limit must be a whole number from 0, not -1",
        ),
        (
            json!({"limit": "5"}),
            |given| given.number("limit", 1..=10).map(drop),
            "limit must be a whole number from 1 to 10, not a text",
        ),
        (
            json!({"b": "yes"}),
            |given| given.flag("b").map(drop),
            "b must be true or false, not a text",
        ),
        (
            json!({"b": ["y", 1]}),
            |given| given.texts("b").map(drop),
            "b must be a list of texts, not a list",
        ),
        (json!({"b": []}), |given| given.object("b").map(drop), "b must be an object, not a list"),
        (
            json!({"a": "xml"}),
            |given| given.choice("a", &["json", "csv"]).map(drop),
            "a cannot be \"xml\"",
        ),
    ];
    for (values, take, expected) in table {
        let mut given = arguments(values).unwrap();
        assert_eq!(take(&mut given).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_unknown_argument_is_refused_by_name() {
    let error = arguments(json!({"a": "x", "colums": []})).unwrap_err();
    assert_eq!(error.to_string(), "a_tool has no argument \"colums\"");
    assert_eq!(error.hint(), Some("a_tool takes a, b, limit"));
    let none = Arguments::new("a_tool", json!({"a": 1}).as_object().cloned(), &[]).unwrap_err();
    assert_eq!(none.hint(), Some("a_tool takes no arguments"));
}

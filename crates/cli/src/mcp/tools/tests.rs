//! What every tool tells of itself is complete, and plain enough for every client.

use serde_json::{Value, json};

use super::{FileWindow, ListWindow, Tool, offered};

/// Walks a schema and says what a strict client would not take.
fn complaints(schema: &Value, at: &str, found: &mut Vec<String>) {
    let Some(object) = schema.as_object() else {
        found.push(format!("{at} is no object"));
        return;
    };
    if object.get("type").is_some_and(|kind| !kind.is_string()) {
        found.push(format!("{at} has a list of types"));
    }
    if !object.contains_key("type") && !object.contains_key("anyOf") {
        found.push(format!("{at} has no type"));
    }
    if object.get("type") == Some(&json!("array")) && !object.contains_key("items") {
        found.push(format!("{at} is an array of anything"));
    }
    if let Some(items) = object.get("items") {
        complaints(items, &format!("{at}[]"), found);
    }
    for (index, branch) in
        object.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        complaints(branch, &format!("{at}|{index}"), found);
    }
    let properties = object.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        complaints(property, &format!("{at}.{name}"), found);
        if property.get("description").is_none() {
            found.push(format!("{at}.{name} is not described"));
        }
    }
}

#[test]
fn every_tool_is_told_completely() {
    let tools = offered(true);
    assert_eq!(tools.len(), 13);
    for tool in tools {
        let name = tool.name.to_string();
        let mut found = Vec::new();
        let input = Value::Object(tool.input_schema.as_ref().clone());
        complaints(&input, &name, &mut found);
        assert_eq!(input["additionalProperties"], false, "{name}");
        let output = Value::Object(tool.output_schema.unwrap().as_ref().clone());
        complaints(&output, &name, &mut found);
        assert_eq!(output["required"], json!(["success"]), "{name}: failures are answers too");
        assert_eq!(found, Vec::<String>::new());
        assert!(tool.title.is_some_and(|title| !title.is_empty()), "{name}");
        let annotations = tool.annotations.unwrap();
        assert!(annotations.read_only_hint.is_some() && annotations.destructive_hint.is_some());
        assert_eq!(Tool::parse(&name).unwrap().name(), name);
    }
}

#[test]
fn tools_that_write_are_not_offered_to_readers() {
    let names: Vec<String> = offered(false).iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names.len(), 11);
    assert!(!names.iter().any(|name| name == "ipfs_add" || name == "parquet_store_dataframe"));
    assert_eq!(Tool::parse("parquet_store"), None, "a name is exact");
    assert_eq!(Tool::parse("VFS_LS"), None);
}

#[test]
fn windows_stay_inside() {
    let all = [0, 1, 2, 3, 4];
    let table: [(usize, usize, &[i32]); 4] =
        [(0, 2, &[0, 1]), (3, 9, &[3, 4]), (9, 2, &[]), (0, usize::MAX, &[0, 1, 2, 3, 4])];
    for (offset, limit, expected) in table {
        assert_eq!(ListWindow { offset, limit }.of(&all), expected);
    }
    let window = ListWindow { offset: 1, limit: 2 };
    let answer = window.answer("entries", vec![json!(1), json!(2)], 5);
    assert_eq!((&answer["truncated"], &answer["next_offset"]), (&json!(true), &json!(3)));

    let file = |offset, length| FileWindow { offset, length }.of(10);
    assert_eq!((file(0, 4), file(8, 4), file(11, 4)), (0..4, 8..10, 10..10));
    assert_eq!(file(3, u64::MAX), 3..10);
}

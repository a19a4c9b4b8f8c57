//! What can be a key, and which rows have the same.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use proptest::prelude::*;

use super::*;

fn schema() -> Schema {
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("day", DataType::Date32, true),
        Field::new("word", DataType::Utf8View, true),
        Field::new("price", DataType::Float64, true),
        Field::new("list", DataType::List(item), true),
        Field::new("nothing", DataType::Null, true),
    ])
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn fault(error: &QueryError) -> &KeyFault {
    match error {
        QueryError::Key(fault) => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn columns_that_cannot_be_a_key_are_refused_by_name() {
    let table = [
        (&["ids"][..], "there is no column `ids`"),
        (&[], "the key: it has no columns"),
        (&["id", "day", "id"], "the key: it has the column `id` twice"),
        (&["id", "price"], "column `price`: Float64 cannot be a key"),
        (&["list"], "column `list`: List("),
        (&["nothing"], "column `nothing`: Null cannot be a key"),
    ];
    for (columns, expected) in table {
        let error = KeyColumns::new(&schema(), &names(columns)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{columns:?}: {error}");
    }
    let near = KeyColumns::new(&schema(), &names(&["ids"])).unwrap_err().hint();
    assert_eq!(near.as_deref(), Some("did you mean `id`?"));
    let columns = KeyColumns::new(&schema(), &names(&["word", "id"])).unwrap();
    assert_eq!(columns.names(), ["word", "id"]);
}

/// A batch of the table with these ids, days and words.
fn batch(rows: &[(Option<i64>, i32, &str)]) -> RecordBatch {
    let lists = new_null_array(schema().field(4).data_type(), rows.len());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(Float64Array::from(vec![0.5; rows.len()])),
        lists,
        Arc::new(NullArray::new(rows.len())),
    ];
    RecordBatch::try_new(Arc::new(schema()), columns).unwrap()
}

fn set(key: &[&str]) -> KeySet {
    KeySet::new(KeyColumns::new(&schema(), &names(key)).unwrap())
}

#[test]
fn a_row_that_has_a_key_again_is_named_with_the_first() {
    let rows = [(Some(1), 0, "a"), (Some(2), 0, "a"), (Some(1), 1, "b")];
    let mut by_id = set(&["id"]);
    by_id.push(&batch(&rows[..2])).unwrap();
    let error = by_id.push(&batch(&rows[2..])).unwrap_err();
    assert_eq!(error.to_string(), "key id = 1 occurs twice, in rows 0 and 2");
    let mut by_two = set(&["day", "word"]);
    let error = by_two.push(&batch(&rows)).unwrap_err();
    let expected = "key (day, word) = (1970-01-01, a) occurs twice, in rows 0 and 1";
    assert_eq!(error.to_string(), expected);
    let mut by_all = set(&["id", "day"]);
    by_all.push(&batch(&rows)).unwrap();
    // Values that run together are no key of their own.
    let mut apart = set(&["word", "id"]);
    apart.push(&batch(&[(Some(11), 0, "a"), (Some(1), 0, "a1")])).unwrap();
}

#[test]
fn a_null_in_a_key_is_named_with_its_row() {
    let mut keys = set(&["id"]);
    keys.push(&batch(&[(Some(1), 0, "a")])).unwrap();
    let error = keys.push(&batch(&[(Some(2), 0, "b"), (None, 0, "c")])).unwrap_err();
    assert_eq!(*fault(&error), KeyFault::Null { column: "id".into(), row: 2 });
}

#[test]
fn a_long_key_is_cut_in_messages() {
    let long = "x".repeat(500);
    let mut keys = set(&["word"]);
    let error = keys.push(&batch(&[(Some(1), 0, &long), (Some(2), 0, &long)])).unwrap_err();
    let KeyFault::Twice { key, .. } = fault(&error) else { panic!("{error}") };
    assert!(key.chars().count() <= TEXT_CHARS_MAX + 1 && key.ends_with('…'), "{key}");
}

#[test]
fn keys_are_compared_by_what_they_mean_and_not_by_their_types() {
    let words = ["a", "b", "a longer word than a view holds"];
    let mut keys = set(&["word"]);
    keys.push(&batch(&words.map(|word| (None, 0, word)))).unwrap();
    // As parts have them.
    let stored = |words: Vec<&str>| {
        let words: ArrayRef = Arc::new(StringArray::from(words));
        RecordBatch::try_from_iter_with_nullable([("word", words, true)]).unwrap()
    };
    let held = keys.first_of(stored(vec!["c", words[2], "a"])).unwrap().unwrap();
    assert_eq!(held.row, 2);
    assert_eq!(keys.first_of(stored(vec!["c", ""])).unwrap(), None);
    assert_eq!(keys.first_of(stored(vec![])).unwrap(), None);
}

proptest! {
    #[test]
    fn the_first_key_that_was_there_before_is_found(
        batches in prop::collection::vec(prop::collection::vec((0_i64..40, 0_i32..3), 0..12), 0..5),
    ) {
        let mut keys = set(&["day", "id"]);
        let mut model: HashMap<(i64, i32), u64> = HashMap::new();
        let mut expected = None;
        for (key, number) in batches.iter().flatten().zip(0_u64..) {
            if let Some(first) = model.insert(*key, number) {
                expected = expected.or(Some((first, number)));
                model.insert(*key, first);
            }
        }
        let mut found = None;
        for rows in &batches {
            let rows: Vec<_> = rows.iter().map(|(id, day)| (Some(*id), *day, "w")).collect();
            if let Err(error) = keys.push(&batch(&rows)) {
                let KeyFault::Twice { first, second, .. } = fault(&error) else { panic!("{error}") };
                found = Some((*first, *second));
                break;
            }
        }
        prop_assert_eq!(found, expected);
    }
}

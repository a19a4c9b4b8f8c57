//! Rows that are put into parts by their keys.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use cidlake_block::Cid;
use proptest::prelude::*;

use super::*;
use crate::layout::{EncodedPart, encode_part};

/// Rows of a key, a text, a number with the odd NaN, and a list.
fn batch(rows: &[(i64, &str, f64)]) -> RecordBatch {
    let list = |row: &(i64, &str, f64)| Some(vec![Some(row.0), None]);
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(rows.iter().map(list));
    let lists = ListArray::new(
        Arc::new(Field::new("element", DataType::Int64, true)),
        lists.offsets().clone(),
        ArrayRef::clone(lists.values()),
        None,
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("text", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)))),
        ("x", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2)))),
        ("list", Arc::new(lists)),
    ];
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn keyed(batches: &[RecordBatch]) -> KeyedRows {
    let schema = batches[0].schema();
    let columns = KeyColumns::new(&schema, &["id".to_owned()]).unwrap();
    let mut rows = KeyedRows::new(&schema, columns).unwrap();
    batches.iter().for_each(|batch| rows.push(batch).unwrap());
    rows
}

fn merged(rows: &KeyedRows, part: &RecordBatch) -> (Vec<Match>, Merged) {
    let matches = rows.matches(part.project(&[0]).unwrap()).unwrap();
    let merged = rows.merged(part, &matches, &CutRule::default()).unwrap();
    (matches, merged)
}

fn encoded_part(rows: &RecordBatch) -> EncodedPart {
    encode_part(&RowGroup::whole(rows.clone()), 1).unwrap()
}

#[test]
fn rows_are_replaced_where_they_stand() {
    let part = batch(&[(5, "a", 1.0), (3, "b", f64::NAN), (9, "c", -0.0), (1, "d", 2.0)]);
    let rows = keyed(&[
        batch(&[(7, "new", 0.0), (9, "c", -0.0)]),
        batch(&[(3, "b", f64::NAN), (5, "A", 1.0)]),
        batch(&[(2, "new", 0.0)]),
    ]);
    let (matches, merged) = merged(&rows, &part);
    let numbers: Vec<usize> = matches.iter().map(|found| found.number).collect();
    assert_eq!(numbers, [3, 2, 1], "in the order of the part");
    assert_eq!(merged.updated, 1, "two rows are what they were");
    let expected = batch(&[(5, "A", 1.0), (3, "b", f64::NAN), (9, "c", -0.0), (1, "d", 2.0)]);
    let [group] = merged.groups.as_slice() else { panic!("{:?}", merged.groups) };
    // The part of rows that were edited is that of the same rows stored afresh.
    assert_eq!(encode_part(group, 1).unwrap().part, encoded_part(&expected).part);
    let mut matched = vec![false; rows.rows()];
    numbers.iter().for_each(|number| matched[*number] = true);
    let left = rows.without(&matched).unwrap();
    assert_eq!(left, [batch(&[(7, "new", 0.0)]), batch(&[(2, "new", 0.0)])]);
}

#[test]
fn a_part_in_which_nothing_changes_is_not_made() {
    let part = batch(&[(1, "a", 0.0), (2, "b", 0.5)]);
    let (matches, same) = merged(&keyed(&[part.slice(1, 1)]), &part);
    assert_eq!((matches.len(), same.updated, same.groups.len()), (1, 0, 0));
    // The two zeros are different values.
    let (_, other) = merged(&keyed(&[batch(&[(1, "a", -0.0)])]), &part);
    assert_eq!((other.updated, other.groups.len()), (1, 1));
    let (matches, none) = merged(&keyed(&[batch(&[(3, "a", 0.0)])]), &part);
    assert_eq!((matches.len(), none.groups.len()), (0, 0));
}

#[test]
fn a_row_of_another_partition_leaves_its_part() {
    let part = batch(&[(1, "a", 0.0), (2, "a", 0.0), (3, "a", 0.0)]);
    let rows = keyed(&[batch(&[(3, "a", 9.0), (2, "b", 0.0), (1, "b", 0.0)])]);
    let rule = CutRule { partition_columns: vec!["text".to_owned()], ..CutRule::default() };
    let all = rows.matches(part.project(&[0]).unwrap()).unwrap();
    let merged = rows.merged(&part, &all, &rule).unwrap();
    assert_eq!((merged.updated, merged.moved.as_slice()), (3, &[2, 1][..]));
    assert_eq!(merged.groups[0].rows, batch(&[(3, "a", 9.0)]));
    // Where all go nothing is left of the part.
    let merged = rows.merged(&part.slice(0, 2), &all[..2], &rule).unwrap();
    assert_eq!((merged.updated, merged.moved.len(), merged.groups.len()), (2, 2, 0));
}

#[test]
fn keys_that_come_twice_are_refused() {
    let mut rows = keyed(&[batch(&[(1, "a", 0.0), (2, "b", 0.0)])]);
    let error = rows.push(&batch(&[(3, "c", 0.0), (2, "d", 0.0)])).unwrap_err();
    assert_eq!(error.to_string(), "key id = 2 occurs twice, in rows 1 and 3");
}

#[test]
fn a_column_that_is_not_changed_keeps_its_leaves() {
    let noise = |n: i64| format!("{:032x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
    let texts: Vec<String> = (0..60_000).map(noise).collect();
    let rows: Vec<(i64, &str, f64)> =
        texts.iter().zip(0..).map(|(text, n)| (n, text.as_str(), n as f64)).collect();
    let part = batch(&rows);
    let (_, merged) = merged(&keyed(&[batch(&[(30_000, &texts[30_000], -1.0)])]), &part);
    assert_eq!((merged.updated, merged.groups.len()), (1, 1));
    let before: HashSet<Cid> = encoded_part(&part).leaves.iter().map(|leaf| *leaf.cid()).collect();
    let after = encode_part(&merged.groups[0], 1).unwrap();
    let size = |leaves: &mut dyn Iterator<Item = &cidlake_block::Block>| -> usize {
        leaves.map(|leaf| leaf.data().len()).sum()
    };
    let all = size(&mut after.leaves.iter());
    let new = size(&mut after.leaves.iter().filter(|leaf| !before.contains(leaf.cid())));
    assert!(new > 0 && new * 3 < all, "{new} of {all} bytes are new");
}

#[test]
fn only_parts_whose_bounds_hold_a_key_may_have_it() {
    let part = |from: i64, to: i64| encoded_part(&batch(&[(from, "", 0.0), (to, "", 0.0)])).part;
    let mut unknown = part(0, 1);
    unknown.columns.clear();
    let empty = encoded_part(&batch(&[])).part;
    let parts = [part(0, 9), part(10, 19), part(20, 20), part(30, 99), unknown, empty];
    let table: [(&[i64], [bool; 6]); 5] = [
        (&[5], [true, false, false, false, true, false]),
        (&[19, 20], [false, true, true, false, true, false]),
        (&[-1, 21, 100], [false, false, false, false, true, false]),
        (&[-5, 0, 30], [true, false, false, true, true, false]),
        (&[], [false; 6]),
    ];
    for (keys, expected) in table {
        let rows: Vec<_> = keys.iter().map(|key| (*key, "", 0.0)).collect();
        assert_eq!(keyed(&[batch(&rows)]).candidates(&parts).unwrap(), expected, "{keys:?}");
    }
}

#[test]
fn every_column_of_the_key_must_be_within_bounds() {
    let columns = |a: Vec<&str>, b: Vec<i32>| {
        let columns: [(&str, ArrayRef, bool); 2] = [
            ("a", Arc::new(StringArray::from(a)), true),
            ("b", Arc::new(Int32Array::from(b)), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    };
    let schema = columns(vec![], vec![]).schema();
    let key = KeyColumns::new(&schema, &["b".to_owned(), "a".to_owned()]).unwrap();
    let mut rows = KeyedRows::new(&schema, key).unwrap();
    rows.push(&columns(vec!["m", "z"], vec![7, -7])).unwrap();
    let part = |a: [&str; 2], b: [i32; 2]| encoded_part(&columns(a.into(), b.into())).part;
    let parts = [part(["k", "n"], [5, 9]), part(["k", "n"], [-6, 6]), part(["n", "o"], [5, 9])];
    assert_eq!(rows.candidates(&parts).unwrap(), [true, false, false]);
}

proptest! {
    #[test]
    fn an_upsert_is_that_of_a_map(
        part in prop::collection::btree_map(0_i64..60, 0_u8..4, 0..40),
        changes in prop::collection::btree_map(0_i64..60, 0_u8..4, 1..30),
        cut in 0_usize..30,
    ) {
        let words = ["", "a", "bb", "ccc"];
        let rows = |map: &BTreeMap<i64, u8>| -> Vec<(i64, &str, f64)> {
            map.iter().map(|(key, word)| (*key, words[usize::from(*word)], 0.0)).collect()
        };
        // Keys of the part fall, so that their order is none that the program would make.
        let mut stored = rows(&part);
        stored.reverse();
        let incoming = rows(&changes);
        let (first, second) = incoming.split_at(cut.min(incoming.len()));
        let keyed = keyed(&[batch(first), batch(second)]);
        let stored_batch = batch(&stored);
        let (matches, merged) = merged(&keyed, &stored_batch);

        let expected: Vec<(i64, &str, f64)> = stored
            .iter()
            .map(|row| (row.0, words[usize::from(*changes.get(&row.0).unwrap_or(&part[&row.0]))], 0.0))
            .collect();
        let updated = stored.iter().zip(&expected).filter(|(old, new)| old != new).count();
        prop_assert_eq!(merged.updated, updated as u64);
        let after = merged.groups.first().map_or(&stored_batch, |group| &group.rows);
        prop_assert_eq!(after, &batch(&expected));
        prop_assert_eq!(merged.groups.len(), usize::from(updated > 0));

        let mut matched = vec![false; keyed.rows()];
        matches.iter().for_each(|found| matched[found.number] = true);
        let inserted: Vec<_> =
            incoming.iter().filter(|row| !part.contains_key(&row.0)).copied().collect();
        let left = keyed.without(&matched).unwrap();
        let left = concat_batches(keyed.schema(), &left).unwrap();
        prop_assert_eq!(left, batch(&inserted));
    }
}

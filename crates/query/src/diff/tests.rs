//! Tables that differ, compared as a whole: what is told, and how much is read for it.

use std::collections::BTreeMap;
use std::slice::from_ref;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::datatypes::*;
use cidlake_block::MemBlocks;
use proptest::prelude::*;

use super::*;
use crate::emit::json_rows;
use crate::engine::tests::{batch_of, engine_over, now, table_of};
use crate::error::QueryErrorKind;

/// Blocks, and an engine over them.
struct Place {
    blocks: Arc<MemBlocks>,
    engine: Engine,
}

impl Place {
    fn new() -> Self {
        let blocks = Arc::new(MemBlocks::new());
        let engine = engine_over(&blocks);
        Self { blocks, engine }
    }

    fn diff(&self, a: &[RecordBatch], b: &[RecordBatch], options: &DiffOptions) -> Diff {
        self.try_diff(a, b, options).unwrap()
    }

    fn try_diff(
        &self,
        a: &[RecordBatch],
        b: &[RecordBatch],
        options: &DiffOptions,
    ) -> Result<Diff, QueryError> {
        let (a, b) = (table_of(&self.blocks, a), table_of(&self.blocks, b));
        now(self.engine.diff(&a, &b, options, &|_, _| {}))
    }
}

fn whole() -> DiffOptions {
    DiffOptions {
        key: Vec::new(),
        samples_max: 10,
        memory_bytes_max: 64 << 20,
        labels: ["t~1".to_owned(), "t".to_owned()],
    }
}

fn by(key: &[&str]) -> DiffOptions {
    DiffOptions { key: key.iter().map(ToString::to_string).collect(), ..whole() }
}

fn counts(diff: &Diff) -> [u64; 3] {
    [diff.rows_removed, diff.rows_added, diff.rows_changed]
}

/// Rows as text: their numbers, how often, and values.
fn told(sample: &SampleRows) -> Vec<String> {
    let values = json_rows(from_ref(&sample.values)).unwrap();
    assert_eq!((values.len(), sample.times.len()), (sample.rows.len(), sample.rows.len()));
    let numbers = sample.rows.iter().zip(&sample.times);
    let texts = numbers.zip(values).map(|((row, times), values)| {
        let values: Vec<String> = values.into_iter().map(|(_, value)| value.to_string()).collect();
        format!("{row}*{times} {}", values.join(" "))
    });
    texts.collect()
}

fn numbers(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    batch_of(vec![("n", Arc::new(Int64Array::from_iter_values(values)))])
}

/// Mixes bits, for values that do not compress.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number ^ (number >> 27)
}

/// Rows of a kind that becomes one large part: a number, one that does not compress, few words.
fn mixture(numbers: impl Iterator<Item = u64> + Clone, words: [&str; 3]) -> RecordBatch {
    let ids: UInt64Array = numbers.clone().collect();
    let noise: UInt64Array = numbers.clone().map(mixed).collect();
    let word = |number: u64| {
        words[usize::from(number.is_multiple_of(3)) + usize::from(number.is_multiple_of(5))]
    };
    let words: StringArray = numbers.map(|number| Some(word(number))).collect();
    batch_of(vec![("id", Arc::new(ids)), ("noise", Arc::new(noise)), ("word", Arc::new(words))])
}

const WORDS: [&str; 3] = ["red", "green", "blue"];
const ROWS: u64 = 200_000;

#[test]
fn one_row_of_many_is_found_by_reading_few() {
    let place = Place::new();
    let before = mixture(0..ROWS, WORDS);
    let row = ROWS / 2 + 17;
    let other = |number: u64| if number == row { ROWS + 1 } else { number };
    let after = mixture((0..ROWS).map(other), WORDS);
    let diff = place.diff(from_ref(&before), from_ref(&after), &whole());
    assert_eq!(counts(&diff), [1, 1, 0]);
    assert!(diff.rows_read < ROWS / 4, "{} rows were read", diff.rows_read);
    assert!(told(&diff.removed)[0].starts_with(&format!("{row}*1 {row} ")));
    assert!(told(&diff.added)[0].starts_with(&format!("{row}*1 {} ", ROWS + 1)));
    assert_eq!(counts(&place.diff(from_ref(&before), from_ref(&before), &whole())), [0, 0, 0]);
}

#[test]
fn an_insertion_moves_the_rows_behind_it_and_they_are_not_read() {
    let place = Place::new();
    let before = mixture(0..ROWS, WORDS);
    let middle = ROWS / 3;
    let after = mixture((0..middle).chain([ROWS + 5, ROWS + 6]).chain(middle..ROWS), WORDS);
    let diff = place.diff(from_ref(&before), from_ref(&after), &whole());
    assert_eq!(counts(&diff), [0, 2, 0]);
    assert_eq!(diff.added.rows, [middle, middle + 1]);
    assert!(diff.rows_read < ROWS / 2, "{} rows were read", diff.rows_read);
    let back = place.diff(&[after], &[before], &whole());
    assert_eq!(counts(&back), [2, 0, 0]);
    assert_eq!(back.removed.rows, [middle, middle + 1]);
}

#[test]
fn small_parts_of_many_rows_are_compared_column_by_column() {
    let place = Place::new();
    // Numbers that rise by one take next to no room, so the part is one leaf.
    let before = numbers(0..ROWS as i64);
    let after = numbers((0..1000).chain([-1]).chain(1000..ROWS as i64));
    let diff = place.diff(&[before], &[after], &whole());
    assert_eq!(counts(&diff), [0, 1, 0]);
    assert!(diff.rows_read < 5000, "{} rows were read", diff.rows_read);
}

#[test]
fn pages_of_another_dictionary_are_other_values() {
    let place = Place::new();
    let before = mixture(0..ROWS, ["red", "green", "blue"]);
    let after = mixture(0..ROWS, ["red", "green", "cyan"]);
    let blue = (0..ROWS).filter(|number| number % 15 == 0).count() as u64;
    let diff = place.diff(&[before], &[after], &whole());
    assert_eq!(counts(&diff), [blue, blue, 0]);
}

#[test]
fn rows_that_moved_are_no_difference_and_how_often_they_are_is() {
    let place = Place::new();
    let diff = place.diff(&[numbers([1, 2, 3, 4])], &[numbers([4, 3, 2, 1])], &whole());
    assert_eq!((counts(&diff), diff.rows_read), ([0, 0, 0], 8));
    let a = [numbers([5, 5, 7, 5, 8]), numbers([9])];
    let b = [numbers([8, 6]), numbers([5, 6, 9, 9])];
    let diff = place.diff(&a, &b, &whole());
    assert_eq!(counts(&diff), [3, 3, 0]);
    assert_eq!(told(&diff.removed), ["0*2 5", "2*1 7"]);
    // Of the two that are 9 one is in both versions, and which of them is not said.
    assert_eq!(told(&diff.added), ["1*2 6", "5*1 9"]);
    let few = DiffOptions { samples_max: 1, ..whole() };
    let diff = place.diff(&a, &b, &few);
    assert_eq!((told(&diff.removed).len(), told(&diff.added).len()), (1, 1));
    assert_eq!(counts(&diff), [3, 3, 0]);
}

#[test]
fn values_are_equal_as_they_are_stored() {
    let place = Place::new();
    let floats =
        |values: Vec<Option<f64>>| batch_of(vec![("x", Arc::new(Float64Array::from(values)))]);
    let a = floats(vec![Some(f64::NAN), Some(0.0), None, Some(1.5)]);
    let b = floats(vec![None, Some(-0.0), Some(f64::NAN), Some(1.5)]);
    let diff = place.diff(&[a], &[b], &whole());
    assert_eq!(counts(&diff), [1, 1, 0]);
    let texts =
        |values: Vec<Option<&str>>| batch_of(vec![("x", Arc::new(StringArray::from(values)))]);
    let diff = place.diff(&[texts(vec![Some("")])], &[texts(vec![None])], &whole());
    assert_eq!(counts(&diff), [1, 1, 0]);
}

#[test]
fn nested_values_are_compared_whole() {
    let place = Place::new();
    let lists = |values: Vec<Option<Vec<Option<i32>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values))
    };
    let maps = |pairs: &[(&str, i32)]| -> ArrayRef {
        let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        for (key, value) in pairs {
            maps.keys().append_value(key);
            maps.values().append_value(*value);
        }
        maps.append(true).unwrap();
        maps.append(false).unwrap();
        maps.append(true).unwrap();
        Arc::new(maps.finish())
    };
    let rows = |last: Option<Vec<Option<i32>>>, pairs: &[(&str, i32)]| {
        let values = vec![Some(vec![Some(1), None]), None, last];
        batch_of(vec![("l", lists(values)), ("m", maps(pairs))])
    };
    let base = rows(Some(vec![]), &[("k", 1)]);
    for (other, expected) in [
        (rows(Some(vec![]), &[("k", 1)]), 0),
        (rows(None, &[("k", 1)]), 1),
        (rows(Some(vec![None]), &[("k", 1)]), 1),
        (rows(Some(vec![]), &[("k", 2)]), 1),
        (rows(Some(vec![Some(3)]), &[("j", 1)]), 2),
    ] {
        let diff = place.diff(from_ref(&base), &[other], &whole());
        assert_eq!(counts(&diff), [expected, expected, 0]);
    }
}

#[test]
fn empty_tables_are_compared_too() {
    let place = Place::new();
    let (none, some) = (numbers([]), numbers([1, 2]));
    assert_eq!(counts(&place.diff(from_ref(&none), from_ref(&none), &whole())), [0, 0, 0]);
    assert_eq!(counts(&place.diff(from_ref(&none), from_ref(&some), &whole())), [0, 2, 0]);
    let diff = place.diff(&[some], &[none], &by(&["n"]));
    assert_eq!(
        (counts(&diff), told(&diff.removed)),
        ([2, 0, 0], vec!["0*1 1".to_owned(), "1*1 2".to_owned()])
    );
}

#[test]
fn rows_are_compared_over_the_columns_that_both_have() {
    let place = Place::new();
    let a = batch_of(vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ("gone", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
        ("other", Arc::new(StringArray::from(vec!["1", "2", "3"]))),
    ]);
    let b = batch_of(vec![
        ("other", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("id", Arc::new(Int64Array::from(vec![1, 2, 4]))),
    ]);
    let diff = place.diff(from_ref(&a), from_ref(&b), &whole());
    let changes: Vec<_> = diff.columns.iter().map(|one| (one.name.as_str(), one.change)).collect();
    assert_eq!(
        changes,
        [
            ("gone", ColumnChange::Removed),
            ("other", ColumnChange::Removed),
            ("other", ColumnChange::Added),
            ("id", ColumnChange::Retyped),
        ]
    );
    // Rows are told whole, in the types of their own version.
    assert_eq!(told(&diff.removed), ["2*1 3 \"z\" \"3\""]);
    assert_eq!(told(&diff.added), ["2*1 3 4"]);
    let renamed = batch_of(vec![("number", Arc::new(Int64Array::from(vec![1, 2])))]);
    let diff = place.diff(&[a], &[renamed], &whole());
    assert_eq!((counts(&diff), told(&diff.added).len()), ([3, 2, 0], 2));
}

#[test]
fn rows_with_a_key_change() {
    let place = Place::new();
    let rows = |rows: &[(i64, &str, Option<f64>)]| {
        let ids = Int64Array::from_iter_values(rows.iter().map(|(id, _, _)| *id));
        let cities: StringArray = rows.iter().map(|(_, city, _)| Some(*city)).collect();
        let ages: Float64Array = rows.iter().map(|(_, _, age)| *age).collect();
        batch_of(vec![("id", Arc::new(ids)), ("city", Arc::new(cities)), ("age", Arc::new(ages))])
    };
    let a = rows(&[
        (1, "London", Some(1.0)),
        (2, "Paris", None),
        (3, "Oslo", Some(3.0)),
        (5, "Rome", None),
    ]);
    let b = [
        rows(&[(5, "Rome", None), (4, "Bern", Some(4.0)), (2, "Lyon", Some(2.0))]),
        rows(&[(1, "Leeds", Some(1.0))]),
    ];
    for memory_bytes_max in [64 << 20, 0] {
        let options = DiffOptions { memory_bytes_max, ..by(&["id"]) };
        let diff = place.diff(from_ref(&a), &b, &options);
        assert_eq!(counts(&diff), [1, 1, 2]);
        assert_eq!(diff.columns_changed, [("city".to_owned(), 2), ("age".to_owned(), 1)]);
        assert_eq!(told(&diff.removed), ["2*1 3 \"Oslo\" 3.0"]);
        assert_eq!(told(&diff.added), ["1*1 4 \"Bern\" 4.0"]);
        assert_eq!(diff.changed.rows, [[0, 3], [1, 2]]);
        assert_eq!(diff.changed.columns, [vec!["city"], vec!["city", "age"]]);
        let cities = |batch: &RecordBatch| -> Vec<String> {
            batch["city"].as_string::<i32>().iter().flatten().map(str::to_owned).collect()
        };
        assert_eq!(cities(&diff.changed.before), ["London", "Paris"]);
        assert_eq!(cities(&diff.changed.after), ["Leeds", "Lyon"]);
    }
    let few = DiffOptions { samples_max: 1, ..by(&["id"]) };
    let diff = place.diff(&[a], &b, &few);
    assert_eq!((counts(&diff), diff.changed.rows), ([1, 1, 2], vec![[0, 3]]));
}

#[test]
fn keys_that_do_not_tell_rows_apart_are_refused_by_their_value() {
    let place = Place::new();
    let rows = |ids: Vec<Option<i64>>| {
        let words: StringArray = (0..ids.len()).map(|row| Some(row.to_string())).collect();
        batch_of(vec![("id", Arc::new(Int64Array::from(ids))), ("word", Arc::new(words))])
    };
    let good = rows(vec![Some(1), Some(2)]);
    let cases = [
        (
            good.clone(),
            rows(vec![Some(7), Some(8), Some(7)]),
            "t: key id = 7 occurs twice, in rows 0 and 2",
        ),
        (
            rows(vec![Some(9), Some(9)]),
            good.clone(),
            "t~1: key id = 9 occurs twice, in rows 0 and 1",
        ),
        (good.clone(), rows(vec![Some(1), None]), "t: key id is null in row 1"),
    ];
    for (a, b, expected) in cases {
        let error = place.try_diff(&[a], &[b], &by(&["id"])).unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::BadInput);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let error = place.try_diff(from_ref(&good), &[numbers([1])], &by(&["id"])).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::UnknownColumn);
    let float = batch_of(vec![("id", Arc::new(Float64Array::from(vec![1.0])))]);
    let error = place.try_diff(from_ref(&float), from_ref(&float), &by(&["id"])).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Unsupported);
}

/// Rows by their values, and how often each is there.
fn multiset(batches: &[RecordBatch]) -> BTreeMap<(Option<i64>, String), i64> {
    let mut rows = BTreeMap::new();
    for batch in batches {
        let numbers = batch["n"].as_primitive::<Int64Type>().iter();
        let words = batch["w"].as_string::<i32>().iter();
        for row in numbers.zip(words.map(|word| word.unwrap_or_default().to_owned())) {
            *rows.entry(row).or_default() += 1;
        }
    }
    rows
}

fn some_rows() -> impl Strategy<Value = Vec<RecordBatch>> {
    let row = (prop::option::of(0_i64..6), "[ab]{0,1}");
    let batch = prop::collection::vec(row, 1..20).prop_map(|rows| {
        let numbers: Int64Array = rows.iter().map(|(number, _)| *number).collect();
        let words: StringArray = rows.iter().map(|(_, word)| Some(word.as_str())).collect();
        batch_of(vec![("n", Arc::new(numbers)), ("w", Arc::new(words))])
    });
    prop::collection::vec(batch, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_removed_and_added_makes_one_table_of_the_other(
        a in some_rows(), more in some_rows(), takes in 0_usize..6
    ) {
        // Two tables that have some of their parts in common.
        let b: Vec<RecordBatch> = more.into_iter().chain(a.iter().take(takes).cloned()).collect();
        let place = Place::new();
        let all = DiffOptions { samples_max: 1000, ..whole() };
        let diff = place.diff(&a, &b, &all);
        let mut rows = multiset(&a);
        for (sample, sign) in [(&diff.removed, -1), (&diff.added, 1)] {
            for (place, times) in sample.times.iter().enumerate() {
                let row = multiset(&[sample.values.slice(place, 1)]).into_keys().next().unwrap();
                *rows.entry(row).or_default() += sign * *times as i64;
            }
        }
        rows.retain(|_, times| *times != 0);
        prop_assert_eq!(rows, multiset(&b));
        let total = |sample: &SampleRows| sample.times.iter().sum::<u64>();
        prop_assert_eq!([total(&diff.removed), total(&diff.added), 0], counts(&diff));
        // Rows are numbered as they are in their version.
        let schema = a[0].schema();
        let whole_b = concat_batches(&schema, &b).unwrap();
        for (place, row) in diff.added.rows.iter().enumerate() {
            let row = usize::try_from(*row).unwrap();
            prop_assert_eq!(diff.added.values.slice(place, 1), whole_b.slice(row, 1));
        }
    }
}

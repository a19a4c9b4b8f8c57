//! Conditions over tables in memory.

use std::sync::Arc;

use arrow::array::*;
use cidlake_block::MemBlocks;

use super::*;
use crate::engine::tests::{batch_of, engine_over, now, table_of};
use crate::layout::{CutRule, RowGroups, encode_part};

fn mask(rows: &BooleanArray) -> String {
    assert_eq!(rows.null_count(), 0);
    rows.iter().map(|row| if row == Some(true) { '1' } else { '0' }).collect()
}

fn numbers(values: Vec<Option<i64>>, words: Vec<&str>) -> RecordBatch {
    let (numbers, words) = (Int64Array::from(values), StringArray::from(words));
    batch_of(vec![("n", Arc::new(numbers)), ("a Word", Arc::new(words))])
}

#[test]
fn only_what_is_true_matches() {
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let table = table_of(
        &blocks,
        &[
            numbers(vec![Some(1), None, Some(3)], vec!["x", "y", "z"]),
            numbers(vec![Some(20), Some(30)], vec!["x", "w"]),
        ],
    );
    let parts = now(table.parts.all(blocks.as_ref())).unwrap();
    // A condition, what matches in each part, and whether the statistics of each let it.
    let cases = [
        ("n > 2", ["001", "11"], [true, true]),
        ("NOT n > 2", ["100", "00"], [true, false]),
        ("n IS NULL", ["010", "00"], [true, false]),
        ("n = 20 AND \"a Word\" = 'x'", ["000", "10"], [false, true]),
        ("\"a Word\" IN ('y', 'w')", ["010", "01"], [true, true]),
        ("true", ["111", "11"], [true, true]),
        ("false", ["000", "00"], [false, false]),
        ("null", ["000", "00"], [true, true]),
        ("n > 2 AS named", ["001", "11"], [true, true]),
        ("now() > TIMESTAMP '2020-01-01'", ["111", "11"], [true, true]),
        ("1 + 1 = 2", ["111", "11"], [true, true]),
        ("n BETWEEN 25 AND 99.5", ["000", "01"], [true, true]),
    ];
    for (text, expected, may) in cases {
        let condition = engine.condition(&table, text).unwrap();
        let found: Vec<String> = parts
            .iter()
            .map(|part| mask(&now(engine.matching(&table, part, &condition)).unwrap()))
            .collect();
        assert_eq!(found, expected, "{text}");
        let kept = condition.may_match(&parts);
        for ((kept, may), found) in kept.iter().zip(may).zip(&found) {
            assert!(*kept || !found.contains('1'), "{text} rules out what matches");
            // Bounds that say something are used; what is constant need not be known.
            assert!(may || !*kept || !text.contains('n'), "{text}");
        }
    }
}

#[test]
fn what_is_no_condition_is_refused() {
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let table = table_of(&blocks, &[numbers(vec![Some(1)], vec!["x"])]);
    for text in ["", "n", "m > 1", "n >", "sum(n) > 1", "n IN (SELECT 1)", "n > 1; true", "'x'"] {
        assert!(engine.condition(&table, text).is_err(), "{text:?}");
    }
    let error = engine.condition(&table, "m > 1").unwrap_err();
    assert!(matches!(error, QueryError::UnknownColumn { .. }), "{error}");
}

#[test]
fn a_condition_sees_the_types_that_a_filter_sees() {
    // 23:00 in UTC, four in the morning of the next day in the column's own zone.
    let times = TimestampMicrosecondArray::from(vec![1_704_063_600_000_000]);
    let batch = batch_of(vec![("t", Arc::new(times.with_timezone("+05:00")))]);
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let table = table_of(&blocks, &[batch]);
    let parts = now(table.parts.all(blocks.as_ref())).unwrap();
    for (text, expected) in
        [("t >= '2024-01-01 04:00:00'", "1"), ("t >= '2024-01-01 04:00:01'", "0")]
    {
        let condition = engine.condition(&table, text).unwrap();
        assert_eq!(mask(&now(engine.matching(&table, &parts[0], &condition)).unwrap()), expected);
    }
}

#[test]
fn what_is_left_is_the_part_of_these_rows() {
    let rows = numbers(vec![Some(1), None, Some(3), Some(4)], vec!["x", "y", "z", "w"]);
    let left = remaining(&rows, &BooleanArray::from(vec![true, false, false, true])).unwrap();
    let mut cutter = RowGroups::new(&rows.schema(), CutRule::default()).unwrap();
    assert!(cutter.push(rows.slice(1, 2)).unwrap().is_empty());
    let stored = cutter.finish().unwrap().unwrap();
    assert_eq!(left.hash, stored.hash);
    let part = |group: &RowGroup| encode_part(group, 1).unwrap().part;
    assert_eq!(part(&left), part(&stored));
}

//! Tests of edited parts: each is the one that encoding the new rows gives.

use super::alter::{one_part, table};
use super::*;

/// Puts other values into rows of some columns: those of the rows before them.
fn edited(before: &RecordBatch, columns: &[usize], every: usize) -> RecordBatch {
    let rows = 0..before.num_rows() as u64;
    let shifted = rows.map(|row| if row.is_multiple_of(every as u64) { row / 2 } else { row });
    let places: UInt64Array = shifted.map(Some).collect();
    let change = |(place, column): (usize, &ArrayRef)| match columns.contains(&place) {
        true => arrow::compute::take(column, &places, None).unwrap(),
        false => Arc::clone(column),
    };
    let changed = before.columns().iter().enumerate().map(change).collect();
    RecordBatch::try_new(before.schema(), changed).unwrap()
}

/// Makes the part of `after` from that of `before`, and compares it with that of its rows alone.
fn check(before: &RecordBatch, after: &RecordBatch) -> EncodedPart {
    let part = one_part(before);
    let partitioning = Partitioning::new(&before.schema(), &[]).unwrap();
    let (file, rows) = (file_of(&part), whole(before).rows);
    let stored = StoredPart { part: &part.part, file: &file, rows: &rows };
    let made = encode_edited(&whole(after), stored, &partitioning, 2).unwrap();
    let expected = one_part(after);
    assert_eq!(made.part, expected.part);
    assert_eq!(made.leaves, expected.leaves);
    assert_eq!(made.nodes, expected.nodes);
    made
}

#[test]
fn columns_that_stay_are_taken_as_they_are() {
    let before = table(40_000, 3);
    for columns in [&[][..], &[0], &[1], &[2], &[3], &[4], &[1, 3], &[0, 1, 2, 3, 4]] {
        check(&before, &edited(&before, columns, 100));
    }
    check(&before, &edited(&before, &[0], 1));
    check(&before, &before.slice(0, 39_000));
}

#[test]
fn every_type_stays_beside_one_that_changes() {
    let all = batch_of(all_columns());
    for place in 0..all.num_columns() {
        let names = all.schema();
        let fields = vec![
            names.field(place).clone().with_name("kept.name"),
            names.field(place).clone().with_name("again"),
            Field::new("n", DataType::Int64, true),
        ];
        let numbers =
            |step: i64| Int64Array::from_iter_values((0..all.num_rows() as i64).map(|n| n * step));
        let with = |step| {
            let column = all.column(place);
            let columns: Vec<ArrayRef> =
                vec![Arc::clone(column), Arc::clone(column), Arc::new(numbers(step))];
            RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), columns).unwrap()
        };
        check(&with(1), &with(3));
    }
}

#[test]
fn a_part_with_other_folders_is_encoded_whole() {
    let before = table(100, 2);
    let partitioning = Partitioning::new(&before.schema(), &["small".to_owned()]).unwrap();
    let of = |value: i32, first: i64| {
        let mut columns = before.columns().to_vec();
        columns[1] = Arc::new(Int32Array::from(vec![value; 100]));
        columns[0] = Arc::new(Int64Array::from_iter_values(first..first + 100));
        RowGroup::whole(RecordBatch::try_new(before.schema(), columns).unwrap())
    };
    let old = of(1, 0);
    let part = encode_partitioned(&old, &partitioning, 1).unwrap();
    let file = file_of(&part);
    let stored = StoredPart { part: &part.part, file: &file, rows: &old.rows };
    for new in [of(1, 7), of(2, 0)] {
        let made = encode_edited(&new, stored, &partitioning, 1).unwrap();
        let expected = encode_partitioned(&new, &partitioning, 1).unwrap();
        assert_eq!(
            (made.part, made.leaves, made.nodes),
            (expected.part, expected.leaves, expected.nodes)
        );
    }
}

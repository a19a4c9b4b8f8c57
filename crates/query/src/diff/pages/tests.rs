//! Rows of runs, and the parts that they are in. What leaves tell is tested with whole tables.

use std::sync::Arc;

use arrow::array::{Float64Array, Int32Array};
use cidlake_block::{Codec, cid_of};
use cidlake_catalog::Part;

use super::*;

fn parts(rows: &[u64]) -> Vec<Placed> {
    let part = |rows: &u64| Part {
        cid: cid_of(Codec::Raw, &rows.to_le_bytes()),
        rows: *rows,
        bytes: 0,
        tsize: 0,
        partition: Vec::new(),
        columns: Vec::new(),
        rows_hash: None,
    };
    rows.iter().map(|rows| Placed { part: part(rows), start: 1000 }).collect()
}

#[test]
fn rows_are_cut_where_a_part_ends_on_either_side() {
    let run = Run { a: parts(&[10, 5, 20]), b: parts(&[4, 30]) };
    let cases: [(u64, u64, u64, &[u64]); 5] = [
        (0, 0, 30, &[4, 6, 5, 15]),
        (0, 4, 9, &[9]),
        (12, 2, 10, &[2, 1, 7]),
        (15, 5, 20, &[20]),
        (3, 3, 0, &[]),
    ];
    for (a, b, rows, expected) in cases {
        let pieces = within_parts(&Same { a, b, rows }, &run);
        let lengths: Vec<u64> = pieces.iter().map(|piece| piece.rows).collect();
        assert_eq!(lengths, expected, "{a} {b} {rows}");
        assert_eq!(joined(pieces).len(), usize::from(rows > 0));
    }
    let places = [0, 9, 10, 14, 15, 34, 35].map(|row| place_of(&run.a, row));
    assert_eq!(places, [Some(0), Some(0), Some(1), Some(1), Some(2), Some(2), None]);
}

#[test]
#[expect(clippy::single_range_in_vec_init, reason = "one range of rows is meant")]
fn rows_of_a_run_are_rows_of_its_parts() {
    let selected = selected(&parts(&[10, 5, 20]), &[2..4, 9..12, 14..14, 15..16]);
    let told: Vec<_> =
        selected.iter().map(|one| (one.placed.part.rows, one.ranges.clone())).collect();
    assert_eq!(told, [(10, vec![2..4, 9..10]), (5, vec![0..2]), (20, vec![0..1])]);
}

#[test]
fn values_are_equal_in_steps() {
    let step = STEP_ROWS as i32;
    let numbers = |change: &[i32]| -> ArrayRef {
        let value = |row| if change.contains(&row) { -1 } else { row };
        Arc::new((0..4 * step + 7).map(value).collect::<Int32Array>())
    };
    let (a, b) = (numbers(&[]), numbers(&[step + 3]));
    let rows = STEP_ROWS;
    let steps = equal_steps(&a, &b);
    assert_eq!(steps, [0..rows, 2 * rows..3 * rows, 3 * rows..4 * rows, 4 * rows..4 * rows + 7]);
    assert_eq!(equal_rows(&a, &b, End::Front), rows);
    assert_eq!(equal_rows(&a, &b, End::Back), 7 + 2 * rows);
    assert_eq!(equal_rows(&a, &a, End::Back), 4 * rows + 7);
}

#[test]
fn zeros_of_another_sign_are_other_values_and_nan_is_itself() {
    let floats = |values: [f64; 2]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let nan = floats([f64::NAN, 0.0]);
    assert_eq!(equal_rows(&nan, &floats([f64::NAN, 0.0]), End::Front), 2);
    assert_eq!(equal_rows(&nan, &floats([f64::NAN, -0.0]), End::Front), 0);
}

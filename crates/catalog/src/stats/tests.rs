//! Tests of joined statistics: by hand, and against the values behind them.

use proptest::prelude::*;

use super::*;

fn stats(nulls: u64, min: Option<i64>, max: Option<i64>, exact: bool) -> ColumnStats {
    ColumnStats { nulls, bytes: 7, min: min.map(Scalar::Int), max: max.map(Scalar::Int), exact }
}

fn joined(parts: &[(u64, ColumnStats)]) -> ColumnStats {
    let joined: Vec<Joined<'_>> =
        parts.iter().map(|(rows, stats)| (*rows, std::slice::from_ref(stats))).collect();
    let [column] = <[ColumnStats; 1]>::try_from(join(&joined)).unwrap();
    column
}

#[test]
fn nulls_and_bytes_are_summed_and_bounds_are_the_outermost() {
    let all =
        joined(&[(10, stats(1, Some(5), Some(9), true)), (10, stats(2, Some(-5), Some(7), true))]);
    assert_eq!(all, ColumnStats { bytes: 14, ..stats(3, Some(-5), Some(9), true) });
}

#[test]
fn one_part_without_a_bound_leaves_all_without() {
    let all =
        joined(&[(10, stats(0, Some(5), Some(9), true)), (10, stats(0, None, Some(7), true))]);
    assert_eq!((all.min, all.max), (None, Some(Scalar::Int(9))));
    // Where there are no values, there is nothing that a bound could miss.
    for (rows, nulls) in [(10, 10), (0, 0)] {
        let all = joined(&[
            (rows, stats(nulls, None, None, true)),
            (10, stats(0, Some(5), Some(9), true)),
        ]);
        assert_eq!((all.min, all.max), (Some(Scalar::Int(5)), Some(Scalar::Int(9))));
    }
}

#[test]
fn bounds_of_two_kinds_are_none() {
    let text =
        ColumnStats { min: Some(Scalar::Text("a".to_owned())), ..stats(0, None, Some(1), true) };
    let all = joined(&[(10, stats(0, Some(5), Some(9), true)), (10, text)]);
    assert_eq!((all.min, all.max), (None, Some(Scalar::Int(9))));
}

#[test]
fn exact_is_what_the_outermost_bounds_are() {
    let table = [
        // The inexact part lies inside.
        ((0, 9, true), (3, 5, false), true),
        // It has one of the bounds.
        ((0, 9, true), (3, 10, false), false),
        ((0, 9, true), (-1, 5, false), false),
        // Both have it, and one of them really does.
        ((0, 9, true), (0, 9, false), true),
        ((0, 9, false), (0, 9, true), true),
        ((0, 9, false), (0, 9, false), false),
    ];
    for (one, other, exact) in table {
        let part = |(min, max, exact)| (10, stats(0, Some(min), Some(max), exact));
        assert_eq!(joined(&[part(one), part(other)]).exact, exact, "{one:?} {other:?}");
    }
}

#[test]
fn other_numbers_of_columns_join_to_nothing() {
    let one = [stats(0, None, None, true)];
    assert_eq!(join(&[(1, &one), (1, &[])]), []);
    assert_eq!(join(&[]), []);
}

#[test]
fn sums_stay_at_the_greatest_number() {
    let all = joined(&[(1, stats(u64::MAX, None, None, true)), (1, stats(1, None, None, true))]);
    assert_eq!(all.nulls, u64::MAX);
}

fn of_values(values: &[Option<i64>]) -> (u64, ColumnStats) {
    let nulls = values.iter().filter(|value| value.is_none()).count() as u64;
    let known = || values.iter().flatten().copied();
    (values.len() as u64, stats(nulls, known().min(), known().max(), true))
}

proptest! {
    #[test]
    fn joined_statistics_are_those_of_all_values(
        parts in proptest::collection::vec(
            proptest::collection::vec(proptest::option::of(-20..20_i64), 0..6),
            1..8,
        ),
        split: proptest::sample::Index,
    ) {
        let all = of_values(&parts.concat());
        let each: Vec<_> = parts.iter().map(|values| of_values(values)).collect();
        let expected = ColumnStats { bytes: 7 * each.len() as u64, ..all.1 };
        prop_assert_eq!(&joined(&each), &expected);
        // In any number of levels.
        let (left, right) = each.split_at(split.index(each.len()));
        if !left.is_empty() && !right.is_empty() {
            let side = |side: &[(u64, ColumnStats)]| {
                (side.iter().map(|(rows, _)| rows).sum(), joined(side))
            };
            prop_assert_eq!(&joined(&[side(left), side(right)]), &expected);
        }
    }
}

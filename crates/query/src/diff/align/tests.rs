//! Alignment against tables written by hand, and against a model that pairs row by row.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn pieces(text: &str) -> Vec<Piece<char>> {
    text.chars().map(|id| Piece { id, rows: u64::from(id) % 5 + 1 }).collect()
}

fn ids(text: &str) -> Vec<char> {
    text.chars().collect()
}

#[test]
fn what_stays_in_order_is_matched() {
    // Two sequences, and how many items of them are matched.
    let table = [
        ("", "", 0),
        ("abc", "abc", 3),
        ("abc", "", 0),
        ("abc", "abd", 2),
        ("abc", "xbc", 2),
        ("abc", "axc", 2),
        ("abcdef", "abxdef", 5),
        ("abcdef", "abcxdef", 6),
        ("abcdef", "abdef", 5),
        ("aaaa", "aaa", 3),
        ("aabaa", "aaaa", 4),
        ("abcd", "dabc", 3),
        ("abcdefgh", "abxdefyh", 6),
        ("xyabcz", "pabcqr", 3),
    ];
    for (a, b, expected) in table {
        let pairs = matched(&ids(a), &ids(b));
        assert_eq!(pairs.len(), expected, "{a} {b}: {pairs:?}");
    }
}

#[test]
fn an_edit_in_the_middle_leaves_the_rows_of_its_piece() {
    let a: Vec<Piece<u32>> = (0..1000).map(|id| Piece { id, rows: 10 }).collect();
    let mut b = a.clone();
    b[500] = Piece { id: 5000, rows: 11 };
    let same = same_rows(&a, &b);
    assert_eq!(
        same,
        [Same { a: 0, b: 0, rows: 5000 }, Same { a: 5010, b: 5011, rows: 10_000 - 5010 }]
    );
    assert_eq!(gaps(&same, 10_000, 10_001), [Gap { a: 5000..5010, b: 5000..5011 }]);
}

#[test]
fn rows_that_only_one_side_has_are_a_gap() {
    let same = [Same { a: 2, b: 0, rows: 3 }];
    assert_eq!(gaps(&same, 5, 4), [Gap { a: 0..2, b: 0..0 }, Gap { a: 5..5, b: 3..4 }]);
    assert_eq!(gaps(&[], 0, 0), []);
    assert_eq!(gaps(&[], 1, 0), [Gap { a: 0..1, b: 0..0 }]);
}

/// Pairs of rows, one by one.
fn rows_of(same: &[Same]) -> BTreeSet<(u64, u64)> {
    let pairs = |same: &Same| {
        let (a, b) = (same.a, same.b);
        (0..same.rows).map(move |row| (a + row, b + row))
    };
    same.iter().flat_map(pairs).collect()
}

/// Lists rise on both sides, and neighbours in line are one.
fn is_sound(same: &[Same]) -> bool {
    same.iter().all(|one| one.rows > 0)
        && same.windows(2).all(|pair| {
            let (one, next) = (pair[0], pair[1]);
            let ends = (one.end(), one.b + one.rows);
            ends.0 <= next.a && ends.1 <= next.b && ends != (next.a, next.b)
        })
}

/// The text of every row: the piece that it is in, and its place there.
fn rows_in(pieces: &[Piece<char>]) -> Vec<(char, u64)> {
    pieces.iter().flat_map(|piece| (0..piece.rows).map(|row| (piece.id, row))).collect()
}

proptest! {
    #[test]
    fn matched_rows_are_equal_and_gaps_are_the_rest(a in "[a-e]{0,12}", b in "[a-e]{0,12}") {
        let (a, b) = (pieces(&a), pieces(&b));
        let (a_rows, b_rows) = (rows_in(&a), rows_in(&b));
        let same = same_rows(&a, &b);
        prop_assert!(is_sound(&same), "{same:?}");
        for (row_a, row_b) in rows_of(&same) {
            prop_assert_eq!(a_rows[row_a as usize], b_rows[row_b as usize]);
        }
        let gaps = gaps(&same, a_rows.len() as u64, b_rows.len() as u64);
        let in_gaps: u64 = gaps.iter().map(|gap| gap.a.end - gap.a.start).sum();
        let in_same: u64 = same.iter().map(|same| same.rows).sum();
        prop_assert_eq!(in_gaps + in_same, a_rows.len() as u64);
        let mut places: Vec<u64> = gaps.iter().flat_map(|gap| gap.b.clone()).collect();
        places.extend(rows_of(&same).iter().map(|(_, b)| *b));
        places.sort_unstable();
        prop_assert_eq!(places, (0..b_rows.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_shared_and_what_is_left_is_that_of_the_pairs(
        a in "[a-c]{0,10}", b in "[a-c]{0,10}", c in "[a-c]{0,10}"
    ) {
        // Two ways in which one pair of sides can be aligned: by two of three sequences.
        let whole = |text: &str| rows_in(&pieces(text)).len() as u64;
        let x = same_rows(&pieces(&a), &pieces(&b));
        let y: Vec<Same> = same_rows(&pieces(&a), &pieces(&c))
            .into_iter()
            .filter(|same| same.b + same.rows <= whole(&b))
            .collect();
        let (both, rest) = (shared(&x, &y), without(&x, &y));
        prop_assert!(is_sound(&both), "{both:?}");
        let (x, y) = (rows_of(&x), rows_of(&y));
        prop_assert_eq!(rows_of(&both), x.intersection(&y).copied().collect());
        prop_assert_eq!(rows_of(&rest), x.difference(&y).copied().collect());
    }
}

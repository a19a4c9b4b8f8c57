//! Which of the pieces of two sequences are the same, and what stands between them: of rows that
//! are known by stretches of them, without looking at any.
//!
//! Pure: what a piece is, and why two with one id hold the same rows, is for the caller to know.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::ops::Range;

/// A stretch of rows that is known by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Piece<I> {
    pub(super) id: I,
    pub(super) rows: u64,
}

/// Rows of two sides that are equal, each to the one at its place. Lists of these rise on both sides
/// and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Same {
    /// The first row on the one side.
    pub(super) a: u64,
    /// The first row on the other.
    pub(super) b: u64,
    pub(super) rows: u64,
}

/// Rows of two sides between rows that are the same; one of the sides may have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) a: Range<u64>,
    pub(super) b: Range<u64>,
}

impl Same {
    /// Returns the end on the side of `a`.
    pub(super) fn end(&self) -> u64 {
        self.a + self.rows
    }

    /// Says whether rows that stand together here stand together there, or would.
    fn is_in_line(&self, other: &Self) -> bool {
        self.a.wrapping_sub(self.b) == other.a.wrapping_sub(other.b)
    }

    /// Returns those from row `start` to row `end` of `a`, which must be in it.
    pub(super) fn between(&self, start: u64, end: u64) -> Self {
        Self { a: start, b: self.b + (start - self.a), rows: end - start }
    }
}

/// Returns the places of equal items, rising on both sides: all of the common beginning and end,
/// and in the middle the longest chain of items that are paired by how often they came before.
pub(super) fn matched<I: Eq + Hash>(a: &[I], b: &[I]) -> Vec<(usize, usize)> {
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let rest = |items: &'_ [I]| items.len() - front;
    let back = a.iter().rev().zip(b.iter().rev()).take(rest(a).min(rest(b)));
    let back = back.take_while(|(a, b)| a == b).count();
    let (a_end, b_end) = (a.len() - back, b.len() - back);
    let middle_a = a.get(front..a_end).unwrap_or_default();
    let middle_b = b.get(front..b_end).unwrap_or_default();
    let middle = rising(&paired(middle_a, middle_b));
    let mut pairs: Vec<(usize, usize)> = (0..front).map(|place| (place, place)).collect();
    pairs.extend(middle.into_iter().map(|(a, b)| (front + a, front + b)));
    pairs.extend((0..back).map(|place| (a_end + place, b_end + place)));
    pairs
}

/// Pairs the n-th of equal items here with the n-th there.
fn paired<I: Eq + Hash>(a: &[I], b: &[I]) -> Vec<(usize, usize)> {
    let mut places: HashMap<&I, VecDeque<usize>> = HashMap::new();
    for (place, item) in b.iter().enumerate() {
        places.entry(item).or_default().push_back(place);
    }
    let pair = |(place, item)| Some((place, places.get_mut(item)?.pop_front()?));
    a.iter().enumerate().filter_map(pair).collect()
}

/// Returns the longest chain of pairs, of those whose first rise, in which the second rise too.
fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let second = |place: usize| pairs.get(place).map_or(0, |(_, second)| *second);
    // The pair that ends the best chain of each length, and the one before each pair in its chain.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (place, (_, b)) in pairs.iter().enumerate() {
        let longest = ends.partition_point(|end| second(*end) < *b);
        before.push(longest.checked_sub(1).and_then(|length| ends.get(length).copied()));
        match ends.get_mut(longest) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut chain = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(place) = next {
        chain.extend(pairs.get(place));
        next = before.get(place).copied().flatten();
    }
    chain.reverse();
    chain
}

/// Returns the rows that two sequences of pieces are known to have in common.
pub(super) fn same_rows<I: Eq + Hash>(a: &[Piece<I>], b: &[Piece<I>]) -> Vec<Same> {
    let (a_starts, b_starts) = (starts(a), starts(b));
    let same = matched(a, b).into_iter().filter_map(|(place_a, place_b)| {
        let rows = a.get(place_a)?.rows;
        Some(Same { a: *a_starts.get(place_a)?, b: *b_starts.get(place_b)?, rows })
    });
    joined(same)
}

/// Returns how many rows stand before each piece.
fn starts<I>(pieces: &[Piece<I>]) -> Vec<u64> {
    let mut start = 0;
    let begin = |piece: &Piece<I>| {
        start += piece.rows;
        start - piece.rows
    };
    pieces.iter().map(begin).collect()
}

/// Puts neighbours together that are in line.
pub(super) fn joined(same: impl IntoIterator<Item = Same>) -> Vec<Same> {
    let mut out: Vec<Same> = Vec::new();
    for next in same {
        match out.last_mut() {
            Some(last) if last.end() == next.a && last.is_in_line(&next) => last.rows += next.rows,
            _ if next.rows > 0 => out.push(next),
            _ => {}
        }
    }
    out
}

/// Returns what two lists have in common.
pub(super) fn shared(x: &[Same], y: &[Same]) -> Vec<Same> {
    let mut out = Vec::new();
    let (mut xs, mut ys) = (x.iter().peekable(), y.iter().peekable());
    while let (Some(one), Some(other)) = (xs.peek(), ys.peek()) {
        let (start, end) = (one.a.max(other.a), one.end().min(other.end()));
        if start < end && one.is_in_line(other) {
            out.push(one.between(start, end));
        }
        if one.end() <= other.end() {
            xs.next();
        } else {
            ys.next();
        }
    }
    joined(out)
}

/// Returns what of `x` is not in `y`.
pub(super) fn without(x: &[Same], y: &[Same]) -> Vec<Same> {
    let mut out = Vec::new();
    let mut first = 0;
    for one in x {
        while y.get(first).is_some_and(|other| other.end() <= one.a) {
            first += 1;
        }
        let mut start = one.a;
        let near = y.iter().skip(first).take_while(|other| other.a < one.end());
        for other in near.filter(|other| one.is_in_line(other)) {
            if other.a > start {
                out.push(one.between(start, other.a));
            }
            start = start.max(other.end());
        }
        if start < one.end() {
            out.push(one.between(start, one.end()));
        }
    }
    out
}

/// Returns what stands between the rows that are the same, on sides of so many rows.
pub(super) fn gaps(same: &[Same], a_rows: u64, b_rows: u64) -> Vec<Gap> {
    let end = Same { a: a_rows, b: b_rows, rows: 0 };
    let (mut a, mut b) = (0, 0);
    let mut out = Vec::new();
    for next in same.iter().chain([&end]) {
        if next.a > a || next.b > b {
            out.push(Gap { a: a..next.a, b: b..next.b });
        }
        (a, b) = (next.end(), next.b + next.rows);
    }
    out
}

#[cfg(test)]
mod tests;

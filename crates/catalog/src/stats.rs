//! What is known of the columns of a part, or of many parts together.
//!
//! Of many parts, nulls and bytes are summed and bounds are the outermost of all. That is a
//! function of what is joined and of its order, so a list has one link and anybody can check it.
//! What the columns are called, and of what type they are, is not known here.

use std::cmp::Ordering;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::{Scalar, ScalarFault};

/// What is known of one column of a part, or of several parts.
///
/// In a block it is a list of these fields in their order, with null for an absent bound.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnStats {
    /// How many values are null.
    pub nulls: u64,
    /// Compressed bytes of the column.
    pub bytes: u64,
    /// A value that no value is below, where one is known.
    pub min: Option<Scalar>,
    /// A value that no value is above, where one is known.
    pub max: Option<Scalar>,
    /// Whether the column really has the values `min` and `max`, as far as they are there.
    pub exact: bool,
}

/// A rule that statistics of a column break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatsFault {
    /// A bound is malformed.
    Scalar(ScalarFault),
    /// The two bounds cannot be compared.
    Mixed,
}

/// Rows, and what is known of their columns.
pub(crate) type Joined<'a> = (u64, &'a [ColumnStats]);

impl Serialize for ColumnStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.nulls, self.bytes, &self.min, &self.max, self.exact).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ColumnStats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (nulls, bytes, min, max, exact) = Deserialize::deserialize(deserializer)?;
        Ok(Self { nulls, bytes, min, max, exact })
    }
}

impl ColumnStats {
    /// Forgets the bounds, which take most of the room.
    pub(crate) fn forget_bounds(&mut self) {
        (self.min, self.max, self.exact) = (None, None, false);
    }

    /// Checks the rules of both bounds.
    pub(crate) fn check(&self) -> Result<(), StatsFault> {
        for scalar in [&self.min, &self.max].into_iter().flatten() {
            scalar.check().map_err(StatsFault::Scalar)?;
        }
        match (&self.min, &self.max) {
            (Some(min), Some(max)) if !min.is_same_kind(max) => Err(StatsFault::Mixed),
            _ => Ok(()),
        }
    }
}

/// Returns what is known of the columns of all of `joined` together: nothing where they do not
/// have the same number of columns.
pub(crate) fn join(joined: &[Joined<'_>]) -> Vec<ColumnStats> {
    let Some((_, first)) = joined.first() else { return Vec::new() };
    if joined.iter().any(|(_, columns)| columns.len() != first.len()) {
        return Vec::new();
    }
    (0..first.len())
        .map(|index| {
            let column = joined
                .iter()
                .filter_map(|(rows, columns)| columns.get(index).map(|stats| (*rows, stats)));
            join_column(&column.collect::<Vec<_>>())
        })
        .collect()
}

/// Joins one column.
fn join_column(column: &[(u64, &ColumnStats)]) -> ColumnStats {
    let sum = |count: fn(&ColumnStats) -> u64| {
        column.iter().fold(0_u64, |sum, (_, stats)| sum.saturating_add(count(stats)))
    };
    let min = outermost(column, |stats| stats.min.as_ref(), Ordering::Less);
    let max = outermost(column, |stats| stats.max.as_ref(), Ordering::Greater);
    ColumnStats {
        nulls: sum(|stats| stats.nulls),
        bytes: sum(|stats| stats.bytes),
        exact: min.is_none_or(|(_, exact)| exact) && max.is_none_or(|(_, exact)| exact),
        min: min.map(|(bound, _)| bound.clone()),
        max: max.map(|(bound, _)| bound.clone()),
    }
}

/// Returns the outermost of one side's bounds, the first of equal ones, and whether one that is
/// equal to it is exact; `None` where values have no bound, or bounds cannot be compared.
fn outermost<'a>(
    column: &[(u64, &'a ColumnStats)],
    bound_of: fn(&ColumnStats) -> Option<&Scalar>,
    outward: Ordering,
) -> Option<(&'a Scalar, bool)> {
    let mut outermost: Option<(&Scalar, bool)> = None;
    // Where every value is null there is nothing to bound.
    for (_, stats) in column.iter().filter(|(rows, stats)| stats.nulls < *rows) {
        let bound = bound_of(stats)?;
        outermost = Some(match outermost {
            None => (bound, stats.exact),
            Some((known, exact)) => match bound.compare(known)? {
                Ordering::Equal => (known, exact || stats.exact),
                order if order == outward => (bound, stats.exact),
                _ => (known, exact),
            },
        });
    }
    outermost
}

#[cfg(test)]
mod tests;

//! What a name or a table function in a statement means is for the caller to say, through [`Resolve`]; and which
//! names look like one that means nothing.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use cidlake_block::Cid;

use crate::error::QueryError;
use crate::row_source::RowSource;
use crate::table::Table;

/// Names that are offered when one is not found.
const NEAR_MAX: usize = 3;
/// A name longer than that looks like none: the time of comparing grows with its length.
const COMPARED_BYTES_MAX: usize = 256;

/// Turns the names and the calls of table functions of a statement into tables. Asked once for each
/// name, before planning.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Returns what `reference` means, or `None` when it means nothing: `users`, `sales.orders`,
    /// a CID, a version such as `users~1`.
    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, QueryError>;

    /// Returns the names of all table functions.
    fn functions(&self) -> &[&'static str] {
        &[]
    }

    /// Returns what a table function returns for constant texts, or `None` when there is no such
    /// function. Called once for each call of a statement, before planning.
    async fn call(&self, _: &str, _: &[String]) -> Result<Option<Resolved>, QueryError> {
        Ok(None)
    }

    /// Returns all names, for suggestions and for `SHOW TABLES`.
    async fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a name means.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// A version of a table.
    Table(Arc<Table>),
    /// Rows in memory.
    Rows(RecordBatch),
    /// Rows in memory, in pieces.
    Batches {
        /// The schema of each piece.
        schema: SchemaRef,
        /// The pieces, in order.
        batches: Vec<RecordBatch>,
    },
    /// Rows that are made while they are read.
    Source(Arc<dyn RowSource>),
    /// A Parquet file that was not laid out here.
    File {
        /// Its root.
        root: Cid,
    },
}

/// Returns those of `names` that differ from `wanted` by little, nearest first.
#[must_use]
pub fn near(wanted: &str, names: &[String]) -> Vec<String> {
    if wanted.len() > COMPARED_BYTES_MAX {
        return Vec::new();
    }
    let wanted = wanted.to_lowercase();
    let allowed = wanted.chars().count().div_ceil(3).max(1);
    let mut scored: Vec<(usize, &String)> = names
        .iter()
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    scored.sort();
    scored.into_iter().take(NEAR_MAX).map(|(_, name)| name.clone()).collect()
}

/// Levenshtein's distance, one row of the table at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *cell;
            *cell = changed.min(left + 1).min(diagonal + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, near};

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("a", "a", 0),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn near_names_come_nearest_first() {
        let names: Vec<String> = ["users", "user", "orders", "zebra"].map(String::from).into();
        assert_eq!(near("usrs", &names), ["users", "user"]);
        assert_eq!(near("USER", &names), ["user", "users"]);
        assert!(near("nothing", &names).is_empty());
        let long = ["x".repeat(300)];
        assert!(near(&long[0], &long).is_empty());
    }
}

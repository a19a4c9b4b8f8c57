//! Rows without a key: which ones each version has more often than the other.
//!
//! A row goes by 128 bits of XXH3 over the row format of its values in the types in which they are
//! compared. That guards against accidents, not against malice: content addresses do that. Where a
//! row stands does not matter.

use std::collections::HashMap;

use arrow::record_batch::RecordBatch;

use super::first::First;
use super::parts::Selected;
use super::passes::{Reader, RowHasher};
use crate::error::QueryError;

/// What one row that is counted takes in memory, with what a table of them leaves free.
pub(super) const ROW_BYTES: usize = 112;

/// How much more often one version has a row than the other.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// Times in the second version less those in the first.
    surplus: i64,
    /// Where each version has it first.
    first: [u64; 2],
}

/// A row that one version has more often than the other: where it is first, and how much more often.
pub(super) type Times = (u64, u64);

/// How rows differ.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) removed: u64,
    pub(super) added: u64,
    /// The first of each.
    pub(super) removed_first: First<Times>,
    pub(super) added_first: First<Times>,
}

impl Counted {
    pub(super) fn new(samples_max: usize) -> Self {
        Self {
            removed: 0,
            added: 0,
            removed_first: First::new(samples_max),
            added_first: First::new(samples_max),
        }
    }

    pub(super) fn remove(&mut self, row: u64, times: u64) {
        self.removed += times;
        self.removed_first.push((row, times));
    }

    pub(super) fn add(&mut self, row: u64, times: u64) {
        self.added += times;
        self.added_first.push((row, times));
    }
}

/// Counts the rows that are left to be compared of two versions.
pub(super) async fn counted(
    reader: &Reader<'_>,
    a: &[Selected],
    b: &[Selected],
    samples_max: usize,
) -> Result<Counted, QueryError> {
    let mut counted = Counted::new(samples_max);
    let hasher = RowHasher::new(reader.schema().fields().iter().map(|field| field.data_type()))?;
    for pass in reader.passes(a, b, ROW_BYTES) {
        let mut counts: HashMap<u128, Count> = HashMap::new();
        for (side, selected) in [a, b].into_iter().enumerate() {
            let mut take = |batch: &RecordBatch, rows: &[u64]| {
                let hashes = hasher.of(batch.columns())?;
                for (hash, row) in hashes.into_iter().zip(rows) {
                    if pass.has(hash) {
                        count(&mut counts, hash, side, *row);
                    }
                }
                Ok(())
            };
            reader.each(side, selected, &mut take).await?;
        }
        for Count { surplus, first: [a, b] } in counts.into_values() {
            match surplus {
                ..0 => counted.remove(a, surplus.unsigned_abs()),
                1.. => counted.add(b, surplus.unsigned_abs()),
                0 => {}
            }
        }
    }
    Ok(counted)
}

/// Takes a row in; one that both have equally often is forgotten.
fn count(counts: &mut HashMap<u128, Count>, hash: u128, side: usize, row: u64) {
    let count = counts.entry(hash).or_insert(Count { surplus: 0, first: [u64::MAX; 2] });
    count.surplus += if side == 0 { -1 } else { 1 };
    if let Some(first) = count.first.get_mut(side) {
        *first = row.min(*first);
    }
    // The first version is through when the second begins, so it has no more of these.
    if side == 1 && count.surplus == 0 {
        counts.remove(&hash);
    }
}

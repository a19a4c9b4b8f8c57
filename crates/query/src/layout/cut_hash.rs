//! The cut hash of each row, of what each cut column holds there and in the rows before: what
//! decides where row groups end.
//!
//! Every cut column has a gear hash of its own over the hashes of its values, which forgets a value
//! after 64 rows; the cut hash of a row is the least of them. So a column of few values cuts as
//! evenly as any other, and a change of one column moves only the ends that are its own.
//! Not the hash of a row: that is [`super::row_hash`].

use arrow::array::RecordBatch;

use super::row_hash::value_hashes;

/// The gear hash of each cut column behind the rows so far.
#[derive(Debug)]
pub(super) struct CutHash {
    columns: Vec<(usize, u64)>,
}

impl CutHash {
    /// Prepares to hash rows by the columns at `columns`.
    pub(super) fn new(columns: &[usize]) -> Self {
        Self { columns: columns.iter().map(|column| (*column, 0)).collect() }
    }

    /// Returns the cut hashes of the next rows, a canonical batch.
    pub(super) fn of(&mut self, rows: &RecordBatch) -> Vec<u64> {
        let mut hashes = vec![u64::MAX; rows.num_rows()];
        for (column, gear) in &mut self.columns {
            let Some(values) = rows.columns().get(*column) else { continue };
            for (least, hash) in hashes.iter_mut().zip(value_hashes(values)) {
                *gear = (*gear << 1).wrapping_add(hash);
                *least = (*least).min(*gear);
            }
        }
        hashes
    }
}

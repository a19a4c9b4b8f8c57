//! The cut hash of each row, of what each cut column holds there and in the rows before: what
//! decides where row groups end.
//!
//! Every cut column has a gear hash of its own over the hashes of its values, which forgets a value
//! after 64 rows; the cut hash of a row is the least of them. So a column of few values cuts as
//! evenly as any other, and a change of one column moves only the ends that are its own.
//! Not the hash of a row: that is [`super::row_hash`], which is computed along with it.

use arrow::array::RecordBatch;

use super::row_hash::{begun, fold_each, value_hashes};

/// The gear hash of each cut column behind the rows so far.
#[derive(Debug)]
pub(super) struct CutHash {
    /// Of each column of the table, the gear hash where it cuts.
    columns: Vec<Option<u64>>,
}

/// The hashes of some rows.
#[derive(Debug)]
pub(super) struct Hashes {
    /// The cut hash of each.
    pub(super) cut: Vec<u64>,
    /// The [hash](super::row_hash) of each over all columns, from the same hashes of values.
    pub(super) rows: Vec<u64>,
}

impl CutHash {
    /// Prepares to hash rows of `width` columns by those at `columns`.
    pub(super) fn new(width: usize, columns: &[usize]) -> Self {
        Self { columns: (0..width).map(|column| columns.contains(&column).then_some(0)).collect() }
    }

    /// Forgets the rows so far.
    pub(super) fn forget(&mut self) {
        self.columns.iter_mut().flatten().for_each(|gear| *gear = 0);
    }

    /// Returns the hashes of the next rows, a canonical batch.
    pub(super) fn of(&mut self, rows: &RecordBatch) -> Hashes {
        let mut hashes =
            Hashes { cut: vec![u64::MAX; rows.num_rows()], rows: begun(rows.num_rows()) };
        for (gear, column) in self.columns.iter_mut().zip(rows.columns()) {
            let values = value_hashes(column);
            fold_each(&mut hashes.rows, &values);
            let Some(gear) = gear else { continue };
            for (least, hash) in hashes.cut.iter_mut().zip(values) {
                *gear = (*gear << 1).wrapping_add(hash);
                *least = (*least).min(*gear);
            }
        }
        hashes
    }
}

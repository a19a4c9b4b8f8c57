//! Reading the rows that are left to be compared, as often as memory asks for: where there are too
//! many to be remembered at once, each pass remembers those whose hashes are its own.
//!
//! What is made of the rows is not known here.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use xxhash_rust::xxh3::xxh3_128;

use super::pages::Sides;
use super::parts::Selected;
use crate::error::{QueryError, arrow_message};

/// However little memory there is, so many rows are remembered.
const ROWS_MIN: u64 = 1 << 10;

/// Called with rows that were read, and rows that are to be read.
pub type DiffProgress<'a> = dyn Fn(u64, u64) + Send + Sync + 'a;

/// Takes rows with the number that each has in its version.
pub(super) type TakeRows<'a> =
    dyn FnMut(&RecordBatch, &[u64]) -> Result<(), QueryError> + Send + 'a;

/// Reads rows of two versions.
pub(super) struct Reader<'a> {
    sides: &'a Sides<'a>,
    memory_bytes_max: usize,
    progress: &'a DiffProgress<'a>,
    done: AtomicU64,
    total: AtomicU64,
}

/// Which of the rows are remembered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    number: u128,
    of: u128,
}

impl Pass {
    /// Says whether a row with this hash is one of them.
    pub(super) fn has(self, hash: u128) -> bool {
        hash % self.of == self.number
    }

    /// Returns the passes in which `rows` rows of `row_bytes` each are remembered.
    fn all(rows: u64, row_bytes: usize, memory_bytes_max: usize) -> Vec<Self> {
        let at_once = (memory_bytes_max / row_bytes.max(1)) as u64;
        let of = u128::from(rows.div_ceil(at_once.max(ROWS_MIN)).max(1));
        (0..of).map(|number| Self { number, of }).collect()
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        sides: &'a Sides<'a>,
        memory_bytes_max: usize,
        progress: &'a DiffProgress<'a>,
    ) -> Self {
        let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { sides, memory_bytes_max, progress, done, total }
    }

    /// Returns the columns that are compared.
    pub(super) fn schema(&self) -> &SchemaRef {
        self.sides.a.common()
    }

    /// Returns the passes that rows need, where each takes so many bytes.
    pub(super) fn passes(&self, a: &[Selected], b: &[Selected], row_bytes: usize) -> Vec<Pass> {
        let rows = rows_of(a) + rows_of(b);
        let passes = Pass::all(rows, row_bytes, self.memory_bytes_max);
        self.total.store(rows.saturating_mul(passes.len() as u64), Ordering::Relaxed);
        passes
    }

    /// Reads rows of the first version, which is `side` 0, or of the second.
    pub(super) async fn each(
        &self,
        side: usize,
        selected: &[Selected],
        take: &mut TakeRows<'_>,
    ) -> Result<(), QueryError> {
        let side = if side == 0 { &self.sides.a } else { &self.sides.b };
        let columns: Vec<usize> = (0..self.schema().fields().len()).collect();
        for Selected { placed, ranges } in selected {
            let mut numbers = ranges.iter().flat_map(Range::clone).map(|row| placed.start + row);
            let mut rows: Vec<u64> = Vec::new();
            let mut numbered = |batch: RecordBatch| {
                rows.clear();
                rows.extend(numbers.by_ref().take(batch.num_rows()));
                take(&batch, &rows)?;
                let read = batch.num_rows() as u64;
                let done = self.done.fetch_add(read, Ordering::Relaxed) + read;
                (self.progress)(done, self.total.load(Ordering::Relaxed));
                Ok(())
            };
            side.read(placed, ranges, &columns, &mut numbered).await?;
        }
        Ok(())
    }
}

/// Returns how many rows are selected.
pub(super) fn rows_of(selected: &[Selected]) -> u64 {
    let ranges = selected.iter().flat_map(|selected| &selected.ranges);
    ranges.map(|range| range.end - range.start).sum()
}

/// Makes 128 bits of the values of some columns.
#[derive(Debug)]
pub(super) struct RowHasher {
    converter: RowConverter,
}

impl RowHasher {
    pub(super) fn new<'a>(
        kinds: impl IntoIterator<Item = &'a DataType>,
    ) -> Result<Self, QueryError> {
        let fields = kinds.into_iter().map(|kind| SortField::new(kind.clone())).collect();
        let converter = RowConverter::new(fields)
            .map_err(|error| QueryError::internal(arrow_message(&error)))?;
        Ok(Self { converter })
    }

    /// Returns a hash for each row of the columns.
    pub(super) fn of(&self, columns: &[ArrayRef]) -> Result<Vec<u128>, QueryError> {
        let rows = self
            .converter
            .convert_columns(columns)
            .map_err(|error| QueryError::internal(arrow_message(&error)))?;
        Ok(rows.iter().map(|row| xxh3_128(row.data())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Pass;

    #[test]
    fn every_row_is_in_one_pass() {
        for (rows, expected) in [(0, 1), (1024, 1), (1025, 2), (10_000, 10)] {
            let passes = Pass::all(rows, 100, 1);
            assert_eq!(passes.len(), expected, "{rows}");
            for hash in [0, 1, 7, u128::MAX, u128::MAX / 3] {
                assert_eq!(passes.iter().filter(|pass| pass.has(hash)).count(), 1);
            }
        }
        assert_eq!(Pass::all(1 << 20, 128, 64 << 20).len(), 2);
    }
}

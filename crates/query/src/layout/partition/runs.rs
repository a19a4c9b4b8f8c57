//! Where a stream of rows passes from one partition to another.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::row::{RowConverter, SortField};

use super::{Partitioning, failed};
use crate::error::QueryError;

/// The partition of the rows that came last: tells where another one begins.
#[derive(Debug)]
pub(in crate::layout) struct Partition {
    columns: Vec<usize>,
    converter: RowConverter,
    /// What is equal for rows of one partition alone; `None` before the first row.
    key: Option<Box<[u8]>>,
}

impl Partition {
    pub(in crate::layout) fn new(partitioning: &Partitioning) -> Result<Self, QueryError> {
        let converter = converter(partitioning)?;
        Ok(Self { columns: partitioning.folders.clone(), converter, key: None })
    }

    /// Cuts canonical rows of all columns where their partition changes, and says of each piece
    /// whether it begins another partition than that of the rows before.
    pub(in crate::layout) fn runs(
        &mut self,
        rows: &RecordBatch,
    ) -> Result<Vec<(Range<usize>, bool)>, QueryError> {
        if self.columns.is_empty() {
            return Ok(vec![(0..rows.num_rows(), false)]);
        }
        let columns = rows.project(&self.columns).map_err(failed)?;
        let keys = self.converter.convert_columns(columns.columns()).map_err(failed)?;
        let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let same = self.key.as_deref() == Some(key.data());
            match runs.last_mut() {
                Some((run, _)) if same => run.end = row + 1,
                _ => runs.push((row..row + 1, !same)),
            }
            if !same {
                self.key = Some(key.data().into());
            }
        }
        Ok(runs)
    }
}

/// Makes what turns the values of partition columns into bytes.
pub(super) fn converter(partitioning: &Partitioning) -> Result<RowConverter, QueryError> {
    let folders = partitioning.folders.iter().map(|index| partitioning.schema.field(*index));
    let fields = folders.map(|field| SortField::new(field.data_type().clone()));
    RowConverter::new(fields.collect()).map_err(failed)
}

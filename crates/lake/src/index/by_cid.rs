//! Finds rows by an address: of each piece a sorted list of hashes, made when first asked for.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::OnceLock;

use cidlake_query::QueryError;
use cidlake_query::arrow::array::{Array as _, AsArray as _, UInt64Array};
use cidlake_query::arrow::compute::take_record_batch;
use cidlake_query::arrow::record_batch::RecordBatch;

use super::rows::{Table, Tables};
use crate::error::Error;

/// The addresses of a piece. It holds no addresses itself.
#[derive(Debug, Default)]
pub(super) struct ByCid([OnceLock<Vec<(u64, u32)>>; Table::ALL.len()]);

impl ByCid {
    /// Returns the rows of a table, of those in `range`, that have an address.
    pub(super) fn rows(
        &self,
        tables: &Tables,
        table: Table,
        cid: &str,
        range: &Range<usize>,
    ) -> Result<Option<RecordBatch>, Error> {
        let batch = tables.of(table);
        let hashes = self.0[table as usize].get_or_init(|| hashes(batch, table));
        let wanted = hash(cid);
        let from = hashes.partition_point(|(hash, _)| *hash < wanted);
        let same = hashes[from..].iter().take_while(|(hash, _)| *hash == wanted);
        let rows = same.map(|(_, row)| *row as usize).filter(|row| range.contains(row));
        let mut rows: Vec<u64> =
            rows.filter(|row| has(batch, table, *row, cid)).map(|row| row as u64).collect();
        rows.sort_unstable();
        rows.dedup();
        if rows.is_empty() {
            return Ok(None);
        }
        let found = take_record_batch(batch, &UInt64Array::from(rows));
        Ok(Some(found.map_err(QueryError::internal)?))
    }
}

fn hashes(batch: &RecordBatch, table: Table) -> Vec<(u64, u32)> {
    let mut hashes = Vec::with_capacity(batch.num_rows() * table.addresses().len());
    for column in table.addresses() {
        let column = batch[*column].as_string::<i32>();
        for (row, cid) in (0..).zip(column.iter()) {
            hashes.extend(cid.map(|cid| (hash(cid), row)));
        }
    }
    hashes.sort_unstable();
    hashes
}

fn has(batch: &RecordBatch, table: Table, row: usize, cid: &str) -> bool {
    table.addresses().iter().any(|column| {
        let column = batch[*column].as_string::<i32>();
        column.is_valid(row) && column.value(row) == cid
    })
}

fn hash(cid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    cid.hash(&mut hasher);
    hasher.finish()
}

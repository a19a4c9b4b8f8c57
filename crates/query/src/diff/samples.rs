//! The answer: numbers of rows, and the first of them with their values. What is told of a row here
//! was decided before.

use arrow::array::UInt64Array;
use arrow::compute::take_record_batch;

use super::parts::{Placed, Run, Selected};
use super::read::Side;
use super::{ChangedRows, ColumnDiff, Diff, Found, SampleRows, Sides, Times};
use crate::error::{QueryError, arrow_message};

impl Sides<'_> {
    /// Puts together what was found.
    pub(super) async fn diff(
        &self,
        columns: Vec<ColumnDiff>,
        runs: &[Run],
        found: Found,
    ) -> Result<Diff, QueryError> {
        let a: Vec<&Placed> = runs.iter().flat_map(|run| &run.a).collect();
        let b: Vec<&Placed> = runs.iter().flat_map(|run| &run.b).collect();
        let Found { counted, changed, changed_first, columns: counts, rows_read } = found;
        let names: Vec<String> =
            self.a.common().fields().iter().map(|field| field.name().clone()).collect();
        let named = names.iter().cloned().zip(counts);
        let columns_changed = named.filter(|(_, count)| *count > 0).collect();
        let (mut rows, mut changes) = (Vec::new(), Vec::new());
        for (before, after, places) in changed_first.into_sorted() {
            rows.push([before, after]);
            let places = places.into_iter().filter_map(|place| names.get(place).cloned());
            changes.push(places.collect());
        }
        let before = rows_at(&self.a, &a, rows.iter().map(|[before, _]| *before)).await?;
        let after = rows_at(&self.b, &b, rows.iter().map(|[_, after]| *after)).await?;
        Ok(Diff {
            columns,
            rows_removed: counted.removed,
            rows_added: counted.added,
            rows_changed: changed,
            columns_changed,
            removed: samples(&self.a, &a, counted.removed_first.into_sorted()).await?,
            added: samples(&self.b, &b, counted.added_first.into_sorted()).await?,
            changed: ChangedRows { rows, columns: changes, before, after },
            rows_read,
            parts_differing: (a.len() + b.len()) as u64,
        })
    }
}

async fn samples(
    side: &Side<'_>,
    parts: &[&Placed],
    first: Vec<Times>,
) -> Result<SampleRows, QueryError> {
    let (rows, times): (Vec<u64>, Vec<u64>) = first.into_iter().unzip();
    let values = rows_at(side, parts, rows.iter().copied()).await?;
    Ok(SampleRows { rows, times, values })
}

/// Reads rows by their numbers, in whatever order.
async fn rows_at(
    side: &Side<'_>,
    parts: &[&Placed],
    rows: impl Iterator<Item = u64>,
) -> Result<arrow::record_batch::RecordBatch, QueryError> {
    let rows: Vec<u64> = rows.collect();
    let mut order = rows.clone();
    order.sort_unstable();
    order.dedup();
    let values = side.user_rows(&within(parts, &order)).await?;
    if order == rows {
        return Ok(values);
    }
    let places = rows.iter().filter_map(|row| order.binary_search(row).ok());
    let places = UInt64Array::from_iter_values(places.map(|place| place as u64));
    take_record_batch(&values, &places).map_err(|error| QueryError::internal(arrow_message(&error)))
}

/// Returns where rows, whose numbers rise, stand in parts.
fn within(parts: &[&Placed], rows: &[u64]) -> Vec<Selected> {
    let mut selected = Vec::new();
    for placed in parts {
        let start = placed.start;
        let first = rows.partition_point(|row| *row < start);
        let last = rows.partition_point(|row| *row < start + placed.part.rows);
        let inside = rows.get(first..last).unwrap_or_default();
        if !inside.is_empty() {
            let ranges = inside.iter().map(|row| row - start..row - start + 1).collect();
            selected.push(Selected { placed: (*placed).clone(), ranges });
        }
    }
    selected
}

//! The conditions that are checked after decoding, and the projection behind them.

use std::sync::Arc;

use arrow::array::{Array as _, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::kernels::coalesce::BatchCoalescer;
use arrow::compute::{and, prep_null_mask_filter};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::{ProjectionExprs, Projector};
use datafusion::physical_expr::utils::reassign_expr_columns;
use futures::stream::{BoxStream, StreamExt as _, try_unfold};

use super::condition::Seen;

/// Rows are few where they are one in so many.
const FEW: usize = 5;

/// A condition over decoded batches.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) expr: Arc<dyn PhysicalExpr>,
    pub(super) seen: Arc<Seen>,
    /// Whether the first batch is enough: of a hint that is asked only to know it.
    pub(super) is_sample: bool,
}

/// What is done with the batches of a part once they are decoded.
#[derive(Debug)]
pub(super) struct After {
    checks: Vec<Check>,
    /// The columns that the projection needs, and their schema.
    needed: Vec<usize>,
    needed_schema: SchemaRef,
    projector: Projector,
    batch_rows: usize,
}

impl After {
    /// Prepares for batches of the schema `decoded`: `checks` and `projection` are over columns of
    /// these names.
    pub(super) fn new(
        checks: Vec<Check>,
        projection: &ProjectionExprs,
        decoded: &Schema,
        batch_rows: usize,
    ) -> Result<Self> {
        let on_decoded =
            |check: Check| Ok(Check { expr: reassign_expr_columns(check.expr, decoded)?, ..check });
        let checks = checks.into_iter().map(on_decoded).collect::<Result<Vec<_>>>()?;
        let projection =
            projection.clone().try_map_exprs(|expr| reassign_expr_columns(expr, decoded))?;
        let needed = projection.column_indices();
        let needed_schema = Arc::new(decoded.project(&needed)?);
        let projection =
            projection.try_map_exprs(|expr| reassign_expr_columns(expr, &needed_schema))?;
        let projector = projection.make_projector(&needed_schema)?;
        Ok(Self { checks, needed, needed_schema, projector, batch_rows })
    }

    /// Returns the rows of `batches` that pass, projected, in batches of a good size.
    pub(super) fn apply(
        self: Arc<Self>,
        batches: BoxStream<'static, Result<RecordBatch>>,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let coalescer = BatchCoalescer::new(Arc::clone(&self.needed_schema), self.batch_rows)
            .with_biggest_coalesce_batch_size(Some(self.batch_rows / 2));
        let state = State { after: self, batches, coalescer, is_first: true, is_done: false };
        try_unfold(
            state,
            |mut state| async move { Ok(state.next().await?.map(|batch| (batch, state))) },
        )
        .boxed()
    }

    /// Returns which rows of a batch pass; `None` where all do.
    fn passing(&self, batch: &RecordBatch, is_first: bool) -> Result<Option<BooleanArray>> {
        let mut passing: Option<BooleanArray> = None;
        for check in self.checks.iter().filter(|check| is_first || !check.is_sample) {
            passing = Some(match passing {
                None => check.all(batch)?,
                Some(before) if !before.has_true() => return Ok(Some(before)),
                Some(before) => check.those(batch, &before)?,
            });
        }
        Ok(passing.filter(BooleanArray::has_false))
    }
}

impl Check {
    /// Returns which rows of a batch pass, and counts them.
    fn all(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let passed = booleans(self.expr.evaluate(batch)?, batch.num_rows())?;
        self.seen.add(passed.len(), passed.true_count());
        Ok(passed)
    }

    /// Returns which of the rows `before` pass as well. Where they are few, the others are not asked
    /// about, and what passes of a choice says nothing of all rows and is not counted.
    fn those(&self, batch: &RecordBatch, before: &BooleanArray) -> Result<BooleanArray> {
        let is_few = before.true_count() * FEW <= before.len();
        let passed = match is_few {
            true => booleans(self.expr.evaluate_selection(batch, before)?, batch.num_rows())?,
            false => self.all(batch)?,
        };
        Ok(and(before, &passed)?)
    }
}

/// Returns a condition's value for each row, false where it is null.
fn booleans(value: ColumnarValue, rows: usize) -> Result<BooleanArray> {
    let value = value.into_array(rows)?;
    let value = as_boolean_array(&value)?;
    Ok(if value.null_count() > 0 { prep_null_mask_filter(value) } else { value.clone() })
}

/// A part on its way through the checks.
struct State {
    after: Arc<After>,
    batches: BoxStream<'static, Result<RecordBatch>>,
    coalescer: BatchCoalescer,
    is_first: bool,
    is_done: bool,
}

impl State {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return self.after.projector.project_batch(&batch).map(Some);
            }
            if self.is_done {
                return Ok(None);
            }
            match self.batches.next().await.transpose()? {
                Some(batch) => {
                    if let Some(rows) = self.push(&batch)? {
                        return Ok(Some(rows));
                    }
                }
                None => {
                    self.is_done = true;
                    self.coalescer.finish_buffered_batch()?;
                }
            }
        }
    }

    /// Takes a batch in. One without columns has nothing to coalesce and comes back at once.
    fn push(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let passing = self.after.passing(batch, is_first)?;
        if self.after.needed.is_empty() {
            let rows = passing.map_or(batch.num_rows(), |passing| passing.true_count());
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let schema = Arc::clone(&self.after.needed_schema);
            let counted = RecordBatch::try_new_with_options(schema, Vec::new(), &options)?;
            return self.after.projector.project_batch(&counted).map(Some);
        }
        let needed = batch.project(&self.after.needed)?;
        match passing {
            None => self.coalescer.push_batch(needed)?,
            Some(passing) if !passing.has_true() => {}
            Some(passing) => self.coalescer.push_batch_with_filter(needed, &passing)?,
        }
        Ok(None)
    }
}

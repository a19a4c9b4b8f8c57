//! Stopping work that would not stop by itself.
//!
//! A stream that is dropped or timed out stops where it next waits. A join can make rows for
//! hours out of two small inputs and never wait, so a plan is asked in its joins, batch by batch,
//! whether it may go on. When that is so is for the caller to say; there is no clock here.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::Stream;

use crate::error::QueryError;

/// Says whether a statement may go on, and if not, why. Asked often: it must be cheap.
pub type GoOn = Arc<dyn Fn() -> std::result::Result<(), QueryError> + Send + Sync>;

/// Returns `plan` with every node that can make more rows than it takes asking `go_on`.
pub(crate) fn watched(
    plan: Arc<dyn ExecutionPlan>,
    go_on: &GoOn,
) -> Result<Arc<dyn ExecutionPlan>> {
    let watched = plan.transform_up(|node| {
        let multiplies = node.children().len() > 1 || node.downcast_ref::<UnnestExec>().is_some();
        if !multiplies {
            return Ok(Transformed::no(node));
        }
        let node = match node.downcast_ref::<NestedLoopJoinExec>() {
            Some(join) => watched_filter(join, go_on)?.unwrap_or(node),
            None => node,
        };
        Ok(Transformed::yes(Arc::new(Watched { input: node, go_on: Arc::clone(go_on) }) as _))
    })?;
    Ok(watched.data)
}

/// Returns the join with a filter that asks; a filter that lets nothing through leaves the join
/// no other moment to be asked in.
fn watched_filter(
    join: &NestedLoopJoinExec,
    go_on: &GoOn,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = join.filter() else { return Ok(None) };
    let condition =
        WatchedExpr { inner: Arc::clone(filter.expression()), go_on: Arc::clone(go_on) };
    let filter = JoinFilter::new(
        Arc::new(condition),
        filter.column_indices().to_vec(),
        Arc::clone(filter.schema()),
    );
    let join = NestedLoopJoinExecBuilder::from(join).with_filter(Some(filter)).build()?;
    Ok(Some(Arc::new(join)))
}

/// A node whose every batch is asked for.
struct Watched {
    input: Arc<dyn ExecutionPlan>,
    go_on: GoOn,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for Watched {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl ExecutionPlan for Watched {
    fn name(&self) -> &'static str {
        "Watched"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input, go_on: Arc::clone(&self.go_on) })),
            _ => Err(DataFusionError::Internal("a watched node has one input".to_owned())),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let inner = self.input.execute(partition, context)?;
        let go_on = Arc::clone(&self.go_on);
        // A node that multiplies has a next batch at once, for hours: now and then others come first.
        Ok(make_cooperative(Box::pin(WatchedStream { inner, go_on, is_over: false })))
    }
}

struct WatchedStream {
    inner: SendableRecordBatchStream,
    go_on: GoOn,
    /// Whether it ended, or failed: what is asked again after that may panic.
    is_over: bool,
}

impl Stream for WatchedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = match ask(&self.go_on) {
            Ok(()) => std::task::ready!(self.inner.as_mut().poll_next(context)),
            Err(stopped) => Some(Err(stopped)),
        };
        self.is_over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl RecordBatchStream for WatchedStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}

/// A condition that is asked for before it is evaluated.
struct WatchedExpr {
    inner: Arc<dyn PhysicalExpr>,
    go_on: GoOn,
}

impl fmt::Debug for WatchedExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl fmt::Display for WatchedExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl PartialEq for WatchedExpr {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for WatchedExpr {}

impl Hash for WatchedExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for WatchedExpr {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.inner.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.inner.nullable(input)
    }

    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        ask(&self.go_on)?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match (children.pop(), children.is_empty()) {
            (Some(inner), true) => Ok(Arc::new(Self { inner, go_on: Arc::clone(&self.go_on) })),
            _ => Err(DataFusionError::Internal("a watched condition has one child".to_owned())),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

fn ask(go_on: &GoOn) -> Result<()> {
    go_on().map_err(|stopped| DataFusionError::External(Box::new(stopped)))
}

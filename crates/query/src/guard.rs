//! What a statement may take: rows and bytes of its answer, bytes that it reads, and its turn where
//! memory is scarce.
//!
//! Time is the caller's (see `watch.rs`), and so is the queue: here it is only said what a plan needs.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch};
use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, StatisticsArgs, StatisticsContext};
use futures::StreamExt as _;

use crate::engine::Rows;
use crate::error::QueryError;

/// A sort that keeps so many rows needs next to no memory.
const TOP_ROWS_MAX: usize = 10_000;
/// A plan over so many rows needs little memory whatever it does with them.
const ROWS_LITTLE: usize = 50_000;

/// What one statement may take; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the answer.
    pub rows_max: Option<u64>,
    /// Bytes of the answer, as Arrow arrays.
    pub bytes_max: Option<u64>,
    /// Bytes of parts that are read, wherever they are.
    pub read_bytes_max: Option<u64>,
}

impl Limits {
    /// Returns the stricter of both limits, each for itself.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            rows_max: least(self.rows_max, other.rows_max),
            bytes_max: least(self.bytes_max, other.bytes_max),
            read_bytes_max: least(self.read_bytes_max, other.read_bytes_max),
        }
    }
}

/// How much working memory a plan may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Next to none: rows pass through.
    Little,
    /// A share of what there is, and what is beyond it spills where that is possible.
    Share,
    /// As much as there is: a share was not enough.
    All,
}

/// Lets plans run when their turn has come.
#[async_trait]
pub trait Admit: Send + Sync {
    /// Waits for room, which is kept until what is returned is dropped.
    async fn admit(&self, need: Need) -> Box<dyn Any + Send + Sync>;

    /// Waits for a moment, in which work that was let go of may notice.
    async fn pause(&self);
}

/// Lets every plan run at once.
#[derive(Clone, Copy, Debug)]
pub struct AdmitAll;

#[async_trait]
impl Admit for AdmitAll {
    async fn admit(&self, _: Need) -> Box<dyn Any + Send + Sync> {
        Box::new(())
    }

    async fn pause(&self) {}
}

/// Where rows go that memory has no room for.
pub trait Spill: std::fmt::Debug + Send + Sync {
    /// Returns a folder that is there, for files that end with their statements: the same one as
    /// before, as long as it is.
    ///
    /// # Errors
    /// When there is none and none can be made.
    fn folder(&self) -> std::io::Result<PathBuf>;
}

/// Returns what a plan needs: judged by its nodes, and by how many rows come into it.
pub(crate) fn need_of(plan: &Arc<dyn ExecutionPlan>) -> Need {
    let holds = any(plan, &|node| holds_rows(node) || multiplies(node));
    let is_small = !any(plan, &multiplies) && rows_in(plan).is_some_and(|rows| rows <= ROWS_LITTLE);
    if holds && !is_small { Need::Share } else { Need::Little }
}

fn any(plan: &Arc<dyn ExecutionPlan>, is_so: &dyn Fn(&dyn ExecutionPlan) -> bool) -> bool {
    is_so(plan.as_ref()) || plan.children().into_iter().any(|child| any(child, is_so))
}

/// Whether a node holds rows, as many as come in.
fn holds_rows(node: &dyn ExecutionPlan) -> bool {
    if let Some(sort) = node.downcast_ref::<SortExec>() {
        return sort.fetch().is_none_or(|rows| rows > TOP_ROWS_MAX);
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return !aggregate.group_expr().is_empty();
    }
    node.children().len() > 1 && node.name() != "UnionExec"
        || node.downcast_ref::<WindowAggExec>().is_some()
        || node.downcast_ref::<BoundedWindowAggExec>().is_some()
}

/// Whether a node can make any number of rows out of few.
fn multiplies(node: &dyn ExecutionPlan) -> bool {
    node.downcast_ref::<CrossJoinExec>().is_some()
        || node.downcast_ref::<NestedLoopJoinExec>().is_some()
        || node.downcast_ref::<RecursiveQueryExec>().is_some()
        || node.downcast_ref::<UnnestExec>().is_some()
        || node.name().contains("Generate")
}

/// Returns how many rows the leaves of a plan have, where all of them say so.
fn rows_in(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let children = plan.children();
    if children.is_empty() {
        return match StatisticsContext::new()
            .compute(plan.as_ref(), &StatisticsArgs::new())
            .ok()?
            .num_rows
        {
            Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
            Precision::Absent => None,
        };
    }
    children.into_iter().map(rows_in).sum()
}

/// Returns rows that end with an error where there are more than `limits` allow.
pub(crate) fn limited(rows: Rows, limits: Limits) -> Rows {
    if limits.rows_max.is_none() && limits.bytes_max.is_none() {
        return rows;
    }
    let Rows { schema, stream } = rows;
    let mut taken = Taken::default();
    let counted = stream.map(move |batch| {
        let batch = batch?;
        taken.add(&batch);
        match taken.exceeded(limits) {
            Some(error) => Err(DataFusionError::External(Box::new(error))),
            None => Ok(batch),
        }
    });
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), counted);
    Rows { schema, stream: Box::pin(stream) }
}

/// What an answer has taken so far.
#[derive(Debug, Default)]
struct Taken {
    rows: u64,
    bytes: u64,
}

impl Taken {
    fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        let bytes = batch.columns().iter().map(|column| {
            let data = column.to_data();
            // A slice counts as what it shows and not as what it was cut from.
            data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size())
        });
        self.bytes += bytes.sum::<usize>() as u64;
    }

    fn exceeded(&self, limits: Limits) -> Option<QueryError> {
        let over = |taken: u64, most: Option<u64>, what| {
            most.filter(|most| taken > *most).map(|limit| QueryError::Limit { what, limit })
        };
        over(self.rows, limits.rows_max, "rows in its answer")
            .or_else(|| over(self.bytes, limits.bytes_max, "bytes in its answer"))
    }
}

#[cfg(test)]
mod tests;

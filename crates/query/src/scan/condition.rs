//! One condition of a scan: a conjunct of its filter, with how many rows passed it so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr,
    LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::intervals::utils::check_support;
use datafusion::physical_expr::{AnalysisContext, DynamicFilterTracking, PhysicalExpr, analyze};

use super::choice::{BATCH_ROWS, EARLY_MAX, Known};

/// What a batch counts: enough to be halved a few times.
const BATCH: usize = 1 << 10;

/// A conjunct, over the columns of the table.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) expr: Arc<dyn PhysicalExpr>,
    /// Whether another node hands it down, changes it as it runs, and checks it again.
    pub(super) is_hint: bool,
    /// Whether it cannot fail, so that it may be checked before others.
    is_infallible: bool,
    /// The share of rows that is expected to pass, before any were seen.
    expected: Option<f64>,
    /// Shared by all partitions of the scan.
    pub(super) seen: Arc<Seen>,
}

impl Condition {
    /// Takes a conjunct over the columns of `schema`, of which `statistics` are known.
    pub(super) fn new(
        expr: Arc<dyn PhysicalExpr>,
        schema: &SchemaRef,
        statistics: &Statistics,
    ) -> Self {
        let is_hint = is_hint(&expr);
        let is_infallible = is_infallible(&expr);
        let expected = if is_hint { None } else { expected(&expr, schema, statistics) };
        Self { expr, is_hint, is_infallible, expected, seen: Arc::default() }
    }

    /// Returns what a choice is made by.
    pub(super) fn known(&self) -> Known {
        Known {
            is_hint: self.is_hint,
            may_be_early: self.is_hint || self.is_infallible,
            passing: self.seen.passing().or(self.expected),
            touched: self.seen.touched().or(self.expected.map(|share| share * BATCH_ROWS)),
        }
    }
}

/// How many rows a condition was asked about and how many passed, and the same of batches: one is
/// touched where any of its rows passed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    rows: AtomicU64,
    passed: AtomicU64,
    batches: AtomicU64,
    touched: AtomicU64,
}

impl Seen {
    /// Counts a batch.
    pub(super) fn add(&self, rows: usize, passed: usize) {
        let add = |count: &AtomicU64, more: usize| {
            count.fetch_add(more as u64, Ordering::Relaxed);
        };
        add(&self.rows, rows);
        add(&self.passed, passed);
        add(&self.batches, BATCH);
        add(&self.touched, if passed > 0 { BATCH } else { 0 });
    }

    /// Returns the share of rows that passed; `None` before any were seen.
    pub(super) fn passing(&self) -> Option<f64> {
        share(&self.passed, &self.rows)
    }

    /// Returns the share of batches of which rows passed; `None` before any were seen.
    pub(super) fn touched(&self) -> Option<f64> {
        share(&self.touched, &self.batches)
    }

    /// Lets what was seen count half as much as what comes.
    pub(super) fn fade(&self) {
        for count in [&self.rows, &self.passed, &self.batches, &self.touched] {
            count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is no exact number")]
fn share(part: &AtomicU64, whole: &AtomicU64) -> Option<f64> {
    let (part, whole) = (part.load(Ordering::Relaxed), whole.load(Ordering::Relaxed));
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Whether `expr` has an answer for every row: comparisons of columns and constants, and no
/// arithmetic, conversion or function.
fn is_infallible(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut is_infallible = true;
    // The visitor below never fails.
    let _ = expr.apply(|node| {
        let is_plain = node.downcast_ref::<Column>().is_some()
            || node.downcast_ref::<Literal>().is_some()
            || node.downcast_ref::<InListExpr>().is_some()
            || node.downcast_ref::<IsNullExpr>().is_some()
            || node.downcast_ref::<IsNotNullExpr>().is_some()
            || node.downcast_ref::<NotExpr>().is_some()
            || node.downcast_ref::<LikeExpr>().is_some()
            || node.downcast_ref::<BinaryExpr>().is_some_and(|binary| compares(*binary.op()));
        is_infallible &= is_plain && node.downcast_ref::<CastExpr>().is_none();
        Ok(if is_plain { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    is_infallible
}

fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::And
            | Operator::Or
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// Whether a hint is about columns as they are. One about what is computed of them may fail on rows that
/// the statement keeps from it.
pub(super) fn is_plain_hint(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut is_plain = true;
    // The visitor below never fails.
    let _ = expr.apply(|node| {
        is_plain &= node.downcast_ref::<Column>().is_some()
            || node.downcast_ref::<Literal>().is_some()
            || node.downcast_ref::<DynamicFilterPhysicalExpr>().is_some();
        Ok(TreeNodeRecursion::Continue)
    });
    is_plain
}

pub(super) fn is_hint(expr: &Arc<dyn PhysicalExpr>) -> bool {
    DynamicFilterTracking::classify(expr).contains_dynamic_filter()
}

/// Returns the share of rows that is expected to pass, from the bounds of columns; of an equality
/// that they say nothing of, that it is worth trying.
fn expected(
    expr: &Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
    statistics: &Statistics,
) -> Option<f64> {
    if check_support(expr, schema) {
        let known = AnalysisContext::try_from_statistics(schema, &statistics.column_statistics);
        let share = known.and_then(|known| analyze(expr, known, schema));
        if let Ok(AnalysisContext { selectivity: Some(share), .. }) = share {
            return Some(share);
        }
    }
    let is_equality = match expr.downcast_ref::<BinaryExpr>() {
        Some(binary) => *binary.op() == Operator::Eq,
        None => expr.downcast_ref::<InListExpr>().is_some_and(|list| !list.negated()),
    };
    is_equality.then_some(EARLY_MAX / BATCH_ROWS)
}

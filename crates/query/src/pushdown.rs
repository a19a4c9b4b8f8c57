//! Pushing filters down a plan, past what the engine's own rule gets wrong.
//!
//! That rule finds the columns of a filter in the node below by their names, and a join of two tables
//! with columns of one name has those names twice: a condition on the one then lands on the other,
//! and rows go missing. So nothing is pushed past a node whose columns do not have names of their own.
//! (Conditions of the statement were pushed past joins before, by the logical plan, which knows whose
//! column is whose.)

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::sort_expr::OrderingRequirements;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
};

/// How the rules are called that push filters down.
const RULES: &str = "FilterPushdown";
/// How the rule is called that checks what the others have made.
const CHECK: &str = "SanityCheckPlan";
/// What it says of a plan in which an order is missing.
const ORDER_AMISS: &str = "does not satisfy order requirements";

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// Returns the engine's rules for physical plans, with those that push filters down kept in bounds, and
/// with a check that knows a sort when it sees one.
pub(crate) fn rules() -> Vec<Rule> {
    let bounded = |rule: Rule| -> Rule {
        match rule.name() {
            name if name.starts_with(RULES) => Arc::new(Bounded { rule }),
            CHECK => Arc::new(Checked { rule }),
            _ => rule,
        }
    };
    PhysicalOptimizer::new().rules.into_iter().map(bounded).collect()
}

/// A rule that sees a barrier above every node with columns of one name.
struct Bounded {
    rule: Rule,
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("rule", &self.rule.name()).finish()
    }
}

impl PhysicalOptimizerRule for Bounded {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(|node| {
            Ok(match has_names_twice(node.as_ref()) {
                true => Transformed::yes(Arc::new(Barrier { input: node }) as _),
                false => Transformed::no(node),
            })
        })?;
        let plan = self.rule.optimize(plan.data, config)?;
        let plan = plan.transform_up(|node| {
            Ok(match node.downcast_ref::<Barrier>() {
                Some(barrier) => Transformed::yes(Arc::clone(&barrier.input)),
                None => Transformed::no(node),
            })
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        self.rule.name()
    }

    fn schema_check(&self) -> bool {
        self.rule.schema_check()
    }
}

fn has_names_twice(node: &dyn ExecutionPlan) -> bool {
    let schema = node.schema();
    let mut names = HashSet::with_capacity(schema.fields().len());
    schema.fields().iter().any(|field| !names.insert(field.name()))
}

/// The check of orders, which takes one by a comparison or a negation (`ORDER BY n > 5`) for none: what
/// the engine knows of the range of such a value does not compare. A plan is good all the same where the
/// sort that is wanted stands below whoever wants it.
#[derive(Debug)]
struct Checked {
    rule: Rule,
}

impl PhysicalOptimizerRule for Checked {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match self.rule.optimize(Arc::clone(&plan), config) {
            Err(error) if error.to_string().contains(ORDER_AMISS) && is_ordered(&plan) => Ok(plan),
            checked => checked,
        }
    }

    fn name(&self) -> &str {
        self.rule.name()
    }

    fn schema_check(&self) -> bool {
        self.rule.schema_check()
    }
}

/// Whether everybody in a plan who wants an order has it.
fn is_ordered(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let wanted = plan.required_input_ordering();
    let children = plan.children();
    let has = |(child, wanted): (&&Arc<dyn ExecutionPlan>, &Option<OrderingRequirements>)| {
        wanted.as_ref().is_none_or(|wanted| has_order(child, wanted))
    };
    children.iter().zip(&wanted).all(has) && children.into_iter().all(is_ordered)
}

fn has_order(node: &Arc<dyn ExecutionPlan>, wanted: &OrderingRequirements) -> bool {
    let wanted = wanted.first();
    let known = node.equivalence_properties().ordering_satisfy_requirement(wanted.iter().cloned());
    if known.unwrap_or(false) {
        return true;
    }
    let sort = node.downcast_ref::<SortExec>().map(SortExec::expr);
    let merge = node.downcast_ref::<SortPreservingMergeExec>().map(SortPreservingMergeExec::expr);
    let Some(sorted) = sort.or(merge) else { return false };
    let mut sorted = sorted.iter();
    wanted.iter().all(|wanted| {
        sorted.next().is_some_and(|has| {
            has.expr.eq(&wanted.expr) && wanted.options.is_none_or(|options| options == has.options)
        })
    })
}

/// A node that lets no filter through. It is in a plan only while a rule looks at it.
#[derive(Debug)]
struct Barrier {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for Barrier {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Barrier")
    }
}

impl ExecutionPlan for Barrier {
    fn name(&self) -> &'static str {
        "Barrier"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => internal_err!("a barrier has one input"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}

//! Which rows of a part a condition is true for, and what is left without them.
//!
//! A condition means what it means in a statement: false and null are not true. It is compiled once,
//! so that the time it is now is the same for every part, and is asked of whole parts.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, filter_record_batch, not, prep_null_mask_filter};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use cidlake_catalog::Part;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable as _};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::sql::sqlparser::ast::ExprWithAlias;

use crate::engine::{Engine, check_condition};
use crate::error::{QueryError, arrow_message};
use crate::layout::{RowGroup, canonical_schema};
use crate::prune::{Known, KnownStatistics};
use crate::statement;
use crate::table::{Table, Types, sql_schema};
use crate::write::Predicate;

/// A condition over the rows of one table.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is asked of a batch of the columns at `columns`.
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    /// The table in the types of statements.
    schema: SchemaRef,
    /// What it says of bounds of columns; nothing where it says nothing of them.
    pruning: Option<Arc<PruningPredicate>>,
}

impl Condition {
    /// Says of each part whether its statistics let any of its rows match.
    #[must_use]
    pub fn may_match(&self, parts: &[Part]) -> Vec<bool> {
        let known: Vec<Known<'_>> = parts.iter().map(Known::from).collect();
        let kept = self
            .pruning
            .as_deref()
            .and_then(|pruning| pruning.prune(&KnownStatistics::new(known, &self.schema)).ok());
        // Where it cannot be computed on bounds, they rule nothing out.
        let kept = kept.filter(|kept| kept.len() == parts.len());
        let kept = kept.unwrap_or_else(|| vec![true; parts.len()]);
        parts.iter().zip(kept).map(|(part, kept)| kept && part.rows > 0).collect()
    }

    /// Says of each row of a batch of its columns whether the condition is true.
    fn of(&self, batch: &RecordBatch) -> Result<BooleanArray, QueryError> {
        let value = self.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        let value = cast(&value, &DataType::Boolean).map_err(failed)?;
        let matching = value.as_boolean();
        Ok(match matching.nulls() {
            Some(_) => prep_null_mask_filter(matching),
            None => matching.clone(),
        })
    }
}

impl Engine {
    /// Reads `text` as a condition over the rows of a table, as a filter of a scan is read.
    ///
    /// # Errors
    /// [`QueryError::Sql`] for what is no condition over the table's own columns,
    /// [`QueryError::UnknownColumn`] for a column that is not there.
    pub fn condition(&self, table: &Table, text: &str) -> Result<Condition, QueryError> {
        statement::check_text(text)?;
        let schema = sql_schema(&table.schema, &canonical_schema(&table.schema)?);
        let named = DFSchema::try_from(Arc::clone(&schema))?;
        let session = self.session();
        let expr = session.create_logical_expr(text, &named)?;
        compiled(&session, schema, &named, expr)
    }

    /// Reads a condition that was parsed out of a statement as [`Self::condition`] does.
    ///
    /// # Errors
    /// As [`Self::condition`], and [`QueryError::Param`] for a value of another type than its place
    /// needs.
    pub fn condition_of(
        &self,
        table: &Table,
        predicate: &Predicate,
    ) -> Result<Condition, QueryError> {
        let schema = sql_schema(&table.schema, &canonical_schema(&table.schema)?);
        let session = self.session();
        // Its columns may be written with the name of the table before them.
        let qualified = DFSchema::try_from_qualified_schema(predicate.qualifier(), &schema)?;
        let expr = ExprWithAlias { expr: predicate.expr(), alias: None };
        let expr = session.create_logical_expr_from_sql_expr(expr, &qualified)?;
        let expr = predicate.bind(expr, &qualified)?;
        let bare = expr.transform_up(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
                }
                other => Transformed::no(other),
            })
        })?;
        let named = DFSchema::try_from(Arc::clone(&schema))?;
        compiled(&session, schema, &named, bare.data)
    }

    /// Says of each row of a part whether the condition is true; reads the columns that it names
    /// and no others.
    ///
    /// # Errors
    /// When the part cannot be had, or the condition cannot be computed on its values.
    pub async fn matching(
        &self,
        table: &Table,
        part: &Part,
        condition: &Condition,
    ) -> Result<BooleanArray, QueryError> {
        if !condition.columns.is_empty() {
            let batch = self.part_in(Types::Sql, table, part, &condition.columns).await?;
            return condition.of(&batch);
        }
        let rows = usize::try_from(part.rows).map_err(QueryError::internal)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let none = RecordBatch::try_new_with_options(
            Arc::new(arrow::datatypes::Schema::empty()),
            Vec::new(),
            &options,
        );
        condition.of(&none.map_err(failed)?)
    }
}

/// Compiles a condition over the columns of `schema`, which `named` names.
fn compiled(
    session: &SessionState,
    schema: SchemaRef,
    named: &DFSchema,
    expr: Expr,
) -> Result<Condition, QueryError> {
    check_condition(&expr)?;
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(named.clone()))
        .with_config_options(Arc::clone(session.config_options()))
        .with_query_execution_start_time(session.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = simplifier.coerce(expr.unalias_nested().data, named)?;
    check_type(&expr, named)?;
    let expr = simplifier.simplify(expr)?;
    let columns = columns_of(&expr, &schema);
    let read = schema.project(&columns).map_err(QueryError::internal)?;
    let read = DFSchema::try_from(Arc::new(read))?;
    let whole = session.create_physical_expr(expr.clone(), named)?;
    Ok(Condition {
        expr: session.create_physical_expr(expr, &read)?,
        columns,
        pruning: PruningPredicateBuilder::new().with_file_schema(Arc::clone(&schema)).build(whole),
        schema,
    })
}

/// Returns the rows of a part that stay where those that match go, as one row group.
///
/// # Errors
/// `Internal` only.
pub fn remaining(rows: &RecordBatch, matching: &BooleanArray) -> Result<RowGroup, QueryError> {
    let stay = not(matching).map_err(failed)?;
    Ok(RowGroup::whole(filter_record_batch(rows, &stay).map_err(failed)?))
}

/// Refuses what is neither true nor false.
fn check_type(expr: &Expr, schema: &DFSchema) -> Result<(), QueryError> {
    match expr.get_type(schema)? {
        DataType::Boolean | DataType::Null => Ok(()),
        other => {
            let message = format!("a filter is true or false for each row, and this is {other}");
            Err(QueryError::Sql { message })
        }
    }
}

/// Returns where the columns that an expression names stand in `schema`, in its order.
fn columns_of(expr: &Expr, schema: &SchemaRef) -> Vec<usize> {
    let named = expr.column_refs();
    let is_named = |name: &str| named.iter().any(|column| column.name() == name);
    let fields = schema.fields().iter().enumerate();
    fields.filter(|(_, field)| is_named(field.name())).map(|(index, _)| index).collect()
}

fn failed(error: ArrowError) -> QueryError {
    QueryError::internal(arrow_message(&error))
}

#[cfg(test)]
mod tests;

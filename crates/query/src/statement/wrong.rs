//! Forms of SQL that the engine reads and answers wrongly: they are refused, with what to write
//! instead. INTERSECT ALL and EXCEPT ALL are among them and are told by their words, in
//! `statement.rs`.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, Query, SetExpr, TableWithJoins, Visit as _, Visitor,
};

use crate::error::QueryError;

/// Refuses a statement with a form that would be answered wrongly.
pub(super) fn refused(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Explain(explain) => refused(&explain.statement),
        Statement::Statement(inner) => match inner.visit(&mut Wrong) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        },
        _ => Ok(()),
    }
}

struct Wrong;

impl Visitor for Wrong {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        if merges_outer(&query.body) {
            let message = "RIGHT and FULL JOIN with USING or NATURAL leave the merged column empty \
                           for rows of the right table alone: write ON and coalesce(a.c, b.c)";
            return ControlFlow::Break(QueryError::Sql { message: message.to_owned() });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        let compared = match expr {
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => right.as_ref(),
            _ => return ControlFlow::Continue(()),
        };
        if matches!(compared, Expr::Subquery(_)) {
            let message = "ANY and ALL of a subquery may take its columns for those around it: \
                           compare with IN, or with its min or max";
            return ControlFlow::Break(QueryError::Sql { message: message.to_owned() });
        }
        ControlFlow::Continue(())
    }
}

/// Whether a query, or one of those that it is made of, joins so. Subqueries are visited by themselves.
fn merges_outer(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.from.iter().any(joins_so),
        SetExpr::SetOperation { left, right, .. } => merges_outer(left) || merges_outer(right),
        _ => false,
    }
}

fn joins_so(table: &TableWithJoins) -> bool {
    table.joins.iter().any(|join| match &join.join_operator {
        JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => {
            matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => false,
    })
}

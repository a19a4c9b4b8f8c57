//! Which parts cannot hold a value that is looked for, by the bloom filters of their columns.
//!
//! Asked before a scan is planned, so that a part which cannot have the row is never opened: a scattered
//! unique key is in one part of many, and bounds say nothing of it. Filters are kept parsed. What has
//! none, or one that cannot be read, is left to the scan.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use cidlake_catalog::Part;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use futures::StreamExt as _;
use parquet::bloom_filter::Sbbf;

use crate::part_files::{OpenFile, PartFiles};

/// With more parts filters would be read for longer than anybody waits for a plan, and none would
/// stay in memory for the next statement.
const PARTS_MAX: usize = 512;
/// With more values a filter says yes to almost everything.
const VALUES_MAX: usize = 20;
/// How many parts are asked at once.
const AT_ONCE: usize = 8;

/// A column that must have one of some values.
#[derive(Debug, PartialEq)]
pub(crate) struct Sought {
    column: String,
    values: Vec<ScalarValue>,
}

/// Returns what `filters`, which must all hold, look for in columns of `schema`.
pub(crate) fn sought(filters: &[Expr], schema: &Schema) -> Vec<Sought> {
    let all = filters.iter().flat_map(split_conjunction);
    all.filter_map(|filter| equalities(filter, schema)).collect()
}

fn equalities(filter: &Expr, schema: &Schema) -> Option<Sought> {
    let (column, values) = match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), value) | (value, Expr::Column(column)) => {
                    (column, std::slice::from_ref(value))
                }
                _ => return None,
            }
        }
        Expr::InList(list) if !list.negated => match list.expr.as_ref() {
            Expr::Column(column) => (column, list.list.as_slice()),
            _ => return None,
        },
        _ => return None,
    };
    let kind = schema.field_with_name(column.name()).ok()?.data_type();
    let literal = |value: &Expr| match value {
        Expr::Literal(value, _) if is_of(value, kind) => Some(value.clone()),
        _ => None,
    };
    let values: Vec<ScalarValue> = values.iter().map(literal).collect::<Option<_>>()?;
    let is_few = (1..=VALUES_MAX).contains(&values.len());
    is_few.then(|| Sought { column: column.name().to_owned(), values })
}

/// Whether a value is one of a column's own type, in which filters hold values.
fn is_of(value: &ScalarValue, kind: &DataType) -> bool {
    match kind {
        DataType::Utf8View => value.try_as_str().flatten().is_some(),
        DataType::Int64 => matches!(value, ScalarValue::Int64(Some(_))),
        DataType::Int32 => matches!(value, ScalarValue::Int32(Some(_))),
        _ => false,
    }
}

/// Returns those of `parts` that may hold what is sought.
pub(crate) async fn holding(files: &PartFiles, parts: Vec<Part>, sought: &[Sought]) -> Vec<Part> {
    if sought.is_empty() || !(2..=PARTS_MAX).contains(&parts.len()) {
        return parts;
    }
    let asked = futures::stream::iter(parts)
        .map(|part| async move { may_hold(files, &part, sought).await.then_some(part) });
    asked.buffered(AT_ONCE).filter_map(|part| async move { part }).collect().await
}

async fn may_hold(files: &PartFiles, part: &Part, sought: &[Sought]) -> bool {
    let Ok(open) = files.open(&part.cid).await else { return true };
    for Sought { column, values } in sought {
        let Some(index) = column_index(&open, column) else { continue };
        let Some(filter) = files.bloom(&part.cid, &open, index).await else { continue };
        if !values.iter().any(|value| may_have(&filter, value)) {
            return false;
        }
    }
    true
}

/// Returns where a column stands in a file, whose only row group has a filter for it.
fn column_index(open: &OpenFile, name: &str) -> Option<usize> {
    let columns = open.metadata.file_metadata().schema_descr().columns();
    columns.iter().position(|column| column.path().parts() == [name])
}

fn may_have(filter: &Arc<Sbbf>, value: &ScalarValue) -> bool {
    match value {
        ScalarValue::Int64(Some(value)) => filter.check(value),
        ScalarValue::Int32(Some(value)) => filter.check(value),
        text => text.try_as_str().flatten().is_none_or(|text| filter.check(text)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("k", DataType::Utf8View, true),
            Field::new("n", DataType::Int64, true),
            Field::new("d", DataType::Date32, true),
        ])
    }

    fn text(value: &str) -> ScalarValue {
        ScalarValue::Utf8View(Some(value.to_owned()))
    }

    fn columns(filter: Expr) -> Vec<(String, usize)> {
        let found = sought(&[filter], &schema());
        found.into_iter().map(|sought| (sought.column, sought.values.len())).collect()
    }

    #[test]
    fn what_must_be_equal_is_sought() {
        let key = || col("k").eq(lit(text("a")));
        let found = |column: &str, values| vec![(column.to_owned(), values)];
        assert_eq!(columns(key()), found("k", 1));
        assert_eq!(columns(lit(text("a")).eq(col("k"))), found("k", 1));
        assert_eq!(columns(key().and(col("n").gt(lit(1_i64)))), found("k", 1));
        assert_eq!(columns(col("n").in_list(vec![lit(1_i64), lit(2_i64)], false)), found("n", 2));
    }

    #[test]
    fn what_may_be_otherwise_is_not() {
        let key = || col("k").eq(lit(text("a")));
        for filter in [
            key().or(col("n").eq(lit(1_i64))),
            key().is_not_true(),
            col("k").not_eq(lit(text("a"))),
            col("n").in_list(vec![lit(1_i64)], true),
            col("n").in_list(vec![lit(1_i64), col("n")], false),
            // Values of other types are not what filters hold.
            col("n").eq(lit(1_i32)),
            col("n").eq(lit(ScalarValue::Int64(None))),
            col("d").eq(lit(ScalarValue::Date32(Some(1)))),
            col("k").eq(col("k")),
            col("other").eq(lit(1_i64)),
            col("n").in_list((0..100_i64).map(lit).collect(), false),
        ] {
            assert_eq!(columns(filter.clone()), [], "{filter}");
        }
    }
}

//! A condition as the Parquet reader is given it: it counts, and may be off.
//!
//! One that is off lets every row pass, and is there for what its bounds rule out: pruning looks
//! through to the condition itself.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use super::condition::Seen;

/// A condition that is checked while decoding, or off.
#[derive(Debug)]
pub(super) struct Early {
    inner: Arc<dyn PhysicalExpr>,
    /// Where it counts; `None` where it is off.
    seen: Option<Arc<Seen>>,
}

impl Early {
    pub(super) fn on(inner: Arc<dyn PhysicalExpr>, seen: Arc<Seen>) -> Self {
        Self { inner, seen: Some(seen) }
    }

    pub(super) fn off(inner: Arc<dyn PhysicalExpr>) -> Self {
        Self { inner, seen: None }
    }
}

impl fmt::Display for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl PartialEq for Early {
    fn eq(&self, other: &Self) -> bool {
        self.seen.is_some() == other.seen.is_some() && self.inner.eq(&other.inner)
    }
}

impl Eq for Early {}

impl Hash for Early {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for Early {
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
        let Some(seen) = &self.seen else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))));
        };
        let passed = self.inner.evaluate(batch)?.into_array(batch.num_rows())?;
        seen.add(passed.len(), as_boolean_array(&passed)?.true_count());
        Ok(ColumnarValue::Array(passed))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match (children.pop(), children.is_empty()) {
            (Some(inner), true) => Ok(Arc::new(Self { inner, seen: self.seen.clone() })),
            _ => internal_err!("a condition has one child"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }

    /// What bounds are compared with.
    fn snapshot(&self) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        Ok(Some(Arc::clone(&self.inner)))
    }
}

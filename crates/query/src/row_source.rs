//! Rows that somebody else makes while they are read: a table that need not be in memory as a whole.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;

use crate::error::QueryError;

/// Makes the rows of a table, again each time that they are read.
pub trait RowSource: Debug + Send + Sync {
    /// Returns the schema of all batches.
    fn schema(&self) -> &SchemaRef;

    /// Begins to make the rows, in order. Dropping the stream ends it.
    fn rows(&self) -> BoxStream<'static, Result<RecordBatch, QueryError>>;
}

/// The one partition of such a table.
#[derive(Debug)]
struct Partition(Arc<dyn RowSource>);

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.0.rows().map_err(|error| DataFusionError::External(Box::new(error)));
        Box::pin(RecordBatchStreamAdapter::new(SchemaRef::clone(self.0.schema()), rows))
    }
}

/// Returns the table that the SQL engine reads.
pub(crate) fn provider(source: Arc<dyn RowSource>) -> Result<Arc<dyn TableProvider>, QueryError> {
    let schema = SchemaRef::clone(source.schema());
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(Partition(source))])?))
}

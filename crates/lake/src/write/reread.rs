//! The rows of a version that is stored, on their way in again.

use std::sync::Arc;

use cidlake_query::{QueryError, Scan, Table};
use futures::StreamExt as _;
use tokio::runtime::Handle;

use super::Incoming;
use crate::error::Error;
use crate::lake::Inner;

impl Inner {
    /// Returns the rows of `table` in their order and in the user's types. To be read on a blocking
    /// thread of the runtime: each batch is waited for.
    pub(crate) fn stored_rows(&self, table: &Arc<Table>) -> Result<Incoming<'static>, Error> {
        let runtime = Handle::current();
        let rows_total = Some(table.commit.rows);
        let rows = runtime.block_on(self.engine.scan(Arc::clone(table), Scan::default()))?;
        let mut stream = rows.stream;
        let batches = std::iter::from_fn(move || runtime.block_on(stream.next()))
            .map(|batch| batch.map_err(|error| Error::from(QueryError::from(error))));
        Ok(Incoming {
            schema: rows.schema,
            batches: Box::new(batches),
            rows_total,
            bytes_total: None,
            bytes_read: Box::new(|| 0),
        })
    }
}

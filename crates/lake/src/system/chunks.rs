//! Rows that are made a chunk at a time, while a statement reads them.

use std::fmt;
use std::sync::Arc;

use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::{QueryError, Resolved, RowSource};
use futures::stream::{self, BoxStream, StreamExt as _};

use crate::blocks::blocking;
use crate::error::Error;

/// Makes the next rows; none at the end.
pub(super) type Next = Box<dyn FnMut() -> Result<Option<RecordBatch>, Error> + Send>;

/// A table that begins anew each time that it is read.
struct Chunks {
    schema: SchemaRef,
    begin: Arc<dyn Fn() -> Result<Next, Error> + Send + Sync>,
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Returns a table whose rows come from what `begin` returns.
pub(super) fn table(
    schema: SchemaRef,
    begin: impl Fn() -> Result<Next, Error> + Send + Sync + 'static,
) -> Resolved {
    Resolved::Source(Arc::new(Chunks { schema, begin: Arc::new(begin) }))
}

impl RowSource for Chunks {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn rows(&self) -> BoxStream<'static, Result<RecordBatch, QueryError>> {
        let begin = Arc::clone(&self.begin);
        let first: Option<State> = Some(State::Begin(begin));
        stream::unfold(first, |state| async {
            let state = state?;
            // Files are read: that is no work for a thread of the runtime.
            match blocking(move || state.next()).await {
                Ok(Some((batch, next))) => Some((Ok(batch), Some(State::Going(next)))),
                Ok(None) => None,
                Err(error) => Some((Err(QueryError::external(error)), None)),
            }
        })
        .boxed()
    }
}

enum State {
    Begin(Arc<dyn Fn() -> Result<Next, Error> + Send + Sync>),
    Going(Next),
}

impl State {
    fn next(self) -> Result<Option<(RecordBatch, Next)>, Error> {
        let mut next = match self {
            Self::Begin(begin) => begin()?,
            Self::Going(next) => next,
        };
        Ok(next()?.map(|batch| (batch, next)))
    }
}

//! Rows on their way out: a stream of record batches with our errors, and writing them in a format.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;

use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::{Format, GoOn, QueryError, emit};
use cidlake_store::Hold;
use futures::{Stream, StreamExt as _};
use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// The answer of a read: batches that arrive as they are asked for. Dropping it stops the work.
pub struct Rows {
    schema: SchemaRef,
    stream: Pin<Box<dyn Stream<Item = Result<RecordBatch, Error>> + Send>>,
    /// Keeps what is still to be read from being collected.
    _hold: Hold,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Rows {
    /// Wraps an engine's rows; with `deadline` the stream fails once that moment has passed.
    pub(crate) fn new(rows: cidlake_query::Rows, deadline: Option<Deadline>, hold: Hold) -> Self {
        let cidlake_query::Rows { schema, stream } = rows;
        let stream = stream.map(|batch| batch.map_err(|error| QueryError::from(error).into()));
        match deadline {
            None => Self { schema, stream: Box::pin(stream), _hold: hold },
            Some(deadline) => {
                let stream = Box::pin(deadline.guard(Box::pin(stream)));
                Self { schema, stream, _hold: hold }
            }
        }
    }

    /// Returns rows that are there.
    pub(crate) fn of(batch: RecordBatch, hold: Hold) -> Self {
        let schema = batch.schema();
        let stream = futures::stream::once(async move { Ok(batch) });
        Self { schema, stream: Box::pin(stream), _hold: hold }
    }

    /// Returns the schema of every batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Returns the next batch, or `None` after the last.
    ///
    /// # Errors
    /// Whatever stopped the query: a damaged block, memory or time over.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        self.stream.next().await.transpose()
    }

    /// Returns all batches. Holds them in memory: for small answers.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, Error> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// Stops a statement, or a store, from outside. All clones are one switch, and it is not turned back.
#[derive(Clone)]
pub struct Stop {
    switch: Arc<watch::Sender<bool>>,
    /// Who says besides whether to stop.
    asked: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { switch: Arc::new(watch::Sender::new(false)), asked: None }
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop").field("switch", &self.switch).finish_non_exhaustive()
    }
}

impl Stop {
    /// Makes a switch that also stops what asks it while `asked` says so. It is asked from whatever
    /// thread works, again and again, and must be quick: for front ends whose own thread may be the one
    /// that works, and is the only one to know that somebody wants it to stop.
    #[must_use]
    pub fn asking(asked: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self { asked: Some(asked), ..Self::default() }
    }

    /// Stops all work that was given this switch: it fails as `Unavailable`. A store that is being
    /// published is not stopped any more.
    pub fn stop(&self) {
        self.switch.send_replace(true);
    }

    /// Fails where it was stopped: for work that goes on by itself from step to step.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_stopped() { Err(stopped("the work")) } else { Ok(()) }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.switch.borrow() || self.asked.as_ref().is_some_and(|asked| asked())
    }

    async fn stopped(&self) {
        let mut seen = self.switch.subscribe();
        // It fails only where no sender is left, and one is held here.
        drop(seen.wait_for(|stopped| *stopped).await);
    }
}

/// The moment at which a statement has run long enough, or was told to stop. Who holds it waits for
/// the statement: once nobody does, what still runs of it stops.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    at: tokio::time::Instant,
    limit_ms: u64,
    stop: Stop,
    waiting: Arc<()>,
}

impl Deadline {
    /// Returns the deadline `limit_ms` from now, which is over as soon as `stop` says so.
    pub(crate) fn after(limit_ms: u64, stop: Stop) -> Self {
        let at = tokio::time::Instant::now() + std::time::Duration::from_millis(limit_ms);
        Self { at, limit_ms, stop, waiting: Arc::default() }
    }

    /// Returns what a plan asks while it works, for the stretches in which it never waits.
    pub(crate) fn go_on(&self) -> GoOn {
        let Self { at, limit_ms, stop, waiting } = self.clone();
        let waiting = Arc::downgrade(&waiting);
        Arc::new(move || {
            if stop.is_stopped() || waiting.strong_count() == 0 {
                Err(QueryError::Stopped)
            } else if tokio::time::Instant::now() < at {
                Ok(())
            } else {
                Err(QueryError::Timeout { limit_ms })
            }
        })
    }

    /// Returns the switch that ends it.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Runs `work` until the deadline.
    pub(crate) async fn limit<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let work = tokio::time::timeout_at(self.at, work);
        tokio::select! {
            biased;
            () = self.stop.stopped() => Err(stopped("the statement")),
            result = work => result.unwrap_or_else(|_| Err(self.passed())),
        }
    }

    fn guard<S>(self, stream: S) -> impl Stream<Item = Result<RecordBatch, Error>> + Send
    where
        S: Stream<Item = Result<RecordBatch, Error>> + Send + Unpin,
    {
        futures::stream::unfold(Some((self, stream)), |state| async move {
            let (deadline, mut stream) = state?;
            match deadline.limit(async { Ok(stream.next().await) }).await {
                Ok(item) => item.map(|item| (item, Some((deadline, stream)))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    fn passed(&self) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            format!("the statement ran longer than {} ms", self.limit_ms),
        )
        .with_hint("narrow it with WHERE or LIMIT, or allow more time (CIDLAKE_QUERY_TIMEOUT_MS)")
    }
}

fn stopped(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what} was stopped"))
}

/// Writes `rows` to `out` as `format` and returns how many there were.
///
/// # Errors
/// What stopped the rows, or the writer's failure as `Unavailable`.
pub async fn emit_rows(
    mut rows: Rows,
    format: Format,
    out: Box<dyn Write + Send>,
) -> Result<u64, Error> {
    // Waited for first: a statement that fails at once leaves nothing half written.
    let mut next = rows.next().await?;
    let mut writer = emit::writer(format, out, rows.schema())?;
    let mut count = 0;
    while let Some(batch) = next {
        count += batch.num_rows() as u64;
        writer.write(&batch)?;
        next = rows.next().await?;
    }
    writer.finish()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plan_goes_on_while_somebody_waits_for_it() {
        let (stop, minute) = (Stop::default(), 60_000);
        let deadline = Deadline::after(minute, stop.clone());
        let (go_on, other) = (deadline.go_on(), Deadline::after(minute, Stop::default()));
        assert!(go_on().is_ok());
        let moved = deadline.clone();
        drop(deadline);
        assert!(go_on().is_ok());
        drop(moved);
        assert!(go_on().is_err());
        let go_on = other.go_on();
        stop.stop();
        assert!(go_on().is_ok(), "another switch");
        let soon = Deadline::after(0, Stop::default());
        assert!(matches!(soon.go_on()(), Err(QueryError::Timeout { limit_ms: 0 })));
    }
}

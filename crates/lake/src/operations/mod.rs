//! Operations: work that is queued in the lake's log and run by whoever has time, once or again.
//!
//! What a kind of operation does is a [`Handler`]'s: `builtin` has those of maintenance, and others
//! are registered by whoever opens the lake. `worker` runs what is due, `schedule` says what is
//! queued by itself. The queue and its promises are the store's.

mod builtin;
mod handler;
mod info;
mod schedule;
mod worker;

pub use self::handler::{Handler, Job};
pub use self::info::{OperationInfo, OperationRequest, OperationsRequest, Queued};
pub use self::schedule::Schedule;
pub use self::worker::{WorkRequest, WorkSummary};

pub(crate) use self::builtin::handlers;
pub(crate) use self::handler::Handlers;

use cidlake_store::{Change, NewOperation, OperationFilter, OperationId, OperationStatus};

use crate::clock::now_ms;
use crate::error::{Error, ErrorKind};
use crate::lake::{Inner, Lake};

/// The most operations that are listed at once.
const LISTED_MAX: usize = 10_000;

impl Lake {
    /// Queues an operation and returns when it is durable. One with a key that is known already is
    /// not queued again: what is known is returned.
    ///
    /// # Errors
    /// `Usage` for a kind that nobody handles here, `Invalid` for parameters that it does not take.
    pub async fn enqueue(&self, request: OperationRequest) -> Result<Queued, Error> {
        self.blocking(move |inner| inner.enqueue(&request)).await
    }

    /// Lists operations in the order in which they were queued.
    ///
    /// # Errors
    /// `Usage` for a status that there is not.
    pub async fn operations(
        &self,
        request: OperationsRequest,
    ) -> Result<Vec<OperationInfo>, Error> {
        self.blocking(move |inner| inner.operations(&request)).await
    }

    /// Says everything about one operation.
    ///
    /// # Errors
    /// `NotFound` when it is not known, or no longer.
    pub async fn operation(&self, id: &str) -> Result<OperationInfo, Error> {
        let id = parse_id(id)?;
        self.blocking(move |inner| inner.operation(id)).await
    }

    /// Lets an operation be tried again that failed, is dead, or waits for another attempt: at once,
    /// and as often as at first.
    ///
    /// # Errors
    /// `NotFound` when it is not known, `Conflict` when it is in another status.
    pub async fn retry_operation(&self, id: &str) -> Result<OperationInfo, Error> {
        let id = parse_id(id)?;
        self.blocking(move |inner| {
            let change = inner.store.retry_operation(id, now_ms())?;
            let hint = "only what is failed, dead or retrying can be tried again";
            changed(id, change, "tried again", hint)?;
            inner.operation(id)
        })
        .await
    }

    /// Takes an operation out of the queue, and returns what it was. What somebody is at is not
    /// dropped.
    ///
    /// # Errors
    /// `NotFound` when it is not known, `Conflict` while it is being processed.
    pub async fn drop_operation(&self, id: &str) -> Result<OperationInfo, Error> {
        let id = parse_id(id)?;
        self.blocking(move |inner| {
            let info = inner.operation(id)?;
            let change = inner.store.drop_operation(id, now_ms())?;
            changed(id, change, "dropped", "wait until its lease is over")?;
            Ok(info)
        })
        .await
    }

    /// Registers what runs operations of a kind, in this process.
    ///
    /// # Errors
    /// `Usage` when the kind has a handler, or is no name of a kind.
    pub fn register_handler(
        &self,
        kind: &str,
        handler: std::sync::Arc<dyn Handler>,
    ) -> Result<(), Error> {
        self.inner.handlers.register(kind, handler)
    }
}

impl Inner {
    pub(crate) fn enqueue(&self, request: &OperationRequest) -> Result<Queued, Error> {
        let new = self.new_operation(request)?;
        let enqueued = self.store.enqueue(vec![new], now_ms())?;
        let enqueued = enqueued.first().ok_or_else(|| Error::internal("nothing was queued"))?;
        Ok(Queued { info: self.operation(enqueued.id)?, is_new: enqueued.is_new })
    }

    fn new_operation(&self, request: &OperationRequest) -> Result<NewOperation, Error> {
        let OperationRequest { kind, params, key, attempts_max, delay_ms } = request;
        let handler = self.handlers.get(kind).ok_or_else(|| self.handlers.unknown(kind))?;
        let params = cidlake_store::OperationParams::of(params)?;
        handler.check(&params)?;
        let mut new = NewOperation::new(kind, params)?;
        if let Some(key) = key {
            new = new.with_key(key)?;
        }
        if let Some(attempts_max) = attempts_max {
            new = new.with_attempts_max(*attempts_max);
        }
        if *delay_ms > 0 {
            new = new.not_before(now_ms().saturating_add(*delay_ms));
        }
        Ok(new)
    }

    fn operations(&self, request: &OperationsRequest) -> Result<Vec<OperationInfo>, Error> {
        let statuses = request.statuses.iter().map(|word| parse_status(word));
        let filter = OperationFilter {
            statuses: statuses.collect::<Result<_, _>>()?,
            kind: request.kind.clone(),
            after: request.after.as_deref().map(parse_id).transpose()?,
            limit: request.limit.unwrap_or(LISTED_MAX).min(LISTED_MAX),
        };
        let found = self.store.operations(&filter)?;
        Ok(found.iter().map(OperationInfo::of).collect())
    }

    fn operation(&self, id: OperationId) -> Result<OperationInfo, Error> {
        let found = self.store.operation(id)?;
        found.as_ref().map(OperationInfo::of).ok_or_else(|| unknown(id))
    }
}

fn parse_id(text: &str) -> Result<OperationId, Error> {
    text.parse().map_err(|_| {
        Error::usage(format!("{text:?} is no operation: operations have numbers"))
            .with_hint("`cidlake wal list` lists them")
    })
}

fn parse_status(word: &str) -> Result<OperationStatus, Error> {
    OperationStatus::of_word(word).ok_or_else(|| {
        let words = OperationStatus::ALL.map(OperationStatus::word).join(", ");
        Error::usage(format!("{word:?} is no status of an operation"))
            .with_hint(format!("one of {words}"))
    })
}

fn unknown(id: OperationId) -> Error {
    Error::not_found(format!("there is no operation {id}")).with_hint(
        "`cidlake wal list` lists those that are known; what became of older ones is in system.wal",
    )
}

fn changed(id: OperationId, change: Change, what: &str, hint: &str) -> Result<(), Error> {
    match change {
        Change::Done => Ok(()),
        Change::Unknown => Err(unknown(id)),
        Change::NotNow(status) => Err(Error::new(
            ErrorKind::Conflict,
            format!("operation {id} is {} and is not {what}", status.word()),
        )
        .with_hint(hint)),
    }
}

#[cfg(test)]
mod tests;

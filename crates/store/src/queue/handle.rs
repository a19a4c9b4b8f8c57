//! The store's side of the queue: each call is one commit, or one look.

use std::sync::Arc;

use super::operation::{NewOperation, Operation, OperationId, OperationStatus};
use super::request::{Change, Enqueued, LeaseRequest, Leased, Reply, Request, Settlement};
use crate::error::{CommitError, StoreError};
use crate::locked::lock;
use crate::log::Lsn;
use crate::store::Store;

/// Which operations to list.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    /// Only those with one of these, if there are any.
    pub statuses: Vec<OperationStatus>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those that were queued after this one.
    pub after: Option<OperationId>,
    /// The most to be returned.
    pub limit: usize,
}

/// Figures about the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Operations that wait for their first attempt.
    pub pending: u64,
    /// Operations that somebody has a lease of, or had.
    pub processing: u64,
    /// Operations that are done and still remembered.
    pub completed: u64,
    /// Operations that cannot succeed.
    pub failed: u64,
    /// Operations that are tried again.
    pub retrying: u64,
    /// Operations of which every attempt failed.
    pub dead: u64,
    /// Operations that were ever queued.
    pub queued_total: u64,
    /// Operations whose lease is over, and which nobody has taken up since.
    pub abandoned: u64,
    /// How long an operation has been due that nobody has begun, in milliseconds; the longest.
    pub lag_ms: Option<u64>,
}

impl Store {
    /// Queues operations, all or none, and returns when they are durable: the number of each, in
    /// order. One whose key is known is not queued again.
    ///
    /// # Errors
    /// As a commit; the operations may still turn up then.
    pub fn enqueue(
        &self,
        operations: Vec<NewOperation>,
        at_ms: u64,
    ) -> Result<Vec<Enqueued>, StoreError> {
        match self.operate(Request::Enqueue { operations, at_ms })? {
            Reply::Enqueued(enqueued) => Ok(enqueued),
            other => unreachable!("operations were queued, and the answer is {other:?}"),
        }
    }

    /// Gives out operations that are due, each under a lease: first those whose worker let a lease
    /// end, which nobody else may settle from then on. Those that were given out as often as they may
    /// be, and never settled, are dead from now on.
    ///
    /// # Errors
    /// As a commit; the leases may still turn up then, and end by themselves.
    pub fn lease(&self, wish: LeaseRequest, at_ms: u64) -> Result<Vec<Leased>, StoreError> {
        Ok(self.turn(Vec::new(), Some(wish), at_ms)?.1)
    }

    /// Says how attempts went. Returns of each whether its lease was still the newest; where it was
    /// not, somebody else has the operation, and nothing is changed.
    ///
    /// # Errors
    /// As a commit; the settlements may still turn up then.
    pub fn settle(
        &self,
        settlements: Vec<Settlement>,
        at_ms: u64,
    ) -> Result<Vec<bool>, StoreError> {
        Ok(self.turn(settlements, None, at_ms)?.0)
    }

    /// Says how attempts went and gets more to do, with one write.
    ///
    /// # Errors
    /// As [`Self::settle`] and [`Self::lease`].
    pub fn turn(
        &self,
        settlements: Vec<Settlement>,
        lease: Option<LeaseRequest>,
        at_ms: u64,
    ) -> Result<(Vec<bool>, Vec<Leased>), StoreError> {
        match self.operate(Request::Turn { settlements, lease, at_ms })? {
            Reply::Turn { settled, leased } => Ok((settled, leased)),
            other => unreachable!("attempts were settled, and the answer is {other:?}"),
        }
    }

    /// Makes leases last longer. Returns of each whether it was still the newest; whoever has one
    /// that was not must stop.
    ///
    /// # Errors
    /// As a commit.
    pub fn renew(
        &self,
        leases: Vec<(OperationId, Lsn)>,
        until_ms: u64,
        at_ms: u64,
    ) -> Result<Vec<bool>, StoreError> {
        match self.operate(Request::Renew { leases, until_ms, at_ms })? {
            Reply::Renewed(renewed) => Ok(renewed),
            other => unreachable!("leases were renewed, and the answer is {other:?}"),
        }
    }

    /// Lets an operation be tried again that failed, is dead, or waits for another attempt: at once,
    /// and as often as at first.
    ///
    /// # Errors
    /// As a commit.
    pub fn retry_operation(&self, id: OperationId, at_ms: u64) -> Result<Change, StoreError> {
        self.changed(Request::Retry { id, at_ms })
    }

    /// Takes an operation out of the queue, unless somebody has a lease of it.
    ///
    /// # Errors
    /// As a commit.
    pub fn drop_operation(&self, id: OperationId, at_ms: u64) -> Result<Change, StoreError> {
        self.changed(Request::Drop { id, at_ms })
    }

    fn changed(&self, request: Request) -> Result<Change, StoreError> {
        match self.operate(request)? {
            Reply::Changed(change) => Ok(change),
            other => unreachable!("an operation was changed, and the answer is {other:?}"),
        }
    }

    fn operate(&self, request: Request) -> Result<Reply, StoreError> {
        self.check_open()?;
        self.make_folders()?;
        self.queue.operate(&self.parts(), request).map_err(|error| match error {
            CommitError::Store(error) => error,
            CommitError::Behind { last } => {
                unreachable!(
                    "a request to the queue expects nothing, and was told of record {last}"
                )
            }
        })
    }

    /// Returns an operation, if it is known.
    ///
    /// # Errors
    /// As reading the log.
    pub fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        self.look(|tail| tail.operations().get(id).cloned())
    }

    /// Lists operations in the order in which they were queued.
    ///
    /// # Errors
    /// As reading the log.
    pub fn operations(&self, filter: &OperationFilter) -> Result<Vec<Operation>, StoreError> {
        let OperationFilter { statuses, kind, after, limit } = filter;
        let is_wanted = |operation: &&Operation| {
            (statuses.is_empty() || statuses.contains(&operation.status))
                && kind.as_deref().is_none_or(|kind| *kind == *operation.kind)
        };
        self.look(|tail| {
            let all = tail.operations().after(after.unwrap_or(OperationId(0)));
            all.filter(is_wanted).take(*limit).cloned().collect()
        })
    }

    /// Returns figures about the queue.
    ///
    /// # Errors
    /// As reading the log.
    pub fn queue_stats(&self, now_ms: u64) -> Result<QueueStats, StoreError> {
        self.look(|tail| {
            let operations = tail.operations();
            let [pending, processing, completed, failed, retrying, dead] = operations.counts();
            QueueStats {
                pending,
                processing,
                completed,
                failed,
                retrying,
                dead,
                queued_total: operations.queued_total(),
                abandoned: operations.abandoned_count(now_ms),
                lag_ms: operations.lag_ms(now_ms),
            }
        })
    }

    /// Returns when there is something to do next of these kinds, in milliseconds since the Unix
    /// epoch; none where nothing waits.
    ///
    /// # Errors
    /// As reading the log.
    pub fn next_due_ms(&self, kinds: &[Arc<str>]) -> Result<Option<u64>, StoreError> {
        self.look(|tail| tail.operations().next_due_ms(kinds))
    }

    /// Looks at the log's tail when it is read to its end.
    pub(crate) fn look<T>(
        &self,
        look: impl FnOnce(&crate::log::Tail) -> T,
    ) -> Result<T, StoreError> {
        self.check_open()?;
        let mut tail = lock(&self.tail);
        self.parts().follow(&mut tail)?;
        Ok(look(&tail))
    }
}

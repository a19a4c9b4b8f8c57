//! What the records say of all operations together: the queue as it stands; pure.
//!
//! It is a function of the log, so every process has the same one. What is asked often is kept
//! sorted: what is due next, of each kind, and whose lease ends first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::event::{Event, Outcome};
use super::operation::{Lease, Operation, OperationId, OperationStatus};
use crate::log::Lsn;

/// How many operations that are done are remembered, with their keys: those that ended last.
pub(super) const COMPLETED_MAX: usize = 10_000;

/// All operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Operations {
    all: BTreeMap<OperationId, Operation>,
    /// Of each kind what waits, by since when it may be tried.
    waiting: BTreeMap<Arc<str>, BTreeSet<(u64, OperationId)>>,
    /// Of each kind what somebody is at, by when the lease ends.
    leased: BTreeMap<Arc<str>, BTreeSet<(u64, OperationId)>>,
    keys: HashMap<Arc<str>, OperationId>,
    /// What is done, by the record that said so.
    completed: BTreeSet<(Lsn, OperationId)>,
    counts: [u64; OperationStatus::ALL.len()],
    queued_total: u64,
}

impl Operations {
    /// Takes in what record `lsn` says. What lost records would have said is not missed: an
    /// operation that is not known is not changed.
    pub(crate) fn apply(&mut self, lsn: Lsn, event: Event) {
        let (at_ms, operation) = (event.at_ms(), event.operation());
        if let Event::Queued { due_ms, key, kind, attempts_max, params, .. } = event {
            self.queued_total += 1;
            self.insert(Operation {
                id: OperationId(lsn.0),
                kind: self.interned(kind),
                key,
                params,
                status: OperationStatus::Pending,
                queued_ms: at_ms,
                due_ms,
                updated_ms: at_ms,
                updated: lsn,
                attempts: 0,
                attempts_max,
                lease: None,
                failure: None,
                result: None,
            });
            return;
        }
        let Some(mut changed) = operation.and_then(|id| self.take(id)) else { return };
        if !matches!(event, Event::Dropped { .. }) {
            changed.change(lsn, event);
            (changed.updated_ms, changed.updated) = (at_ms, lsn);
            self.insert(changed);
        }
        self.forget_old();
    }

    /// Puts an operation in, which is not in.
    pub(super) fn insert(&mut self, operation: Operation) {
        let id = operation.id;
        if let Some(key) = &operation.key {
            self.keys.insert(Arc::clone(key), id);
        }
        if let Some(count) = self.count_mut(operation.status) {
            *count += 1;
        }
        if let Some((line, at)) = self.line_of(&operation) {
            line.insert((at, id));
        } else if operation.status == OperationStatus::Completed {
            self.completed.insert((operation.updated, id));
        }
        self.all.insert(id, operation);
    }

    /// Takes an operation out.
    fn take(&mut self, id: OperationId) -> Option<Operation> {
        let operation = self.all.remove(&id)?;
        if let Some(key) = &operation.key
            && self.keys.get(key) == Some(&id)
        {
            self.keys.remove(key);
        }
        if let Some(count) = self.count_mut(operation.status) {
            *count -= 1;
        }
        if let Some((line, at)) = self.line_of(&operation) {
            line.remove(&(at, id));
        } else if operation.status == OperationStatus::Completed {
            self.completed.remove(&(operation.updated, id));
        }
        Some(operation)
    }

    /// Returns the line in which an operation stands, and its place there.
    fn line_of(
        &mut self,
        operation: &Operation,
    ) -> Option<(&mut BTreeSet<(u64, OperationId)>, u64)> {
        let (lines, at) = match (operation.status, &operation.lease) {
            (OperationStatus::Pending | OperationStatus::Retrying, _) => {
                (&mut self.waiting, operation.ready_ms())
            }
            (OperationStatus::Processing, lease) => {
                (&mut self.leased, lease.as_ref().map_or(0, |lease| lease.until_ms))
            }
            _ => return None,
        };
        Some((lines.entry(Arc::clone(&operation.kind)).or_default(), at))
    }

    fn count_mut(&mut self, status: OperationStatus) -> Option<&mut u64> {
        let at = OperationStatus::ALL.iter().position(|other| *other == status)?;
        self.counts.get_mut(at)
    }

    /// Returns a kind that is kept once.
    pub(super) fn interned(&self, kind: Arc<str>) -> Arc<str> {
        self.waiting.get_key_value(&kind).map_or(kind, |(known, _)| Arc::clone(known))
    }

    /// Forgets what was done long ago.
    fn forget_old(&mut self) {
        while self.completed.len() > COMPLETED_MAX
            && let Some((_, oldest)) = self.completed.first().copied()
        {
            self.take(oldest);
        }
    }

    /// Returns an operation.
    pub(crate) fn get(&self, id: OperationId) -> Option<&Operation> {
        self.all.get(&id)
    }

    /// Returns the operation that has this key.
    pub(super) fn with_key(&self, key: &str) -> Option<OperationId> {
        self.keys.get(key).copied()
    }

    /// Returns all operations after one of them, in the order in which they were queued.
    pub(crate) fn after(&self, id: OperationId) -> impl Iterator<Item = &Operation> {
        let range = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
        self.all.range(range).map(|(_, operation)| operation)
    }

    /// Returns those of a kind that wait and are due, the one that is due longest first.
    pub(super) fn due(&self, kind: &str, now_ms: u64) -> impl Iterator<Item = &Operation> {
        self.in_line(self.waiting.get(kind), now_ms)
    }

    /// Returns those of a kind whose lease is over, the one whose lease ended first first.
    pub(super) fn abandoned(&self, kind: &str, now_ms: u64) -> impl Iterator<Item = &Operation> {
        self.in_line(self.leased.get(kind), now_ms)
    }

    fn in_line<'a>(
        &'a self,
        line: Option<&'a BTreeSet<(u64, OperationId)>>,
        now_ms: u64,
    ) -> impl Iterator<Item = &'a Operation> {
        let all = line.into_iter().flatten();
        let due = all.take_while(move |(at, _)| *at <= now_ms);
        due.filter_map(|(_, id)| self.all.get(id))
    }

    /// Returns when the next operation of these kinds is due, or its lease over.
    pub(crate) fn next_due_ms(&self, kinds: &[Arc<str>]) -> Option<u64> {
        let first = |lines: &BTreeMap<Arc<str>, BTreeSet<(u64, OperationId)>>| {
            kinds.iter().filter_map(|kind| lines.get(kind)?.first().map(|(at, _)| *at)).min()
        };
        first(&self.waiting).into_iter().chain(first(&self.leased)).min()
    }

    /// Returns how many operations have each status, in the order of [`OperationStatus::ALL`].
    pub(crate) fn counts(&self) -> [u64; OperationStatus::ALL.len()] {
        self.counts
    }

    /// Returns how many were ever queued.
    pub(crate) fn queued_total(&self) -> u64 {
        self.queued_total
    }

    pub(super) fn set_queued_total(&mut self, total: u64) {
        self.queued_total = total;
    }

    /// Returns how long the operation that is due longest is due, of all kinds, in milliseconds;
    /// none where none is.
    pub(crate) fn lag_ms(&self, now_ms: u64) -> Option<u64> {
        let first = self.waiting.values().filter_map(|line| line.first());
        let first = first.filter_map(|(_, id)| self.all.get(id));
        first.filter_map(|next| now_ms.checked_sub(next.ready_ms())).max()
    }

    /// Returns how many leases are over and nobody took the operation up.
    pub(crate) fn abandoned_count(&self, now_ms: u64) -> u64 {
        let lines = self.leased.values();
        lines.map(|line| line.iter().take_while(|(at, _)| *at <= now_ms).count() as u64).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Operation {
    /// Changes as an event says which is not that of its beginning or end.
    pub(super) fn change(&mut self, lsn: Lsn, event: Event) {
        match event {
            Event::Leased { attempt, until_ms, worker, .. } => {
                self.status = OperationStatus::Processing;
                self.attempts = attempt;
                self.lease = Some(Box::new(Lease { token: lsn, worker, until_ms }));
            }
            Event::Renewed { lease, until_ms, .. } => {
                if let Some(own) = self.lease.as_mut().filter(|own| own.token == lease) {
                    own.until_ms = until_ms;
                }
            }
            Event::Settled { outcome, .. } => self.settle(outcome),
            Event::Retried { at_ms, .. } => {
                self.status = OperationStatus::Pending;
                (self.attempts, self.due_ms, self.lease) = (0, at_ms, None);
                self.result = None;
            }
            Event::Queued { .. } | Event::Dropped { .. } => {}
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        self.lease = None;
        (self.status, self.failure) = match outcome {
            Outcome::Completed(result) => {
                self.result = Some(Box::new(result));
                (OperationStatus::Completed, None)
            }
            Outcome::Retrying { failure, due_ms } => {
                self.due_ms = due_ms;
                (OperationStatus::Retrying, Some(Box::new(failure)))
            }
            Outcome::Failed(failure) => (OperationStatus::Failed, Some(Box::new(failure))),
            Outcome::Dead(failure) => (OperationStatus::Dead, Some(Box::new(failure))),
        };
    }
}

//! What is asked of the queue, and which records that makes; pure.
//!
//! A [`Planner`] answers the requests that share one write, under the log's lock and with the queue
//! as it is then. What the first of them changes is not changed again by the others of that write:
//! whoever comes second is told no, or gets something else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::event::{Event, Outcome};
use super::operation::{
    Failure, NewOperation, Operation, OperationId, OperationResult, OperationStatus, cut,
};
use super::state::Operations;
use crate::log::Lsn;

/// How many operations of a kind are looked at before a lease to see whether they are given up.
const BURIED_MAX: usize = 1_000;

/// What became of an operation that was to be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// Its number, or that of the one that has its key.
    pub id: OperationId,
    /// Whether it was queued, and not known already by its key.
    pub is_new: bool,
}

/// A wish for work.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// The kinds that the worker can do.
    pub kinds: Vec<Arc<str>>,
    /// Who asks, for people to read.
    pub worker: Arc<str>,
    /// Until when the leases are to be good, in milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// The most operations to be given.
    pub limit: usize,
}

/// An operation to be run, and the lease under which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The operation as it is under the lease.
    pub operation: Operation,
    /// The number of the lease.
    pub token: Lsn,
}

/// How an attempt went.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The operation.
    pub id: OperationId,
    /// The lease under which it was run.
    pub token: Lsn,
    /// How it went. One that is to be tried again has used up its attempts maybe, and is dead then.
    pub outcome: Outcome,
}

impl Settlement {
    /// Says that a leased operation is done.
    #[must_use]
    pub fn completed(leased: &Leased, result: OperationResult) -> Self {
        let outcome = Outcome::Completed(result.bounded());
        Self { id: leased.operation.id, token: leased.token, outcome }
    }

    /// Says that an attempt failed, and when the next may be made, in milliseconds since the Unix
    /// epoch; where none would help, say none.
    #[must_use]
    pub fn failed(leased: &Leased, failure: Failure, due_ms: Option<u64>) -> Self {
        let outcome = match due_ms {
            Some(due_ms) => Outcome::Retrying { failure, due_ms },
            None => Outcome::Failed(failure),
        };
        Self { id: leased.operation.id, token: leased.token, outcome }
    }

    /// Says of a failed attempt that it was the last.
    #[must_use]
    pub fn buried(self) -> Self {
        match self.outcome {
            Outcome::Retrying { failure, .. } => Self { outcome: Outcome::Dead(failure), ..self },
            _ => self,
        }
    }
}

/// What became of a wish to change an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is changed.
    Done,
    /// There is no such operation.
    Unknown,
    /// Its status does not allow it, or somebody else changed it in the same moment.
    NotNow(OperationStatus),
}

/// What a caller asks, at a moment.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Enqueue { operations: Vec<NewOperation>, at_ms: u64 },
    Turn { settlements: Vec<Settlement>, lease: Option<LeaseRequest>, at_ms: u64 },
    Renew { leases: Vec<(OperationId, Lsn)>, until_ms: u64, at_ms: u64 },
    Retry { id: OperationId, at_ms: u64 },
    Drop { id: OperationId, at_ms: u64 },
}

/// What a caller is told.
#[derive(Debug)]
pub(crate) enum Reply {
    Enqueued(Vec<Enqueued>),
    Turn { settled: Vec<bool>, leased: Vec<Leased> },
    Renewed(Vec<bool>),
    Changed(Change),
}

/// Answers the requests of one write.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    operations: &'a Operations,
    /// The operations that this write changes.
    touched: BTreeSet<OperationId>,
    /// Those whose leases it makes last longer. They may be settled all the same.
    renewed: BTreeSet<OperationId>,
    /// Those of `touched` that it drops.
    dropped: BTreeSet<OperationId>,
    /// The keys of those that it queues.
    keys: HashMap<Arc<str>, OperationId>,
}

/// The records of one request.
struct Records {
    last: u64,
    events: Vec<Event>,
}

impl Records {
    /// Adds a record; returns its number.
    fn push(&mut self, event: Event) -> Lsn {
        self.last += 1;
        self.events.push(event);
        Lsn(self.last)
    }
}

impl<'a> Planner<'a> {
    pub(crate) fn new(operations: &'a Operations) -> Self {
        let (touched, renewed, dropped) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { operations, touched, renewed, dropped, keys: HashMap::new() }
    }

    /// Answers a request whose first record will be the one after `last`.
    pub(crate) fn answer(&mut self, request: &Request, last: u64) -> (Vec<Event>, Reply) {
        let mut records = Records { last, events: Vec::new() };
        let reply = match request {
            Request::Enqueue { operations, at_ms } => {
                let new = operations.iter();
                let enqueued = new.map(|new| self.enqueue(new, *at_ms, &mut records)).collect();
                Reply::Enqueued(enqueued)
            }
            Request::Turn { settlements, lease, at_ms } => {
                let each = settlements.iter();
                let settled = each.map(|one| self.settle(one, *at_ms, &mut records)).collect();
                let lease = lease.as_ref();
                let leased = lease.map(|wish| self.lease(wish, *at_ms, &mut records));
                Reply::Turn { settled, leased: leased.unwrap_or_default() }
            }
            Request::Renew { leases, until_ms, at_ms } => {
                let renew = |(id, token): &(OperationId, Lsn)| {
                    let Some(held) = self.held(*id, *token) else { return false };
                    let (operation, lease, kind) = (*id, *token, Arc::clone(&held.kind));
                    let (at_ms, until_ms) = (*at_ms, *until_ms);
                    records.push(Event::Renewed { operation, at_ms, kind, lease, until_ms });
                    self.renewed.insert(operation);
                    true
                };
                Reply::Renewed(leases.iter().map(renew).collect())
            }
            Request::Retry { id, at_ms } => {
                let may = |operation: &Operation| {
                    matches!(
                        operation.status,
                        OperationStatus::Failed | OperationStatus::Dead | OperationStatus::Retrying
                    )
                };
                let event = |kind| Event::Retried { operation: *id, at_ms: *at_ms, kind };
                Reply::Changed(self.change(*id, may, event, &mut records))
            }
            Request::Drop { id, at_ms } => {
                let is_renewed = self.renewed.contains(id);
                let may = |operation: &Operation| {
                    let lease = operation.lease.as_ref();
                    lease.is_none_or(|lease| lease.until_ms <= *at_ms) && !is_renewed
                };
                let event = |kind| Event::Dropped { operation: *id, at_ms: *at_ms, kind };
                let change = self.change(*id, may, event, &mut records);
                self.dropped.extend((change == Change::Done).then_some(*id));
                Reply::Changed(change)
            }
        };
        (records.events, reply)
    }

    fn enqueue(&mut self, new: &NewOperation, at_ms: u64, records: &mut Records) -> Enqueued {
        let known = new.key.as_ref().and_then(|key| self.with_key(key));
        if let Some(id) = known {
            return Enqueued { id, is_new: false };
        }
        let NewOperation { kind, key, params, attempts_max, due_ms } = new.clone();
        let event = Event::Queued { at_ms, due_ms, key: key.clone(), kind, attempts_max, params };
        let id = OperationId(records.push(event).0);
        if let Some(key) = key {
            self.keys.insert(key, id);
        }
        Enqueued { id, is_new: true }
    }

    /// Returns the operation that has this key, and is not dropped by this write.
    fn with_key(&self, key: &str) -> Option<OperationId> {
        let queued = self.keys.get(key).copied();
        let known = || self.operations.with_key(key).filter(|id| !self.dropped.contains(id));
        queued.or_else(known)
    }

    /// Returns the operation where the lease is its newest, and nobody changed it before.
    fn held(&self, id: OperationId, token: Lsn) -> Option<&'a Operation> {
        let operation = self.operations.get(id).filter(|_| !self.touched.contains(&id))?;
        let is_newest = operation.lease.as_ref().is_some_and(|lease| lease.token == token);
        is_newest.then_some(operation)
    }

    fn settle(&mut self, settlement: &Settlement, at_ms: u64, records: &mut Records) -> bool {
        let Settlement { id, token, outcome } = settlement;
        let Some(held) = self.held(*id, *token) else { return false };
        let is_last = held.attempts >= held.attempts_max;
        let outcome = match outcome.clone().bounded() {
            Outcome::Retrying { failure, .. } if is_last => Outcome::Dead(failure),
            outcome => outcome,
        };
        self.touched.insert(*id);
        records.push(settled(held, *token, at_ms, outcome));
        true
    }

    /// Returns whether nothing in this write speaks of an operation.
    fn is_free(&self, id: OperationId) -> bool {
        !self.touched.contains(&id) && !self.renewed.contains(&id)
    }

    /// Gives out what is due, and before it what somebody had and did not end.
    fn lease(&mut self, wish: &LeaseRequest, at_ms: u64, records: &mut Records) -> Vec<Leased> {
        self.bury(wish, at_ms, records);
        let operations = self.operations;
        let mut due: Vec<(bool, u64, &Operation)> = Vec::new();
        for kind in &wish.kinds {
            // What this write changes is passed over, so as many more may have to be looked at.
            let changed = self.touched.len() + self.renewed.len();
            let most = wish.limit.saturating_add(changed);
            let abandoned = operations.abandoned(kind, at_ms).take(most);
            due.extend(abandoned.map(|operation| (false, operation.queued_ms, operation)));
            let waiting = operations.due(kind, at_ms).take(most);
            due.extend(waiting.map(|operation| (true, operation.ready_ms(), operation)));
        }
        // More may have to be given up than are looked at in one go.
        let may = |one: &Operation| one.attempts < one.attempts_max && self.is_free(one.id);
        due.retain(|(_, _, operation)| may(operation));
        due.sort_unstable_by_key(|(is_waiting, at, operation)| (*is_waiting, *at, operation.id));
        // A kind may have been named twice.
        due.dedup_by_key(|(_, _, operation)| operation.id);
        due.truncate(wish.limit);
        let give = |(_, _, operation): (bool, u64, &Operation)| {
            self.touched.insert(operation.id);
            self.give(operation, wish, at_ms, records)
        };
        due.into_iter().map(give).collect()
    }

    fn give(
        &self,
        operation: &Operation,
        wish: &LeaseRequest,
        at_ms: u64,
        records: &mut Records,
    ) -> Leased {
        let worker: Arc<str> = cut(&wish.worker).into();
        let until_ms = wish.until_ms;
        let (attempt, kind) = (operation.attempts.saturating_add(1), Arc::clone(&operation.kind));
        let id = operation.id;
        let event = Event::Leased { operation: id, at_ms, attempt, kind, until_ms, worker };
        let token = records.push(event.clone());
        let mut operation = operation.clone();
        operation.change(token, event);
        (operation.updated_ms, operation.updated) = (at_ms, token);
        Leased { operation, token }
    }

    /// Gives up what was taken up as often as allowed, and never ended: it may be what ends the
    /// processes that run it.
    fn bury(&mut self, wish: &LeaseRequest, at_ms: u64, records: &mut Records) {
        let operations = self.operations;
        for kind in &wish.kinds {
            for operation in operations.abandoned(kind, at_ms).take(BURIED_MAX) {
                let Some(lease) = &operation.lease else { continue };
                let id = operation.id;
                if operation.attempts < operation.attempts_max || !self.is_free(id) {
                    continue;
                }
                let message = format!(
                    "{} ended, or stood still, before it was done, in attempt {} of {}",
                    lease.worker, operation.attempts, operation.attempts_max
                );
                let outcome = Outcome::Dead(Failure::new("abandoned", &message));
                self.touched.insert(id);
                records.push(settled(operation, lease.token, at_ms, outcome));
            }
        }
    }

    fn change(
        &mut self,
        id: OperationId,
        may: impl Fn(&Operation) -> bool,
        event: impl FnOnce(Arc<str>) -> Event,
        records: &mut Records,
    ) -> Change {
        let Some(operation) = self.operations.get(id) else { return Change::Unknown };
        if !may(operation) || !self.touched.insert(id) {
            return Change::NotNow(operation.status);
        }
        records.push(event(Arc::clone(&operation.kind)));
        Change::Done
    }
}

fn settled(operation: &Operation, lease: Lsn, at_ms: u64, outcome: Outcome) -> Event {
    let (attempt, kind) = (operation.attempts, Arc::clone(&operation.kind));
    Event::Settled { operation: operation.id, at_ms, attempt, kind, lease, outcome }
}

#[cfg(test)]
mod tests;

//! What the log says of operations, taken in by rules that were written down a second time. It says
//! no where a record is one that must not have been written.

use std::collections::BTreeMap;

use cidlake_store::{
    Event, Lease, LogRecord, Lsn, Operation, OperationId, OperationStatus, Outcome, QueueStats,
    Says,
};

/// The queue by its log.
#[derive(Debug, Default)]
pub struct QueueModel {
    pub operations: BTreeMap<OperationId, Operation>,
    /// What each lease gave out.
    pub given: BTreeMap<Lsn, Operation>,
    /// The operation of each number that somebody wanted queued.
    pub queued: BTreeMap<u64, OperationId>,
}

impl QueueModel {
    /// Takes in a whole log.
    pub fn of(records: &[LogRecord]) -> Self {
        let mut model = Self::default();
        for (number, record) in (1..).zip(records) {
            assert_eq!(record.lsn, Lsn(number), "the log has a gap");
            if let Says::Operation(event) = &record.says {
                model.take(record.lsn, event);
            }
        }
        model
    }

    /// Figures about it at a moment.
    pub fn stats(&self, now_ms: u64) -> QueueStats {
        let all = || self.operations.values();
        let count = |status| all().filter(|one| one.status == status).count() as u64;
        let is_over =
            |one: &&Operation| one.lease.as_ref().is_some_and(|own| own.until_ms <= now_ms);
        // Of each kind the one that stands first is asked.
        let mut first: BTreeMap<&str, &Operation> = BTreeMap::new();
        for one in all().filter(|one| one.lease.is_none() && !one.status.is_over()) {
            let known = first.entry(&one.kind).or_insert(one);
            if (one.ready_ms(), one.id) < (known.ready_ms(), known.id) {
                *known = one;
            }
        }
        let lag = |one: &Operation| now_ms.checked_sub(one.ready_ms());
        QueueStats {
            pending: count(OperationStatus::Pending),
            processing: count(OperationStatus::Processing),
            completed: count(OperationStatus::Completed),
            failed: count(OperationStatus::Failed),
            retrying: count(OperationStatus::Retrying),
            dead: count(OperationStatus::Dead),
            queued_total: self.queued.len() as u64,
            abandoned: all().filter(is_over).count() as u64,
            lag_ms: first.into_values().filter_map(lag).max(),
        }
    }

    fn take(&mut self, lsn: Lsn, event: &Event) {
        match event {
            Event::Queued { .. } => self.queue(lsn, event),
            Event::Leased { operation, .. } => {
                let one = self.known(*operation);
                lease(one, lsn, event);
                let given = one.clone();
                self.given.insert(lsn, given);
            }
            Event::Renewed { operation, at_ms, kind, lease, until_ms } => {
                let one = self.known(*operation);
                let own = one.lease.as_mut().expect("what nobody has is renewed");
                assert_eq!((own.token, &one.kind), (*lease, kind), "an old lease is renewed");
                own.until_ms = *until_ms;
                (one.updated, one.updated_ms) = (lsn, *at_ms);
            }
            Event::Settled { operation, .. } => settle(self.known(*operation), lsn, event),
            Event::Retried { operation, at_ms, kind } => {
                let one = self.known(*operation);
                assert_eq!(&one.kind, kind);
                assert!(
                    matches!(
                        one.status,
                        OperationStatus::Failed | OperationStatus::Dead | OperationStatus::Retrying
                    ),
                    "{one:?} is to be tried again"
                );
                one.status = OperationStatus::Pending;
                (one.attempts, one.due_ms) = (0, *at_ms);
                (one.updated, one.updated_ms) = (lsn, *at_ms);
            }
            Event::Dropped { operation, at_ms, .. } => {
                let one = self.known(*operation);
                let is_live = one.lease.as_ref().is_some_and(|own| own.until_ms > *at_ms);
                assert!(!is_live, "{one:?} was dropped in the middle of it");
                self.operations.remove(operation);
            }
        }
    }

    fn known(&mut self, id: OperationId) -> &mut Operation {
        self.operations.get_mut(&id).unwrap_or_else(|| panic!("there is no operation {id}"))
    }

    fn queue(&mut self, lsn: Lsn, event: &Event) {
        let Event::Queued { at_ms, due_ms, key, kind, attempts_max, params } = event.clone() else {
            unreachable!("{event:?} queues nothing")
        };
        let id = OperationId(lsn.0);
        let number: BTreeMap<String, u64> = params.read().expect("parameters are as they were");
        assert_eq!(self.queued.insert(number["number"], id), None, "it was queued twice");
        let has_key = |one: &&Operation| key.is_some() && one.key == key;
        assert_eq!(self.operations.values().find(has_key), None, "a key was queued twice");
        let operation = Operation {
            id,
            kind,
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
        };
        self.operations.insert(id, operation);
    }
}

fn lease(one: &mut Operation, lsn: Lsn, event: &Event) {
    let Event::Leased { at_ms, attempt, kind, until_ms, worker, .. } = event else {
        unreachable!("{event:?} gives nothing out")
    };
    let is_due = match (one.status, &one.lease) {
        (OperationStatus::Pending | OperationStatus::Retrying, None) => one.due_ms <= *at_ms,
        (OperationStatus::Processing, Some(own)) => own.until_ms <= *at_ms,
        _ => false,
    };
    assert!(is_due, "{one:?} was given out in record {lsn}, at {at_ms}");
    assert_eq!((*attempt, kind), (one.attempts + 1, &one.kind));
    assert!(*attempt <= one.attempts_max, "{one:?} was tried once too often");
    one.status = OperationStatus::Processing;
    one.attempts = *attempt;
    let lease = Lease { token: lsn, worker: std::sync::Arc::clone(worker), until_ms: *until_ms };
    one.lease = Some(Box::new(lease));
    (one.updated, one.updated_ms) = (lsn, *at_ms);
}

fn settle(one: &mut Operation, lsn: Lsn, event: &Event) {
    let Event::Settled { at_ms, attempt, kind, lease, outcome, .. } = event else {
        unreachable!("{event:?} settles nothing")
    };
    let own = one.lease.take().expect("what nobody has is settled");
    assert_eq!(own.token, *lease, "an old lease settled {one:?}");
    assert_eq!((*attempt, kind), (one.attempts, &one.kind));
    let has_more = one.attempts < one.attempts_max;
    one.failure = outcome.failure().cloned().map(Box::new);
    one.status = match outcome {
        Outcome::Completed(result) => {
            one.result = Some(Box::new(result.clone()));
            OperationStatus::Completed
        }
        Outcome::Retrying { due_ms, .. } => {
            assert!(has_more, "{one:?} is to be tried once too often");
            one.due_ms = *due_ms;
            OperationStatus::Retrying
        }
        Outcome::Failed(_) => OperationStatus::Failed,
        Outcome::Dead(_) => {
            assert!(!has_more, "{one:?} is given up too early");
            OperationStatus::Dead
        }
    };
    (one.updated, one.updated_ms) = (lsn, *at_ms);
}

//! What the queue of a lake promised, and what may be found in it.
//!
//! What was answered stands in a record of the log, and it and all before it stay. The queue that a
//! process has is what its log amounts to, however it came to know it. What was not answered may
//! turn up, whole, or not.

use std::collections::BTreeMap;

use cidlake_store::{
    Event, LogRecord, Lsn, Operation, OperationId, OperationParams, Outcome, QueueStats, Says,
};

use super::queue_model::QueueModel;

/// The promises of one queue.
#[derive(Debug, Clone, Default)]
pub struct QueueOracle {
    /// The time, which all processes share, in milliseconds.
    pub now_ms: u64,
    /// The log up to the last record that is known to be durable.
    settled: Vec<LogRecord>,
    /// Answers that nobody has held against the log yet.
    owed: Vec<(u64, Fact)>,
    facts: u64,
    /// What was wanted queued, by number: its key.
    wanted: BTreeMap<u64, Option<String>>,
    /// Numbers that were wanted queued together, where none had a key.
    together: Vec<Vec<u64>>,
}

/// What was promised when somebody began to look.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    records: usize,
    facts: u64,
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Fact {
    /// The operation of a number was queued, or one with its key was known.
    Enqueued { id: OperationId, number: u64, is_new: bool },
    /// An operation was given out like this.
    Leased { token: Lsn, operation: Operation },
    /// An attempt was settled.
    Settled { token: Lsn, outcome: Outcome },
    /// A lease was made to last longer.
    Renewed { token: Lsn, until_ms: u64 },
    /// A lease was said not to be the newest.
    Refused { id: OperationId, token: Lsn },
    /// An operation is to be tried again, or was dropped.
    Changed { id: OperationId, at_ms: u64, is_dropped: bool },
    /// An operation is not known.
    Unknown { id: OperationId },
}

impl QueueOracle {
    /// Takes note of operations that are about to be queued with one request.
    pub fn want(&mut self, numbers: &[(u64, Option<String>)]) {
        self.wanted.extend(numbers.iter().cloned());
        if numbers.iter().all(|(_, key)| key.is_none()) {
            self.together.push(numbers.iter().map(|(number, _)| *number).collect());
        }
    }

    /// Takes note of an answer.
    pub fn owe(&mut self, fact: Fact) {
        self.owed.push((self.facts, fact));
        self.facts += 1;
    }

    /// What is promised now.
    pub fn mark(&self) -> Mark {
        Mark { records: self.settled.len(), facts: self.facts }
    }

    /// Checks what a process finds that began to look at `mark`: the whole log, and the queue at the
    /// same time. Others may have gone on since.
    pub fn check(
        &mut self,
        mark: Mark,
        records: &[LogRecord],
        found: &[Operation],
        stats: QueueStats,
    ) {
        let both = self.settled.len().min(records.len());
        assert_eq!(records[..both], self.settled[..both], "settled records have changed");
        assert!(mark.records <= records.len(), "settled records are gone");
        let model = QueueModel::of(records);
        self.check_wanted(records, &model);
        let expected: Vec<&Operation> = model.operations.values().collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "the queue is not its log");
        assert_eq!(stats, model.stats(self.now_ms));
        let owed = std::mem::take(&mut self.owed).into_iter();
        let (due, newer): (Vec<_>, Vec<_>) = owed.partition(|(number, _)| *number < mark.facts);
        self.owed = newer;
        let stands = due.iter().map(|(_, fact)| self.check_fact(fact, records, &model).0 as usize);
        let durable = stands.max().unwrap_or_default();
        if durable > self.settled.len() {
            self.settled = records[..durable].to_vec();
        }
    }

    /// Checks that only what was wanted is there, as it was wanted, and together.
    fn check_wanted(&self, records: &[LogRecord], model: &QueueModel) {
        for (number, id) in &model.queued {
            let wanted = self.wanted.get(number);
            let wanted = wanted.unwrap_or_else(|| panic!("nobody wanted number {number}"));
            let Some(Says::Operation(Event::Queued { key, params, .. })) = said(records, Lsn(id.0))
            else {
                panic!("record {id} does not queue number {number}")
            };
            assert_eq!((key.as_deref(), params), (wanted.as_deref(), &params_of(*number)));
        }
        for numbers in &self.together {
            let queued = numbers.iter().filter(|number| model.queued.contains_key(number));
            let queued = queued.count();
            assert!(queued == 0 || queued == numbers.len(), "half a request is in the log");
        }
    }

    /// Checks that an answer stands in the log; returns in which record.
    fn check_fact(&self, fact: &Fact, records: &[LogRecord], model: &QueueModel) -> Lsn {
        let find = |is_it: &dyn Fn(&Event) -> bool| {
            let says_it = |record: &&LogRecord| match &record.says {
                Says::Operation(event) => is_it(event),
                _ => false,
            };
            let found = records.iter().rfind(says_it);
            found.unwrap_or_else(|| panic!("{fact:?} is not in the log")).lsn
        };
        match fact {
            Fact::Enqueued { id, number, is_new: true } => {
                assert_eq!(model.queued.get(number), Some(id), "it was acknowledged");
                Lsn(id.0)
            }
            Fact::Enqueued { id, number, is_new: false } => {
                let wanted = self.wanted[number].as_deref();
                let Some(Says::Operation(Event::Queued { key, .. })) = said(records, Lsn(id.0))
                else {
                    panic!("there was no operation {id}")
                };
                assert!(key.is_some() && key.as_deref() == wanted, "{id} has another key");
                Lsn(id.0)
            }
            Fact::Leased { token, operation } => {
                assert_eq!(model.given.get(token), Some(operation), "it was given out otherwise");
                *token
            }
            Fact::Settled { token, outcome } => find(&|event| match event {
                Event::Settled { lease, outcome: told, .. } => {
                    lease == token && (told == outcome || is_last(outcome, told))
                }
                _ => false,
            }),
            Fact::Renewed { token, until_ms } => find(&|event| {
                matches!(event, Event::Renewed { lease, until_ms: until, .. }
                    if lease == token && until == until_ms)
            }),
            Fact::Refused { id, token } => {
                let own = model.operations.get(id).and_then(|one| one.lease.as_ref());
                assert!(own.is_none_or(|own| own.token != *token), "{token} is the newest of {id}");
                Lsn(0)
            }
            Fact::Changed { id, at_ms, is_dropped } => find(&|event| match event {
                Event::Retried { operation, at_ms: at, .. } => {
                    !is_dropped && (operation, at) == (id, at_ms)
                }
                Event::Dropped { operation, at_ms: at, .. } => {
                    *is_dropped && (operation, at) == (id, at_ms)
                }
                _ => false,
            }),
            Fact::Unknown { id } => {
                assert!(!model.operations.contains_key(id), "{id} is known");
                Lsn(0)
            }
        }
    }
}

/// Whether an attempt that was to be followed by another was the last.
fn is_last(wanted: &Outcome, told: &Outcome) -> bool {
    match (wanted, told) {
        (Outcome::Retrying { failure, .. }, Outcome::Dead(why)) => failure == why,
        _ => false,
    }
}

fn said(records: &[LogRecord], lsn: Lsn) -> Option<&Says> {
    let at = usize::try_from(lsn.0).unwrap().checked_sub(1)?;
    records.get(at).map(|record| &record.says)
}

/// The parameters of a number.
pub fn params_of(number: u64) -> OperationParams {
    OperationParams::of(&BTreeMap::from([("number", number), ("twice", number * 2)])).unwrap()
}

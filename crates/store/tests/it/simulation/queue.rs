//! The steps that use the operation queue.

use std::sync::Arc;

use cidlake_store::{
    Change, Failure, LeaseRequest, Leased, Lsn, NewOperation, OperationFilter, OperationResult,
    Outcome, Settlement, Store, StoreError,
};

use super::queue_oracle::{Fact, params_of};
use super::step::Step;
use super::world::{World, locked};
use crate::dice::Dice;

/// So many keys there are, so that they are met again.
const KEYS: u64 = 6;
/// How long leases are good, at most, in milliseconds.
const LEASE_MS_MAX: u64 = 40;

impl World {
    /// Does a step of the queue.
    pub fn operate(&self, step: &Step) -> Result<(), StoreError> {
        match step {
            Step::Enqueue { process, count, keyed } => self.enqueue(*process, *count, *keyed),
            Step::Work { process, limit, seed } => self.work(*process, *limit, *seed),
            Step::Renew { process, ms } => self.renew(*process, *ms),
            Step::Change { process, seed } => self.change(*process, *seed),
            Step::Wait { ms, .. } => {
                locked(&self.oracle).queue.now_ms += ms;
                Ok(())
            }
            other => unreachable!("{other:?} is not about the queue"),
        }
    }

    pub fn enqueue(&self, process: usize, count: u64, keyed: bool) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let (numbers, now) = {
            let mut oracle = locked(&self.oracle);
            let numbers = (0..count).map(|_| u64::from(oracle.number()));
            let numbers =
                numbers.map(|number| (number, keyed.then(|| format!("key {}", number % KEYS))));
            let numbers: Vec<(u64, Option<String>)> = numbers.collect();
            oracle.queue.want(&numbers);
            (numbers, oracle.queue.now_ms)
        };
        let new = numbers.iter().map(|(number, key)| new(*number, key.as_deref(), now));
        let enqueued = store.enqueue(new.collect(), now)?;
        assert_eq!(enqueued.len(), numbers.len());
        for ((number, _), one) in numbers.iter().zip(enqueued) {
            let fact = Fact::Enqueued { id: one.id, number: *number, is_new: one.is_new };
            locked(&self.oracle).queue.owe(fact);
        }
        self.look_after(process, &store)
    }

    /// Settles some of what the process has, or had, and takes something else.
    pub fn work(&self, process: usize, limit: usize, seed: u64) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let mut dice = Dice::of(&[seed]);
        let now = locked(&self.oracle).queue.now_ms;
        let mut settlements = Vec::new();
        for (owner, leased) in locked(&self.leases).iter() {
            // Now and then somebody comes with what was another's, and what is long over.
            if *owner == process || dice.below(8) == 0 {
                settlements.extend(settlement(leased, now, &mut dice));
            }
        }
        let until_ms = now + 1 + dice.below(LEASE_MS_MAX);
        let kinds = kinds();
        let worker = format!("process {process}").into();
        let wish = LeaseRequest { kinds, worker, until_ms, limit };
        let wish = (limit > 0).then_some(wish);
        let (settled, leased) = store.turn(settlements.clone(), wish, now)?;
        assert_eq!(settled.len(), settlements.len());
        assert!(leased.len() <= limit);
        for (settlement, is_settled) in settlements.into_iter().zip(settled) {
            let Settlement { id, token, outcome } = settlement;
            let fact = if is_settled {
                Fact::Settled { token, outcome }
            } else {
                Fact::Refused { id, token }
            };
            locked(&self.oracle).queue.owe(fact);
        }
        for one in leased {
            let (token, operation) = (one.token, one.operation.clone());
            locked(&self.oracle).queue.owe(Fact::Leased { token, operation });
            locked(&self.leases).push((process, one));
        }
        self.look_after(process, &store)
    }

    fn renew(&self, process: usize, ms: u64) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let now = locked(&self.oracle).queue.now_ms;
        let until_ms = now + ms;
        let own = |(owner, leased): &(usize, Leased)| {
            (*owner == process).then_some((leased.operation.id, leased.token))
        };
        let leases: Vec<_> = locked(&self.leases).iter().filter_map(own).collect();
        let renewed = store.renew(leases.clone(), until_ms, now)?;
        assert_eq!(renewed.len(), leases.len());
        for ((id, token), is_renewed) in leases.into_iter().zip(renewed) {
            let fact = if is_renewed {
                Fact::Renewed { token, until_ms }
            } else {
                Fact::Refused { id, token }
            };
            locked(&self.oracle).queue.owe(fact);
        }
        self.look_after(process, &store)
    }

    /// Drops an operation, or lets it be tried again.
    fn change(&self, process: usize, seed: u64) -> Result<(), StoreError> {
        let store = self.store(process)?;
        let mut dice = Dice::of(&[seed]);
        let all = store.operations(&every())?;
        let Some(one) = all.get(dice.below(all.len() as u64) as usize) else { return Ok(()) };
        let (id, is_dropped) = (one.id, dice.coin());
        let at_ms = locked(&self.oracle).queue.now_ms;
        let change = if is_dropped {
            store.drop_operation(id, at_ms)?
        } else {
            store.retry_operation(id, at_ms)?
        };
        let fact = match change {
            Change::Done => Fact::Changed { id, at_ms, is_dropped },
            Change::Unknown => Fact::Unknown { id },
            Change::NotNow(_) => return self.look_after(process, &store),
        };
        locked(&self.oracle).queue.owe(fact);
        self.look_after(process, &store)
    }

    /// Does all that there is to do, when every lease is over and everything is due.
    pub fn drain(&self, process: usize) -> Result<(), StoreError> {
        let store = self.store(process)?;
        // An operation has few attempts, and each takes one round.
        for _ in 0..20 {
            locked(&self.oracle).queue.now_ms += 1_000;
            let before = locked(&self.leases).len();
            self.work(process, 99, 0)?;
            let now = locked(&self.oracle).queue.now_ms;
            let leased = locked(&self.leases).split_off(before);
            let settlements = leased.iter().map(|(_, leased)| done(leased)).collect();
            assert_eq!(store.settle(settlements, now)?, vec![true; leased.len()]);
            if store.next_due_ms(&kinds())?.is_none() {
                break;
            }
        }
        let all = store.operations(&every())?;
        assert!(all.iter().all(|one| one.status.is_over()), "something was left undone: {all:?}");
        self.look(&store)
    }

    /// Looks at the queue after an answer.
    fn look_after(&self, process: usize, store: &Store) -> Result<(), StoreError> {
        // Where the power is cut by now, or the process ended, others will look.
        if let Err(error) = self.look(store) {
            self.excuse(process, &error);
        }
        Ok(())
    }

    /// Holds the queue that a process has against its log.
    pub fn look(&self, store: &Store) -> Result<(), StoreError> {
        loop {
            let (mark, now) = {
                let queue = &locked(&self.oracle).queue;
                (queue.mark(), queue.now_ms)
            };
            let records = store.log_after(Lsn(0), None)?.next(usize::MAX)?;
            let (found, stats) = (store.operations(&every())?, store.queue_stats(now)?);
            let last = records.last().map_or(Lsn(0), |record| record.lsn);
            let is_same = store.log_after(last, None)?.next(1)?.is_empty();
            // Else another process came in between.
            if is_same && locked(&self.oracle).queue.now_ms == now {
                locked(&self.oracle).queue.check(mark, &records, &found, stats);
                return Ok(());
            }
        }
    }
}

/// The kinds of all operations.
fn kinds() -> Vec<Arc<str>> {
    vec!["copy".into(), "verify".into()]
}

fn every() -> OperationFilter {
    OperationFilter { limit: usize::MAX, ..OperationFilter::default() }
}

fn new(number: u64, key: Option<&str>, now_ms: u64) -> NewOperation {
    let kind = if number.is_multiple_of(3) { "copy" } else { "verify" };
    let new = NewOperation::new(kind, params_of(number)).unwrap();
    let new = new.with_attempts_max(1 + (number % 4) as u32);
    let new = if number.is_multiple_of(5) { new.not_before(now_ms + 20) } else { new };
    match key {
        Some(key) => new.with_key(key).unwrap(),
        None => new,
    }
}

fn done(leased: &Leased) -> Settlement {
    let result = OperationResult { size: Some(leased.token.0), ..OperationResult::default() };
    Settlement::completed(leased, result)
}

/// How an attempt went, if it is over.
fn settlement(leased: &Leased, now_ms: u64, dice: &mut Dice) -> Option<Settlement> {
    let failure = Failure::new("thrown", &format!("dice {}", dice.below(100)));
    let due_ms = now_ms + dice.below(30);
    match dice.weighted(&[(4, 0), (3, 1), (1, 2), (3, 3)]) {
        0 => Some(done(leased)),
        1 => Some(Settlement::failed(leased, failure, Some(due_ms))),
        2 => {
            let outcome = Outcome::Failed(failure);
            Some(Settlement { id: leased.operation.id, token: leased.token, outcome })
        }
        _ => None,
    }
}

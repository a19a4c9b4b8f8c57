//! Tests of what requests make: tables of cases, and random programs against a model that knows of
//! each operation who may do what.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::operation::Params;
use super::*;

/// A queue and its log.
#[derive(Debug, Default)]
struct Log {
    operations: Operations,
    last: u64,
    events: Vec<(Lsn, Event)>,
}

impl Log {
    /// Answers requests that share a write.
    fn write(&mut self, requests: &[Request]) -> Vec<Reply> {
        let mut planner = Planner::new(&self.operations);
        let (mut last, mut events, mut replies) = (self.last, Vec::new(), Vec::new());
        for request in requests {
            let (more, reply) = planner.answer(request, last);
            last += more.len() as u64;
            events.extend(more);
            replies.push(reply);
        }
        for event in events {
            self.last += 1;
            self.operations.apply(Lsn(self.last), event.clone());
            self.events.push((Lsn(self.last), event));
        }
        replies
    }

    fn one(&mut self, request: Request) -> Reply {
        self.write(&[request]).remove(0)
    }

    fn enqueue(&mut self, new: NewOperation) -> Enqueued {
        match self.one(Request::Enqueue { operations: vec![new], at_ms: 1 }) {
            Reply::Enqueued(enqueued) => enqueued[0],
            other => panic!("{other:?}"),
        }
    }

    fn lease(&mut self, limit: usize, at_ms: u64, until_ms: u64) -> Vec<Leased> {
        let lease = Some(wish(limit, until_ms));
        match self.one(Request::Turn { settlements: Vec::new(), lease, at_ms }) {
            Reply::Turn { leased, .. } => leased,
            other => panic!("{other:?}"),
        }
    }

    fn settle(&mut self, settlement: Settlement, at_ms: u64) -> bool {
        match self.one(Request::Turn { settlements: vec![settlement], lease: None, at_ms }) {
            Reply::Turn { settled, .. } => settled[0],
            other => panic!("{other:?}"),
        }
    }

    fn change(&mut self, request: Request) -> Change {
        match self.one(request) {
            Reply::Changed(change) => change,
            other => panic!("{other:?}"),
        }
    }

    fn status(&self, id: OperationId) -> OperationStatus {
        self.operations.get(id).unwrap().status
    }
}

fn new() -> NewOperation {
    let params = Params::of(&std::collections::BTreeMap::from([("size", 7_u64)])).unwrap();
    NewOperation::new("verify", params).unwrap()
}

fn wish(limit: usize, until_ms: u64) -> LeaseRequest {
    LeaseRequest { kinds: vec!["verify".into()], worker: "me".into(), until_ms, limit }
}

fn failure() -> Failure {
    Failure::new("unavailable", "no route")
}

#[test]
fn an_operation_goes_its_way_and_keeps_its_parameters() {
    let mut log = Log::default();
    let Enqueued { id, is_new } = log.enqueue(new().with_attempts_max(2));
    assert!(is_new);
    let leased = log.lease(9, 10, 20).remove(0);
    assert_eq!((leased.operation.attempts, leased.operation.status.word()), (1, "processing"));
    assert!(log.settle(Settlement::failed(&leased, failure(), Some(50)), 15));
    assert_eq!(log.status(id), OperationStatus::Retrying);
    assert!(log.lease(9, 49, 60).is_empty());
    let leased = log.lease(9, 50, 60).remove(0);
    assert!(log.settle(Settlement::failed(&leased, failure(), Some(70)), 55));
    assert_eq!(log.status(id), OperationStatus::Dead);
    assert_eq!(log.change(Request::Retry { id, at_ms: 80 }), Change::Done);
    let leased = log.lease(9, 80, 90).remove(0);
    let result = OperationResult { size: Some(3), ..OperationResult::default() };
    assert!(log.settle(Settlement::completed(&leased, result), 85));
    let done = log.operations.get(id).unwrap();
    assert_eq!((done.status.word(), done.attempts), ("completed", 1));
    assert_eq!(done.params, new().params);
    assert_eq!(done.failure, None);
    assert_eq!(log.operations.queued_total(), 1);
}

#[test]
fn a_key_is_queued_once_while_it_is_known() {
    let mut log = Log::default();
    let keyed = new().with_key("k").unwrap();
    let twice = vec![keyed.clone(), keyed.clone()];
    let Reply::Enqueued(both) = log.one(Request::Enqueue { operations: twice, at_ms: 1 }) else {
        panic!("no answer");
    };
    assert_eq!((both[0].is_new, both[1].is_new, both[0].id), (true, false, both[1].id));
    let leased = log.lease(1, 1, 9).remove(0);
    assert!(!log.enqueue(keyed.clone()).is_new);
    log.settle(Settlement::completed(&leased, OperationResult::default()), 2);
    assert!(!log.enqueue(keyed.clone()).is_new);
    assert_eq!(log.change(Request::Drop { id: both[0].id, at_ms: 3 }), Change::Done);
    assert!(log.enqueue(keyed).is_new);
}

#[test]
fn whoever_lets_a_lease_end_is_fenced_off() {
    let mut log = Log::default();
    let id = log.enqueue(new()).id;
    let first = log.lease(1, 10, 20).remove(0);
    assert!(log.lease(1, 19, 30).is_empty());
    // Late, and nobody took it: that counts.
    let Reply::Renewed(renewed) =
        log.one(Request::Renew { leases: vec![(id, first.token)], until_ms: 40, at_ms: 25 })
    else {
        panic!("no answer");
    };
    assert_eq!(renewed, [true]);
    let second = log.lease(1, 40, 50).remove(0);
    assert!(second.token > first.token);
    assert_eq!(second.operation.attempts, 2);
    assert!(!log.settle(Settlement::completed(&first, OperationResult::default()), 41));
    let renew = Request::Renew { leases: vec![(id, first.token)], until_ms: 99, at_ms: 41 };
    assert!(matches!(log.one(renew), Reply::Renewed(renewed) if renewed == [false]));
    assert!(log.settle(Settlement::completed(&second, OperationResult::default()), 42));
    assert!(!log.settle(Settlement::failed(&second, failure(), None), 43));
}

#[test]
fn what_ends_every_process_that_runs_it_is_given_up() {
    let mut log = Log::default();
    let id = log.enqueue(new().with_attempts_max(2)).id;
    for at in [10, 20] {
        assert_eq!(log.lease(1, at, at + 10).len(), 1);
    }
    assert!(log.lease(1, 30, 40).is_empty());
    let buried = log.operations.get(id).unwrap();
    assert_eq!(buried.status, OperationStatus::Dead);
    assert!(buried.failure.as_ref().unwrap().message.contains("attempt 2 of 2"));
}

#[test]
fn of_one_write_the_first_has_it() {
    let mut log = Log::default();
    let ids: Vec<OperationId> = (0..3).map(|_| log.enqueue(new()).id).collect();
    let turn =
        |limit| Request::Turn { settlements: Vec::new(), lease: Some(wish(limit, 20)), at_ms: 10 };
    let replies = log.write(&[turn(2), turn(2)]);
    let given: Vec<Vec<OperationId>> = replies
        .iter()
        .map(|reply| match reply {
            Reply::Turn { leased, .. } => leased.iter().map(|one| one.operation.id).collect(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(given, [vec![ids[0], ids[1]], vec![ids[2]]]);
    // The lease is over: who settles late and who takes it up are in one write.
    let late = log.operations.get(ids[0]).unwrap().lease.as_ref().unwrap().token;
    let settlement = Settlement {
        id: ids[0],
        token: late,
        outcome: Outcome::Completed(OperationResult::default()),
    };
    let settle = Request::Turn { settlements: vec![settlement], lease: None, at_ms: 30 };
    let take = Request::Turn { settlements: Vec::new(), lease: Some(wish(1, 90)), at_ms: 30 };
    let replies = log.write(&[take, settle]);
    let Reply::Turn { leased, .. } = &replies[0] else { panic!("{replies:?}") };
    assert_eq!(leased[0].operation.id, ids[0]);
    assert!(matches!(&replies[1], Reply::Turn { settled, .. } if settled == &[false]));
}

#[test]
fn what_is_renewed_is_not_given_to_another_in_the_same_write() {
    let mut log = Log::default();
    let id = log.enqueue(new().with_attempts_max(1)).id;
    let own = log.lease(1, 10, 20).remove(0);
    // The lease is over, and nobody has taken the operation up.
    let renew = Request::Renew { leases: vec![(id, own.token)], until_ms: 90, at_ms: 25 };
    let take = Request::Turn { settlements: Vec::new(), lease: Some(wish(1, 90)), at_ms: 25 };
    let drop = Request::Drop { id, at_ms: 25 };
    let replies = log.write(&[renew, take, drop]);
    assert!(matches!(&replies[0], Reply::Renewed(renewed) if renewed == &[true]), "{replies:?}");
    assert!(matches!(&replies[1], Reply::Turn { leased, .. } if leased.is_empty()), "{replies:?}");
    assert!(matches!(replies[2], Reply::Changed(Change::NotNow(_))), "{replies:?}");
    assert_eq!(log.status(id), OperationStatus::Processing);
    assert!(log.settle(Settlement::completed(&own, OperationResult::default()), 26));
}

#[test]
fn what_is_new_does_not_come_before_what_has_been_due_for_longer() {
    let mut log = Log::default();
    let late = log.enqueue(new().not_before(20)).id;
    let Reply::Enqueued(fresh) = log.one(Request::Enqueue { operations: vec![new()], at_ms: 25 })
    else {
        panic!("no answer");
    };
    let given: Vec<OperationId> =
        log.lease(9, 30, 40).iter().map(|leased| leased.operation.id).collect();
    assert_eq!(given, [late, fresh[0].id]);
}

#[test]
fn what_is_running_is_not_dropped_and_what_is_not_known_is_said_so() {
    let mut log = Log::default();
    let id = log.enqueue(new()).id;
    let drop_at = |at_ms| Request::Drop { id, at_ms };
    log.lease(1, 10, 20);
    assert_eq!(log.change(drop_at(19)), Change::NotNow(OperationStatus::Processing));
    assert_eq!(
        log.change(Request::Retry { id, at_ms: 19 }),
        Change::NotNow(OperationStatus::Processing)
    );
    assert_eq!(log.change(drop_at(20)), Change::Done);
    assert_eq!(log.change(drop_at(21)), Change::Unknown);
}

#[test]
fn those_that_are_due_longest_come_first_and_kinds_apart() {
    let mut log = Log::default();
    let late = log.enqueue(new().not_before(30)).id;
    let early = log.enqueue(new().not_before(20)).id;
    let other = NewOperation::new("gc", Params::default()).unwrap();
    let foreign = log.enqueue(other).id;
    assert_eq!(log.operations.next_due_ms(&["verify".into()]), Some(20));
    let given: Vec<OperationId> =
        log.lease(9, 40, 50).iter().map(|leased| leased.operation.id).collect();
    assert_eq!(given, [early, late]);
    assert_eq!(log.status(foreign), OperationStatus::Pending);
}

/// A step of a random program: what, which of the things it is about, and how much time passes.
type Step = (u8, usize, u64);

/// What the model knows of an operation: its parameters, and the newest lease and its end.
#[derive(Debug)]
struct Known {
    id: OperationId,
    params: Params,
    lease: Option<(Lsn, u64)>,
    is_over: bool,
}

fn run(steps: &[Step]) {
    let mut log = Log::default();
    let mut known: Vec<Known> = Vec::new();
    let mut leases: Vec<Leased> = Vec::new();
    let mut now = 0;
    for (what, which, passed) in steps {
        now += passed;
        match what % 6 {
            0 | 1 => {
                let params = Params::of(&std::collections::BTreeMap::from([("n", *which)]));
                let params = params.unwrap();
                let new = NewOperation::new("verify", params.clone()).unwrap();
                let id = log.enqueue(new.with_attempts_max(3).not_before(now)).id;
                known.push(Known { id, params, lease: None, is_over: false });
            }
            2 => {
                for leased in log.lease(which % 4, now, now + 10) {
                    let id = leased.operation.id;
                    let own = known.iter_mut().find(|own| own.id == id).unwrap();
                    assert!(!own.is_over, "what is over was given out");
                    assert!(own.lease.is_none_or(|(_, until)| until <= now), "two live leases");
                    assert_eq!(leased.operation.params, own.params);
                    own.lease = Some((leased.token, now + 10));
                    leases.push(leased);
                }
            }
            3 if !leases.is_empty() => {
                let leased = leases[which % leases.len()].clone();
                let id = leased.operation.id;
                let (failed, due) = (which % 3, now + 5);
                let settlement = match failed {
                    0 => Settlement::failed(&leased, failure(), Some(due)),
                    1 => Settlement::failed(&leased, failure(), None),
                    _ => Settlement::completed(&leased, OperationResult::default()),
                };
                let is_newest = known
                    .iter()
                    .any(|own| own.id == id && own.lease.is_some_and(|own| own.0 == leased.token));
                let is_open = log.operations.get(id).is_some_and(|own| own.lease.is_some());
                assert_eq!(log.settle(settlement, now), is_newest && is_open);
            }
            4 if !known.is_empty() => {
                let id = known[which % known.len()].id;
                if log.change(Request::Retry { id, at_ms: now }) == Change::Done {
                    let own = known.iter_mut().find(|own| own.id == id).unwrap();
                    own.is_over = false;
                }
            }
            5 if !known.is_empty() => {
                let id = known[which % known.len()].id;
                if log.change(Request::Drop { id, at_ms: now }) == Change::Done {
                    known.retain(|own| own.id != id);
                }
            }
            _ => {}
        }
        for own in &mut known {
            let operation = log.operations.get(own.id).expect("no operation is lost");
            assert_eq!(operation.params, own.params);
            assert_eq!(operation.lease.is_some(), operation.status == OperationStatus::Processing);
            if operation.lease.is_none() {
                own.lease = own.lease.map(|(token, _)| (token, 0));
            }
            own.is_over = operation.status.is_over();
        }
        check(&log);
    }
}

/// Holds the queue against its log, and against its own bytes.
fn check(log: &Log) {
    let mut again = Operations::default();
    log.events.iter().for_each(|(lsn, event)| again.apply(*lsn, event.clone()));
    assert_eq!(again, log.operations);
    let bytes = log.operations.to_bytes();
    assert_eq!(Operations::from_bytes(&bytes).map(|read| read.to_bytes()), Some(bytes));
    let count = |status| {
        log.operations.after(OperationId(0)).filter(|one| one.status == status).count() as u64
    };
    assert_eq!(log.operations.counts(), OperationStatus::ALL.map(count));
}

proptest! {
    #[test]
    fn no_operation_is_lost_or_has_two_live_leases(
        steps in prop::collection::vec((any::<u8>(), 0_usize..20, 0_u64..6), 0..60),
    ) {
        run(&steps);
    }
}

#[test]
fn a_queue_that_goes_on_from_its_bytes_goes_on_the_same() {
    let mut log = Log::default();
    for at in 0..40 {
        log.enqueue(new().with_key(&at.to_string()).unwrap().not_before(at % 7));
    }
    for leased in log.lease(30, 10, 20) {
        match leased.operation.id.0 % 3 {
            0 => log.settle(Settlement::completed(&leased, OperationResult::default()), 12),
            1 => log.settle(Settlement::failed(&leased, failure(), Some(15)), 12),
            _ => true,
        };
    }
    let read = Operations::from_bytes(&log.operations.to_bytes()).unwrap();
    let mut other = Log { operations: read, last: log.last, events: Vec::new() };
    let ids = |given: Vec<Leased>| -> Vec<OperationId> {
        given.into_iter().map(|leased| leased.operation.id).collect()
    };
    assert_eq!(ids(other.lease(50, 30, 40)), ids(log.lease(50, 30, 40)));
    assert_eq!(other.operations.to_bytes(), log.operations.to_bytes());
}

#[test]
fn bytes_that_are_no_queue_are_none() {
    let mut log = Log::default();
    log.enqueue(new().with_key("k").unwrap());
    log.lease(1, 10, 20);
    let good = log.operations.to_bytes();
    for len in 0..good.len() {
        assert_eq!(Operations::from_bytes(&good.slice(..len)), None);
    }
    let longer = Bytes::from([&good[..], &[0]].concat());
    assert_eq!(Operations::from_bytes(&longer), None);
}

#[test]
fn what_was_done_long_ago_is_forgotten() {
    let mut log = Log::default();
    let most = super::super::state::COMPLETED_MAX;
    for _ in 0..most + 5 {
        log.enqueue(new());
    }
    let leased = log.lease(most + 5, 1, 9);
    let settlements =
        leased.iter().map(|one| Settlement::completed(one, OperationResult::default())).collect();
    log.one(Request::Turn { settlements, lease: None, at_ms: 2 });
    assert_eq!(log.operations.counts()[2], most as u64);
    assert_eq!(log.operations.get(leased[4].operation.id), None);
    assert!(log.operations.get(leased[5].operation.id).is_some());
    assert_eq!(log.operations.queued_total(), most as u64 + 5);
}

//! The operation queue through stores: several processes on one of it, those that stand still or
//! end, and what the log and checkpoints make of it. What one write makes of its requests is tested
//! beside the queue, and random work with power cuts in `simulation`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use cidlake_store::disk::{Disk, MemDisk};
use cidlake_store::{
    Change, CommitError, Enqueued, Expect, Failure, LeaseRequest, Leased, LogRecord, Lsn,
    NewOperation, Operation, OperationFilter, OperationId, OperationParams, OperationResult,
    OperationStatus, Says, Settlement, Store, StoreError,
};

use crate::races::{hold_log, wait_for};
use crate::support::{checkpoint, commit, delta, faulty, hold, open, options, payloads, root};

/// Parameters that no other number gives.
fn params(number: u64) -> OperationParams {
    let text = format!("number {number}");
    OperationParams::of(&BTreeMap::from([("number", number.to_string()), ("text", text)])).unwrap()
}

pub fn new(number: u64) -> NewOperation {
    NewOperation::new("verify", params(number)).unwrap()
}

fn keyed(number: u64) -> NewOperation {
    new(number).with_key(&format!("key {number}")).unwrap()
}

pub fn enqueue(store: &Store, number: u64) -> OperationId {
    store.enqueue(vec![new(number)], 1).unwrap()[0].id
}

fn wish(limit: usize, until_ms: u64) -> LeaseRequest {
    LeaseRequest { kinds: vec!["verify".into()], worker: "a worker".into(), until_ms, limit }
}

pub fn take(store: &Store, at_ms: u64, until_ms: u64) -> Vec<Leased> {
    store.lease(wish(99, until_ms), at_ms).unwrap()
}

pub fn done(leased: &Leased) -> Settlement {
    Settlement::completed(leased, OperationResult { size: Some(5), ..OperationResult::default() })
}

pub fn failed(leased: &Leased, due_ms: Option<u64>) -> Settlement {
    Settlement::failed(leased, Failure::new("unavailable", "no route"), due_ms)
}

pub fn settle(store: &Store, settlement: Settlement, at_ms: u64) -> bool {
    store.settle(vec![settlement], at_ms).unwrap()[0]
}

fn renew(store: &Store, leased: &Leased, at_ms: u64, until_ms: u64) -> bool {
    let lease = (leased.operation.id, leased.token);
    store.renew(vec![lease], until_ms, at_ms).unwrap()[0]
}

fn all(store: &Store) -> Vec<Operation> {
    store.operations(&OperationFilter { limit: usize::MAX, ..OperationFilter::default() }).unwrap()
}

fn status(store: &Store, id: OperationId) -> OperationStatus {
    store.operation(id).unwrap().expect("the operation is known").status
}

/// The whole log, read so many records at a time.
pub fn log(store: &Store, after: Lsn, count: usize) -> Vec<LogRecord> {
    let mut cursor = store.log_after(after, None).unwrap();
    let mut records = Vec::new();
    loop {
        let read = cursor.next(count).unwrap();
        assert!(read.len() <= count);
        if read.is_empty() {
            return records;
        }
        for record in read {
            assert_eq!(
                record.lsn.0,
                after.0 + 1 + records.len() as u64,
                "a record is out of order"
            );
            records.push(record);
        }
    }
}

fn checkpoints(disk: &MemDisk) -> Vec<PathBuf> {
    let folder = root().join("wal");
    let names = disk.list(&folder).unwrap().into_iter();
    names.filter(|name| name.ends_with(".checkpoint")).map(|name| folder.join(name)).collect()
}

#[test]
fn several_processes_have_one_queue() {
    let disk = MemDisk::new();
    let stores = [open(&disk, 1), open(&disk, 2), open(&disk, 3)];
    let id = enqueue(&stores[0], 7);
    let known = stores[1].operation(id).unwrap().unwrap();
    assert_eq!((known.status, known.params), (OperationStatus::Pending, params(7)));
    let leased = take(&stores[1], 10, 20).remove(0);
    assert_eq!((leased.operation.id, &leased.operation.params), (id, &params(7)));
    assert_eq!(stores[0].operation(id).unwrap().as_ref(), Some(&leased.operation));
    assert!(take(&stores[0], 19, 30).is_empty());
    // Whoever knows the lease may speak for it, in any process.
    assert!(renew(&stores[2], &leased, 15, 40));
    assert!(take(&stores[0], 39, 50).is_empty());
    assert!(settle(&stores[0], failed(&leased, None), 39));
    assert_eq!(status(&stores[1], id), OperationStatus::Failed);
    assert_eq!(stores[1].retry_operation(id, 40).unwrap(), Change::Done);
    let again = take(&stores[2], 41, 50).remove(0);
    assert_eq!((again.operation.attempts, again.operation.params.clone()), (1, params(7)));
    let running = Change::NotNow(OperationStatus::Processing);
    assert_eq!(stores[0].drop_operation(id, 42).unwrap(), running);
    assert!(settle(&stores[1], done(&again), 43));
    assert_eq!(stores[0].drop_operation(id, 44).unwrap(), Change::Done);
    for store in &stores {
        assert_eq!(store.operation(id).unwrap(), None);
        assert_eq!(store.drop_operation(id, 45).unwrap(), Change::Unknown);
        assert_eq!(store.queue_stats(45).unwrap().queued_total, 1);
    }
}

#[test]
fn a_key_is_queued_once_by_any_number_of_threads_and_processes() {
    let disk = MemDisk::new();
    let stores = [open(&disk, 1), open(&disk, 2)];
    let (rounds, keys) = (12, 5);
    let answers: Vec<Vec<Enqueued>> = thread::scope(|scope| {
        let enqueues = (0..8).map(|thread| {
            let store = &stores[thread % 2];
            scope.spawn(move || {
                let each = (0..rounds).map(|round| keyed((round + thread as u64) % keys));
                each.map(|new| store.enqueue(vec![new], 1).unwrap()[0]).collect()
            })
        });
        let enqueues: Vec<_> = enqueues.collect();
        enqueues.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let answers: Vec<Enqueued> = answers.concat();
    assert_eq!(answers.iter().filter(|answer| answer.is_new).count() as u64, keys);
    let ids: BTreeSet<OperationId> = answers.iter().map(|answer| answer.id).collect();
    for store in [&stores[0], &stores[1], &open(&disk, 3)] {
        let known = all(store);
        assert_eq!(known.iter().map(|one| one.id).collect::<BTreeSet<_>>(), ids);
        for number in 0..keys {
            let own = known.iter().filter(|one| one.params == params(number));
            let own: Vec<_> = own.map(|one| one.key.as_deref().unwrap()).collect();
            assert_eq!(own, [format!("key {number}")]);
        }
    }
}

#[test]
fn threads_and_processes_share_out_work_and_none_of_it_twice() {
    let disk = MemDisk::new();
    let stores = [open(&disk, 1), open(&disk, 2)];
    let count = 60;
    stores[0].enqueue((0..count).map(new).collect(), 1).unwrap();
    let done: Vec<Vec<OperationId>> = thread::scope(|scope| {
        let workers = (0..6).map(|worker| {
            let store = &stores[worker % 2];
            scope.spawn(move || {
                let (mut own, mut settlements) = (Vec::new(), Vec::new());
                loop {
                    let owed = settlements.len();
                    let wish = Some(wish(1 + worker % 3, 1_000));
                    let (settled, leased) = store.turn(settlements, wish, 10).unwrap();
                    assert_eq!(settled, vec![true; owed]);
                    if leased.is_empty() {
                        return own;
                    }
                    own.extend(leased.iter().map(|leased| leased.operation.id));
                    settlements = leased.iter().map(done).collect();
                }
            })
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let done = done.concat();
    assert_eq!(done.len() as u64, count);
    assert_eq!(done.iter().collect::<BTreeSet<_>>().len() as u64, count);
    let stats = stores[1].queue_stats(20).unwrap();
    assert_eq!((stats.completed, stats.processing, stats.pending), (count, 0, 0));
}

/// Answers of those that share a write: whoever has the log's lock lets them wait for it together.
/// They are asked one after the other, so that their order is known.
fn share_a_write<T: Send>(
    disk: &MemDisk,
    store: &Store,
    requests: Vec<Box<dyn FnOnce() -> T + Send + '_>>,
) -> Vec<T> {
    thread::scope(|scope| {
        let held = hold_log(disk);
        let leader = scope.spawn(|| commit(store, vec![delta(9_000)]));
        wait_for(|| store.stats().commits_waiting == 1);
        let mut waiting = Vec::new();
        for (before, request) in (1..).zip(requests) {
            waiting.push(scope.spawn(request));
            wait_for(|| store.stats().commits_waiting == before + 1);
        }
        drop(held);
        leader.join().unwrap();
        waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_requests_that_share_a_write_each_knows_of_those_before_it() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    commit(&store, vec![delta(0)]);
    let enqueues = (0..3).map(|_| {
        let request = || store.enqueue(vec![keyed(1), new(2)], 1).unwrap();
        Box::new(request) as Box<dyn FnOnce() -> Vec<Enqueued> + Send>
    });
    let answers = share_a_write(&disk, &store, enqueues.collect());
    let answers = answers.concat().into_iter().map(|one| (one.id.0, one.is_new));
    let expected = [(3, true), (4, true), (3, false), (5, true), (3, false), (6, true)];
    assert_eq!(answers.collect::<Vec<_>>(), expected);
    let leases = (0..3).map(|_| {
        let request = || store.lease(wish(2, 20), 10).unwrap();
        Box::new(request) as Box<dyn FnOnce() -> Vec<Leased> + Send>
    });
    let leased = share_a_write(&disk, &store, leases.collect());
    let ids = leased.iter().map(|some| some.iter().map(|one| one.operation.id.0).collect());
    assert_eq!(ids.collect::<Vec<Vec<u64>>>(), [vec![3, 4], vec![5, 6], vec![]]);
    // The tokens are the numbers of the records, whatever else was in the write.
    for one in leased.concat() {
        let record = log(&store, Lsn(one.token.0 - 1), 1).remove(0);
        let Says::Operation(event) = record.says else { panic!("{record:?}") };
        assert_eq!(event.operation(), Some(one.operation.id));
        assert_eq!(store.operation(one.operation.id).unwrap(), Some(one.operation));
    }
}

#[test]
fn a_worker_that_was_held_up_past_its_lease_changes_nothing_any_more() {
    let disk = MemDisk::new();
    let [paused, other] = [open(&disk, 1), open(&disk, 2)];
    let id = enqueue(&paused, 1);
    let old = take(&paused, 10, 20).remove(0);
    let newer = take(&other, 20, 30).remove(0);
    assert!(newer.token > old.token);
    let before = all(&other);
    let records = log(&other, Lsn(0), 100).len();
    assert!(!renew(&paused, &old, 21, 90));
    for settlement in [done(&old), failed(&old, Some(5)), failed(&old, None)] {
        assert!(!settle(&paused, settlement, 21));
    }
    // What it has to say of others counts, and only that.
    let second = enqueue(&other, 2);
    let fresh = take(&paused, 22, 40).remove(0);
    assert_eq!(fresh.operation.id, second);
    assert_eq!(paused.settle(vec![done(&old), done(&fresh)], 23).unwrap(), [false, true]);
    for store in [&paused, &other, &open(&disk, 3)] {
        assert_eq!(all(store)[..1], before);
        assert_eq!(log(store, Lsn(0), 100).len(), records + 3);
    }
    assert!(settle(&other, done(&newer), 29));
    assert!(!settle(&paused, done(&old), 30));
    assert_eq!(status(&paused, id), OperationStatus::Completed);
}

#[test]
fn a_worker_that_is_late_and_was_not_missed_may_go_on() {
    let disk = MemDisk::new();
    let [late, other] = [open(&disk, 1), open(&disk, 2)];
    enqueue(&late, 1);
    let leased = take(&late, 10, 20).remove(0);
    assert_eq!(other.queue_stats(25).unwrap().abandoned, 1);
    assert!(renew(&late, &leased, 25, 40));
    assert_eq!(other.queue_stats(25).unwrap().abandoned, 0);
    assert!(take(&other, 39, 50).is_empty());
    assert!(settle(&late, done(&leased), 45));
    assert!(take(&other, 46, 50).is_empty());
}

#[test]
fn the_operation_of_a_worker_that_ended_is_taken_up_when_its_lease_is_over() {
    for is_killed in [true, false] {
        let disk = MemDisk::new();
        let process = disk.process();
        let worker = Store::open(Arc::new(process.clone()), root(), options(1)).unwrap();
        let id = enqueue(&worker, 1);
        let old = take(&worker, 10, 20).remove(0);
        if is_killed {
            process.kill();
            assert!(worker.settle(vec![done(&old)], 11).is_err());
        }
        drop(worker);
        let other = open(&disk, 2);
        assert_eq!(other.next_due_ms(&["verify".into()]).unwrap(), Some(20));
        assert!(take(&other, 19, 30).is_empty());
        let leased = take(&other, 20, 30).remove(0);
        assert_eq!((leased.operation.id, leased.operation.attempts), (id, 2));
        assert_eq!(leased.operation.params, params(1));
        assert!(!settle(&other, done(&old), 21));
        assert!(settle(&other, done(&leased), 21));
        assert_eq!(status(&open(&disk, 3), id), OperationStatus::Completed);
    }
}

#[test]
fn what_ends_every_worker_is_dead_when_its_attempts_are_used_up() {
    let disk = MemDisk::new();
    let id = {
        let new = new(1).with_attempts_max(3);
        open(&disk, 1).enqueue(vec![new], 1).unwrap()[0].id
    };
    for attempt in 1..=3 {
        let leased = take(&open(&disk, 10 + attempt), u64::from(attempt) * 10, 10).remove(0);
        assert_eq!(leased.operation.attempts, u32::from(attempt));
    }
    let store = open(&disk, 2);
    assert_eq!(status(&store, id), OperationStatus::Processing);
    assert!(take(&store, 40, 50).is_empty());
    let dead = store.operation(id).unwrap().unwrap();
    assert_eq!((dead.status, dead.attempts), (OperationStatus::Dead, 3));
    assert_eq!(dead.failure.unwrap().kind, "abandoned");
    assert_eq!(store.retry_operation(id, 50).unwrap(), Change::Done);
    assert_eq!(take(&store, 51, 60)[0].operation.attempts, 1);
}

#[test]
fn however_many_are_given_up_none_is_tried_more_often_than_it_may_be() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let count = 1_100;
    let once = (0..count).map(|number| new(number).with_attempts_max(1));
    store.enqueue(once.collect(), 1).unwrap();
    assert_eq!(store.lease(wish(2_000, 20), 10).unwrap().len() as u64, count);
    for _ in 0..3 {
        assert!(store.lease(wish(5, 40), 30).unwrap().is_empty());
    }
    assert_eq!(store.queue_stats(30).unwrap().dead, count);
}

#[test]
fn a_kind_that_is_named_twice_is_given_out_once() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    enqueue(&store, 1);
    let twice = LeaseRequest { kinds: vec!["verify".into(); 2], ..wish(5, 20) };
    assert_eq!(store.lease(twice, 10).unwrap().len(), 1);
}

/// The queue as a process finds it that opens the lake: from its newest checkpoint, and from the
/// log alone.
fn found(disk: &MemDisk) -> [(bool, Vec<Operation>); 2] {
    let without = disk.fork();
    for path in checkpoints(&without) {
        without.remove(&path).unwrap();
    }
    [disk, &without].map(|disk| {
        let store = open(disk, 9);
        (store.base().is_some(), all(&store))
    })
}

#[test]
fn a_queue_is_the_same_from_a_checkpoint_and_from_the_log_after_every_change() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    commit(&store, vec![delta(1)]);
    let check = || {
        let live = all(&store);
        let is_intact = |one: &Operation| {
            let number: BTreeMap<String, String> = one.params.read().unwrap();
            one.params == params(number["number"].parse().unwrap())
        };
        assert!(live.iter().all(is_intact));
        checkpoint(&store).unwrap();
        assert_eq!(found(&disk), [(true, live.clone()), (false, live)]);
    };
    let ids: Vec<OperationId> = (0..6).map(|number| enqueue(&store, number)).collect();
    store.enqueue((6..9).map(|number| keyed(number).not_before(70)).collect(), 2).unwrap();
    check();
    let leased = take(&store, 10, 20);
    assert_eq!(leased.len(), 6);
    check();
    assert!(renew(&store, &leased[0], 12, 60));
    check();
    let settlements = vec![
        done(&leased[1]),
        failed(&leased[2], Some(30)),
        failed(&leased[3], None),
        failed(&leased[4], None),
    ];
    assert_eq!(store.settle(settlements, 15).unwrap(), [true; 4]);
    check();
    assert_eq!(store.retry_operation(ids[3], 16).unwrap(), Change::Done);
    assert_eq!(store.drop_operation(ids[4], 17).unwrap(), Change::Done);
    check();
    let again = take(&store, 40, 50);
    // First the one whose lease is over, then what is due longest.
    let order: Vec<OperationId> = again.iter().map(|leased| leased.operation.id).collect();
    assert_eq!(order, [ids[5], ids[3], ids[2]]);
    check();
    let (stats, known) = (store.queue_stats(80).unwrap(), all(&store));
    for path in checkpoints(&disk) {
        disk.remove(&path).unwrap();
    }
    drop(store);
    for seed in [2, 3] {
        // Opened from the log first, then from the checkpoint of that.
        let store = open(&disk, seed);
        assert_eq!((store.queue_stats(80).unwrap(), all(&store)), (stats, known.clone()));
        assert_eq!(store.queue_stats(80).unwrap().lag_ms, Some(10));
        assert!(!store.enqueue(vec![keyed(7)], 80).unwrap()[0].is_new);
        checkpoint(&store).unwrap();
    }
}

#[test]
fn a_checkpoint_goes_on_with_what_came_behind_it() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let first = enqueue(&store, 1);
    let leased = take(&store, 10, 20).remove(0);
    // A checkpoint is of the last payload that there is, and covers the records behind it.
    assert!(matches!(checkpoint(&store).unwrap(), cidlake_store::Checkpointed::Made { .. }));
    assert_eq!(store.stats().records_behind, 0);
    assert!(settle(&store, done(&leased), 11));
    let second = enqueue(&store, 2);
    assert_eq!(store.stats().records_behind, 2);
    let [(is_based, from_checkpoint), (_, from_log)] = found(&disk);
    assert!(is_based);
    assert_eq!(from_checkpoint, from_log);
    assert_eq!(from_log.iter().map(|one| one.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(from_log[0].status, OperationStatus::Completed);
}

#[test]
fn records_of_the_queue_are_none_that_a_commit_must_have_seen() {
    let disk = MemDisk::new();
    let [store, other] = [open(&disk, 1), open(&disk, 2)];
    let last = commit(&store, vec![delta(1)]);
    let id = enqueue(&other, 1);
    let leased = take(&other, 10, 20).remove(0);
    assert!(settle(&other, done(&leased), 11));
    assert_eq!((store.last_lsn().unwrap(), payloads(&store).len()), (last, 1));
    let expect = Expect::Last(last);
    let next = store.commit(&hold(&store), vec![delta(2)], expect).unwrap();
    assert_eq!(next, Lsn(last.0 + 4));
    assert_eq!(store.last_lsn().unwrap(), next);
    let refused = other.commit(&hold(&other), vec![delta(3)], expect);
    assert!(matches!(refused, Err(CommitError::Behind { last }) if last == next), "{refused:?}");
    // Nor do they hide one that it has not seen.
    assert_eq!(other.drop_operation(id, 30).unwrap(), Change::Done);
    let refused = store.commit(&hold(&store), vec![delta(3)], expect);
    assert!(matches!(refused, Err(CommitError::Behind { last }) if last == next), "{refused:?}");
    assert_eq!(payloads(&store), [delta(1), delta(2)]);
    assert_eq!(store.stats().log.records, 2);
}

#[test]
fn commits_that_share_a_write_with_the_queue_see_what_is_before_them() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    commit(&store, vec![delta(0)]);
    // The leader of the write before takes number 2.
    let expect = |last| {
        let store = &store;
        let request = move || {
            store.commit(&hold(store), vec![delta(last as u32)], Expect::Last(Lsn(last))).ok()
        };
        Box::new(request) as Box<dyn FnOnce() -> Option<Lsn> + Send>
    };
    let queue = || Some(Lsn(store.enqueue(vec![new(1), new(2)], 1).unwrap()[0].id.0));
    let requests = vec![Box::new(queue) as _, expect(2), Box::new(queue) as _, expect(4)];
    let answers = share_a_write(&disk, &store, requests);
    assert_eq!(answers, [Some(Lsn(3)), Some(Lsn(5)), Some(Lsn(6)), None]);
    assert_eq!(store.last_lsn().unwrap(), Lsn(5));
    assert_eq!(all(&store).len(), 4);
    assert_eq!(all(&open(&disk, 2)), all(&store));
}

#[test]
fn operations_that_the_disk_did_not_keep_are_not_acknowledged() {
    let disk = MemDisk::new();
    let (faults, store) = faulty(&disk, options(1));
    enqueue(&store, 1);
    faults.fail_sync_at(faults.syncs());
    for _ in 0..2 {
        let refused = store.enqueue(vec![keyed(2), new(3)], 2);
        assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    }
    let refused = store.lease(wish(1, 20), 10);
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    // This process does not count on what may not be there.
    assert_eq!(all(&store).len(), 1);
    for seed in 0..20 {
        let cut = disk.fork();
        cut.crash(seed);
        let after = open(&cut, 2);
        let queued = all(&after).len();
        assert!(queued == 1 || queued == 3, "{queued} operations");
        assert_eq!(log(&after, Lsn(0), 9).len(), queued);
        assert_eq!(after.enqueue(vec![keyed(2)], 3).unwrap()[0].is_new, queued == 1);
    }
    // Whoever reads the records makes them durable before it rests an answer on them.
    let other = open(&disk, 3);
    let known = Enqueued { id: OperationId(2), is_new: false };
    assert_eq!(other.enqueue(vec![keyed(2)], 3).unwrap(), [known]);
    for seed in 0..20 {
        let cut = disk.fork();
        cut.crash(seed);
        assert_eq!(all(&open(&cut, 4)).len(), 3);
    }
    assert_eq!(store.enqueue(vec![keyed(2)], 4).unwrap(), [known]);
    assert_eq!(all(&store), all(&other));
}

#[test]
fn a_power_cut_in_any_operation_of_the_disk_leaves_each_request_whole_or_not_at_all() {
    for at in 0.. {
        let disk = MemDisk::new();
        let (faults, store) = faulty(&disk, options(1));
        enqueue(&store, 0);
        faults.fail_from(faults.operations() + at);
        let queued = store.enqueue((1..4).map(keyed).collect(), 2);
        let leased = store.lease(wish(9, 20), 10);
        let settled = leased
            .as_ref()
            .map_or(Ok(Vec::new()), |leased| store.settle(leased.iter().map(done).collect(), 11));
        let is_through = leased.is_ok() && settled.is_ok();
        drop(store);
        disk.crash(at);
        let known = all(&open(&disk, 2));
        assert!(known.len() == 4 || (known.len() == 1 && queued.is_err()), "{known:?}");
        let count = |status| known.iter().filter(|one| one.status == status).count();
        let (running, done) =
            (count(OperationStatus::Processing), count(OperationStatus::Completed));
        let begun = running + done;
        assert!(begun == known.len() || (begun == 0 && leased.is_err()), "{known:?}");
        assert!(done == known.len() || (done == 0 && !is_through), "{known:?}");
        for one in &known {
            let number = if one.id == OperationId(1) { 0 } else { one.id.0 - 1 };
            assert_eq!(one.params, params(number));
        }
        if is_through {
            assert!(at > 10, "only {at} operations");
            return;
        }
    }
}

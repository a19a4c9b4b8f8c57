//! The bytes of a lake whose log speaks of operations, held against golden ones. How fixtures are
//! made and found is in `formats`.

use std::collections::BTreeMap;
use std::sync::Arc;

use cidlake_store::disk::{Disk, MemDisk};
use cidlake_store::{
    Base, Change, Event, Failure, FsckLevel, Lease, LeaseRequest, Leased, LogRecord, Lsn,
    NewOperation, Operation, OperationFilter, OperationId, OperationParams, OperationResult,
    OperationStatus, Outcome, Says, Settlement, Store,
};

use crate::formats::{assert_golden, fixture, writer};
use crate::support::{assert_here, block, commit, delta, hold, open, root};

/// The files of a lake with operations: a segment with every kind of record that speaks of them,
/// and a checkpoint in the middle of it.
pub const OPERATED: [(&str, &str); 2] = [
    ("wal/00000000000000000001-00000001.wal", "log-operations-v1.wal"),
    ("wal/00000000000000000018.checkpoint", "checkpoint-operations-v2.checkpoint"),
];

fn typed() -> OperationParams {
    OperationParams::of(&BTreeMap::from([("full", 1_i64), ("bytes", 700), ("least", -3)])).unwrap()
}

fn named() -> OperationParams {
    OperationParams::of(&BTreeMap::from([("name", "main.people"), ("to", "")])).unwrap()
}

fn new(kind: &str, params: OperationParams) -> NewOperation {
    NewOperation::new(kind, params).unwrap()
}

fn result() -> OperationResult {
    let destination = Some("/tmp/people.car".to_owned());
    OperationResult { cid: Some(*block(1, 700).cid()), size: Some(700), destination }
}

fn failure() -> Failure {
    Failure::new("unavailable", "no route to host")
}

fn take(store: &Store, worker: &str, at_ms: u64, until_ms: u64) -> Vec<Leased> {
    let kinds = ["verify", "gc", "copy"].map(Arc::from).to_vec();
    let wish = LeaseRequest { kinds, worker: worker.into(), until_ms, limit: 9 };
    store.lease(wish, at_ms).unwrap()
}

/// Writes the lake that the fixtures were taken from.
pub fn operated() -> MemDisk {
    let disk = MemDisk::new();
    let store = writer(&disk);
    store.put(&hold(&store), &[block(1, 700)]).unwrap();
    let queued = vec![
        new("verify", typed()).with_key("people-1").unwrap().not_before(1_500),
        new("gc", OperationParams::default()).with_attempts_max(1),
        new("copy", named()),
        new("copy", named()).with_key("k").unwrap(),
        new("copy", OperationParams::default()),
    ];
    store.enqueue(queued, 1_000).unwrap();
    commit(&store, vec![delta(1)]);
    let leased = take(&store, "worker-1", 10_000, 20_000);
    let ids: Vec<u64> = leased.iter().map(|leased| leased.operation.id.0).collect();
    assert_eq!(ids, [2, 3, 4, 5, 1]);
    let [gc, first, second, third, verify] = leased.try_into().unwrap();
    let renewed = [&verify, &third].map(|leased| (leased.operation.id, leased.token));
    assert_eq!(store.renew(renewed.to_vec(), 30_000, 12_000).unwrap(), [true, true]);
    let settlements = vec![
        Settlement::completed(&verify, result()),
        Settlement::failed(&gc, failure(), Some(15_000)),
        Settlement::failed(&first, failure(), Some(15_000)),
        Settlement::failed(&second, failure(), None),
    ];
    assert_eq!(store.settle(settlements, 13_000).unwrap(), [true; 4]);
    assert_eq!(store.retry_operation(second.operation.id, 14_000).unwrap(), Change::Done);
    let made = store.checkpoint(Lsn(6), b"state".as_slice().into()).unwrap();
    assert!(matches!(made, cidlake_store::Checkpointed::Made { .. }));
    assert_eq!(store.drop_operation(third.operation.id, 30_000).unwrap(), Change::Done);
    let [second, first] = take(&store, "worker-2", 31_000, 41_000).try_into().unwrap();
    assert_eq!((first.operation.attempts, second.operation.attempts), (2, 1));
    let done = Settlement::completed(&second, OperationResult::default());
    assert_eq!(store.settle(vec![done], 32_000).unwrap(), [true]);
    store.close().unwrap();
    disk
}

/// What the records of the fixture say.
fn said() -> Vec<Says> {
    let queued = |due_ms, key: Option<&str>, kind: &str, attempts_max, params| Event::Queued {
        at_ms: 1_000,
        due_ms,
        key: key.map(Arc::from),
        kind: kind.into(),
        attempts_max,
        params,
    };
    let leased = |id, kind: &str, attempt, worker: &str, at_ms| Event::Leased {
        operation: OperationId(id),
        at_ms,
        attempt,
        kind: kind.into(),
        until_ms: at_ms + 10_000,
        worker: worker.into(),
    };
    let renewed = |id, kind: &str, lease| Event::Renewed {
        operation: OperationId(id),
        at_ms: 12_000,
        kind: kind.into(),
        lease: Lsn(lease),
        until_ms: 30_000,
    };
    let settled = |id, kind: &str, lease, at_ms, outcome| Event::Settled {
        operation: OperationId(id),
        at_ms,
        attempt: 1,
        kind: kind.into(),
        lease: Lsn(lease),
        outcome,
    };
    let retrying = Outcome::Retrying { failure: failure(), due_ms: 15_000 };
    let (retried, dropped) = (OperationId(4), OperationId(5));
    let operations = vec![
        queued(1_500, Some("people-1"), "verify", 6, typed()),
        queued(0, None, "gc", 1, OperationParams::default()),
        queued(0, None, "copy", 6, named()),
        queued(0, Some("k"), "copy", 6, named()),
        queued(0, None, "copy", 6, OperationParams::default()),
        leased(2, "gc", 1, "worker-1", 10_000),
        leased(3, "copy", 1, "worker-1", 10_000),
        leased(4, "copy", 1, "worker-1", 10_000),
        leased(5, "copy", 1, "worker-1", 10_000),
        leased(1, "verify", 1, "worker-1", 10_000),
        renewed(1, "verify", 11),
        renewed(5, "copy", 10),
        settled(1, "verify", 11, 13_000, Outcome::Completed(result())),
        settled(2, "gc", 7, 13_000, Outcome::Dead(failure())),
        settled(3, "copy", 8, 13_000, retrying),
        settled(4, "copy", 9, 13_000, Outcome::Failed(failure())),
        Event::Retried { operation: retried, at_ms: 14_000, kind: "copy".into() },
        Event::Dropped { operation: dropped, at_ms: 30_000, kind: "copy".into() },
        leased(4, "copy", 1, "worker-2", 31_000),
        leased(3, "copy", 2, "worker-2", 31_000),
        settled(4, "copy", 20, 32_000, Outcome::Completed(OperationResult::default())),
    ];
    let mut says: Vec<Says> = operations.into_iter().map(Says::Operation).collect();
    says.insert(5, Says::Payload(delta(1)));
    says
}

/// What the queue of the fixture is at its end.
fn operations() -> Vec<Operation> {
    let gone = Operation {
        id: OperationId(2),
        kind: "gc".into(),
        key: None,
        params: OperationParams::default(),
        status: OperationStatus::Dead,
        queued_ms: 1_000,
        due_ms: 0,
        updated_ms: 13_000,
        updated: Lsn(15),
        attempts: 1,
        attempts_max: 1,
        lease: None,
        failure: Some(Box::new(failure())),
        result: None,
    };
    let verify = Operation {
        id: OperationId(1),
        kind: "verify".into(),
        key: Some("people-1".into()),
        params: typed(),
        status: OperationStatus::Completed,
        due_ms: 1_500,
        updated: Lsn(14),
        attempts_max: 6,
        failure: None,
        result: Some(Box::new(result())),
        ..gone.clone()
    };
    let lease = Lease { token: Lsn(21), worker: "worker-2".into(), until_ms: 41_000 };
    let running = Operation {
        id: OperationId(3),
        kind: "copy".into(),
        params: named(),
        status: OperationStatus::Processing,
        due_ms: 15_000,
        updated_ms: 31_000,
        updated: Lsn(21),
        attempts: 2,
        attempts_max: 6,
        lease: Some(Box::new(lease)),
        ..gone.clone()
    };
    let copied = Operation {
        id: OperationId(4),
        key: Some("k".into()),
        status: OperationStatus::Completed,
        due_ms: 14_000,
        updated_ms: 32_000,
        updated: Lsn(22),
        attempts: 1,
        lease: None,
        failure: None,
        result: Some(Box::default()),
        ..running.clone()
    };
    vec![verify, gone, running, copied]
}

fn all(store: &Store) -> Vec<Operation> {
    store.operations(&OperationFilter { limit: usize::MAX, ..OperationFilter::default() }).unwrap()
}

#[test]
fn a_lake_with_operations_has_the_bytes_of_the_fixtures() {
    assert_golden(&operated(), &OPERATED);
}

#[test]
fn the_fixtures_with_operations_are_read_from_the_checkpoint_and_without_it() {
    let disk = operated();
    for (path, name) in OPERATED {
        disk.set_content(&root().join(path), fixture(name)).unwrap();
    }
    let without = disk.fork();
    without.remove(&root().join(OPERATED[1].0)).unwrap();
    let based = open(&disk, 2);
    let base = Base { lsn: Lsn(6), state: b"state".as_slice().into() };
    assert_eq!(based.base(), Some(base));
    let replayed = open(&without, 2);
    assert_eq!(replayed.base(), None);
    for store in [based, replayed] {
        assert_eq!(all(&store), operations());
        let stats = store.queue_stats(50_000).unwrap();
        let shown = (stats.completed, stats.dead, stats.processing, stats.abandoned);
        assert_eq!((shown, stats.queued_total), ((2, 1, 1, 1), 5));
        assert_here(&store, &[block(1, 700)]);
        let records = store.log_after(Lsn(0), None).unwrap().next(100).unwrap();
        let told: Vec<Says> = records.iter().map(|record| record.says.clone()).collect();
        assert_eq!(told, said());
        let kind = |record: &LogRecord| record.kind;
        let expected =
            [6, 6, 6, 6, 6, 1, 7, 7, 7, 7, 7, 8, 8, 9, 9, 9, 9, 10, 11, 7, 7, 9].as_slice();
        assert_eq!(records.iter().map(kind).collect::<Vec<_>>(), expected);
        let ends = records.iter().filter(|record| !record.more).map(|record| record.lsn.0);
        assert_eq!(ends.collect::<Vec<_>>(), [5, 6, 11, 13, 17, 18, 19, 21, 22]);
        let report = store.fsck(FsckLevel::Full, &mut |_| {}).unwrap();
        assert_eq!(report.damage, []);
        // A key that came from the bytes is known, and a number that is taken is not given again.
        let again = new("copy", named()).with_key("k").unwrap();
        let enqueued =
            store.enqueue(vec![again, new("gc", OperationParams::default())], 60_000).unwrap();
        let enqueued = enqueued.iter().map(|one| (one.id.0, one.is_new));
        assert_eq!(enqueued.collect::<Vec<_>>(), [(4, false), (23, true)]);
    }
}

//! Tests of operations through the facade, on a real folder.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use cidlake_store::{LeaseRequest, OperationParams, OperationResult};
use serde_json::json;

use super::*;
use crate::progress::no_progress;
use crate::samples::{grow, now, open};

/// Fails as often as it is told, then works; keeps what it was given.
#[derive(Default)]
struct Flaky {
    failures: AtomicU32,
    kind: Mutex<Option<ErrorKind>>,
    seen: Mutex<Vec<(u32, BTreeMap<String, serde_json::Value>)>>,
}

impl Handler for Flaky {
    fn check(&self, params: &OperationParams) -> Result<(), Error> {
        let params: BTreeMap<String, serde_json::Value> = params.read().unwrap();
        match params.contains_key("bad") {
            true => Err(Error::invalid("`bad` is no parameter of flaky")),
            false => Ok(()),
        }
    }

    fn run(&self, _: &Lake, job: &Job) -> Result<OperationResult, Error> {
        self.seen.lock().unwrap().push((job.attempt, job.params.read().unwrap()));
        let left = self.failures.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(OperationResult { size: Some(7), ..OperationResult::default() });
        }
        self.failures.store(left - 1, Ordering::SeqCst);
        match *self.kind.lock().unwrap() {
            Some(kind) => Err(Error::new(kind, "it does not work")),
            None => panic!("a handler that panics"),
        }
    }
}

fn request(kind: &str) -> OperationRequest {
    OperationRequest { kind: kind.to_owned(), ..OperationRequest::default() }
}

fn flaky(lake: &Lake, failures: u32, kind: Option<ErrorKind>) -> Arc<Flaky> {
    let handler = Arc::new(Flaky {
        failures: failures.into(),
        kind: Mutex::new(kind),
        seen: Mutex::default(),
    });
    lake.register_handler("flaky", Arc::clone(&handler) as Arc<dyn Handler>).unwrap();
    handler
}

fn work(lake: &Lake) -> WorkSummary {
    now(lake.work(WorkRequest::default(), no_progress())).unwrap()
}

#[test]
fn an_operation_is_run_with_the_types_that_it_was_queued_with() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let handler = flaky(&lake, 0, None);
    let params = BTreeMap::from([
        ("count".to_owned(), json!(7)),
        ("text".to_owned(), json!("7")),
        ("share".to_owned(), json!(0.5)),
        ("deep".to_owned(), json!({"list": [1, null, true]})),
    ]);
    let queued =
        now(lake.enqueue(OperationRequest { params: params.clone(), ..request("flaky") })).unwrap();
    assert!(queued.is_new);
    assert_eq!(work(&lake), WorkSummary { completed: 1, ..WorkSummary::default() });
    assert_eq!(*handler.seen.lock().unwrap(), [(1, params.clone())]);
    let done = now(open(folder.path()).operation(&queued.info.id)).unwrap();
    assert_eq!((done.status, done.params, done.result_bytes), ("completed", params, Some(7)));
    assert!(done.completed_ms.is_some());
}

#[test]
fn what_fails_is_tried_again_unless_no_attempt_would_help() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    flaky(&lake, 2, Some(ErrorKind::Unavailable));
    let id = now(lake.enqueue(request("flaky"))).unwrap().info.id;
    assert_eq!(work(&lake), WorkSummary { retrying: 1, ..WorkSummary::default() });
    let waiting = now(lake.operation(&id)).unwrap();
    assert_eq!((waiting.status, waiting.attempts), ("retrying", 1));
    assert_eq!(waiting.error.as_deref(), Some("it does not work"));
    assert_eq!(now(lake.retry_operation(&id)).unwrap().status, "pending");
    assert_eq!(work(&lake).retrying, 1);
    now(lake.retry_operation(&id)).unwrap();
    assert_eq!(work(&lake).completed, 1);
    let error = now(lake.retry_operation(&id)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);

    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    flaky(&lake, 9, Some(ErrorKind::Invalid));
    let id = now(lake.enqueue(request("flaky"))).unwrap().info.id;
    assert_eq!(work(&lake), WorkSummary { failed: 1, ..WorkSummary::default() });
    assert_eq!(now(lake.operation(&id)).unwrap().status, "failed");
}

#[test]
fn a_handler_that_panics_has_failed_and_the_last_attempt_is_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    flaky(&lake, 9, None);
    let once = OperationRequest { attempts_max: Some(1), ..request("flaky") };
    let id = now(lake.enqueue(once)).unwrap().info.id;
    assert_eq!(work(&lake), WorkSummary { failed: 1, ..WorkSummary::default() });
    let dead = now(lake.operation(&id)).unwrap();
    assert_eq!((dead.status, dead.error_kind.as_deref()), ("dead", Some("internal")));
    let dropped = now(lake.drop_operation(&id)).unwrap();
    assert_eq!(dropped.status, "dead");
    assert_eq!(now(lake.operation(&id)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_cannot_be_run_is_not_queued() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    flaky(&lake, 0, None);
    let with = |kind: &str, name: &str, value| OperationRequest {
        params: BTreeMap::from([(name.to_owned(), value)]),
        ..request(kind)
    };
    let error = now(lake.enqueue(request("verfy"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.hint().unwrap().contains("verify"), "{error}");
    for wrong in [
        with("flaky", "bad", json!(1)),
        with("verify", "full", json!("yes")),
        with("gc", "full", json!(true)),
        with("compact", "name", json!("No Name")),
    ] {
        assert!(now(lake.enqueue(wrong.clone())).is_err(), "{wrong:?}");
    }
    assert!(lake.register_handler("flaky", Arc::new(Flaky::default())).is_err());
    assert!(now(lake.operations(OperationsRequest::default())).unwrap().is_empty());
    assert_eq!(now(lake.operation("seven")).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn the_schedule_queues_once_in_a_span_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    grow(&lake, "t", 1..=2);
    let scheduled = || WorkRequest { schedule: true, ..WorkRequest::default() };
    // The versions are made by hand and have no schema, so they cannot be looked into or compacted.
    let only = |kinds: &[&str]| WorkRequest {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..scheduled()
    };
    let first = now(lake.work(only(&["verify", "gc"]), no_progress())).unwrap();
    assert_eq!(first.scheduled, 2);
    assert_eq!(first.completed, 2, "{:?}", now(lake.operations(OperationsRequest::default())));
    let again = now(open(folder.path()).work(only(&["verify", "gc"]), no_progress())).unwrap();
    // Unless a span ended between the two.
    assert!(again.scheduled < 2, "{again:?}");
}

#[test]
fn what_another_worker_had_and_left_is_run_and_its_settlement_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    flaky(&lake, 0, None);
    let id = now(lake.enqueue(request("flaky"))).unwrap().info.id;
    let wish = LeaseRequest {
        kinds: vec!["flaky".into()],
        worker: "one that stands still".into(),
        until_ms: now_ms(),
        limit: 1,
    };
    let other = open(folder.path());
    let stood = other.inner.store.lease(wish, now_ms() - 1).unwrap().remove(0);
    assert_eq!(work(&lake).completed, 1);
    let late = cidlake_store::Settlement::completed(&stood, OperationResult::default());
    assert_eq!(other.inner.store.settle(vec![late], now_ms()).unwrap(), [false]);
    assert_eq!(now(lake.operation(&id)).unwrap().attempts, 2);
}

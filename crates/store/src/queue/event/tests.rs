//! Tests of the bytes of events: spelt out, read back, and strict DAG-CBOR.

use std::collections::BTreeMap;

use cidlake_block::codec::dag_cbor;
use cidlake_block::parse_cid;
use serde::de::IgnoredAny;

use super::*;
use crate::log::{Body, Draft};

fn samples() -> Vec<Event> {
    let operation = OperationId(7);
    let cid = parse_cid("bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e").unwrap();
    let failure = Failure::new("unavailable", "no route");
    let kind: Arc<str> = "gc".into();
    let settled = |outcome| {
        let (kind, lease) = (Arc::clone(&kind), Lsn(9));
        Event::Settled { operation, at_ms: 30, attempt: 1, kind, lease, outcome }
    };
    vec![
        Event::Queued {
            at_ms: 1_700_000_000_000,
            due_ms: 0,
            key: Some("k".into()),
            kind: "verify".into(),
            attempts_max: 6,
            params: Params::of(&BTreeMap::from([("full", true)])).unwrap(),
        },
        Event::Queued {
            at_ms: 1,
            due_ms: 2,
            key: None,
            kind: "gc".into(),
            attempts_max: 1,
            params: Params::default(),
        },
        Event::Leased {
            operation,
            at_ms: 10,
            attempt: 1,
            kind: Arc::clone(&kind),
            until_ms: 20,
            worker: "host:1".into(),
        },
        Event::Renewed {
            operation,
            at_ms: 15,
            kind: Arc::clone(&kind),
            lease: Lsn(9),
            until_ms: 25,
        },
        settled(Outcome::Completed(OperationResult::default())),
        settled(Outcome::Completed(OperationResult {
            cid: Some(cid),
            size: Some(1 << 40),
            destination: Some("packs".to_owned()),
        })),
        settled(Outcome::Retrying { failure: failure.clone(), due_ms: 99 }),
        settled(Outcome::Failed(failure.clone())),
        settled(Outcome::Dead(failure)),
        Event::Retried { operation, at_ms: 40, kind: Arc::clone(&kind) },
        Event::Dropped { operation, at_ms: 50, kind },
    ]
}

fn payload(event: &Event) -> Bytes {
    let draft = Draft::new(&Body::Operation(event.clone()), &[], false).unwrap();
    assert_eq!(draft.kind, event.record_kind());
    draft.payload
}

#[test]
fn an_event_has_these_bytes() {
    let samples = samples();
    let expected: [&[u8]; 3] = [
        b"\xa2\x64body\xa6\x62at\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00\x63due\x00\x63key\x61k\
          \x64kind\x66verify\x65tries\x06\x66params\xa1\x64full\xf5\x67extents\x80",
        b"\xa2\x64body\xa6\x62at\x0a\x62op\x07\x63try\x01\x64kind\x62gc\x65until\x14\
          \x66worker\x66host:1\x67extents\x80",
        b"\xa2\x64body\xa9\x62at\x18\x1e\x62op\x07\x63due\x18\x63\x63try\x01\x64kind\x62gc\
          \x65error\x82\x6bunavailable\x68no route\x65lease\x09\x66result\xf6\x66status\x68retrying\x67extents\x80",
    ];
    for (at, expected) in [0, 2, 6].into_iter().zip(expected) {
        assert_eq!(payload(&samples[at]), expected, "{:?}", samples[at]);
    }
}

#[test]
fn an_event_is_read_as_it_was_written_and_is_strict_dag_cbor() {
    for event in samples() {
        let payload = payload(&event);
        dag_cbor::decode::<IgnoredAny>(&payload).unwrap();
        let mut scan = Scan(&payload);
        scan.exact(b"\xa2\x64body").unwrap();
        assert_eq!(Event::read(event.record_kind(), &mut scan, &payload), Some(event.clone()));
        assert_eq!(scan.0, b"\x67extents\x80");
        let other = if event.record_kind() == 9 { 8 } else { 9 };
        let mut scan = Scan(&payload[6..]);
        assert_eq!(Event::read(other, &mut scan, &payload), None, "{event:?}");
    }
}

#[test]
fn bytes_that_are_cut_short_or_contradict_themselves_are_no_event() {
    for event in samples() {
        let payload = payload(&event);
        for len in 6..payload.len() - 9 {
            let cut = payload.slice(..len);
            assert_eq!(Event::read(event.record_kind(), &mut Scan(&cut[6..]), &cut), None);
        }
    }
    // Done, and with a failure.
    let odd = Bytes::from_static(
        b"\xa9\x62at\x01\x62op\x07\x63due\xf6\x63try\x01\x64kind\x62gc\x65error\x82\x61a\x61b\x65lease\x09\x66result\
          \x83\xf6\xf6\xf6\x66status\x69completed",
    );
    assert_eq!(Event::read(9, &mut Scan(&odd), &odd), None);
}

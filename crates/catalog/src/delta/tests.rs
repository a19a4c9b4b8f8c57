//! Tests of deltas: bytes, signatures and shape.

use cidlake_block::codec::links;
use proptest::prelude::*;

use super::*;
use crate::samples::{
    cbor_cid, change, damage, damaged, delta, file_cid, golden, key, name, replaced, sorted, unset,
};

fn signed() -> SignedDelta {
    SignedDelta::sign(delta(), &key(7)).unwrap()
}

/// Signs `delta` without looking at its shape, as a careless program would.
fn forced(delta: &Delta) -> Block {
    let signature = key(7).sign(&message(delta).unwrap());
    dag_cbor::block(&Envelope { v: Version, delta, signature }).unwrap()
}

#[test]
fn the_bytes_are_those_of_version_1() {
    let golden = golden("delta-v1.cbor", signed().block());
    assert_eq!(signed().block(), &golden);
    assert_eq!(
        golden.cid().to_string(),
        "bafyreia3fwkqfi75diwwip2bh2kn3zes2cs3d72qk2z2fua4rhhzzeuvfq"
    );
    let decoded = SignedDelta::decode(&golden).unwrap();
    assert_eq!(decoded.delta(), &delta());
    assert_eq!(decoded.cid(), golden.cid());
    decoded.verify().unwrap();
}

#[test]
fn links_are_links() {
    let mut found = links(signed().block()).unwrap();
    let mut expected =
        [sorted([1, 2]), sorted([1]), sorted([2]), sorted([3, 4]), sorted([10, 11, 12])].concat();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn only_the_named_key_signs() {
    let error = SignedDelta::sign(delta(), &key(8)).unwrap_err();
    assert!(matches!(error, DeltaError::OtherKey { .. }), "{error:?}");
}

#[test]
fn a_signature_of_something_else_is_refused() {
    let good = signed();
    let other = SignedDelta::sign(Delta { parents: Vec::new(), ..delta() }, &key(7)).unwrap();
    let without_domain = dag_cbor::encode(&Unsigned { v: Version, delta: good.delta() }).unwrap();
    for signature in [
        other.signature,
        key(8).sign(&message(good.delta()).unwrap()),
        key(7).sign(&without_domain),
        [0; 64],
        [0xff; 64],
    ] {
        let envelope = Envelope { v: Version, delta: good.delta(), signature };
        let block = dag_cbor::block(&envelope).unwrap();
        let decoded = SignedDelta::decode(&block).unwrap();
        let error = decoded.verify().unwrap_err();
        assert!(matches!(error, DeltaError::BadSignature { cid, .. } if cid == *block.cid()));
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let good = signed();
    for at in 0..good.block().len() {
        let mut bytes = good.block().data().to_vec();
        bytes[at] ^= 1 << (at % 8);
        let block = Block::new(Codec::DagCbor, bytes.into());
        let outcome = SignedDelta::decode(&block).and_then(|delta| delta.verify());
        assert!(outcome.is_err(), "byte {at}");
    }
}

/// How a delta is broken, and what it is told for.
type Broken = (&'static str, fn(&mut Delta), fn(&DeltaFault) -> bool);

/// Checks that a rule is kept when a delta is signed and when it is read.
fn check_broken((what, break_it, expected): Broken) {
    let mut broken = delta();
    break_it(&mut broken);
    let block = forced(&broken);
    match SignedDelta::sign(broken, &key(7)).unwrap_err() {
        DeltaError::Invalid { source } => assert!(expected(&source), "{what}: {source:?}"),
        other => panic!("{what}: {other:?}"),
    }
    match SignedDelta::decode(&block).unwrap_err() {
        DeltaError::Refused { source, cid } => {
            assert!(expected(&source), "{what}: {source:?}");
            assert_eq!(cid, *block.cid());
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn every_rule_of_shape_is_checked_on_both_sides() {
    let cases: [Broken; 8] = [
        (
            "parents",
            |delta| delta.parents.reverse(),
            |fault| matches!(fault, DeltaFault::Unsorted { what: "parents" }),
        ),
        (
            "parent twice",
            |delta| delta.parents = vec![cbor_cid(1); 2],
            |fault| matches!(fault, DeltaFault::Unsorted { what: "parents" }),
        ),
        (
            "raw parent",
            |delta| delta.parents = vec![file_cid(1)],
            |fault| matches!(fault, DeltaFault::ForeignLink { what: "parent", .. }),
        ),
        (
            "many parents",
            |delta| delta.parents = (0..=PARENTS_MAX as u64).map(cbor_cid).collect(),
            |fault| matches!(fault, DeltaFault::TooMany { what: "parents", .. }),
        ),
        (
            "raw commit",
            |delta| {
                let (name, commit) = (name("users"), file_cid(1));
                delta.changes[2] = Change::Set { name, tag: None, commit, over: Vec::new() };
            },
            |fault| matches!(fault, DeltaFault::ForeignLink { what: "commit", .. }),
        ),
        (
            "dots",
            |delta| {
                let over = sorted([1, 2]).into_iter().rev().collect();
                delta.changes[0] = unset("draft", None, over);
            },
            |fault| matches!(fault, DeltaFault::Unsorted { what: "superseded dots" }),
        ),
        (
            "many dots",
            |delta| {
                let over = (0..=OVER_MAX as u64).map(cbor_cid).collect();
                delta.changes[0] = unset("draft", None, over);
            },
            |fault| matches!(fault, DeltaFault::TooMany { what: "superseded dots", .. }),
        ),
        (
            "clock",
            |delta| delta.clock.wall_ms = WALL_MS_MAX + 1,
            |fault| matches!(fault, DeltaFault::ClockOutOfRange { .. }),
        ),
    ];
    cases.into_iter().for_each(check_broken);
}

#[test]
fn changes_are_in_order_and_each_label_changes_once() {
    let cases: [Broken; 6] = [
        (
            "changes",
            |delta| delta.changes.reverse(),
            |fault| matches!(fault, DeltaFault::Unsorted { what: "changes" }),
        ),
        (
            "name twice",
            |delta| delta.changes[1] = change("draft", None, 12, Vec::new()),
            |fault| matches!(fault, DeltaFault::LabelTwice { label } if label.tag.is_none()),
        ),
        (
            "tag twice",
            |delta| delta.changes[2] = change("draft", Some("v1"), 12, Vec::new()),
            |fault| matches!(fault, DeltaFault::LabelTwice { label } if label.tag.is_some()),
        ),
        (
            "tag before its name",
            |delta| delta.changes.swap(0, 1),
            |fault| matches!(fault, DeltaFault::Unsorted { what: "changes" }),
        ),
        (
            "tags",
            |delta| delta.changes[2] = unset("draft", Some("v0"), sorted([1])),
            |fault| matches!(fault, DeltaFault::Unsorted { what: "changes" }),
        ),
        (
            "empty unset",
            |delta| delta.changes[0] = unset("draft", None, Vec::new()),
            |fault| matches!(fault, DeltaFault::EmptyUnset { .. }),
        ),
    ];
    cases.into_iter().for_each(check_broken);
}

#[test]
fn a_delta_has_a_largest_size() {
    let over: Vec<Cid> = sorted(std::array::from_fn::<u64, 1_000, _>(|index| index as u64));
    let change = |number| unset(&format!("n{number:04}"), None, over.clone());
    let big = Delta { changes: (0..30).map(change).collect(), ..delta() };
    let block = forced(&big);
    let error = SignedDelta::sign(big, &key(7)).unwrap_err();
    assert!(matches!(error, DeltaError::Invalid { source: DeltaFault::TooLarge { .. } }));
    let error = SignedDelta::decode(&block).unwrap_err();
    assert!(matches!(error, DeltaError::Format(FormatError::TooLarge { .. })), "{error:?}");
}

#[test]
fn other_encodings_are_refused() {
    let good = signed();
    let check = |block: &Block, right: fn(&FormatError) -> bool| match SignedDelta::decode(block)
        .unwrap_err()
    {
        DeltaError::Format(error) => assert!(right(&error), "{error:?}"),
        other => panic!("{other:?}"),
    };
    let malformed = |error: &FormatError| matches!(error, FormatError::Malformed { .. });
    // A name without its namespace says the same in other bytes.
    check(&replaced(good.block(), b"\x6amain.users", b"\x65users"), |error| {
        matches!(error, FormatError::NotCanonical { .. })
    });
    check(&replaced(good.block(), b"\x61v\x01", b"\x61v\x02"), |error| {
        matches!(error, FormatError::Newer { found: 2, .. })
    });
    check(&replaced(good.block(), b"\x61v\x01", b"\x61v\x00"), malformed);
    check(&replaced(good.block(), b"\x61v\x01", b"\x61v\x18\x01"), malformed);
    check(&replaced(good.block(), b"\x65unset\xa2", b"\x65reset\xa2"), malformed);
    check(&replaced(good.block(), b"\x67counter", b"\x67kounter"), malformed);
    check(&replaced(good.block(), b"\x6amain.users", b"\x6amain.Users"), malformed);
    // A signature as a list of numbers, or of another length.
    let short = [b"\x69signature\x58\x3f".to_vec(), good.signature[..63].to_vec()].concat();
    let long = [b"\x69signature\x58\x40".to_vec(), good.signature.to_vec()].concat();
    check(&replaced(good.block(), &long, &short), malformed);
    let raw = Block::new(Codec::Raw, good.block().data().clone());
    check(&raw, |error| matches!(error, FormatError::NotDagCbor { .. }));
    check(&Block::new(Codec::DagCbor, bytes::Bytes::new()), malformed);
}

#[test]
fn a_field_of_the_future_is_refused_under_this_version() {
    #[derive(Serialize)]
    struct Extended<'a> {
        v: u64,
        delta: &'a Delta,
        #[serde(with = "wire::byte_array")]
        signature: [u8; 64],
        witness: Cid,
    }
    for (v, newer) in [(1, false), (2, true)] {
        let (delta, witness) = (&delta(), cbor_cid(1));
        let block = dag_cbor::block(&Extended { v, delta, signature: [0; 64], witness }).unwrap();
        let error = SignedDelta::decode(&block).unwrap_err();
        let is_newer = matches!(error, DeltaError::Format(FormatError::Newer { found: 2, .. }));
        assert_eq!(is_newer, newer, "{error:?}");
    }
}

proptest! {
    #[test]
    fn damaged_deltas_are_refused(damage in damage()) {
        let good = signed();
        let bad = damaged(good.block(), &damage);
        if &bad != good.block() && let Ok(decoded) = SignedDelta::decode(&bad) {
            prop_assert!(decoded.verify().is_err());
            prop_assert_eq!(decoded.block(), &bad);
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let block = Block::new(Codec::DagCbor, bytes.into());
        prop_assert!(SignedDelta::decode(&block).is_err());
    }
}

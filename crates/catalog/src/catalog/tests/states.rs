//! A catalog as bytes: the golden state, and bytes that are none.

use bytes::Bytes;
use cidlake_block::Block;
use cidlake_block::codec::dag_cbor;

use super::*;
use crate::catalog::state::Applied;
use crate::samples::{damage, damaged, golden, replaced};

/// A catalog with something in every field: a conflict, two heads, and an end foreseen.
fn example() -> Catalog {
    let mut catalog = Catalog::default();
    set(&mut catalog, 1, 100, "users", 10);
    let mut other = catalog.clone();
    set(&mut catalog, 1, 200, "users", 11);
    set(&mut catalog, 1, 200, "sales.orders", 20);
    let change = catalog.tag(&name("sales.orders"), &tag("v1"), cbor_cid(20));
    write(&mut catalog, 1, 250, vec![change]);
    let concurrent = set(&mut other, 2, 300, "users", 12);
    catalog.apply(&concurrent).unwrap();
    let hasty = Delta {
        parents: Vec::new(),
        clock: Hlc { wall_ms: 50, counter: 7 },
        key: key(2).id(),
        changes: vec![
            unset("users", None, vec![cbor_cid(99)]),
            unset("users", Some("v1"), vec![cbor_cid(99)]),
        ],
    };
    catalog.apply(&SignedDelta::sign(hasty, &key(2)).unwrap()).unwrap();
    catalog
}

fn block(bytes: Bytes) -> Block {
    Block::new(Codec::DagCbor, bytes)
}

#[test]
fn the_bytes_are_those_of_version_1() {
    let catalog = example();
    assert!(!catalog.foreseen.is_empty() && catalog.heads.len() > 1);
    let golden = golden("state-v1.cbor", &block(catalog.to_state().unwrap()));
    assert_eq!(catalog.to_state().unwrap(), *golden.data());
    assert_same(&Catalog::from_state(golden.data()).unwrap(), &catalog);
    let deltas: Vec<Cid> = catalog.deltas().copied().collect();
    assert_eq!(deltas.len(), 6);
    assert!(deltas.iter().all(|delta| catalog.contains(delta)));
    assert_eq!(catalog.latest(), Hlc { wall_ms: 300, counter: 0 });
}

#[test]
fn an_empty_catalog_has_a_state() {
    let state = Catalog::default().to_state().unwrap();
    assert_eq!(Catalog::from_state(&state).unwrap(), Catalog::default());
}

#[test]
fn every_cut_is_refused() {
    let state = example().to_state().unwrap();
    for end in 0..state.len() {
        assert!(Catalog::from_state(&state[..end]).is_err(), "{end} bytes");
    }
    let more = [&state[..], &[0]].concat();
    assert!(Catalog::from_state(&more).is_err());
}

#[test]
fn a_newer_state_is_said_to_be_newer() {
    let newer = replaced(&block(example().to_state().unwrap()), b"\x61v\x01", b"\x61v\x02");
    let error = Catalog::from_state(newer.data()).unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 2 }), "{error:?}");
}

type Named = (Name, Option<Tag>);
type Live = Vec<(Name, Option<Tag>, Vec<(Cid, Cid, KeyId)>)>;

/// A state with fields of the test's choosing, whether or not they fit together.
#[derive(serde::Serialize)]
struct Forged {
    v: u64,
    catalog: ForgedState,
}

#[derive(serde::Serialize, Default)]
struct ForgedState {
    applied: Applied,
    heads: Vec<Cid>,
    live: Live,
    foreseen: Vec<(Cid, Vec<Named>)>,
}

#[test]
fn a_state_that_contradicts_itself_is_refused() {
    let key = key(1).id();
    let applied = || vec![(cbor_cid(1), Hlc { wall_ms: 100, counter: 0 })];
    let one = || ForgedState {
        applied: Applied(applied()),
        heads: vec![cbor_cid(1)],
        ..Default::default()
    };
    let good = Forged { v: 1, catalog: one() };
    Catalog::from_state(&dag_cbor::encode(&good).unwrap()).unwrap();
    let live = |dot| vec![(name("users"), None, vec![(cbor_cid(dot), cbor_cid(10), key)])];
    let tagged = || {
        let mut live = live(1);
        live[0].1 = Some(tag("v1"));
        live
    };
    let good = Forged { v: 1, catalog: ForgedState { live: tagged(), ..one() } };
    Catalog::from_state(&dag_cbor::encode(&good).unwrap()).unwrap();
    let bad = [
        ForgedState { heads: vec![cbor_cid(2)], ..one() },
        ForgedState { heads: Vec::new(), ..one() },
        ForgedState { applied: Applied::default(), heads: Vec::new(), live: live(1), ..one() },
        ForgedState { live: live(2), ..one() },
        ForgedState { live: vec![(name("users"), None, Vec::new())], ..one() },
        ForgedState { foreseen: vec![(cbor_cid(1), vec![(name("users"), None)])], ..one() },
        ForgedState { foreseen: vec![(cbor_cid(2), Vec::new())], ..one() },
        // Not in order, or twice.
        ForgedState { heads: vec![cbor_cid(1), cbor_cid(1)], ..one() },
        ForgedState { applied: Applied([applied(), applied()].concat()), ..one() },
        ForgedState { live: [live(1), live(1)].concat(), ..one() },
        ForgedState { live: [tagged(), live(1)].concat(), ..one() },
    ];
    for (number, catalog) in bad.into_iter().enumerate() {
        let bytes = dag_cbor::encode(&Forged { v: 1, catalog }).unwrap();
        let error = Catalog::from_state(&bytes).unwrap_err();
        let expected = matches!(error, StateError::Inconsistent { .. } | StateError::NotCanonical);
        assert!(expected, "state {number}: {error:?}");
    }
}

proptest! {
    #[test]
    fn damage_is_refused_or_says_one_catalog(steps in damage()) {
        let state = block(example().to_state().unwrap());
        let damaged = damaged(&state, &steps);
        // What still reads is a state with other CIDs in it; it must say what it reads as.
        if let Ok(catalog) = Catalog::from_state(damaged.data()) {
            prop_assert_eq!(catalog.to_state().unwrap(), damaged.data().clone());
        }
    }

    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Catalog::from_state(&bytes).is_err());
    }
}

//! The view as bytes: the golden state, and bytes that are none.

use std::collections::BTreeMap;

use cidlake_block::{Cid, Codec, cid_of};
use cidlake_catalog::{Key, Name, SignedDelta, Tag};
use proptest::prelude::*;

use super::{decode, encode};
use crate::lake::View;

fn cid(number: u64) -> Cid {
    cid_of(Codec::DagCbor, &number.to_le_bytes())
}

/// A view with something in every field that is kept.
fn example() -> View {
    let mut view = View::default();
    let name = Name::parse("sales.orders").unwrap();
    let key = Key::from_seed([7; 32]);
    let tag = Tag::parse("v1").unwrap();
    let changes = vec![view.catalog.set(&name, cid(1)), view.catalog.tag(&name, &tag, cid(1))];
    let delta = view.catalog.draft(changes, key.id(), 1_000);
    view.catalog.apply(&SignedDelta::sign(delta, &key).unwrap()).unwrap();
    view.pins = BTreeMap::from([(cid(2), Some("letters".to_owned())), (cid(3), None)]);
    view.expired = BTreeMap::from([(name, cid(4))]);
    view.commits = vec![cid(2), cid(1), cid(2)];
    view.deltas = 1;
    view
}

fn assert_same(one: &View, other: &View) {
    assert_eq!(one.catalog, other.catalog);
    assert_eq!((&one.pins, &one.expired), (&other.pins, &other.expired));
    assert_eq!((&one.commits, one.deltas), (&other.commits, other.deltas));
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/lake/state-v1.bin");

#[test]
fn the_bytes_are_those_of_version_1() {
    let made = encode(&example()).unwrap();
    if std::env::var_os("CIDLAKE_BLESS").is_some() {
        std::fs::write(GOLDEN, &made).unwrap();
    }
    assert_eq!(made, std::fs::read(GOLDEN).unwrap());
}

#[test]
fn a_view_comes_back_from_its_state() {
    for view in [example(), View::default()] {
        assert_same(&decode(&encode(&view).unwrap()).unwrap(), &view);
    }
}

#[test]
fn a_state_that_was_cut_is_not_read() {
    let state = encode(&example()).unwrap();
    for end in 0..state.len() {
        assert!(decode(&state[..end]).is_none(), "{end} bytes");
    }
    assert!(decode(&[&state[..], &[0]].concat()).is_none());
}

proptest! {
    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut state = encode(&example()).unwrap().to_vec();
        let at = at.index(state.len());
        state[at] = byte;
        drop(decode(&state));
    }
}

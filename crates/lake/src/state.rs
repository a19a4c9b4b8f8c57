//! The view as the bytes that a checkpoint keeps, so that opening a lake need not replay its log.
//!
//! The bytes are a copy of what the log says up to one record. Which record that is, and whether
//! the bytes are whole, is the store's to say. What cannot be understood here (a newer program
//! wrote it, or it holds something else) is no error: the log is replayed instead.

use std::collections::BTreeMap;

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_block::codec::dag_cbor;
use cidlake_catalog::{Catalog, Name};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::lake::View;

/// The version of the bytes; others are not read.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    v: u64,
    pins: Vec<(Cid, Option<String>)>,
    deltas: u64,
    /// Commits that were named, in the order of the log: what they hold is read when first asked.
    commits: Vec<Cid>,
    expired: Vec<(Name, Cid)>,
}

/// Returns what the view knows: the catalog's own state, and everything else.
pub(crate) fn encode(view: &View) -> Result<Bytes, Error> {
    let catalog = view.catalog.to_state().map_err(internal)?;
    let state = State {
        v: VERSION,
        pins: view.pins.iter().map(|(cid, name)| (*cid, name.clone())).collect(),
        deltas: view.deltas,
        commits: view.commits.clone(),
        expired: view.expired.iter().map(|(name, cid)| (name.clone(), *cid)).collect(),
    };
    let state = dag_cbor::encode(&state).map_err(internal)?;
    // The catalog's length first: two values stand behind each other.
    let length = (catalog.len() as u64).to_le_bytes();
    Ok([&length[..], &catalog, &state].concat().into())
}

/// Returns the view that the bytes stand for, without its place in the log.
pub(crate) fn decode(bytes: &[u8]) -> Option<View> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (catalog, state) = rest.split_at_checked(length)?;
    let catalog = Catalog::from_state(catalog).ok()?;
    let state: State = dag_cbor::decode(state).ok()?;
    if state.v != VERSION {
        return None;
    }
    let pins: BTreeMap<Cid, Option<String>> = state.pins.into_iter().collect();
    let expired: BTreeMap<Name, Cid> = state.expired.into_iter().collect();
    let (commits, deltas) = (state.commits, state.deltas);
    Some(View { catalog, pins, expired, commits, deltas, ..View::default() })
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("the state of the lake could not be encoded").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cidlake_block::{Cid, Codec, cid_of};
    use cidlake_catalog::{Key, Name, SignedDelta};
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
        let change = view.catalog.set(&name, cid(1));
        let delta = view.catalog.draft(vec![change], key.id(), 1_000);
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
}

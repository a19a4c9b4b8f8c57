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
mod tests;

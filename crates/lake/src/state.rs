//! The view as the bytes that a checkpoint keeps, so that opening a lake need not replay its log.
//!
//! The bytes are a copy of what the log says up to one record. Which record that is, and whether
//! the bytes are whole, is the store's to say. What cannot be understood here (a newer program
//! wrote it, or it holds something else) is no error: the log is replayed instead.

use std::collections::BTreeMap;

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_block::cid::take_cid;
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
    expired: Vec<(Name, Cid)>,
}

/// Returns what the view knows: the catalog's own state, the commits that were named, in the order
/// of the log (what they hold is read when first asked), and everything else.
pub(crate) fn encode(view: &View) -> Result<Bytes, Error> {
    let catalog = view.catalog.to_state().map_err(internal)?;
    let state = State {
        v: VERSION,
        pins: view.pins.iter().map(|(cid, name)| (*cid, name.clone())).collect(),
        deltas: view.deltas,
        expired: view.expired.iter().map(|(name, cid)| (name.clone(), *cid)).collect(),
    };
    let state = dag_cbor::encode(&state).map_err(internal)?;
    let commits: Vec<u8> = view.commits.iter().flat_map(Cid::to_bytes).collect();
    // Each part's length before it: they stand behind each other.
    Ok([part(&catalog), part(&commits), state.to_vec()].concat().into())
}

fn part(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat()
}

fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

/// Returns the view that the bytes stand for, without its place in the log.
pub(crate) fn decode(bytes: &[u8]) -> Option<View> {
    let mut rest = bytes;
    let catalog = Catalog::from_state(take_part(&mut rest)?).ok()?;
    let commits = cids(take_part(&mut rest)?)?;
    let state: State = dag_cbor::decode(rest).ok()?;
    if state.v != VERSION {
        return None;
    }
    let pins: BTreeMap<Cid, Option<String>> = state.pins.into_iter().collect();
    let expired: BTreeMap<Name, Cid> = state.expired.into_iter().collect();
    Some(View { catalog, pins, expired, commits, deltas: state.deltas, ..View::default() })
}

fn cids(mut bytes: &[u8]) -> Option<Vec<Cid>> {
    let mut cids = Vec::with_capacity(bytes.len() / 36);
    while !bytes.is_empty() {
        cids.push(take_cid(&mut bytes)?);
    }
    Some(cids)
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("the state of the lake could not be encoded").with_source(error)
}

#[cfg(test)]
mod tests;

//! A catalog as bytes, so that a lake need not apply every delta again when it is opened.
//!
//! The bytes are a copy of what the deltas amount to: an optimisation that can be thrown away, and
//! nothing that is addressed by its hash or sent to others. One catalog has one encoding. What
//! does not hang together (a head that was never applied, a live dot without its delta) is
//! refused, because it would be believed from then on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_block::cid::take_cid;
use cidlake_block::codec::{CodecError, dag_cbor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Catalog, Value};
use crate::clock::Hlc;
use crate::key::KeyId;
use crate::name::Name;
use crate::tag::{Label, Tag};
use crate::wire::{AnyVersion, VERSION, Version, byte_string};

/// Why bytes are not the state of a catalog, or a catalog cannot be written as one.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The bytes are not DAG-CBOR of this shape.
    #[error("the bytes are no state of a catalog")]
    Malformed {
        /// What is wrong.
        source: CodecError,
    },
    /// A newer program wrote them.
    #[error("the state has version {found}, and this program reads version {VERSION}")]
    Newer {
        /// Their version.
        found: u64,
    },
    /// They say something in another than the one encoding it has.
    #[error("the encoding of the state is not the canonical one")]
    NotCanonical,
    /// They contradict themselves.
    #[error("the state contradicts itself: {detail}")]
    Inconsistent {
        /// In what.
        detail: &'static str,
    },
}

/// A name, or a tag of it.
type Named = (Name, Option<Tag>);

/// A live dot: its delta, the commit, and who set it.
type Dot = (Cid, Cid, KeyId);

/// The envelope.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    v: Version,
    catalog: State,
}

/// Lists instead of maps: keys of DAG-CBOR maps are text. The latest clock is the greatest one
/// of `applied`, and the clock of a live dot is that of its delta, so neither is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    applied: Applied,
    heads: Vec<Cid>,
    live: Vec<(Name, Option<Tag>, Vec<Dot>)>,
    foreseen: Vec<(Cid, Vec<Named>)>,
}

/// Every delta and its clock, in one byte string: there is one for each change that ever was, and
/// as a list of lists, reading the state took a third of opening a lake of 10,000 changes.
#[derive(Debug, Default)]
pub(super) struct Applied(pub(super) Vec<(Cid, Hlc)>);

impl Serialize for Applied {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.len() * 48);
        for (cid, clock) in &self.0 {
            bytes.extend_from_slice(&cid.to_bytes());
            bytes.extend_from_slice(&clock.wall_ms.to_be_bytes());
            bytes.extend_from_slice(&clock.counter.to_be_bytes());
        }
        to.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Applied {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = byte_string::deserialize(from)?;
        let mut rest = &bytes[..];
        let mut applied = Vec::with_capacity(rest.len() / 48);
        while !rest.is_empty() {
            let one = take_applied(&mut rest);
            applied.push(one.ok_or_else(|| serde::de::Error::custom("no delta with its clock"))?);
        }
        Ok(Self(applied))
    }
}

fn take_applied(bytes: &mut &[u8]) -> Option<(Cid, Hlc)> {
    let cid = take_cid(bytes)?;
    let (wall_ms, rest) = bytes.split_first_chunk::<8>()?;
    let (counter, rest) = rest.split_first_chunk::<4>()?;
    *bytes = rest;
    let (wall_ms, counter) = (u64::from_be_bytes(*wall_ms), u32::from_be_bytes(*counter));
    Some((cid, Hlc { wall_ms, counter }))
}

impl Catalog {
    /// Returns the catalog as bytes, from which [`Self::from_state`] makes the same catalog.
    ///
    /// # Errors
    /// [`StateError::Malformed`] if the values have no encoding, which none of ours lacks.
    pub fn to_state(&self) -> Result<Bytes, StateError> {
        let live = |(label, dots): (&Label, &BTreeMap<Cid, Value>)| {
            let dots = dots.iter().map(|(dot, value)| (*dot, value.commit, value.key));
            (label.name.clone(), label.tag.clone(), dots.collect())
        };
        let foreseen = |(dot, labels): (&Cid, &BTreeSet<Label>)| {
            let labels = labels.iter().map(|label| (label.name.clone(), label.tag.clone()));
            (*dot, labels.collect())
        };
        let applied = self.applied.iter().map(|(cid, clock)| (*cid, *clock)).collect();
        let catalog = State {
            applied: Applied(applied),
            heads: self.heads.iter().copied().collect(),
            live: self.live.iter().map(live).collect(),
            foreseen: self.foreseen.iter().map(foreseen).collect(),
        };
        let envelope = Envelope { v: Version, catalog };
        dag_cbor::encode(&envelope).map_err(|source| StateError::Malformed { source })
    }

    /// Makes a catalog of the bytes that [`Self::to_state`] returned.
    ///
    /// # Errors
    /// Says what is wrong with bytes that are something else, were damaged, or are newer.
    pub fn from_state(bytes: &[u8]) -> Result<Self, StateError> {
        let envelope: Envelope = dag_cbor::decode_uncompared(bytes).map_err(|source| {
            match dag_cbor::decode::<AnyVersion>(bytes) {
                Ok(AnyVersion { v }) if v > VERSION => StateError::Newer { found: v },
                _ => StateError::Malformed { source },
            }
        })?;
        let catalog = envelope.catalog.into_catalog()?;
        // Whatever stood twice or in another order is lost by now, and so is told here.
        if catalog.to_state()? != bytes {
            return Err(StateError::NotCanonical);
        }
        Ok(catalog)
    }

    /// Returns the deltas that have been applied, ascending.
    pub fn deltas(&self) -> impl Iterator<Item = &Cid> {
        self.applied.keys()
    }

    /// Returns the latest clock of any applied delta.
    #[must_use]
    pub fn latest(&self) -> Hlc {
        self.latest
    }
}

impl State {
    fn into_catalog(self) -> Result<Catalog, StateError> {
        let mut catalog = Catalog::default();
        let latest = self.applied.0.iter().map(|(_, clock)| *clock).max();
        catalog.latest = latest.unwrap_or_default();
        catalog.applied = self.applied.0.into_iter().collect();
        catalog.heads.extend(self.heads);
        if !catalog.heads.iter().all(|head| catalog.contains(head)) {
            return Err(inconsistent("a head was never applied"));
        }
        if catalog.heads.is_empty() != catalog.applied.is_empty() {
            return Err(inconsistent("deltas without a head, or heads without deltas"));
        }
        for (name, tag, dots) in self.live {
            let values = values(&catalog, dots)?;
            catalog.live.insert(Label { name, tag }, values);
        }
        for (dot, labels) in self.foreseen {
            if labels.is_empty() || catalog.contains(&dot) {
                return Err(inconsistent("the end of a dot is foreseen that has come already"));
            }
            let labels = labels.into_iter().map(|(name, tag)| Label { name, tag });
            catalog.foreseen.insert(dot, labels.collect());
        }
        Ok(catalog)
    }
}

/// Returns the live dots of one name or tag; each is a delta that was applied, at its time.
fn values(catalog: &Catalog, dots: Vec<Dot>) -> Result<BTreeMap<Cid, Value>, StateError> {
    if dots.is_empty() {
        return Err(inconsistent("a name without a live dot"));
    }
    let value = |(dot, commit, key)| {
        let clock =
            *catalog.applied.get(&dot).ok_or(inconsistent("a live dot without its delta"))?;
        Ok((dot, Value { commit, clock, key }))
    };
    dots.into_iter().map(value).collect()
}

fn inconsistent(detail: &'static str) -> StateError {
    StateError::Inconsistent { detail }
}

//! The catalog: what a set of deltas amounts to.
//!
//! A name maps to dots. A `Set` adds its delta's CID as a dot and supersedes the dots that its
//! author saw; an `Unset` only supersedes. What is live is every dot that was set and that no
//! delta supersedes, which depends on the set of deltas and on nothing else. Two live dots of one
//! name are a conflict: a value like any other, which the next change of that name settles.
//!
//! Signatures are not checked here, nor are blocks fetched: callers verify deltas of others before
//! they apply them, and bring missing parents.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cidlake_block::{Cid, Codec, cid_of};

use crate::clock::Hlc;
use crate::delta::{Change, Delta, SignedDelta};
use crate::key::KeyId;
use crate::limits::{OVER_MAX, PARENTS_MAX};
use crate::name::Name;

mod merge;
mod state;

pub use self::state::StateError;

/// The state of the catalog after some deltas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Every delta applied, with its clock. Closed under parents.
    applied: BTreeMap<Cid, Hlc>,
    /// The applied deltas that are no applied delta's parent.
    heads: BTreeSet<Cid>,
    /// The live dots of every name; never an empty map inside.
    live: BTreeMap<Name, BTreeMap<Cid, Value>>,
    /// Names whose dot was superseded before the delta behind it was applied; never an applied
    /// one. Honest authors supersede only what they have seen, so this is usually empty, but
    /// without it a delta that does otherwise would make replicas differ.
    foreseen: BTreeMap<Cid, BTreeSet<Name>>,
    /// The latest clock of any applied delta.
    latest: Hlc,
}

/// What a live dot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value {
    commit: Cid,
    clock: Hlc,
    key: KeyId,
}

/// What applying a delta did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The delta was new, and its changes are in the catalog.
    New,
    /// The delta had been applied before, and nothing changed.
    Known,
}

/// Why a delta was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Deltas that it builds on were not applied before it; nothing was changed.
    #[error("delta {delta} builds on {} deltas that are not here: apply those first", cids.len())]
    MissingParents {
        /// The delta.
        delta: Cid,
        /// Its missing parents, ascending.
        cids: Vec<Cid>,
    },
}

/// What a name means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Name,
    /// The commit that it means: of concurrent values the latest, by clock, then key, then dot.
    pub commit: Cid,
    /// The delta that set it.
    pub dot: Cid,
    /// When it was set.
    pub clock: Hlc,
    /// Who set it.
    pub key: KeyId,
    /// Every other commit that the name was set to concurrently, the latest first. A commit that
    /// was set several times appears once.
    pub others: Vec<Other>,
}

/// A concurrent value of a name, kept beside the one that the name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The commit.
    pub commit: Cid,
    /// The delta that set it.
    pub dot: Cid,
    /// When it was set.
    pub clock: Hlc,
    /// Who set it.
    pub key: KeyId,
}

impl Catalog {
    /// Applies a delta whose parents have been applied.
    ///
    /// A delta that was applied before changes nothing. Any order that puts parents before
    /// children ends in the same state. The signature is not checked here.
    ///
    /// # Errors
    /// [`ApplyError::MissingParents`] if it is too early for this delta; nothing has changed then.
    pub fn apply(&mut self, delta: &SignedDelta) -> Result<Applied, ApplyError> {
        let cid = *delta.cid();
        let delta = delta.delta();
        if self.contains(&cid) {
            return Ok(Applied::Known);
        }
        let missing = self.missing_parents(delta);
        if !missing.is_empty() {
            return Err(ApplyError::MissingParents { delta: cid, cids: missing });
        }
        let foreseen = self.foreseen.remove(&cid).unwrap_or_default();
        for change in &delta.changes {
            self.supersede(change.name(), change.over());
            if let Change::Set { name, commit, .. } = change
                && !foreseen.contains(name)
            {
                let value = Value { commit: *commit, clock: delta.clock, key: delta.key };
                self.live.entry(name.clone()).or_default().insert(cid, value);
            }
        }
        for parent in &delta.parents {
            self.heads.remove(parent);
        }
        // Nothing that builds on it can have been applied before it.
        self.heads.insert(cid);
        self.applied.insert(cid, delta.clock);
        self.latest = self.latest.max(delta.clock);
        Ok(Applied::New)
    }

    /// Returns the parents of `delta` that have not been applied, ascending.
    #[must_use]
    pub fn missing_parents(&self, delta: &Delta) -> Vec<Cid> {
        let missing: BTreeSet<Cid> =
            delta.parents.iter().filter(|cid| !self.contains(cid)).copied().collect();
        missing.into_iter().collect()
    }

    /// Says whether the delta has been applied.
    #[must_use]
    pub fn contains(&self, delta: &Cid) -> bool {
        self.applied.contains_key(delta)
    }

    /// Returns the applied deltas that no applied delta builds on, ascending.
    #[must_use]
    pub fn heads(&self) -> Vec<Cid> {
        self.heads.iter().copied().collect()
    }

    /// Drafts the next delta: on top of all heads, later than every clock seen, changes by name.
    ///
    /// Clocks too far ahead of `now_ms` are not followed (see [`Hlc::is_followed_at`]). Of more
    /// than [`PARENTS_MAX`] heads the first are joined, and the next delta joins the rest.
    #[must_use]
    pub fn draft(&self, mut changes: Vec<Change>, key: KeyId, now_ms: u64) -> Delta {
        for change in &mut changes {
            let (Change::Set { over, .. } | Change::Unset { over, .. }) = change;
            over.sort_unstable();
            over.dedup();
        }
        changes.sort_by(|one, other| one.name().cmp(other.name()));
        Delta {
            parents: self.heads.iter().take(PARENTS_MAX).copied().collect(),
            clock: self.latest_followed(now_ms).tick(now_ms),
            key,
            changes,
        }
    }

    /// Returns the change that makes `name` mean `commit`, over everything that it means now.
    ///
    /// Of more than [`OVER_MAX`] concurrent values the first are superseded, and the rest remain
    /// as conflicts until the next change.
    #[must_use]
    pub fn set(&self, name: &Name, commit: Cid) -> Change {
        Change::Set { name: name.clone(), commit, over: self.dots(name) }
    }

    /// Returns the change that frees `name`, or `None` where it is free.
    ///
    /// Like [`Self::set`], it ends at most [`OVER_MAX`] concurrent values at a time.
    #[must_use]
    pub fn unset(&self, name: &Name) -> Option<Change> {
        let over = self.dots(name);
        (!over.is_empty()).then(|| Change::Unset { name: name.clone(), over })
    }

    /// Returns what `name` means, or `None` where it is free.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<Entry> {
        self.live.get(name).and_then(|dots| entry(name, dots))
    }

    /// Returns what every name means, by namespace, then table.
    #[must_use]
    pub fn datasets(&self) -> Vec<Entry> {
        self.live.iter().filter_map(|(name, dots)| entry(name, dots)).collect()
    }

    /// Returns a digest that is equal exactly where two catalogs have the same heads and the same
    /// values: the same on all replicas that have seen the same deltas.
    ///
    /// It is not the address of a block, and no promise between versions of this crate.
    #[must_use]
    pub fn state_digest(&self) -> Cid {
        let mut bytes = Vec::new();
        put_count(&mut bytes, self.heads.len());
        for head in &self.heads {
            put(&mut bytes, &head.to_bytes());
        }
        put_count(&mut bytes, self.live.len());
        for (name, dots) in &self.live {
            put(&mut bytes, name.full().as_bytes());
            put_count(&mut bytes, dots.len());
            for (dot, value) in dots {
                put(&mut bytes, &dot.to_bytes());
                put(&mut bytes, &value.commit.to_bytes());
            }
        }
        for (dot, names) in &self.foreseen {
            put(&mut bytes, &dot.to_bytes());
            put_count(&mut bytes, names.len());
            names.iter().for_each(|name| put(&mut bytes, name.full().as_bytes()));
        }
        cid_of(Codec::Raw, &bytes)
    }

    /// Returns the first dots that `name` has.
    fn dots(&self, name: &Name) -> Vec<Cid> {
        let dots = self.live.get(name).into_iter().flat_map(BTreeMap::keys);
        dots.take(OVER_MAX).copied().collect()
    }

    /// Ends `dots` of `name`, those to come included.
    fn supersede(&mut self, name: &Name, dots: &[Cid]) {
        for dot in dots {
            if !self.applied.contains_key(dot) {
                self.foreseen.entry(*dot).or_default().insert(name.clone());
            } else if let Some(live) = self.live.get_mut(name) {
                live.remove(dot);
            }
        }
        if self.live.get(name).is_some_and(BTreeMap::is_empty) {
            self.live.remove(name);
        }
    }

    /// Returns the latest clock seen that a clock at `now_ms` follows.
    fn latest_followed(&self, now_ms: u64) -> Hlc {
        if self.latest.is_followed_at(now_ms) {
            return self.latest;
        }
        let followed = self.applied.values().filter(|clock| clock.is_followed_at(now_ms));
        followed.copied().max().unwrap_or_default()
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&(count as u64).to_le_bytes());
}

/// Appends `item` so that no other sequence of items gives the same bytes.
fn put(bytes: &mut Vec<u8>, item: &[u8]) {
    put_count(bytes, item.len());
    bytes.extend_from_slice(item);
}

/// Returns what a name with these live dots means.
fn entry(name: &Name, dots: &BTreeMap<Cid, Value>) -> Option<Entry> {
    let mut values: Vec<Other> = dots.iter().map(|(dot, value)| other(*dot, value)).collect();
    values.sort_unstable_by_key(|value| Reverse((value.clock, value.key, value.dot)));
    let mut seen = BTreeSet::new();
    let mut distinct = values.into_iter().filter(|value| seen.insert(value.commit));
    let winner = distinct.next()?;
    Some(Entry {
        name: name.clone(),
        commit: winner.commit,
        dot: winner.dot,
        clock: winner.clock,
        key: winner.key,
        others: distinct.collect(),
    })
}

fn other(dot: Cid, value: &Value) -> Other {
    Other { commit: value.commit, dot, clock: value.clock, key: value.key }
}

#[cfg(test)]
mod tests;

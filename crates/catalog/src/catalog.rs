//! The catalog: what a set of deltas amounts to.
//!
//! A name maps to dots, and so does a tag of a name. A `Set` adds its delta's CID as a dot and supersedes the dots that its
//! author saw; an `Unset` only supersedes. What is live is every dot that was set and that no
//! delta supersedes, which depends on the set of deltas and on nothing else. Two live dots of one
//! name are a conflict: a value like any other, which the next change of that name settles.
//!
//! A tag may outlive its name: where one replica sets it while another frees the name, neither is
//! lost. It then is a tag of whatever gets the name next.
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
use crate::tag::{Label, Tag};

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
    /// The live dots of every name and tag; never an empty map inside.
    live: BTreeMap<Label, BTreeMap<Cid, Value>>,
    /// What has a dot that was superseded before the delta behind it was applied; never an applied
    /// one. Honest authors supersede only what they have seen, so this is usually empty, but
    /// without it a delta that does otherwise would make replicas differ.
    foreseen: BTreeMap<Cid, BTreeSet<Label>>,
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

/// What a name or a tag means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Name,
    /// The tag; `None` where it is the name itself that means this.
    pub tag: Option<Tag>,
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
            let label = change.label();
            self.supersede(&label, change.over());
            if let Change::Set { commit, .. } = change
                && !foreseen.contains(&label)
            {
                let value = Value { commit: *commit, clock: delta.clock, key: delta.key };
                self.live.entry(label).or_default().insert(cid, value);
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

    /// Drafts the next delta: on top of all heads, later than every clock seen, changes in order.
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
        changes.sort_by(|one, other| one.order().cmp(&other.order()));
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
        self.set_label(Label { name: name.clone(), tag: None }, commit)
    }

    /// Returns the change that makes `tag` of `name` mean `commit`, as [`Self::set`] does of a
    /// name.
    #[must_use]
    pub fn tag(&self, name: &Name, tag: &Tag, commit: Cid) -> Change {
        self.set_label(Label { name: name.clone(), tag: Some(tag.clone()) }, commit)
    }

    /// Returns the change that frees `name`, or `None` where it is free.
    ///
    /// Like [`Self::set`], it ends at most [`OVER_MAX`] concurrent values at a time.
    #[must_use]
    pub fn unset(&self, name: &Name) -> Option<Change> {
        self.unset_label(Label { name: name.clone(), tag: None })
    }

    /// Returns the change that ends `tag` of `name`, or `None` where there is none.
    #[must_use]
    pub fn untag(&self, name: &Name, tag: &Tag) -> Option<Change> {
        self.unset_label(Label { name: name.clone(), tag: Some(tag.clone()) })
    }

    /// Returns the changes that free `name` and end all its tags; none where it is free and has
    /// none.
    #[must_use]
    pub fn unset_with_tags(&self, name: &Name) -> Vec<Change> {
        let labels: Vec<Label> = self.of_name(name).map(|(label, _)| label.clone()).collect();
        labels.into_iter().filter_map(|label| self.unset_label(label)).collect()
    }

    /// Returns the changes that give `to` what `from` means, with all its tags, and free `from`;
    /// none where `from` is free. Whatever `to` and the same tags of it meant is superseded.
    #[must_use]
    pub fn rename_with_tags(&self, from: &Name, to: &Name) -> Vec<Change> {
        let Some(head) = self.get(from).filter(|_| from != to) else { return Vec::new() };
        let mut changes = self.unset_with_tags(from);
        changes.push(self.set(to, head.commit));
        for entry in self.tags(from) {
            let label = Label { name: to.clone(), tag: entry.tag };
            changes.push(self.set_label(label, entry.commit));
        }
        changes
    }

    /// Returns what `name` means, or `None` where it is free.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<Entry> {
        self.get_label(Label { name: name.clone(), tag: None })
    }

    /// Returns what `tag` of `name` means, or `None` where there is none.
    #[must_use]
    pub fn get_tag(&self, name: &Name, tag: &Tag) -> Option<Entry> {
        self.get_label(Label { name: name.clone(), tag: Some(tag.clone()) })
    }

    /// Returns what every name means, by namespace, then table.
    #[must_use]
    pub fn datasets(&self) -> Vec<Entry> {
        let names = self.live.iter().filter(|(label, _)| label.tag.is_none());
        names.filter_map(|(label, dots)| entry(label, dots)).collect()
    }

    /// Returns what every tag of `name` means, by tag; also where the name itself is free.
    #[must_use]
    pub fn tags(&self, name: &Name) -> Vec<Entry> {
        let tags = self.of_name(name).filter(|(label, _)| label.tag.is_some());
        tags.filter_map(|(label, dots)| entry(label, dots)).collect()
    }

    /// Returns what every tag of every name means, by name, then tag.
    #[must_use]
    pub fn all_tags(&self) -> Vec<Entry> {
        let tags = self.live.iter().filter(|(label, _)| label.tag.is_some());
        tags.filter_map(|(label, dots)| entry(label, dots)).collect()
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
        for (label, dots) in &self.live {
            put_label(&mut bytes, label);
            put_count(&mut bytes, dots.len());
            for (dot, value) in dots {
                put(&mut bytes, &dot.to_bytes());
                put(&mut bytes, &value.commit.to_bytes());
            }
        }
        for (dot, labels) in &self.foreseen {
            put(&mut bytes, &dot.to_bytes());
            put_count(&mut bytes, labels.len());
            labels.iter().for_each(|label| put_label(&mut bytes, label));
        }
        cid_of(Codec::Raw, &bytes)
    }

    /// Returns the live dots of `name` itself, then those of its tags.
    fn of_name(&self, name: &Name) -> impl Iterator<Item = (&Label, &BTreeMap<Cid, Value>)> {
        let first = Label { name: name.clone(), tag: None };
        let from_there = self.live.range(first..);
        from_there.take_while({
            let name = name.clone();
            move |(label, _)| label.name == name
        })
    }

    fn set_label(&self, label: Label, commit: Cid) -> Change {
        let over = self.dots(&label);
        Change::Set { name: label.name, tag: label.tag, commit, over }
    }

    fn unset_label(&self, label: Label) -> Option<Change> {
        let over = self.dots(&label);
        let Label { name, tag } = label;
        (!over.is_empty()).then_some(Change::Unset { name, tag, over })
    }

    fn get_label(&self, label: Label) -> Option<Entry> {
        self.live.get(&label).and_then(|dots| entry(&label, dots))
    }

    /// Returns the first dots that a label has.
    fn dots(&self, label: &Label) -> Vec<Cid> {
        let dots = self.live.get(label).into_iter().flat_map(BTreeMap::keys);
        dots.take(OVER_MAX).copied().collect()
    }

    /// Ends `dots` of a label, those to come included.
    fn supersede(&mut self, label: &Label, dots: &[Cid]) {
        for dot in dots {
            if !self.applied.contains_key(dot) {
                self.foreseen.entry(*dot).or_default().insert(label.clone());
            } else if let Some(live) = self.live.get_mut(label) {
                live.remove(dot);
            }
        }
        if self.live.get(label).is_some_and(BTreeMap::is_empty) {
            self.live.remove(label);
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

/// Appends a label so that a name without a tag is none with one.
fn put_label(bytes: &mut Vec<u8>, label: &Label) {
    put(bytes, label.name.full().as_bytes());
    put(bytes, label.tag.as_ref().map_or("", Tag::as_str).as_bytes());
}

/// Returns what a label with these live dots means.
fn entry(label: &Label, dots: &BTreeMap<Cid, Value>) -> Option<Entry> {
    let mut values: Vec<Other> = dots.iter().map(|(dot, value)| other(*dot, value)).collect();
    values.sort_unstable_by_key(|value| Reverse((value.clock, value.key, value.dot)));
    let mut seen = BTreeSet::new();
    let mut distinct = values.into_iter().filter(|value| seen.insert(value.commit));
    let winner = distinct.next()?;
    Some(Entry {
        name: label.name.clone(),
        tag: label.tag.clone(),
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

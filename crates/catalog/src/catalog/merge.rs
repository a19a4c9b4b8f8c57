//! Merging two catalogs as states, without the deltas between them.
//!
//! The result is the catalog that all deltas of both sides amount to: merging is the union of the
//! two sets of deltas, seen through what they amount to. It is therefore associative, commutative
//! and idempotent, and it commutes with applying deltas.

use std::collections::{BTreeMap, BTreeSet};

use cidlake_block::Cid;

use super::{Catalog, Value};
use crate::tag::Label;

impl Catalog {
    /// Takes in everything that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        let live = merge_live(self, other);
        let heads = merge_heads(self, other);
        self.applied.extend(&other.applied);
        let foreseen = merge_foreseen(self, other);
        self.latest = self.latest.max(other.latest);
        (self.live, self.heads, self.foreseen) = (live, heads, foreseen);
    }

    /// Says whether this side knows of the dot, or of its end, and does not have it live.
    fn has_ended(&self, label: &Label, dot: &Cid) -> bool {
        if self.contains(dot) {
            !self.live.get(label).is_some_and(|live| live.contains_key(dot))
        } else {
            self.foreseen.get(dot).is_some_and(|labels| labels.contains(label))
        }
    }
}

/// A dot is live if one side has it live and the other does not know of its end.
fn merge_live(one: &Catalog, other: &Catalog) -> BTreeMap<Label, BTreeMap<Cid, Value>> {
    let mut merged: BTreeMap<Label, BTreeMap<Cid, Value>> = BTreeMap::new();
    for (from, against) in [(one, other), (other, one)] {
        for (label, dots) in &from.live {
            for (dot, value) in dots {
                if !against.has_ended(label, dot) {
                    merged.entry(label.clone()).or_default().insert(*dot, *value);
                }
            }
        }
    }
    merged
}

/// A head stays one if the other side has not seen it, or has built nothing on it.
fn merge_heads(one: &Catalog, other: &Catalog) -> BTreeSet<Cid> {
    let kept = |from: &Catalog, against: &Catalog| -> Vec<Cid> {
        let kept = |head: &&Cid| against.heads.contains(head) || !against.contains(head);
        from.heads.iter().filter(kept).copied().collect()
    };
    kept(one, other).into_iter().chain(kept(other, one)).collect()
}

/// Ends still to come: those of either side whose delta neither has. `all` has the deltas of both.
fn merge_foreseen(all: &Catalog, other: &Catalog) -> BTreeMap<Cid, BTreeSet<Label>> {
    let mut merged: BTreeMap<Cid, BTreeSet<Label>> = BTreeMap::new();
    for (dot, labels) in all.foreseen.iter().chain(&other.foreseen) {
        if !all.contains(dot) {
            merged.entry(*dot).or_default().extend(labels.iter().cloned());
        }
    }
    merged
}

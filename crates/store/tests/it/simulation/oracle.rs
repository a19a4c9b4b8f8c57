//! What a lake promised, and what may be found in it.
//!
//! The records must be those that were settled, then attempts without an answer, each whole or
//! not at all. Blocks of a commit that counts must be there, until a collection is told that they
//! are kept no longer; any other block is there and right, or absent.

use std::collections::{BTreeMap, BTreeSet};

use cidlake_block::{Block, Cid};
use cidlake_store::Payload;

use super::queue_oracle::QueueOracle;

/// The promises of one lake.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    settled: Vec<Payload>,
    /// How many records there were after each of the settled commits.
    ends: BTreeSet<usize>,
    attempts: Vec<Attempt>,
    /// Attempts that were acknowledged just before the power was cut.
    owed: BTreeSet<u32>,
    promised: BTreeMap<Cid, Block>,
    /// Whether the power was cut and nobody has looked since.
    is_after_cut: bool,
    /// Every block that was ever handed to the lake.
    known: BTreeMap<Cid, Block>,
    /// The blocks that stand behind each payload, by its CID.
    kept_by: BTreeMap<Cid, BTreeSet<Cid>>,
    /// What the collections under way take for garbage.
    collecting: Vec<BTreeSet<Cid>>,
    numbers: u32,
    /// What the operation queue promised.
    pub queue: QueueOracle,
}

#[derive(Debug, Clone)]
struct Attempt {
    number: u32,
    payloads: Vec<Payload>,
    blocks: Vec<Block>,
    is_running: bool,
}

impl Oracle {
    /// A number that was not given before.
    pub fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// Takes note of blocks that are about to be put.
    pub fn hand_over(&mut self, blocks: &[Block]) {
        self.known.extend(blocks.iter().map(|block| (*block.cid(), block.clone())));
    }

    /// Takes note of a commit before it is made; returns its number.
    pub fn begin(&mut self, payloads: &[Payload], blocks: &[Block]) -> u32 {
        let number = self.number();
        let (payloads, blocks) = (payloads.to_vec(), blocks.to_vec());
        let cids: BTreeSet<Cid> = blocks.iter().map(|block| *block.cid()).collect();
        self.kept_by.extend(payloads.iter().map(|payload| (*cid_of(payload), cids.clone())));
        self.attempts.push(Attempt { number, payloads, blocks, is_running: true });
        number
    }

    /// Takes note that a commit failed: it may turn up until another one succeeds.
    pub fn fail(&mut self, number: u32) {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.number == number) {
            attempt.is_running = false;
        }
    }

    /// Takes note that a commit was acknowledged and that nobody could look at it since.
    pub fn keep(&mut self, number: u32) {
        self.owed.insert(number);
    }

    /// Takes note that nothing came of a commit.
    pub fn withdraw(&mut self, number: u32) {
        self.attempts.retain(|attempt| attempt.number != number);
    }

    /// Takes note that a commit was acknowledged, and of the records that were found afterwards.
    /// They are all durable; failed commits that are not among them are over.
    pub fn acknowledge(&mut self, number: u32, found: &[Payload]) {
        let acknowledged = self.attempts.iter().find(|attempt| attempt.number == number).cloned();
        self.settle(found);
        // It is not among the attempts where another process has settled it before.
        if let Some(attempt) = acknowledged {
            let len = attempt.payloads.len();
            let is_there = len == 0 || self.settled.windows(len).any(|at| at == attempt.payloads);
            assert!(is_there, "an acknowledged commit is not in the log");
            // No record says that these are kept.
            let is_garbage = |block: &Block| {
                len == 0 && self.collecting.iter().any(|dead| dead.contains(block.cid()))
            };
            let blocks: Vec<Block> =
                attempt.blocks.into_iter().filter(|block| !is_garbage(block)).collect();
            self.promise(&blocks);
        }
        self.attempts.retain(|attempt| attempt.number != number && attempt.is_running);
    }

    /// Takes note of a collection under a hold that has seen the records `found`. Some of the blocks
    /// that were put before are kept no longer from now on: returns these.
    pub fn begin_collection(
        &mut self,
        found: &[Payload],
        is_dead: impl FnMut(&Cid) -> bool,
    ) -> BTreeSet<Cid> {
        let mut cids: Vec<Cid> = self.known.keys().copied().collect();
        let mut is_dead = is_dead;
        cids.retain(|cid| is_dead(cid));
        let dead: BTreeSet<Cid> = cids.into_iter().collect();
        self.promised.retain(|cid, _| !dead.contains(cid));
        // A commit that comes later keeps its blocks by records that the collection will see, or
        // has seen that packs were retired.
        for attempt in &mut self.attempts {
            if attempt.payloads.iter().all(|payload| found.contains(payload)) {
                attempt.blocks.retain(|block| !dead.contains(block.cid()));
            }
        }
        self.collecting.push(dead.clone());
        dead
    }

    /// Takes note that the collection that began last is over.
    pub fn end_collection(&mut self) {
        self.collecting.pop();
    }

    /// The blocks that a record keeps.
    pub fn kept_by(&self, payload: &Payload) -> &BTreeSet<Cid> {
        &self.kept_by[cid_of(payload)]
    }

    /// The promises after a power cut: what is found next is what there is.
    pub fn after_cut(self) -> Self {
        Self { is_after_cut: true, ..self }
    }

    /// Takes note of what is found when everybody has ended.
    pub fn restart(&mut self, found: &[Payload]) {
        assert!(found.len() >= self.settled.len(), "settled records are gone");
        let explained = self.explain(found);
        for attempt in &mut self.attempts {
            attempt.is_running = false;
            // One without records leaves nothing in the log but its blocks.
            let is_here = attempt.payloads.is_empty() || explained.contains(&attempt.number);
            assert!(is_here || !self.owed.contains(&attempt.number), "a commit is gone");
        }
        if self.is_after_cut {
            self.settle(found);
            self.attempts.clear();
            self.owed.clear();
            self.is_after_cut = false;
        }
    }

    fn settle(&mut self, found: &[Payload]) {
        let explained = self.explain(found);
        if found.len() < self.settled.len() {
            return;
        }
        for number in explained {
            let at = self.attempts.iter().position(|attempt| attempt.number == number).unwrap();
            let attempt = self.attempts.remove(at);
            self.settled.extend(attempt.payloads);
            self.ends.insert(self.settled.len());
            self.promise(&attempt.blocks);
        }
        assert_eq!(self.settled, found);
    }

    fn promise(&mut self, blocks: &[Block]) {
        self.promised.extend(blocks.iter().map(|block| (*block.cid(), block.clone())));
    }

    /// How many records every process must find from now on.
    pub fn settled_records(&self) -> usize {
        self.settled.len()
    }

    /// Checks that these records may be found; returns the attempts among them.
    pub fn explain(&self, found: &[Payload]) -> Vec<u32> {
        let Some(mut rest) = found.get(self.settled.len()..) else {
            // Whoever read them was overtaken by another process.
            assert_eq!(found, &self.settled[..found.len()]);
            assert!(found.is_empty() || self.ends.contains(&found.len()), "half a commit is seen");
            return Vec::new();
        };
        assert!(found.starts_with(&self.settled), "settled records have changed");
        let mut explained = Vec::new();
        while let Some(first) = rest.first() {
            let attempt = self.attempts.iter().find(|other| other.payloads.first() == Some(first));
            let attempt = attempt.unwrap_or_else(|| panic!("nobody committed {first:?}"));
            assert!(rest.starts_with(&attempt.payloads), "half a commit is in the log");
            assert!(!explained.contains(&attempt.number), "a commit is in the log twice");
            explained.push(attempt.number);
            rest = &rest[attempt.payloads.len()..];
        }
        explained
    }

    pub fn promised(&self) -> impl Iterator<Item = &Block> {
        self.promised.values()
    }

    /// Blocks that may be there or not.
    pub fn unpromised(&self) -> impl Iterator<Item = &Block> {
        self.known.values().filter(|block| !self.promised.contains_key(block.cid()))
    }
}

/// What tells a payload from all others.
fn cid_of(payload: &Payload) -> &Cid {
    match payload {
        Payload::Delta { delta } => delta,
        Payload::Pin { cid, .. } | Payload::Unpin { cid } => cid,
        Payload::Expire { oldest, .. } => oldest,
    }
}

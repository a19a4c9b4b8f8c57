//! Garbage collection: what a lake keeps, marked from its roots. Taking the rest away is the
//! store's.
//!
//! Roots are every delta of the log, the newest versions of all datasets (those beside the newest
//! included) with their history down to where it was let go, what has a tag, and pins. Everything below a root is
//! read but its leaves, whose addresses say all there is to know. Where something cannot be read
//! nothing is collected: what cannot be seen could hold on to anything. Marks are never taken
//! back, so what was let go while they were made goes the next time.

use std::collections::{BTreeMap, HashSet};

use cidlake_block::{Block, Cid, Codec};
use cidlake_catalog::{Change, Commit, Entry, Name};
use cidlake_store::{GcOptions, GcPhase, GcReport, Liveness, Lsn, Payload, Record};

use crate::archive::needed_links;
use crate::check::Damage;
use crate::error::{DAMAGE_HINT, Error};
use crate::lake::{Inner, Lake, delta_at, expired_name};
use crate::progress::{Progress, ProgressEvent, Unit};

/// What a garbage collection is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcRequest {
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

/// What a garbage collection did, or would do.
#[derive(Clone, Debug)]
pub struct GcSummary {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Blocks in the lake that something keeps.
    pub blocks_kept: u64,
    /// Packs that were looked at.
    pub packs: u64,
    /// Packs that went because nothing in them is kept.
    pub packs_removed: u64,
    /// Packs that went after what is kept in them was written to another.
    pub packs_rewritten: u64,
    /// Packs that were left because another process writes to them.
    pub packs_in_use: u64,
    /// Packs that were left because they are damaged.
    pub packs_damaged: u64,
    /// Bytes of blocks that are kept.
    pub bytes_kept: u64,
    /// Bytes of blocks that are not.
    pub bytes_dead: u64,
    /// Bytes of kept blocks that were written to another pack.
    pub bytes_copied: u64,
    /// Bytes of files that were removed.
    pub bytes_freed: u64,
    /// Bytes of files that are still read; a later collection removes them.
    pub bytes_waiting: u64,
    /// What is kept and damaged; the packs that it is in were left as they are.
    pub damage: Vec<Damage>,
}

impl Lake {
    /// Takes away every block that no dataset, kept version or pin needs.
    ///
    /// Readers keep what they hold: what they wait for goes with a later collection.
    ///
    /// # Errors
    /// `Corrupt` when something that is kept cannot be read: nothing was taken away then, or nothing
    /// more where that was kept by what others did meanwhile.
    pub async fn gc(&self, request: GcRequest, progress: Progress) -> Result<GcSummary, Error> {
        self.blocking(move |inner| inner.gc(request, &progress)).await
    }
}

impl Inner {
    pub(crate) fn gc(&self, request: GcRequest, progress: &Progress) -> Result<GcSummary, Error> {
        // Whatever is committed after the hold comes to the marks as an update.
        let hold = self.hold()?;
        let mut marks = Marks::of(self, progress)?;
        let options = GcOptions { dry_run: request.dry_run, ..GcOptions::default() };
        let report = self.store.gc(&hold, &mut marks, options, &mut |at| {
            progress(ProgressEvent {
                phase: match at.phase {
                    GcPhase::Measure => "measuring",
                    GcPhase::Copy => "copying",
                },
                done: at.bytes_done,
                total: Some(at.bytes_total),
                unit: Unit::Bytes,
            });
        })?;
        Ok(GcSummary::new(request.dry_run, report))
    }
}

impl GcSummary {
    fn new(dry_run: bool, report: GcReport) -> Self {
        Self {
            dry_run,
            blocks_kept: report.blocks_live,
            packs: report.packs_seen,
            packs_removed: report.packs_retired,
            packs_rewritten: report.packs_repacked,
            packs_in_use: report.packs_skipped,
            packs_damaged: report.packs_damaged,
            bytes_kept: report.bytes_live,
            bytes_dead: report.bytes_dead,
            bytes_copied: report.bytes_copied,
            bytes_freed: report.bytes_freed,
            bytes_waiting: report.bytes_waiting,
            damage: report.damaged.into_iter().map(Damage::from).collect(),
        }
    }
}

/// Whether what is marked must be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Its absence is damage.
    Required,
    /// It may have been left behind by an import, or been collected before.
    IfHere,
}

/// What is kept, as far as it has been seen.
struct Marks<'a> {
    inner: &'a Inner,
    progress: &'a Progress,
    /// Digests of blocks: blocks are found by multihash, whatever codec they are read with.
    live: HashSet<[u8; 32]>,
    /// Nodes that were read, by codec and digest: the same bytes have other links as another codec.
    walked: HashSet<(u64, [u8; 32])>,
    /// The oldest version that each name keeps.
    expired: BTreeMap<Name, Cid>,
    /// The record up to which this is complete.
    seen: Lsn,
    /// Whether the collection has begun, so that something may be gone already.
    is_collecting: bool,
}

impl<'a> Marks<'a> {
    /// Marks everything that the newest view keeps.
    fn of(inner: &'a Inner, progress: &'a Progress) -> Result<Self, Error> {
        let (mut marks, entries, tags, pins) = {
            let view = inner.refresh()?;
            let mut marks = Self {
                inner,
                progress,
                live: HashSet::new(),
                walked: HashSet::new(),
                expired: view.expired.clone(),
                seen: view.last,
                is_collecting: false,
            };
            // A delta links to commits and other deltas, and keeps none of them.
            view.catalog.deltas().for_each(|delta| marks.keep(delta));
            let pins: Vec<Cid> = view.pins.keys().copied().collect();
            (marks, view.catalog.datasets(), view.catalog.all_tags(), pins)
        };
        let heads_of = |entry: &Entry| (entry.name.clone(), heads(entry));
        let tagged = tags.iter().flat_map(heads).collect();
        marks.roots(News { heads: entries.iter().map(heads_of).collect(), tagged, pins })?;
        Ok(marks)
    }

    /// Marks datasets with their history, versions with a tag, and pins. What must be here comes
    /// first, so that it is not passed over as something that need not be.
    fn roots(&mut self, new: News) -> Result<(), Error> {
        let News { heads, tagged, pins } = new;
        for version in heads.iter().flat_map(|(_, heads)| heads).chain(&tagged) {
            self.version(version, Need::Required)?;
        }
        let mut pinned = Vec::new();
        for pin in pins {
            self.walk(vec![pin], Need::Required, &mut pinned)?;
        }
        for (name, heads) in heads {
            let oldest = self.expired.get(&name).copied();
            self.history(heads, &oldest.into_iter().collect())?;
        }
        // A pinned version keeps those before it, but none that a dataset let go.
        let expired = self.inner.boundaries_and_older(self.expired.values().copied())?;
        self.history(pinned, &expired)
    }

    /// Marks versions and those that they grew from, as far as they are here; not those before
    /// one of `ends`.
    fn history(&mut self, mut waiting: Vec<Cid>, ends: &HashSet<Cid>) -> Result<(), Error> {
        let mut seen = HashSet::new();
        while let Some(cid) = waiting.pop() {
            if !seen.insert(cid) {
                continue;
            }
            if let Some(parents) = self.version(&cid, Need::IfHere)?
                && !ends.contains(&cid)
            {
                waiting.extend(parents);
            }
        }
        Ok(())
    }

    /// Marks one version without those before it; returns its parents if it is here.
    fn version(&mut self, cid: &Cid, need: Need) -> Result<Option<Vec<Cid>>, Error> {
        self.keep(cid);
        let Some(block) = self.node(cid, need)? else {
            return Ok(None);
        };
        let commit = Commit::decode(&block).map_err(|error| self.unseen(cid).with_source(error))?;
        self.walk(needed_links(&block, false)?, need, &mut Vec::new())?;
        Ok(Some(commit.parents))
    }

    /// Marks everything below `waiting`. Commits that are met are added to `commits`; what they
    /// grew from is not followed.
    fn walk(
        &mut self,
        mut waiting: Vec<Cid>,
        need: Need,
        commits: &mut Vec<Cid>,
    ) -> Result<(), Error> {
        while let Some(cid) = waiting.pop() {
            self.keep(&cid);
            let key = digest(&cid).map(|digest| (cid.codec(), digest));
            let is_leaf = matches!(Codec::of(&cid), Ok(Codec::Raw));
            if is_leaf || key.is_some_and(|key| self.walked.contains(&key)) {
                continue;
            }
            // Only what was read counts as walked: what is absent now may be brought later.
            let Some(block) = self.node(&cid, need)? else { continue };
            self.walked.extend(key);
            if matches!(Codec::of(&cid), Ok(Codec::DagCbor)) && Commit::decode(&block).is_ok() {
                commits.push(cid);
            }
            waiting.extend(needed_links(&block, false)?);
        }
        Ok(())
    }

    fn keep(&mut self, cid: &Cid) {
        let Some(digest) = digest(cid) else { return };
        if self.live.insert(digest) {
            let done = self.live.len() as u64;
            (self.progress)(ProgressEvent {
                phase: "marking",
                done,
                total: None,
                unit: Unit::Blocks,
            });
        }
    }

    fn node(&self, cid: &Cid, need: Need) -> Result<Option<Block>, Error> {
        match (self.inner.store.get(cid), need) {
            (Ok(Some(block)), _) => Ok(Some(block)),
            (Ok(None), Need::IfHere) => Ok(None),
            (Ok(None), Need::Required) => Err(self.unseen(cid)),
            (Err(error), _) => Err(self.unseen(cid).with_source(error)),
        }
    }

    fn unseen(&self, cid: &Cid) -> Error {
        let done = if self.is_collecting { "nothing more" } else { "nothing" };
        let message = format!("block {cid} is kept and cannot be read, so {done} was collected");
        Error::corrupt(message).with_hint(DAMAGE_HINT)
    }

    /// Notes what a record says; adds the datasets and tags that it sets and the pins that it makes.
    fn take(&mut self, payload: &Payload, new: &mut News) -> Result<(), Error> {
        match payload {
            Payload::Delta { delta } => {
                self.keep(delta);
                for change in delta_at(&self.inner.store, delta)?.delta().changes.clone() {
                    match change {
                        Change::Set { tag: Some(_), commit, .. } => new.tagged.push(commit),
                        Change::Set { name, commit, .. } => new.heads.push((name, vec![commit])),
                        // At worst more is kept than need be, until the next time.
                        Change::Unset { tag: Some(_), .. } => {}
                        Change::Unset { name, .. } => drop(self.expired.remove(&name)),
                    }
                }
            }
            Payload::Pin { cid, .. } => new.pins.push(*cid),
            Payload::Unpin { .. } => {}
            Payload::Expire { name, oldest } => {
                self.expired.insert(expired_name(name)?, *oldest);
            }
        }
        Ok(())
    }
}

/// What the view or new records keep alive.
#[derive(Default)]
struct News {
    heads: Vec<(Name, Vec<Cid>)>,
    tagged: Vec<Cid>,
    pins: Vec<Cid>,
}

impl Liveness for Marks<'_> {
    type Error = Error;

    fn update(&mut self, records: &[Record]) -> Result<(), Error> {
        self.is_collecting = true;
        let mut new = News::default();
        for record in records {
            // Those that the view had already are marked.
            if record.lsn > self.seen {
                self.take(&record.payload, &mut new)?;
                self.seen = record.lsn;
            }
        }
        self.roots(new)
    }

    fn is_live(&self, cid: &Cid) -> bool {
        // A digest of another length was not marked, and so is not judged.
        digest(cid).is_none_or(|digest| self.live.contains(&digest))
    }
}

/// Returns every version that a name or tag stands for now.
fn heads(entry: &Entry) -> Vec<Cid> {
    let others = entry.others.iter().map(|other| other.commit);
    std::iter::once(entry.commit).chain(others).collect()
}

fn digest(cid: &Cid) -> Option<[u8; 32]> {
    <[u8; 32]>::try_from(cid.hash().digest()).ok()
}

#[cfg(test)]
mod tests;

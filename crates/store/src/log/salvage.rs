//! Finds what is whole in a log that is damaged before its end. It changes nothing.
//!
//! What has no whole record is lost, unless it is the torn end of the log, which nobody was
//! promised. What a checkpoint covers was promised.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::checkpoint::{Checkpoint, CheckpointName};
use super::listing::list;
use super::reader::Tail;
use super::record::Extent;
use super::resume::all_sound;
use super::scan::{Scan, Spot, scan};
use super::segment::{HEADER_BYTES, SegmentName};
use super::{LogFolder, LogLock, Lsn, Retirement, corrupt};
use crate::error::StoreError;
use crate::pack::PackId;

/// The most records that are taken for lost before a segment, for which records without payload
/// are written. It is more than a segment holds; a name that is further ahead is not believed.
const GAP_MAX: u64 = 1 << 22;

/// Records of the log that are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecords {
    /// The first of them.
    pub first: Lsn,
    /// The last of them.
    pub last: Lsn,
    /// The segment that held them or, where that is missing, the first that was replaced.
    pub segment: PathBuf,
    /// Where in it they began, in bytes.
    pub offset: u64,
}

/// What is to be done about a damaged log: one segment from the first damaged place on.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    /// The new segment.
    pub(super) name: SegmentName,
    /// The number of the last record before it.
    pub(super) before: u64,
    /// Its chain value.
    pub(super) carried: u32,
    /// Records up to this one were durable: a checkpoint covers them.
    proven: u64,
    /// The number of the last record of the new segment.
    pub(super) end: u64,
    /// The whole records of the new segment, in order.
    pub(super) spots: Vec<Spot>,
    /// The segments that it takes the place of.
    pub(super) replaced: Vec<SegmentName>,
    /// Those of them that lack something or in which something cannot be read.
    pub(super) damaged: Vec<SegmentName>,
    /// The checkpoints of this log whose last records are lost.
    pub(super) bereft: Vec<u64>,
    /// The checkpoints whose last records are lost and of which nothing tells of what log they are.
    pub(super) strays: Vec<u64>,
    /// What whole records say of packs, in all segments.
    pub(crate) extents: HashMap<PackId, Extent>,
    /// The packs that whole records retired.
    pub(crate) retired: HashSet<PackId>,
    /// What lost records announced, as a checkpoint has it.
    pub(crate) announced_unread: Vec<Extent>,
    /// The packs that lost records retired, as a checkpoint has it.
    pub(crate) retired_unread: Vec<PackId>,
}

/// What whole records say of packs, and their numbers.
#[derive(Default)]
struct Said {
    announcements: Vec<(u64, Extent)>,
    retirements: Vec<Retirement>,
}

/// A sound checkpoint, and whether it is known to be of this log.
struct Proof {
    checkpoint: Checkpoint,
    fits: bool,
}

/// Finds what can be saved of the log; none when it is not damaged before its end.
pub(crate) fn salvage(folder: &LogFolder, _held: &LogLock) -> Result<Option<Salvage>, StoreError> {
    let damage = match Tail::default().follow(folder, true) {
        Ok(()) => return Ok(None),
        Err(error @ StoreError::LogCorrupt { .. }) => error,
        Err(error) => return Err(error),
    };
    let listing = list(folder)?;
    let epoch = listing.next_epoch(folder)?;
    let proof = |checkpoint| Proof { checkpoint, fits: false };
    let mut proofs: Vec<Proof> = all_sound(folder)?.into_iter().map(proof).collect();
    let proven = proofs.first().map_or(0, |newest| newest.checkpoint.last());
    let mut salvage = Salvage { proven, ..Salvage::default() };
    let mut said = Said::default();
    for (at, name) in listing.live.iter().enumerate() {
        let mut scan = scan(folder, *name)?;
        said.announcements.append(&mut scan.announcements);
        said.retirements.append(&mut scan.retirements);
        proofs.iter_mut().for_each(|proof| proof.fits |= scan.leads_to(&proof.checkpoint));
        let next = listing.live.get(at + 1).map(|next| next.first_lsn);
        if salvage.replaced.is_empty() && salvage.goes_on_in(&scan, next) {
            salvage.pass(&scan);
        } else {
            salvage.take(folder, scan, next)?;
        }
    }
    // Without any segment there is nothing to replace, and yet everything may be lost.
    if salvage.replaced.is_empty() && salvage.before >= proven {
        return Err(damage);
    }
    salvage.reach_proven(folder)?;
    salvage.drop_torn(listing.live.last());
    salvage.name = SegmentName { first_lsn: salvage.before + 1, epoch };
    salvage.weigh(said, &mut proofs);
    Ok(Some(salvage))
}

impl Salvage {
    fn announce(&mut self, extent: &Extent) {
        let known = self.extents.entry(extent.pack).or_insert(*extent);
        if known.len <= extent.len {
            *known = *extent;
        }
    }

    /// Takes what records and checkpoints say of packs, and looks what becomes of the checkpoints.
    /// What was torn says nothing.
    fn weigh(&mut self, said: Said, proofs: &mut [Proof]) {
        let Said { announcements, retirements } = said;
        let end = self.end;
        for (_, extent) in announcements.iter().filter(|(lsn, _)| *lsn <= end) {
            self.announce(extent);
        }
        let kept = retirements.into_iter().filter(|retirement| retirement.lsn <= end);
        self.retired = kept.map(|retirement| retirement.pack).collect();
        for Proof { checkpoint, fits } in proofs.iter_mut() {
            // A repair that ended before its last step let it end with a record of its own.
            *fits |= checkpoint.position.segment == Some(self.name);
            let last = checkpoint.last();
            if last > self.before && self.spots.binary_search_by_key(&last, |s| s.lsn).is_err() {
                if *fits { &mut self.bereft } else { &mut self.strays }.push(last);
            }
        }
        // An older one may have as announced what was retired before the newer one.
        if let Some(newest) = proofs.iter().find(|proof| proof.fits) {
            self.believe(&newest.checkpoint);
        }
        self.extents.retain(|pack, _| !self.retired.contains(pack));
        self.announced_unread.retain(|extent| !self.retired.contains(&extent.pack));
    }

    /// Takes from a checkpoint what lost records said of packs.
    fn believe(&mut self, checkpoint: &Checkpoint) {
        for extent in &checkpoint.extents {
            if self.extents.get(&extent.pack).is_none_or(|known| known.len < extent.len) {
                self.announced_unread.push(*extent);
            }
            self.announce(extent);
        }
        for Retirement { pack, .. } in &checkpoint.retired {
            if self.retired.insert(*pack) {
                self.retired_unread.push(*pack);
            }
        }
    }

    /// Returns whether a segment follows what came before and is sound up to the next one.
    fn goes_on_in(&self, scan: &Scan, next: Option<u64>) -> bool {
        let (mut last, mut chain) = (self.before, self.carried);
        let mut more = false;
        for spot in &scan.spots {
            if spot.lsn != last + 1 || spot.prev != chain {
                return false;
            }
            (last, chain, more) = (spot.lsn, spot.chain, spot.more);
        }
        let ends = match next {
            Some(next) => next == last + 1 && !more && !scan.is_torn,
            None => last >= self.proven,
        };
        let begins = scan.carried == Some(self.carried) && scan.name.first_lsn == self.before + 1;
        begins && ends && !scan.is_broken
    }

    /// Moves behind a sound segment.
    fn pass(&mut self, scan: &Scan) {
        if let Some(last) = scan.spots.last() {
            (self.before, self.carried) = (last.lsn, last.chain);
        }
        self.end = self.before;
    }

    /// Takes what is whole of a segment; `next` is the first record of the one after it.
    fn take(
        &mut self,
        folder: &LogFolder,
        scan: Scan,
        next: Option<u64>,
    ) -> Result<(), StoreError> {
        let Scan { name, carried, spots, is_broken, is_torn, .. } = scan;
        self.replaced.push(name);
        let end = spots.last().map_or(name.first_lsn, |spot| spot.lsn.saturating_add(1));
        let is_short = next.unwrap_or(self.proven.saturating_add(1)) > end;
        if carried.is_none() || is_broken || is_torn || is_short {
            self.damaged.push(name);
        }
        // What the name of a file says counts only if something within agrees.
        if carried.is_some() || !spots.is_empty() {
            if name.first_lsn.saturating_sub(self.end) > GAP_MAX {
                let detail = format!(
                    "the segment is too far ahead of record {}; if those between are in a backup, put \
                     their segments back, else move this file out of the folder, then repair again",
                    self.end
                );
                return Err(corrupt(&folder.segment_path(name), 0, detail));
            }
            self.end = self.end.max(name.first_lsn.saturating_sub(1));
        }
        for spot in spots {
            if spot.lsn > self.end {
                self.end = spot.lsn;
                self.spots.push(spot);
            }
        }
        Ok(())
    }

    /// Counts what a checkpoint covers as part of the log, whether anything is left of it or not.
    fn reach_proven(&mut self, folder: &LogFolder) -> Result<(), StoreError> {
        let Self { proven, end, .. } = *self;
        if proven.saturating_sub(end) > GAP_MAX {
            let detail = format!(
                "the checkpoint of record {proven} is too far ahead of record {end}; if those between \
                 are in a backup, put their segments back, else move this file out of the folder, \
                 and the records are given up, then repair again"
            );
            return Err(corrupt(&folder.checkpoint_path(CheckpointName(proven)), 0, detail));
        }
        self.end = end.max(proven);
        Ok(())
    }

    /// Drops what may be there of a write that was torn, and a commit that is not whole, at the
    /// end of the log. `last` is its last segment: those before it were written in full, and so was
    /// what a checkpoint covers.
    fn drop_torn(&mut self, last: Option<&SegmentName>) {
        let begin = last.map_or(0, |name| name.first_lsn).max(self.before + 1);
        let begin = begin.max(self.proven.saturating_add(1));
        let from = self.spots.partition_point(|spot| spot.lsn < begin);
        let mut expected = begin;
        for at in from..self.spots.len() {
            let behind = self.spots.get(at..).unwrap_or_default();
            let Some(spot) = behind.first() else { break };
            // A record of a later write proves that the missing one was synced.
            let is_synced =
                |spot: &Spot| spot.lsn.saturating_sub(u64::from(spot.ordinal)) > expected;
            if spot.lsn != expected && !behind.iter().any(is_synced) {
                self.spots.truncate(at);
                self.end = expected - 1;
                break;
            }
            expected = spot.lsn + 1;
        }
        while let Some(last) = self.spots.last().filter(|last| last.more && last.lsn == self.end) {
            self.end = last.lsn - 1;
            self.spots.pop();
        }
    }

    /// Returns how many whole records the new segment has.
    pub(crate) fn saved(&self) -> u64 {
        self.spots.len() as u64
    }

    /// Returns the records that are lost.
    pub(crate) fn lost(&self, folder: &LogFolder) -> Vec<LostRecords> {
        let mut lost = Vec::new();
        let mut before: Option<&Spot> = None;
        let mut expected = self.before + 1;
        let ends = self.spots.iter().map(|spot| (spot.lsn, Some(spot)));
        for (lsn, spot) in ends.chain([(self.end + 1, None)]) {
            if lsn > expected {
                lost.push(self.lost_between(folder, expected, lsn - 1, before));
            }
            expected = lsn + 1;
            before = spot;
        }
        lost
    }

    /// Names the place of the lost records from `first` to `last`, which come behind `before`.
    fn lost_between(
        &self,
        folder: &LogFolder,
        first: u64,
        last: u64,
        before: Option<&Spot>,
    ) -> LostRecords {
        let held = self.replaced.iter().rev().find(|name| name.first_lsn <= first);
        let segment = held.or(self.replaced.first()).copied();
        let offset = before.filter(|spot| Some(spot.segment) == segment).map(|spot| spot.end);
        LostRecords {
            first: Lsn(first),
            last: Lsn(last),
            segment: segment.map_or_else(|| folder.path.clone(), |name| folder.segment_path(name)),
            offset: offset.unwrap_or(HEADER_BYTES as u64),
        }
    }
}

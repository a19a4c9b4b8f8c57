//! Finds what is whole in a log that is damaged before its end. It changes nothing.
//!
//! A record carries its number, the epoch of its segment and a checksum over both, so it can be
//! told behind damage without those before it. What has no whole record is lost, unless it is the
//! torn end of the log, which nobody was promised. What a checkpoint covers was promised.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::checkpoint::Checkpoint;
use super::listing::list;
use super::reader::Tail;
use super::record::{Body, Extent, Found, HEADER_BYTES as RECORD_BYTES_MIN, RawRecord, Undecoded};
use super::resume::newest_after;
use super::segment::{HEADER_BYTES, SegmentHeader, SegmentName};
use super::{LogFolder, LogLock, Lsn, Retirement, corrupt};
use crate::disk::{OpenMode, Window, read_vec};
use crate::error::StoreError;
use crate::pack::PackId;

/// The bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// The most records that are taken for lost before a segment, for which records without payload
/// are written. It is more than a segment holds; a name that is further ahead is not believed.
const GAP_MAX: u64 = 1 << 22;

/// What stands at a multiple of this may be a record.
const STEP_BYTES: u64 = super::record::ALIGN as u64;

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

/// A whole record and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) segment: SegmentName,
    pub(super) offset: u64,
    pub(super) lsn: u64,
    /// Where the record ends, in bytes.
    end: u64,
    ordinal: u32,
    more: bool,
    prev: u32,
    chain: u32,
    digest: u32,
}

/// What is to be done about a damaged log: one segment from the first damaged place on.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    /// The number of the last record before the new segment.
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
    /// What whole records say of packs, in all segments.
    pub(crate) extents: HashMap<PackId, Extent>,
    /// The packs that whole records retired.
    pub(crate) retired: HashSet<PackId>,
    /// What lost records announced, as a checkpoint has it.
    pub(crate) announced_unread: Vec<Extent>,
    /// The packs that lost records retired, as a checkpoint has it.
    pub(crate) retired_unread: Vec<PackId>,
}

/// What one segment holds.
struct Scan {
    name: SegmentName,
    /// The chain value in its header; none where that is damaged.
    carried: Option<u32>,
    spots: Vec<Spot>,
    /// What records announced, and their numbers.
    extents: Vec<Extent>,
    retirements: Vec<Retirement>,
    /// Whether something stands between the records that is none.
    is_broken: bool,
    /// Whether something stands behind them.
    is_torn: bool,
}

/// Finds what can be saved of the log; none when it is not damaged before its end.
pub(crate) fn salvage(folder: &LogFolder, _held: &LogLock) -> Result<Option<Salvage>, StoreError> {
    let damage = match Tail::default().follow(folder, true) {
        Ok(()) => return Ok(None),
        Err(error @ StoreError::LogCorrupt { .. }) => error,
        Err(error) => return Err(error),
    };
    let live = list(folder)?.live;
    let checkpoint = newest_after(folder, 0);
    let proven = checkpoint.as_ref().map_or(0, Checkpoint::last);
    let mut fits = false;
    let mut salvage = Salvage { proven, ..Salvage::default() };
    let mut retirements = Vec::new();
    for (at, name) in live.iter().enumerate() {
        let scan = scan(folder, *name)?;
        scan.extents.iter().for_each(|extent| salvage.announce(extent));
        fits |= checkpoint.as_ref().is_some_and(|checkpoint| scan.leads_to(checkpoint));
        retirements.extend_from_slice(&scan.retirements);
        let next = live.get(at + 1).map(|next| next.first_lsn);
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
    salvage.drop_torn(live.last());
    let kept = retirements.into_iter().filter(|retirement| retirement.lsn <= salvage.end);
    salvage.retired = kept.map(|retirement| retirement.pack).collect();
    if let Some(checkpoint) = checkpoint.filter(|_| fits) {
        salvage.believe(&checkpoint);
    }
    let Salvage { extents, retired, .. } = &mut salvage;
    extents.retain(|pack, _| !retired.contains(pack));
    salvage.announced_unread.retain(|extent| !salvage.retired.contains(&extent.pack));
    Ok(Some(salvage))
}

impl Scan {
    /// Returns whether this segment has the record with which `checkpoint` ends, or that before it
    /// where the other one stood: a checkpoint of another history says nothing about packs.
    fn leads_to(&self, checkpoint: &Checkpoint) -> bool {
        let at = &checkpoint.position;
        let is_segment = at.segment == Some(self.name);
        self.spots.iter().any(|spot| {
            let is_last = (spot.lsn, spot.digest) == (at.last, at.digest);
            is_last || (is_segment && (spot.lsn + 1, spot.end) == (at.last, at.record))
        })
    }
}

impl Salvage {
    fn announce(&mut self, extent: &Extent) {
        let known = self.extents.entry(extent.pack).or_insert(*extent);
        if known.len <= extent.len {
            *known = *extent;
        }
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
                let detail = format!("the segment is too far ahead of record {}", self.end);
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
            let detail = format!("the checkpoint of record {proven} is too far ahead of {end}");
            return Err(corrupt(&folder.path, 0, detail));
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

/// Reads everything in a segment that is a whole record.
fn scan(folder: &LogFolder, name: SegmentName) -> Result<Scan, StoreError> {
    let path = folder.segment_path(name);
    let refused = |error| StoreError::read(&path, error);
    let file = folder.disk.open(&path, OpenMode::Read).map_err(refused)?;
    let header = read_vec(file.as_ref(), 0, HEADER_BYTES).map_err(refused)?;
    let carried = SegmentHeader::parse(&header, name).ok().map(|header| header.carried);
    let mut scan = Scan {
        name,
        carried,
        spots: Vec::new(),
        extents: Vec::new(),
        retirements: Vec::new(),
        is_broken: false,
        is_torn: false,
    };
    let mut window = Window::new(file.as_ref(), READ_BYTES);
    let mut at = HEADER_BYTES as u64;
    let mut end = at;
    let size = file.size().map_err(refused)?;
    while at < size {
        match RawRecord::read(&mut window, at, name.epoch).map_err(refused)? {
            Found::Record(record) if is_plausible(name, at, record.lsn) => {
                let offset = at;
                at += record.size();
                match record.decode() {
                    Ok((body, extents)) => {
                        scan.is_broken |= offset != end;
                        let lsn = record.lsn;
                        scan.extents.extend(extents);
                        if let Body::Retire(packs) = body {
                            let retired = packs.into_iter().map(|pack| Retirement { pack, lsn });
                            scan.retirements.extend(retired);
                        }
                        scan.spots.push(Spot::new(&record, name, offset));
                        scan.is_torn = false;
                        end = at;
                    }
                    Err(Undecoded::Payload(_)) => scan.is_torn = true,
                    Err(newer) => return Err(newer.at(record.lsn, &path, offset)),
                }
            }
            Found::Nothing => at = zeros_end(&mut window, at).map_err(refused)?,
            Found::Record(_) | Found::Bad(_) => {
                scan.is_torn = true;
                at += STEP_BYTES;
            }
        }
    }
    Ok(scan)
}

/// Returns whether so many records can stand in a segment before `offset`.
fn is_plausible(name: SegmentName, offset: u64, lsn: u64) -> bool {
    let before = offset.saturating_sub(HEADER_BYTES as u64) / RECORD_BYTES_MIN as u64;
    lsn >= name.first_lsn && lsn - name.first_lsn <= before
}

/// Returns where the zeros that begin at `at` end, rounded down to where a record may be.
fn zeros_end(window: &mut Window<'_>, at: u64) -> std::io::Result<u64> {
    let bytes = window.at(at, READ_BYTES)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count() as u64;
    Ok(at + (zeros / STEP_BYTES * STEP_BYTES).max(STEP_BYTES))
}

impl Spot {
    fn new(record: &RawRecord, segment: SegmentName, offset: u64) -> Self {
        Self {
            segment,
            offset,
            lsn: record.lsn,
            end: offset + record.size(),
            ordinal: record.ordinal,
            more: record.more(),
            prev: record.prev,
            chain: record.chain,
            digest: record.digest(),
        }
    }
}

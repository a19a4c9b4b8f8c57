//! Reads one segment of a damaged log: every record in it that is whole, wherever it stands.
//!
//! A record carries its number, the epoch of its segment and a checksum over both, so it can be
//! told behind damage without those before it. What the records amount to, and which are lost, is
//! not decided here.

use super::checkpoint::Checkpoint;
use super::record::{Body, Extent, Found, HEADER_BYTES as RECORD_BYTES_MIN, RawRecord, Undecoded};
use super::segment::{HEADER_BYTES, SegmentHeader, SegmentName};
use super::{LogFolder, Retirement};
use crate::disk::{OpenMode, Window, read_vec};
use crate::error::StoreError;

/// The bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// What stands at a multiple of this may be a record.
const STEP_BYTES: u64 = super::record::ALIGN as u64;

/// A whole record and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) segment: SegmentName,
    pub(super) offset: u64,
    pub(super) lsn: u64,
    /// Where the record ends, in bytes.
    pub(super) end: u64,
    pub(super) ordinal: u32,
    pub(super) more: bool,
    pub(super) prev: u32,
    pub(super) chain: u32,
    pub(super) digest: u32,
}

/// What one segment holds.
pub(super) struct Scan {
    pub(super) name: SegmentName,
    /// The chain value in its header; none where that is damaged.
    pub(super) carried: Option<u32>,
    pub(super) spots: Vec<Spot>,
    /// What records announced, and their numbers.
    pub(super) announcements: Vec<(u64, Extent)>,
    pub(super) retirements: Vec<Retirement>,
    /// Whether something stands between the records that is none.
    pub(super) is_broken: bool,
    /// Whether something stands behind them.
    pub(super) is_torn: bool,
}

impl Scan {
    fn new(name: SegmentName, carried: Option<u32>) -> Self {
        Self {
            name,
            carried,
            spots: Vec::new(),
            announcements: Vec::new(),
            retirements: Vec::new(),
            is_broken: false,
            is_torn: false,
        }
    }

    fn take(&mut self, record: &RawRecord, said: (Body, Vec<Extent>), offset: u64) {
        let (lsn, (body, extents)) = (record.lsn, said);
        self.announcements.extend(extents.into_iter().map(|extent| (lsn, extent)));
        if let Body::Retire(packs) = body {
            self.retirements.extend(packs.into_iter().map(|pack| Retirement { pack, lsn }));
        }
        self.spots.push(Spot::new(record, self.name, offset));
        self.is_torn = false;
    }

    /// Returns whether what is whole here shows that the record with which `checkpoint` ends was one
    /// of this log: it is here, or what comes before it ends where it began, or what comes behind
    /// carries its chain value on. A checkpoint of another history says nothing.
    pub(super) fn leads_to(&self, checkpoint: &Checkpoint) -> bool {
        let at = &checkpoint.position;
        let is_segment =
            at.segment == Some(self.name) && self.carried.is_none_or(|chain| chain == at.carried);
        let next = at.last.saturating_add(1);
        let goes_on = self.name.first_lsn == next && self.carried == Some(at.chain);
        let is_first = is_segment && self.carried.is_some() && at.record == HEADER_BYTES as u64;
        goes_on
            || is_first
            || self.spots.iter().any(|spot| {
                let is_last = (spot.lsn, spot.digest) == (at.last, at.digest);
                let is_next = (spot.lsn, spot.prev) == (next, at.chain);
                let is_before = (spot.lsn.saturating_add(1), spot.end) == (at.last, at.record);
                is_last || is_next || (is_segment && is_before)
            })
    }
}

/// Reads everything in a segment that is a whole record.
pub(super) fn scan(folder: &LogFolder, name: SegmentName) -> Result<Scan, StoreError> {
    let path = folder.segment_path(name);
    let refused = |error| StoreError::read(&path, error);
    let file = folder.disk.open(&path, OpenMode::Read).map_err(refused)?;
    let header = read_vec(file.as_ref(), 0, HEADER_BYTES).map_err(refused)?;
    let carried = SegmentHeader::parse(&header, name).ok().map(|header| header.carried);
    let mut scan = Scan::new(name, carried);
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
                    Ok(said) => {
                        scan.is_broken |= offset != end;
                        scan.take(&record, said, offset);
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

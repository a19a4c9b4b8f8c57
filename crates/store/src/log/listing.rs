//! Which segments the log's folder holds, and which of them count.

use super::segment::SegmentName;
use super::{LogFolder, corrupt};
use crate::error::StoreError;

/// How often the folder is listed until it holds still.
const LISTS_MAX: u32 = 8;

/// The segments in the log's folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Those that count, in order: of each first record the one with the highest epoch, and of
    /// those with different ones none whose epoch is below that of one before.
    pub(super) live: Vec<SegmentName>,
    /// Names of drafts and of segments that were replaced.
    pub(super) stale: Vec<String>,
    /// The highest epoch of all.
    pub(super) epoch_max: u64,
}

impl Listing {
    /// Counts segments as stale whose epoch is below that of one before them: epochs rise along
    /// the log, but for a repair, which puts one segment in the place of all behind it.
    fn set_replaced_apart(&mut self) {
        let mut epoch = 0;
        for segment in std::mem::take(&mut self.live) {
            if segment.epoch < epoch {
                self.stale.push(segment.to_string());
            } else {
                epoch = segment.epoch;
                self.live.push(segment);
            }
        }
    }

    /// Returns an epoch above that of every segment.
    pub(super) fn next_epoch(&self, folder: &LogFolder) -> Result<u64, StoreError> {
        let next = self.epoch_max.checked_add(1);
        next.ok_or_else(|| corrupt(&folder.path, 0, "a segment has the last epoch that there is"))
    }
}

/// Lists the segments.
pub(super) fn list(folder: &LogFolder) -> Result<Listing, StoreError> {
    let mut names = match folder.disk.list(&folder.path) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(StoreError::read(&folder.path, error)),
    };
    names.sort_unstable();
    let mut listing = Listing::default();
    for name in names {
        let Some(segment) = SegmentName::parse(&name) else {
            if name.ends_with(".wal.tmp") {
                listing.stale.push(name);
            }
            continue;
        };
        listing.epoch_max = listing.epoch_max.max(segment.epoch);
        match listing.live.last_mut().filter(|last| last.first_lsn == segment.first_lsn) {
            Some(last) => {
                // Sorting by name puts the lower epoch first, up to the width of its digits.
                let (stale, live) = (segment.min(*last), segment.max(*last));
                listing.stale.push(stale.to_string());
                *last = live;
            }
            None => listing.live.push(segment),
        }
    }
    listing.set_replaced_apart();
    Ok(listing)
}

/// Lists the segments until the folder holds still: a name that is added and one that is removed
/// while the folder is read may both be missed.
pub(super) fn list_settled(folder: &LogFolder) -> Result<Listing, StoreError> {
    let mut before = list(folder)?;
    for _ in 0..LISTS_MAX {
        let now = list(folder)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    Ok(before)
}

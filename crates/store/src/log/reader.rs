//! Follows the log without taking its lock.
//!
//! A [`Tail`] remembers how far this process has read. To read on it lists the segments and goes
//! on where it stopped, also when the segment it stood in was replaced meanwhile by a copy of a
//! higher epoch. It changes nothing: what looks torn is left to whoever holds the lock.

use std::collections::VecDeque;

use bytes::Bytes;

use super::checkpoint::Checkpoint;
use super::listing::{list, list_settled};
use super::record::{Body, Extent, RawRecord, Undecoded};
use super::resume::newest_after;
use super::segment::{SegmentHeader, SegmentName};
use super::walk::{Position, Rest, Step, Walk, open_segment};
use super::writer::{Active, read_dirty};
use super::{LogFolder, LogLock, Lsn, Record, corrupt};
use crate::disk::{DiskFile, OpenMode};
use crate::error::StoreError;
use crate::pack::PackId;
use crate::queue::Operations;
use crate::stats::LogStats;

/// The records that are kept in memory for those who ask again and again.
const RECENT_MAX: usize = 1024;

/// How often the log is looked at again when what was seen does not fit together: a segment may
/// be replaced, and a record written, between two looks.
pub(super) const LOOKS_MAX: u32 = 4;

/// The log as far as this process has read it.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(super) position: Position,
    /// Whether something unreadable stands behind the position, which the next writer replaces.
    pub(super) torn: bool,
    /// Where this process is appending, or failed to: it reads no further in that segment.
    pub(super) ceiling: Option<(SegmentName, u64)>,
    /// The segment that this process failed to sync, and how it failed.
    pub(super) poisoned: Option<(SegmentName, StoreError)>,
    /// The segment that this process wrote to last, if that went well.
    pub(super) active: Option<Active>,
    /// The last record that carries a payload, and how many there are.
    visible: Lsn,
    records: u64,
    /// All records after `recent_from` that carry a payload.
    recent: VecDeque<Record>,
    recent_from: u64,
    /// What the records said about packs, until somebody takes it.
    extents: Vec<Extent>,
    retirements: Vec<Retirement>,
    /// What the records amount to that speak of operations.
    operations: Operations,
}

/// A pack that no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retirement {
    pub(crate) pack: PackId,
    /// The record that said so.
    pub(crate) lsn: u64,
}

/// A decoded record.
#[derive(Debug)]
struct Entry {
    lsn: u64,
    body: Body,
    extents: Vec<Extent>,
}

impl Tail {
    /// Returns a tail that goes on at `position`, where `checkpoint` ends.
    pub(super) fn resume(position: Position, checkpoint: &Checkpoint) -> Self {
        Self {
            position,
            visible: checkpoint.visible,
            records: checkpoint.records,
            recent_from: checkpoint.visible.0,
            extents: checkpoint.extents.clone(),
            retirements: checkpoint.retired.clone(),
            operations: checkpoint.operations.clone(),
            ..Self::default()
        }
    }

    /// Returns what the log up to here amounts to, by what is known elsewhere of packs and by
    /// `state`; none when it is empty.
    pub(crate) fn checkpoint(
        &self,
        extents: Vec<Extent>,
        retired: Vec<Retirement>,
        state: Bytes,
    ) -> Option<Checkpoint> {
        self.position.segment?;
        let Self { position, visible, records, .. } = *self;
        let operations = self.operations.clone();
        Some(Checkpoint { position, visible, records, extents, retired, operations, state })
    }

    /// Reads on to the end of the log. `strict` also looks behind the end, for damage that looks
    /// like one; that is worth its time once, when the log is opened.
    pub(crate) fn follow(&mut self, folder: &LogFolder, strict: bool) -> Result<(), StoreError> {
        let is_at_end = |active: &Active| active.ends_at_unlocked(&self.position, folder);
        if !strict && !self.torn && self.active.as_ref().is_some_and(is_at_end) {
            return Ok(());
        }
        for _ in 1..LOOKS_MAX {
            match self.follow_proven(folder, strict) {
                Err(StoreError::LogCorrupt { .. }) => {}
                Err(error) if error.is_absence() => {}
                done => return done,
            }
        }
        self.follow_proven(folder, strict)
    }

    /// Reads on to the end of the log. Where that looks torn, or is looked at closely, it must not
    /// be before what a checkpoint covers: that was durable, so what is missing of it is damage. A
    /// checkpoint that is asked and cannot be read is an error, for it may prove just that.
    fn follow_proven(&mut self, folder: &LogFolder, strict: bool) -> Result<(), StoreError> {
        self.follow_once(folder, strict)?;
        if !strict && !self.torn {
            return Ok(());
        }
        let Some(proof) = newest_after(folder, self.position.last)? else { return Ok(()) };
        // Others may have written both, record and checkpoint, since this process read the log.
        self.follow_once(folder, strict)?;
        if self.position.last >= proof.last() {
            return Ok(());
        }
        Err(self.ends_before(folder, &proof))
    }

    /// Names the place where records are missing that `proof` covers.
    pub(super) fn ends_before(&self, folder: &LogFolder, proof: &Checkpoint) -> StoreError {
        let Position { segment, offset, last, .. } = self.position;
        let path = segment.map_or_else(|| folder.path.clone(), |name| folder.segment_path(name));
        let proven = proof.last();
        let detail = format!("the log ends with record {last}, and a checkpoint covers {proven}");
        corrupt(&path, offset, detail)
    }

    /// Reads on to the end of the log under its lock. Where a writer failed in the middle of a
    /// commit, and be it this process, what it left behind counts from now on: others may have
    /// read it, so it stays. Only a segment that this process failed to sync is not read on.
    pub(crate) fn follow_locked(
        &mut self,
        folder: &LogFolder,
        held: &LogLock,
    ) -> Result<(), StoreError> {
        let is_at_end = |active: &Active| !self.torn && active.ends_at(&self.position, held);
        if self.active.as_ref().is_some_and(is_at_end) {
            return Ok(());
        }
        self.active = None;
        let poisoned = self.poisoned.as_ref().map(|(segment, _)| *segment);
        let is_poisoned = poisoned.is_some() && poisoned == self.position.segment;
        if !is_poisoned {
            self.ceiling = None;
        }
        self.follow(folder, false)
    }

    fn follow_once(&mut self, folder: &LogFolder, strict: bool) -> Result<(), StoreError> {
        let live = list_settled(folder)?.live;
        if live.is_empty() && self.position.last == 0 {
            self.position = Position::default();
            return Ok(());
        }
        // A segment that was replaced is entered again, even at its end: its copy has other chain
        // values, and the segment after it goes on from those.
        let first = self.position.segment.map_or(1, |segment| segment.first_lsn);
        let begin =
            live.iter().position(|segment| segment.first_lsn == first).ok_or_else(|| {
                corrupt(
                    &folder.path,
                    0,
                    format!("the segment that begins with record {first} is gone"),
                )
            })?;
        let mut rest = live.get(begin..).unwrap_or_default().iter().peekable();
        while let Some(name) = rest.next() {
            self.follow_segment(folder, *name, rest.peek().map(|next| next.first_lsn), strict)?;
        }
        Ok(())
    }

    /// Reads one segment to its end; `next` is the first record of the one after it.
    fn follow_segment(
        &mut self,
        folder: &LogFolder,
        name: SegmentName,
        next: Option<u64>,
        strict: bool,
    ) -> Result<(), StoreError> {
        let path = folder.segment_path(name);
        let (file, header) = open_segment(folder, name)?;
        let position = self.enter(folder, name, header, file.as_ref())?;
        if self.position.segment != Some(name) {
            self.torn = false;
            self.position = position;
        }
        let mut walk = Walk::new(folder, name, file.as_ref(), position);
        let stop = self.read_commits(&mut walk)?;
        let at = walk.position;
        let unfinished = at.last != self.position.last;
        let damage = |detail: &str| corrupt(&path, at.offset, detail);
        let detail = match stop {
            Stop::Ceiling => return Ok(()),
            Stop::Bad(detail) => detail,
            Stop::End if unfinished => "a commit is cut short",
            Stop::End => "records are missing",
        };
        match next {
            Some(next) if matches!(stop, Stop::End) && !unfinished && next == at.last + 1 => Ok(()),
            Some(_) => Err(damage(detail)),
            None if matches!(stop, Stop::End) && !unfinished && !strict => Ok(()),
            None => {
                self.torn = match walk.rest()? {
                    Rest::LaterWrite => return Err(damage(detail)),
                    Rest::Torn => true,
                    Rest::Zeros => unfinished,
                };
                Ok(())
            }
        }
    }

    /// Takes commits from `walk` as long as they are whole.
    fn read_commits(&mut self, walk: &mut Walk<'_>) -> Result<Stop, StoreError> {
        let mut commit = Vec::new();
        loop {
            if self.ceiling.is_some_and(|(segment, offset)| {
                segment == walk.name && walk.position.offset >= offset
            }) {
                return Ok(Stop::Ceiling);
            }
            let at = walk.position.offset;
            match walk.next()? {
                Step::End => return Ok(Stop::End),
                Step::Bad(detail) => return Ok(Stop::Bad(detail)),
                Step::Record(record) => {
                    let entry = Entry::decode(&record);
                    let entry =
                        entry.map_err(|undecoded| undecoded.at(record.lsn, &walk.path, at))?;
                    if record.more() {
                        commit.push(entry);
                    } else {
                        commit.drain(..).for_each(|entry| self.take(entry));
                        self.take(entry);
                        self.position = walk.position;
                        self.torn = false;
                    }
                }
            }
        }
    }

    /// Returns where to read on in segment `name`.
    fn enter(
        &self,
        folder: &LogFolder,
        name: SegmentName,
        header: SegmentHeader,
        file: &dyn DiskFile,
    ) -> Result<Position, StoreError> {
        let path = folder.segment_path(name);
        let here = self.position;
        let begin = Position::begin(name, header);
        let replaced = here.segment.is_some_and(|segment| segment.first_lsn == name.first_lsn);
        let carried = if replaced { here.carried } else { here.chain };
        if header.carried != carried {
            return Err(corrupt(&path, 0, "the segment does not follow the one before it"));
        }
        if here.segment == Some(name) {
            return Ok(here);
        }
        if begin.last == here.last {
            return Ok(Position { digest: here.digest, ..begin });
        }
        let mut walk = Walk::new(folder, name, file, begin);
        while walk.position.last < here.last {
            if !matches!(walk.next()?, Step::Record(_)) {
                break;
            }
        }
        if walk.position.last != here.last || walk.position.digest != here.digest {
            let detail = format!("record {}, which was read before, is gone", here.last);
            return Err(corrupt(&path, walk.position.offset, detail));
        }
        Ok(walk.position)
    }

    fn take(&mut self, entry: Entry) {
        self.extents.extend(entry.extents);
        self.see(entry.lsn, entry.body);
    }

    fn see(&mut self, lsn: u64, body: Body) {
        let payload = match body {
            Body::Nothing => return,
            Body::Payload(payload) => payload,
            Body::Operation(event) => return self.operations.apply(Lsn(lsn), event),
            Body::Retire(packs) => {
                self.retirements.extend(packs.into_iter().map(|pack| Retirement { pack, lsn }));
                return;
            }
        };
        self.visible = Lsn(lsn);
        self.records += 1;
        self.recent.push_back(Record { lsn: self.visible, payload });
        if self.recent.len() > RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_from = oldest.lsn.0;
        }
    }

    /// Takes in what this process itself appended.
    pub(super) fn appended(&mut self, end: Position, bodies: impl Iterator<Item = (u64, Body)>) {
        self.position = end;
        self.torn = false;
        for (lsn, body) in bodies {
            self.see(lsn, body);
        }
    }

    /// Returns the number of the last record of any kind.
    pub(crate) fn last(&self) -> u64 {
        self.position.last
    }

    /// Returns the last record that carries a payload.
    pub(crate) fn visible(&self) -> Lsn {
        self.visible
    }

    /// Returns the queue.
    pub(crate) fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Returns how many records carry a payload.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Returns the records after `lsn` where memory still has them all.
    pub(crate) fn recent_after(&self, lsn: Lsn) -> Option<Vec<Record>> {
        if lsn.0 < self.recent_from {
            return None;
        }
        let begin = self.recent.partition_point(|record| record.lsn <= lsn);
        Some(self.recent.range(begin..).cloned().collect())
    }

    /// Takes what the records said about packs since the last time.
    pub(crate) fn take_extents(&mut self) -> Vec<Extent> {
        std::mem::take(&mut self.extents)
    }

    /// Takes which packs the records retired since the last time. None of them is announced later.
    pub(crate) fn take_retirements(&mut self) -> Vec<Retirement> {
        std::mem::take(&mut self.retirements)
    }
}

/// Why reading stopped.
enum Stop {
    End,
    Ceiling,
    Bad(&'static str),
}

impl Entry {
    fn decode(record: &RawRecord) -> Result<Self, Undecoded> {
        let (body, extents) = record.decode()?;
        Ok(Self { lsn: record.lsn, body, extents })
    }
}

/// Reads the records after `after` up to `last` from the files; both are known to be committed.
pub(crate) fn records_between(
    folder: &LogFolder,
    after: Lsn,
    last: u64,
) -> Result<Vec<Record>, StoreError> {
    for _ in 1..LOOKS_MAX {
        match records_between_once(folder, after, last) {
            Err(StoreError::LogCorrupt { .. }) => {}
            Err(error) if error.is_absence() => {}
            done => return done,
        }
    }
    records_between_once(folder, after, last)
}

fn records_between_once(
    folder: &LogFolder,
    after: Lsn,
    last: u64,
) -> Result<Vec<Record>, StoreError> {
    let gone = |lsn: u64| corrupt(&folder.path, 0, format!("record {lsn} is gone"));
    let live = list_settled(folder)?.live;
    let begin = live
        .iter()
        .rposition(|segment| segment.first_lsn <= after.0 + 1)
        .ok_or_else(|| gone(after.0 + 1))?;
    let mut records = Vec::new();
    let mut read = after.0;
    for name in live.get(begin..).unwrap_or_default() {
        let (file, header) = open_segment(folder, *name)?;
        let mut walk = Walk::new(folder, *name, file.as_ref(), Position::begin(*name, header));
        while read < last {
            let Step::Record(record) = walk.next()? else {
                break;
            };
            if record.lsn <= read {
                continue;
            }
            // A segment that ended early, by damage, does not end the log.
            if record.lsn != read + 1 {
                return Err(gone(read + 1));
            }
            read = record.lsn;
            let (body, _) = record
                .decode()
                .map_err(|undecoded| undecoded.at(record.lsn, &walk.path, walk.position.offset))?;
            if let Body::Payload(payload) = body {
                records.push(Record { lsn: Lsn(record.lsn), payload });
            }
        }
    }
    if read < last {
        return Err(gone(read + 1));
    }
    Ok(records)
}

/// Returns figures about the log; `records` and `last_lsn` come from a tail.
pub(crate) fn stats(folder: &LogFolder, records: u64, last_lsn: Lsn) -> LogStats {
    let live = list(folder).map(|listing| listing.live).unwrap_or_default();
    let size = |name: &SegmentName| {
        let file = folder.disk.open(&folder.segment_path(*name), OpenMode::Read);
        file.and_then(|file| file.size()).unwrap_or(0)
    };
    LogStats {
        segments: live.len() as u64,
        bytes: live.iter().map(size).sum(),
        records,
        last_lsn,
        epoch: live.last().map_or(0, |name| name.epoch),
        // A figure for people; nothing rests on it.
        dirty: read_dirty(folder).is_ok_and(|is_dirty| is_dirty),
    }
}

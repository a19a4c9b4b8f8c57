//! Reads the log from any record on, a number of records at a time, whatever they say.
//!
//! It is for those who show or copy the log. Who follows it to know what it amounts to uses the
//! tail.

use bytes::Bytes;

use super::listing::list_settled;
use super::reader::LOOKS_MAX;
use super::record::{Body, RawRecord};
use super::walk::{Position, Step, Walk, open_segment};
use super::{LogFolder, Lsn, Payload, corrupt};
use crate::error::StoreError;
use crate::queue::Event;

/// Payloads of so many bytes are enough at a time.
const BYTES_AT_ONCE: usize = 8 << 20;

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its number.
    pub lsn: Lsn,
    /// The number of its kind.
    pub kind: u16,
    /// Whether more records of the same commit follow.
    pub more: bool,
    /// What it says.
    pub says: Says,
    /// Its payload: DAG-CBOR.
    pub payload: Bytes,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Nothing but how far packs are good.
    Nothing,
    /// Something for the floors above.
    Payload(Payload),
    /// Packs no longer count, each by its file name.
    Retired(Vec<String>),
    /// An operation of the queue changed.
    Operation(Event),
}

/// A place in the log from which it is read on.
#[derive(Debug)]
pub struct LogCursor {
    folder: LogFolder,
    /// The last record that was read, and the last that will be.
    read: u64,
    end: u64,
    /// Where the next one stands, if that is known.
    position: Option<Position>,
}

impl LogCursor {
    /// Begins behind record `after`; `end` is known to be committed.
    pub(crate) fn new(folder: LogFolder, after: Lsn, end: Lsn) -> Self {
        Self { folder, read: after.0, end: end.0, position: None }
    }

    /// Reads up to `count` records, fewer where they are large; none at the end.
    ///
    /// # Errors
    /// `LogCorrupt` where a record is missing or cannot be read.
    pub fn next(&mut self, count: usize) -> Result<Vec<LogRecord>, StoreError> {
        let mut records = Vec::new();
        let mut looks = 1;
        while records.len() < count && self.read < self.end && bytes(&records) < BYTES_AT_ONCE {
            // A segment may be replaced while it is read.
            match self.read_on(count, &mut records) {
                Err(error)
                    if looks < LOOKS_MAX
                        && (error.is_absence()
                            || matches!(error, StoreError::LogCorrupt { .. })) =>
                {
                    looks += 1;
                    self.position = None;
                }
                read => read?,
            }
        }
        Ok(records)
    }

    /// Reads on in one segment.
    fn read_on(&mut self, count: usize, records: &mut Vec<LogRecord>) -> Result<(), StoreError> {
        let next = self.read + 1;
        let live = list_settled(&self.folder)?.live;
        let name = live.iter().rfind(|segment| segment.first_lsn <= next);
        let gone = || corrupt(&self.folder.path, 0, format!("record {next} is gone"));
        let name = *name.ok_or_else(gone)?;
        let (file, header) = open_segment(&self.folder, name)?;
        let known = self.position.filter(|position| position.segment == Some(name));
        let position = known.unwrap_or_else(|| Position::begin(name, header));
        let mut walk = Walk::new(&self.folder, name, file.as_ref(), position);
        let mut taken = bytes(records);
        while records.len() < count && self.read < self.end && taken < BYTES_AT_ONCE {
            let at = walk.position.offset;
            let Step::Record(record) = walk.next()? else { break };
            if record.lsn <= self.read {
                continue;
            }
            let read = LogRecord::new(&record);
            records.push(read.map_err(|undecoded| undecoded.at(record.lsn, &walk.path, at))?);
            self.read = record.lsn;
            taken += record.payload.len();
        }
        self.position = Some(walk.position);
        if self.read < next { Err(gone()) } else { Ok(()) }
    }
}

fn bytes(records: &[LogRecord]) -> usize {
    records.iter().map(|record| record.payload.len()).sum()
}

impl LogRecord {
    fn new(record: &RawRecord) -> Result<Self, super::record::Undecoded> {
        let (body, _) = record.decode()?;
        let says = match body {
            Body::Nothing => Says::Nothing,
            Body::Payload(payload) => Says::Payload(payload),
            Body::Retire(packs) => {
                Says::Retired(packs.iter().map(|pack| pack.file_name()).collect())
            }
            Body::Operation(event) => Says::Operation(event),
        };
        let (kind, more, payload) = (record.kind, record.more(), record.payload.clone());
        Ok(Self { lsn: Lsn(record.lsn), kind, more, says, payload })
    }
}

/// Returns the last record of every segment that another follows, in order.
pub(crate) fn closed_ends(folder: &LogFolder) -> Result<Vec<Lsn>, StoreError> {
    let live = list_settled(folder)?.live;
    let next = live.iter().skip(1);
    Ok(next.map(|segment| Lsn(segment.first_lsn.saturating_sub(1))).collect())
}

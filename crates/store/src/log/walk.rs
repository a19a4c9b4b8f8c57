//! Reads one segment record by record, without knowing what the records say.

use std::path::PathBuf;

use super::record::{Found, MAGIC, RawRecord};
use super::segment::{HEADER_BYTES, SegmentHeader, SegmentName};
use super::{LogFolder, corrupt};
use crate::disk::{DiskFile, OpenMode, Window};
use crate::error::StoreError;

/// The bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// How far the log was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The segment; none before the first is found.
    pub(super) segment: Option<SegmentName>,
    /// The chain value in that segment's header.
    pub(super) carried: u32,
    /// Where in the segment the last record begins, in bytes; 0 when it is in another.
    pub(super) record: u64,
    /// Where in the segment the next record will begin, in bytes.
    pub(super) offset: u64,
    /// The number of the last record.
    pub(super) last: u64,
    /// Its chain value.
    pub(super) chain: u32,
    /// The checksum of what it says.
    pub(super) digest: u32,
}

impl Position {
    /// Returns the place before the first record of a segment.
    pub(super) fn begin(name: SegmentName, header: SegmentHeader) -> Self {
        Self {
            segment: Some(name),
            carried: header.carried,
            record: 0,
            offset: HEADER_BYTES as u64,
            last: name.first_lsn.saturating_sub(1),
            chain: header.carried,
            digest: 0,
        }
    }

    /// Moves behind `record`.
    pub(super) fn advance(&mut self, record: &RawRecord) {
        self.record = self.offset;
        self.offset += record.size();
        self.last = record.lsn;
        self.chain = record.chain;
        self.digest = record.digest();
    }
}

/// Opens a segment and reads its header.
pub(super) fn open_segment(
    folder: &LogFolder,
    name: SegmentName,
) -> Result<(Box<dyn DiskFile>, SegmentHeader), StoreError> {
    let path = folder.segment_path(name);
    let file =
        folder.disk.open(&path, OpenMode::Read).map_err(|error| StoreError::read(&path, error))?;
    let bytes = crate::disk::read_vec(file.as_ref(), 0, HEADER_BYTES)
        .map_err(|error| StoreError::read(&path, error))?;
    let header = SegmentHeader::parse(&bytes, name).map_err(|detail| corrupt(&path, 0, detail))?;
    Ok((file, header))
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Step {
    /// The next record.
    Record(RawRecord),
    /// Nothing yet.
    End,
    /// Something unreadable, and what is wrong with it.
    Bad(&'static str),
}

/// Walks one segment record by record.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) path: PathBuf,
    pub(super) name: SegmentName,
    file: &'a dyn DiskFile,
    window: Window<'a>,
    pub(super) position: Position,
}

/// What stands behind the last good record of a segment.
pub(super) enum Rest {
    Zeros,
    Torn,
    LaterWrite,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        folder: &'a LogFolder,
        name: SegmentName,
        file: &'a dyn DiskFile,
        position: Position,
    ) -> Self {
        let path = folder.segment_path(name);
        Self { path, name, file, window: Window::new(file, READ_BYTES), position }
    }

    /// Reads the next record, which must follow the one before it.
    pub(super) fn next(&mut self) -> Result<Step, StoreError> {
        let at = self.position.offset;
        let found = RawRecord::read(&mut self.window, at, self.name.epoch)
            .map_err(|error| StoreError::read(&self.path, error))?;
        match found {
            Found::Nothing => Ok(Step::End),
            Found::Bad(detail) => Ok(Step::Bad(detail)),
            Found::Record(record) => {
                if record.lsn != self.position.last + 1 || record.prev != self.position.chain {
                    let detail = format!(
                        "record {} stands where record {} should follow",
                        record.lsn,
                        self.position.last + 1
                    );
                    return Err(corrupt(&self.path, at, detail));
                }
                self.position.advance(&record);
                Ok(Step::Record(record))
            }
        }
    }

    /// Looks at everything behind the position. A record there proves that the missing one was
    /// once synced if it belongs to a later write; see [`super::record`].
    pub(super) fn rest(&self) -> Result<Rest, StoreError> {
        let refused = |error| StoreError::read(&self.path, error);
        let missing = self.position.last + 1;
        let mut window = Window::new(self.file, READ_BYTES);
        let mut rest = Rest::Zeros;
        let mut at = self.position.offset;
        loop {
            let bytes = window.at(at, super::record::ALIGN).map_err(refused)?;
            if bytes.is_empty() {
                return Ok(rest);
            }
            if bytes.iter().any(|byte| *byte != 0) {
                rest = Rest::Torn;
            }
            if bytes.starts_with(&MAGIC.to_le_bytes()) {
                let found = RawRecord::read(&mut window, at, self.name.epoch).map_err(refused)?;
                if let Found::Record(record) = found
                    && record.lsn.saturating_sub(u64::from(record.ordinal)) > missing
                {
                    return Ok(Rest::LaterWrite);
                }
            }
            at += super::record::ALIGN as u64;
        }
    }
}

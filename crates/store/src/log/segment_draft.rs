//! A segment that is written record by record, in pieces, and appears under its name when it is
//! whole and durable, or not at all. Which records it gets is not decided here.

use super::LogFolder;
use super::record::{Draft, RawRecord};
use super::segment::{HEADER_BYTES, SegmentHeader, SegmentName};
use super::walk::Position;
use super::writer::Renaming;
use crate::disk::{DiskFile, OpenMode};
use crate::error::StoreError;

/// The bytes that are written at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// A segment on its way into the log.
pub(super) struct SegmentDraft<'a> {
    folder: &'a LogFolder,
    name: SegmentName,
    file: Box<dyn DiskFile>,
    position: Position,
    /// What is not written yet, and where it belongs.
    waiting: Vec<u8>,
    written: u64,
}

impl<'a> SegmentDraft<'a> {
    /// Begins segment `name` behind the record that has the chain value `carried`.
    pub(super) fn begin(
        folder: &'a LogFolder,
        name: SegmentName,
        carried: u32,
    ) -> Result<Self, StoreError> {
        let header = SegmentHeader::new(name, carried);
        let draft = folder.path.join(name.draft());
        let refused = |error| StoreError::change(&draft, "write", error);
        let file = folder.disk.open(&draft, OpenMode::WriteOrCreate).map_err(refused)?;
        file.truncate(0).map_err(refused)?;
        file.write_at(0, &header.to_bytes()).map_err(refused)?;
        Ok(Self {
            folder,
            name,
            file,
            position: Position::begin(name, header),
            waiting: Vec::new(),
            written: HEADER_BYTES as u64,
        })
    }

    /// Returns where the next record will stand.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Appends what `record`, which is in another segment, says.
    pub(super) fn copy(&mut self, record: RawRecord) -> Result<(), StoreError> {
        let more = record.more();
        let RawRecord { kind, payload, .. } = record;
        self.push(Draft { kind, more, payload })
    }

    /// Appends a record. It is a write of its own: nobody sees it before it is synced.
    pub(super) fn push(&mut self, draft: Draft) -> Result<(), StoreError> {
        let Position { last, chain, .. } = self.position;
        let record = RawRecord::place(draft, last + 1, self.name.epoch, chain, 0);
        record.write(&mut self.waiting);
        self.position.advance(&record);
        if self.waiting.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let path = self.folder.segment_path(self.name);
        let written = self.file.write_at(self.written, &self.waiting);
        written.map_err(|error| StoreError::change(&path, "write", error))?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Makes the segment durable and gives it its name. Returns where the next record will stand.
    pub(super) fn finish(mut self, _renaming: &Renaming) -> Result<Position, StoreError> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        let Self { folder, name, file, position, .. } = self;
        let path = folder.segment_path(name);
        let refused = |error| StoreError::change(&path, "write", error);
        file.sync_data().map_err(refused)?;
        drop(file);
        folder.disk.rename(&folder.path.join(name.draft()), &path).map_err(refused)?;
        let synced = folder.disk.sync_dir(&folder.path);
        synced.map_err(|error| StoreError::change(&folder.path, "sync", error))?;
        Ok(position)
    }
}

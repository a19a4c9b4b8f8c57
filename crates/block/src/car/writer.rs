//! Writing archives.

use std::io::{Seek, SeekFrom, Write};

use super::CarError;
use super::format::{HeaderV2, PAYLOAD_OFFSET, PRAGMA_V2, header_v1, section_prefix};
use super::index::Index;
use crate::block::Block;
use crate::cid::Cid;

/// A version 1 archive being written.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    offset: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn new(inner: W, roots: &[Cid]) -> Result<Self, CarError> {
        let mut writer = Self { inner, offset: 0 };
        writer.put(&header_v1(roots))?;
        Ok(writer)
    }

    /// Writes a block and returns where in the archive its section begins.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn write(&mut self, block: &Block) -> Result<u64, CarError> {
        let at = self.offset;
        self.put(&section_prefix(block.cid(), block.len() as u64))?;
        self.put(block.data())?;
        Ok(at)
    }

    /// Returns how many bytes were written.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.offset
    }

    /// Ends the archive and returns the sink, which the caller flushes.
    ///
    /// # Errors
    /// None: version 1 has no end mark.
    pub fn finish(self) -> Result<W, CarError> {
        Ok(self.inner)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CarError> {
        let offset = self.offset;
        self.inner.write_all(bytes).map_err(|source| CarError::Io { offset, source })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// Writes a whole version 2 archive with its index to an empty sink.
///
/// # Errors
/// When the sink fails.
pub fn write_v2<'a, W: Write + Seek>(
    mut sink: W,
    roots: &[Cid],
    blocks: impl IntoIterator<Item = &'a Block>,
) -> Result<W, CarError> {
    let fail = |offset: u64| move |source| CarError::Io { offset, source };
    sink.write_all(&PRAGMA_V2).map_err(fail(0))?;
    sink.write_all(&HeaderV2::default().to_bytes()).map_err(fail(11))?;
    let mut writer = Writer::new(sink, roots)?;
    let mut places = Vec::new();
    for block in blocks {
        places.push((*block.cid(), writer.write(block)?));
    }
    let data_size = writer.bytes();
    let mut sink = writer.finish()?;
    let index_offset = PAYLOAD_OFFSET + data_size;
    sink.write_all(&Index::build(places).to_bytes()).map_err(fail(index_offset))?;
    let header = HeaderV2 {
        characteristics: HeaderV2::FULLY_INDEXED,
        data_offset: PAYLOAD_OFFSET,
        data_size,
        index_offset,
    };
    sink.seek(SeekFrom::Start(PRAGMA_V2.len() as u64)).map_err(fail(11))?;
    sink.write_all(&header.to_bytes()).map_err(fail(11))?;
    sink.seek(SeekFrom::End(0)).map_err(fail(11))?;
    Ok(sink)
}

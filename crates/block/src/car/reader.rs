//! Reading archives: a stream of unverified blocks out of version 1, or out of the payload of
//! version 2.

use std::io::{ErrorKind, Read};

use bytes::Bytes;

use super::CarError;
use super::error::malformed;
use super::format::{HEADER_V2_BYTES, HeaderV1, HeaderV2, PRAGMA_V2};
use crate::block::UnverifiedBlock;
use crate::cid::{Cid, check};
use crate::codec::dag_cbor;
use crate::limits::{CAR_HEADER_BYTES_MAX, CAR_SECTION_BYTES_MAX};

/// An archive being read. An iterator of its blocks, which ends after the first error.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    roots: Vec<Cid>,
    /// Bytes read from the start of the archive.
    offset: u64,
    /// Where the payload ends, for version 2.
    end: Option<u64>,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When the bytes are not an archive of version 1 or 2.
    pub fn new(inner: R) -> Result<Self, CarError> {
        let mut reader = Self { inner, roots: Vec::new(), offset: 0, end: None, failed: false };
        let mut header = reader.header()?;
        if header.version == 2 {
            reader.enter_payload()?;
            header = reader.header()?;
        }
        if header.version != 1 {
            return Err(CarError::Version { version: header.version });
        }
        reader.roots = header.roots;
        Ok(reader)
    }

    /// Returns the roots that the header names. They may be absent from the archive.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    fn header(&mut self) -> Result<HeaderV1, CarError> {
        let offset = self.offset;
        let len = self.varint()?.ok_or(CarError::Truncated { offset })?;
        if len == 0 || len > CAR_HEADER_BYTES_MAX as u64 {
            return Err(malformed(offset, "it does not begin with a header"));
        }
        let bytes = self.bytes(len)?;
        dag_cbor::decode(&bytes).map_err(CarError::Header)
    }

    /// Reads the version 2 header and goes to where the payload begins.
    fn enter_payload(&mut self) -> Result<(), CarError> {
        if self.offset != PRAGMA_V2.len() as u64 {
            return Err(malformed(0, "it says version 2 in another way than version 2 does"));
        }
        let header = HeaderV2::parse(&self.bytes(HEADER_V2_BYTES as u64)?)?;
        let Some(padding) = header.data_offset.checked_sub(self.offset) else {
            return Err(malformed(self.offset, "the payload begins before the header ends"));
        };
        let skipped = std::io::copy(&mut self.inner.by_ref().take(padding), &mut std::io::sink());
        let skipped = skipped.map_err(|source| CarError::Io { offset: self.offset, source })?;
        if skipped != padding {
            return Err(CarError::Truncated { offset: self.offset });
        }
        self.offset += padding;
        // An archive that was never finished says 0: its payload goes to the end of the file.
        let end = header.data_offset.checked_add(header.data_size);
        let end = end.ok_or(malformed(self.offset, "the payload's size overflows"))?;
        self.end = (header.data_size > 0).then_some(end);
        Ok(())
    }

    fn section(&mut self) -> Result<Option<UnverifiedBlock>, CarError> {
        let offset = self.offset;
        if self.end.is_some_and(|end| offset >= end) {
            return Ok(None);
        }
        let Some(len) = self.varint()? else {
            return match self.end {
                Some(_) => Err(CarError::Truncated { offset }),
                None => Ok(None),
            };
        };
        if len == 0 || len > CAR_SECTION_BYTES_MAX as u64 {
            return Err(malformed(offset, "a section is empty or larger than a block may be"));
        }
        if self.end.is_some_and(|end| self.offset + len > end) {
            return Err(malformed(offset, "a section passes the end of the payload"));
        }
        let bytes = self.bytes(len)?;
        let mut rest = bytes.as_ref();
        let cid = Cid::read_bytes(&mut rest)
            .map_err(|_| malformed(offset, "a section does not begin with a CID"))?;
        let cid = check(cid).map_err(|source| CarError::Cid { offset, source })?;
        let data = bytes.slice_ref(rest);
        Ok(Some(UnverifiedBlock { cid, data }))
    }

    /// Reads a varint; `None` at the end of the file.
    fn varint(&mut self) -> Result<Option<u64>, CarError> {
        let start = self.offset;
        let mut value = 0_u64;
        for index in 0..9_u32 {
            let mut byte = [0_u8];
            match self.inner.read_exact(&mut byte) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && index == 0 => {
                    return Ok(None);
                }
                Err(error) => return Err(read_error(start, error)),
            }
            self.offset += 1;
            let [byte] = byte;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(Some(value));
            }
        }
        Err(malformed(start, "a length is no varint"))
    }

    /// Reads `len` bytes, which the caller has bounded.
    fn bytes(&mut self, len: u64) -> Result<Bytes, CarError> {
        let offset = self.offset;
        let mut out = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
        let read = self.inner.by_ref().take(len).read_to_end(&mut out);
        let read = read.map_err(|source| CarError::Io { offset, source })? as u64;
        if read != len {
            return Err(CarError::Truncated { offset });
        }
        self.offset += len;
        Ok(out.into())
    }
}

fn read_error(offset: u64, source: std::io::Error) -> CarError {
    match source.kind() {
        ErrorKind::UnexpectedEof => CarError::Truncated { offset },
        _ => CarError::Io { offset, source },
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<UnverifiedBlock, CarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.section().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

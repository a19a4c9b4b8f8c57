//! A moving window over a file, so that walking it in small steps costs few reads: what is read at
//! a time grows as long as it is walked without gaps.
//!
//! It does not notice when the file changes beneath it: take a new one to look again.

use std::io;

use super::{DiskFile, read_full};

/// How far what is read at a time grows, in bytes.
const READ_BYTES_MAX: usize = 256 << 10;

/// Part of a file held in memory.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    /// What is read at a time where the walk leaps, in bytes.
    leap_bytes: usize,
    /// What is read next where it does not.
    read_bytes: usize,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    /// Begins a window over `file` that reads at least `read_bytes` at a time.
    pub(crate) fn new(file: &'a dyn DiskFile, read_bytes: usize) -> Self {
        Self { file, leap_bytes: read_bytes, read_bytes, start: 0, buffer: Vec::new() }
    }

    /// Returns up to `len` bytes at `offset`; fewer only where the file ends.
    pub(crate) fn at(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        if self.held(offset, len).is_none() {
            self.pace(offset);
            self.fill(offset, len.max(self.read_bytes))?;
        }
        let end = self.buffer.len().min(len);
        Ok(match self.held(offset, len) {
            Some(range) => self.buffer.get(range).unwrap_or_default(),
            None => self.buffer.get(..end).unwrap_or_default(),
        })
    }

    /// Decides how much to read at `offset`.
    fn pace(&mut self, offset: u64) {
        let end = self.start + self.buffer.len() as u64;
        let goes_on = !self.buffer.is_empty() && (self.start..=end).contains(&offset);
        self.read_bytes = match goes_on {
            true => (self.read_bytes * 2).min(READ_BYTES_MAX).max(self.leap_bytes),
            false => self.leap_bytes,
        };
    }

    /// Reads `len` bytes at `offset` in place of what is held.
    fn fill(&mut self, offset: u64, len: usize) -> io::Result<()> {
        self.start = offset;
        self.buffer.resize(len, 0);
        let read = read_full(self.file, offset, &mut self.buffer);
        // After an error nothing is held.
        self.buffer.truncate(*read.as_ref().unwrap_or(&0));
        read.map(drop)
    }

    fn held(&self, offset: u64, len: usize) -> Option<std::ops::Range<usize>> {
        let begin = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let end = begin.checked_add(len)?;
        (end <= self.buffer.len()).then_some(begin..end)
    }

    /// Returns how many bytes are held.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.len()
    }
}

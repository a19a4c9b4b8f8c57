//! The file under an input: read with a count of the bytes, and its decoders kept from bringing
//! the process down.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;

use crate::error::QueryError;

/// No decoder gives more rows at once, unless a damaged file makes it.
const BATCH_ROWS_MAX: usize = 1 << 31;

/// A file with its name for messages and the count of what was read.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    label: String,
    bytes_total: u64,
    bytes_read: Arc<AtomicU64>,
}

impl Source {
    pub(super) fn new(file: File, label: &str) -> Result<Self, QueryError> {
        let meta = file.metadata().map_err(|error| io_error(label, error))?;
        Ok(Self {
            file,
            label: label.to_owned(),
            bytes_total: meta.len(),
            bytes_read: Arc::new(AtomicU64::new(0)),
        })
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    pub(super) fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_read)
    }

    /// The error of this file's content.
    pub(super) fn bad(
        &self,
        place: impl std::fmt::Display,
        message: impl std::fmt::Display,
    ) -> QueryError {
        QueryError::bad_input(&self.label, place, message)
    }

    pub(super) fn io(&self, error: std::io::Error) -> QueryError {
        io_error(&self.label, error)
    }

    /// A reader from `offset` on, whose bytes count as progress. Readers of one source share its
    /// position: one at a time.
    pub(super) fn reader_at(&self, offset: u64) -> Result<CountedReader, QueryError> {
        let mut file = self.file.try_clone().map_err(|error| self.io(error))?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| self.io(error))?;
        Ok(CountedReader { file, bytes_read: Some(Arc::clone(&self.bytes_read)) })
    }

    /// A reader whose bytes do not count: looks before the rows are read.
    pub(super) fn uncounted_at(&self, offset: u64) -> Result<CountedReader, QueryError> {
        let mut reader = self.reader_at(offset)?;
        reader.bytes_read = None;
        Ok(reader)
    }
}

fn io_error(label: &str, source: std::io::Error) -> QueryError {
    QueryError::Io { label: label.to_owned(), op: "read", source }
}

/// A reader that counts.
#[derive(Debug)]
pub(super) struct CountedReader {
    file: File,
    bytes_read: Option<Arc<AtomicU64>>,
}

impl Read for CountedReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        if let Some(bytes_read) = &self.bytes_read {
            bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(count)
    }
}

impl Seek for CountedReader {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

/// Runs a decoder over foreign bytes; should it panic, the file is damaged.
pub(super) fn guarded<T>(
    label: &str,
    decode: impl FnOnce() -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    // What a decoder leaves behind after a panic is dropped by every caller, so that no broken
    // state is seen.
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(QueryError::bad_input(label, "", "the file is damaged")))
}

/// Batches of a decoder, guarded; ends after the first error.
pub(super) struct Guarded<I> {
    label: String,
    decoder: Option<I>,
}

impl<I: Iterator<Item = Result<RecordBatch, QueryError>>> Guarded<I> {
    pub(super) fn new(label: &str, decoder: I) -> Self {
        Self { label: label.to_owned(), decoder: Some(decoder) }
    }
}

impl<I: Iterator<Item = Result<RecordBatch, QueryError>>> Iterator for Guarded<I> {
    type Item = Result<RecordBatch, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoder = self.decoder.as_mut()?;
        let next = guarded(&self.label, || match decoder.next() {
            Some(Ok(batch)) if batch.num_rows() > BATCH_ROWS_MAX => {
                Err(QueryError::bad_input(&self.label, "", "the file is damaged"))
            }
            next => next.transpose(),
        });
        if !matches!(next, Ok(Some(_))) {
            self.decoder = None;
        }
        next.transpose()
    }
}

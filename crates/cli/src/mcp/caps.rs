//! How much one answer may hold: rows and bytes of a table, bytes of a file, entries of a list.
//!
//! An agent pays for every byte that it reads, so answers are short unless it asks for more, and
//! never so long that a client chokes. Whatever was left out is said, and how to go on.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use cidlake::arrow::datatypes::SchemaRef;
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{Error, ErrorKind, Format, Rows, emit};
use serde_json::Value;

use super::base64;

#[cfg(test)]
mod tests;

/// Rows of an answer unless the caller says otherwise.
pub(super) const ROWS_DEFAULT: u64 = 100;
/// The most rows a caller may ask for.
pub(super) const ROWS_MAX: u64 = 10_000;
/// Entries of a list unless the caller says otherwise.
pub(super) const ENTRIES_DEFAULT: u64 = 1_000;
/// Bytes of text in an answer unless the caller says otherwise.
pub(super) const TEXT_BYTES_DEFAULT: u64 = 32 << 10;
/// The most bytes of text in an answer.
pub(super) const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Rows that are rendered before the caps are looked at again: rows can be long.
const ROWS_STEP: usize = 16;

const _: () = assert!(ROWS_DEFAULT <= ROWS_MAX && TEXT_BYTES_DEFAULT <= TEXT_BYTES_MAX);

/// How much of a table one answer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caps {
    /// The most rows.
    pub(super) rows: u64,
    /// The most bytes of their text; one row is returned even if it alone is longer.
    pub(super) bytes: u64,
}

impl Caps {
    /// Returns the caps of a caller who asked for `limit` rows: who says how many, gets as many
    /// bytes as there may be. Parquet is not for reading, and only the greatest cap holds.
    pub(super) fn new(limit: Option<u64>, format: Format) -> Self {
        let bytes = match (limit, format) {
            (None, Format::Json | Format::Csv) => TEXT_BYTES_DEFAULT,
            _ => TEXT_BYTES_MAX,
        };
        Self { rows: limit.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX), bytes }
    }
}

/// Which cap ended an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// There are more rows than may be returned.
    Rows,
    /// The next row does not fit.
    Bytes,
}

impl Cut {
    /// Returns the word for protocols.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Bytes => "bytes",
        }
    }
}

/// The rows of one answer.
#[derive(Debug)]
pub(super) struct Page {
    schema: SchemaRef,
    caps: Caps,
    format: Format,
    batches: Vec<RecordBatch>,
    objects: Vec<Value>,
    rows: u64,
    bytes: u64,
    cut: Option<Cut>,
}

impl Page {
    /// Takes as many of `rows` as the caps allow, after leaving out the first `skip`, and asks
    /// for no more than it takes to know whether there are more.
    ///
    /// # Errors
    /// What stopped the rows; `Invalid` when not even one row fits the greatest cap.
    pub(super) async fn take(
        mut rows: Rows,
        skip: u64,
        caps: Caps,
        format: Format,
    ) -> Result<Self, Error> {
        let mut page = Self::new(rows.schema(), caps, format);
        let mut skip = usize::try_from(skip).unwrap_or(usize::MAX);
        while let Some(batch) = rows.next().await? {
            let skipped = skip.min(batch.num_rows());
            skip -= skipped;
            if !page.push(&batch.slice(skipped, batch.num_rows() - skipped))? {
                break;
            }
        }
        Ok(page)
    }

    fn new(schema: SchemaRef, caps: Caps, format: Format) -> Self {
        Self {
            schema,
            caps,
            format,
            batches: Vec::new(),
            objects: Vec::new(),
            rows: 0,
            bytes: 0,
            cut: None,
        }
    }

    /// Returns the schema of the rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns how many rows there are.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the caps that held.
    pub(super) fn caps(&self) -> Caps {
        self.caps
    }

    /// Returns which cap left rows out, `None` when there were no more.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// Returns the rows as a value: objects for JSON, text for CSV, base64 for Parquet.
    ///
    /// # Errors
    /// `Invalid` for a column that the format cannot hold, and for too large a Parquet file.
    pub(super) fn into_data(self) -> Result<Value, Error> {
        if self.format == Format::Json {
            return Ok(Value::Array(self.objects));
        }
        let sink = Sink::default();
        let schema = SchemaRef::clone(&self.schema);
        let mut writer = emit::writer(self.format, Box::new(sink.clone()), schema)?;
        for batch in &self.batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        let bytes = sink.into_bytes();
        if self.format == Format::Csv {
            return Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
        if bytes.len() as u64 > TEXT_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the Parquet file has {} bytes, {TEXT_BYTES_MAX} may be sent", bytes.len()),
            )
            .with_hint("ask for fewer rows or columns, or read storage_path piece by piece"));
        }
        Ok(Value::String(base64::encode(&bytes)))
    }

    /// Takes rows of a batch and returns whether more may follow.
    fn push(&mut self, batch: &RecordBatch) -> Result<bool, Error> {
        let mut at = 0;
        while at < batch.num_rows() {
            let room = usize::try_from(self.caps.rows - self.rows).unwrap_or(usize::MAX);
            if room == 0 {
                self.cut = Some(Cut::Rows);
                return Ok(false);
            }
            let slice = batch.slice(at, ROWS_STEP.min(room).min(batch.num_rows() - at));
            let taken = self.push_slice(&slice)?;
            if taken < slice.num_rows() {
                self.cut = Some(Cut::Bytes);
                return Ok(false);
            }
            at += taken;
        }
        Ok(true)
    }

    /// Takes the rows of a slice that fit and returns how many did.
    fn push_slice(&mut self, slice: &RecordBatch) -> Result<usize, Error> {
        let (sizes, objects) = self.render(slice)?;
        let mut taken = 0;
        for size in sizes {
            if self.rows == 0 && size > TEXT_BYTES_MAX {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("one row has {size} bytes, {TEXT_BYTES_MAX} may be sent"),
                )
                .with_hint("ask for fewer columns, or for a part of the long ones (substr)"));
            }
            if self.rows > 0 && self.bytes + size > self.caps.bytes {
                break;
            }
            self.rows += 1;
            self.bytes += size;
            taken += 1;
        }
        self.objects.extend(objects.into_iter().take(taken));
        if self.format != Format::Json && taken > 0 {
            self.batches.push(slice.slice(0, taken));
        }
        Ok(taken)
    }

    /// Returns the size of each row's text and, for JSON, the rows themselves.
    fn render(&self, slice: &RecordBatch) -> Result<(Vec<u64>, Vec<Value>), Error> {
        if self.format == Format::Json {
            let objects: Vec<Value> = emit::json_rows(std::slice::from_ref(slice))?
                .into_iter()
                .map(Value::Object)
                .collect();
            let sizes = objects.iter().map(|object| object.to_string().len() as u64 + 1).collect();
            return Ok((sizes, objects));
        }
        let cells = emit::Cells::new(slice)?;
        let row = |row: usize| -> u64 {
            let texts = (0..slice.num_columns()).filter_map(|column| cells.text(row, column));
            // A separator for each cell.
            texts.map(|text| text.len() as u64).sum::<u64>() + slice.num_columns() as u64
        };
        Ok(((0..slice.num_rows()).map(row).collect(), Vec::new()))
    }
}

/// Where a writer that owns its sink leaves the bytes.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn into_bytes(self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One piece of a file as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The piece.
    pub(super) content: String,
    /// What it is written in: `utf-8` or `base64`.
    pub(super) encoding: &'static str,
    /// How many bytes of the file it is.
    pub(super) bytes: u64,
}

impl Piece {
    /// Writes bytes as text where they are text. Where `more` bytes follow, a character that the
    /// end of the piece cuts in two is left to the next.
    pub(super) fn text(bytes: &[u8], more: bool) -> Self {
        let whole = match std::str::from_utf8(bytes) {
            Ok(_) => bytes,
            Err(error) if more && error.error_len().is_none() && error.valid_up_to() > 0 => {
                bytes.get(..error.valid_up_to()).unwrap_or(bytes)
            }
            Err(_) => return Self::base64(bytes),
        };
        Self {
            content: String::from_utf8_lossy(whole).into_owned(),
            encoding: "utf-8",
            bytes: whole.len() as u64,
        }
    }

    /// Writes bytes as base64.
    pub(super) fn base64(bytes: &[u8]) -> Self {
        Self { content: base64::encode(bytes), encoding: "base64", bytes: bytes.len() as u64 }
    }
}

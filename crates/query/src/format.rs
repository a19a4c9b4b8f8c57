//! The file formats that tables come in and go out as, and how to tell them apart by name or by
//! their first bytes. Reading is in `ingest`, writing in `emit`.

use std::fmt;
use std::str::FromStr;

/// A format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line; other separators are recognised when read.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Arrow IPC, file or stream.
    Arrow,
}

/// A name that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no format; known are parquet, csv, json, ndjson and arrow")]
pub struct UnknownFormat {
    /// The name as it was given.
    pub name: String,
}

impl Format {
    /// Every format, in the order in which help texts list them.
    pub const ALL: [Self; 5] = [Self::Parquet, Self::Csv, Self::Json, Self::Ndjson, Self::Arrow];

    /// Returns the name, which `FromStr` accepts and which serves as file extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Arrow => "arrow",
        }
    }

    /// Returns the media type for HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// Tells the format from unmistakable magic bytes, else from the extension of `file_name`,
    /// else from the look of the text. `first_bytes` may be empty; 4 KiB are plenty.
    pub fn detect(file_name: Option<&str>, first_bytes: &[u8]) -> Option<Self> {
        by_magic(first_bytes)
            .or_else(|| file_name.and_then(by_extension))
            .or_else(|| by_look(first_bytes))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Ok(Self::Parquet),
            "csv" | "tsv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "ndjson" | "jsonl" => Ok(Self::Ndjson),
            "arrow" | "ipc" | "feather" | "arrows" => Ok(Self::Arrow),
            _ => Err(UnknownFormat { name: text.to_owned() }),
        }
    }
}

/// `PAR1` (or `PARE`, encrypted), `ARROW1`, or the continuation marker that opens an IPC stream.
fn by_magic(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(b"PAR1") || bytes.starts_with(b"PARE") {
        Some(Format::Parquet)
    } else if bytes.starts_with(b"ARROW1") || bytes.starts_with(&[0xff; 4]) {
        Some(Format::Arrow)
    } else {
        None
    }
}

fn by_extension(file_name: &str) -> Option<Format> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    match extension.to_ascii_lowercase().as_str() {
        "txt" | "tab" => Some(Format::Csv),
        other => other.parse().ok(),
    }
}

/// An opening bracket is an array, an opening brace is lines of objects, and other text is CSV
/// when its first line is printable and has a separator or is followed by another line.
fn by_look(bytes: &[u8]) -> Option<Format> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
    match first {
        b'[' => Some(Format::Json),
        b'{' => Some(Format::Ndjson),
        _ => {
            let line = bytes.split(|byte| *byte == b'\n').next()?;
            let printable = !line.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\r'));
            let tabular = line.iter().any(|byte| matches!(byte, b',' | b';' | b'\t' | b'|'));
            let more = line.len() < bytes.len();
            (printable && (tabular || more)).then_some(Format::Csv)
        }
    }
}

#[cfg(test)]
mod tests;

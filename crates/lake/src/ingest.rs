//! What a user hands in, as one stream of batches with one schema.
//!
//! Opens paths, spools standard input and bytes to unnamed temporary files (the readers seek), and
//! joins several sources into one table. Decoding is the query crate's.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::error::ArrowError;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::{Format, QueryError, ingest};

use crate::error::{Error, ErrorKind};

/// How much of a file is looked at to tell its format.
const SNIFF_BYTES: usize = 4096;

/// One thing to be stored as (part of) a table.
pub enum Source {
    /// A file, or a folder whose files are taken in the order of their names.
    Path(PathBuf),
    /// Standard input, to its end.
    Stdin,
    /// Bytes in memory; the label names them in messages and may end in a known file extension.
    Bytes {
        /// What to call them.
        label: String,
        /// The bytes of one file.
        data: Bytes,
    },
    /// Rows that a program makes.
    Batches(BatchSource),
}

/// Rows that a program makes, batch by batch.
pub struct BatchSource {
    /// What to call them in messages.
    pub label: String,
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// The batches, in row order.
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    /// How many rows there will be, where that is known.
    pub rows_total: Option<u64>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stdin => f.write_str("Stdin"),
            Self::Bytes { label, data } => {
                f.debug_struct("Bytes").field("label", label).field("len", &data.len()).finish()
            }
            Self::Batches(source) => f.debug_tuple("Batches").field(&source.label).finish(),
        }
    }
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, QueryError>> + Send>;

/// The joined input of one store.
pub(crate) struct Opened {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Batches,
    /// Sum of the sources' sizes; `None` when a program makes the rows.
    pub(crate) bytes_total: Option<u64>,
    /// How much of that each source has read.
    pub(crate) bytes_read: Vec<Arc<AtomicU64>>,
    pub(crate) rows_total: Option<u64>,
}

/// Returns how many bytes of input were read.
pub(crate) fn total(bytes_read: &[Arc<AtomicU64>]) -> u64 {
    bytes_read.iter().map(|read| read.load(Ordering::Relaxed)).sum()
}

/// Opens all sources and joins them under one schema: `onto`, where the rows go to a table that
/// exists, else the narrowest schema that holds them all.
pub(crate) fn open_all(
    sources: Vec<Source>,
    format: Option<Format>,
    onto: Option<&SchemaRef>,
) -> Result<Opened, Error> {
    if sources.is_empty() {
        return Err(Error::usage("there is nothing to store")
            .with_hint("name a file, or - for standard input"));
    }
    let mut inputs = Vec::new();
    let mut rows_total = Some(0);
    let mut bytes_total = Some(0);
    let mut bytes_read = Vec::new();
    for source in expand(sources)? {
        let (schema, batches): (SchemaRef, Batches) = match source {
            Source::Batches(source) => {
                rows_total = rows_total.zip(source.rows_total).map(|(sum, rows)| sum + rows);
                bytes_total = None;
                let label = source.label;
                let batches =
                    source.batches.map(move |batch| batch.map_err(|error| failed(&label, error)));
                (source.schema, Box::new(batches))
            }
            file => {
                rows_total = None;
                let input = open_file(file, format)?;
                bytes_total = bytes_total.map(|sum| sum + input.bytes_total);
                bytes_read.push(input.bytes_read);
                (input.schema, input.batches)
            }
        };
        inputs.push((schema, batches));
    }
    let mut schemas: Vec<SchemaRef> = onto.into_iter().cloned().collect();
    schemas.extend(inputs.iter().map(|(schema, _)| SchemaRef::clone(schema)));
    let schema = ingest::unify(&schemas)?;
    let target = SchemaRef::clone(&schema);
    let batches = inputs.into_iter().flat_map(move |(_, batches)| {
        let target = SchemaRef::clone(&target);
        batches.map(move |batch| ingest::adapt(batch?, &target))
    });
    Ok(Opened { schema, batches: Box::new(batches), bytes_total, bytes_read, rows_total })
}

/// Returns what a program says of the rows that it makes; an error of ours comes back as it was.
fn failed(label: &str, error: ArrowError) -> QueryError {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast::<QueryError>() {
            Ok(own) => *own,
            Err(other) => QueryError::bad_input(label, "", ArrowError::ExternalError(other)),
        },
        other => QueryError::bad_input(label, "", other),
    }
}

/// Replaces folders by the files in them, in the order of their names; hidden ones are left out.
fn expand(sources: Vec<Source>) -> Result<Vec<Source>, Error> {
    let mut out = Vec::with_capacity(sources.len());
    for source in sources {
        let Source::Path(path) = source else {
            out.push(source);
            continue;
        };
        let meta = std::fs::metadata(&path).map_err(|error| Error::io(&path, "read", error))?;
        if !meta.is_dir() {
            out.push(Source::Path(path));
            continue;
        }
        let files = files_of(&path)?;
        if files.is_empty() {
            return Err(Error::invalid(format!("the folder {} holds no files", path.display())));
        }
        out.extend(files.into_iter().map(Source::Path));
    }
    Ok(out)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |error| Error::io(folder, "list", error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Opens a source that is bytes: tells its format and starts its reader.
fn open_file(source: Source, format: Option<Format>) -> Result<ingest::Input, Error> {
    let (mut file, label) = match source {
        Source::Path(path) => {
            let file = File::open(&path).map_err(|error| Error::io(&path, "read", error))?;
            (file, path.display().to_string())
        }
        Source::Stdin => (spool(&mut std::io::stdin().lock())?, "standard input".to_owned()),
        Source::Bytes { label, data } => (spool(&mut data.as_ref())?, label),
        Source::Batches(source) => {
            return Err(Error::internal(format!("{} is rows, not a file", source.label)));
        }
    };
    let format = match format {
        Some(format) => format,
        None => detect(&mut file, &label)?,
    };
    Ok(ingest::open(file, &label, format)?)
}

fn detect(file: &mut File, label: &str) -> Result<Format, Error> {
    let fail = |error| Error::io(Path::new(label), "read", error);
    let mut first = Vec::with_capacity(SNIFF_BYTES);
    file.take(SNIFF_BYTES as u64).read_to_end(&mut first).map_err(fail)?;
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    Format::detect(Some(label), &first).ok_or_else(|| {
        Error::invalid(format!("the format of {label} is not known"))
            .with_hint("say it with --input-format parquet, csv, json, ndjson or arrow")
    })
}

/// Copies `from` to a temporary file without a name, since the readers need to seek.
pub(crate) fn spool(from: &mut dyn Read) -> Result<File, Error> {
    let fail = |error| {
        Error::new(ErrorKind::Unavailable, "the input could not be kept in a temporary file")
            .with_source(error)
    };
    let mut file = tempfile::tempfile().map_err(fail)?;
    std::io::copy(from, &mut file).map_err(fail)?;
    file.flush().map_err(fail)?;
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    Ok(file)
}

//! Arrow IPC files and streams. Before the decoder runs, every length that it would allocate for
//! is checked against the file.

use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow::array::RecordBatchReader;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::ipc::{Block, Message, MessageHeader, RecordBatch, root_as_footer, root_as_message};

use super::Batches;
use super::failing::failing_column;
use super::source::{Guarded, Source, guarded};
use crate::error::{QueryError, arrow_message};

/// What IPC files open and end with.
const MAGIC: &[u8; 6] = b"ARROW1";
/// What precedes every message of the current format.
const CONTINUATION: u32 = u32::MAX;
/// Message headers are far smaller; their bytes are held in memory.
const HEADER_BYTES_MAX: u64 = 256 << 20;
/// No codec of the format makes more out of a byte: a zstd block of 128 KiB takes four.
const INFLATION_MAX: u64 = 32 << 10;

pub(super) fn open(source: Source) -> Result<(SchemaRef, Batches), QueryError> {
    let label = source.label().to_owned();
    guarded(&label, || {
        let mut first = [0; MAGIC.len()];
        let known = source.bytes_total() >= first.len() as u64;
        if known {
            read_at(&source, 0, &mut first)?;
        }
        if first.starts_with(b"FEA1") {
            return Err(source.bad("", "Feather version 1 is not read; write version 2"));
        }
        let source = Arc::new(source);
        if first == *MAGIC { open_file(&source) } else { open_stream(&source) }
    })
}

fn open_file(source: &Arc<Source>) -> Result<(SchemaRef, Batches), QueryError> {
    check_file(source)?;
    let reader = BufReader::new(source.reader_at(0)?);
    let reader =
        FileReader::try_new(reader, None).map_err(|error| bad(source.label(), "", error))?;
    let schema = reader.schema();
    let alone = |source: &Source, column| {
        let reader = BufReader::new(source.uncounted_at(0).ok()?);
        FileReader::try_new(reader, Some(vec![column])).ok()
    };
    Ok((schema, guard(source, reader, alone)))
}

fn open_stream(source: &Arc<Source>) -> Result<(SchemaRef, Batches), QueryError> {
    check_stream(source)?;
    let reader = BufReader::new(source.reader_at(0)?);
    let reader =
        StreamReader::try_new(reader, None).map_err(|error| bad(source.label(), "", error))?;
    let schema = reader.schema();
    let alone = |source: &Source, column| {
        let reader = BufReader::new(source.uncounted_at(0).ok()?);
        StreamReader::try_new(reader, Some(vec![column])).ok()
    };
    Ok((schema, guard(source, reader, alone)))
}

/// Batches whose errors name the column, for which `alone` reads one column by itself.
fn guard<R>(
    source: &Arc<Source>,
    reader: R,
    alone: impl Fn(&Source, usize) -> Option<R> + Send + 'static,
) -> Batches
where
    R: RecordBatchReader + Send + 'static,
{
    let file = Arc::clone(source);
    let schema = reader.schema();
    let batches = reader.map(move |batch| {
        batch.map_err(|error| {
            let column = failing_column(&schema, |column| alone(&file, column));
            bad(file.label(), &column.unwrap_or_default(), error)
        })
    });
    Box::new(Guarded::new(source.label(), batches))
}

fn bad(label: &str, place: &str, error: ArrowError) -> QueryError {
    match error {
        ArrowError::IoError(_, source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            QueryError::Io { label: label.to_owned(), op: "read", source }
        }
        other => {
            let message = format!("not readable as Arrow IPC: {}", arrow_message(&other));
            QueryError::bad_input(label, place, message)
        }
    }
}

/// Checks the footer and every message that it lists.
fn check_file(source: &Source) -> Result<(), QueryError> {
    let short = || source.bad("", "the Arrow file is cut short");
    let tail = (size_of::<i32>() + MAGIC.len()) as u64;
    let footer_end = source.bytes_total().checked_sub(tail).ok_or_else(short)?;
    let mut bytes = [0; size_of::<i32>() + MAGIC.len()];
    read_at(source, footer_end, &mut bytes)?;
    let (length, magic) = bytes.split_first_chunk().ok_or_else(short)?;
    if magic != MAGIC {
        return Err(short());
    }
    let length = u64::from(u32::from_le_bytes(*length));
    if length > HEADER_BYTES_MAX {
        return Err(source.bad("", "the footer of the Arrow file is damaged"));
    }
    let footer_start = footer_end.checked_sub(length).ok_or_else(short)?;
    let bytes = read_vec(source, footer_start, length)?;
    let footer = root_as_footer(&bytes)
        .map_err(|_| source.bad("", "the footer of the Arrow file is damaged"))?;
    let blocks = footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten();
    blocks.into_iter().try_for_each(|block| check_block(source, block))
}

/// Checks one message that the footer lists.
fn check_block(source: &Source, block: &Block) -> Result<(), QueryError> {
    let damaged = || source.bad(format!("offset {}", block.offset()), "a message is damaged");
    let start = u64::try_from(block.offset()).map_err(|_| damaged())?;
    let header = u64::try_from(block.metaDataLength()).map_err(|_| damaged())?;
    let body = u64::try_from(block.bodyLength()).map_err(|_| damaged())?;
    let body_start = start.checked_add(header).ok_or_else(damaged)?;
    let end = body_start.checked_add(body).ok_or_else(damaged)?;
    if end > source.bytes_total() || header > HEADER_BYTES_MAX {
        return Err(damaged());
    }
    let bytes = read_vec(source, start, header)?;
    let continuation = CONTINUATION.to_le_bytes();
    let message = bytes.strip_prefix(&continuation).unwrap_or(&bytes);
    let message = message.get(size_of::<u32>()..).ok_or_else(damaged)?;
    let message = root_as_message(message).map_err(|_| damaged())?;
    check_message(source, &message, body_start, body)
}

/// Checks the messages of a stream, one after the other.
fn check_stream(source: &Source) -> Result<(), QueryError> {
    let mut at = 0;
    while at < source.bytes_total() {
        let Some((header_start, header)) = stream_prefix(source, at)? else { return Ok(()) };
        let body_start = header_start + header;
        let short = || source.bad(format!("offset {header_start}"), "the stream is cut short");
        if header > HEADER_BYTES_MAX || body_start > source.bytes_total() {
            let what = if at == 0 {
                "this is no Arrow IPC file or stream"
            } else {
                "the stream is damaged"
            };
            return Err(source.bad(format!("offset {header_start}"), what));
        }
        let bytes = read_vec(source, header_start, header)?;
        let message = root_as_message(&bytes)
            .map_err(|_| source.bad(format!("offset {at}"), "this is no Arrow IPC message"))?;
        let body = u64::try_from(message.bodyLength()).map_err(|_| short())?;
        at = body_start.checked_add(body).ok_or_else(short)?;
        if at > source.bytes_total() {
            return Err(short());
        }
        check_message(source, &message, body_start, body)?;
    }
    Ok(())
}

/// Reads what precedes the message at `at`: where its header starts and how long it is, or `None`
/// at the end mark.
fn stream_prefix(source: &Source, at: u64) -> Result<Option<(u64, u64)>, QueryError> {
    let word = |at: u64| {
        let mut bytes = [0; size_of::<u32>()];
        if at + bytes.len() as u64 > source.bytes_total() {
            return Err(source.bad(format!("offset {at}"), "the stream is cut short"));
        }
        read_at(source, at, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    };
    let size = size_of::<u32>() as u64;
    // Streams before format version 5 have no continuation mark.
    let (start, length) = match word(at)? {
        CONTINUATION => (at + 2 * size, word(at + size)?),
        length => (at + size, length),
    };
    Ok((length != 0).then_some((start, u64::from(length))))
}

/// Checks that the buffers of a message lie in its body, and that compressed ones do not claim to
/// be larger than they can be.
fn check_message(
    source: &Source,
    message: &Message<'_>,
    body_start: u64,
    body: u64,
) -> Result<(), QueryError> {
    let rows = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => {
            message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data())
        }
        _ => None,
    };
    match rows {
        Some(rows) => check_buffers(source, &rows, body_start, body),
        None => Ok(()),
    }
}

fn check_buffers(
    source: &Source,
    rows: &RecordBatch<'_>,
    body_start: u64,
    body: u64,
) -> Result<(), QueryError> {
    let damaged = || source.bad(format!("offset {body_start}"), "a message is damaged");
    for buffer in rows.buffers().into_iter().flatten() {
        let start = u64::try_from(buffer.offset()).map_err(|_| damaged())?;
        let length = u64::try_from(buffer.length()).map_err(|_| damaged())?;
        if start.checked_add(length).is_none_or(|end| end > body) {
            return Err(damaged());
        }
        let mut claim = [0; size_of::<i64>()];
        if rows.compression().is_some() && length >= claim.len() as u64 {
            read_at(source, body_start + start, &mut claim)?;
            let claim = i64::from_le_bytes(claim);
            // -1 says that the buffer is not compressed after all.
            if claim < -1
                || claim > 0 && claim.unsigned_abs() > length.saturating_mul(INFLATION_MAX)
            {
                return Err(damaged());
            }
        }
    }
    Ok(())
}

fn read_at(source: &Source, offset: u64, buffer: &mut [u8]) -> Result<(), QueryError> {
    source.uncounted_at(offset)?.read_exact(buffer).map_err(|error| source.io(error))
}

/// Reads bytes that are known to be in the file; `length` is bounded by the caller.
fn read_vec(source: &Source, offset: u64, length: u64) -> Result<Vec<u8>, QueryError> {
    let length = usize::try_from(length).map_err(|_| source.bad("", "a message is too long"))?;
    let mut bytes = vec![0; length];
    read_at(source, offset, &mut bytes)?;
    Ok(bytes)
}

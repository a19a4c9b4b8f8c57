//! Puts the dictionary of a column chunk in the order of its values, where all of them are common,
//! then compresses its pages.
//!
//! The encoder numbers values as they first come, so that a row more at the front renumbers
//! everything behind it. In the order of values the numbers change only where the set of values
//! does: rows come and go, row groups join and part, and pages stay the bytes that they were. A
//! set with rare values changes with every edit, and is left as it came.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::errors::ParquetError;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescriptor;
use zstd::bulk::Compressor;

use super::chunk::{Chunk, ZSTD_LEVEL};
use super::indexes::{renumber, tally, width_of};

/// A dictionary is sorted where each of its values occurs so often, or more.
pub(super) const COMMON: usize = 64;

/// Sorts the dictionary of an uncompressed column chunk and compresses its pages.
pub(super) fn sort_and_compress(chunk: Chunk, rows: usize) -> Result<Chunk, ParquetError> {
    let file = Arc::new(chunk.pages.clone());
    let reader = SerializedPageReader::new(file, &chunk.meta, rows, None)?;
    let pages = sorted_pages(reader.collect::<Result<_, _>>()?, chunk.meta.column_descr())?;
    let mut sink = TrackedWrite::new(Vec::with_capacity(chunk.pages.len() / 2));
    let mut writer = SerializedPageWriter::new(&mut sink);
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    let (mut uncompressed, mut ends, mut dictionary_bytes) = (0, Vec::new(), None);
    for page in pages {
        let is_dictionary = page.is_dictionary_page();
        let len = page.buffer().len();
        let packed = Bytes::from(compressor.compress(page.buffer())?);
        let written = writer.write_page(CompressedPage::new(with_bytes(page, packed), len))?;
        uncompressed += written.uncompressed_size;
        if is_dictionary {
            dictionary_bytes = Some(written.bytes_written);
        } else {
            ends.push((written.offset, written.compressed_size));
        }
    }
    let bytes = Bytes::from(sink.into_inner()?);
    placed(chunk, bytes, uncompressed, dictionary_bytes, &ends)
}

/// The pages with their dictionary in order, where it is to be.
fn sorted_pages(pages: Vec<Page>, column: &ColumnDescriptor) -> Result<Vec<Page>, ParquetError> {
    let Some(Page::DictionaryPage { buf, num_values, encoding, .. }) = pages.first() else {
        return Ok(pages);
    };
    let mut counts = vec![0; *num_values as usize];
    for page in pages.iter().skip(1) {
        match page_indexes(page, column)? {
            Some(indexes) => {
                let PageIndexes { width, bytes, len, .. } = indexes;
                tally(bytes, width, len, &mut counts).ok_or_else(malformed)?;
            }
            // The dictionary ran over: its values are many.
            None => return Ok(pages),
        }
    }
    if counts.iter().any(|count| *count < COMMON) {
        return Ok(pages);
    }
    let (buf, numbers) = sorted(buf, counts.len(), column)?;
    let (num_values, encoding) = (*num_values, *encoding);
    let first = Page::DictionaryPage { buf, num_values, encoding, is_sorted: true };
    let rest = pages.into_iter().skip(1).map(|page| renumbered(page, &numbers, column));
    std::iter::once(Ok(first)).chain(rest).collect()
}

/// The chunk over its new pages, `ends` being where each data page begins and how long it is.
fn placed(
    chunk: Chunk,
    pages: Bytes,
    uncompressed: usize,
    dictionary_bytes: Option<u64>,
    ends: &[(u64, usize)],
) -> Result<Chunk, ParquetError> {
    let mut offset_index = chunk.offset_index;
    if offset_index.page_locations.len() != ends.len() {
        return Err(broken("its offset index counts other pages"));
    }
    for (page, (offset, len)) in offset_index.page_locations.iter_mut().zip(ends) {
        page.offset = i64::try_from(*offset)?;
        page.compressed_page_size = i32::try_from(*len)?;
    }
    let meta = chunk
        .meta
        .into_builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_total_compressed_size(i64::try_from(pages.len())?)
        .set_total_uncompressed_size(i64::try_from(uncompressed)?)
        .set_dictionary_page_offset(dictionary_bytes.map(|_| 0))
        .set_data_page_offset(i64::try_from(dictionary_bytes.unwrap_or(0))?)
        .build()?;
    Ok(Chunk { pages, meta, offset_index, ..chunk })
}

/// Returns the dictionary in the order of its values, and the new number of each old one.
fn sorted(
    buf: &Bytes,
    len: usize,
    column: &ColumnDescriptor,
) -> Result<(Bytes, Vec<u32>), ParquetError> {
    let kind = column.physical_type();
    let entries = entries(buf, len, kind, column.type_length())?;
    let mut order: Vec<u32> = (0..u32::try_from(len)?).collect();
    let entry = |number: &u32| entries.get(*number as usize).copied().unwrap_or_default();
    order.sort_by(|a, b| compare(kind, entry(a).value, entry(b).value));
    let mut bytes = Vec::with_capacity(buf.len());
    order.iter().for_each(|number| bytes.extend_from_slice(entry(number).whole));
    let mut numbers = vec![0; len];
    for (new, old) in (0..).zip(&order) {
        if let Some(number) = numbers.get_mut(*old as usize) {
            *number = new;
        }
    }
    Ok((Bytes::from(bytes), numbers))
}

/// An entry of a dictionary: its bytes, with the length before it where there is one.
#[derive(Clone, Copy, Default)]
struct Entry<'a> {
    whole: &'a [u8],
    value: &'a [u8],
}

fn entries(
    buf: &[u8],
    len: usize,
    kind: Type,
    type_length: i32,
) -> Result<Vec<Entry<'_>>, ParquetError> {
    let mut entries = Vec::with_capacity(len);
    let mut rest = buf;
    for _ in 0..len {
        let (prefix, width) = match kind {
            Type::INT32 | Type::FLOAT => (0, 4),
            Type::INT64 | Type::DOUBLE => (0, 8),
            Type::FIXED_LEN_BYTE_ARRAY => (0, usize::try_from(type_length)?),
            Type::BYTE_ARRAY => (4, length(rest)?),
            Type::BOOLEAN | Type::INT96 => return Err(broken("such values have no dictionary")),
        };
        let short = || broken("its dictionary is short");
        let (whole, behind) = rest.split_at_checked(prefix + width).ok_or_else(short)?;
        entries.push(Entry { whole, value: whole.get(prefix..).ok_or_else(short)? });
        rest = behind;
    }
    Ok(entries)
}

/// The order of values: numbers by size with their sign, floats as IEEE 754 orders all of them,
/// bytes lexicographically.
fn compare(kind: Type, a: &[u8], b: &[u8]) -> Ordering {
    match (kind, a.first_chunk::<8>(), b.first_chunk::<8>()) {
        (Type::INT64, Some(a), Some(b)) => i64::from_le_bytes(*a).cmp(&i64::from_le_bytes(*b)),
        (Type::DOUBLE, Some(a), Some(b)) => {
            f64::from_le_bytes(*a).total_cmp(&f64::from_le_bytes(*b))
        }
        _ => match (kind, a.first_chunk::<4>(), b.first_chunk::<4>()) {
            (Type::INT32, Some(a), Some(b)) => i32::from_le_bytes(*a).cmp(&i32::from_le_bytes(*b)),
            (Type::FLOAT, Some(a), Some(b)) => {
                f32::from_le_bytes(*a).total_cmp(&f32::from_le_bytes(*b))
            }
            _ => a.cmp(b),
        },
    }
}

/// The indexes of a data page.
struct PageIndexes<'a> {
    /// The bytes before them.
    levels: &'a [u8],
    width: u32,
    bytes: &'a [u8],
    /// How many there are: values that are not null.
    len: usize,
}

/// Finds the indexes of a data page; `None` where its values are not in the dictionary.
fn page_indexes<'a>(
    page: &'a Page,
    column: &ColumnDescriptor,
) -> Result<Option<PageIndexes<'a>>, ParquetError> {
    let Page::DataPage {
        buf,
        num_values,
        encoding: Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY,
        ..
    } = page
    else {
        return Ok(None);
    };
    let (mut at, mut len) = (0, *num_values as usize);
    if column.max_rep_level() > 0 {
        at += 4 + length(buf)?;
    }
    if column.max_def_level() > 0 {
        let levels = buf.get(at..).unwrap_or_default();
        let bytes = length(levels)?;
        let levels = levels.get(4..4 + bytes).ok_or_else(malformed)?;
        let mut counts = vec![0; usize::from(column.max_def_level().unsigned_abs()) + 1];
        tally(levels, width_of(counts.len()), len, &mut counts).ok_or_else(malformed)?;
        len = counts.last().copied().unwrap_or_default();
        at += 4 + bytes;
    }
    let (levels, values) = buf.split_at_checked(at).ok_or_else(malformed)?;
    let (width, bytes) = values.split_first().ok_or_else(malformed)?;
    Ok(Some(PageIndexes { levels, width: u32::from(*width), bytes, len }))
}

/// Gives the indexes of a data page their new numbers, in the bits that the whole dictionary
/// takes.
fn renumbered(
    page: Page,
    numbers: &[u32],
    column: &ColumnDescriptor,
) -> Result<Page, ParquetError> {
    let Some(PageIndexes { levels, width, bytes, len }) = page_indexes(&page, column)? else {
        return Ok(page);
    };
    let new_width = width_of(numbers.len());
    let mut out = Vec::with_capacity(levels.len() + bytes.len() * 2);
    out.extend_from_slice(levels);
    out.push(u8::try_from(new_width)?);
    renumber(bytes, width, len, numbers, new_width, &mut out).ok_or_else(malformed)?;
    Ok(with_bytes(page, Bytes::from(out)))
}

/// The page with other bytes.
fn with_bytes(mut page: Page, bytes: Bytes) -> Page {
    match &mut page {
        Page::DataPage { buf, .. }
        | Page::DataPageV2 { buf, .. }
        | Page::DictionaryPage { buf, .. } => *buf = bytes,
    }
    page
}

/// Reads the length that stands before bytes.
fn length(bytes: &[u8]) -> Result<usize, ParquetError> {
    let length = bytes.first_chunk().ok_or_else(|| broken("a length is cut off"))?;
    Ok(usize::try_from(u32::from_le_bytes(*length))?)
}

fn malformed() -> ParquetError {
    broken("its levels or indexes are malformed")
}

fn broken(why: &str) -> ParquetError {
    ParquetError::General(format!("a column chunk was written in another form: {why}"))
}

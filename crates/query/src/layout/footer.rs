//! Writes the end of a Parquet file, page indexes and footer, for column chunks that are placed
//! somewhere in it: those of one part, or of a whole table as one file.

use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder,
    ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescriptor;

use super::chunk::CREATED_BY;
use super::leaves::index_runs;

/// The Parquet magic, which opens and closes every file.
pub(super) const MAGIC: &[u8] = b"PAR1";
/// The length of the footer and the magic behind it.
const TRAILER_BYTES: usize = 8;
/// The version of the format that files say they follow.
const FORMAT_VERSION: i32 = 1;

/// One row group whose column chunks have their place in the file.
#[derive(Debug)]
pub(super) struct PlacedGroup {
    pub(super) rows: i64,
    pub(super) columns: Vec<ColumnChunkMetaData>,
    pub(super) column_indexes: Vec<ColumnIndexMetaData>,
    pub(super) offset_indexes: Vec<OffsetIndexMetaData>,
}

/// The end of a file.
#[derive(Debug)]
pub(super) struct FileEnd {
    /// The page indexes of all column chunks, in runs of whole indexes.
    pub(super) indexes: Vec<Bytes>,
    /// The footer, its length and the magic.
    pub(super) footer: Bytes,
}

/// Writes what follows the first `offset` bytes of a file of these row groups.
pub(super) fn file_end(
    schema: &Arc<SchemaDescriptor>,
    groups: Vec<PlacedGroup>,
    offset: u64,
) -> Result<FileEnd, ParquetError> {
    let metadata = metadata(schema, groups)?;
    let mut end = Behind { skip: offset, bytes: Vec::new() };
    let mut out = TrackedWrite::new(&mut end);
    skip(&mut out, offset)?;
    ParquetMetaDataWriter::new_with_tracked(out, &metadata).finish()?;
    let bytes = Bytes::from(end.bytes);
    let split = footer_start(&bytes)?;
    let (indexes, footer) = (bytes.slice(..split), bytes.slice(split..));
    let ends = index_ends(&footer, offset)?;
    Ok(FileEnd { indexes: index_runs(&indexes, &ends), footer })
}

/// Returns where each page index ends, counted from `offset` bytes into the file, in order.
fn index_ends(footer: &Bytes, offset: u64) -> Result<Vec<u64>, ParquetError> {
    let metadata = footer.get(..footer.len().saturating_sub(TRAILER_BYTES)).unwrap_or_default();
    let metadata = ParquetMetaDataReader::decode_metadata(metadata)?;
    let ends =
        metadata.row_groups().iter().flat_map(RowGroupMetaData::columns).flat_map(index_spans);
    let mut ends: Vec<u64> = ends.map(|span| span.end.saturating_sub(offset)).collect();
    ends.sort_unstable();
    Ok(ends)
}

/// Returns where the page indexes of a column chunk stand in the file.
pub(super) fn index_spans(chunk: &ColumnChunkMetaData) -> impl Iterator<Item = Range<u64>> + use<> {
    let column = chunk.column_index_offset().zip(chunk.column_index_length());
    let offset = chunk.offset_index_offset().zip(chunk.offset_index_length());
    [column, offset].into_iter().flatten().map(|(start, len)| {
        let start = start.unsigned_abs();
        start..start + u64::from(len.unsigned_abs())
    })
}

fn metadata(
    schema: &Arc<SchemaDescriptor>,
    groups: Vec<PlacedGroup>,
) -> Result<ParquetMetaData, ParquetError> {
    let rows = groups.iter().map(|group| group.rows).sum();
    let creator = Some(CREATED_BY.to_owned());
    let file = FileMetaData::new(FORMAT_VERSION, rows, creator, None, Arc::clone(schema), None);
    let mut row_groups = Vec::with_capacity(groups.len());
    let (mut column_indexes, mut offset_indexes) = (Vec::new(), Vec::new());
    for (ordinal, group) in groups.into_iter().enumerate() {
        let uncompressed = group.columns.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
        let first = group.columns.first().map_or(0, |column| {
            column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset())
        });
        let builder = RowGroupMetaData::builder(Arc::clone(schema))
            .set_num_rows(group.rows)
            .set_total_byte_size(uncompressed)
            .set_file_offset(first)
            .set_column_metadata(group.columns);
        row_groups.push(builder.set_ordinal(i16::try_from(ordinal)?).build()?);
        column_indexes.push(group.column_indexes);
        offset_indexes.push(group.offset_indexes);
    }
    Ok(ParquetMetaDataBuilder::new(file)
        .set_row_groups(row_groups)
        .set_column_index(Some(column_indexes))
        .set_offset_index(Some(offset_indexes))
        .build())
}

/// Counts `len` bytes that are in the file already.
fn skip(out: &mut TrackedWrite<&mut Behind>, mut len: u64) -> Result<(), ParquetError> {
    static NOTHING: [u8; 64 << 10] = [0; 64 << 10];
    while len > 0 {
        let step = usize::try_from(len).unwrap_or(NOTHING.len()).min(NOTHING.len());
        out.write_all(&NOTHING[..step])?;
        len -= step as u64;
    }
    Ok(())
}

/// A sink that keeps what comes behind the first `skip` bytes.
struct Behind {
    skip: u64,
    bytes: Vec<u8>,
}

impl std::io::Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let skipped = usize::try_from(self.skip).unwrap_or(bytes.len()).min(bytes.len());
        self.skip -= skipped as u64;
        self.bytes.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns where the footer begins, by the length that stands behind it.
fn footer_start(bytes: &[u8]) -> Result<usize, ParquetError> {
    let wrong = || ParquetError::General("a footer was written without its length".to_owned());
    let trailer = bytes.len().checked_sub(TRAILER_BYTES).ok_or_else(wrong)?;
    let length = bytes.get(trailer..trailer + 4).and_then(|length| length.try_into().ok());
    let length = u32::from_le_bytes(length.ok_or_else(wrong)?);
    usize::try_from(length).ok().and_then(|length| trailer.checked_sub(length)).ok_or_else(wrong)
}

//! Encodes one column of a row group: the column chunks that it becomes, each with its indexes,
//! as if it stood at the beginning of a file.
//!
//! Every column is written on its own, so that columns can be encoded side by side and pages are
//! cut afresh in each: a page ends where the values say so, and depends on nothing before its
//! column chunk. Flat columns are written by [`super::flat`]; every option of the Parquet crate's
//! writer, which writes all others, is pinned here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Type as PhysicalType, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::{
    CdcOptions, EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::dense::dense;
use super::dictionary::sort_and_compress;
use super::encoding::{Choice, choose};
use super::flat::{encode_flat, is_flat};
use super::stats::holds_nan;

/// What the file says wrote it: no version, or every release would change every CID.
pub(super) const CREATED_BY: &str = "cidlake";
/// The compression of every page.
pub(super) const ZSTD_LEVEL: i32 = 3;
/// A page of text or bytes holds at least so many bytes of values before encoding, but for the
/// last: zstd needs some to find what repeats.
const TEXT_PAGE_BYTES_MIN: usize = 128 << 10;
/// A page of other values holds at least so many, but for the last.
const PAGE_BYTES_MIN: usize = 64 << 10;
/// A page holds at most about so many times the least.
const PAGE_BYTES_SPREAD: usize = 4;
/// A dictionary that reaches this size is closed and the rest of its column written directly.
pub(super) const DICTIONARY_BYTES: usize = 1 << 20;
/// The false positives that a bloom filter may give.
pub(super) const BLOOM_FALSE_POSITIVES: f64 = 0.02;
/// Limits are looked at once in so many values.
const BATCH_VALUES: usize = 1024;
/// Bounds of pages of text and bytes are cut to this length: there are many of them.
pub(super) const PAGE_BOUND_BYTES: usize = 16;
/// Minima and maxima of text and bytes are cut to this length.
pub(super) const STATISTICS_BYTES: usize = 64;
/// More than any page has: pages end where their values say.
const NO_LIMIT: usize = 1 << 40;

/// One column chunk. All offsets count from its first byte.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// The dictionary page, where there is one, and the data pages.
    pub(super) pages: Bytes,
    /// The bloom filter with its header.
    pub(super) bloom: Option<Bytes>,
    /// The chunk's metadata.
    pub(super) meta: ColumnChunkMetaData,
    /// Bounds of its pages.
    pub(super) column_index: ColumnIndexMetaData,
    /// Where its pages begin.
    pub(super) offset_index: OffsetIndexMetaData,
}

/// Returns the Parquet schema of a canonical schema.
pub(super) fn parquet_schema(schema: &Schema) -> Result<SchemaDescriptor, ParquetError> {
    ArrowSchemaConverter::new().convert(schema)
}

/// Encodes one canonical column of at least one row.
pub(super) fn encode_column(
    column: &ArrayRef,
    field: &FieldRef,
) -> Result<Vec<Chunk>, ParquetError> {
    let schema = Arc::new(Schema::new(vec![FieldRef::clone(field)]));
    let column = dense(column)?;
    let mut leaves = Vec::new();
    leaf_arrays(&column, &mut leaves);
    let described = parquet_schema(&schema)?;
    if is_flat(&column) {
        let described = described.column(0);
        let bits = integer_bits(described.physical_type());
        return Ok(vec![encode_flat(&column, described, choose(&column, bits))?]);
    }
    let text =
        leaves.iter().any(|leaf| matches!(leaf.data_type(), DataType::Utf8 | DataType::Binary));
    let mut properties = base_properties(if text { TEXT_PAGE_BYTES_MIN } else { PAGE_BYTES_MIN })?;
    for (leaf, described) in leaves.iter().zip(described.columns()) {
        let bits = integer_bits(described.physical_type());
        let Choice { dictionary, encoding, bloom_values } = choose(leaf, bits);
        let path = described.path();
        properties = properties
            .set_column_dictionary_enabled(path.clone(), dictionary)
            .set_column_encoding(path.clone(), encoding)
            .set_column_compression(path.clone(), compression(dictionary)?)
            .set_column_statistics_enabled(path.clone(), statistics_of(leaf, described));
        if let Some(values) = bloom_values {
            properties = properties
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path.clone(), values);
        }
    }
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column])?;
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut file, schema, options)?;
    writer.write(&batch)?;
    let written = writer.close()?;
    let rows = batch.num_rows();
    let chunks = cut_out(&Bytes::from(file), &written)?;
    let sorted = chunks.into_iter().map(|chunk| match chunk.meta.compression() {
        Compression::UNCOMPRESSED => sort_and_compress(chunk, rows),
        _ => Ok(chunk),
    });
    sorted.collect()
}

fn integer_bits(kind: PhysicalType) -> Option<u32> {
    match kind {
        PhysicalType::INT32 => Some(32),
        PhysicalType::INT64 => Some(64),
        _ => None,
    }
}

/// Pages with a dictionary are compressed once it is in order.
fn compression(dictionary: bool) -> Result<Compression, ParquetError> {
    if dictionary {
        return Ok(Compression::UNCOMPRESSED);
    }
    Ok(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
}

/// The arrays behind the Parquet columns of a dense array, in their order.
fn leaf_arrays(array: &ArrayRef, leaves: &mut Vec<ArrayRef>) {
    match array.data_type() {
        DataType::List(_) => leaf_arrays(array.as_list::<i32>().values(), leaves),
        DataType::Struct(_) => {
            array.as_struct().columns().iter().for_each(|column| leaf_arrays(column, leaves));
        }
        DataType::Map(_, _) => {
            leaf_arrays(array.as_map().keys(), leaves);
            leaf_arrays(array.as_map().values(), leaves);
        }
        _ => leaves.push(ArrayRef::clone(array)),
    }
}

/// Which bounds a column chunk may have.
///
/// Parquet leaves NaN out of bounds, and most engines sort it above every number: bounds of a
/// column that holds one would make them skip rows that match. The writer calls a page of lists
/// null that has as many nulls as rows, whatever else is in it, so repeated values have bounds for
/// their chunk and none for their pages.
fn statistics_of(leaf: &ArrayRef, described: &ColumnDescriptor) -> EnabledStatistics {
    if holds_nan(leaf) {
        EnabledStatistics::None
    } else if described.max_rep_level() > 0 {
        EnabledStatistics::Chunk
    } else {
        EnabledStatistics::Page
    }
}

/// The profile's options, every one that shapes bytes named even where it is the default, since
/// a default may change with the crate. Version 1 pages: every reader has them.
fn base_properties(page_bytes_min: usize) -> Result<WriterPropertiesBuilder, ParquetError> {
    let pages = CdcOptions {
        min_chunk_size: page_bytes_min,
        max_chunk_size: page_bytes_min * PAGE_BYTES_SPREAD,
        norm_level: 0,
    };
    Ok(WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_size_limit(NO_LIMIT)
        .set_data_page_row_count_limit(NO_LIMIT)
        .set_write_batch_size(BATCH_VALUES)
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_write_page_header_statistics(false)
        .set_column_index_truncate_length(Some(PAGE_BOUND_BYTES))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_offset_index_disabled(false)
        .set_bloom_filter_enabled(false)
        .set_coerce_types(false)
        .set_write_path_in_schema(true)
        .set_content_defined_chunking(Some(pages))
        .set_key_value_metadata(None)
        .set_sorting_columns(None))
}

/// Cuts the column chunks out of the file of one column.
pub(super) fn cut_out(file: &Bytes, written: &ParquetMetaData) -> Result<Vec<Chunk>, ParquetError> {
    let missing =
        |what: &str| ParquetError::General(format!("a column was written without {what}"));
    let group = written.row_groups().first().ok_or_else(|| missing("a row group"))?;
    let column_indexes = written.column_index().and_then(|indexes| indexes.first());
    let offset_indexes = written.offset_index().and_then(|indexes| indexes.first());
    let offset_indexes = offset_indexes.ok_or_else(|| missing("its offset index"))?;
    let mut chunks = Vec::with_capacity(group.num_columns());
    for (index, meta) in group.columns().iter().enumerate() {
        let (start, len) = meta.byte_range();
        let column_index = column_indexes.and_then(|indexes| indexes.get(index)).cloned();
        let offset_index = offset_indexes.get(index).cloned();
        let bloom = match (meta.bloom_filter_offset(), meta.bloom_filter_length()) {
            (Some(offset), Some(len)) => {
                Some(slice(file, offset.cast_unsigned(), u64::from(len.unsigned_abs()))?)
            }
            _ => None,
        };
        let chunk = Chunk {
            pages: slice(file, start, len)?,
            bloom,
            meta: meta.clone(),
            column_index: column_index.unwrap_or(ColumnIndexMetaData::NONE),
            offset_index: offset_index.ok_or_else(|| missing("its offset index"))?,
        };
        chunks.push(chunk.shifted(-i64::try_from(start)?)?);
    }
    Ok(chunks)
}

fn slice(file: &Bytes, start: u64, len: u64) -> Result<Bytes, ParquetError> {
    let start = usize::try_from(start)?;
    let end = start + usize::try_from(len)?;
    if end > file.len() {
        return Err(ParquetError::General("a column chunk passes the end of its file".to_owned()));
    }
    Ok(file.slice(start..end))
}

impl Chunk {
    /// Returns the chunk with all offsets of its pages moved by `by`; those of its bloom filter
    /// and of its indexes are left out, since they are placed anew.
    fn shifted(self, by: i64) -> Result<Self, ParquetError> {
        let Self { pages, bloom, meta, column_index, offset_index } = self;
        let (meta, offset_index) = shift(meta, offset_index, by)?;
        let meta = meta
            .into_builder()
            .set_bloom_filter_offset(None)
            .set_bloom_filter_length(None)
            .set_column_index_offset(None)
            .set_column_index_length(None)
            .set_offset_index_offset(None)
            .set_offset_index_length(None)
            .build()?;
        Ok(Self { pages, bloom, meta, column_index, offset_index })
    }

    /// Returns where its pages end, the dictionary page among them.
    pub(super) fn page_ends(&self) -> Vec<u64> {
        let mut ends = Vec::with_capacity(self.offset_index.page_locations.len() + 1);
        if self.meta.dictionary_page_offset().is_some() {
            ends.push(self.meta.data_page_offset().unsigned_abs());
        }
        ends.extend(self.offset_index.page_locations.iter().map(|page| {
            page.offset.unsigned_abs() + u64::from(page.compressed_page_size.unsigned_abs())
        }));
        ends
    }
}

/// Moves every offset of pages and bloom filter by `by` bytes.
pub(super) fn shift(
    meta: ColumnChunkMetaData,
    mut offset_index: OffsetIndexMetaData,
    by: i64,
) -> Result<(ColumnChunkMetaData, OffsetIndexMetaData), ParquetError> {
    for page in &mut offset_index.page_locations {
        page.offset += by;
    }
    let dictionary = meta.dictionary_page_offset().map(|offset| offset + by);
    let (data, bloom) = (meta.data_page_offset() + by, meta.bloom_filter_offset());
    let meta = meta
        .into_builder()
        .set_dictionary_page_offset(dictionary)
        .set_data_page_offset(data)
        .set_bloom_filter_offset(bloom.map(|offset| offset + by))
        .build()?;
    Ok((meta, offset_index))
}

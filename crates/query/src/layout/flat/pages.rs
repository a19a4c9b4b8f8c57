//! Writes the pages of a flat column and keeps what indexes and metadata say of them.

use std::ops::Range;

use arrow::buffer::NullBuffer;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, SortOrder, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter as _};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnChunkMetaDataBuilder, ColumnIndexBuilder, LevelHistogram,
    OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::super::chunk::{BLOOM_FALSE_POSITIVES, Chunk, ZSTD_LEVEL};
use super::super::indexes::width_of;
use super::bounds::{Bounds, statistics};
use super::delta::put_deltas;
use super::dictionary::Dictionary;
use super::hybrid::put_hybrid;
use super::values::Values;

/// Writes the pages of one column chunk.
pub(super) struct PageWriter<'a> {
    values: &'a Values,
    dictionary: Option<&'a Dictionary>,
    described: ColumnDescPtr,
    order: SortOrder,
    sink: TrackedWrite<Vec<u8>>,
    compressor: Compressor<'static>,
    column_index: ColumnIndexBuilder,
    offset_index: OffsetIndexBuilder,
    totals: Totals<'a>,
}

/// What is known of the pages so far.
#[derive(Default)]
struct Totals<'a> {
    rows: u64,
    nulls: u64,
    pages: i32,
    uncompressed: usize,
    /// Bytes of text, without their lengths.
    text_bytes: i64,
    /// Where the first data page begins, in bytes.
    data_at: u64,
    bounds: Option<Bounds<'a>>,
    /// Those of the last page that has any.
    last: Option<Bounds<'a>>,
    falls: bool,
    rises: bool,
    /// The largest number of a dictionary's entry so far.
    number_max: u32,
}

impl<'a> PageWriter<'a> {
    /// Begins a column chunk, with the page of its dictionary where it has one.
    pub(super) fn new(
        values: &'a Values,
        dictionary: Option<&'a Dictionary>,
        described: ColumnDescPtr,
    ) -> Result<Self, ParquetError> {
        let mut writer = Self {
            values,
            dictionary,
            order: described.sort_order(),
            sink: TrackedWrite::new(Vec::new()),
            compressor: Compressor::new(ZSTD_LEVEL)?,
            column_index: ColumnIndexBuilder::new(described.physical_type()),
            offset_index: OffsetIndexBuilder::new(),
            described,
            totals: Totals::default(),
        };
        if let Some(dictionary) = dictionary {
            let mut plain = Vec::new();
            for entry in &dictionary.entries {
                values.put_plain(*entry, &mut plain);
            }
            let written = writer.write(&plain, |buf| Page::DictionaryPage {
                buf,
                num_values: u32::try_from(dictionary.entries.len()).unwrap_or(u32::MAX),
                encoding: Encoding::PLAIN,
                is_sorted: dictionary.is_sorted,
            })?;
            writer.totals.data_at = written.bytes_written;
        }
        Ok(writer)
    }

    /// Writes a page of `rows` rows, among them the values at `range`; `levels` says which rows
    /// have one, if not all.
    pub(super) fn push(
        &mut self,
        levels: Option<&NullBuffer>,
        rows: usize,
        range: Range<usize>,
    ) -> Result<(), ParquetError> {
        let mut plain = Vec::new();
        if self.described.max_def_level() > 0 {
            put_levels(levels, rows, &mut plain)?;
        }
        self.put_values(range.clone(), &mut plain)?;
        let (num_values, encoding) = (u32::try_from(rows)?, self.encoding());
        let written = self.write(&plain, |buf| Page::DataPage {
            buf,
            num_values,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        self.offset_index.append_offset_and_size(
            i64::try_from(written.offset)?,
            i32::try_from(written.compressed_size)?,
        );
        self.describe(rows, range)
    }

    /// Takes what is known of a page into indexes and totals.
    fn describe(&mut self, rows: usize, range: Range<usize>) -> Result<(), ParquetError> {
        let nulls = i64::try_from(rows - range.len())?;
        let bounds = Bounds::of(self.values, self.dictionary, self.order, range.clone());
        let [min, max] =
            bounds.map_or_else(Default::default, |bounds| bounds.of_page(self.values, self.order));
        self.column_index.append(bounds.is_none(), min, max, nulls);
        let levels = self.histogram(nulls, i64::try_from(range.len())?);
        self.column_index.append_histograms(&None, &levels);
        self.offset_index.append_row_count(i64::try_from(rows)?);
        if let Values::Bytes(values) = self.values {
            let bytes = i64::try_from(values.run(range).len())?;
            self.offset_index.append_unencoded_byte_array_data_bytes(Some(bytes));
            self.totals.text_bytes += bytes;
        }
        self.totals.rows += rows as u64;
        self.totals.nulls += nulls.unsigned_abs();
        self.totals.pages += 1;
        if let Some(bounds) = bounds {
            self.totals.take(bounds);
        }
        Ok(())
    }

    /// Compresses and writes a page.
    fn write(
        &mut self,
        plain: &[u8],
        page: impl FnOnce(Bytes) -> Page,
    ) -> Result<PageWriteSpec, ParquetError> {
        let packed = Bytes::from(self.compressor.compress(plain)?);
        let page = CompressedPage::new(page(packed), plain.len());
        let written = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.totals.uncompressed += written.uncompressed_size;
        Ok(written)
    }

    fn encoding(&self) -> Encoding {
        match (self.dictionary, self.values) {
            (Some(_), _) => Encoding::RLE_DICTIONARY,
            (None, Values::Bytes(_)) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            (None, _) => Encoding::DELTA_BINARY_PACKED,
        }
    }

    fn put_values(&mut self, range: Range<usize>, out: &mut Vec<u8>) -> Result<(), ParquetError> {
        if let Some(dictionary) = self.dictionary {
            let numbers = dictionary.numbers.get(range).unwrap_or_default();
            // Numbers in the order in which values come are written in the bits that those take
            // which have come: a page depends on nothing behind it.
            let most = numbers.iter().copied().max().unwrap_or_default();
            self.totals.number_max = self.totals.number_max.max(most);
            let count = match dictionary.is_sorted {
                true => dictionary.entries.len(),
                false => self.totals.number_max as usize + 1,
            };
            let width = width_of(count);
            out.push(u8::try_from(width)?);
            put_hybrid(numbers, width, out);
            return Ok(());
        }
        match self.values {
            Values::Int32(values) => {
                let values = values.get(range).unwrap_or_default();
                put_deltas(values.iter().map(|value| i64::from(*value)), i32::BITS, out);
            }
            Values::Int64(values) => {
                put_deltas(values.get(range).unwrap_or_default().iter().copied(), i64::BITS, out);
            }
            Values::Bytes(values) => {
                put_deltas(values.lengths(range.clone()).map(i64::from), i32::BITS, out);
                out.extend_from_slice(values.run(range));
            }
        }
        Ok(())
    }

    fn histogram(&self, nulls: i64, values: i64) -> Option<LevelHistogram> {
        (self.described.max_def_level() > 0).then(|| LevelHistogram::from(vec![nulls, values]))
    }

    /// Ends the column chunk, with a bloom filter for so many distinct values if that is wanted.
    pub(super) fn finish(mut self, bloom_values: Option<u64>) -> Result<Chunk, ParquetError> {
        let bloom = bloom_values.map(|count| self.bloom(count)).transpose()?;
        self.column_index.set_boundary_order(match (self.totals.falls, self.totals.rises) {
            (false, _) => BoundaryOrder::ASCENDING,
            (true, false) => BoundaryOrder::DESCENDING,
            (true, true) => BoundaryOrder::UNORDERED,
        });
        let meta = self.meta()?;
        let column_index = self.column_index.build()?;
        let (pages, offset_index) =
            (Bytes::from(self.sink.into_inner()?), self.offset_index.build());
        let meta = meta.set_total_compressed_size(i64::try_from(pages.len())?).build()?;
        Ok(Chunk { pages, bloom, meta, column_index, offset_index })
    }

    fn meta(&self) -> Result<ColumnChunkMetaDataBuilder, ParquetError> {
        let encoding = self.encoding();
        let (mut encodings, mut stats) = (Vec::new(), Vec::new());
        if self.dictionary.is_some() {
            encodings.push(Encoding::PLAIN);
            let page_type = PageType::DICTIONARY_PAGE;
            stats.push(PageEncodingStats { page_type, encoding: Encoding::PLAIN, count: 1 });
        }
        encodings.extend([Encoding::RLE, encoding]);
        let page_type = PageType::DATA_PAGE;
        stats.push(PageEncodingStats { page_type, encoding, count: self.totals.pages });
        let text_bytes = matches!(self.values, Values::Bytes(_)).then_some(self.totals.text_bytes);
        let nulls = self.totals.nulls;
        let there = i64::try_from(self.totals.rows - nulls)?;
        Ok(ColumnChunkMetaData::builder(ColumnDescPtr::clone(&self.described))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_encodings(encodings)
            .set_page_encoding_stats(stats)
            .set_total_uncompressed_size(i64::try_from(self.totals.uncompressed)?)
            .set_num_values(i64::try_from(self.totals.rows)?)
            .set_data_page_offset(i64::try_from(self.totals.data_at)?)
            .set_dictionary_page_offset(self.dictionary.map(|_| 0))
            .set_statistics(statistics(self.values, self.totals.bounds, self.order, nulls))
            .set_unencoded_byte_array_data_bytes(text_bytes)
            .set_definition_level_histogram(self.histogram(i64::try_from(nulls)?, there)))
    }

    /// Returns the bloom filter of all values, with its header.
    fn bloom(&self, count: u64) -> Result<Bytes, ParquetError> {
        let mut filter = Sbbf::new_with_ndv_fpp(count, BLOOM_FALSE_POSITIVES)?;
        match self.values {
            Values::Int32(values) => values.iter().for_each(|value| filter.insert(value)),
            Values::Int64(values) => values.iter().for_each(|value| filter.insert(value)),
            Values::Bytes(values) => {
                (0..self.values.len()).for_each(|index| filter.insert(values.get(index)));
            }
        }
        let mut bytes = Vec::new();
        filter.fold_to_target_fpp(BLOOM_FALSE_POSITIVES);
        filter.write(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }
}

impl<'a> Totals<'a> {
    /// Takes in the bounds of a page.
    fn take(&mut self, bounds: Bounds<'a>) {
        if let Some(last) = self.last.replace(bounds) {
            self.falls |= !last.ascend_to(&bounds);
            self.rises |= !bounds.ascend_to(&last);
        }
        self.bounds = Some(self.bounds.map_or(bounds, |all| all.with(bounds)));
    }
}

/// Appends definition levels as version 1 pages have them: their length, then one bit for each row.
fn put_levels(
    levels: Option<&NullBuffer>,
    rows: usize,
    out: &mut Vec<u8>,
) -> Result<(), ParquetError> {
    let levels: Vec<u32> = match levels.filter(|levels| levels.null_count() > 0) {
        Some(levels) => levels.iter().map(u32::from).collect(),
        None => vec![1; rows],
    };
    let mut runs = Vec::new();
    put_hybrid(&levels, 1, &mut runs);
    out.extend(u32::try_from(runs.len())?.to_le_bytes());
    out.extend(runs);
    Ok(())
}

//! From a part under one schema to the part of the same rows under another: columns dropped,
//! renamed, added and widened.
//!
//! A column chunk does not depend on the columns beside it, nor on where it stands, so those that
//! stay are taken as they are, and only what is new is encoded. What comes of it is byte for byte
//! what [`encode_part`] gives for the rows under the new schema, so content addresses stay a
//! function of rows, schema and cuts. What to do is decided elsewhere.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{cast_with_options, concat_batches, take};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use bytes::Bytes;
use cidlake_catalog::{ColumnStats, Part};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataReader,
};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use super::canonical::restore;
use super::chunk::{Chunk, cut_out, encode_column, parquet_schema};
use super::convert::{CHECKED, canonical_array};
use super::logical_hash::RowsHash;
use super::part::{EncodedPart, blocks_of, lay_out};
use super::partition::{Partitioning, encode_partitioned};
use super::row_groups::RowGroup;
use super::row_hash::{begun, fold_each, value_hashes};
use super::stats::{column_stats, leaves_of};
use super::widen::widens;
use crate::error::{QueryError, arrow_message};

/// Where a column of the new schema comes from.
#[derive(Clone, Debug)]
pub enum ColumnSource {
    /// The column at this place before, whatever its name was.
    Kept(usize),
    /// The column at this place before, in a [wider](widens) type.
    Widened(usize),
    /// This one value in every row.
    Constant(ArrayRef),
}

/// A change of a table's schema: where each column of the new one comes from.
#[derive(Clone, Debug)]
pub struct Alteration {
    before: Partitioning,
    after: Partitioning,
    sources: Vec<ColumnSource>,
}

impl Alteration {
    /// Describes a change from `before` to `schema`, both in the user's types, with one source for
    /// each column of the latter. The columns called `partition_columns` before stay folders.
    ///
    /// # Errors
    /// Those of [`canonical_schema`](super::canonical_schema); `Unsupported` for a type that is not
    /// wider than the one before, and for one of a partition column.
    pub fn new(
        before: &SchemaRef,
        schema: &SchemaRef,
        sources: Vec<ColumnSource>,
        partition_columns: &[String],
    ) -> Result<Self, QueryError> {
        let before = Partitioning::new(before, partition_columns)?;
        let names = folders_after(&before, schema, &sources)?;
        let after = Partitioning::new(schema, &names)?;
        let (old, new) = (before.schema(), after.schema());
        if sources.len() != new.fields().len() {
            return Err(QueryError::internal("a column of a new schema comes from nowhere"));
        }
        for (source, field) in sources.iter().zip(new.fields()) {
            let (ColumnSource::Kept(from) | ColumnSource::Widened(from)) = source else { continue };
            let was = old.fields().get(*from).map(|was| was.data_type());
            let was = was.ok_or_else(|| QueryError::internal("there is no such column"))?;
            let fits = match source {
                ColumnSource::Widened(_) => widens(was, field.data_type()),
                _ => was == field.data_type(),
            };
            if !fits {
                let what = format!("{} does not hold every value of {was}", field.data_type());
                return Err(QueryError::unsupported(field.name(), what));
            }
        }
        Ok(Self { before, after, sources })
    }

    /// Says whether parts stay what they are: every column is where it was, under its old name where
    /// it is in files.
    #[must_use]
    pub fn keeps_parts(&self) -> bool {
        self.before.file_schema() == self.after.file_schema() && self.keeps_values()
    }

    /// Says whether every column is where it was, so that the rows hash to what they did.
    fn keeps_values(&self) -> bool {
        let here = |(place, source): (usize, &ColumnSource)| match source {
            ColumnSource::Kept(from) => *from == place,
            _ => false,
        };
        self.sources.len() == self.before.schema().fields().len()
            && self.sources.iter().enumerate().all(here)
    }
}

/// Returns what the partition columns are called under a new schema.
fn folders_after(
    before: &Partitioning,
    schema: &Schema,
    sources: &[ColumnSource],
) -> Result<Vec<String>, QueryError> {
    let names = before.folders().iter().map(|folder| {
        let kept = sources.iter().position(|source| match source {
            ColumnSource::Kept(from) => from == folder,
            _ => false,
        });
        let field = kept.and_then(|place| schema.fields().get(place));
        let was = before.schema().field(*folder);
        field.map(|field| field.name().clone()).ok_or_else(|| {
            let what = "it names the folders of parts and stays as it is; store the whole dataset \
                        again first, without partitions or by other columns";
            QueryError::unsupported(was.name(), what)
        })
    });
    names.collect()
}

/// Makes of a part, whose bytes are `file`, the part of the same rows under the new schema.
///
/// # Errors
/// `Unsupported` for a value that its wider type does not hold; `Corrupt` for bytes that this
/// profile did not lay out.
pub fn alter_part(
    part: &Part,
    file: &Bytes,
    alteration: &Alteration,
) -> Result<EncodedPart, QueryError> {
    let foreign = |error: ParquetError| QueryError::Corrupt {
        cid: part.cid,
        detail: format!("it was laid out by somebody else: {error}"),
    };
    if part.rows == 0 {
        let rows = RecordBatch::new_empty(Arc::clone(alteration.after.schema()));
        let group = RowGroup { rows, hash: RowsHash::EMPTY };
        return encode_partitioned(&group, &alteration.after, 1);
    }
    let metadata = footer(file).map_err(foreign)?;
    let chunks = chunks_of_columns(file, &metadata, &alteration.before).map_err(foreign)?;
    let renamed = part.rows_hash.clone().filter(|_| alteration.keeps_values());
    let decoded = match renamed {
        Some(_) => None,
        None => Some(decode(file, &alteration.before, part)?),
    };
    let mut altered = Altered::default();
    for (source, field) in alteration.sources.iter().zip(alteration.after.schema().fields()) {
        let column = Column { source, field, decoded: decoded.as_ref() };
        altered.add(&column, &chunks, part)?;
    }
    let rows_hash = match renamed {
        Some(hash) => hash,
        None => hash_of(&altered.arrays, part.rows).to_bytes(),
    };
    assembled(part, alteration, altered, rows_hash)
}

/// The columns of a new part, in their order.
#[derive(Default)]
struct Altered {
    chunks: Vec<Chunk>,
    /// Empty where the rows hash to what they did.
    arrays: Vec<ArrayRef>,
    /// What a part says of each; of those that were encoded anew, it is told when they have a place.
    stats: Vec<Option<ColumnStats>>,
}

/// A column of a new part, and what it is made of.
struct Column<'a> {
    source: &'a ColumnSource,
    field: &'a FieldRef,
    decoded: Option<&'a RecordBatch>,
}

impl Altered {
    fn add(
        &mut self,
        column: &Column<'_>,
        chunks: &[Vec<Chunk>],
        part: &Part,
    ) -> Result<(), QueryError> {
        let failed = |error: ParquetError| {
            QueryError::internal(format!("encoding column {}: {error}", column.field.name()))
        };
        let missing = || QueryError::internal("a part has fewer columns than its schema");
        let array = column.array()?;
        match column.source {
            ColumnSource::Kept(from) => {
                let chunks = chunks.get(*from).ok_or_else(missing)?;
                self.chunks.extend(named(chunks, column.field).map_err(failed)?);
                self.stats.push(part.columns.get(*from).cloned());
            }
            _ => {
                let array = array.as_ref().ok_or_else(missing)?;
                let encoded = encode_column(array, column.field).map_err(failed)?;
                self.stats.push(Some(stats_of(array, column.field, &encoded)?));
                self.chunks.extend(encoded);
            }
        }
        self.arrays.extend(array);
        Ok(())
    }
}

impl Column<'_> {
    /// Returns its canonical values; none where nothing was decoded.
    fn array(&self) -> Result<Option<ArrayRef>, QueryError> {
        let kind = self.field.data_type();
        let Some(decoded) = self.decoded else { return Ok(None) };
        let failed = |error: arrow::error::ArrowError| {
            QueryError::unsupported(self.field.name(), arrow_message(&error))
        };
        match self.source {
            ColumnSource::Kept(from) => Ok(decoded.columns().get(*from).cloned()),
            ColumnSource::Widened(from) => {
                let column = decoded.columns().get(*from);
                column
                    .map(|column| cast_with_options(column, kind, &CHECKED))
                    .transpose()
                    .map_err(failed)
            }
            ColumnSource::Constant(value) => {
                let value =
                    canonical_array(value, kind).map_err(|trouble| trouble.into_error(0))?;
                let places = UInt64Array::from_value(0, decoded.num_rows());
                take(&value, &places, None).map(Some).map_err(failed)
            }
        }
    }
}

/// Reads a footer as a writer needs it: with page indexes, and nothing put more shortly.
pub(super) fn footer(file: &Bytes) -> Result<ParquetMetaData, ParquetError> {
    ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_metadata_options(Some(
            ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false),
        ))
        .parse_and_finish(file)
}

/// Cuts the column chunks out of the file of a part, those of one column of the table together; a
/// partition column has none.
pub(super) fn chunks_of_columns(
    file: &Bytes,
    metadata: &ParquetMetaData,
    columns: &Partitioning,
) -> Result<Vec<Vec<Chunk>>, ParquetError> {
    let mut chunks = cut_out(file, metadata)?.into_iter();
    let own = |(index, field): (usize, &FieldRef)| {
        let is_there = columns.place_in_files(index).is_some();
        let own = if is_there { leaves_of(field.data_type()) } else { 0 };
        chunks.by_ref().take(own).collect()
    };
    Ok(columns.schema().fields().iter().enumerate().map(own).collect())
}

/// Returns the chunks of a column under the name of `field`.
pub(super) fn named(chunks: &[Chunk], field: &FieldRef) -> Result<Vec<Chunk>, ParquetError> {
    let schema = parquet_schema(&Schema::new(vec![FieldRef::clone(field)]))?;
    let renamed = chunks.iter().zip(schema.columns()).map(|(chunk, described)| {
        let meta = described_as(&chunk.meta, described)?;
        Ok(Chunk { meta, ..chunk.clone() })
    });
    renamed.collect()
}

/// Returns the metadata of a chunk as that of another column: a name stands nowhere else.
fn described_as(
    meta: &ColumnChunkMetaData,
    column: &ColumnDescPtr,
) -> Result<ColumnChunkMetaData, ParquetError> {
    let mut builder = ColumnChunkMetaData::builder(Arc::clone(column))
        .set_encodings_mask(*meta.encodings_mask())
        .set_num_values(meta.num_values())
        .set_compression_codec(meta.compression_codec())
        .set_total_compressed_size(meta.compressed_size())
        .set_total_uncompressed_size(meta.uncompressed_size())
        .set_data_page_offset(meta.data_page_offset())
        .set_index_page_offset(meta.index_page_offset())
        .set_dictionary_page_offset(meta.dictionary_page_offset())
        .set_unencoded_byte_array_data_bytes(meta.unencoded_byte_array_data_bytes())
        .set_repetition_level_histogram(meta.repetition_level_histogram().cloned())
        .set_definition_level_histogram(meta.definition_level_histogram().cloned());
    if let Some(statistics) = meta.statistics() {
        builder = builder.set_statistics(for_old_readers(statistics.clone(), column));
    }
    if let Some(pages) = meta.page_encoding_stats() {
        builder = builder.set_page_encoding_stats(pages.clone());
    }
    builder.build()
}

/// Returns bounds as they are written: those of signed numbers stand in the fields of old readers,
/// too, which is forgotten when they are read.
fn for_old_readers(bounds: Statistics, column: &ColumnDescPtr) -> Statistics {
    if !column.sort_order().is_signed() {
        return bounds;
    }
    match bounds {
        Statistics::Int32(bounds) => bounds.with_backwards_compatible_min_max(true).into(),
        Statistics::Int64(bounds) => bounds.with_backwards_compatible_min_max(true).into(),
        Statistics::Float(bounds) => bounds.with_backwards_compatible_min_max(true).into(),
        Statistics::Double(bounds) => bounds.with_backwards_compatible_min_max(true).into(),
        Statistics::FixedLenByteArray(bounds) => {
            bounds.with_backwards_compatible_min_max(true).into()
        }
        other => other,
    }
}

/// Reads all rows of a part back, in canonical types.
fn decode(file: &Bytes, columns: &Partitioning, part: &Part) -> Result<RecordBatch, QueryError> {
    let schema = columns.file_schema();
    let failed = |error: ParquetError| QueryError::internal(format!("reading a part: {error}"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).map_err(failed)?;
    let mut batches = Vec::new();
    for batch in reader.build().map_err(failed)? {
        let batch = batch.map_err(|error| QueryError::internal(arrow_message(&error)))?;
        batches.push(restore(&batch, schema)?);
    }
    let rows = concat_batches(schema, &batches)
        .map_err(|error| QueryError::internal(arrow_message(&error)))?;
    let all: Vec<usize> = (0..columns.schema().fields().len()).collect();
    columns.with_folders(&rows, &all, part)
}

fn hash_of(columns: &[ArrayRef], rows: u64) -> RowsHash {
    let mut hashes = begun(usize::try_from(rows).unwrap_or_default());
    columns.iter().for_each(|column| fold_each(&mut hashes, &value_hashes(column)));
    let mut hash = RowsHash::EMPTY;
    hash.push(&hashes);
    hash
}

/// Says what a part says of a column that was just encoded.
pub(super) fn stats_of(
    array: &ArrayRef,
    field: &Field,
    chunks: &[Chunk],
) -> Result<ColumnStats, QueryError> {
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let rows = RecordBatch::try_new(schema, vec![Arc::clone(array)])
        .map_err(|error| QueryError::internal(arrow_message(&error)))?;
    let metas: Vec<ColumnChunkMetaData> = chunks.iter().map(|chunk| chunk.meta.clone()).collect();
    column_stats(&rows, &metas)
        .pop()
        .ok_or_else(|| QueryError::internal("a column has no statistics"))
}

/// Gives the columns their places in a file.
fn assembled(
    part: &Part,
    alteration: &Alteration,
    altered: Altered,
    rows_hash: Bytes,
) -> Result<EncodedPart, QueryError> {
    let failed = |error: ParquetError| QueryError::internal(format!("altering a part: {error}"));
    // The record of a part of a very wide table has no room for statistics.
    let columns: Option<Vec<ColumnStats>> = altered.stats.into_iter().collect();
    let columns = columns.unwrap_or_default();
    let laid =
        lay_out(alteration.after.file_schema(), part.rows, altered.chunks).map_err(failed)?;
    let (dag, leaves) = blocks_of(&laid.pieces);
    let part = Part {
        cid: dag.root,
        rows: part.rows,
        bytes: dag.len,
        tsize: dag.tsize,
        partition: part.partition.clone(),
        columns,
        rows_hash: Some(rows_hash),
    };
    Ok(EncodedPart { part, leaves, nodes: dag.nodes })
}

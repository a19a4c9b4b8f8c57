//! Reading Parquet files out of blocks: exact ranges of leaves, and footers that are parsed once.
//!
//! Files are named by their root, which never means anything else, so nothing that is kept here
//! can go stale. The engine of SQL asks through [`PartFiles`], the factory of its readers.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cidlake_block::unixfs::{FileReader, UnixFsError, open_file};
use cidlake_block::{Blocks, Cid, parse_cid};
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::ParquetFileMetrics;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::error::QueryError;
use crate::tally::{Tallied, Tally};

/// How much of a file's end is asked for at once to find its footer.
const FOOTER_GUESS_BYTES: usize = 64 << 10;
/// What a cached footer weighs besides its metadata: the list of leaves and the entry itself.
const LEAF_BYTES: usize = 56;
/// The guess of how many footers fit, which sizes the cache's tables.
const FOOTERS_EXPECTED: usize = 4096;
/// How much memory parsed bloom filters may take; those of a few hundred parts.
const BLOOM_BYTES_MAX: u64 = 64 << 20;
/// The guess of how many of them fit.
const BLOOMS_EXPECTED: usize = 512;
/// What one block of a bloom filter takes.
const BLOOM_BLOCK_BYTES: usize = 32;

/// A file with its parsed footer.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: FileReader,
    pub(crate) metadata: Arc<ParquetMetaData>,
}

#[derive(Clone, Debug)]
struct FooterWeight;

impl Weighter<Cid, OpenFile> for FooterWeight {
    fn weight(&self, _: &Cid, open: &OpenFile) -> u64 {
        (open.metadata.memory_size() + LEAF_BYTES * open.file.leaves().len()) as u64
    }
}

#[derive(Clone, Debug)]
struct BloomWeight;

impl Weighter<(Cid, usize), Arc<Sbbf>> for BloomWeight {
    fn weight(&self, _: &(Cid, usize), filter: &Arc<Sbbf>) -> u64 {
        (filter.num_blocks() * BLOOM_BLOCK_BYTES).max(1) as u64
    }
}

/// Opens Parquet files by root and keeps their footers, and bloom filters that were asked for, up to a
/// number of bytes each.
#[derive(Debug)]
pub(crate) struct PartFiles {
    blocks: Arc<dyn Blocks>,
    footers: Cache<Cid, OpenFile, FooterWeight>,
    /// By the root of the file and the place of the column in it.
    blooms: Cache<(Cid, usize), Arc<Sbbf>, BloomWeight>,
}

impl PartFiles {
    pub(crate) fn new(blocks: Arc<dyn Blocks>, footer_bytes_max: usize) -> Self {
        let footers = Cache::with_weighter(FOOTERS_EXPECTED, footer_bytes_max as u64, FooterWeight);
        let blooms = Cache::with_weighter(BLOOMS_EXPECTED, BLOOM_BYTES_MAX, BloomWeight);
        Self { blocks, footers, blooms }
    }

    /// Returns the bloom filter of a column in the only row group of the file at `root`; nothing where
    /// it has none, or it cannot be read.
    pub(crate) async fn bloom(
        &self,
        root: &Cid,
        open: &OpenFile,
        column: usize,
    ) -> Option<Arc<Sbbf>> {
        if let Some(filter) = self.blooms.get(&(*root, column)) {
            return Some(filter);
        }
        let [row_group] = open.metadata.row_groups() else { return None };
        let chunk = row_group.columns().get(column)?;
        let begin = u64::try_from(chunk.bloom_filter_offset()?).ok()?;
        let end = begin.checked_add(u64::try_from(chunk.bloom_filter_length()?).ok()?)?;
        let bytes = open.file.read(self.blocks.as_ref(), begin..end).await.ok()?;
        // Foreign bytes, and their parser is not ours.
        let parsed = catch_unwind(AssertUnwindSafe(|| Sbbf::from_bytes(&bytes))).ok()?;
        let filter = Arc::new(parsed.ok()?);
        self.blooms.insert((*root, column), Arc::clone(&filter));
        Some(filter)
    }

    pub(crate) fn footer_entries(&self) -> u64 {
        self.footers.len() as u64
    }

    pub(crate) fn blocks(&self) -> &Arc<dyn Blocks> {
        &self.blocks
    }

    /// Opens the file at `root` and parses its footer with the page index, unless it is known.
    pub(crate) async fn open(&self, root: &Cid) -> Result<OpenFile, ParquetError> {
        self.open_from(self.blocks.as_ref(), root).await
    }

    /// Opens the file at `root` as [`Self::open`] does; what has to be read is read from `blocks`.
    async fn open_from(&self, blocks: &dyn Blocks, root: &Cid) -> Result<OpenFile, ParquetError> {
        if let Some(open) = self.footers.get(root) {
            return Ok(open);
        }
        // Footers are foreign bytes, and their parser is not ours.
        let parsed = AssertUnwindSafe(parse(blocks, root)).catch_unwind().await;
        let open = parsed
            .unwrap_or_else(|_| Err(ParquetError::General("the footer is damaged".to_owned())))?;
        self.footers.insert(*root, open.clone());
        Ok(open)
    }

    /// Returns a reader of the file at `root` for the Parquet crate, apart from any plan. The first
    /// error of a block goes to `reading`.
    pub(crate) fn reader(self: &Arc<Self>, root: Cid, reading: Arc<Reading>) -> PartReader {
        let metrics = ExecutionPlanMetricsSet::new();
        PartReader {
            files: Arc::clone(self),
            reading,
            metrics: ParquetFileMetrics::new(0, &root.to_string(), &metrics),
            tally: Tally::new(&metrics, 0),
            root,
            open: None,
            is_begun: false,
        }
    }
}

async fn parse(blocks: &dyn Blocks, root: &Cid) -> Result<OpenFile, ParquetError> {
    let file = open_file(blocks, root).await.map_err(external)?;
    let fetch = Fetch { blocks, file: &file };
    let metadata = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_prefetch_hint(Some(FOOTER_GUESS_BYTES))
        .load_and_finish(fetch, file.len())
        .await?;
    Ok(OpenFile { file, metadata: Arc::new(metadata) })
}

/// Keeps an error of blocks whole while it passes through the Parquet reader.
fn external(error: UnixFsError) -> ParquetError {
    ParquetError::External(Box::new(QueryError::from(error)))
}

/// The ranges that parsing a footer asks for.
struct Fetch<'a> {
    blocks: &'a dyn Blocks,
    file: &'a FileReader,
}

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.file.read(self.blocks, range).await.map_err(external) }.boxed()
    }
}

/// What all readers of one statement share: the first error of a block, because not every layer
/// above hands a cause through, and how much they have read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    first_failure: Mutex<Option<QueryError>>,
    bytes: AtomicU64,
    bytes_max: Option<u64>,
}

impl Reading {
    /// Shares a limit of bytes to read.
    pub(crate) fn up_to(bytes_max: Option<u64>) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Forgets a first attempt of the statement: neither what it read nor what it met counts.
    pub(crate) fn begin_again(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        drop(self.failure());
    }

    /// Takes the first error out.
    pub(crate) fn failure(&self) -> Option<QueryError> {
        self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: QueryError) {
        let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
    }

    fn count(&self, bytes: u64) -> Result<(), QueryError> {
        let read = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match self.bytes_max {
            Some(limit) if read > limit => {
                Err(QueryError::Limit { what: "bytes that it reads", limit })
            }
            _ => Ok(()),
        }
    }
}

/// Makes readers for one statement.
#[derive(Debug)]
pub(crate) struct Readers {
    files: Arc<PartFiles>,
    reading: Arc<Reading>,
}

impl Readers {
    pub(crate) fn new(files: Arc<PartFiles>, reading: Arc<Reading>) -> Self {
        Self { files, reading }
    }
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let location = file.object_meta.location.as_ref();
        let root = parse_cid(location)
            .map_err(|error| DataFusionError::Internal(format!("the part's path: {error}")))?;
        Ok(Box::new(PartReader {
            files: Arc::clone(&self.files),
            reading: Arc::clone(&self.reading),
            metrics: ParquetFileMetrics::new(partition_index, location, metrics),
            tally: Tally::new(metrics, partition_index),
            root,
            open: None,
            is_begun: false,
        }))
    }
}

/// Reads one part, for one partition of a plan or by itself.
pub(crate) struct PartReader {
    files: Arc<PartFiles>,
    reading: Arc<Reading>,
    metrics: ParquetFileMetrics,
    tally: Tally,
    root: Cid,
    /// Held while the part is read, since the cache may be too small for it.
    open: Option<OpenFile>,
    /// Whether any of its values were asked for.
    is_begun: bool,
}

impl PartReader {
    async fn open(&mut self) -> Result<OpenFile, ParquetError> {
        if let Some(open) = &self.open {
            return Ok(open.clone());
        }
        let blocks = Tallied { blocks: self.files.blocks().as_ref(), tally: &self.tally };
        let open = self.files.open_from(&blocks, &self.root).await?;
        Ok(self.open.insert(open).clone())
    }

    /// Reads ranges: the leaves of all of them are asked for in one go.
    async fn read(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        self.reading.count(bytes).map_err(|error| ParquetError::External(Box::new(error)))?;
        let file = self.open().await?.file;
        if !std::mem::replace(&mut self.is_begun, true) {
            self.tally.part();
        }
        let blocks = &Tallied { blocks: self.files.blocks().as_ref(), tally: &self.tally };
        let mut wanted: Vec<Cid> =
            ranges.iter().flat_map(|range| file.leaves_in(range)).map(|leaf| leaf.cid).collect();
        wanted.dedup();
        if wanted.len() > 1 {
            // Fetched together; the reads below then find them in memory. The result is held so
            // that they are, even where nothing caches.
            let held =
                blocks.get_many(&wanted).await.map_err(UnixFsError::from).map_err(external)?;
            let near = Held { blocks, held: &held };
            return read_each(&file, &near, ranges).await;
        }
        read_each(&file, blocks, ranges).await
    }

    /// Keeps the error of a block for whoever ends the statement.
    fn note<T>(&self, result: Result<T, ParquetError>) -> Result<T, ParquetError> {
        result.map_err(|error| match error {
            ParquetError::External(source) => match source.downcast::<QueryError>() {
                Ok(query) => {
                    let text = query.to_string();
                    self.reading.note(*query);
                    ParquetError::General(text)
                }
                Err(source) => ParquetError::External(source),
            },
            other => other,
        })
    }
}

async fn read_each(
    file: &FileReader,
    blocks: &dyn Blocks,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>, ParquetError> {
    let mut out = Vec::with_capacity(ranges.len());
    for range in ranges {
        out.push(file.read(blocks, range.clone()).await.map_err(external)?);
    }
    Ok(out)
}

impl AsyncFileReader for PartReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let ranges = [range];
            self.metrics.bytes_scanned.add(total(&ranges));
            let read = self.read(&ranges).await;
            Ok(self.note(read)?.pop().unwrap_or_default())
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            self.metrics.bytes_scanned.add(total(&ranges));
            let read = self.read(&ranges).await;
            self.note(read)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let open = self.open().await;
            Ok(self.note(open)?.metadata)
        }
        .boxed()
    }
}

fn total(ranges: &[Range<u64>]) -> usize {
    let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Blocks that were just fetched, before those they came from.
#[derive(Debug)]
struct Held<'a> {
    blocks: &'a dyn Blocks,
    held: &'a [cidlake_block::Block],
}

#[async_trait::async_trait]
impl Blocks for Held<'_> {
    async fn get(&self, cid: &Cid) -> Result<cidlake_block::Block, cidlake_block::BlocksError> {
        match self.held.iter().find(|block| block.cid() == cid) {
            Some(block) => Ok(block.clone()),
            None => self.blocks.get(cid).await,
        }
    }

    async fn has(&self, cid: &Cid) -> Result<bool, cidlake_block::BlocksError> {
        self.blocks.has(cid).await
    }

    async fn put_many(
        &self,
        blocks: Vec<cidlake_block::Block>,
    ) -> Result<cidlake_block::PutReport, cidlake_block::BlocksError> {
        self.blocks.put_many(blocks).await
    }
}

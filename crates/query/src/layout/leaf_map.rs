//! What each leaf of a part holds: which column's pages, or which piece of the file around them.

use cidlake_block::Cid;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::footer::index_spans;
use super::single_file::LaidPart;

/// What a leaf holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafKind {
    /// The whole file of a part.
    File,
    /// The magic that opens the file.
    Magic,
    /// Pages of one column, the dictionary page among them where it is the first.
    Pages,
    /// A bloom filter of one column.
    Bloom,
    /// Page indexes.
    Indexes,
    /// The footer.
    Footer,
}

impl LeafKind {
    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Magic => "magic",
            Self::Pages => "pages",
            Self::Bloom => "bloom filter",
            Self::Indexes => "page indexes",
            Self::Footer => "footer",
        }
    }
}

/// One leaf of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafInfo {
    /// Its block.
    pub cid: Cid,
    /// Offset of its first byte in the part's file.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What it holds.
    pub kind: LeafKind,
    /// The column that its pages or its filter belong to, nested fields joined by dots.
    pub column: Option<String>,
    /// Pages that begin in it.
    pub pages: u64,
}

/// Says of every leaf of a part what it holds, in the order of the file.
pub(crate) fn leaf_map(part: &LaidPart) -> Vec<LeafInfo> {
    let whole = part.leaves.len() == 1;
    let footer = chunks(&part.metadata).flat_map(index_spans).map(|span| span.end).max();
    let leaves = part.leaves.iter().map(|leaf| {
        let chunk = chunk_at(&part.metadata, leaf.offset);
        let bloom = bloom_at(&part.metadata, leaf.offset);
        let (kind, column) = match (chunk, bloom) {
            _ if whole => (LeafKind::File, None),
            (Some((_, chunk)), _) => (LeafKind::Pages, Some(chunk)),
            (None, Some(chunk)) => (LeafKind::Bloom, Some(chunk)),
            (None, None) if leaf.offset == 0 => (LeafKind::Magic, None),
            // Between pages and filters, which are found above, and the footer.
            (None, None) if footer.is_some_and(|footer| leaf.offset < footer) => {
                (LeafKind::Indexes, None)
            }
            (None, None) => (LeafKind::Footer, None),
        };
        let range = leaf.offset..leaf.offset + leaf.len;
        LeafInfo {
            cid: leaf.cid,
            offset: leaf.offset,
            bytes: leaf.len,
            kind,
            column: column.map(|chunk| chunk.column_path().string()),
            pages: chunk.map_or(0, |(index, chunk)| pages_in(&part.metadata, index, chunk, &range)),
        }
    });
    leaves.collect()
}

fn chunks(metadata: &ParquetMetaData) -> impl Iterator<Item = &ColumnChunkMetaData> {
    metadata.row_groups().iter().flat_map(|group| group.columns())
}

fn chunk_at(metadata: &ParquetMetaData, offset: u64) -> Option<(usize, &ColumnChunkMetaData)> {
    chunks(metadata).enumerate().find(|(_, chunk)| {
        let (start, len) = chunk.byte_range();
        (start..start + len).contains(&offset)
    })
}

fn bloom_at(metadata: &ParquetMetaData, offset: u64) -> Option<&ColumnChunkMetaData> {
    chunks(metadata).find(|chunk| {
        let place = chunk.bloom_filter_offset().zip(chunk.bloom_filter_length());
        place.is_some_and(|(start, len)| {
            let start = start.unsigned_abs();
            (start..start + u64::from(len.unsigned_abs())).contains(&offset)
        })
    })
}

fn pages_in(
    metadata: &ParquetMetaData,
    index: usize,
    chunk: &ColumnChunkMetaData,
    range: &std::ops::Range<u64>,
) -> u64 {
    let dictionary = chunk.dictionary_page_offset().map(i64::unsigned_abs);
    let indexes = metadata.offset_index().and_then(|groups| groups.first());
    let pages = indexes.and_then(|indexes| indexes.get(index));
    let pages = pages.map_or(&[][..], |pages| &pages.page_locations);
    let starts = pages.iter().map(|page| page.offset.unsigned_abs()).chain(dictionary);
    starts.filter(|start| range.contains(start)).count() as u64
}

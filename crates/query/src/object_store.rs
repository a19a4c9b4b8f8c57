//! The lake as the only object store that the SQL engine knows: files by root, read only.
//!
//! Plans name their store by URL and look it up in a registry; this registry holds one entry and
//! takes no others, so no statement can reach a file or a host.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cidlake_block::unixfs::{FileReader, UnixFsError, open_file};
use cidlake_block::{Blocks, BlocksError, parse_cid};
use datafusion::common::DataFusionError;
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::error::QueryError;

/// The URL of the lake inside plans.
pub(crate) const LAKE_URL: &str = "lake://blocks";

/// Returns [`LAKE_URL`] as plans carry it.
pub(crate) fn lake_url() -> std::result::Result<ObjectStoreUrl, DataFusionError> {
    ObjectStoreUrl::parse(LAKE_URL)
}

/// Describes the file at `root` as plans do. Its time is constant: content never changes.
pub(crate) fn object_meta(root: &str, len: u64) -> ObjectMeta {
    ObjectMeta {
        location: Path::from(root),
        last_modified: std::time::UNIX_EPOCH.into(),
        size: len,
        e_tag: Some(root.to_owned()),
        version: None,
    }
}

/// Blocks as a read-only object store.
#[derive(Debug)]
pub(crate) struct BlockStore {
    blocks: Arc<dyn Blocks>,
}

impl BlockStore {
    pub(crate) fn new(blocks: Arc<dyn Blocks>) -> Self {
        Self { blocks }
    }

    async fn file(&self, location: &Path) -> Result<FileReader> {
        let path = location.as_ref();
        let root = parse_cid(path)
            .map_err(|error| Error::NotFound { path: path.to_owned(), source: Box::new(error) })?;
        open_file(self.blocks.as_ref(), &root).await.map_err(|error| failed(path, error))
    }
}

fn failed(path: &str, error: UnixFsError) -> Error {
    match error {
        UnixFsError::Blocks(BlocksError::NotFound { .. }) => {
            Error::NotFound { path: path.to_owned(), source: Box::new(error) }
        }
        other => Error::Generic { store: "lake", source: Box::new(QueryError::from(other)) },
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::NotSupported { source: "the lake is read only for queries".into() })
}

impl fmt::Display for BlockStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LAKE_URL)
    }
}

#[async_trait]
impl ObjectStore for BlockStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        read_only()
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        read_only()
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let file = self.file(location).await?;
        let meta = object_meta(location.as_ref(), file.len());
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..file.len(),
            Some(range) => range
                .as_range(file.len())
                .map_err(|error| Error::Generic { store: "lake", source: Box::new(error) })?,
        };
        let data = if options.head {
            Bytes::new()
        } else {
            let read = file.read(self.blocks.as_ref(), range.clone()).await;
            read.map_err(|error| failed(location.as_ref(), error))?
        };
        let payload = futures::stream::once(async move { Ok(data) }).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: Default::default(),
        })
    }

    /// Reads exactly what is asked: merging near ranges, which helps far stores, would only read
    /// more of a near one.
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let file = self.file(location).await?;
        let mut out = Vec::with_capacity(ranges.len());
        for range in ranges {
            let read = file.read(self.blocks.as_ref(), range.clone()).await;
            out.push(read.map_err(|error| failed(location.as_ref(), error))?);
        }
        Ok(out)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| read_only()).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::once(async { read_only() }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        read_only()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        read_only()
    }
}

/// A registry that knows the lake and nothing else.
#[derive(Debug)]
pub(crate) struct LakeRegistry {
    store: Arc<dyn ObjectStore>,
}

impl LakeRegistry {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }
}

impl ObjectStoreRegistry for LakeRegistry {
    /// Registers nothing: what is not the lake stays unknown.
    fn register_store(
        &self,
        _: &url::Url,
        _: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &url::Url) -> datafusion::common::Result<Arc<dyn ObjectStore>> {
        if url.as_str().trim_end_matches('/') == LAKE_URL {
            return Ok(Arc::clone(&self.store));
        }
        Err(DataFusionError::External(Box::new(QueryError::Forbidden {
            what: format!("reading {url}"),
        })))
    }
}

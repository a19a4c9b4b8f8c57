//! The lake as a tree of files: `/datasets/CID` and `/metadata/CID.json`, read-only.
//!
//! The tree is a view that is computed when asked for; nothing of it is stored. A dataset of one
//! part is a Parquet file, a larger one a folder of them, a partitioned one folders of folders. Paths never touch the disk.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use cidlake_block::{Cid, Codec};
use futures::StreamExt as _;
use serde_json::json;

use crate::datasets::{DatasetInfo, Shown};
use crate::error::Error;
use crate::files::FileKind;
use crate::lake::Lake;

const DATASETS: &str = "datasets";
const METADATA: &str = "metadata";
/// The longest answer of one read; more is had range by range.
const READ_BYTES_MAX: u64 = 256 << 20;
/// What every part is compressed with.
const COMPRESSION: &str = "zstd";

/// What an entry of the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VfsKind {
    /// A folder.
    Directory,
    /// A file.
    File,
}

/// One entry of the tree.
#[derive(Clone, Debug)]
pub struct VfsEntry {
    /// The absolute path.
    pub path: String,
    /// The last part of the path; empty for the root.
    pub name: String,
    /// What it is.
    pub kind: VfsKind,
    /// Bytes of a file, or of all that a dataset's folder holds; 0 for other folders.
    pub size: u64,
    /// The CID of the content.
    pub cid: Option<Cid>,
    /// The dataset that it belongs to, where it has a name.
    pub dataset: Option<DatasetInfo>,
}

/// A path, taken apart.
enum Place {
    Root,
    /// `/datasets` or `/metadata`.
    Folder(&'static str),
    /// `/datasets/REF[/path]`.
    Dataset {
        reference: String,
        rest: String,
    },
    /// `/metadata/REF.json`.
    Metadata {
        reference: String,
    },
}

impl Lake {
    /// Lists a folder of the tree; a file is listed as itself.
    ///
    /// # Errors
    /// `NotFound` for a path that is not there, `Usage` for one with `..` in it.
    pub async fn vfs_ls(&self, path: &str) -> Result<Vec<VfsEntry>, Error> {
        let _hold = self.hold().await?;
        match parse(path)? {
            Place::Root => Ok(vec![folder(DATASETS), folder(METADATA)]),
            Place::Folder(DATASETS) => {
                let datasets = self.by_content().await?;
                Ok(datasets.into_values().map(dataset_entry).collect())
            }
            Place::Folder(_) => {
                let mut entries = Vec::new();
                for info in self.by_content().await?.into_values() {
                    let size = self.metadata_file(&info.cid.to_string()).await?.len() as u64;
                    entries.push(metadata_entry(info.cid, size, Some(info)));
                }
                Ok(entries)
            }
            Place::Dataset { reference, rest } => {
                let entry = self.dataset_at(&reference, &rest).await?;
                match (entry.kind, entry.cid) {
                    (VfsKind::Directory, Some(cid)) => self.inside(&entry.path, cid).await,
                    _ => Ok(vec![entry]),
                }
            }
            Place::Metadata { .. } => Ok(vec![self.vfs_info(path).await?]),
        }
    }

    /// Says what is at a path.
    ///
    /// # Errors
    /// As [`Self::vfs_ls`].
    pub async fn vfs_info(&self, path: &str) -> Result<VfsEntry, Error> {
        let _hold = self.hold().await?;
        match parse(path)? {
            Place::Root => Ok(VfsEntry { path: "/".to_owned(), ..folder("") }),
            Place::Folder(name) => Ok(folder(name)),
            Place::Dataset { reference, rest } => self.dataset_at(&reference, &rest).await,
            Place::Metadata { reference } => {
                let shown = self.dataset(&reference).await?;
                let size = metadata_bytes(&shown).len() as u64;
                let info = self.by_content().await?.remove(&shown.cid.to_string());
                Ok(metadata_entry(shown.cid, size, info))
            }
        }
    }

    /// Reads a file of the tree, or the bytes `range` of it, as slices of it would be: what lies
    /// past the end is left out.
    ///
    /// # Errors
    /// As [`Self::vfs_ls`]; `Invalid` for a folder and for more than 256 MiB at once.
    pub async fn vfs_cat(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Error> {
        let _hold = self.hold().await?;
        match parse(path)? {
            Place::Metadata { reference } => {
                let bytes = self.metadata_file(&reference).await?;
                Ok(slice(&bytes, range))
            }
            Place::Dataset { reference, rest } => {
                let entry = self.dataset_at(&reference, &rest).await?;
                match (entry.kind, entry.cid) {
                    (VfsKind::File, Some(cid)) => {
                        self.read_file(path, cid, entry.size, range).await
                    }
                    _ => Err(is_folder(path)),
                }
            }
            Place::Root | Place::Folder(_) => Err(is_folder(path)),
        }
    }

    async fn read_file(
        &self,
        path: &str,
        cid: Cid,
        size: u64,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, Error> {
        let range = range.unwrap_or(0..size);
        let range = range.start.min(size)..range.end.min(size);
        let wanted = range.end.saturating_sub(range.start);
        if wanted > READ_BYTES_MAX {
            return Err(Error::invalid(format!("{path} has {wanted} bytes"))
                .with_hint(format!("read at most {READ_BYTES_MAX} at once, range by range")));
        }
        let mut pieces = self.cat(&cid.to_string(), Some(range)).await?;
        let mut bytes = BytesMut::with_capacity(usize::try_from(wanted).unwrap_or_default());
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes.freeze())
    }

    /// Returns the newest datasets by the CID of their content; of two names for the same content
    /// the first by name stands for both.
    async fn by_content(&self) -> Result<BTreeMap<String, DatasetInfo>, Error> {
        let mut by_content = BTreeMap::new();
        for info in self.datasets().await? {
            by_content.entry(info.cid.to_string()).or_insert(info);
        }
        Ok(by_content)
    }

    /// Returns the table that `reference` means.
    async fn dataset(&self, reference: &str) -> Result<Shown, Error> {
        let shown = self.describe(reference).await?;
        if shown.commit.is_none() {
            return Err(Error::not_found(format!("{reference} is not a dataset"))
                .with_hint("`vfs_ls /datasets` lists what there is"));
        }
        Ok(shown)
    }

    async fn dataset_at(&self, reference: &str, rest: &str) -> Result<VfsEntry, Error> {
        let shown = self.dataset(reference).await?;
        let root = shown.cid.to_string();
        let info = self.by_content().await?.remove(&root);
        let target = if rest.is_empty() { root.clone() } else { format!("{root}/{rest}") };
        let stat = self.stat(&target).await?;
        let kind = kind_of(stat.kind);
        let size = match kind {
            VfsKind::Directory if rest.is_empty() => shown.bytes.unwrap_or_default(),
            _ => stat.size,
        };
        let path = format!("/{DATASETS}/{target}");
        let name = target.rsplit('/').next().unwrap_or(&target).to_owned();
        Ok(VfsEntry { path, name, kind, size, cid: Some(stat.cid), dataset: info })
    }

    async fn inside(&self, path: &str, cid: Cid) -> Result<Vec<VfsEntry>, Error> {
        let entries = self.ls(&cid.to_string()).await?.into_iter().map(|entry| VfsEntry {
            path: format!("{path}/{}", entry.name),
            name: entry.name,
            kind: kind_of(entry.kind),
            size: entry.size,
            cid: Some(entry.cid),
            dataset: None,
        });
        Ok(entries.collect())
    }

    async fn metadata_file(&self, reference: &str) -> Result<Bytes, Error> {
        Ok(metadata_bytes(&self.dataset(reference).await?))
    }
}

fn parse(path: &str) -> Result<Place, Error> {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") || path.contains('\0') {
        return Err(Error::usage(format!("{path:?} is no path of this tree"))
            .with_hint("paths begin at /datasets or /metadata and have no .. in them"));
    }
    match parts.as_slice() {
        [] => Ok(Place::Root),
        ["datasets"] => Ok(Place::Folder(DATASETS)),
        ["metadata"] => Ok(Place::Folder(METADATA)),
        ["datasets", reference, rest @ ..] => {
            Ok(Place::Dataset { reference: (*reference).to_owned(), rest: rest.join("/") })
        }
        ["metadata", file] if file.ends_with(".json") => {
            Ok(Place::Metadata { reference: file.trim_end_matches(".json").to_owned() })
        }
        _ => Err(Error::not_found(format!("there is nothing at {path}"))
            .with_hint("the tree has /datasets/CID and /metadata/CID.json")),
    }
}

fn folder(name: &str) -> VfsEntry {
    VfsEntry {
        path: format!("/{name}"),
        name: name.to_owned(),
        kind: VfsKind::Directory,
        size: 0,
        cid: None,
        dataset: None,
    }
}

fn dataset_entry(info: DatasetInfo) -> VfsEntry {
    // The content of one part is that part; the content of several is a folder, a dag-pb root
    // that a file of more than one leaf has as well.
    let is_file = info.parts == 1 && info.partition_columns.is_empty();
    let kind = if is_file || matches!(Codec::of(&info.cid), Ok(Codec::Raw)) {
        VfsKind::File
    } else {
        VfsKind::Directory
    };
    let name = info.cid.to_string();
    VfsEntry {
        path: format!("/{DATASETS}/{name}"),
        name,
        kind,
        size: info.bytes,
        cid: Some(info.cid),
        dataset: Some(info),
    }
}

fn metadata_entry(cid: Cid, size: u64, dataset: Option<DatasetInfo>) -> VfsEntry {
    let name = format!("{cid}.json");
    let path = format!("/{METADATA}/{name}");
    VfsEntry { path, name, kind: VfsKind::File, size, cid: Some(cid), dataset }
}

fn kind_of(kind: FileKind) -> VfsKind {
    match kind {
        FileKind::Directory => VfsKind::Directory,
        FileKind::File | FileKind::Symlink => VfsKind::File,
    }
}

/// Writes the metadata file of a dataset.
fn metadata_bytes(shown: &Shown) -> Bytes {
    let names: Vec<&str> = shown.columns.iter().map(|column| column.name.as_str()).collect();
    let types: Vec<&str> = shown.columns.iter().map(|column| column.kind.as_str()).collect();
    let partitioned = !shown.partition_columns.is_empty();
    let value = json!({
        "cid": shown.cid.to_string(),
        "size_bytes": shown.bytes,
        "is_partitioned": partitioned,
        "metadata": {
            "cid": shown.cid.to_string(),
            "name": shown.name,
            "commit": shown.commit.map(|commit| commit.to_string()),
            "original_metadata": shown.metadata,
            "num_rows": shown.rows,
            "num_columns": names.len(),
            "column_names": names,
            "column_types": types,
            "size_bytes": shown.bytes,
            "is_partitioned": partitioned,
            "partition_cols": shown.partition_columns,
            "parts": shown.parts_total,
            "compression": COMPRESSION,
            "profile": shown.profile,
            "operation": shown.operation,
            "created_at_ms": shown.time_ms,
        },
    });
    // Laid out for people, and always ending in a line end.
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into()
}

fn slice(bytes: &Bytes, range: Option<Range<u64>>) -> Bytes {
    let len = bytes.len();
    let clamp = |at: u64| usize::try_from(at).unwrap_or(len).min(len);
    let Some(range) = range else {
        return bytes.clone();
    };
    let (start, end) = (clamp(range.start), clamp(range.end));
    bytes.slice(start..end.max(start))
}

fn is_folder(path: &str) -> Error {
    Error::invalid(format!("{path} is a folder")).with_hint("vfs_ls lists it")
}

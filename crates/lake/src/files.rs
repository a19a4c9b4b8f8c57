//! Files and folders as UnixFS: add, cat, ls, stat.
//!
//! `add` follows the ratified profile `unixfs-v1-2025`, so that the CID is the one that every
//! other tool computes for that profile: 1 MiB raw leaves, width 1024, folders sharded beyond
//! 256 KiB, hidden files left out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cidlake_block::unixfs::{self, FileReader};
use cidlake_block::{Blocks, Cid};
use cidlake_store::Hold;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::error::{Error, ErrorKind};
use crate::history::split_path;
use crate::lake::{Draft, Inner, Lake};
use crate::progress::{Progress, ProgressEvent, Unit};

/// How deep folders may nest.
const FOLDER_DEPTH_MAX: usize = 256;
/// How much of a file is asked for at once while it streams.
const READ_BYTES: u64 = 4 << 20;

/// What to add.
#[derive(Clone, Debug)]
pub enum AddSource {
    /// A file, or a folder with all that is in it but hidden files.
    Path(PathBuf),
    /// Standard input, to its end.
    Stdin,
    /// Bytes in memory.
    Bytes {
        /// What to call them.
        label: String,
        /// The content.
        data: Bytes,
    },
}

/// What was added.
#[derive(Clone, Debug)]
pub struct Added {
    /// The root.
    pub cid: Cid,
    /// The name of the file or folder.
    pub name: String,
    /// Bytes of content.
    pub bytes: u64,
    /// Bytes of every block that was not here before.
    pub new_bytes: u64,
}

/// What a UnixFS root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// What is known of a file or folder.
#[derive(Clone, Debug)]
pub struct FileInfo {
    /// Its root.
    pub cid: Cid,
    /// What it is.
    pub kind: FileKind,
    /// Bytes of a file's content; 0 for others.
    pub size: u64,
}

/// One entry of a folder.
#[derive(Clone, Debug)]
pub struct LsEntry {
    /// Its name.
    pub name: String,
    /// Its root.
    pub cid: Cid,
    /// Bytes of a file's content; 0 for others.
    pub size: u64,
    /// What it is.
    pub kind: FileKind,
}

/// A file's content, piece by piece, every piece verified.
pub type ByteStream = BoxStream<'static, Result<Bytes, Error>>;

impl Lake {
    /// Adds a file or folder and pins it.
    ///
    /// # Errors
    /// `NotFound` for an absent path, `Invalid` for what is neither file nor folder.
    pub async fn add(&self, source: AddSource, progress: Progress) -> Result<Added, Error> {
        self.blocking(move |inner| inner.add(source, &progress)).await
    }

    /// Streams the content of `cid[/path]`, or of the bytes `range` of it.
    ///
    /// # Errors
    /// `NotFound` when the CID or the path is not here, `Usage` for a malformed CID, `Invalid`
    /// for a folder.
    pub async fn cat(&self, target: &str, range: Option<Range<u64>>) -> Result<ByteStream, Error> {
        let hold = self.hold().await?;
        let cid = self.resolve_path(target).await?;
        let blocks = Arc::clone(&self.inner.blocks);
        match unixfs::kind(blocks.as_ref(), &cid).await? {
            unixfs::Kind::File => {}
            unixfs::Kind::Directory => {
                return Err(Error::invalid(format!("{target} is a folder"))
                    .with_hint(format!("`cidlake ls {target}` lists it")));
            }
            unixfs::Kind::Symlink => {
                let to = unixfs::link_target(blocks.as_ref(), &cid).await?;
                return Err(Error::invalid(format!("{target} is a symbolic link to {to}"))
                    .with_hint("links are kept, not followed: read the path that it points to"));
            }
        }
        let file = unixfs::open_file(blocks.as_ref(), &cid).await?;
        let range = range.unwrap_or(0..file.len());
        let range = range.start.min(file.len())..range.end.min(file.len());
        Ok(stream(hold, blocks, file, range))
    }

    /// Says what `cid[/path]` is and how big.
    ///
    /// # Errors
    /// As [`Self::cat`].
    pub async fn stat(&self, target: &str) -> Result<FileInfo, Error> {
        let _hold = self.hold().await?;
        let cid = self.resolve_path(target).await?;
        let (kind, size) = describe(self.inner.blocks.as_ref(), &cid).await?;
        Ok(FileInfo { cid, kind, size })
    }

    /// Lists the folder at `cid[/path]`; a file is listed as itself.
    ///
    /// # Errors
    /// As [`Self::cat`].
    pub async fn ls(&self, target: &str) -> Result<Vec<LsEntry>, Error> {
        let _hold = self.hold().await?;
        let cid = self.resolve_path(target).await?;
        let blocks = self.inner.blocks.as_ref();
        let (kind, size) = describe(blocks, &cid).await?;
        if kind != FileKind::Directory {
            let name = target.rsplit('/').next().unwrap_or(target).to_owned();
            return Ok(vec![LsEntry { name, cid, size, kind }]);
        }
        let mut entries = Vec::new();
        for entry in unixfs::list(blocks, &cid).await? {
            let (kind, size) = describe(blocks, &entry.cid).await?;
            entries.push(LsEntry { name: entry.name, cid: entry.cid, size, kind });
        }
        Ok(entries)
    }

    /// Resolves `cid/path`, `/ipfs/cid/path` or a table's name to a UnixFS root.
    async fn resolve_path(&self, target: &str) -> Result<Cid, Error> {
        let (head, path) = match split_path(target) {
            Ok(split) => split,
            Err(not_a_cid) => match target.split_once('/').unwrap_or((target, "")) {
                (name, path) if cidlake_catalog::Reference::parse(name).is_ok() => {
                    (self.found(name).await?.commit.content, path.trim_matches('/').to_owned())
                }
                _ => return Err(not_a_cid),
            },
        };
        let blocks = self.inner.blocks.as_ref();
        Ok(unixfs::resolve(blocks, &head, &path).await?)
    }
}

async fn describe(blocks: &dyn Blocks, cid: &Cid) -> Result<(FileKind, u64), Error> {
    match unixfs::kind(blocks, cid).await? {
        unixfs::Kind::Directory => Ok((FileKind::Directory, 0)),
        unixfs::Kind::Symlink => Ok((FileKind::Symlink, 0)),
        unixfs::Kind::File => Ok((FileKind::File, unixfs::open_file(blocks, cid).await?.len())),
    }
}

/// Streams a file; the hold lasts as long as the stream.
fn stream(hold: Hold, blocks: Arc<dyn Blocks>, file: FileReader, range: Range<u64>) -> ByteStream {
    let pieces = futures::stream::unfold(range, move |rest| {
        let (hold, blocks, file) = (hold.clone(), Arc::clone(&blocks), file.clone());
        async move {
            let _hold = hold;
            if rest.start >= rest.end {
                return None;
            }
            let end = rest.end.min(rest.start + READ_BYTES);
            let piece = file.read(blocks.as_ref(), rest.start..end).await.map_err(Error::from);
            // After a failure nothing more is asked for.
            let next = if piece.is_ok() { end..rest.end } else { rest.end..rest.end };
            Some((piece, next))
        }
    });
    pieces.boxed()
}

impl Inner {
    fn add(&self, source: AddSource, progress: &Progress) -> Result<Added, Error> {
        let hold = self.hold()?;
        let mut adder = Adder { inner: self, hold: &hold, progress, done: 0, new_bytes: 0 };
        let (name, node) = match source {
            AddSource::Path(path) => {
                let name = path
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                (name, adder.path(&path)?)
            }
            AddSource::Stdin => {
                let node =
                    adder.reader(&mut std::io::stdin().lock(), Path::new("standard input"))?;
                ("standard input".to_owned(), node)
            }
            AddSource::Bytes { label, data } => {
                let node = adder.reader(&mut data.as_ref(), Path::new(&label))?;
                (label, node)
            }
        };
        let (bytes, new_bytes) = (adder.done, adder.new_bytes);
        let ((), _) = self.change(&hold, |view| {
            let pinned = view.pins.contains_key(&node.cid);
            let pins = vec![(node.cid, Some(name.clone()))];
            Ok(((), (!pinned).then(|| Draft { pins, ..Draft::default() })))
        })?;
        Ok(Added { cid: node.cid, name, bytes, new_bytes })
    }
}

/// A root and the size that its parent's link records.
struct Node {
    cid: Cid,
    tsize: u64,
}

/// A folder whose entries are being added.
struct OpenFolder {
    name: String,
    waiting: VecDeque<PathBuf>,
    done: Vec<unixfs::Entry>,
}

struct Adder<'a> {
    inner: &'a Inner,
    hold: &'a Hold,
    progress: &'a Progress,
    done: u64,
    new_bytes: u64,
}

impl Adder<'_> {
    fn path(&mut self, path: &Path) -> Result<Node, Error> {
        let meta = std::fs::metadata(path).map_err(|error| Error::io(path, "read", error))?;
        if meta.is_dir() { self.folder(path) } else { self.file(path, &meta) }
    }

    fn file(&mut self, path: &Path, meta: &std::fs::Metadata) -> Result<Node, Error> {
        if !meta.is_file() {
            return Err(Error::invalid(format!(
                "{} is neither a file nor a folder",
                path.display()
            )));
        }
        let mut file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
        self.reader(&mut file, path)
    }

    /// Adds what `from` yields as a file, leaf by leaf.
    fn reader(&mut self, from: &mut dyn Read, label: &Path) -> Result<Node, Error> {
        let mut builder = unixfs::FileBuilder::new(unixfs::CHUNK_BYTES);
        loop {
            let mut piece = Vec::with_capacity(unixfs::CHUNK_BYTES);
            from.take(unixfs::CHUNK_BYTES as u64)
                .read_to_end(&mut piece)
                .map_err(|error| Error::io(label, "read", error))?;
            if piece.is_empty() {
                break;
            }
            self.done += piece.len() as u64;
            self.put(&builder.push(piece.into()))?;
            (self.progress)(ProgressEvent {
                phase: "adding",
                done: self.done,
                total: None,
                unit: Unit::Bytes,
            });
        }
        let (leaves, dag) = builder.finish();
        self.put(&leaves)?;
        self.put(&dag.nodes)?;
        Ok(Node { cid: dag.root, tsize: dag.tsize })
    }

    /// Keeps a symbolic link as what it is, as the profile says: it may point out of the folder.
    fn link(&mut self, path: &Path) -> Result<Node, Error> {
        let target = std::fs::read_link(path).map_err(|error| Error::io(path, "read", error))?;
        let dag = unixfs::symlink(target.into_os_string().into_encoded_bytes());
        self.put(&dag.nodes)?;
        Ok(Node { cid: dag.root, tsize: dag.tsize })
    }

    fn put(&mut self, blocks: &[cidlake_block::Block]) -> Result<(), Error> {
        self.new_bytes += self.inner.store.put(self.hold, blocks)?.new_bytes;
        Ok(())
    }

    /// Adds a folder and all below it, without recursion: folders can nest as deep as they like
    /// up to a bound that also ends loops of links.
    fn folder(&mut self, path: &Path) -> Result<Node, Error> {
        let mut open = vec![OpenFolder::list(path, String::new())?];
        loop {
            let depth = open.len();
            let Some(folder) = open.last_mut() else {
                return Err(Error::internal("a folder was closed twice"));
            };
            let Some(next) = folder.waiting.pop_front() else {
                let entries = std::mem::take(&mut folder.done);
                let name = std::mem::take(&mut folder.name);
                let dag = unixfs::directory(entries)?;
                self.put(&dag.nodes)?;
                open.pop();
                match open.last_mut() {
                    None => {
                        return Ok(Node { cid: dag.root, tsize: dag.tsize });
                    }
                    Some(parent) => {
                        parent.done.push(unixfs::Entry { name, cid: dag.root, tsize: dag.tsize });
                    }
                }
                continue;
            };
            let name = entry_name(&next)?;
            let meta = std::fs::symlink_metadata(&next)
                .map_err(|error| Error::io(&next, "read", error))?;
            if meta.is_dir() {
                if depth >= FOLDER_DEPTH_MAX {
                    return Err(Error::invalid(format!(
                        "{} lies deeper than {FOLDER_DEPTH_MAX} folders",
                        next.display()
                    )));
                }
                open.push(OpenFolder::list(&next, name)?);
            } else {
                let node =
                    if meta.is_symlink() { self.link(&next)? } else { self.file(&next, &meta)? };
                folder.done.push(unixfs::Entry { name, cid: node.cid, tsize: node.tsize });
            }
        }
    }
}

impl OpenFolder {
    fn list(path: &Path, name: String) -> Result<Self, Error> {
        let fail = |error| Error::io(path, "list", error);
        let mut waiting = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                waiting.push(entry.path());
            }
        }
        waiting.sort();
        Ok(Self { name, waiting: waiting.into(), done: Vec::new() })
    }
}

fn entry_name(path: &Path) -> Result<String, Error> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, format!("the name of {} is not UTF-8", path.display()))
            .with_hint("rename it; names in a UnixFS folder are text")
    })
}

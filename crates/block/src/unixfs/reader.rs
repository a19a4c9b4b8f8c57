//! Reading files: where each leaf lies, and exact ranges of bytes out of verified leaves.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::UnixFsError;
use super::node::{Type, UnixFsNode, refuse};
use crate::blocks::Blocks;
use crate::cid::{Cid, Codec};
use crate::limits::UNIXFS_DEPTH_MAX;

/// Where one leaf lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafSpan {
    /// Offset of its first byte.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
    /// Its block.
    pub cid: Cid,
}

/// A file that is open for reading. Clones share the list of leaves.
#[derive(Clone, Debug)]
pub struct FileReader {
    root: Cid,
    len: u64,
    leaves: Arc<[LeafSpan]>,
}

/// A subtree that is still to be opened.
struct Waiting {
    cid: Cid,
    /// Its bytes, as its parent says; the root has no parent.
    len: Option<u64>,
    depth: usize,
}

/// Opens the file at `root`: a raw leaf, or nodes of any width, with leaves of any kind.
///
/// # Errors
/// [`UnixFsError::NotAFile`] for a folder; otherwise what is wrong with which block.
pub async fn open_file(blocks: &dyn Blocks, root: &Cid) -> Result<FileReader, UnixFsError> {
    let mut leaves = Vec::new();
    let mut offset = 0_u64;
    let mut waiting = vec![Waiting { cid: *root, len: None, depth: 0 }];
    while let Some(next) = waiting.pop() {
        if next.depth > UNIXFS_DEPTH_MAX {
            return Err(UnixFsError::TooDeep { root: *root });
        }
        // A raw leaf under a node needs no look: its parent says how long it is, and reading it
        // will tell if that was not so.
        let len = match (codec(&next.cid)?, next.len) {
            (Codec::Raw, Some(len)) => len,
            (Codec::Raw, None) => blocks.get(&next.cid).await?.len() as u64,
            _ => match descend(blocks, &next, &mut waiting).await? {
                Some(own) => own,
                None => continue,
            },
        };
        leaves.push(LeafSpan { offset, len, cid: next.cid });
        offset = offset.checked_add(len).ok_or_else(|| refuse(*root, "its size overflows"))?;
    }
    Ok(FileReader { root: *root, len: offset, leaves: leaves.into() })
}

fn codec(cid: &Cid) -> Result<Codec, UnixFsError> {
    match Codec::of(cid) {
        Ok(Codec::DagCbor) => Err(refuse(*cid, "it is DAG-CBOR")),
        Ok(codec) => Ok(codec),
        Err(error) => Err(refuse(*cid, &error.to_string())),
    }
}

/// Opens a node: puts its children on the stack, or returns the length of the bytes in itself.
async fn descend(
    blocks: &dyn Blocks,
    at: &Waiting,
    waiting: &mut Vec<Waiting>,
) -> Result<Option<u64>, UnixFsError> {
    let node = UnixFsNode::decode(&blocks.get(&at.cid).await?)?;
    if !matches!(node.kind, Type::File | Type::Raw) {
        return Err(UnixFsError::NotAFile { cid: at.cid });
    }
    let own = node.data.as_ref().map_or(0, Bytes::len) as u64;
    let whole = own + node.blocksizes.iter().sum::<u64>();
    if at.len.is_some_and(|said| said != whole) {
        return Err(refuse(at.cid, "its parent says another size"));
    }
    if node.links.is_empty() {
        return Ok(Some(own));
    }
    if own > 0 {
        return Err(refuse(at.cid, "it has both bytes and children"));
    }
    let children = node.links.iter().zip(&node.blocksizes).rev();
    waiting.extend(children.map(|(link, len)| Waiting {
        cid: link.cid,
        len: Some(*len),
        depth: at.depth + 1,
    }));
    Ok(None)
}

impl FileReader {
    /// Returns the root.
    #[must_use]
    pub const fn root(&self) -> &Cid {
        &self.root
    }

    /// Returns the bytes of the file.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the file has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the leaves in order.
    #[must_use]
    pub fn leaves(&self) -> &[LeafSpan] {
        &self.leaves
    }

    /// Returns the leaves that hold any byte of `range`.
    #[must_use]
    pub fn leaves_in(&self, range: &Range<u64>) -> &[LeafSpan] {
        if range.start >= range.end {
            return &[];
        }
        let first = self.leaves.partition_point(|leaf| leaf.offset + leaf.len <= range.start);
        let last = self.leaves.partition_point(|leaf| leaf.offset < range.end);
        self.leaves.get(first..last).unwrap_or_default()
    }

    /// Reads `range`, which is cut at the end of the file. Bytes of one leaf are shared with it,
    /// not copied; those of several are asked for at once and joined.
    ///
    /// # Errors
    /// When a leaf cannot be had or is not as long as its parent says.
    pub async fn read(&self, blocks: &dyn Blocks, range: Range<u64>) -> Result<Bytes, UnixFsError> {
        let range = range.start..range.end.min(self.len);
        let spans = self.leaves_in(&range);
        let cids: Vec<Cid> = spans.iter().map(|span| span.cid).collect();
        let mut pieces = Vec::with_capacity(spans.len());
        for (span, block) in spans.iter().zip(blocks.get_many(&cids).await?) {
            pieces.push(piece(span, &leaf_bytes(span, &block)?, &range)?);
        }
        if pieces.len() <= 1 {
            return Ok(pieces.pop().unwrap_or_default());
        }
        let mut joined = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
        Ok(joined.freeze())
    }
}

/// Returns the content of a leaf, checked against the length that the tree gives it.
fn leaf_bytes(span: &LeafSpan, block: &crate::block::Block) -> Result<Bytes, UnixFsError> {
    let data = match codec(&span.cid)? {
        Codec::Raw => block.data().clone(),
        _ => UnixFsNode::decode(block)?.data.unwrap_or_default(),
    };
    if data.len() as u64 != span.len {
        return Err(refuse(span.cid, "it is not as long as its parent says"));
    }
    Ok(data)
}

/// Returns what of a leaf lies in `range`.
fn piece(span: &LeafSpan, data: &Bytes, range: &Range<u64>) -> Result<Bytes, UnixFsError> {
    let from = range.start.saturating_sub(span.offset);
    let to = (range.end - span.offset).min(span.len);
    let bounds = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let (from, to) = bounds.ok_or_else(|| refuse(span.cid, "it is too large for this machine"))?;
    Ok(data.slice(from..to))
}

//! Building files: leaves in, a balanced tree of nodes out. Only links are handled here; the
//! bytes of the leaves are never copied.

use bytes::{Bytes, BytesMut};

use super::node::{Type, UnixFsNode};
use super::{Dag, Leaf, UnixFsError, WIDTH};
use crate::block::Block;
use crate::cid::{Cid, Codec};
use crate::codec::dag_pb::Link;
use crate::limits::BLOCK_BYTES_MAX;

/// A subtree on its way up.
struct Branch {
    cid: Cid,
    len: u64,
    tsize: u64,
}

/// Builds the file over `leaves`: balanced, [`WIDTH`] children a node, every leaf equally deep.
/// One leaf is its own root; no leaf at all is the empty raw block, which is then among the nodes.
#[must_use]
pub fn file_from_leaves(leaves: &[Leaf]) -> Dag {
    let mut nodes = Vec::new();
    let mut level: Vec<Branch> = leaves
        .iter()
        .map(|leaf| Branch { cid: leaf.cid, len: leaf.len, tsize: leaf.len })
        .collect();
    if level.is_empty() {
        let empty = Block::new(Codec::Raw, Bytes::new());
        return Dag { root: *empty.cid(), len: 0, tsize: 0, nodes: vec![empty] };
    }
    loop {
        if let [root] = level.as_slice() {
            return Dag { root: root.cid, len: root.len, tsize: root.tsize, nodes };
        }
        level = level.chunks(WIDTH).map(|children| join(children, &mut nodes)).collect();
    }
}

/// Makes the node over `children`.
fn join(children: &[Branch], nodes: &mut Vec<Block>) -> Branch {
    let mut node = UnixFsNode::new(Type::File);
    let len = children.iter().map(|child| child.len).sum();
    node.filesize = Some(len);
    node.blocksizes = children.iter().map(|child| child.len).collect();
    node.links = children
        .iter()
        // The name is there and empty: the ratified vectors have it so.
        .map(|child| Link { cid: child.cid, name: Some(String::new()), tsize: Some(child.tsize) })
        .collect();
    let block = node.block();
    let below: u64 = children.iter().map(|child| child.tsize).sum();
    let branch = Branch { cid: *block.cid(), len, tsize: below + block.len() as u64 };
    nodes.push(block);
    branch
}

/// Cuts `data` at `cuts` (the end of each leaf, the last being the length of the data) into raw
/// leaves that share its bytes.
///
/// # Errors
/// When the cuts do not rise to the end of the data, or a leaf is larger than a block may be.
pub fn leaves_at(data: &Bytes, cuts: &[u64]) -> Result<Vec<Block>, UnixFsError> {
    let len = data.len() as u64;
    let mut leaves = Vec::with_capacity(cuts.len());
    let mut start = 0;
    for &cut in cuts {
        if cut <= start || cut > len {
            return Err(UnixFsError::BadCut { cut, len });
        }
        if cut - start > BLOCK_BYTES_MAX as u64 {
            return Err(UnixFsError::LeafTooLarge { len: cut - start });
        }
        let range = usize::try_from(start).ok().zip(usize::try_from(cut).ok());
        let (from, to) = range.ok_or(UnixFsError::BadCut { cut, len })?;
        leaves.push(Block::new(Codec::Raw, data.slice(from..to)));
        start = cut;
    }
    if start == len { Ok(leaves) } else { Err(UnixFsError::BadCut { cut: start, len }) }
}

/// Builds a file of leaves of one size from bytes that arrive in pieces.
#[derive(Debug)]
pub struct FileBuilder {
    chunk_bytes: usize,
    rest: BytesMut,
    leaves: Vec<Leaf>,
}

impl FileBuilder {
    /// Begins a file with leaves of `chunk_bytes`, at least 1 and at most the largest block.
    #[must_use]
    pub fn new(chunk_bytes: usize) -> Self {
        let chunk_bytes = chunk_bytes.clamp(1, BLOCK_BYTES_MAX);
        Self { chunk_bytes, rest: BytesMut::new(), leaves: Vec::new() }
    }

    /// Takes the next bytes and returns the leaves that they complete. A piece that begins at a
    /// leaf's border and holds whole leaves is not copied.
    pub fn push(&mut self, mut piece: Bytes) -> Vec<Block> {
        let mut done = Vec::new();
        if !self.rest.is_empty() {
            let wanted = self.chunk_bytes - self.rest.len();
            let head = piece.split_to(wanted.min(piece.len()));
            self.rest.extend_from_slice(&head);
            if self.rest.len() == self.chunk_bytes {
                let leaf = self.rest.split().freeze();
                done.push(self.leaf(leaf));
            }
        }
        while piece.len() >= self.chunk_bytes {
            let leaf = piece.split_to(self.chunk_bytes);
            done.push(self.leaf(leaf));
        }
        if !piece.is_empty() {
            self.rest.extend_from_slice(&piece);
        }
        done
    }

    /// Ends the file: returns the last leaf, if one is left, and the DAG.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Block>, Dag) {
        let rest = self.rest.split().freeze();
        let last = if rest.is_empty() { Vec::new() } else { vec![self.leaf(rest)] };
        (last, file_from_leaves(&self.leaves))
    }

    fn leaf(&mut self, data: Bytes) -> Block {
        let block = Block::new(Codec::Raw, data);
        self.leaves.push(Leaf { cid: *block.cid(), len: block.len() as u64 });
        block
    }
}

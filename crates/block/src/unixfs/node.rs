//! The UnixFS message inside a DAG-PB node's data: which kind of node it is, and its sizes.

use bytes::Bytes;

use super::UnixFsError;
use crate::block::Block;
use crate::cid::Cid;
use crate::codec::dag_pb::{Field, Fields, Link, Node, put_bytes, put_number};
use crate::limits::LINKS_MAX;

/// The types of UnixFS nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Raw = 0,
    Directory = 1,
    File = 2,
    Symlink = 4,
    HamtShard = 5,
}

/// A UnixFS node: the message and the links around it.
#[derive(Clone, Debug)]
pub(super) struct UnixFsNode {
    pub(super) kind: Type,
    pub(super) data: Option<Bytes>,
    pub(super) filesize: Option<u64>,
    pub(super) blocksizes: Vec<u64>,
    pub(super) hash_type: Option<u64>,
    pub(super) fanout: Option<u64>,
    pub(super) links: Vec<Link>,
}

impl UnixFsNode {
    pub(super) fn new(kind: Type) -> Self {
        Self {
            kind,
            data: None,
            filesize: None,
            blocksizes: Vec::new(),
            hash_type: None,
            fanout: None,
            links: Vec::new(),
        }
    }

    /// Encodes the node as a block.
    pub(super) fn block(self) -> Block {
        let mut message = Vec::with_capacity(16 + 4 * self.blocksizes.len());
        put_number(&mut message, 0x08, self.kind as u64);
        if let Some(data) = &self.data {
            put_bytes(&mut message, 0x12, data);
        }
        if let Some(filesize) = self.filesize {
            put_number(&mut message, 0x18, filesize);
        }
        for blocksize in &self.blocksizes {
            put_number(&mut message, 0x20, *blocksize);
        }
        if let Some(hash_type) = self.hash_type {
            put_number(&mut message, 0x28, hash_type);
        }
        if let Some(fanout) = self.fanout {
            put_number(&mut message, 0x30, fanout);
        }
        Node { links: self.links, data: Some(message.into()) }.block()
    }

    /// Decodes the node in `block`.
    pub(super) fn decode(block: &Block) -> Result<Self, UnixFsError> {
        let cid = *block.cid();
        let codec = |source| UnixFsError::Codec { cid, source };
        let node = Node::decode(block.data()).map_err(codec)?;
        let message = node.data.ok_or_else(|| refuse(cid, "it has no data"))?;
        let mut out = Self::new(Type::Raw);
        out.links = node.links;
        let mut kind = None;
        let mut fields = Fields::new(&message);
        while let Some(field) = fields.next().map_err(codec)? {
            match field {
                Field { tag: 0x08, number, .. } => kind = Some(parse_kind(cid, number)?),
                Field { tag: 0x12, value, .. } => out.data = Some(message.slice_ref(value)),
                Field { tag: 0x18, number, .. } => out.filesize = Some(number),
                Field { tag: 0x20, number, .. } => out.push_blocksize(cid, number)?,
                Field { tag: 0x22, value, .. } => out.packed_blocksizes(cid, value)?,
                Field { tag: 0x28, number, .. } => out.hash_type = Some(number),
                Field { tag: 0x30, number, .. } => out.fanout = Some(number),
                // Mode and modification time: read over, since content does not depend on them.
                _ => {}
            }
        }
        out.kind = kind.ok_or_else(|| refuse(cid, "it has no type"))?;
        out.checked(cid)
    }

    fn push_blocksize(&mut self, cid: Cid, size: u64) -> Result<(), UnixFsError> {
        if self.blocksizes.len() >= LINKS_MAX {
            return Err(refuse(cid, "it has more block sizes than links are read"));
        }
        self.blocksizes.push(size);
        Ok(())
    }

    fn packed_blocksizes(&mut self, cid: Cid, mut bytes: &[u8]) -> Result<(), UnixFsError> {
        while !bytes.is_empty() {
            let (size, used) = crate::codec::dag_pb::read_varint(bytes)
                .ok_or_else(|| refuse(cid, "its block sizes are cut short"))?;
            self.push_blocksize(cid, size)?;
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Checks what the parts say of each other: one size a link, and a sum that is the whole.
    fn checked(self, cid: Cid) -> Result<Self, UnixFsError> {
        if !matches!(self.kind, Type::File | Type::Raw) {
            return Ok(self);
        }
        if self.links.len() != self.blocksizes.len() {
            return Err(refuse(cid, "it does not have one block size for each link"));
        }
        let own = self.data.as_ref().map_or(0, Bytes::len) as u64;
        let sum = self.blocksizes.iter().try_fold(own, |sum, size| sum.checked_add(*size));
        if self.filesize.is_some_and(|filesize| Some(filesize) != sum) || sum.is_none() {
            return Err(refuse(cid, "its block sizes do not add up to its file size"));
        }
        Ok(self)
    }
}

fn parse_kind(cid: Cid, number: u64) -> Result<Type, UnixFsError> {
    [Type::Raw, Type::Directory, Type::File, Type::Symlink, Type::HamtShard]
        .into_iter()
        .find(|kind| *kind as u64 == number)
        .ok_or_else(|| refuse(cid, "its type is unknown"))
}

pub(super) fn refuse(cid: Cid, detail: &str) -> UnixFsError {
    UnixFsError::NotUnixFs { cid, detail: detail.to_owned() }
}

//! DAG-PB: the protobuf node with links under UnixFS, encoded and decoded strictly.
//!
//! A node is `links` (field 2, before) and `data` (field 1, behind them); a link is the binary
//! CID (1), a name (2) and the size of everything below (3). A link's name that is absent and one
//! that is empty are different bytes and kept apart.

use bytes::Bytes;

use super::CodecError;
use crate::block::Block;
use crate::cid::{Cid, Codec, check};
use crate::limits::LINKS_MAX;

/// A DAG-PB node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The links, in their order.
    pub links: Vec<Link>,
    /// The data, which for UnixFS is another protobuf message.
    pub data: Option<Bytes>,
}

/// A link of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What is linked.
    pub cid: Cid,
    /// Its name in a folder.
    pub name: Option<String>,
    /// The bytes of all blocks below, as the writer counted them.
    pub tsize: Option<u64>,
}

impl Node {
    /// Encodes the node.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(
            64 * self.links.len() + self.data.as_ref().map_or(0, Bytes::len) + 8,
        );
        for link in &self.links {
            put_bytes(&mut out, 0x12, &link.encode());
        }
        if let Some(data) = &self.data {
            put_bytes(&mut out, 0x0a, data);
        }
        out.into()
    }

    /// Encodes the node as a block.
    #[must_use]
    pub fn block(&self) -> Block {
        Block::new(Codec::DagPb, self.encode())
    }

    /// Decodes a node.
    ///
    /// # Errors
    /// Refuses unknown, repeated and misplaced fields, and lengths that do not fit.
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut fields = Fields::new(bytes);
        let mut node = Self::default();
        while let Some(field) = fields.next()? {
            match field {
                Field { tag: 0x12, value, offset, .. } => {
                    if node.data.is_some() {
                        return Err(refuse(offset, "a link behind the data"));
                    }
                    if node.links.len() >= LINKS_MAX {
                        return Err(CodecError::TooManyLinks);
                    }
                    node.links.push(Link::decode(value, offset)?);
                }
                Field { tag: 0x0a, value, offset, .. } => {
                    if node.data.is_some() {
                        return Err(refuse(offset, "the data stands twice"));
                    }
                    node.data = Some(bytes.slice_ref(value));
                }
                Field { offset, .. } => {
                    return Err(refuse(offset, "a field that nodes do not have"));
                }
            }
        }
        Ok(node)
    }
}

impl Link {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        put_bytes(&mut out, 0x0a, &self.cid.to_bytes());
        if let Some(name) = &self.name {
            put_bytes(&mut out, 0x12, name.as_bytes());
        }
        if let Some(tsize) = self.tsize {
            put_number(&mut out, 0x18, tsize);
        }
        out
    }

    fn decode(bytes: &[u8], base: usize) -> Result<Self, CodecError> {
        let mut fields = Fields::new(bytes);
        let (mut cid, mut name, mut tsize) = (None, None, None);
        let mut last = 0;
        while let Some(field) = fields.next()? {
            let offset = base + field.offset;
            // Rising tags: every field once, in the order of the schema.
            if field.tag <= last {
                return Err(refuse(offset, "the fields of a link are out of order"));
            }
            last = field.tag;
            match field.tag {
                0x0a => {
                    let parsed = Cid::try_from(field.value);
                    let parsed =
                        parsed.map_err(|_| refuse(offset, "a link's CID does not parse"))?;
                    cid = Some(check(parsed)?);
                }
                0x12 => {
                    let text = std::str::from_utf8(field.value);
                    let text = text.map_err(|_| refuse(offset, "a link's name is not UTF-8"))?;
                    name = Some(text.to_owned());
                }
                0x18 => tsize = Some(field.number),
                _ => return Err(refuse(offset, "a field that links do not have")),
            }
        }
        let cid = cid.ok_or_else(|| refuse(base, "a link without a CID"))?;
        Ok(Self { cid, name, tsize })
    }
}

fn refuse(offset: usize, detail: &'static str) -> CodecError {
    CodecError::DagPb { offset, detail }
}

/// Appends a length-delimited field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    put_number(out, tag, value.len() as u64);
    out.extend_from_slice(value);
}

/// Appends a varint field.
pub(crate) fn put_number(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    put_varint(out, value);
}

/// Appends an unsigned LEB128 varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Reads a varint at the start of `bytes`: its value and its length, at most ten bytes and in the
/// shortest form.
pub(crate) fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        let shift = 7 * u32::try_from(index).ok()?;
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            let minimal = index == 0 || *byte != 0;
            return minimal.then_some((value, index + 1));
        }
    }
    None
}

/// One protobuf field: of the two wire types that DAG-PB and UnixFS use.
pub(crate) struct Field<'a> {
    /// Field number and wire type, as the one byte that they are.
    pub(crate) tag: u8,
    /// The bytes of a length-delimited field.
    pub(crate) value: &'a [u8],
    /// The number of a varint field.
    pub(crate) number: u64,
    /// Where the field begins.
    pub(crate) offset: usize,
}

/// Reads protobuf fields one after the other.
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, CodecError> {
        let offset = self.at;
        let cut = || refuse(offset, "the field is cut short");
        let Some((&tag, rest)) = self.bytes.get(offset..).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        let (number, used) = read_varint(rest).ok_or_else(cut)?;
        let start = offset + 1 + used;
        match tag & 7 {
            0 => {
                self.at = start;
                Ok(Some(Field { tag, value: &[], number, offset }))
            }
            2 => {
                let len = usize::try_from(number).map_err(|_| cut())?;
                let end = start.checked_add(len).ok_or_else(cut)?;
                let value = self.bytes.get(start..end).ok_or_else(cut)?;
                self.at = end;
                Ok(Some(Field { tag, value, number: 0, offset }))
            }
            _ => Err(refuse(offset, "a wire type that is not used here")),
        }
    }
}

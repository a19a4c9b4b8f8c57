//! Reads packs: what is in them, and single sections.
//!
//! Only what the log says is durable counts. A pack that looks sealed may have been left by a
//! process that died before it committed, or the disk may forget its header again; so its own
//! index is used only where the log's extent reaches to the end of its data.

use std::io;
use std::path::Path;

use bytes::{Buf as _, Bytes};
use cidlake_block::{Block, Cid, UnverifiedBlock, car};

use super::format::{
    PREFIX_BYTES_MAX, SEAL_BYTES, SECTION_BYTES_MAX, SECTIONS_OFFSET, Seal, data_end_in_head, head,
};
use super::index::{Index, OpenIndex, SealedIndex, Span};
use crate::disk::{DiskFile, Window, read_vec};
use crate::error::StoreError;
use crate::log::Extent;

/// The bytes read at a time where only prefixes are wanted.
const PREFIX_READ_BYTES: usize = 16 << 10;
/// The bytes read at a time where everything is wanted.
const READ_BYTES: usize = 1 << 20;

/// The prefix of a section.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    pub(super) cid: Cid,
    pub(super) bytes: Vec<u8>,
    /// The length of the section with its prefix, in bytes.
    pub(super) section_bytes: usize,
}

impl Prefix {
    /// Reads the prefix at the beginning of `bytes`.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let prefix = car::parse_section_prefix(bytes).ok()?;
        let data_bytes = usize::try_from(prefix.data_len).ok()?;
        let section_bytes = prefix.prefix_len.checked_add(data_bytes)?;
        let bytes = bytes.get(..prefix.prefix_len)?.to_vec();
        (section_bytes <= SECTION_BYTES_MAX).then_some(Self {
            cid: prefix.cid,
            bytes,
            section_bytes,
        })
    }

    /// Reads the prefix at `offset` of a section that ends at `end` or before.
    pub(super) fn read(window: &mut Window<'_>, offset: u64, end: u64) -> io::Result<Option<Self>> {
        let prefix = Self::parse(window.at(offset, PREFIX_BYTES_MAX)?);
        Ok(prefix.filter(|prefix| offset + prefix.section_bytes as u64 <= end))
    }
}

/// Reads the whole section at `offset` if it ends at `end` or before and its data match its CID.
pub(super) fn verified_section(
    window: &mut Window<'_>,
    offset: u64,
    end: u64,
) -> io::Result<Option<(Prefix, Bytes)>> {
    let Some(prefix) = Prefix::read(window, offset, end)? else {
        return Ok(None);
    };
    let section = Bytes::copy_from_slice(window.at(offset, prefix.section_bytes)?);
    if section.len() < prefix.section_bytes {
        return Ok(None);
    }
    let data = section.slice(prefix.bytes.len()..);
    let is_good = UnverifiedBlock { cid: prefix.cid, data }.verify().is_ok();
    Ok(is_good.then_some((prefix, section)))
}

/// Takes the block `cid` out of the bytes of its section; none if they are damaged.
pub(super) fn block_in_section(
    mut section: Bytes,
    cid: &Cid,
    buffer_bytes: usize,
) -> Option<Block> {
    let prefix = car::parse_section_prefix(&section).ok()?;
    let data_bytes = usize::try_from(prefix.data_len).ok()?;
    let end = prefix.prefix_len.checked_add(data_bytes)?;
    if prefix.cid.hash() != cid.hash() || end > section.len() {
        return None;
    }
    // No slice: a buffer that holds one block need not count who shares it.
    section.advance(prefix.prefix_len);
    section.truncate(data_bytes);
    let data = crate::cache::owned(section, buffer_bytes);
    UnverifiedBlock { cid: *cid, data }.verify().ok()
}

/// Takes a block out of the bytes of its section under the CID that it was stored with; none if
/// they are damaged.
pub(super) fn stored_block(section: &Bytes) -> Option<Block> {
    let prefix = Prefix::parse(section)?;
    if prefix.section_bytes > section.len() {
        return None;
    }
    let data = section.slice(prefix.bytes.len()..prefix.section_bytes);
    UnverifiedBlock { cid: prefix.cid, data }.verify().ok()
}

/// Reads the index of the pack in `file`, as far as `extent` allows.
pub(super) fn load(
    file: &dyn DiskFile,
    path: &Path,
    extent: Option<&Extent>,
) -> Result<Index, StoreError> {
    let refused = |error| StoreError::read(path, error);
    if let Some((seal, index)) = read_sealed(file).map_err(refused)?
        && extent.is_some_and(|extent| extent.len >= seal.data_end)
    {
        return Ok(Index::Sealed(SealedIndex::new(index, &seal)));
    }
    let mut index = OpenIndex::default();
    if let Some(extent) = extent {
        scan(&mut index, file, extent).map_err(refused)?;
    }
    Ok(Index::Open(index))
}

/// Reads seal and index of a pack whose head and seal agree.
pub(super) fn read_sealed(file: &dyn DiskFile) -> io::Result<Option<(Seal, car::Index)>> {
    let head = read_head(file)?;
    match data_end_in_head(&head) {
        Some(data_end) => read_seal(file, data_end),
        None => Ok(None),
    }
}

/// Reads the first bytes of a pack, up to its sections.
pub(super) fn read_head(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    read_vec(file, 0, head(None).len())
}

/// Reads the seal at `data_end` and the index behind it, if both are sound.
fn read_seal(file: &dyn DiskFile, data_end: u64) -> io::Result<Option<(Seal, car::Index)>> {
    // A damaged head may name a place that no file has, where reading is an error in itself.
    let Some(room) = file.size()?.checked_sub(data_end.saturating_add(SEAL_BYTES as u64)) else {
        return Ok(None);
    };
    let bytes = read_vec(file, data_end, SEAL_BYTES)?;
    let Some(seal) = Seal::parse(&bytes, data_end) else {
        return Ok(None);
    };
    let Some(len) = usize::try_from(seal.index_len).ok().filter(|_| seal.index_len <= room) else {
        return Ok(None);
    };
    let index = read_vec(file, seal.index_offset(), len)?;
    if index.len() != len || crc32c::crc32c(&index) != seal.index_crc {
        return Ok(None);
    }
    Ok(car::Index::parse(&Bytes::from(index)).ok().map(|index| (seal, index)))
}

/// Walks the sections from the first to where they stop, and reads the seal there, if any.
pub(super) fn find_seal(file: &dyn DiskFile) -> io::Result<Option<(Seal, car::Index)>> {
    let size = file.size()?;
    let mut window = Window::new(file, PREFIX_READ_BYTES);
    let mut at = SECTIONS_OFFSET;
    while let Some(prefix) = Prefix::read(&mut window, at, size)? {
        at += prefix.section_bytes as u64;
    }
    read_seal(file, at)
}

/// Returns whether the sections from `from` on verify and end at `end`.
pub(super) fn is_sound(file: &dyn DiskFile, from: u64, end: u64) -> io::Result<bool> {
    let mut window = Window::new(file, READ_BYTES);
    let mut at = from;
    while at < end
        && let Some((prefix, _)) = verified_section(&mut window, at, end)?
    {
        at += prefix.section_bytes as u64;
    }
    Ok(at == end)
}

/// Brings an open index up to `extent` by reading prefixes alone. The log's checksum over them
/// says whether they are right; where they are not, every section is read and verified.
pub(super) fn scan(index: &mut OpenIndex, file: &dyn DiskFile, extent: &Extent) -> io::Result<()> {
    if index.end >= extent.len {
        return Ok(());
    }
    if index.damaged_at.is_some() {
        return search(index, file, extent, index.end);
    }
    walk(index, file, extent.len)?;
    if index.end == extent.len
        && index.prefix_crc == extent.prefix_crc
        && file.size()? >= extent.len
    {
        return Ok(());
    }
    *index = OpenIndex::default();
    search(index, file, extent, SECTIONS_OFFSET)
}

/// Takes in the sections up to `end` as their prefixes have it, as far as there are any.
pub(super) fn walk(index: &mut OpenIndex, file: &dyn DiskFile, end: u64) -> io::Result<()> {
    let mut window = Window::new(file, PREFIX_READ_BYTES);
    while let Some(prefix) = Prefix::read(&mut window, index.end, end)? {
        index.push(&prefix.cid, &prefix.bytes, prefix.section_bytes);
    }
    Ok(())
}

/// Looks for sections that verify, byte by byte, from `from` up to `extent`.
fn search(
    index: &mut OpenIndex,
    file: &dyn DiskFile,
    extent: &Extent,
    from: u64,
) -> io::Result<()> {
    let end = extent.len.min(file.size()?);
    let mut window = Window::new(file, READ_BYTES);
    let mut at = from;
    let mut damaged_at = (end < extent.len).then_some(end);
    while at < end {
        match verified_section(&mut window, at, end)? {
            Some((prefix, _)) => {
                let span = Span { offset: at, len: prefix.section_bytes };
                index.place(&prefix.cid, span);
                at = span.end();
            }
            None => {
                damaged_at = Some(damaged_at.map_or(at, |other| other.min(at)));
                at += 1;
            }
        }
    }
    index.end = extent.len;
    index.prefix_crc = extent.prefix_crc;
    index.damaged_at = index.damaged_at.or(damaged_at);
    Ok(())
}

/// Takes in the sections behind the end of `index` that verify, and writes each of them again in
/// its place.
///
/// They are written again because their writer may have ended after a failed sync: such pages
/// count as clean, so syncing the file would succeed without bringing them to the disk.
pub(super) fn recover(index: &mut OpenIndex, file: &dyn DiskFile) -> io::Result<()> {
    take_verified(index, file, |at, section| file.write_at(at, section))
}

/// Takes in the sections behind the end of `index` that verify, and writes nothing.
pub(super) fn verified(index: &mut OpenIndex, file: &dyn DiskFile) -> io::Result<()> {
    take_verified(index, file, |_, _| Ok(()))
}

fn take_verified(
    index: &mut OpenIndex,
    file: &dyn DiskFile,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let size = file.size()?;
    let mut window = Window::new(file, READ_BYTES);
    while let Some((prefix, section)) = verified_section(&mut window, index.end, size)? {
        each(index.end, &section)?;
        index.push(&prefix.cid, &prefix.bytes, prefix.section_bytes);
    }
    Ok(())
}

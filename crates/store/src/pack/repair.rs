//! Repairs what of a pack can be made again from its sections: its head, seal and index, and how
//! far it is good where the log no longer says so. Sections are never changed.

use std::io;
use std::path::Path;

use cidlake_block::{Cid, car};

use super::format::{PackId, Seal, head};
use super::index::OpenIndex;
use super::reader;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::StoreError;
use crate::log::Extent;

/// Seals a pack anew, up to `extent`; returns false and changes nothing where its sections are not
/// those that were committed, or where a process holds it. With `dry_run` it only says which.
///
/// `is_current` is asked once nobody else can write to the pack: its owner may have committed more
/// since the log was read, and what stands behind `extent` is cut.
pub(crate) fn reindex(
    disk: &dyn Disk,
    folder: &Path,
    extent: &Extent,
    dry_run: bool,
    is_current: impl FnOnce() -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let path = folder.join(extent.pack.file_name());
    let refused = |error| StoreError::change(&path, "repair", error);
    let file = disk.open(&path, OpenMode::Write).map_err(refused)?;
    if !file.try_lock().map_err(refused)? {
        return Ok(false);
    }
    let mut index = OpenIndex::default();
    reader::walk(&mut index, file.as_ref(), extent.len).map_err(refused)?;
    let is_whole = file.size().map_err(refused)? >= extent.len;
    if !is_whole || (index.end, index.prefix_crc) != (extent.len, extent.prefix_crc) {
        return Ok(false);
    }
    if dry_run {
        return Ok(true);
    }
    if !is_current()? {
        return Ok(false);
    }
    let bytes = car::Index::build(index.entries()).to_bytes();
    let (index_len, index_crc) = (bytes.len() as u64, crc32c::crc32c(&bytes));
    let seal = Seal { data_end: extent.len, index_len, index_crc };
    file.truncate(extent.len).map_err(refused)?;
    file.write_at(extent.len, &[seal.to_bytes().as_slice(), &bytes].concat()).map_err(refused)?;
    file.sync_data().map_err(refused)?;
    file.write_at(0, &head(Some(&seal))).map_err(refused)?;
    file.sync_data().map_err(refused)?;
    Ok(true)
}

/// What was found of a pack behind what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// How far it is good, if that is further, and durable.
    pub(crate) extent: Option<Extent>,
    /// Why no more of it could be looked at.
    pub(crate) unread: Option<StoreError>,
}

/// Finds sections behind `known` that verify and makes sure of them. What stands before a place that
/// cannot be read counts all the same. A pack that a process holds is left to it: what it wrote and
/// did not commit may be in memory alone, also after a sync that failed.
///
/// It is for a log that has lost records: what they said of packs was durable when they were
/// written.
pub(crate) fn recover_extent(
    disk: &dyn Disk,
    folder: &Path,
    pack: PackId,
    known: Option<&Extent>,
) -> Recovered {
    let path = folder.join(pack.file_name());
    let refused = |error| StoreError::change(&path, "repair", error);
    let unread = |error| Recovered { extent: None, unread: Some(error) };
    let file = match disk.open(&path, OpenMode::Write) {
        Ok(file) => file,
        Err(error) => return unread(refused(error)),
    };
    match file.try_lock() {
        Ok(true) => {}
        Ok(false) => return Recovered::default(),
        Err(error) => return unread(refused(error)),
    }
    let mut index = OpenIndex::default();
    if let Some(known) = known {
        (index.end, index.prefix_crc) = (known.len, known.prefix_crc);
    }
    let before = index.end;
    let ended = reader::recover(&mut index, file.as_ref()).map_err(refused).err();
    if index.end <= before {
        return Recovered { extent: None, unread: ended };
    }
    if let Err(error) = file.sync_data() {
        return unread(StoreError::poisoned(&path, error));
    }
    let extent = Extent { pack, len: index.end, prefix_crc: index.prefix_crc };
    Recovered { extent: Some(extent), unread: ended }
}

/// Returns the blocks of sections that verify in a pack that nobody has announced.
///
/// # Errors
/// Where not all of it can be read.
pub(crate) fn unannounced_blocks(file: &dyn DiskFile) -> io::Result<Vec<Cid>> {
    let mut index = OpenIndex::default();
    reader::verified(&mut index, file)?;
    Ok(index.entries().map(|(cid, _)| cid).collect())
}

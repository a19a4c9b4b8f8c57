//! Reads one pack, from end to end or only what lists its blocks, or one multi-pack index, and says
//! what is wrong with it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use cidlake_block::{Cid, car};

use super::format::{DATA_OFFSET, PackId, SECTIONS_OFFSET, Seal, head};
use super::index::{OpenIndex, SealedIndex};
use super::midx::{self, Midx, Mismatch};
use super::reader::{self, Prefix};
use crate::disk::{Disk, DiskFile, OpenMode, Window};
use crate::error::StoreError;
use crate::fsck::{Damage, DamageKind, FsckLevel};
use crate::log::Extent;

const READ_BYTES: usize = 1 << 20;

/// A pack and its size.
#[derive(Debug)]
pub(crate) struct PackSize {
    pub(crate) id: PackId,
    path: PathBuf,
    pub(crate) bytes: u64,
}

/// What was found in a pack.
#[derive(Debug, Default)]
pub(crate) struct PackCheck {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    pub(crate) damage: Vec<Damage>,
}

impl PackSize {
    pub(crate) fn read(disk: &dyn Disk, folder: &Path, id: PackId) -> Result<Self, StoreError> {
        let path = folder.join(id.file_name());
        let size = disk.open(&path, OpenMode::Read).and_then(|file| file.size());
        let bytes = size.map_err(|error| StoreError::read(&path, error))?;
        Ok(Self { id, path, bytes })
    }
}

/// Checks a pack as far as `extent` says that it counts; tells `progress` the bytes read.
pub(crate) fn check_pack(
    disk: &dyn Disk,
    pack: &PackSize,
    extent: Option<&Extent>,
    level: FsckLevel,
    progress: &mut dyn FnMut(u64),
) -> Result<PackCheck, StoreError> {
    let refused = |error| StoreError::read(&pack.path, error);
    let (path, found) = (pack.path.as_path(), PackCheck::default());
    let mut check = Check { path, level, found, sections: Vec::new() };
    let Some(extent) = extent else {
        return Ok(check.found);
    };
    let file = disk.open(&pack.path, OpenMode::Read).map_err(refused)?;
    let size = file.size().map_err(refused)?;
    if size < extent.len {
        let detail = format!("the pack has {size} bytes; {} were committed", extent.len);
        check.report(DamageKind::Pack, None, size, detail);
    }
    let end = extent.len.min(size);
    if level == FsckLevel::Quick {
        check.listed(file.as_ref(), extent, end).map_err(refused)?;
        progress(pack.bytes);
        return Ok(check.found);
    }
    let prefix_crc = check.sections(file.as_ref(), end, progress).map_err(refused)?;
    if check.found.damage.is_empty() && prefix_crc != extent.prefix_crc {
        let detail = "the sections are not those that were committed".to_owned();
        check.report(DamageKind::Pack, None, SECTIONS_OFFSET, detail);
    }
    check.head_and_index(file.as_ref(), extent).map_err(refused)?;
    Ok(check.found)
}

/// Checks a multi-pack index against itself and, as far as `extents` say that they count, against
/// the packs. A pack that is gone is no fault of the index, nor is one whose own index is damaged.
pub(crate) fn check_midx(
    disk: &dyn Disk,
    folder: &Path,
    name: &str,
    extents: &HashMap<PackId, Extent>,
) -> Result<Option<Damage>, StoreError> {
    let path = folder.join(name);
    let found = match Midx::open(disk, &path) {
        Ok(Some(midx)) => midx.verify().and_then(|()| compare_all(disk, folder, &midx, extents)),
        Ok(None) => Err(Mismatch { offset: 0, detail: "its head is damaged".to_owned() }),
        // Somebody replaced it by a larger one.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => return Err(StoreError::read(&path, error)),
    };
    let damage = found.err().map(|Mismatch { offset, detail }| {
        let detail = format!("{detail}; this index of many packs is derived and can be made again");
        Damage { kind: DamageKind::Index, cid: None, path, offset, detail }
    });
    Ok(damage)
}

/// Holds a multi-pack index against the packs' own indexes.
fn compare_all(
    disk: &dyn Disk,
    folder: &Path,
    midx: &Midx,
    extents: &HashMap<PackId, Extent>,
) -> Result<(), Mismatch> {
    for (number, covered) in (0..).zip(midx.packs()) {
        let path = folder.join(covered.id.file_name());
        let file = disk.open(&path, OpenMode::Read);
        let sealed = file.and_then(|file| reader::read_sealed(file.as_ref()));
        let Ok(Some((seal, index))) = sealed else { continue };
        let is_announced =
            extents.get(&covered.id).is_some_and(|extent| extent.len >= seal.data_end);
        if is_announced && seal != covered.seal {
            let detail = format!("it was made from another index of {}", covered.id.file_name());
            return Err(Mismatch { offset: 0, detail });
        }
        if is_announced {
            midx::compare(midx, number, &SealedIndex::new(index, &seal))?;
        }
    }
    Ok(())
}

struct Check<'a> {
    path: &'a Path,
    level: FsckLevel,
    found: PackCheck,
    /// The sections whose prefixes can be read, and their offsets in the file.
    sections: Vec<(Cid, u64)>,
}

impl Check<'_> {
    fn report(&mut self, kind: DamageKind, cid: Option<Cid>, offset: u64, detail: String) {
        self.found.damage.push(Damage { kind, cid, path: self.path.to_owned(), offset, detail });
    }

    /// Checks what lists the blocks: the index of a sealed pack, the prefixes of another.
    fn listed(&mut self, file: &dyn DiskFile, extent: &Extent, end: u64) -> std::io::Result<()> {
        self.head_and_index(file, extent)?;
        if let Some((seal, index)) = reader::read_sealed(file)?
            && extent.len >= seal.data_end
        {
            self.found.blocks += index.len() as u64;
            self.found.bytes += seal.data_end - SECTIONS_OFFSET;
            return Ok(());
        }
        let mut prefixes = OpenIndex::default();
        reader::walk(&mut prefixes, file, end)?;
        self.found.blocks += prefixes.len() as u64;
        self.found.bytes += prefixes.end - SECTIONS_OFFSET;
        let is_whole = prefixes.end == extent.len && prefixes.prefix_crc == extent.prefix_crc;
        if !is_whole && self.found.damage.is_empty() {
            let detail = "the sections are not those that were committed".to_owned();
            self.report(DamageKind::Pack, None, prefixes.end, detail);
        }
        Ok(())
    }

    /// Verifies all sections up to `end` and returns the checksum over their prefixes.
    fn sections(
        &mut self,
        file: &dyn DiskFile,
        end: u64,
        progress: &mut dyn FnMut(u64),
    ) -> std::io::Result<u32> {
        let mut window = Window::new(file, READ_BYTES);
        let mut prefix_crc = 0;
        let mut at = SECTIONS_OFFSET;
        while at < end {
            if let Some((prefix, section)) = reader::verified_section(&mut window, at, end)? {
                self.found.blocks += 1;
                self.found.bytes += (section.len() - prefix.bytes.len()) as u64;
                prefix_crc = crc32c::crc32c_append(prefix_crc, &prefix.bytes);
                self.sections.push((prefix.cid, at));
                at += prefix.section_bytes as u64;
            } else if let Some(prefix) = readable_prefix(&mut window, at, end)? {
                let detail = "the block does not match its CID".to_owned();
                self.report(DamageKind::Block, Some(prefix.cid), at, detail);
                prefix_crc = crc32c::crc32c_append(prefix_crc, &prefix.bytes);
                self.sections.push((prefix.cid, at));
                at += prefix.section_bytes as u64;
            } else {
                let next = next_section(&mut window, at, end)?;
                let detail = format!("{} bytes cannot be read as blocks", next - at);
                self.report(DamageKind::Block, None, at, detail);
                at = next;
            }
            progress(at);
        }
        Ok(prefix_crc)
    }

    /// Checks the first bytes and, where the pack is sealed, its index.
    fn head_and_index(&mut self, file: &dyn DiskFile, extent: &Extent) -> std::io::Result<()> {
        let mut found = reader::read_head(file)?;
        if found != head(None) && reader::read_sealed(file)?.is_none() {
            // The pack's owner may be sealing it in this very moment.
            found = reader::read_head(file)?;
        }
        if found == head(None) {
            return Ok(());
        }
        let Some((seal, index)) = reader::read_sealed(file)? else {
            if !is_torn_seal(&found, file)? {
                let detail = "the pack's head, seal or index is damaged".to_owned();
                self.report(DamageKind::Index, None, 0, detail);
            }
            return Ok(());
        };
        if found != head(Some(&seal)) {
            let detail = "the pack's head is damaged".to_owned();
            self.report(DamageKind::Pack, None, 0, detail);
        }
        if extent.len >= seal.data_end {
            match self.level {
                FsckLevel::Quick => self.bounds(&index, &seal),
                FsckLevel::Full => self.index(&index, seal.index_offset()),
            }
        }
        Ok(())
    }

    /// Checks that the index leads to nothing but data.
    fn bounds(&mut self, index: &car::Index, seal: &Seal) {
        let is_data = |offset: u64| {
            let at = offset.saturating_add(DATA_OFFSET);
            (SECTIONS_OFFSET..seal.data_end).contains(&at)
        };
        let strays = index.iter().filter(|(_, _, offset)| !is_data(*offset)).count();
        if strays > 0 {
            let detail = format!("{strays} entries of the index lead to no block");
            self.report(DamageKind::Index, None, seal.index_offset(), detail);
        }
    }

    /// Checks that the index lists every section, and nothing but sections.
    fn index(&mut self, index: &car::Index, index_offset: u64) {
        let unlisted: Vec<(Cid, u64)> =
            self.sections.iter().filter(|(cid, _)| index.lookup(cid).is_none()).copied().collect();
        for (cid, offset) in unlisted {
            let detail = format!("the index does not list the block at byte {offset}");
            self.report(DamageKind::Index, Some(cid), index_offset, detail);
        }
        let places: HashSet<u64> = self.sections.iter().map(|(_, offset)| *offset).collect();
        let strays = index
            .iter()
            .filter(|(_, _, offset)| !places.contains(&offset.saturating_add(DATA_OFFSET)))
            .count();
        if strays > 0 && self.found.damage.is_empty() {
            let detail = format!("{strays} entries of the index lead to no block");
            self.report(DamageKind::Index, None, index_offset, detail);
        }
    }
}

/// Returns whether `found` is a head that was being written when the power went: each byte is the
/// one of the open pack or of the sealed one. The next writer finishes it.
fn is_torn_seal(found: &[u8], file: &dyn DiskFile) -> std::io::Result<bool> {
    let Some((seal, _)) = reader::find_seal(file)? else { return Ok(false) };
    let (open, sealed) = (head(None), head(Some(&seal)));
    let is_either = found.iter().zip(open.iter().zip(&sealed)).all(|(f, (o, s))| f == o || f == s);
    Ok(is_either && found.len() == sealed.len())
}

/// Returns the prefix at `at` where it fits to what comes behind its section.
fn readable_prefix(window: &mut Window<'_>, at: u64, end: u64) -> std::io::Result<Option<Prefix>> {
    let Some(prefix) = Prefix::read(window, at, end)? else {
        return Ok(None);
    };
    let next = at + prefix.section_bytes as u64;
    let fits = next == end || Prefix::read(window, next, end)?.is_some();
    Ok(fits.then_some(prefix))
}

/// Returns where the next good section begins.
fn next_section(window: &mut Window<'_>, from: u64, end: u64) -> std::io::Result<u64> {
    let mut at = from + 1;
    while at < end && reader::verified_section(window, at, end)?.is_none() {
        at += 1;
    }
    Ok(at)
}

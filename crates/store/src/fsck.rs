//! Holds everything on the disk against its checksums: every section of every pack against its
//! CID, every index against its pack, every record of the log against the chain. A quick check
//! leaves the data of blocks out and reads what says where they are.
//!
//! It reads the files afresh, shares nothing with an open store but the folder, and changes
//! nothing. Bytes that no commit has announced are no damage, whatever they are.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use cidlake_block::Cid;

use crate::disk::Disk;
use crate::error::StoreError;
use crate::log::{Extent, LogFolder, Tail, Unsound, unsound_checkpoints};
use crate::pack::{PackCheck, PackId, PackSize, check_midx, check_pack, is_midx_name};

/// How much a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckLevel {
    /// The log, and of packs what lists their blocks: heads, indexes, and the prefixes of packs
    /// that are not sealed. Data that rotted in its place is not found.
    Quick,
    /// Everything; every block is hashed and compared with its CID.
    Full,
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsckProgress {
    /// Bytes of packs that were read.
    pub bytes_done: u64,
    /// Bytes of packs in all.
    pub bytes_total: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Packs that were read.
    pub packs: u64,
    /// Blocks that match their CIDs; of a quick check those that are listed.
    pub blocks: u64,
    /// Bytes of these blocks; of a quick check with their prefixes.
    pub bytes: u64,
    /// Records of the log that carry something for the floors above.
    pub records: u64,
    /// Packs that no longer count and wait for readers, or for the next collection, to be removed;
    /// they were not read.
    pub packs_waiting: u64,
    /// What is damaged; empty when all is well.
    pub damage: Vec<Damage>,
}

/// Something that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub kind: DamageKind,
    /// The block, where it is one and its CID can still be read.
    pub cid: Option<Cid>,
    /// The file.
    pub path: PathBuf,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub detail: String,
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// A block in a pack.
    Block,
    /// A pack as a whole: its head, its length, or its absence.
    Pack,
    /// The index of a sealed pack, or one of many packs. Blocks are found without it, so
    /// nothing is lost.
    Index,
    /// The log.
    Log,
}

/// Checks the log in `log_folder` and the packs in `packs`.
pub(crate) fn check(
    log_folder: &LogFolder,
    packs: &Path,
    level: FsckLevel,
    progress: &mut dyn FnMut(FsckProgress),
) -> Result<FsckReport, StoreError> {
    let mut report = FsckReport::default();
    let told = check_log(log_folder, &mut report)?;
    check_checkpoints(log_folder, &mut report)?;
    let scope = Scope { log_folder, packs, level, unread: Unread::IsFailure };
    scope.check_packs(&told, &mut report, progress)?;
    Ok(report)
}

/// Returns the names of all files of the packs' folder.
fn list(disk: &dyn Disk, folder: &Path) -> Result<Vec<String>, StoreError> {
    match disk.list(folder) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::read(folder, error)),
    }
}

/// Returns the packs in `folder`, in order.
pub(crate) fn list_packs(disk: &dyn Disk, folder: &Path) -> Result<Vec<PackId>, StoreError> {
    Ok(pack_ids(&list(disk, folder)?))
}

fn pack_ids(names: &[String]) -> Vec<PackId> {
    let mut ids: Vec<PackId> =
        names.iter().filter_map(|name| PackId::parse_file_name(name)).collect();
    ids.sort_unstable();
    ids
}

/// What it is where the disk does not give out a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The end of the check.
    IsFailure,
    /// Damage of that file; the others are checked.
    IsDamage,
}

impl Unread {
    fn tell(
        self,
        report: &mut FsckReport,
        (kind, path): (DamageKind, PathBuf),
        error: StoreError,
    ) -> Result<(), StoreError> {
        if self == Self::IsFailure {
            return Err(error);
        }
        report.damage.push(unread(kind, path, &error));
        Ok(())
    }
}

/// What is checked, and how.
pub(crate) struct Scope<'a> {
    pub(crate) log_folder: &'a LogFolder,
    /// The packs' folder.
    pub(crate) packs: &'a Path,
    pub(crate) level: FsckLevel,
    pub(crate) unread: Unread,
}

/// What a look at the packs found. What seems to be wrong with one of them is looked at again: a
/// collection may have retired it meanwhile.
#[derive(Default)]
struct Findings {
    damage: Vec<(PackId, Damage)>,
    unread: Vec<(PackId, StoreError)>,
}

impl Scope<'_> {
    fn disk(&self) -> &dyn Disk {
        self.log_folder.disk.as_ref()
    }

    /// Checks the packs as far as the log has `told` that they count.
    pub(crate) fn check_packs(
        &self,
        told: &Told,
        report: &mut FsckReport,
        progress: &mut dyn FnMut(FsckProgress),
    ) -> Result<(), StoreError> {
        let names = list(self.disk(), self.packs)?;
        let mut ids = pack_ids(&names);
        let found = ids.len();
        ids.retain(|id| !told.retired.contains(id));
        report.packs_waiting = (found - ids.len()) as u64;
        let mut findings = Findings::default();
        findings.look_for_missing(self.packs, &ids, &told.extents);
        let mut sized = Vec::with_capacity(ids.len());
        for id in ids {
            match PackSize::read(self.disk(), self.packs, id) {
                Ok(size) => sized.push(size),
                // What nobody announced may go at any time.
                Err(error) if error.is_absence() && !told.extents.contains_key(&id) => {}
                Err(error) => findings.unread.push((id, error)),
            }
        }
        let bytes_total = sized.iter().map(|size| size.bytes).sum();
        let mut bytes_before = 0;
        for size in &sized {
            let mut read = |bytes| {
                progress(FsckProgress { bytes_done: bytes_before + bytes, bytes_total });
            };
            let extent = told.extents.get(&size.id);
            match check_pack(self.disk(), size, extent, self.level, &mut read) {
                Ok(found) => findings.take(size.id, found, report),
                Err(error) => findings.unread.push((size.id, error)),
            }
            bytes_before += size.bytes;
        }
        self.tell(findings, report)?;
        self.check_indexes(&names, told, report)?;
        progress(FsckProgress { bytes_done: bytes_total, bytes_total });
        Ok(())
    }

    /// Reports what is wrong with packs that still count.
    fn tell(&self, findings: Findings, report: &mut FsckReport) -> Result<(), StoreError> {
        let Findings { damage, unread } = findings;
        if damage.is_empty() && unread.is_empty() {
            return Ok(());
        }
        let now = check_log(self.log_folder, &mut FsckReport::default())?;
        let counts = |id: &PackId| !now.retired.contains(id);
        report.damage.extend(damage.into_iter().filter(|(id, _)| counts(id)).map(|(_, d)| d));
        for (id, error) in unread.into_iter().filter(|(id, _)| counts(id)) {
            let path = self.packs.join(id.file_name());
            self.unread.tell(report, (DamageKind::Pack, path), error)?;
        }
        Ok(())
    }

    /// Checks the indexes of many packs among the files `names`.
    fn check_indexes(
        &self,
        names: &[String],
        told: &Told,
        report: &mut FsckReport,
    ) -> Result<(), StoreError> {
        for name in names.iter().filter(|name| is_midx_name(name)) {
            match check_midx(self.disk(), self.packs, name, &told.extents) {
                Ok(damage) => report.damage.extend(damage),
                Err(error) => {
                    let path = self.packs.join(name);
                    self.unread.tell(report, (DamageKind::Index, path), error)?;
                }
            }
        }
        Ok(())
    }
}

impl Findings {
    fn take(&mut self, id: PackId, mut found: PackCheck, report: &mut FsckReport) {
        self.damage.extend(found.damage.drain(..).map(|damage| (id, damage)));
        report.take(found);
    }

    /// Finds the packs that the log speaks of and that are not there.
    fn look_for_missing(
        &mut self,
        folder: &Path,
        ids: &[PackId],
        extents: &HashMap<PackId, Extent>,
    ) {
        let present: HashSet<&PackId> = ids.iter().collect();
        let mut missing: Vec<&PackId> = extents.keys().filter(|id| !present.contains(id)).collect();
        missing.sort_unstable();
        for id in missing {
            let damage = Damage {
                kind: DamageKind::Pack,
                cid: None,
                path: folder.join(id.file_name()),
                offset: 0,
                detail: "the pack is missing".to_owned(),
            };
            self.damage.push((*id, damage));
        }
    }
}

/// What is said of a file that the disk does not give out: others are checked all the same.
pub(crate) fn unread(kind: DamageKind, path: PathBuf, error: &StoreError) -> Damage {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let detail = format!("{error}{}", cause.unwrap_or_default());
    Damage { kind, cid: None, path, offset: 0, detail }
}

/// What the log says of packs.
pub(crate) struct Told {
    /// How far those that count are good.
    pub(crate) extents: HashMap<PackId, Extent>,
    pub(crate) retired: HashSet<PackId>,
}

/// Reads the whole log and returns what it says of packs.
pub(crate) fn check_log(folder: &LogFolder, report: &mut FsckReport) -> Result<Told, StoreError> {
    let mut tail = Tail::default();
    match tail.follow(folder, true) {
        Ok(()) => {}
        Err(StoreError::LogCorrupt { segment, offset, detail }) => report.damage.push(Damage {
            kind: DamageKind::Log,
            cid: None,
            path: segment,
            offset,
            detail,
        }),
        Err(error) => return Err(error),
    }
    report.records = tail.records();
    let mut extents: HashMap<PackId, Extent> = HashMap::new();
    for extent in tail.take_extents() {
        let known = extents.entry(extent.pack).or_insert(extent);
        if known.len <= extent.len {
            *known = extent;
        }
    }
    let retired: HashSet<PackId> =
        tail.take_retirements().into_iter().map(|retirement| retirement.pack).collect();
    extents.retain(|id, _| !retired.contains(id));
    Ok(Told { extents, retired })
}

/// Reports checkpoints that are damaged.
fn check_checkpoints(folder: &LogFolder, report: &mut FsckReport) -> Result<(), StoreError> {
    for Unsound { path, unread } in unsound_checkpoints(folder)? {
        unread.map_or(Ok(()), Err)?;
        report.damage.push(Damage {
            kind: DamageKind::Log,
            cid: None,
            path,
            offset: 0,
            detail: "the checkpoint is damaged; nothing depends on it".to_owned(),
        });
    }
    Ok(())
}

impl FsckReport {
    pub(crate) fn take(&mut self, found: PackCheck) {
        self.packs += 1;
        self.blocks += found.blocks;
        self.bytes += found.bytes;
        self.damage.extend(found.damage);
    }
}

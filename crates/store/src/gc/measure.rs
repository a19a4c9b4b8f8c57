//! Looks what is live in each pack.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use cidlake_block::Cid;

use super::plan::Figures;
use super::{GcPhase, GcProgress, Liveness};
use crate::commit::Parts;
use crate::disk::{DiskFile, OpenMode};
use crate::error::StoreError;
use crate::fsck::{Damage, DamageKind};
use crate::hold::Hold;
use crate::lease::NOTHING_HELD;
use crate::locked::lock;
use crate::pack::{self, Contents, Key, Pack, PackId, SECTIONS_OFFSET, Span};

/// A pack that counts, as it was when it was looked at.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) pack: Arc<Pack>,
    pub(super) figures: Figures,
    /// The size of its file in bytes.
    pub(super) file_bytes: u64,
    /// Where its known blocks ended.
    pub(super) end: u64,
    /// Whether it cannot be read in full.
    pub(super) is_damaged: bool,
    is_announced: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) packs: Vec<Measured>,
    /// Live blocks; of several copies one counts.
    pub(super) blocks_live: u64,
    pub(super) damaged: Vec<Damage>,
}

impl Measured {
    /// Takes the lock of the pack's file. `None` when somebody has it, or when the pack is not what
    /// it was.
    pub(super) fn lock(&self, parts: &Parts<'_>) -> Result<Option<Box<dyn DiskFile>>, StoreError> {
        let is_own = own_pack(parts) == Some(self.pack.id);
        // Not where it grew: a put would begin another for nothing.
        let is_let_go = || self.is_same(parts) && lock(parts.writer).let_go(self.pack.id);
        if is_own && !is_let_go() {
            return Ok(None);
        }
        let Some(file) = try_lock(parts, self.pack.id)? else {
            return Ok(None);
        };
        // Whoever had it before may have appended.
        parts.refresh()?;
        Ok(self.is_same(parts).then_some(file))
    }

    fn is_same(&self, parts: &Parts<'_>) -> bool {
        let is_announced = parts.packs.extent(self.pack.id).is_some();
        self.pack.end() == self.end
            && is_announced == self.is_announced
            && !parts.packs.is_retired(self.pack.id)
    }
}

/// Looks at all packs that count.
pub(super) fn measure<L: Liveness>(
    parts: &Parts<'_>,
    hold: &Hold,
    alive: &L,
    progress: &mut dyn FnMut(GcProgress),
) -> Result<Census, StoreError> {
    let use_of = Use::look(parts, hold)?;
    let mut census = Census::default();
    let mut packs = parts.packs.all();
    packs.sort_unstable_by_key(|pack| pack.id);
    let bytes_total = packs.iter().map(|pack| pack.end()).sum();
    let mut bytes_done = 0;
    for pack in packs {
        bytes_done += pack.end();
        census.look(parts, &use_of, pack, alive)?;
        progress(GcProgress { phase: GcPhase::Measure, bytes_done, bytes_total });
    }
    census.count_once(parts, alive)?;
    Ok(census)
}

/// Who else is at work.
struct Use {
    own_pack: Option<PackId>,
    /// Whether something is being put in this process.
    is_putting: bool,
    /// Whether no other hold is in force anywhere.
    is_alone: bool,
}

impl Use {
    fn look(parts: &Parts<'_>, hold: &Hold) -> Result<Self, StoreError> {
        let elsewhere = parts.holds.oldest_elsewhere(false)?;
        Ok(Self {
            own_pack: own_pack(parts),
            is_putting: parts.holds.is_putting_besides(hold),
            is_alone: elsewhere == NOTHING_HELD && parts.holds.oldest_besides(hold).is_none(),
        })
    }
}

impl Census {
    fn look<L: Liveness>(
        &mut self,
        parts: &Parts<'_>,
        use_of: &Use,
        pack: Arc<Pack>,
        alive: &L,
    ) -> Result<(), StoreError> {
        let is_announced = parts.packs.extent(pack.id).is_some();
        let is_known = is_announced || pack.end() > SECTIONS_OFFSET;
        let is_own = use_of.own_pack == Some(pack.id);
        if is_own && !is_known {
            return Ok(());
        }
        let file_bytes = match parts.packs.file_bytes(pack.id) {
            Err(error) if error.is_absence() => 0,
            bytes => bytes?,
        };
        let Contents { blocks, damaged_at } = parts.packs.contents(&pack)?;
        if let Some(offset) = damaged_at {
            self.damaged.push(unreadable_pack(parts, pack.id, offset));
        }
        // What nobody has announced, and nobody who lives can refer to any more, is garbage.
        let may_go = match (is_own, is_announced, is_known) {
            (true, ..) | (_, false, true) => !use_of.is_putting,
            (_, false, false) => use_of.is_alone,
            (_, true, _) => true,
        };
        let is_free = may_go
            && damaged_at.is_none()
            && match is_own {
                true => true,
                false => match try_lock(parts, pack.id)? {
                    None => false,
                    Some(file) => is_known || !is_needed(parts, file.as_ref(), alive)?,
                },
            };
        let bytes_live = live_bytes(&blocks, alive, |_| true);
        let bytes_total = if is_known { pack.end() } else { file_bytes.max(SECTIONS_OFFSET) };
        // Of a pack that is gone the log may say anything.
        let bytes_total = bytes_total.saturating_sub(SECTIONS_OFFSET);
        let figures = Figures { is_free, bytes_live, bytes_total };
        let (end, is_damaged) = (pack.end(), damaged_at.is_some());
        self.packs.push(Measured { pack, figures, file_bytes, end, is_damaged, is_announced });
        Ok(())
    }

    /// Lets blocks that are in several packs count in one of them: in one that stays anyway, else
    /// in that of which the greatest share is live.
    fn count_once<L: Liveness>(&mut self, parts: &Parts<'_>, alive: &L) -> Result<(), StoreError> {
        let mut order: Vec<&mut Measured> = self.packs.iter_mut().collect();
        order.sort_by_key(|pack| {
            let Figures { is_free, bytes_live, bytes_total } = pack.figures;
            let share = u128::from(bytes_live) * 1_000_000 / u128::from(bytes_total.max(1));
            (is_free, std::cmp::Reverse(share), pack.pack.id)
        });
        let mut counted = HashSet::new();
        for measured in order {
            let counts = |key| counted.insert(key);
            let blocks = parts.packs.contents(&measured.pack)?.blocks;
            measured.figures.bytes_live = live_bytes(&blocks, alive, counts);
        }
        self.blocks_live = counted.len() as u64;
        Ok(())
    }
}

/// What is said of a pack that cannot be read from `offset` on.
pub(super) fn unreadable_pack(parts: &Parts<'_>, id: PackId, offset: u64) -> Damage {
    let detail = "the pack cannot be read in full and is left as it is".to_owned();
    Damage { kind: DamageKind::Pack, cid: None, path: parts.packs.path(id), offset, detail }
}

fn live_bytes<L: Liveness>(
    blocks: &[(Cid, Span)],
    alive: &L,
    mut counts: impl FnMut(Key) -> bool,
) -> u64 {
    let live = blocks.iter().filter(|(cid, _)| alive.is_live(cid) && counts(Key::of(cid)));
    live.map(|(_, span)| span.len as u64).sum()
}

/// Returns whether a pack that nobody has announced may have a live block that is nowhere else: one
/// that a repair of the log left out, since it could not be read then, or cannot be now.
fn is_needed<L: Liveness>(
    parts: &Parts<'_>,
    file: &dyn DiskFile,
    alive: &L,
) -> Result<bool, StoreError> {
    let Ok(blocks) = pack::unannounced_blocks(file) else { return Ok(true) };
    for cid in blocks.iter().filter(|cid| alive.is_live(cid)) {
        if parts.packs.find(cid)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn own_pack(parts: &Parts<'_>) -> Option<PackId> {
    lock(parts.writer).own_id()
}

/// Takes the lock of a pack's file unless somebody has it or the file is gone.
fn try_lock(parts: &Parts<'_>, id: PackId) -> Result<Option<Box<dyn DiskFile>>, StoreError> {
    let path = parts.packs.path(id);
    let file = match parts.folder.disk.open(&path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| StoreError::read(&path, error))?,
    };
    let is_taken = file.try_lock().map_err(|error| StoreError::change(&path, "lock", error))?;
    Ok(is_taken.then_some(file))
}

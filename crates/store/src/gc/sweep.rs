//! Brings what is live to safety, and retires the packs that it was in.
//!
//! A pack may go when every live block in it has a copy in a pack that stays, read and verified.
//! What is live may grow meanwhile, so the record that retires packs is written only where no
//! record came that [`Liveness`] has not seen, and no other collection retired anything: else the
//! new records are marked, and what became live is brought to safety, too. When that was in vain a
//! few times it is done under the log's lock.

use std::collections::HashSet;

use cidlake_block::{Block, Cid};

use super::copier::Copier;
use super::measure::{Measured, measure, unreadable_pack};
use super::pace::Pace;
use super::plan::{self, Limits};
use super::remove::{oldest, remove_indexes, remove_retired};
use super::{GcOptions, GcPhase, GcProgress, GcReport, Liveness};
use crate::commit::{Expect, Parts};
use crate::disk::DiskFile;
use crate::error::{CommitError, StoreError};
use crate::fsck::{Damage, DamageKind};
use crate::hold::Hold;
use crate::lease::NOTHING_HELD;
use crate::locked::lock;
use crate::log::{Body, Drafts, LogLock, Lsn};
use crate::pack::{Key, Pack, PackId, Pending, Span};
use crate::store::Store;

/// How often it is tried without the log's lock.
const TRIES_WITHOUT_LOCK: u32 = 3;

/// A collection at work.
struct Sweep<'a> {
    store: &'a Store,
    hold: &'a Hold,
    dry_run: bool,
    pace: Pace<'a>,
    /// From the first copy on.
    copier: Option<Copier<'a>>,
    /// Packs that this collection means to retire.
    planned: HashSet<PackId>,
    /// Up to where records have been marked.
    seen: Lsn,
    /// The last retirement when the sets below were begun.
    last_retired: u64,
    /// Live blocks with a good copy in a pack that stays in this round.
    safe: HashSet<Key>,
    /// Live blocks that were copied.
    copied: HashSet<Key>,
    /// Packs that are retired in this round or, where it is only said so, in one before.
    going: HashSet<PackId>,
    report: GcReport,
    bytes_to_copy: u64,
}

/// A pack that is to be retired, held by its lock.
struct Victim<'a> {
    measured: &'a Measured,
    _file: Option<Box<dyn DiskFile>>,
    /// Live blocks in it that cannot be read.
    unreadable: Vec<(Cid, Span)>,
    /// Where it cannot be read since it was measured, if anywhere.
    damaged_at: Option<u64>,
}

/// Collects the garbage of `store`.
pub(crate) fn collect<L: Liveness>(
    store: &Store,
    hold: &Hold,
    alive: &mut L,
    options: GcOptions,
    progress: &mut dyn FnMut(GcProgress),
) -> Result<GcReport, L::Error> {
    let parts = store.parts();
    let mut sweep = Sweep::new(store, hold, options.dry_run);
    if !options.dry_run {
        announce_own(store, hold)?;
    }
    sweep.mark(alive)?;
    parts.refresh()?;
    load_all(&parts)?;
    let census = measure(&parts, hold, alive, progress)?;
    let figures: Vec<_> = census.packs.iter().map(|pack| pack.figures).collect();
    let limits = Limits {
        live_share_min_percent: options.live_share_min_percent,
        pack_bytes_max: lock(parts.writer).pack_bytes_max(),
    };
    let rounds = plan::rounds(&figures, limits);
    sweep.begin_report(&census.packs, &rounds);
    sweep.report.blocks_live = census.blocks_live;
    sweep.report.damaged = census.damaged;
    for round in rounds {
        let packs = round.iter().filter_map(|at| census.packs.get(*at)).collect();
        sweep.round(&parts, packs, alive, progress)?;
    }
    sweep.report_copied(progress, sweep.bytes_to_copy);
    let Sweep { report, pace, .. } = &mut sweep;
    remove_retired(&parts, hold, (report, pace), options.dry_run)?;
    sweep.add_what_would_be_removed(&parts, &census.packs)?;
    remove_indexes(&parts, &sweep.going, &mut sweep.report, options.dry_run)?;
    Ok(sweep.report)
}

/// Gets to know all packs in the folder.
fn load_all(parts: &Parts<'_>) -> Result<(), StoreError> {
    // A pack that the writer is beginning is in the folder before it is known.
    let _no_new_pack = lock(parts.writer);
    parts.packs.load_all()
}

/// Announces what this process wrote for nothing, which is garbage like any other from then on;
/// but not while somebody in it is writing for something. What it failed to sync is written anew.
fn announce_own(store: &Store, hold: &Hold) -> Result<(), StoreError> {
    store.put(hold, &[])?;
    let parts = store.parts();
    // A commit for nothing would be one more that others wait for.
    let has_nothing = parts.pending()?.extents.is_empty() && store.is_writable();
    if has_nothing || parts.holds.is_putting_besides(hold) {
        return Ok(());
    }
    match store.commit(hold, Vec::new(), Expect::Any) {
        // It was said that nothing is expected.
        Ok(_) | Err(CommitError::Behind { .. }) => Ok(()),
        Err(CommitError::Store(error)) => Err(error),
    }
}

impl<'a> Sweep<'a> {
    fn new(store: &'a Store, hold: &'a Hold, dry_run: bool) -> Self {
        Self {
            store,
            hold,
            dry_run,
            pace: Pace::new(store.queue.traffic()),
            copier: None,
            planned: HashSet::new(),
            seen: hold.lsn(),
            last_retired: 0,
            safe: HashSet::new(),
            copied: HashSet::new(),
            going: HashSet::new(),
            report: GcReport::default(),
            bytes_to_copy: 0,
        }
    }

    fn begin_report(&mut self, packs: &[Measured], rounds: &[Vec<usize>]) {
        let report = &mut self.report;
        for Measured { figures, is_damaged, .. } in packs {
            report.packs_seen += 1;
            report.packs_damaged += u64::from(*is_damaged);
            report.packs_skipped += u64::from(!figures.is_free && !is_damaged);
            report.bytes_live += figures.bytes_live;
            report.bytes_dead += figures.bytes_total.saturating_sub(figures.bytes_live);
        }
        let goes = rounds.iter().flatten().filter_map(|at| packs.get(*at));
        self.planned = goes.clone().map(|measured| measured.pack.id).collect();
        self.bytes_to_copy = goes.map(|pack| pack.figures.bytes_live).sum();
    }

    fn report_copied(&self, progress: &mut dyn FnMut(GcProgress), bytes: u64) {
        let bytes_total = self.bytes_to_copy;
        let bytes_done = bytes.min(bytes_total);
        progress(GcProgress { phase: GcPhase::Copy, bytes_done, bytes_total });
    }

    /// Lets `alive` see the records that it has not seen.
    fn mark<L: Liveness>(&mut self, alive: &mut L) -> Result<(), L::Error> {
        let records = self.store.records_after(self.seen)?;
        if let Some(last) = records.last() {
            alive.update(&records)?;
            self.seen = last.lsn;
        }
        Ok(())
    }

    /// Retires some packs and removes their files.
    fn round<L: Liveness>(
        &mut self,
        parts: &Parts<'_>,
        packs: Vec<&Measured>,
        alive: &mut L,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<(), L::Error> {
        let mut victims = self.take(parts, packs)?;
        self.safe.clear();
        for tries_left in (0..=TRIES_WITHOUT_LOCK).rev() {
            self.bring_to_safety(parts, &mut victims, alive, progress)?;
            let is_done = self.dry_run || victims.is_empty();
            if is_done || self.try_retire(parts, &mut victims, alive, tries_left, progress)? {
                break;
            }
        }
        for victim in &victims {
            let is_empty = victim.measured.figures.bytes_live == 0;
            self.report.packs_retired += u64::from(is_empty);
            self.report.packs_repacked += u64::from(!is_empty);
        }
        if !self.dry_run {
            remove_retired(parts, self.hold, (&mut self.report, &self.pace), false)?;
        }
        Ok(())
    }

    /// Retires `victims` unless records came that `alive` has not seen; these it sees then. With no
    /// tries left it sees them under the log's lock, so that no more can come.
    fn try_retire<L: Liveness>(
        &mut self,
        parts: &Parts<'_>,
        victims: &mut Vec<Victim<'_>>,
        alive: &mut L,
        tries_left: u32,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<bool, L::Error> {
        let pending = synced_pending(parts)?;
        let log_lock = LogLock::take(parts.folder)?;
        let (_, visible) = parts.follow_locked(&log_lock)?;
        if visible <= self.seen && parts.packs.last_retired() == self.last_retired {
            retire(parts, log_lock, &pending, victims)?;
            return Ok(true);
        }
        if tries_left > 0 {
            drop(log_lock);
            self.mark(alive)?;
            return Ok(false);
        }
        self.mark(alive)?;
        self.pace.is_awaited = true;
        self.bring_to_safety(parts, victims, alive, progress)?;
        self.pace.is_awaited = false;
        retire(parts, log_lock, &synced_pending(parts)?, victims)?;
        Ok(true)
    }

    /// Takes the locks of the packs that are to go.
    fn take<'p>(
        &mut self,
        parts: &Parts<'_>,
        packs: Vec<&'p Measured>,
    ) -> Result<Vec<Victim<'p>>, StoreError> {
        if !self.dry_run {
            self.going.clear();
        }
        let mut victims = Vec::new();
        for measured in packs {
            let file = if self.dry_run { None } else { measured.lock(parts)? };
            if file.is_none() && !self.dry_run {
                self.report.packs_skipped += 1;
                continue;
            }
            self.going.insert(measured.pack.id);
            victims.push(Victim {
                measured,
                _file: file,
                unreadable: Vec::new(),
                damaged_at: None,
            });
        }
        Ok(victims)
    }

    /// Makes sure of every live block in `victims`; takes those out that cannot go.
    fn bring_to_safety<L: Liveness>(
        &mut self,
        parts: &Parts<'_>,
        victims: &mut Vec<Victim<'_>>,
        alive: &L,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<(), StoreError> {
        parts.refresh()?;
        let last_retired = parts.packs.last_retired();
        if last_retired != self.last_retired {
            // Where a copy was there may be none now.
            self.last_retired = last_retired;
            self.safe.clear();
            self.copied.clear();
        }
        for victim in victims.iter_mut() {
            victim.unreadable.clear();
            let contents = parts.packs.contents(&victim.measured.pack)?;
            victim.damaged_at = contents.damaged_at;
            for (cid, span) in contents.blocks {
                if alive.is_live(&cid) && !self.is_safe(parts, &cid)? {
                    self.copy(parts, victim, (&cid, span))?;
                    self.report_copied(progress, self.report.bytes_copied);
                }
            }
        }
        self.copier.as_mut().map_or(Ok(()), |copier| copier.show(parts, &self.pace))?;
        victims.retain(|victim| self.may_go(parts, victim));
        Ok(())
    }

    /// Returns whether a live block has a good copy in a pack that stays.
    fn is_safe(&mut self, parts: &Parts<'_>, cid: &Cid) -> Result<bool, StoreError> {
        let key = Key::of(cid);
        if self.safe.contains(&key) || self.copied.contains(&key) {
            return Ok(true);
        }
        for (pack, span) in parts.packs.find_all(cid)? {
            if !self.going.contains(&pack.id) && read_good(parts, &pack, span, cid)?.is_some() {
                self.safe.insert(key);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Copies a live block out of a pack that is to go.
    fn copy(
        &mut self,
        parts: &Parts<'_>,
        victim: &mut Victim<'_>,
        (cid, span): (&Cid, Span),
    ) -> Result<(), StoreError> {
        let Some(block) = read_good(parts, &victim.measured.pack, span, cid)? else {
            victim.unreadable.push((*cid, span));
            return Ok(());
        };
        self.copied.insert(Key::of(cid));
        self.report.bytes_copied += span.len as u64;
        if self.dry_run {
            return Ok(());
        }
        let (store, planned) = (self.store, &self.planned);
        let begin = || Copier::new(&store.parts(), planned.clone());
        self.copier.get_or_insert_with(begin).add(parts, &self.pace, block)
    }

    /// Returns whether everything live in a pack is safe; reports what is not.
    fn may_go(&mut self, parts: &Parts<'_>, victim: &Victim<'_>) -> bool {
        let id = victim.measured.pack.id;
        let lost = victim.unreadable.iter().filter(|(cid, _)| {
            let key = Key::of(cid);
            !self.safe.contains(&key) && !self.copied.contains(&key)
        });
        let mut damage: Vec<Damage> = lost
            .map(|(cid, span)| Damage {
                kind: DamageKind::Block,
                cid: Some(*cid),
                path: parts.packs.path(id),
                offset: span.offset,
                detail: "the block does not match its CID; its pack is left as it is".to_owned(),
            })
            .collect();
        damage.extend(victim.damaged_at.map(|offset| unreadable_pack(parts, id, offset)));
        let may_go = damage.is_empty();
        if !may_go {
            self.going.remove(&id);
            self.report.packs_damaged += 1;
        }
        self.report.damaged.extend(damage);
        may_go
    }

    /// Adds to the report of a run that only says what it would do what it would remove.
    fn add_what_would_be_removed(
        &mut self,
        parts: &Parts<'_>,
        packs: &[Measured],
    ) -> Result<(), StoreError> {
        if !self.dry_run {
            return Ok(());
        }
        let goes = packs.iter().filter(|measured| self.going.contains(&measured.pack.id));
        let bytes: u64 = goes.map(|measured| measured.file_bytes).sum();
        // Every hold that is in force now would be older than the record that retires them.
        if oldest(parts, self.hold, false)? == NOTHING_HELD {
            self.report.bytes_freed += bytes;
        } else {
            self.report.bytes_waiting += bytes;
        }
        Ok(())
    }
}

/// Reads a block at a place; `None` when that is not what stands there.
fn read_good(
    parts: &Parts<'_>,
    pack: &Pack,
    span: Span,
    cid: &Cid,
) -> Result<Option<Block>, StoreError> {
    let block = match parts.packs.read_stored(pack, span) {
        Err(error) if error.is_absence() => None,
        read => read?,
    };
    Ok(block.filter(|block| block.cid().hash() == cid.hash()))
}

/// Makes what this process wrote durable, and returns what is to be announced of it.
fn synced_pending(parts: &Parts<'_>) -> Result<Pending, StoreError> {
    let pending = parts.pending()?;
    pending.sync()?;
    Ok(pending)
}

/// Writes the record that retires `victims`, and gives up the log's lock.
fn retire(
    parts: &Parts<'_>,
    log_lock: LogLock,
    pending: &Pending,
    victims: &[Victim<'_>],
) -> Result<(), StoreError> {
    if victims.is_empty() {
        return Ok(());
    }
    let body = Body::Retire(victims.iter().map(|victim| victim.measured.pack.id).collect());
    let drafts = Drafts::of_one(&body, &pending.extents)?;
    parts.append(log_lock, pending, (drafts, vec![body]))
}

//! Checkpoints in the log's folder: which there are, where to go on from one, and a new one.
//!
//! A checkpoint is an optimisation and never the only place of anything. One that is damaged or
//! does not fit the log is passed over, for an older one or for the whole log. But it is written
//! when the records that it covers are durable, so a log that ends before it is damaged. Whoever
//! asks for that proof must not take a checkpoint that the disk does not give out for none.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::checkpoint::{Checkpoint, CheckpointName};
use super::listing::list_settled;
use super::reader::Tail;
use super::record::{self, RawRecord};
use super::segment::SegmentName;
use super::walk::{Position, Step, Walk, open_segment};
use super::{LogFolder, LogLock};
use crate::disk::{OpenMode, Window, read_vec};
use crate::error::StoreError;

/// How many checkpoints are kept: the newest, and one in case that is damaged.
const KEPT_MAX: usize = 2;

/// Reads the log to its end, from the newest checkpoint that is sound and fits.
///
/// One that cannot be read is passed over here, for that costs time alone: the log is read as it is,
/// and where it ends before the number in the name of a checkpoint, following it asks for the proof
/// and fails where the disk does not give it out ([`newest_after`]).
pub(crate) fn open_tail(folder: &LogFolder) -> Result<(Tail, Option<Checkpoint>), StoreError> {
    for name in names(folder).unwrap_or_default().checkpoints.into_iter().rev() {
        let Ok(Some(checkpoint)) = read(folder, name) else { continue };
        let Some(position) = forgiven(locate(folder, &checkpoint.position))?.flatten() else {
            continue;
        };
        let mut tail = Tail::resume(position, &checkpoint);
        if forgiven(tail.follow(folder, true))?.is_some() {
            return Ok((tail, Some(checkpoint)));
        }
    }
    let mut tail = Tail::default();
    tail.follow(folder, true)?;
    Ok((tail, None))
}

/// Returns none in place of an error that may be the checkpoint's fault; reading the whole log
/// says whether it is the log's.
fn forgiven<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::LogCorrupt { .. }) => Ok(None),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names in the log's folder that belong to checkpoints, in order.
#[derive(Default)]
struct Names {
    checkpoints: Vec<CheckpointName>,
    drafts: Vec<(CheckpointName, String)>,
}

/// Lists the checkpoints. Where there is no folder there are none.
fn names(folder: &LogFolder) -> Result<Names, StoreError> {
    let mut names = Names::default();
    let listed = match folder.disk.list(&folder.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|error| StoreError::read(&folder.path, error))?,
    };
    for name in listed {
        if let Some(checkpoint) = CheckpointName::parse(&name) {
            names.checkpoints.push(checkpoint);
        } else if let Some(checkpoint) = CheckpointName::parse_draft(&name) {
            names.drafts.push((checkpoint, name));
        }
    }
    names.checkpoints.sort_unstable();
    Ok(names)
}

/// What is to be found under the name of a checkpoint.
enum Found {
    Sound(Box<Checkpoint>),
    /// What is there is no checkpoint.
    Damaged,
    /// A newer one made it needless meanwhile.
    Gone,
}

fn look(folder: &LogFolder, name: CheckpointName) -> Result<Found, StoreError> {
    let path = folder.checkpoint_path(name);
    let unread = |error| StoreError::read(&path, error);
    let file = match folder.disk.open(&path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Gone),
        file => file.map_err(unread)?,
    };
    let Ok(len) = usize::try_from(file.size().map_err(unread)?) else { return Ok(Found::Damaged) };
    let bytes = read_vec(file.as_ref(), 0, len).map_err(unread)?;
    let checkpoint = Checkpoint::parse(&bytes.into()).filter(|found| found.name() == name);
    Ok(checkpoint.map_or(Found::Damaged, |checkpoint| Found::Sound(Box::new(checkpoint))))
}

/// Reads a checkpoint; none where it is damaged or gone.
fn read(folder: &LogFolder, name: CheckpointName) -> Result<Option<Checkpoint>, StoreError> {
    Ok(match look(folder, name)? {
        Found::Sound(checkpoint) => Some(*checkpoint),
        Found::Damaged | Found::Gone => None,
    })
}

/// Returns the newest sound checkpoint of a record after `last`. What it covers was durable.
///
/// # Errors
/// Where one that is newer cannot be read: what it would prove must not be taken for a torn end.
pub(super) fn newest_after(
    folder: &LogFolder,
    last: u64,
) -> Result<Option<Checkpoint>, StoreError> {
    let names = names(folder)?.checkpoints.into_iter().rev();
    let read = names.take_while(|name| name.0 > last).map(|name| read(folder, name));
    read.filter_map(Result::transpose).next().transpose()
}

/// Returns all sound checkpoints, newest first, without their states, which may be large.
///
/// # Errors
/// As [`newest_after`].
pub(super) fn all_sound(folder: &LogFolder) -> Result<Vec<Checkpoint>, StoreError> {
    let mut all = Vec::new();
    for name in names(folder)?.checkpoints.into_iter().rev() {
        let checkpoint = read(folder, name)?;
        all.extend(checkpoint.map(|found| Checkpoint { state: Bytes::new(), ..found }));
    }
    Ok(all)
}

/// A checkpoint that is of no use as it is.
pub(crate) struct Unsound {
    pub(crate) path: PathBuf,
    /// Why it cannot be read; none where it can be, and is damaged.
    pub(crate) unread: Option<StoreError>,
}

/// Returns the checkpoints that are damaged or cannot be read.
pub(crate) fn unsound(folder: &LogFolder) -> Result<Vec<Unsound>, StoreError> {
    let mut unsound = Vec::new();
    for name in names(folder)?.checkpoints {
        let unread = match look(folder, name) {
            Ok(Found::Sound(_) | Found::Gone) => continue,
            Ok(Found::Damaged) => None,
            Err(error) => Some(error),
        };
        unsound.push(Unsound { path: folder.checkpoint_path(name), unread });
    }
    Ok(unsound)
}

/// Returns where the log goes on behind the record at which `at` stands: in the same segment, or
/// in one that took its place. None where the log does not have that record.
fn locate(folder: &LogFolder, at: &Position) -> Result<Option<Position>, StoreError> {
    let live = list_settled(folder)?.live;
    let next = live.iter().find(|segment| segment.first_lsn == at.last + 1);
    if let Some(begin) = next.map(|name| begins_behind(folder, *name, at)).transpose()?.flatten() {
        return Ok(Some(begin));
    }
    let Some(name) = live.into_iter().rfind(|segment| segment.first_lsn <= at.last) else {
        return Ok(None);
    };
    if at.segment == Some(name) {
        return Ok(stands_at(folder, name, at)?.then_some(*at));
    }
    let (file, header) = open_segment(folder, name)?;
    let mut walk = Walk::new(folder, name, file.as_ref(), Position::begin(name, header));
    while walk.position.last < at.last {
        if !matches!(walk.next()?, Step::Record(_)) {
            return Ok(None);
        }
    }
    Ok(Some(walk.position).filter(|found| found.digest == at.digest))
}

/// Returns the place before the first record of segment `name` where that goes on from the record
/// at which `at` stands: it carries that one's chain value.
fn begins_behind(
    folder: &LogFolder,
    name: SegmentName,
    at: &Position,
) -> Result<Option<Position>, StoreError> {
    let (_, header) = open_segment(folder, name)?;
    let begin = Position { digest: at.digest, ..Position::begin(name, header) };
    Ok((header.carried == at.chain).then_some(begin))
}

/// Returns whether the record before `at` is where it was.
fn stands_at(folder: &LogFolder, name: SegmentName, at: &Position) -> Result<bool, StoreError> {
    let (file, header) = open_segment(folder, name)?;
    let mut window = Window::new(file.as_ref(), 0);
    let found = RawRecord::read(&mut window, at.record, name.epoch)
        .map_err(|error| StoreError::read(&folder.segment_path(name), error))?;
    let record::Found::Record(record) = found else { return Ok(false) };
    Ok(header.carried == at.carried
        && (record.lsn, record.chain, record.digest()) == (at.last, at.chain, at.digest)
        && at.record.checked_add(record.size()) == Some(at.offset))
}

/// Looks at checkpoints of records that the log does not have: where one is sound, the log has lost
/// its end. Others are removed. Only for the holder of the lock, who has read the log to its end.
pub(crate) fn check_strays(
    folder: &LogFolder,
    tail: &Tail,
    _held: &LogLock,
) -> Result<(), StoreError> {
    for name in names(folder)?.checkpoints {
        if name.0 <= tail.last() {
            continue;
        }
        match look(folder, name)? {
            Found::Sound(proof) => return Err(tail.ends_before(folder, &proof)),
            Found::Damaged => {
                let _removed = folder.disk.remove(&folder.checkpoint_path(name));
            }
            Found::Gone => {}
        }
    }
    Ok(())
}

/// Lets the checkpoint of the record before `end` end there: a repair put that record in place of the
/// one that was lost.
pub(super) fn move_end(folder: &LogFolder, end: Position) -> Result<(), StoreError> {
    let name = CheckpointName(end.last);
    let Some(checkpoint) = read(folder, name)? else { return Ok(()) };
    let moved = Checkpoint { position: end, ..checkpoint };
    publish(folder, &moved, "repair").map(drop)
}

/// Makes a checkpoint appear under its name, whole and durable, or not at all, and removes those
/// that it makes needless. `unique` keeps two processes apart. Returns its size in bytes; none
/// when newer ones made it needless before it was done.
pub(crate) fn write(
    folder: &LogFolder,
    checkpoint: &Checkpoint,
    unique: &str,
) -> Result<Option<u64>, StoreError> {
    let written = publish(folder, checkpoint, unique)?;
    if written.is_some() {
        prune(folder);
    }
    Ok(written)
}

/// As [`write`], and removes nothing.
fn publish(
    folder: &LogFolder,
    checkpoint: &Checkpoint,
    unique: &str,
) -> Result<Option<u64>, StoreError> {
    let name = checkpoint.name();
    let path = folder.checkpoint_path(name);
    let draft = folder.path.join(name.draft(unique));
    let head =
        checkpoint.head().map_err(|source| StoreError::Encode { source: Arc::new(source) })?;
    let refused = |error| StoreError::change(&path, "write", error);
    let written = || {
        let file = folder.disk.open(&draft, OpenMode::WriteOrCreate)?;
        file.truncate(0)?;
        file.write_at(0, &head)?;
        file.write_at(head.len() as u64, &checkpoint.state)?;
        file.sync_data()
    };
    if let Err(error) = written() {
        // What a draft that failed takes of a full disk is given back.
        let _removed = folder.disk.remove(&draft);
        return Err(refused(error));
    }
    match folder.disk.rename(&draft, &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        renamed => renamed.map_err(refused)?,
    }
    folder
        .disk
        .sync_dir(&folder.path)
        .map_err(|error| StoreError::change(&folder.path, "sync", error))?;
    Ok(Some((head.len() + checkpoint.state.len()) as u64))
}

/// Removes all but the newest checkpoints, and the drafts that they make needless: those of a
/// process that ended, or of one so slow that it has been overtaken. Nothing depends on it.
fn prune(folder: &LogFolder) {
    let Ok(names) = names(folder) else { return };
    let needless = names.checkpoints.len().saturating_sub(KEPT_MAX);
    let (old, kept) = names.checkpoints.split_at(needless);
    for name in old {
        let _removed = folder.disk.remove(&folder.checkpoint_path(*name));
    }
    if let (Some(oldest), KEPT_MAX) = (kept.first(), kept.len()) {
        for (_, draft) in names.drafts.iter().filter(|(name, _)| name <= oldest) {
            let _removed = folder.disk.remove(&folder.path.join(draft));
        }
    }
}

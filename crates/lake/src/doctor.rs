//! What is good and bad about a lake and the machine it lies on, with what to do about it.
//!
//! It works on a lake that does not open, too: that is when it is asked. Nothing is changed but
//! an empty file that is made and removed to see whether the folder takes one. Whether the stored
//! bytes are what they were is not looked at: that is `fsck`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cidlake_store::disk::{Disk, OpenMode, RealDisk};
use cidlake_store::{Options, SealedLog, Store, StoreError, StoreStats};

use crate::blocks::blocking;
use crate::clock::now_ms;
use crate::error::Error;
use crate::key::{self, KeyFile};
use crate::lake::{Lake, Open};
use crate::settings::{Overrides, Settings};

/// Less room than this is worth a warning, in bytes.
const ROOM_WARN_BYTES: u64 = 1 << 30;
/// Less room than this is as good as none, in bytes.
const ROOM_BAD_BYTES: u64 = 64 << 20;
/// So many records behind the last checkpoint make opening slow.
const RECORDS_BEHIND_WARN: u64 = 100_000;
/// So many sealed packs without an index over many make opening slow.
const PACKS_BARE_WARN: u64 = 32;
/// An operation that has been due for longer than this is worth a warning, in milliseconds.
const LAG_MS_WARN: u64 = 24 * 3_600 * 1_000;
/// So many closed segments of the log without a copy that can be queried are worth a warning.
const UNSEALED_WARN: usize = 4;
/// A clock behind the newest change by more than this is worth a warning, in milliseconds.
const CLOCK_BEHIND_MS_WARN: u64 = 60_000;
/// No clock shows an earlier time than this, in milliseconds since the Unix epoch: 2024.
const CLOCK_MS_MIN: u64 = 1_704_067_200_000;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckStatus {
    /// It is as it should be.
    Ok,
    /// It works, and might not for long, or not as well as it could.
    Warn,
    /// Something does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it is, in a word.
    pub what: &'static str,
    /// How it is.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The lake's folder, where settings say which it is.
    pub lake: Option<PathBuf>,
    /// The checks, in the order in which one depends on the other.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Returns how bad the worst of it is.
    #[must_use]
    pub fn worst(&self) -> CheckStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok)
    }

    fn add(&mut self, what: &'static str, status: CheckStatus, detail: impl Into<String>) {
        self.checks.push(Check { what, status, detail: detail.into(), advice: None });
    }

    fn ok(&mut self, what: &'static str, detail: impl Into<String>) {
        self.add(what, CheckStatus::Ok, detail);
    }

    fn warn(&mut self, what: &'static str, detail: impl Into<String>, advice: &str) {
        self.add(what, CheckStatus::Warn, detail);
        self.advise(advice);
    }

    fn bad(&mut self, what: &'static str, detail: impl Into<String>, advice: &str) {
        self.add(what, CheckStatus::Bad, detail);
        self.advise(advice);
    }

    fn advise(&mut self, advice: &str) {
        if let Some(last) = self.checks.last_mut() {
            last.advice = Some(advice.to_owned());
        }
    }

    /// Adds what an error says, with its hint as the advice.
    fn failed(&mut self, what: &'static str, error: &Error) {
        let mut detail = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            detail.push_str(&format!(": {next}"));
            cause = next.source();
        }
        self.bad(what, detail, error.hint().unwrap_or("see what the system says of it"));
    }
}

impl Lake {
    /// Looks at the settings, the machine and the lake, and says what is wrong with them.
    ///
    /// # Errors
    /// None in practice: what is wrong is in the answer.
    pub async fn doctor(overrides: Overrides) -> Result<Diagnosis, Error> {
        blocking(move || Ok(examine(overrides))).await
    }
}

fn examine(overrides: Overrides) -> Diagnosis {
    let mut found = Diagnosis { lake: overrides.lake.clone(), checks: Vec::new() };
    let settings = match Settings::load(overrides) {
        Ok(settings) => settings,
        Err(error) => {
            found.failed("settings", &error);
            return found;
        }
    };
    found.lake = Some(settings.path.clone());
    found.ok(
        "settings",
        format!("memory {} bytes, {} threads", settings.memory_bytes_max, settings.threads),
    );
    check_key(&mut found, &settings.key_file);
    check_clock(&mut found);
    if !check_folder(&mut found, &settings.path) {
        return found;
    }
    check_room(&mut found, &settings.path);
    check_locks(&mut found, &settings.path);
    if check_store(&mut found, &settings.path) {
        check_catalog(&mut found, settings);
    }
    found
}

fn check_key(found: &mut Diagnosis, path: &Path) {
    match key::inspect(path) {
        Ok(KeyFile::Absent) => found.ok("key", "none yet; it is made when first needed"),
        Ok(KeyFile::Private) => found.ok("key", path.display().to_string()),
        Ok(KeyFile::Open) => found.warn(
            "key",
            format!("others on this machine can read {}", path.display()),
            &format!("chmod 600 {}", path.display()),
        ),
        Err(error) => found.failed("key", &error),
    }
}

fn check_clock(found: &mut Diagnosis) {
    if now_ms() < CLOCK_MS_MIN {
        found.warn("clock", "it is set to a time before 2024", "set the clock of this machine");
    }
}

/// Says whether there is a folder that can be read.
fn check_folder(found: &mut Diagnosis, path: &Path) -> bool {
    if let Err(error) = std::fs::read_dir(path) {
        found.failed("folder", &Error::io(path, "read", error));
        found.advise("store something to make a lake there, or name another one with --lake");
        return false;
    }
    let draft = tempfile::Builder::new().prefix(".cidlake-doctor-").tempfile_in(path);
    match draft {
        Ok(_) => found.ok("folder", format!("{} can be read and written", path.display())),
        Err(error) => found.warn(
            "folder",
            format!("{} can be read and not written: {error}", path.display()),
            "what is here can be read; make the folder writable to store more",
        ),
    }
    true
}

fn check_room(found: &mut Diagnosis, path: &Path) {
    let Some(bytes) = free_bytes(path) else {
        return;
    };
    let detail = format!("free {} MiB", bytes >> 20);
    let advice = "free some space: `cidlake gc` gives back what nothing keeps";
    if bytes < ROOM_BAD_BYTES {
        found.bad("room", detail, advice);
    } else if bytes < ROOM_WARN_BYTES {
        found.warn("room", detail, advice);
    } else {
        found.ok("room", detail);
    }
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let figures = rustix::fs::statvfs(path).ok()?;
    Some(figures.f_bavail.saturating_mul(figures.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// Opens the store as it is; says whether that works.
fn check_store(found: &mut Diagnosis, path: &Path) -> bool {
    let store = match Store::open(Arc::new(RealDisk), path, Options::default()) {
        Ok(store) => store,
        Err(error) => {
            let what = match &error {
                StoreError::NotALake { .. }
                | StoreError::NewerFormat { .. }
                | StoreError::Settings { .. } => "format",
                StoreError::LogCorrupt { .. }
                | StoreError::UnknownRecord { .. }
                | StoreError::UnknownFlags { .. } => "log",
                _ => "store",
            };
            let is_log = matches!(error, StoreError::LogCorrupt { .. });
            found.failed(what, &error.into());
            if is_log {
                found.advise("keep a copy of the folder, then `cidlake fsck --repair`");
            }
            return false;
        }
    };
    found.ok("format", format!("version {}", cidlake_store::FORMAT_VERSION));
    let stats = store.stats();
    check_log(found, path, &stats);
    check_packs(found, path, &stats);
    check_queue(found, &store);
    check_copies(found, &store);
    true
}

/// Says what of the queue waits for somebody.
fn check_queue(found: &mut Diagnosis, store: &Store) {
    let queue = match store.queue_stats(now_ms()) {
        Ok(queue) => queue,
        Err(error) => return found.failed("queue", &error.into()),
    };
    let lag_ms = queue.lag_ms.unwrap_or(0);
    let detail = format!(
        "pending {}, processing {}, retrying {}, failed {}, dead {}, due since {} s",
        queue.pending,
        queue.processing,
        queue.retrying,
        queue.failed,
        queue.dead,
        lag_ms / 1_000
    );
    if queue.failed + queue.dead > 0 {
        let advice = "`cidlake wal list --status failed --status dead` says why; \
                      `cidlake wal retry` and `cidlake wal drop` settle them";
        found.warn("queue", detail, advice);
    } else if lag_ms > LAG_MS_WARN || queue.abandoned > 0 {
        found.warn("queue", detail, "nobody works the queue: `cidlake wal run` does");
    } else {
        found.ok("queue", detail);
    }
}

/// Looks at what is derived of the log and the objects, and whether it is sound.
fn check_copies(found: &mut Diagnosis, store: &Store) {
    let copies = store.sealed_logs().and_then(|sealed| Ok((sealed, store.unsealed_logs()?)));
    match copies {
        Err(error) => found.failed("log copies", &error.into()),
        Ok((sealed, unsealed)) => {
            let (copies, missing) = (sealed.len(), unsealed.len());
            let is_damaged = |copy: &&SealedLog| !matches!(store.read_sealed(**copy), Ok(Some(_)));
            let damaged = sealed.iter().filter(is_damaged).count();
            let detail = format!(
                "copies of closed segments {copies}, damaged {damaged}, segments without one {missing}"
            );
            if damaged > 0 {
                let advice = "remove the files in wal/sealed; the log itself has what is in them";
                found.warn("log copies", detail, advice);
            } else if missing >= UNSEALED_WARN {
                found.warn("log copies", detail, "`cidlake maintain` makes them");
            } else {
                found.ok("log copies", detail);
            }
        }
    }
    let names = match store.derived_names() {
        Err(error) => return found.failed("index snapshot", &error.into()),
        Ok(names) => names,
    };
    let is_damaged = |name: &&String| !matches!(store.read_derived(name), Ok(Some(_)));
    let damaged = names.iter().filter(is_damaged).count();
    let detail = format!("files {}, damaged {damaged}", names.len());
    if damaged > 0 {
        found.warn("index snapshot", detail, "`cidlake maintain` makes another; nothing is lost");
    } else {
        found.ok("index snapshot", detail);
    }
}

fn check_log(found: &mut Diagnosis, path: &Path, stats: &StoreStats) {
    let log = &stats.log;
    let behind = stats.records_behind;
    let detail = format!(
        "records {}, since the last checkpoint {behind}, segments {} of {} bytes",
        log.records, log.segments, log.bytes
    );
    if log.dirty && !is_locked(&path.join("wal/lock")) {
        let advice = "nothing need be done: the next writer repairs it";
        found.warn("log", format!("a writer died in a commit; {detail}"), advice);
    } else if behind > RECORDS_BEHIND_WARN {
        found.warn("log", detail, "`cidlake maintain` writes a checkpoint");
    } else {
        found.ok("log", detail);
    }
}

fn check_packs(found: &mut Diagnosis, path: &Path, stats: &StoreStats) {
    let packs = path.join("packs");
    let files = names(&packs).iter().filter(|name| name.ends_with(".car")).count() as u64;
    let (sealed, open) = (stats.packs_sealed, stats.packs_open);
    let unknown = files.saturating_sub(sealed + open);
    let detail = format!(
        "sealed {sealed}, open {open}, not part of the lake {unknown}, blocks {}, bytes {}",
        stats.blocks, stats.bytes
    );
    found.ok("packs", detail);
    let bare = sealed.saturating_sub(stats.packs_covered);
    let detail = format!("sealed packs without an index over many {bare}, of {sealed}");
    if bare >= PACKS_BARE_WARN {
        found.warn("indexes", detail, "`cidlake maintain` makes them");
    } else {
        found.ok("indexes", detail);
    }
}

/// Says who is using the lake at the moment.
fn check_locks(found: &mut Diagnosis, path: &Path) {
    let held = |folder: &str, extension: &str| -> Vec<String> {
        let folder = path.join(folder);
        let mut names = names(&folder);
        names.retain(|name| name.ends_with(extension) && is_locked(&folder.join(name)));
        names
    };
    let writing = held("packs", ".car").len();
    let leases = held("leases", ".lease");
    let committing = if is_locked(&path.join("wal/lock")) { "a commit, " } else { "" };
    let folder = path.join("leases");
    let lsns = leases.iter().filter_map(|name| lease_lsn(&folder.join(name)));
    let detail = format!("{committing}packs being written {writing}, leases {}", leases.len());
    match lsns.min() {
        Some(lsn) => found.ok("in use", format!("{detail}, the oldest as of record {lsn}")),
        None => found.ok("in use", detail),
    }
}

/// Returns the record that a lease names, if it names one.
fn lease_lsn(path: &Path) -> Option<u64> {
    let file = RealDisk.open(path, OpenMode::Read).ok()?;
    let mut bytes = [0; 8];
    let read = file.read_at(0, &mut bytes).ok()?;
    let lsn = u64::from_le_bytes(bytes);
    (read == bytes.len() && lsn != u64::MAX).then_some(lsn)
}

/// Says whether another process has the file locked. The lock is taken for a moment where it is
/// free, which nobody waits for: those who find it taken do without, or wait that moment.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = RealDisk.open(path, OpenMode::Read) else {
        return false;
    };
    matches!(file.try_lock(), Ok(false))
}

/// Returns the names in a folder; none where it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    RealDisk.list(folder).unwrap_or_default()
}

/// Reads the catalog, and holds the clock against it.
fn check_catalog(found: &mut Diagnosis, settings: Settings) {
    let read = Lake::open_blocking(settings, Open::Existing).and_then(|lake| {
        let view = lake.inner.refresh()?;
        let latest_ms = view.catalog.latest().wall_ms;
        let datasets = view.catalog.datasets();
        let conflicts = datasets.iter().filter(|entry| !entry.others.is_empty()).count();
        Ok((latest_ms, datasets.len(), conflicts, view.pins.len()))
    });
    let (latest_ms, datasets, conflicts, pins) = match read {
        Ok(read) => read,
        Err(error) => return found.failed("catalog", &error),
    };
    let detail = format!("datasets {datasets}, pins {pins}, conflicts {conflicts}");
    if conflicts > 0 {
        let advice = "two versions of a dataset were made apart: storing the dataset settles it";
        found.warn("catalog", detail, advice);
    } else {
        found.ok("catalog", detail);
    }
    let behind_ms = latest_ms.saturating_sub(now_ms());
    if behind_ms > CLOCK_BEHIND_MS_WARN {
        let detail =
            format!("it is {} s behind the newest change of the catalog", behind_ms / 1_000);
        found.warn("clock", detail, "set the clock of this machine, or of the one that wrote it");
    } else {
        found.ok("clock", "it is not behind the newest change of the catalog");
    }
}

#[cfg(test)]
mod tests;

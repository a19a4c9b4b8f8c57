//! Settings: flags over environment over the user's file over defaults, resolved once.
//!
//! Nothing here is read from the lake's own folder: a lake that somebody sent decides nothing
//! about this machine. After [`Settings::load`] no option remains to be parsed.

use std::path::{Path, PathBuf};

use cidlake_query::Limits;
use etcetera::BaseStrategy as _;
use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::operations::Schedule;

const MIB: u64 = 1 << 20;
/// Verified blocks kept in memory by default.
const CACHE_BYTES_DEFAULT: u64 = 192 * MIB;
/// Working memory of queries by default: sorts, joins and groups spill beyond it.
const MEMORY_BYTES_DEFAULT: usize = 512 << 20;
/// How long one statement may run by default.
const QUERY_TIMEOUT_MS_DEFAULT: u64 = 300_000;

/// What a front end was told explicitly; the strongest source of settings.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The lake's folder.
    pub lake: Option<PathBuf>,
    /// The file with the user's signing key.
    pub key_file: Option<PathBuf>,
    /// Working memory of queries, in bytes.
    pub memory_bytes_max: Option<usize>,
    /// Verified blocks kept in memory, in bytes.
    pub cache_bytes_max: Option<u64>,
    /// Longest run of one statement, in milliseconds.
    pub query_timeout_ms: Option<u64>,
    /// Worker threads of queries and of encoding.
    pub threads: Option<usize>,
}

/// Everything a lake needs to know of this machine and its user.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The lake's folder.
    pub path: PathBuf,
    /// The file with the user's signing key.
    pub key_file: PathBuf,
    /// Working memory of queries, in bytes; more than that spills to disk or is refused.
    pub memory_bytes_max: usize,
    /// Verified blocks kept in memory, in bytes.
    pub cache_bytes_max: u64,
    /// Longest run of one statement, in milliseconds.
    pub query_timeout_ms: u64,
    /// What one statement may take besides.
    pub limits: Limits,
    /// Worker threads of queries and of encoding.
    pub threads: usize,
    /// What maintenance is queued by itself, where somebody works the queue.
    pub schedule: Schedule,
    /// How many days copies of the log are kept that can be queried; all where nothing is said.
    pub wal_keep_days: Option<u64>,
    /// The folder for what front ends remember between runs; none where no home is known.
    pub state: Option<PathBuf>,
}

/// The user's file, `$XDG_CONFIG_HOME/cidlake/config.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFile {
    lake: Option<PathBuf>,
    key_file: Option<PathBuf>,
    memory_bytes_max: Option<usize>,
    cache_bytes_max: Option<u64>,
    query_timeout_ms: Option<u64>,
    query_rows_max: Option<u64>,
    query_bytes_max: Option<u64>,
    query_read_bytes_max: Option<u64>,
    threads: Option<usize>,
    verify_every_seconds: Option<u64>,
    compact_every_seconds: Option<u64>,
    gc_every_seconds: Option<u64>,
    seal_every_seconds: Option<u64>,
    wal_keep_days: Option<u64>,
}

impl UserFile {
    fn schedule(&self) -> Result<Schedule, Error> {
        let every = |variable, own, default| pick(None, variable, own, default);
        let Schedule { verify_seconds, compact_seconds, gc_seconds, seal_seconds } =
            Schedule::default();
        Ok(Schedule {
            verify_seconds: every(
                "CIDLAKE_VERIFY_EVERY_SECONDS",
                self.verify_every_seconds,
                verify_seconds,
            )?,
            compact_seconds: every(
                "CIDLAKE_COMPACT_EVERY_SECONDS",
                self.compact_every_seconds,
                compact_seconds,
            )?,
            gc_seconds: every("CIDLAKE_GC_EVERY_SECONDS", self.gc_every_seconds, gc_seconds)?,
            seal_seconds: every(
                "CIDLAKE_SEAL_EVERY_SECONDS",
                self.seal_every_seconds,
                seal_seconds,
            )?,
        })
    }
}

impl Settings {
    /// Resolves the settings of this process.
    ///
    /// # Errors
    /// `Invalid` when the user's file or an environment variable cannot be understood.
    pub fn load(overrides: Overrides) -> Result<Self, Error> {
        let dirs = etcetera::choose_base_strategy().ok();
        let config = dirs.as_ref().map(|dirs| dirs.config_dir().join("cidlake"));
        let file = match &config {
            Some(folder) => read_user_file(&folder.join("config.toml"))?,
            None => UserFile::default(),
        };
        let schedule = file.schedule()?;
        let state = dirs.as_ref().map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.cache_dir()));
        let path = overrides.lake.or_else(|| environment("CIDLAKE_HOME").map(PathBuf::from));
        let path = path.or(file.lake).or_else(|| dirs.map(|dirs| dirs.data_dir().join("cidlake")));
        let key_file = overrides
            .key_file
            .or_else(|| environment("CIDLAKE_KEY_FILE").map(PathBuf::from))
            .or(file.key_file)
            .or_else(|| config.map(|folder| folder.join("signing.key")));
        let settings = Self {
            path: path.ok_or_else(no_home)?,
            key_file: key_file.ok_or_else(no_home)?,
            memory_bytes_max: pick(
                overrides.memory_bytes_max,
                "CIDLAKE_MEMORY_BYTES_MAX",
                file.memory_bytes_max,
                MEMORY_BYTES_DEFAULT,
            )?,
            cache_bytes_max: pick(
                overrides.cache_bytes_max,
                "CIDLAKE_CACHE_BYTES_MAX",
                file.cache_bytes_max,
                CACHE_BYTES_DEFAULT,
            )?,
            query_timeout_ms: pick(
                overrides.query_timeout_ms,
                "CIDLAKE_QUERY_TIMEOUT_MS",
                file.query_timeout_ms,
                QUERY_TIMEOUT_MS_DEFAULT,
            )?,
            limits: Limits {
                rows_max: pick_if_any("CIDLAKE_QUERY_ROWS_MAX", file.query_rows_max)?,
                bytes_max: pick_if_any("CIDLAKE_QUERY_BYTES_MAX", file.query_bytes_max)?,
                read_bytes_max: pick_if_any(
                    "CIDLAKE_QUERY_READ_BYTES_MAX",
                    file.query_read_bytes_max,
                )?,
            },
            threads: pick(overrides.threads, "CIDLAKE_THREADS", file.threads, cores())?.max(1),
            schedule,
            wal_keep_days: pick_if_any("CIDLAKE_WAL_KEEP_DAYS", file.wal_keep_days)?,
            state: state.map(|folder| folder.join("cidlake")),
        };
        Ok(settings)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

fn no_home() -> Error {
    Error::new(ErrorKind::Unavailable, "no home folder is known to put the lake or the key in")
        .with_hint("set CIDLAKE_HOME and CIDLAKE_KEY_FILE, or HOME")
}

#[expect(clippy::disallowed_methods, reason = "settings are where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the strongest of flag, environment variable, user's file and default.
fn pick<T: std::str::FromStr>(
    flag: Option<T>,
    variable: &str,
    file: Option<T>,
    default: T,
) -> Result<T, Error> {
    if let Some(value) = flag {
        return Ok(value);
    }
    Ok(pick_if_any(variable, file)?.unwrap_or(default))
}

/// Returns the stronger of environment variable and user's file, where there is one.
fn pick_if_any<T: std::str::FromStr>(variable: &str, file: Option<T>) -> Result<Option<T>, Error> {
    let Some(text) = environment(variable) else { return Ok(file) };
    text.parse().map(Some).map_err(|_| {
        Error::invalid(format!("the environment variable {variable} is {text:?}, not a number"))
            .with_hint(format!("unset {variable} or give it a whole number"))
    })
}

fn read_user_file(path: &Path) -> Result<UserFile, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(UserFile::default());
        }
        Err(error) => return Err(Error::io(path, "read the settings in", error)),
    };
    toml::from_str(&text).map_err(|error| {
        Error::invalid(format!("the settings in {} cannot be understood", path.display()))
            .with_source(error)
    })
}

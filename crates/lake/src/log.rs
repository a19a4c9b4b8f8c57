//! The log of a dataset: its versions from the newest back, with what each did.
//!
//! A page of it reads the commits that it shows and one more, which says whether there are others
//! and what the last one changed. The log of the lake's disk, in the store, is something else.

use std::collections::BTreeMap;

use cidlake_block::Cid;
use cidlake_catalog::{Commit, Entry};

use crate::error::Error;
use crate::history::{Found, Target};
use crate::lake::{Inner, Lake};
use crate::versions::Chain;

/// How many versions a log shows where nothing else is asked for.
const VERSIONS_SHOWN: usize = 20;

/// Which versions a log is to show.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The most versions to show.
    pub limit: usize,
    /// The version to begin with, as a reference to the dataset, a commit, `~1` or `@TAG`.
    pub from: Option<String>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { limit: VERSIONS_SHOWN, from: None }
    }
}

/// Versions of a dataset, newest first.
#[derive(Clone, Debug)]
pub struct Log {
    /// The dataset; `None` where the log is that of a commit.
    pub name: Option<String>,
    /// The versions.
    pub entries: Vec<LogEntry>,
    /// Why there are no more.
    pub end: LogEnd,
}

/// One version in a log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// The CID of the commit.
    pub commit: Cid,
    /// The commit of the version that it grew from; `None` of the first.
    pub parent: Option<Cid>,
    /// The CID of the content.
    pub cid: Cid,
    /// How many versions stand before it, whether or not they are kept.
    pub depth: u64,
    /// How many versions stand behind it, up to the newest; `None` where it is not in the history
    /// of the newest.
    pub back: Option<u64>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The id of the key that signed.
    pub author: String,
    /// What it did.
    pub operation: String,
    /// What the author said.
    pub message: Option<String>,
    /// Its rows.
    pub rows: u64,
    /// Rows of the version before it; `None` where there is none, or it is not kept or not here.
    pub rows_before: Option<u64>,
    /// Bytes of the content.
    pub bytes: u64,
    /// Its parts.
    pub parts: u64,
    /// Whether its metadata is another than that of the version before it.
    pub metadata_changed: bool,
    /// The tags that the dataset has for it.
    pub tags: Vec<String>,
}

/// What comes behind the versions that a log shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEnd {
    /// Older versions, the newest of which is this commit.
    More(Cid),
    /// Nothing: the last one shown is the first that was made.
    First,
    /// Versions that the dataset let go.
    Expired,
    /// Versions that are not in this lake.
    Missing,
}

impl Lake {
    /// Returns the versions of what `reference` means, from that version back.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference; `Usage` too for what is no table.
    pub async fn log(&self, reference: &str, options: LogOptions) -> Result<Log, Error> {
        let reference = reference.to_owned();
        self.blocking(move |inner| inner.log(&reference, &options)).await
    }
}

/// What is known of the history that a log shows.
struct Around {
    /// The depth of the newest version, where the log is of its history.
    head_depth: Option<u64>,
    /// The depth of the oldest version that is kept.
    depth_min: u64,
    tags: BTreeMap<Cid, Vec<String>>,
}

impl Inner {
    pub(crate) fn log(&self, reference: &str, options: &LogOptions) -> Result<Log, Error> {
        let _hold = self.hold()?;
        let start = self.log_start(reference, options.from.as_deref())?;
        let around = self.around(&start)?;
        let name = start.entry.map(|entry| entry.name.to_string());
        let mut log = Log { name, entries: Vec::new(), end: LogEnd::First };
        let mut next = Some((start.cid, start.commit));
        while let Some((cid, commit)) = next.take() {
            if log.entries.len() >= options.limit {
                log.end = LogEnd::More(cid);
                break;
            }
            let before = self.version_before(&commit, around.depth_min)?;
            let older = before.as_ref().map(|(_, older)| older);
            log.end = around.end(&commit);
            log.entries.push(around.entry(cid, &commit, older));
            next = before;
        }
        Ok(log)
    }

    /// Returns the version that a log begins with.
    fn log_start(&self, reference: &str, from: Option<&str>) -> Result<Found, Error> {
        let found = match self.target(reference)? {
            Target::Commit(found) => *found,
            Target::Content(cid) => {
                return Err(Error::usage(format!("{cid} is no table and has no versions"))
                    .with_hint("`cidlake datasets` lists the tables"));
            }
        };
        let Some(from) = from else { return Ok(found) };
        match &found.entry {
            Some(entry) => self.version_of(&entry.name, from),
            None => Err(Error::usage("a CID already is the version to begin with")
                .with_hint("name the dataset, or leave out where to begin")),
        }
    }

    /// Returns what stands around the version that a log begins with.
    fn around(&self, start: &Found) -> Result<Around, Error> {
        let Some(entry) = &start.entry else {
            return Ok(Around { head_depth: None, depth_min: 0, tags: BTreeMap::new() });
        };
        let (oldest, tags) = {
            let view = self.refresh()?;
            (view.expired.get(&entry.name).copied(), view.catalog.tags(&entry.name))
        };
        let chain = Chain::new(self, entry, oldest)?;
        let is_in_chain = chain.has(&start.cid, start.commit.depth)?;
        Ok(Around {
            head_depth: is_in_chain.then_some(chain.head.1.depth),
            depth_min: chain.depth_min(),
            tags: by_commit(tags),
        })
    }

    /// Returns the version before another, if it is kept and here.
    fn version_before(
        &self,
        commit: &Commit,
        depth_min: u64,
    ) -> Result<Option<(Cid, Commit)>, Error> {
        let Some(parent) = commit.parents.first().filter(|_| commit.depth > depth_min) else {
            return Ok(None);
        };
        Ok(self.older_version(parent)?.map(|older| (*parent, older)))
    }
}

impl Around {
    /// Says what comes behind a version if nothing older is found.
    fn end(&self, last: &Commit) -> LogEnd {
        match last.depth {
            0 => LogEnd::First,
            depth if depth <= self.depth_min => LogEnd::Expired,
            _ => LogEnd::Missing,
        }
    }

    fn entry(&self, cid: Cid, commit: &Commit, before: Option<&Commit>) -> LogEntry {
        let metadata_changed = match before {
            Some(before) => before.metadata != commit.metadata,
            None => commit.depth == 0 && !commit.metadata.is_empty(),
        };
        LogEntry {
            commit: cid,
            parent: commit.parents.first().copied(),
            cid: commit.content,
            depth: commit.depth,
            back: self.head_depth.and_then(|head| head.checked_sub(commit.depth)),
            time_ms: commit.time_ms,
            author: commit.author.clone(),
            operation: commit.operation.clone(),
            message: commit.message.clone(),
            rows: commit.rows,
            rows_before: before.map(|before| before.rows),
            bytes: commit.bytes,
            parts: commit.parts_count(),
            metadata_changed,
            tags: self.tags.get(&cid).cloned().unwrap_or_default(),
        }
    }
}

/// Returns tags by the commit that each means.
fn by_commit(tags: Vec<Entry>) -> BTreeMap<Cid, Vec<String>> {
    let mut by_commit: BTreeMap<Cid, Vec<String>> = BTreeMap::new();
    for entry in tags {
        if let Some(tag) = entry.tag {
            by_commit.entry(entry.commit).or_default().push(tag.to_string());
        }
    }
    by_commit
}

//! The shapes of the answers about versions: the log, tags, what was restored.

use cidlake::{Log, LogEnd, LogEntry, Restored, TagInfo, Tagged, Untagged};
use serde::Serialize;

use super::{Field, record};
use crate::output::{Cell, Kind, Record, moment};

record! {
    /// One version of `log`.
    LogEntryWire {
        commit: String,
        cid: String,
        depth: u64,
        back: Option<u64>,
        time: String,
        author: String,
        operation: String,
        message: Option<String>,
        rows: u64,
        rows_before: Option<u64>,
        bytes: u64,
        parts: u64,
        metadata_changed: bool,
        tags: Vec<String>,
    }
}

impl From<&LogEntry> for LogEntryWire {
    fn from(entry: &LogEntry) -> Self {
        Self {
            commit: entry.commit.to_string(),
            cid: entry.cid.to_string(),
            depth: entry.depth,
            back: entry.back,
            time: moment(entry.time_ms),
            author: entry.author.clone(),
            operation: entry.operation.clone(),
            message: entry.message.clone(),
            rows: entry.rows,
            rows_before: entry.rows_before,
            bytes: entry.bytes,
            parts: entry.parts,
            metadata_changed: entry.metadata_changed,
            tags: entry.tags.clone(),
        }
    }
}

/// The answer of `log`. `end` says why there are no more versions; where it is `more`, `next` is
/// what `--from` takes to go on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LogWire {
    pub(crate) name: Option<String>,
    pub(crate) versions: Vec<LogEntryWire>,
    pub(crate) end: &'static str,
    pub(crate) next: Option<String>,
}

impl From<&Log> for LogWire {
    fn from(log: &Log) -> Self {
        let (end, next) = match log.end {
            LogEnd::More(commit) => ("more", Some(commit.to_string())),
            LogEnd::First => ("first", None),
            LogEnd::Expired => ("expired", None),
            LogEnd::Missing => ("missing", None),
        };
        let versions = log.entries.iter().map(LogEntryWire::from).collect();
        Self { name: log.name.clone(), versions, end, next }
    }
}

record! {
    /// The answer of `tag` where it sets one; `before` is the commit that the tag meant before.
    TaggedWire {
        success: bool,
        name: String,
        tag: String,
        commit: String,
        cid: String,
        before: Option<String>,
        unchanged: bool,
    }
}

impl From<&Tagged> for TaggedWire {
    fn from(tagged: &Tagged) -> Self {
        Self {
            success: true,
            name: tagged.name.clone(),
            tag: tagged.tag.clone(),
            commit: tagged.commit.to_string(),
            cid: tagged.cid.to_string(),
            before: tagged.before.map(|before| before.to_string()),
            unchanged: tagged.unchanged,
        }
    }
}

record! {
    /// The answer of `tag --delete`.
    UntaggedWire {
        success: bool,
        name: String,
        tag: String,
        commit: String,
    }
}

impl From<&Untagged> for UntaggedWire {
    fn from(untagged: &Untagged) -> Self {
        Self {
            success: true,
            name: untagged.name.clone(),
            tag: untagged.tag.clone(),
            commit: untagged.commit.to_string(),
        }
    }
}

record! {
    /// One tag of `tag NAME`.
    TagWire {
        name: String,
        tag: String,
        commit: String,
        cid: Option<String>,
        time: Option<String>,
        rows: Option<u64>,
        bytes: Option<u64>,
        conflicts: u64,
    }
}

impl From<&TagInfo> for TagWire {
    fn from(info: &TagInfo) -> Self {
        Self {
            name: info.name.clone(),
            tag: info.tag.clone(),
            commit: info.commit.to_string(),
            cid: info.cid.map(|cid| cid.to_string()),
            time: info.time_ms.map(moment),
            rows: info.rows,
            bytes: info.bytes,
            conflicts: info.conflicts,
        }
    }
}

record! {
    /// The answer of `restore`; `from` is the commit that was made the newest again.
    RestoredWire {
        success: bool,
        name: String,
        cid: String,
        commit: String,
        from: String,
        from_time: String,
        rows: u64,
        rows_before: u64,
        unchanged: bool,
    }
}

impl From<&Restored> for RestoredWire {
    fn from(restored: &Restored) -> Self {
        Self {
            success: true,
            name: restored.name.clone(),
            cid: restored.cid.to_string(),
            commit: restored.commit.to_string(),
            from: restored.from.to_string(),
            from_time: moment(restored.from_time_ms),
            rows: restored.rows,
            rows_before: restored.rows_before,
            unchanged: restored.unchanged,
        }
    }
}

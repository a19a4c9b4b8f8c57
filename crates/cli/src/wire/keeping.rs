//! The shapes of the answers about what is kept: pins, expiry, collection, maintenance, the doctor.

use cidlake::{
    Check, CheckStatus, Diagnosis, Expired, GcSummary, Maintained, PinInfo, Pinned, Unpinned,
};
use serde::Serialize;

use super::{CompactedWire, Field, kind, record};
use crate::output::{Cell, Kind, Record, moment};

record! {
    /// The answer of `pin`; `cid` is what is pinned, of a table its commit.
    PinnedWire {
        success: bool,
        cid: String,
        content: Option<String>,
        name: Option<String>,
        unchanged: bool,
    }
}

impl From<&Pinned> for PinnedWire {
    fn from(pinned: &Pinned) -> Self {
        Self {
            success: true,
            cid: pinned.cid.to_string(),
            content: pinned.content.map(|content| content.to_string()),
            name: pinned.name.clone(),
            unchanged: pinned.unchanged,
        }
    }
}

record! {
    /// The answer of `unpin`.
    UnpinnedWire {
        success: bool,
        cid: String,
        name: Option<String>,
    }
}

impl From<&Unpinned> for UnpinnedWire {
    fn from(unpinned: &Unpinned) -> Self {
        Self { success: true, cid: unpinned.cid.to_string(), name: unpinned.name.clone() }
    }
}

record! {
    /// One pin of `pins`.
    PinWire {
        cid: String,
        name: Option<String>,
        kind: &'static str,
        rows: Option<u64>,
        bytes: Option<u64>,
    }
}

impl From<&PinInfo> for PinWire {
    fn from(info: &PinInfo) -> Self {
        Self {
            cid: info.cid.to_string(),
            name: info.name.clone(),
            kind: kind(info.kind),
            rows: info.rows,
            bytes: info.bytes,
        }
    }
}

record! {
    /// The answer of `expire`.
    ExpiredWire {
        success: bool,
        name: String,
        versions_kept: u64,
        versions_expired: u64,
        versions_tagged: u64,
        oldest: String,
        oldest_time: String,
        dry_run: bool,
    }
}

impl From<&Expired> for ExpiredWire {
    fn from(expired: &Expired) -> Self {
        Self {
            success: true,
            name: expired.name.clone(),
            versions_kept: expired.versions_kept,
            versions_expired: expired.versions_expired,
            versions_tagged: expired.versions_tagged,
            oldest: expired.oldest.to_string(),
            oldest_time: moment(expired.oldest_time_ms),
            dry_run: expired.dry_run,
        }
    }
}

record! {
    /// The answer of `gc`; `success` says that nothing that is kept is damaged.
    GcWire {
        success: bool,
        dry_run: bool,
        blocks_kept: u64,
        bytes_kept: u64,
        bytes_dead: u64,
        bytes_freed: u64,
        bytes_waiting: u64,
        bytes_copied: u64,
        packs: u64,
        packs_removed: u64,
        packs_rewritten: u64,
        packs_in_use: u64,
        packs_damaged: u64,
        damaged: u64,
    }
}

impl From<&GcSummary> for GcWire {
    fn from(summary: &GcSummary) -> Self {
        Self {
            success: summary.damage.is_empty(),
            dry_run: summary.dry_run,
            blocks_kept: summary.blocks_kept,
            bytes_kept: summary.bytes_kept,
            bytes_dead: summary.bytes_dead,
            bytes_freed: summary.bytes_freed,
            bytes_waiting: summary.bytes_waiting,
            bytes_copied: summary.bytes_copied,
            packs: summary.packs,
            packs_removed: summary.packs_removed,
            packs_rewritten: summary.packs_rewritten,
            packs_in_use: summary.packs_in_use,
            packs_damaged: summary.packs_damaged,
            damaged: summary.damage.len() as u64,
        }
    }
}

/// The answer of `maintain`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MaintainedWire {
    pub(crate) success: bool,
    pub(crate) checkpoint_lsn: u64,
    pub(crate) checkpoint_new: bool,
    pub(crate) checkpoint_behind: bool,
    pub(crate) indexes: u64,
    pub(crate) packs_indexed: u64,
    pub(crate) packs_added: u64,
    pub(crate) log_segments_sealed: u64,
    pub(crate) index_new: bool,
    pub(crate) compacted: Vec<CompactedWire>,
    pub(crate) gc: Option<GcWire>,
}

record! {
    /// One figure of `maintain`, in the forms that know only rows.
    FigureWire {
        figure: &'static str,
        value: u64,
    }
}

impl MaintainedWire {
    /// Returns the figures, a row each.
    pub(crate) fn rows(&self) -> Vec<FigureWire> {
        let mut figures = vec![
            ("checkpoint_lsn", self.checkpoint_lsn),
            ("indexes", self.indexes),
            ("packs_indexed", self.packs_indexed),
            ("packs_added", self.packs_added),
            ("log_segments_sealed", self.log_segments_sealed),
            ("index_new", u64::from(self.index_new)),
            ("datasets_compacted", self.compacted.len() as u64),
        ];
        let freed = self.gc.as_ref().map(|gc| ("bytes_freed", gc.bytes_freed));
        figures.extend(freed);
        figures.into_iter().map(|(figure, value)| FigureWire { figure, value }).collect()
    }
}

impl From<&Maintained> for MaintainedWire {
    fn from(maintained: &Maintained) -> Self {
        let gc = maintained.gc.as_ref().map(GcWire::from);
        Self {
            success: gc.as_ref().is_none_or(|gc| gc.success),
            checkpoint_lsn: maintained.checkpoint_lsn,
            checkpoint_new: maintained.checkpoint_new,
            checkpoint_behind: maintained.checkpoint_behind,
            indexes: maintained.indexes,
            packs_indexed: maintained.packs_indexed,
            packs_added: maintained.packs_added,
            log_segments_sealed: maintained.log_segments_sealed,
            index_new: maintained.index_new,
            compacted: maintained.compacted.iter().map(CompactedWire::from).collect(),
            gc,
        }
    }
}

record! {
    /// One check of `doctor`.
    CheckWire {
        what: &'static str,
        status: &'static str,
        detail: String,
        advice: Option<String>,
    }
}

impl From<&Check> for CheckWire {
    fn from(check: &Check) -> Self {
        Self {
            what: check.what,
            status: status(check.status),
            detail: check.detail.clone(),
            advice: check.advice.clone(),
        }
    }
}

/// The answer of `doctor`; `success` says that nothing is bad.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DoctorWire {
    pub(crate) success: bool,
    pub(crate) lake: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) checks: Vec<CheckWire>,
}

impl From<&Diagnosis> for DoctorWire {
    fn from(diagnosis: &Diagnosis) -> Self {
        Self {
            success: diagnosis.worst() != CheckStatus::Bad,
            lake: diagnosis.lake.as_ref().map(|lake| lake.display().to_string()),
            status: status(diagnosis.worst()),
            checks: diagnosis.checks.iter().map(CheckWire::from).collect(),
        }
    }
}

fn status(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Ok => "ok",
        CheckStatus::Warn => "warn",
        CheckStatus::Bad => "bad",
    }
}

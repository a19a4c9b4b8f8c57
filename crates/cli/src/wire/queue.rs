//! The shapes of the answers about the log and the operation queue in it.

use std::collections::BTreeMap;

use cidlake::{OperationInfo, Queued, WalStatus, WorkSummary};
use serde::Serialize;
use serde_json::Value;

use super::{Field, record};
use crate::output::{Cell, Kind, Record, moment};

record! {
    /// The answer of `wal status`. `checkpoint_lsn` is 0 without a checkpoint.
    WalStatusWire {
        segments: u64,
        bytes: u64,
        records: u64,
        last_lsn: u64,
        deltas: u64,
        pins: u64,
        checkpoint_lsn: u64,
        records_behind: u64,
        sealed: u64,
        unsealed: u64,
        dirty: bool,
        pending: u64,
        processing: u64,
        completed: u64,
        failed: u64,
        retrying: u64,
        dead: u64,
        queued_total: u64,
        abandoned: u64,
        lag_ms: Option<u64>,
    }
}

impl From<&WalStatus> for WalStatusWire {
    fn from(status: &WalStatus) -> Self {
        let queue = &status.queue;
        Self {
            segments: status.segments,
            bytes: status.bytes,
            records: status.records,
            last_lsn: status.last_lsn,
            deltas: status.deltas,
            pins: status.pins,
            checkpoint_lsn: status.checkpoint_lsn,
            records_behind: status.records_behind,
            sealed: status.sealed,
            unsealed: status.unsealed,
            dirty: status.dirty,
            pending: queue.pending,
            processing: queue.processing,
            completed: queue.completed,
            failed: queue.failed,
            retrying: queue.retrying,
            dead: queue.dead,
            queued_total: queue.queued_total,
            abandoned: queue.abandoned,
            lag_ms: queue.lag_ms,
        }
    }
}

record! {
    /// One operation of `wal list`, and the answer of `wal show`.
    OperationWire {
        id: String,
        kind: String,
        status: &'static str,
        key: Option<String>,
        params: BTreeMap<String, Value>,
        attempts: u64,
        attempts_max: u64,
        queued: String,
        updated: String,
        completed: Option<String>,
        due: Option<String>,
        worker: Option<String>,
        lease_until: Option<String>,
        error: Option<String>,
        error_kind: Option<String>,
        result: Option<String>,
        result_cid: Option<String>,
        result_bytes: Option<u64>,
    }
}

impl From<&OperationInfo> for OperationWire {
    fn from(info: &OperationInfo) -> Self {
        Self {
            id: info.id.clone(),
            kind: info.kind.clone(),
            status: info.status,
            key: info.key.clone(),
            params: info.params.clone(),
            attempts: info.attempts.into(),
            attempts_max: info.attempts_max.into(),
            queued: moment(info.queued_ms),
            updated: moment(info.updated_ms),
            completed: info.completed_ms.map(moment),
            due: info.due_ms.map(moment),
            worker: info.worker.clone(),
            lease_until: info.lease_until_ms.map(moment),
            error: info.error.clone(),
            error_kind: info.error_kind.clone(),
            result: info.result.clone(),
            result_cid: info.result_cid.map(|cid| cid.to_string()),
            result_bytes: info.result_bytes,
        }
    }
}

record! {
    /// The answer of `wal enqueue`; `unchanged` says that an operation with this key was known.
    QueuedWire {
        success: bool,
        id: String,
        kind: String,
        key: Option<String>,
        status: &'static str,
        unchanged: bool,
    }
}

impl From<&Queued> for QueuedWire {
    fn from(queued: &Queued) -> Self {
        Self {
            success: true,
            id: queued.info.id.clone(),
            kind: queued.info.kind.clone(),
            key: queued.info.key.clone(),
            status: queued.info.status,
            unchanged: !queued.is_new,
        }
    }
}

record! {
    /// The answer of `wal retry`, and of `wal drop`, where `status` is the last that there was.
    OperationChangedWire {
        success: bool,
        id: String,
        kind: String,
        status: &'static str,
    }
}

impl From<&OperationInfo> for OperationChangedWire {
    fn from(info: &OperationInfo) -> Self {
        let (id, kind) = (info.id.clone(), info.kind.clone());
        Self { success: true, id, kind, status: info.status }
    }
}

record! {
    /// The answer of `wal run`; `success` says that no operation failed for good.
    WorkWire {
        success: bool,
        scheduled: u64,
        completed: u64,
        retrying: u64,
        failed: u64,
        lost: u64,
    }
}

impl From<&WorkSummary> for WorkWire {
    fn from(summary: &WorkSummary) -> Self {
        Self {
            success: summary.failed == 0,
            scheduled: summary.scheduled,
            completed: summary.completed,
            retrying: summary.retrying,
            failed: summary.failed,
            lost: summary.lost,
        }
    }
}

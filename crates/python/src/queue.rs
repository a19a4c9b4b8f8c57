//! The log and the operation queue in it, as Python dicts: their words are those of the program's
//! JSON, and of the types in `cidlake/_dicts.py`. Moments are milliseconds since the Unix epoch, and
//! parameters are JSON.

use std::collections::BTreeMap;

use cidlake::{OperationInfo, WalStatus, WorkSummary};
use pyo3::prelude::*;
use serde_json::Value;

use crate::errors::usage;

#[derive(IntoPyObject)]
pub(crate) struct OperationDict {
    id: String,
    kind: String,
    status: &'static str,
    key: Option<String>,
    params: String,
    attempts: u32,
    attempts_max: u32,
    queued: u64,
    updated: u64,
    completed: Option<u64>,
    due: Option<u64>,
    worker: Option<String>,
    lease_until: Option<u64>,
    error: Option<String>,
    error_kind: Option<String>,
    result: Option<String>,
    result_cid: Option<String>,
    result_bytes: Option<u64>,
}

#[derive(IntoPyObject)]
pub(crate) struct WorkedDict {
    scheduled: u64,
    completed: u64,
    retrying: u64,
    failed: u64,
    lost: u64,
}

#[derive(IntoPyObject)]
pub(crate) struct WalStatusDict {
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

/// Reads the parameters of an operation.
///
/// # Errors
/// `UsageError` where they are no map of texts to values.
pub(crate) fn operation_params(json: &str) -> PyResult<BTreeMap<String, Value>> {
    serde_json::from_str(json).map_err(|error| {
        let message = format!("the parameters cannot be read: {error}");
        usage(&message, "give a dict of names and values")
    })
}

impl From<OperationInfo> for OperationDict {
    fn from(info: OperationInfo) -> Self {
        Self {
            id: info.id,
            kind: info.kind,
            status: info.status,
            key: info.key,
            params: Value::from_iter(info.params).to_string(),
            attempts: info.attempts,
            attempts_max: info.attempts_max,
            queued: info.queued_ms,
            updated: info.updated_ms,
            completed: info.completed_ms,
            due: info.due_ms,
            worker: info.worker,
            lease_until: info.lease_until_ms,
            error: info.error,
            error_kind: info.error_kind,
            result: info.result,
            result_cid: info.result_cid.map(|cid| cid.to_string()),
            result_bytes: info.result_bytes,
        }
    }
}

impl From<WorkSummary> for WorkedDict {
    fn from(summary: WorkSummary) -> Self {
        let WorkSummary { scheduled, completed, retrying, failed, lost } = summary;
        Self { scheduled, completed, retrying, failed, lost }
    }
}

impl From<WalStatus> for WalStatusDict {
    fn from(status: WalStatus) -> Self {
        let queue = status.queue;
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

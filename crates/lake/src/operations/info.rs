//! Operations as callers see them and ask for them; plain data.

use std::collections::BTreeMap;

use cidlake_block::Cid;
use cidlake_store::{Operation, OperationStatus};
use serde_json::Value;

/// An operation that is to be queued.
#[derive(Clone, Debug, Default)]
pub struct OperationRequest {
    /// What is to be done: the name of a handler.
    pub kind: String,
    /// With what. Types are kept.
    pub params: BTreeMap<String, Value>,
    /// What tells it from others that mean the same: it is queued once while it is known.
    pub key: Option<String>,
    /// How often it is tried before it is given up.
    pub attempts_max: Option<u32>,
    /// How long it is to wait at least, in milliseconds.
    pub delay_ms: u64,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The operation.
    pub info: OperationInfo,
    /// Whether it was queued now, and not known already by its key.
    pub is_new: bool,
}

/// Which operations are to be listed.
#[derive(Clone, Debug, Default)]
pub struct OperationsRequest {
    /// Only those in one of these statuses, if any are named.
    pub statuses: Vec<String>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those that were queued after this one.
    pub after: Option<String>,
    /// The most to be listed.
    pub limit: Option<usize>,
}

/// Everything that is known of an operation. Moments are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct OperationInfo {
    /// Its number.
    pub id: String,
    /// What is to be done.
    pub kind: String,
    /// What tells it from others that mean the same.
    pub key: Option<String>,
    /// With what.
    pub params: BTreeMap<String, Value>,
    /// How far it has come: pending, processing, completed, failed, retrying or dead.
    pub status: &'static str,
    /// When it was queued.
    pub queued_ms: u64,
    /// When it changed last.
    pub updated_ms: u64,
    /// When it was completed.
    pub completed_ms: Option<u64>,
    /// When it is tried next, where it waits.
    pub due_ms: Option<u64>,
    /// How many attempts were begun.
    pub attempts: u32,
    /// How many there may be.
    pub attempts_max: u32,
    /// Who is at it.
    pub worker: Option<String>,
    /// Until when, unless that is prolonged.
    pub lease_until_ms: Option<u64>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// What kind of failure that was.
    pub error_kind: Option<String>,
    /// What it made or dealt with.
    pub result_cid: Option<Cid>,
    /// How much, in bytes.
    pub result_bytes: Option<u64>,
    /// What became of it, for people.
    pub result: Option<String>,
}

impl OperationInfo {
    pub(crate) fn of(operation: &Operation) -> Self {
        let waits =
            matches!(operation.status, OperationStatus::Pending | OperationStatus::Retrying);
        let is_done = operation.status == OperationStatus::Completed;
        let lease = operation.lease.as_ref();
        let failure = operation.failure.as_ref();
        let result = operation.result.as_ref();
        Self {
            id: operation.id.to_string(),
            kind: operation.kind.to_string(),
            key: operation.key.as_deref().map(str::to_owned),
            // What some other program queued may have values that JSON has no word for.
            params: operation.params.read().unwrap_or_default(),
            status: operation.status.word(),
            queued_ms: operation.queued_ms,
            updated_ms: operation.updated_ms,
            completed_ms: is_done.then_some(operation.updated_ms),
            due_ms: waits.then(|| operation.ready_ms()),
            attempts: operation.attempts,
            attempts_max: operation.attempts_max,
            worker: lease.map(|lease| lease.worker.to_string()),
            lease_until_ms: lease.map(|lease| lease.until_ms),
            error: failure.map(|failure| failure.message.clone()),
            error_kind: failure.map(|failure| failure.kind.clone()),
            result_cid: result.and_then(|result| result.cid),
            result_bytes: result.and_then(|result| result.size),
            result: result.and_then(|result| result.destination.clone()),
        }
    }
}

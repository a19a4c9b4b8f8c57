//! What records say of operations, and its bytes; pure.
//!
//! The bodies are DAG-CBOR maps; `docs/format.md` has them all. What is said here was decided under
//! the log's lock, so whoever reads it need not ask whether it was allowed.

use std::sync::Arc;

use bytes::Bytes;

use super::operation::{Failure, OperationId, OperationResult, Params};
use crate::cbor::{
    Scan, put_link_or_null, put_list, put_map, put_text, put_text_or_null, put_unsigned,
    put_unsigned_or_null,
};
use crate::log::Lsn;

/// The kinds of records that speak of operations.
pub(crate) const KINDS: std::ops::RangeInclusive<u16> = 6..=11;

/// A change of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was queued, and has the number of this record.
    Queued {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// Before when it is not to be tried.
        due_ms: u64,
        /// Its idempotency key.
        key: Option<Arc<str>>,
        /// What is to be done.
        kind: Arc<str>,
        /// How often it may be tried.
        attempts_max: u32,
        /// With what.
        params: Params,
    },
    /// Somebody began an attempt; the lease has the number of this record.
    Leased {
        /// The operation.
        operation: OperationId,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// What is to be done.
        kind: Arc<str>,
        /// Until when the lease is good.
        until_ms: u64,
        /// Who.
        worker: Arc<str>,
    },
    /// Whoever has the lease needs it longer.
    Renewed {
        /// The operation.
        operation: OperationId,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// What is being done.
        kind: Arc<str>,
        /// The lease.
        lease: Lsn,
        /// Until when it is good now.
        until_ms: u64,
    },
    /// An attempt is over.
    Settled {
        /// The operation.
        operation: OperationId,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// What was to be done.
        kind: Arc<str>,
        /// The lease.
        lease: Lsn,
        /// How it went.
        outcome: Outcome,
    },
    /// Somebody wants it tried again, as often as at first.
    Retried {
        /// The operation.
        operation: OperationId,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// What is to be done.
        kind: Arc<str>,
    },
    /// Somebody does not want it any more.
    Dropped {
        /// The operation.
        operation: OperationId,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// What is to be done.
        kind: Arc<str>,
    },
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The operation is done.
    Completed(OperationResult),
    /// It failed and is tried again.
    Retrying {
        /// Why.
        failure: Failure,
        /// Not before this moment, in milliseconds since the Unix epoch.
        due_ms: u64,
    },
    /// It failed, and no attempt more would help.
    Failed(Failure),
    /// It failed, and was the last attempt that the operation had.
    Dead(Failure),
}

impl Event {
    /// The operation, where this is not the record that queued it.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Queued { .. } => None,
            Self::Leased { operation, .. }
            | Self::Renewed { operation, .. }
            | Self::Settled { operation, .. }
            | Self::Retried { operation, .. }
            | Self::Dropped { operation, .. } => Some(*operation),
        }
    }

    /// When it happened, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        match self {
            Self::Queued { at_ms, .. }
            | Self::Leased { at_ms, .. }
            | Self::Renewed { at_ms, .. }
            | Self::Settled { at_ms, .. }
            | Self::Retried { at_ms, .. }
            | Self::Dropped { at_ms, .. } => *at_ms,
        }
    }

    /// What is to be done.
    #[must_use]
    pub fn kind(&self) -> &Arc<str> {
        match self {
            Self::Queued { kind, .. }
            | Self::Leased { kind, .. }
            | Self::Renewed { kind, .. }
            | Self::Settled { kind, .. }
            | Self::Retried { kind, .. }
            | Self::Dropped { kind, .. } => kind,
        }
    }

    /// The kind of its record.
    pub(crate) fn record_kind(&self) -> u16 {
        match self {
            Self::Queued { .. } => 6,
            Self::Leased { .. } => 7,
            Self::Renewed { .. } => 8,
            Self::Settled { .. } => 9,
            Self::Retried { .. } => 10,
            Self::Dropped { .. } => 11,
        }
    }

    /// Returns how much its texts take, in bytes.
    pub(crate) fn room(&self) -> usize {
        let texts = match self {
            Self::Queued { key, params, .. } => key.as_deref().map_or(0, str::len) + params.0.len(),
            Self::Leased { worker, .. } => worker.len(),
            Self::Settled { outcome, .. } => outcome.room(),
            _ => 0,
        };
        self.kind().len() + texts
    }

    /// Appends its body.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let fields = match self {
            Self::Queued { .. } | Self::Leased { .. } => 6,
            Self::Renewed { .. } => 5,
            Self::Settled { .. } => 9,
            Self::Retried { .. } | Self::Dropped { .. } => 3,
        };
        put_map(out, fields);
        put_text(out, "at");
        put_unsigned(out, self.at_ms());
        if let Some(operation) = self.operation() {
            put_text(out, "op");
            put_unsigned(out, operation.0);
        }
        match self {
            Self::Queued { due_ms, key, kind, attempts_max, params, .. } => {
                put_text(out, "due");
                put_unsigned(out, *due_ms);
                put_text(out, "key");
                put_text_or_null(out, key.as_deref());
                put_kind(out, kind);
                put_text(out, "tries");
                put_unsigned(out, u64::from(*attempts_max));
                put_text(out, "params");
                out.extend_from_slice(&params.0);
            }
            Self::Leased { attempt, kind, until_ms, worker, .. } => {
                put_attempt(out, *attempt);
                put_kind(out, kind);
                put_text(out, "until");
                put_unsigned(out, *until_ms);
                put_text(out, "worker");
                put_text(out, worker);
            }
            Self::Renewed { kind, lease, until_ms, .. } => {
                put_kind(out, kind);
                put_text(out, "lease");
                put_unsigned(out, lease.0);
                put_text(out, "until");
                put_unsigned(out, *until_ms);
            }
            Self::Settled { attempt, kind, lease, outcome, .. } => {
                put_text(out, "due");
                put_unsigned_or_null(out, outcome.due_ms());
                put_attempt(out, *attempt);
                put_kind(out, kind);
                outcome.write(*lease, out);
            }
            Self::Retried { kind, .. } | Self::Dropped { kind, .. } => put_kind(out, kind),
        }
    }

    /// Reads the body of a record of this kind in `payload`; none where it has another form.
    pub(crate) fn read(kind: u16, scan: &mut Scan<'_>, payload: &Bytes) -> Option<Self> {
        match kind {
            6 => read_queued(scan, payload),
            7 => read_leased(scan),
            8 => {
                let (at_ms, operation) = read_head(scan, b"\xa5")?;
                let kind = read_kind(scan)?;
                scan.exact(b"\x65lease")?;
                let lease = Lsn(scan.unsigned()?);
                scan.exact(b"\x65until")?;
                Some(Self::Renewed { operation, at_ms, kind, lease, until_ms: scan.unsigned()? })
            }
            9 => read_settled(scan),
            10 => {
                let (at_ms, operation) = read_head(scan, b"\xa3")?;
                Some(Self::Retried { operation, at_ms, kind: read_kind(scan)? })
            }
            11 => {
                let (at_ms, operation) = read_head(scan, b"\xa3")?;
                Some(Self::Dropped { operation, at_ms, kind: read_kind(scan)? })
            }
            _ => None,
        }
    }
}

fn put_kind(out: &mut Vec<u8>, kind: &str) {
    put_text(out, "kind");
    put_text(out, kind);
}

fn put_attempt(out: &mut Vec<u8>, attempt: u32) {
    put_text(out, "try");
    put_unsigned(out, u64::from(attempt));
}

/// Reads the fields that all records but the one that queues begin with.
fn read_head(scan: &mut Scan<'_>, map: &[u8]) -> Option<(u64, OperationId)> {
    scan.exact(map)?;
    scan.exact(b"\x62at")?;
    let at_ms = scan.unsigned()?;
    scan.exact(b"\x62op")?;
    Some((at_ms, OperationId(scan.unsigned()?)))
}

fn read_kind(scan: &mut Scan<'_>) -> Option<Arc<str>> {
    scan.exact(b"\x64kind")?;
    scan.text().map(Arc::from)
}

fn read_attempt(scan: &mut Scan<'_>) -> Option<u32> {
    scan.exact(b"\x63try")?;
    u32::try_from(scan.unsigned()?).ok()
}

fn read_leased(scan: &mut Scan<'_>) -> Option<Event> {
    let (at_ms, operation) = read_head(scan, b"\xa6")?;
    let attempt = read_attempt(scan)?;
    let kind = read_kind(scan)?;
    scan.exact(b"\x65until")?;
    let until_ms = scan.unsigned()?;
    scan.exact(b"\x66worker")?;
    let worker = scan.text()?.into();
    Some(Event::Leased { operation, at_ms, attempt, kind, until_ms, worker })
}

fn read_settled(scan: &mut Scan<'_>) -> Option<Event> {
    let (at_ms, operation) = read_head(scan, b"\xa9")?;
    scan.exact(b"\x63due")?;
    let due_ms = scan.or_null(Scan::unsigned)?;
    let attempt = read_attempt(scan)?;
    let kind = read_kind(scan)?;
    let (lease, outcome) = Outcome::read(due_ms, scan)?;
    Some(Event::Settled { operation, at_ms, attempt, kind, lease, outcome })
}

fn read_queued(scan: &mut Scan<'_>, payload: &Bytes) -> Option<Event> {
    scan.exact(b"\xa6\x62at")?;
    let at_ms = scan.unsigned()?;
    scan.exact(b"\x63due")?;
    let due_ms = scan.unsigned()?;
    scan.exact(b"\x63key")?;
    let key = scan.or_null(|scan| scan.text().map(Arc::from))?;
    let kind = read_kind(scan)?;
    scan.exact(b"\x65tries")?;
    let attempts_max = u32::try_from(scan.unsigned()?).ok()?;
    scan.exact(b"\x66params")?;
    let params = Params(payload.slice_ref(scan.map_bytes()?));
    Some(Event::Queued { at_ms, due_ms, key, kind, attempts_max, params })
}

impl Outcome {
    /// The word of the status that follows.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Retrying { .. } => "retrying",
            Self::Failed(_) => "failed",
            Self::Dead(_) => "dead",
        }
    }

    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Completed(_) => None,
            Self::Retrying { failure, .. } | Self::Failed(failure) | Self::Dead(failure) => {
                Some(failure)
            }
        }
    }

    /// Returns the same with texts that are very long cut.
    pub(super) fn bounded(self) -> Self {
        let cut = |failure: Failure| Failure::new(&failure.kind, &failure.message);
        match self {
            Self::Completed(result) => Self::Completed(result.bounded()),
            Self::Retrying { failure, due_ms } => Self::Retrying { failure: cut(failure), due_ms },
            Self::Failed(failure) => Self::Failed(cut(failure)),
            Self::Dead(failure) => Self::Dead(cut(failure)),
        }
    }

    fn room(&self) -> usize {
        match self {
            Self::Completed(result) => result.destination.as_deref().map_or(0, str::len),
            Self::Retrying { failure, .. } | Self::Failed(failure) | Self::Dead(failure) => {
                failure.kind.len() + failure.message.len()
            }
        }
    }

    /// When the next attempt may be made, if there is one.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        match self {
            Self::Retrying { due_ms, .. } => Some(*due_ms),
            _ => None,
        }
    }

    /// Appends what stands behind the moment of the next attempt.
    fn write(&self, lease: Lsn, out: &mut Vec<u8>) {
        put_text(out, "error");
        put_failure(out, self.failure());
        put_text(out, "lease");
        put_unsigned(out, lease.0);
        put_text(out, "result");
        match self {
            Self::Completed(result) => put_result(out, Some(result)),
            _ => put_result(out, None),
        }
        put_text(out, "status");
        put_text(out, self.word());
    }

    fn read(due_ms: Option<u64>, scan: &mut Scan<'_>) -> Option<(Lsn, Self)> {
        scan.exact(b"\x65error")?;
        let failure = scan.or_null(read_failure)?;
        scan.exact(b"\x65lease")?;
        let lease = Lsn(scan.unsigned()?);
        scan.exact(b"\x66result")?;
        let result = scan.or_null(read_result)?;
        scan.exact(b"\x66status")?;
        let outcome = match (scan.text()?, due_ms, failure, result) {
            ("completed", None, None, Some(result)) => Self::Completed(result),
            ("retrying", Some(due_ms), Some(failure), None) => Self::Retrying { failure, due_ms },
            ("failed", None, Some(failure), None) => Self::Failed(failure),
            ("dead", None, Some(failure), None) => Self::Dead(failure),
            _ => return None,
        };
        Some((lease, outcome))
    }
}

/// Appends a failure, as a list of its kind and what happened.
pub(super) fn put_failure(out: &mut Vec<u8>, failure: Option<&Failure>) {
    let Some(failure) = failure else { return out.push(0xf6) };
    put_list(out, 2);
    put_text(out, &failure.kind);
    put_text(out, &failure.message);
}

pub(super) fn read_failure(scan: &mut Scan<'_>) -> Option<Failure> {
    scan.exact(b"\x82")?;
    Some(Failure { kind: scan.text()?.to_owned(), message: scan.text()?.to_owned() })
}

/// Appends a result, as a list of its three parts.
pub(super) fn put_result(out: &mut Vec<u8>, result: Option<&OperationResult>) {
    let Some(result) = result else { return out.push(0xf6) };
    put_list(out, 3);
    put_link_or_null(out, result.cid.as_ref());
    put_unsigned_or_null(out, result.size);
    put_text_or_null(out, result.destination.as_deref());
}

pub(super) fn read_result(scan: &mut Scan<'_>) -> Option<OperationResult> {
    scan.exact(b"\x83")?;
    Some(OperationResult {
        cid: scan.or_null(Scan::link)?,
        size: scan.or_null(Scan::unsigned)?,
        destination: scan.or_null(|scan| scan.text().map(str::to_owned))?,
    })
}

#[cfg(test)]
mod tests;

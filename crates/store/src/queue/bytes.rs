//! The queue as the bytes that a checkpoint keeps; pure.
//!
//! A DAG-CBOR list of two: how many operations were ever queued, and the list of those that are
//! known, by number, each a list of its fields. `docs/format.md` has them.

use std::sync::Arc;

use bytes::Bytes;

use super::event::{put_failure, put_result, read_failure, read_result};
use super::operation::{Lease, Operation, OperationId, OperationStatus, Params};
use super::state::Operations;
use crate::cbor::{Scan, put_list, put_text, put_text_or_null, put_unsigned};
use crate::log::Lsn;

const FIELDS: usize = 14;
/// What the fields of an operation take that has no long texts, in bytes: rather too much.
const OPERATION_BYTES_TYPICAL: usize = 80;

impl Operations {
    /// Returns the queue as bytes.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(16 + self.len() * OPERATION_BYTES_TYPICAL);
        put_list(&mut out, 2);
        put_unsigned(&mut out, self.queued_total());
        put_list(&mut out, self.len());
        self.after(OperationId(0)).for_each(|operation| write(operation, &mut out));
        out.into()
    }

    /// Reads bytes; none if they are not a queue.
    pub(crate) fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let mut scan = Scan(bytes);
        scan.exact(b"\x82")?;
        let total = scan.unsigned()?;
        let count = scan.list()?;
        let mut operations = Self::default();
        let mut last = OperationId(0);
        for _ in 0..count {
            let mut operation = read(&mut scan, bytes)?;
            if operation.id <= last {
                return None;
            }
            last = operation.id;
            operation.kind = operations.interned(operation.kind);
            operations.insert(operation);
        }
        operations.set_queued_total(total);
        scan.is_at_end().then_some(operations)
    }
}

fn write(operation: &Operation, out: &mut Vec<u8>) {
    put_list(out, FIELDS);
    put_unsigned(out, operation.id.0);
    put_text(out, &operation.kind);
    put_text_or_null(out, operation.key.as_deref());
    out.extend_from_slice(&operation.params.0);
    put_text(out, operation.status.word());
    put_unsigned(out, operation.queued_ms);
    put_unsigned(out, operation.due_ms);
    put_unsigned(out, operation.updated_ms);
    put_unsigned(out, operation.updated.0);
    put_unsigned(out, u64::from(operation.attempts));
    put_unsigned(out, u64::from(operation.attempts_max));
    match &operation.lease {
        Some(lease) => {
            put_list(out, 3);
            put_unsigned(out, lease.token.0);
            put_text(out, &lease.worker);
            put_unsigned(out, lease.until_ms);
        }
        None => out.push(0xf6),
    }
    put_failure(out, operation.failure.as_deref());
    put_result(out, operation.result.as_deref());
}

fn read(scan: &mut Scan<'_>, bytes: &Bytes) -> Option<Operation> {
    scan.exact(&[0x80 | u8::try_from(FIELDS).ok()?])?;
    Some(Operation {
        id: OperationId(scan.unsigned()?),
        kind: scan.text()?.into(),
        key: scan.or_null(|scan| scan.text().map(Arc::from))?,
        params: Params(bytes.slice_ref(scan.map_bytes()?)),
        status: OperationStatus::of_word(scan.text()?)?,
        queued_ms: scan.unsigned()?,
        due_ms: scan.unsigned()?,
        updated_ms: scan.unsigned()?,
        updated: Lsn(scan.unsigned()?),
        attempts: u32::try_from(scan.unsigned()?).ok()?,
        attempts_max: u32::try_from(scan.unsigned()?).ok()?,
        lease: scan.or_null(read_lease)?,
        failure: scan.or_null(read_failure)?.map(Box::new),
        result: scan.or_null(read_result)?.map(Box::new),
    })
}

fn read_lease(scan: &mut Scan<'_>) -> Option<Box<Lease>> {
    scan.exact(b"\x83")?;
    let token = Lsn(scan.unsigned()?);
    let worker = scan.text()?.into();
    Some(Box::new(Lease { token, worker, until_ms: scan.unsigned()? }))
}

//! The operation queue: work that outlives the process that asked for it.
//!
//! An operation is queued by one record of the log and changed by others, so the queue is as durable
//! as the log, and every process that follows the log has the same one. Whoever runs an operation
//! holds a lease, whose number is that of the record which gave it: it rises from lease to lease
//! and fences off whoever held one before. An operation whose process ended is run by the next.
//! So it runs at least once, maybe twice, and what it does must be safe to do twice.
//!
//! `operation` and `event` are what is said and its bytes, `state` is what the records amount to,
//! `request` decides under the log's lock what is written, `backoff` says when to try again. All of
//! these are pure. `handle` is the store's side. What operations do is for the floors above.

mod backoff;
mod bytes;
mod event;
mod handle;
mod operation;
mod request;
mod state;

pub use self::backoff::{RETRY_MS_BASE, RETRY_MS_MAX, retry_delay_ms};
pub use self::event::{Event, Outcome};
pub use self::handle::{OperationFilter, QueueStats};
pub use self::operation::{
    Failure, Lease, NewOperation, Operation, OperationId, OperationResult, OperationStatus, Params,
};
pub use self::request::{Change, Enqueued, LeaseRequest, Leased, Settlement};

pub(crate) use self::event::KINDS;
pub(crate) use self::request::{Planner, Reply, Request};
pub(crate) use self::state::Operations;

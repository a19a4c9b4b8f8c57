//! Blocks and log records, durable on this machine.
//!
//! A [`Store`] is one lake folder as one process sees it: packs hold blocks, the log says which
//! of them are committed and in what order the catalog changed. Several processes and threads may
//! use one folder at once. The byte layout is in `docs/format.md`.
//!
//! The crate is synchronous and deterministic: it reads no clock, draws no randomness and names
//! no operating system file outside [`disk`]. What the records mean is for the floors above.

#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::manual_let_else,
        clippy::use_self
    )
)]

mod cache;
mod cbor;
mod checkpoint;
mod commit;
mod contents;
mod derived;
pub mod disk;
mod error;
mod fsck;
mod gc;
mod hold;
mod lease;
mod locked;
mod log;
mod pack;
mod queue;
mod repair;
mod rescue;
mod sealed;
mod settings;
mod stats;
mod store;
mod whole;

pub use cache::CacheStats;
pub use checkpoint::{Base, Checkpointed};
pub use cidlake_block::PutReport;
pub use commit::Expect;
pub use contents::KnownPack;
pub use error::{CommitError, StoreError};
pub use fsck::{Damage, DamageKind, FsckLevel, FsckProgress, FsckReport};
pub use gc::{GcOptions, GcPhase, GcProgress, GcReport, Liveness};
pub use hold::Hold;
pub use log::{LogCursor, LogRecord, LostRecords, Lsn, Payload, Record, Says};
pub use pack::{IndexProgress, IndexReport};
pub use queue::{
    Change, Enqueued, Event, Failure, Lease, LeaseRequest, Leased, NewOperation, Operation,
    OperationFilter, OperationId, OperationResult, OperationStatus, Outcome,
    Params as OperationParams, QueueStats, RETRY_MS_BASE, RETRY_MS_MAX, Settlement, retry_delay_ms,
};
pub use repair::{RepairOptions, RepairReport, repair};
pub use sealed::SealedLog;
pub use settings::FORMAT_VERSION;
pub use stats::{LogStats, StoreStats};
pub use store::{Options, Store};

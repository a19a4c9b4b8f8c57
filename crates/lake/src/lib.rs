//! The facade of cidlake: everything a front end may ask of a lake, one async method each.
//!
//! [`Lake`] opens a folder, keeps its catalog in view, and offers `store`, `get`, `sql`,
//! `datasets`, `show`, `add`, `cat`, `export`, `gc` and the rest as methods that take and return
//! plain values. This crate owns what the floors below must not have: the clock, randomness, the user's
//! settings, the runtime, and the one seam between the synchronous store and the async query
//! engine (`blocks.rs`). It deliberately does not parse command lines, speak a protocol or print.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("cidlake-doc-{}", std::process::id()));
//! use cidlake::{Lake, Open, Overrides, Settings, Source, StoreRequest};
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let key_file = folder.join("key");
//! let settings = Settings::load(Overrides {
//!     lake: Some(folder.join("lake")),
//!     key_file: Some(key_file),
//!     ..Overrides::default()
//! })?;
//! let lake = Lake::open(settings, Open::Create).await?;
//!
//! let csv = Source::Bytes { label: "people.csv".into(), data: "id,name\n1,Ada\n2,Bob\n".into() };
//! let request = StoreRequest {
//!     sources: vec![csv],
//!     name: Some("people".into()),
//!     ..StoreRequest::default()
//! };
//! let stored = lake.store(request, cidlake::no_progress()).await?;
//! assert_eq!(stored.rows, 2);
//!
//! let rows = lake.sql("SELECT name FROM people WHERE id = 2", Default::default()).await?;
//! let batches = rows.collect().await?;
//! assert_eq!(batches[0].num_rows(), 1);
//! # Ok::<(), cidlake::Error>(())
//! # })?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod admission;
mod archive;
mod blocks;
mod check;
mod clock;
mod dag;
mod datasets;
mod diff;
mod doctor;
mod edit;
mod error;
mod expire;
mod files;
mod filters;
mod gc;
mod history;
mod index;
mod ingest;
mod key;
mod lake;
mod log;
mod maintain;
mod operations;
mod parallel;
mod pins;
mod progress;
mod read;
mod repair;
mod rows;
#[cfg(test)]
mod samples;
mod settings;
mod spill;
mod sql;
mod state;
mod system;
mod tags;
mod versions;
mod vfs;
mod write;

pub use archive::{Exported, Imported};
pub use check::{CacheStats, Damage, FsckReport, Health, WalStatus};
pub use cidlake_block::{Base, Cid, format_cid, parse_cid};
pub use cidlake_catalog::Name;
pub use cidlake_query::layout::{LeafInfo, LeafKind};
pub use cidlake_query::{
    ChangedRows, ColumnChange, ColumnDiff, Diff, Format, Limits, Param, Params, Predicate,
    SampleRows, arrow, emit, near,
};
pub use cidlake_store::{FsckLevel, OperationId, OperationParams, OperationResult, QueueStats};
pub use dag::{AsFile, PartDag, TableDag};
pub use datasets::{ColumnInfo, DatasetInfo, Dropped, PartInfo, Renamed, Shown, ShownKind};
pub use diff::{DiffRequest, DiffSide, Difference, MetadataDiff, RoleDiff};
pub use doctor::{Check, CheckStatus, Diagnosis};
pub use edit::alter::{AlterRequest, Altered};
pub use edit::compact::Compacted;
pub use edit::delete::{DeleteRequest, Deleted, Doomed};
pub use edit::restore::Restored;
pub use edit::upsert::Upserted;
pub use error::{Error, ErrorKind};
pub use expire::{Expired, Keep};
pub use files::{AddSource, Added, ByteStream, FileInfo, FileKind, LsEntry};
pub use filters::filter_expression;
pub use gc::{GcRequest, GcSummary};
pub use index::{FindCondition, FindRequest, FoundKind, FoundObject};
pub use ingest::{BatchSource, Source};
pub use lake::{Lake, Open};
pub use log::{Log, LogEnd, LogEntry, LogOptions};
pub use maintain::{MaintainRequest, Maintained};
pub use operations::{
    Handler, Job, OperationInfo, OperationRequest, OperationsRequest, Queued, Schedule,
    WorkRequest, WorkSummary,
};
pub use pins::{PinInfo, Pinned, Unpinned};
pub use progress::{Progress, ProgressEvent, Unit, no_progress};
pub use read::GetOptions;
pub use repair::Repaired;
pub use rows::{Rows, Stop, emit_rows};
pub use settings::{Overrides, Settings};
pub use sql::{Snapshot, SqlOptions};
pub use tags::{TagInfo, TagRequest, Tagged, Untagged};
pub use vfs::{VfsEntry, VfsKind};
pub use write::{ExpectedHead, StoreMode, StoreRequest, Stored};

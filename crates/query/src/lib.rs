//! The table side of the lake: how rows become content-addressed Parquet, how other formats come
//! in and go out, and how SQL and scans read parts through [`Blocks`](cidlake_block::Blocks).
//!
//! The only crate that names arrow, parquet and datafusion. It keeps nothing: no files, no names,
//! no clock; blocks come from and go to whoever calls.

#![forbid(unsafe_code)]

mod alter;
mod blooms;
mod bounded;
mod derived;
mod diff;
mod engine;
mod error;
mod execute;
mod format;
mod functions;
mod guard;
mod object_store;
mod params;
mod part_files;
mod parts;
mod prune;
mod pushdown;
mod resolve;
mod row_source;
mod rows;
mod run;
mod scan;
mod statement;
mod table;
mod tally;
mod watch;
mod write;

pub mod edit;
pub mod emit;
pub mod ingest;
pub mod layout;

pub use arrow;
pub use datafusion::physical_plan::SendableRecordBatchStream;

pub use crate::alter::{ColumnChanges, ColumnPlan};
pub use crate::derived::{DerivedReader, DerivedWriter, read_derived};
pub use crate::diff::{
    ChangedRows, ColumnChange, ColumnDiff, Diff, DiffOptions, DiffProgress, SampleRows,
};
pub use crate::engine::{Engine, EngineOptions, Rows, Scan};
pub use crate::error::{QueryError, QueryErrorKind};
pub use crate::format::{Format, UnknownFormat};
pub use crate::guard::{Admit, Limits, Need, Spill};
pub use crate::params::{Param, Params};
pub use crate::parts::Parts;
pub use crate::prune::{Extreme, extreme_text};
pub use crate::resolve::{Resolve, Resolved, near};
pub use crate::row_source::RowSource;
pub use crate::run::{Answer, RunOptions};
pub use crate::table::Table;
pub use crate::watch::GoOn;
pub use crate::write::{Change, Predicate, Write};

//! The catalog of a lake: which names stand for which versions of which tables, and how
//! replicas that changed it apart from each other come to agree.
//!
//! Three kinds of blocks, all DAG-CBOR, are defined here: the [`Commit`] (one version of a table),
//! the part lists behind it ([`part_tree`]), and the [`SignedDelta`] (one signed change of the
//! names). A [`Catalog`] is what a set of deltas amounts to; it depends on the set alone, not on
//! the order in which deltas arrived or how often.
//!
//! Everything here is a pure value or a pure function. Deliberately absent: reading or writing
//! blocks, time, randomness, and the question whose keys to trust. Time is a `now_ms` argument,
//! seeds of keys are arguments, and floors above decide which signers may speak.

#![forbid(unsafe_code)]

pub mod limits;

mod name;
mod tag;
mod time;

mod reference;

mod clock;
mod key;

mod wire;

mod delta;

mod catalog;

mod scalar;
mod stats;

mod part;

mod commit;

mod history;

#[cfg(test)]
mod samples;

pub use catalog::{Applied, ApplyError, Catalog, Entry, Other, StateError};
pub use clock::Hlc;
pub use commit::{Column, Commit, CommitError, CommitFault};
pub use delta::{Change, Delta, DeltaError, DeltaFault, SignedDelta};
pub use history::{FetchCommit, HistoryError, Place, Walked, ancestor_at, newest_at};
pub use key::{Key, KeyId};
pub use name::{Name, NameError, NamePart};
pub use part::list::{PartList, PartListLink, decode_part_list};
pub use part::tree::{PartTree, append_parts, part_tree};
pub use part::walk::{all_parts, last_parts};
pub use part::{Part, PartId};
pub use reference::{At, Reference, ReferenceError};
pub use scalar::{Scalar, ScalarFault};
pub use stats::ColumnStats;
pub use tag::{Label, Tag, TagError};
pub use time::{TimeError, parse as parse_time};
pub use wire::FormatError;

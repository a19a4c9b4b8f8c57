//! Parts of a table, and how a commit comes to all of them.
//!
//! A [list](list) has the records of neighbouring parts, or links of lists; the lists of a table
//! are a [tree](tree), cut by content; [walks](walk) go through it. Here is a part by itself. What
//! it contains is not known.

use bytes::Bytes;
use cidlake_block::{Cid, Codec};
use serde::{Deserialize, Serialize};

use crate::commit::CommitFault;
use crate::stats::{ColumnStats, StatsFault};
use crate::wire;

pub(crate) mod list;
pub(crate) mod tree;
pub(crate) mod walk;

/// One part: a Parquet file with one row group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The root of its file.
    pub cid: Cid,
    /// Its rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of all blocks of the file, as a UnixFS folder that holds it counts them.
    pub tsize: u64,
    /// The value of each partition column, in their order; `None` is null.
    pub partition: Vec<Option<String>>,
    /// What is known of each column, in schema order; empty where a very wide table leaves no
    /// room for it.
    pub columns: Vec<ColumnStats>,
    /// The hash of its rows, of which the table's logical hash is put together.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire::optional_byte_string")]
    pub rows_hash: Option<Bytes>,
}

/// What tells the rows of one part of a table from those of another: parts of different partitions
/// may have the same file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartId {
    /// The root of the file.
    pub cid: Cid,
    /// The value of each partition column.
    pub partition: Vec<Option<String>>,
}

impl Part {
    /// Returns what is equal for parts of equal rows in tables that are partitioned alike.
    #[must_use]
    pub fn id(&self) -> PartId {
        PartId { cid: self.cid, partition: self.partition.clone() }
    }

    /// Checks every rule of a part.
    pub(crate) fn check(&self) -> Result<(), CommitFault> {
        let codec = self.cid.codec();
        if codec != Codec::Raw.code() && codec != Codec::DagPb.code() {
            return Err(CommitFault::ForeignLink { what: "part", wanted: "a file", cid: self.cid });
        }
        check_columns(self.cid, &self.columns)
    }
}

/// Checks what is said of the columns of `of`, a part or a part list.
pub(crate) fn check_columns(of: Cid, columns: &[ColumnStats]) -> Result<(), CommitFault> {
    for (column, stats) in columns.iter().enumerate() {
        stats.check().map_err(|fault| match fault {
            StatsFault::Scalar(source) => CommitFault::BadScalar { of, column, source },
            StatsFault::Mixed => CommitFault::MixedScalars { of, column },
        })?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod samples;

//! Commits: one version of a table, with everything that is known of it without reading it.
//!
//! A commit is a DAG-CBOR block that links its content, its part lists and the commits that it
//! grew from. Schemas and statistics are carried, not interpreted; how commits hang together is in
//! [`crate::history`].

use std::collections::BTreeMap;

use bytes::Bytes;
use cidlake_block::codec::{CodecError, dag_cbor};
use cidlake_block::{Block, Cid, Codec};
use serde::{Deserialize, Serialize};

use crate::limits::{COMMIT_BYTES_MAX, PART_LIST_BYTES_MAX, PART_LISTS_MAX, PARTS_MAX};
use crate::part::list::{PartListLink, check_links, sum};
use crate::scalar::ScalarFault;
use crate::wire::{self, FormatError, Version};

/// One version of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The table's content: the part itself where there is one, else a folder of parts.
    pub content: Cid,
    /// The layout of the parts, such as `parquet-1`.
    pub profile: String,
    /// Rows of all parts.
    pub rows: u64,
    /// Bytes of the content.
    pub bytes: u64,
    /// The schema as the user gave it, as an Arrow IPC schema message.
    #[serde(with = "wire::byte_string")]
    pub schema: Bytes,
    /// The columns, in schema order.
    pub columns: Vec<Column>,
    /// The part lists of the highest level, in row order.
    pub parts: Vec<PartListLink>,
    /// The columns whose values decide where parts end; empty means all.
    pub cut_columns: Vec<String>,
    /// The columns that identify a row; empty where none are known to.
    pub key_columns: Vec<String>,
    /// The columns whose values are folders of the content, in order.
    pub partition_columns: Vec<String>,
    /// The hash of all rows, which the logical hash is made of and which grows with rows behind
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire::optional_byte_string")]
    pub rows_hash: Option<Bytes>,
    /// A digest of the values in order, independent of their encoding.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire::optional_byte_string")]
    pub logical_hash: Option<Bytes>,
    /// Free words of the user.
    pub metadata: BTreeMap<String, String>,
    /// What made this version, such as `create`, `append` or `overwrite`.
    pub operation: String,
    /// The commits that this one grew from; the first is the one it follows in history.
    pub parents: Vec<Cid>,
    /// How many commits stand before this one along first parents; the first has 0.
    pub depth: u64,
    /// An older commit along first parents, by which history is walked in few steps; absent at
    /// depth 0 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<Cid>,
    /// The id of the key of whoever made it.
    pub author: String,
    /// When it was made, in milliseconds since the Unix epoch; by no writer of this crate earlier
    /// than its first parent.
    pub time_ms: u64,
    /// What the author says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its Arrow type as text, for people; the schema is what counts.
    pub kind: String,
}

/// Why something is not a commit or a part list.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The block is no commit or part list of this version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The block breaks a rule.
    #[error("block {cid} breaks a rule of commits and part lists")]
    Refused {
        /// The block.
        cid: Cid,
        /// The rule.
        source: CommitFault,
    },
    /// The value to be encoded breaks a rule.
    #[error("the commit cannot be written")]
    Invalid {
        /// The rule.
        source: CommitFault,
    },
    /// The value could not be encoded.
    #[error("the commit cannot be encoded")]
    Encode {
        /// What is wrong.
        source: CodecError,
    },
}

/// A rule that a commit or a part list breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitFault {
    /// The commit is larger than a block may be.
    #[error(
        "it takes {bytes} bytes and may take {COMMIT_BYTES_MAX}: make its {largest} shorter, \
         which takes {largest_bytes} of them"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What takes most of it.
        largest: &'static str,
        /// What that takes.
        largest_bytes: usize,
    },
    /// A word that is never empty is.
    #[error("its {field} is empty")]
    EmptyField {
        /// Which field.
        field: &'static str,
    },
    /// The lists have another number of rows than the commit says.
    #[error("it says {rows} rows, and its part lists have {listed}")]
    RowsDiffer {
        /// What the commit says.
        rows: u64,
        /// The sum over its lists.
        listed: u64,
    },
    /// More rows than can be counted.
    #[error("its parts have more rows than can be counted")]
    TooManyRows,
    /// A list that lists nothing.
    #[error("it lists no parts")]
    EmptyList,
    /// More bytes than can be counted.
    #[error("its parts have more bytes than can be counted")]
    TooManyBytes,
    /// More parts than a table may have.
    #[error("it has more than {PARTS_MAX} parts: store the table in fewer, larger ones")]
    TooManyParts,
    /// More part lists than a commit links.
    #[error("it links {found} part lists and may link {PART_LISTS_MAX}")]
    TooManyLists {
        /// How many it links.
        found: usize,
    },
    /// A list that has another height than those beside it, or than any list has.
    #[error("its part list {list} has height {height}, where no list of that height can be")]
    BadHeight {
        /// The list.
        list: Cid,
        /// Its height.
        height: u8,
    },
    /// A list that does not hold what the link to it says.
    #[error("the part list {list} holds something else than the link to it says")]
    ListDiffers {
        /// The list.
        list: Cid,
    },
    /// A depth, a jump and parents that no chain of commits has.
    #[error(
        "it says depth {depth}, {parents} parents and {}: at depth 0 there is neither a parent nor \
         a jump, and at any other there are both",
        if *jump { "a jump" } else { "no jump" }
    )]
    BadPlace {
        /// Its depth.
        depth: u64,
        /// How many parents it has.
        parents: usize,
        /// Whether it has a jump.
        jump: bool,
    },
    /// A link to something of another kind.
    #[error("its {what} {cid} is not {wanted}")]
    ForeignLink {
        /// What the link stands for.
        what: &'static str,
        /// What such a link leads to.
        wanted: &'static str,
        /// The link.
        cid: Cid,
    },
    /// A part whose record no list has room for.
    #[error(
        "the record of part {part} takes {bytes} bytes: a list has {PART_LIST_BYTES_MAX}, \
         use fewer or shorter partition values"
    )]
    PartTooLarge {
        /// The part.
        part: Cid,
        /// Size of its record without statistics.
        bytes: usize,
    },
    /// A statistic that breaks a rule.
    #[error("a statistic of column {column} of {of} is malformed")]
    BadScalar {
        /// The part or part list.
        of: Cid,
        /// The column's index in the schema.
        column: usize,
        /// The rule.
        source: ScalarFault,
    },
    /// A least and a greatest value that cannot be compared.
    #[error("the least and greatest values of column {column} of {of} differ in kind")]
    MixedScalars {
        /// The part or part list.
        of: Cid,
        /// The column's index in the schema.
        column: usize,
    },
}

/// The block of a commit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<C> {
    v: Version,
    commit: C,
}

impl Commit {
    /// Encodes the commit; the same commit always gives the same block.
    ///
    /// # Errors
    /// The first rule that the commit breaks.
    pub fn encode(&self) -> Result<Block, CommitError> {
        let invalid = |source| CommitError::Invalid { source };
        self.check().map_err(invalid)?;
        // Checked before a block is made of it: a block has a bound of its own.
        let bytes = dag_cbor::encode(&Envelope { v: Version, commit: self })
            .map_err(|source| CommitError::Encode { source })?;
        if bytes.len() > COMMIT_BYTES_MAX {
            return Err(invalid(self.too_large(bytes.len())));
        }
        Ok(Block::new(Codec::DagCbor, bytes))
    }

    /// Decodes a commit.
    ///
    /// # Errors
    /// Anything that [`Self::encode`] would not have made.
    pub fn decode(block: &Block) -> Result<Self, CommitError> {
        let envelope: Envelope<Self> = wire::decode(block, "commit", COMMIT_BYTES_MAX)?;
        let commit = envelope.commit;
        match commit.check() {
            Ok(()) => Ok(commit),
            Err(source) => Err(CommitError::Refused { cid: *block.cid(), source }),
        }
    }

    /// Checks every rule of a commit but that of its size.
    fn check(&self) -> Result<(), CommitFault> {
        for (field, text) in [("profile", &self.profile), ("operation", &self.operation)] {
            if text.is_empty() {
                return Err(CommitFault::EmptyField { field });
            }
        }
        if self.content.codec() == Codec::DagCbor.code() {
            let (what, wanted, cid) = ("content", "a file or folder", self.content);
            return Err(CommitFault::ForeignLink { what, wanted, cid });
        }
        let links = self.parents.iter().map(|cid| ("parent", cid));
        for (what, cid) in links.chain(self.jump.iter().map(|cid| ("jump", cid))) {
            if cid.codec() != Codec::DagCbor.code() {
                return Err(CommitFault::ForeignLink { what, wanted: "DAG-CBOR", cid: *cid });
            }
        }
        let (depth, parents, jump) = (self.depth, self.parents.len(), self.jump.is_some());
        if (depth > 0) != (parents > 0) || (depth > 0) != jump {
            return Err(CommitFault::BadPlace { depth, parents, jump });
        }
        self.check_parts()
    }

    /// Checks the links to part lists.
    fn check_parts(&self) -> Result<(), CommitFault> {
        if self.parts.len() > PART_LISTS_MAX {
            return Err(CommitFault::TooManyLists { found: self.parts.len() });
        }
        if !self.parts.is_empty() {
            check_links(&self.parts, None)?;
        }
        let listed = sum(self.parts.iter().map(|list| list.rows));
        match listed.ok_or(CommitFault::TooManyRows)? {
            listed if listed == self.rows => Ok(()),
            listed => Err(CommitFault::RowsDiffer { rows: self.rows, listed }),
        }
    }

    /// Returns how many parts the version has.
    #[must_use]
    pub fn parts_count(&self) -> u64 {
        self.parts.iter().map(|list| list.parts).sum()
    }

    /// Says what takes the most of a commit that is too large.
    fn too_large(&self, bytes: usize) -> CommitFault {
        let metadata = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        let columns = self.columns.iter().map(|column| column.name.len() + column.kind.len()).sum();
        let sizes: [(&str, usize); 4] = [
            ("schema", self.schema.len()),
            ("metadata", metadata),
            ("column names and types", columns),
            ("message", self.message.as_ref().map_or(0, String::len)),
        ];
        let largest = sizes.into_iter().max_by_key(|(_, size)| *size);
        let (largest, largest_bytes) = largest.unwrap_or(("list of parts", bytes));
        CommitFault::TooLarge { bytes, largest, largest_bytes }
    }
}

#[cfg(test)]
mod tests;

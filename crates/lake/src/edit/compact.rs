//! Compaction: the parts of a dataset become what storing all its rows at once gives.
//!
//! Rows, their order, columns and the logical hash stay; where parts end, and so the content's CID,
//! becomes a function of the rows alone again. Older versions stay as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use cidlake_block::Cid;
use cidlake_catalog::{Name, Part};
use cidlake_query::Table;
use cidlake_query::layout::CutRule;

use crate::error::Error;
use crate::history::{Found, parse_name};
use crate::lake::{Inner, Lake};
use crate::progress::Progress;
use crate::write::{Next, NextParts, StoredParts, count};

/// A part of fewer bytes is small: the rows of several would be one row group.
const SMALL_PART_BYTES: u64 = 1 << 20;
/// Maintenance compacts a dataset that has at least so many small parts,
const SMALL_PARTS_MIN: usize = 32;
/// and whose newest so many versions were all made by adding to the one before or editing it.
const VERSIONS_SINCE_MIN: usize = 32;
/// What gives a dataset parts as storing all rows at once gives them.
const WHOLE: [&str; 3] = ["create", "overwrite", "compact"];

/// What compaction did to a dataset.
#[derive(Clone, Debug)]
pub struct Compacted {
    /// The dataset.
    pub name: String,
    /// The CID of the content.
    pub cid: Cid,
    /// The CID of the newest commit.
    pub commit: Cid,
    /// Rows of the dataset.
    pub rows: u64,
    /// Parts before.
    pub parts_before: u64,
    /// Parts now.
    pub parts: u64,
    /// Bytes of the content before.
    pub bytes_before: u64,
    /// Bytes of the content now.
    pub bytes: u64,
    /// Bytes of every block that was not here before.
    pub new_bytes: u64,
    /// Whether there was nothing to do.
    pub unchanged: bool,
}

impl Lake {
    /// Makes the parts of a dataset what storing all its rows at once gives, as a new version.
    ///
    /// # Errors
    /// `NotFound` when no dataset has the name, `Conflict` when it was changed meanwhile by more
    /// than appends.
    pub async fn compact(&self, name: &str, progress: Progress) -> Result<Compacted, Error> {
        let name = parse_name(name)?;
        self.blocking(move |inner| inner.compact(&name, &progress)).await
    }
}

impl Inner {
    pub(crate) fn compact(&self, name: &Name, progress: &Progress) -> Result<Compacted, Error> {
        let hold = self.hold()?;
        let base = self.newest(name)?;
        self.key()?;
        let before = self.parts(&base.commit)?;
        let stored = by_start(&before);
        let table = Arc::new(Table::new(base.commit.clone())?);
        let rows = self.stored_rows(&table)?;
        let partition_columns = base.commit.partition_columns.clone();
        let rule = CutRule { partition_columns, ..CutRule::default() };
        let (parts, new_bytes) = self.store_rows_again(&hold, rows, rule, &stored, progress)?;
        let published = self.publish(&hold, Some(name), |head| {
            let head = head.ok_or_else(|| dropped(name))?;
            let mut next = Next::after(&head.commit, "compact")?;
            next.cut_columns = Vec::new();
            next.parts = NextParts::All(self.rebase(name, &base, head, &parts)?);
            Ok(next)
        })?;
        Ok(Compacted {
            name: name.to_string(),
            cid: published.cid,
            commit: published.commit_cid,
            rows: published.commit.rows,
            parts_before: before.len() as u64,
            parts: published.parts,
            bytes_before: base.commit.bytes,
            bytes: published.commit.bytes,
            new_bytes: new_bytes + published.new_bytes,
            unchanged: published.unchanged,
        })
    }

    /// Returns the datasets that maintenance compacts: those with many small parts that have only
    /// been added to or edited for many versions.
    pub(crate) fn to_compact(&self) -> Result<Vec<Name>, Error> {
        let entries = self.refresh()?.catalog.datasets();
        let mut names = Vec::new();
        for entry in entries {
            let commit = self.commit(&entry.commit)?;
            let head = Found { cid: entry.commit, commit, entry: Some(entry) };
            if self.is_worn(&head)? {
                names.extend(head.entry.map(|entry| entry.name));
            }
        }
        Ok(names)
    }

    fn is_worn(&self, head: &Found) -> Result<bool, Error> {
        if count(&head.commit.parts) < SMALL_PARTS_MIN as u64 {
            return Ok(false);
        }
        let mut version = head.commit.clone();
        for _ in 1..VERSIONS_SINCE_MIN {
            if WHOLE.contains(&version.operation.as_str()) {
                return Ok(false);
            }
            let Some(parent) = version.parents.first().copied() else { return Ok(false) };
            let Some(older) = self.older_version(&parent)? else { break };
            version = older;
        }
        Ok(mergeable(&self.parts(&head.commit)?) >= SMALL_PARTS_MIN)
    }
}

/// Counts the small parts that stand beside another one of their partition: those that could be one
/// with it.
fn mergeable(parts: &[Part]) -> usize {
    let is_small = |part: &&Part| part.bytes < SMALL_PART_BYTES;
    let runs = parts.chunk_by(|a, b| a.partition == b.partition).filter(|run| run.len() > 1);
    runs.map(|run| run.iter().filter(is_small).count()).sum()
}

/// Returns parts by the number of rows before them.
fn by_start(parts: &[Part]) -> StoredParts {
    let mut start = 0;
    let mut stored = BTreeMap::new();
    for part in parts {
        // Of an empty part and one behind it the latter is the one that may be asked for.
        stored.insert(start, part.clone());
        start += part.rows;
    }
    stored
}

/// Says that a dataset went while a version of it was made.
pub(crate) fn dropped(name: &Name) -> Error {
    Error::not_found(format!("{name} was dropped meanwhile"))
        .with_hint("nothing was written; `cidlake datasets` lists what there is")
}

#[cfg(test)]
mod tests {
    use cidlake_block::{Codec, cid_of};

    use super::*;

    #[test]
    fn only_neighbours_of_one_partition_could_be_one_part() {
        let of = |partition: &str, bytes: u64| Part {
            cid: cid_of(Codec::Raw, &bytes.to_le_bytes()),
            rows: 1,
            bytes,
            tsize: bytes,
            partition: vec![Some(partition.to_owned())],
            columns: Vec::new(),
            rows_hash: None,
        };
        let parts = [of("a", 1), of("b", 2), of("b", 3), of("b", SMALL_PART_BYTES), of("c", 4)];
        assert_eq!(mergeable(&parts), 2);
        assert_eq!(mergeable(&[]), 0);
    }
}

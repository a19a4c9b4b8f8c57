//! What a version in the making is made of: its part tree, its content and the hash of its rows.
//!
//! An append is worked out from the right edge of what the head has, so that its cost does not
//! depend on how much is there; everything else from all parts, and so is an append to a partitioned
//! dataset, whose new parts go behind those of their partition.

use bytes::Bytes;
use cidlake_block::{Block, Cid, unixfs};
use cidlake_catalog::{Part, PartListLink, PartTree, append_parts, part_tree};
use cidlake_query::layout::{self, Content, Folders, Partitioning, RowsHash};
use tokio::runtime::Handle;

use super::NextParts;
use super::publish::internal;
use crate::error::Error;
use crate::history::Found;
use crate::lake::Inner;

/// How the names of parts in a folder begin; those of folders of parts are numbers.
const PART_NAME: &str = "part-";

/// What is worked out from the parts of a version.
pub(super) struct Made {
    pub(super) content: Content,
    pub(super) lists: PartTree,
    pub(super) rows: u64,
    /// The hash of all rows, where every part has one.
    pub(super) rows_hash: Option<Bytes>,
}

/// Returns how many parts stand below links.
pub(crate) fn count(links: &[PartListLink]) -> u64 {
    links.iter().map(|link| link.parts).sum()
}

impl Inner {
    /// Works out what `parts` on `head` are, of a table that `columns` are folders of.
    pub(super) fn made(
        &self,
        parts: NextParts,
        head: Option<&Found>,
        columns: &Partitioning,
    ) -> Result<Made, Error> {
        let of_head = || head.map(|head| self.parts(&head.commit)).transpose();
        match (parts, head) {
            (NextParts::All(parts), _) => made_of_all(parts, columns),
            (NextParts::Behind(mut new), Some(head)) if is_folder(head) => {
                // A part without rows is there only where it is the only one.
                new.retain(|part| part.rows > 0);
                self.made_behind(head, &new)
            }
            (NextParts::Behind(new), _) => {
                made_of_all(join(of_head()?.unwrap_or_default(), new), columns)
            }
            (NextParts::Same, _) => made_of_all(of_head()?.unwrap_or_default(), columns),
        }
    }

    /// Works out what the head is with `new` parts behind its own.
    fn made_behind(&self, head: &Found, new: &[Part]) -> Result<Made, Error> {
        let commit = &head.commit;
        let mut fetch = |cid: &Cid| -> Result<Block, Error> { self.block(cid) };
        let lists = append_parts(&commit.parts, &mut fetch, new)?;
        let content = layout::grown_root(&self.folders(commit.content, commit.bytes)?, new)?;
        let before =
            commit.rows_hash.as_ref().and_then(|hash| RowsHash::from_bytes(commit.rows, hash));
        Ok(Made {
            content,
            lists,
            rows: commit.rows + new.iter().map(|part| part.rows).sum::<u64>(),
            rows_hash: before.and_then(|before| rows_hash(before, new)),
        })
    }

    /// Reads what growing needs to know of the content at `root`, of so many bytes.
    fn folders(&self, root: Cid, bytes: u64) -> Result<Folders, Error> {
        let runtime = Handle::current();
        let list = |cid: &Cid| runtime.block_on(unixfs::list(self.blocks.as_ref(), cid));
        let mut entries = list(&root)?;
        match entries.last() {
            Some(last) if !last.name.starts_with(PART_NAME) => {
                let open = list(&last.cid)?;
                entries.pop();
                Ok(Folders { closed: entries, open, bytes })
            }
            _ => Ok(Folders { closed: Vec::new(), open: entries, bytes }),
        }
    }
}

/// Says whether a version has several parts in plain folders.
fn is_folder(head: &Found) -> bool {
    count(&head.commit.parts) > 1 && head.commit.partition_columns.is_empty()
}

/// Puts parts behind others. A part without rows is there only where it is the only one.
fn join(mut parts: Vec<Part>, new: Vec<Part>) -> Vec<Part> {
    let nothing = !parts.is_empty() && new.iter().all(|part| part.rows == 0);
    if !nothing {
        parts.retain(|part| part.rows > 0 || new.is_empty());
        parts.extend(new);
    }
    parts
}

fn made_of_all(parts: Vec<Part>, columns: &Partitioning) -> Result<Made, Error> {
    let parts = layout::in_partition_order(parts, columns)?;
    Ok(Made {
        content: layout::partitioned_root(&parts, columns)?,
        lists: part_tree(&parts).map_err(internal)?,
        rows: parts.iter().map(|part| part.rows).sum(),
        rows_hash: rows_hash(RowsHash::EMPTY, &parts),
    })
}

/// Puts the hash of rows together from those of parts behind `before`, where all have one.
fn rows_hash(before: RowsHash, parts: &[Part]) -> Option<Bytes> {
    let all = parts.iter().try_fold(before, |before, part| {
        Some(before.then(RowsHash::from_bytes(part.rows, part.rows_hash.as_ref()?)?))
    });
    all.map(RowsHash::to_bytes)
}

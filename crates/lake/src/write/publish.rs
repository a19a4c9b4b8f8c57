//! Making a version in the making the newest one: its commit is drafted against the head that the
//! name has at that moment, and anew when another writer was first.
//!
//! Operations compute what takes long before they come here. What they computed from a version
//! that is not the head any more is put on the newer head where both orders mean the same, and
//! refused with both commits named where they do not.

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_catalog::{Column, Commit, Name, Part, Place};
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::layout::{self, Partitioning, RowsHash};
use cidlake_store::Hold;

use super::draft::{Made, count};
use super::{Next, NextParts};
use crate::clock::now_ms;
use crate::error::{Error, ErrorKind};
use crate::history::Found;
use crate::lake::{Draft, Inner, View};

/// How many versions back a writer looks for the one that it built on.
const REBASE_VERSIONS_MAX: usize = 1_000;

/// A version that is the newest now.
pub(crate) struct Published {
    /// The CID of its content.
    pub(crate) cid: Cid,
    /// The CID of its commit.
    pub(crate) commit_cid: Cid,
    pub(crate) commit: Commit,
    /// How many parts it has.
    pub(crate) parts: u64,
    /// Whether the head was exactly this already, and nothing was written.
    pub(crate) unchanged: bool,
    /// Bytes newly written for the version beside its parts.
    pub(crate) new_bytes: u64,
}

impl Inner {
    /// Makes the version that `make` describes the newest one of `name`; without a name it is pinned
    /// and had by its CID. `make` sees the newest head, and is asked again when another writer was
    /// first; it runs under the view's lock and must not look at the view itself.
    ///
    /// A version equal to its head, but for operation and message, writes nothing.
    pub(crate) fn publish(
        &self,
        hold: &Hold,
        name: Option<&Name>,
        mut make: impl FnMut(Option<&Found>) -> Result<Next, Error>,
    ) -> Result<Published, Error> {
        let (mut published, written) = self.change(hold, |view| {
            let head = name.map(|name| self.head(view, name)).transpose()?.flatten();
            let next = make(head.as_ref())?;
            self.draft_version(view, name, head.as_ref(), next)
        })?;
        debug_assert!(
            !published.unchanged || written == 0,
            "an unchanged dataset writes nothing for its commit"
        );
        published.new_bytes = written;
        // The next change begins with it.
        self.remember_commit(published.commit_cid, &published.commit);
        Ok(published)
    }

    /// Makes what `make` says the newest version of `name` as [`Self::publish`] does, where the newest
    /// is still `base`; `None`, and nothing is written, where it is another one.
    pub(crate) fn publish_on(
        &self,
        hold: &Hold,
        name: &Name,
        base: &Cid,
        mut make: impl FnMut(&Found) -> Result<Next, Error>,
    ) -> Result<Option<Published>, Error> {
        let mut moved = false;
        let published = self.publish(hold, Some(name), |head| match head {
            Some(head) if head.cid == *base => make(head),
            _ => {
                moved = true;
                Err(Error::internal("another version is the newest"))
            }
        });
        match published {
            Err(_) if moved => Ok(None),
            published => published.map(Some),
        }
    }

    /// Returns the newest version of a dataset.
    pub(crate) fn newest(&self, name: &Name) -> Result<Found, Error> {
        self.newest_if_any(name)?.ok_or_else(|| self.unknown(name))
    }

    /// Returns the newest version of a dataset; `None` where there is no such dataset.
    pub(crate) fn newest_if_any(&self, name: &Name) -> Result<Option<Found>, Error> {
        let view = self.refresh()?;
        self.head(&view, name)
    }

    /// Returns the head of a dataset in `view`.
    pub(crate) fn head(&self, view: &View, name: &Name) -> Result<Option<Found>, Error> {
        let Some(entry) = view.catalog.get(name) else {
            return Ok(None);
        };
        let (cid, commit) = (entry.commit, self.commit(&entry.commit)?);
        Ok(Some(Found { entry: Some(entry), cid, commit }))
    }

    /// Returns the parts of the version that comes of changing those of `base` to `edited`, on the
    /// newest `head`. What was appended meanwhile stays behind: the edit comes first then, and the
    /// appends after it mean what they meant.
    ///
    /// # Errors
    /// `Conflict` where anything else was done since `base`.
    pub(crate) fn rebase(
        &self,
        name: &Name,
        base: &Found,
        head: &Found,
        edited: &[Part],
    ) -> Result<Vec<Part>, Error> {
        if head.cid == base.cid {
            return Ok(edited.to_vec());
        }
        if !self.only_appends_since(base, head)? {
            return Err(overtaken(name, "changed", &base.cid, &head.cid));
        }
        let before = self.parts(&base.commit)?;
        // An append leaves the parts before it alone, but for an empty one.
        let mut stayed = before.iter().filter(|part| part.rows > 0).peekable();
        let mut all: Vec<Part> = edited.iter().filter(|part| part.rows > 0).cloned().collect();
        for part in self.parts(&head.commit)? {
            // In a partitioned dataset, what was appended stands behind the parts of its partition.
            if stayed.peek() == Some(&&part) {
                stayed.next();
            } else {
                all.push(part);
            }
        }
        match stayed.next() {
            None => Ok(all),
            Some(_) => Err(overtaken(name, "changed", &base.cid, &head.cid)),
        }
    }

    /// Says whether every version from `base` up to `head` is an append that changed no column.
    fn only_appends_since(&self, base: &Found, head: &Found) -> Result<bool, Error> {
        let mut newer = head.commit.clone();
        for _ in 0..REBASE_VERSIONS_MAX {
            if newer.operation != "append" || newer.schema != base.commit.schema {
                return Ok(false);
            }
            let Some(parent) = newer.parents.first().copied() else { return Ok(false) };
            if parent == base.cid {
                return Ok(true);
            }
            let Some(older) = self.older_version(&parent)? else { return Ok(false) };
            newer = older;
        }
        Ok(false)
    }

    fn draft_version(
        &self,
        view: &View,
        name: Option<&Name>,
        head: Option<&Found>,
        mut next: Next,
    ) -> Result<(Published, Option<Draft>), Error> {
        let columns = Partitioning::new(&next.schema, &next.partition_columns)?;
        let made =
            self.made(std::mem::replace(&mut next.parts, NextParts::Same), head, &columns)?;
        let schema = layout::schema_to_bytes(&next.schema);
        if let Some(head) = head
            && is_same(&head.commit, &next, &made.content.root, &schema)
        {
            return Ok((published(head.cid, head.commit.clone(), true), None));
        }
        let place = self.place(head)?;
        let author = self.key()?.id().to_string();
        let commit = commit(next, schema, &made, head, place, author);
        let block = commit.encode().map_err(internal)?;
        let mut draft = Draft::default();
        match name {
            Some(name) => draft.changes.push(view.catalog.set(name, *block.cid())),
            None => draft.pins.push((*block.cid(), None)),
        }
        let published = published(*block.cid(), commit, false);
        draft.blocks.extend(made.content.nodes);
        draft.blocks.extend(made.lists.blocks);
        draft.blocks.push(block);
        Ok((published, Some(draft)))
    }

    /// Says where a commit that follows `head` stands in history.
    fn place(&self, head: Option<&Found>) -> Result<Place, Error> {
        match head {
            None => Ok(Place::first(now_ms())),
            Some(head) => {
                Place::after(head.cid, &head.commit, now_ms(), &mut |cid| self.commit_if_any(cid))
            }
        }
    }
}

/// Says whether a version would say nothing that its head does not say.
fn is_same(head: &Commit, next: &Next, content: &Cid, schema: &Bytes) -> bool {
    head.content == *content
        && head.metadata == next.metadata
        && head.schema == *schema
        && head.key_columns == next.key_columns
        && head.partition_columns == next.partition_columns
}

fn commit(
    next: Next,
    schema: Bytes,
    made: &Made,
    head: Option<&Found>,
    place: Place,
    author: String,
) -> Commit {
    let columns = next.schema.fields().iter();
    let logical_hash = logical_hash(&next.schema, made);
    Commit {
        content: made.content.root,
        profile: layout::PROFILE.to_owned(),
        rows: made.rows,
        bytes: made.content.bytes,
        schema,
        columns: columns
            .map(|field| Column { name: field.name().clone(), kind: field.data_type().to_string() })
            .collect(),
        parts: made.lists.top.clone(),
        cut_columns: next.cut_columns,
        key_columns: next.key_columns,
        partition_columns: next.partition_columns,
        rows_hash: made.rows_hash.clone(),
        logical_hash,
        metadata: next.metadata,
        operation: next.operation.to_owned(),
        parents: head.map(|head| head.cid).into_iter().collect(),
        depth: place.depth,
        jump: place.jump,
        author,
        time_ms: place.time_ms,
        message: next.message,
    }
}

/// Returns the logical hash of a table, where that of its rows is known.
fn logical_hash(schema: &SchemaRef, made: &Made) -> Option<Bytes> {
    let canonical = layout::canonical_schema(schema).ok()?;
    let rows = RowsHash::from_bytes(made.rows, made.rows_hash.as_ref()?)?;
    Some(rows.digest(&canonical))
}

fn published(commit_cid: Cid, commit: Commit, unchanged: bool) -> Published {
    let (cid, parts) = (commit.content, count(&commit.parts));
    Published { cid, commit_cid, commit, parts, unchanged, new_bytes: 0 }
}

/// Says that a version was built on one that is not the newest any more, and what the dataset did
/// since.
pub(crate) fn overtaken(name: &Name, did: &str, base: &Cid, head: &Cid) -> Error {
    let message = format!(
        "{name} {did} meanwhile: this was made from its version {base}, and the newest is {head}"
    );
    Error::new(ErrorKind::Conflict, message).with_hint("nothing was written: run it again")
}

pub(super) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("the commit could not be encoded").with_source(error)
}

#[cfg(test)]
mod tests;

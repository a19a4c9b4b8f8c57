//! Deleting rows by a condition.
//!
//! Parts without a row that matches stay what they are; one that has some becomes the part of the
//! others, and one of which all match goes. Which rows go is decided on the version that was the
//! newest when it began: rows that others append meanwhile are not looked at and stay.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use cidlake_block::Cid;
use cidlake_catalog::{Name, Part, PartId};
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::edit::{self, Condition};
use cidlake_query::layout::{self, RowGroup};
use cidlake_query::{Predicate, Table};
use cidlake_store::Hold;
use tokio::runtime::Handle;

use crate::edit::compact::dropped;
use crate::error::Error;
use crate::history::{Found, parse_name};
use crate::lake::{Inner, Lake};
use crate::parallel::in_parallel;
use crate::progress::{Progress, ProgressEvent, Unit};
use crate::write::{Next, NextParts, Published};

/// Which rows of a dataset to delete.
#[derive(Clone, Debug)]
pub enum Doomed {
    /// Those for which this SQL expression is true; where it is false or null they stay.
    Where(String),
    /// Those for which this condition, parsed out of a statement, is true.
    Predicate(Predicate),
    /// All of them.
    All,
}

/// What to delete.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// Which rows.
    pub rows: Doomed,
    /// Whether to say what would be done, and do nothing.
    pub dry_run: bool,
    /// What the new version is, in a sentence.
    pub message: Option<String>,
}

/// What was deleted, or would be.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The dataset.
    pub name: String,
    /// The CID of the content of the newest version.
    pub cid: Cid,
    /// The CID of the newest commit.
    pub commit: Cid,
    /// Rows deleted.
    pub rows_deleted: u64,
    /// Rows left.
    pub rows: u64,
    /// Parts that were made anew or went.
    pub parts_touched: u64,
    /// Parts before.
    pub parts_before: u64,
    /// Bytes of every block that was not here before.
    pub new_bytes: u64,
    /// Whether nothing was done.
    pub dry_run: bool,
}

impl Lake {
    /// Deletes rows of a dataset, as a new version; where none match, nothing is written.
    ///
    /// # Errors
    /// `NotFound` when no dataset has the name, `Invalid` for what is no condition over its columns,
    /// `Conflict` when it was changed meanwhile by more than appends.
    pub async fn delete(
        &self,
        name: &str,
        request: DeleteRequest,
        progress: Progress,
    ) -> Result<Deleted, Error> {
        let name = parse_name(name)?;
        self.blocking(move |inner| inner.delete(&name, &request, &|| Ok(()), &progress)).await
    }
}

/// Fails once work is to go on no longer.
pub(crate) type Check<'a> = &'a (dyn Fn() -> Result<(), Error> + Sync);

/// What a part is without the rows that match.
#[derive(Clone, Debug)]
struct Thinned {
    rows_deleted: u64,
    /// The part of the others; `None` where there are none.
    left: Option<Part>,
    new_bytes: u64,
}

/// What the parts of a version are without the rows that match.
struct Edited {
    parts: Vec<Part>,
    rows_deleted: u64,
    parts_touched: u64,
    new_bytes: u64,
}

/// Where rows are deleted, and how.
struct Deleting<'a> {
    table: Table,
    condition: Condition,
    /// Under which parts are put; without it they are only looked at.
    hold: Option<&'a Hold>,
    runtime: Handle,
    /// Threads for the columns of one part.
    threads: usize,
}

impl Inner {
    /// Deletes rows for as long as `go_on` lets it.
    pub(crate) fn delete(
        &self,
        name: &Name,
        request: &DeleteRequest,
        go_on: Check<'_>,
        progress: &Progress,
    ) -> Result<Deleted, Error> {
        let hold = self.hold()?;
        let base = self.newest(name)?;
        let parts = self.parts(&base.commit)?;
        let into = (!request.dry_run).then_some(&hold);
        if into.is_some() {
            // Read before any work is done, so that a missing home costs nothing.
            self.key()?;
        }
        let edited = match &request.rows {
            Doomed::All => all_gone(&parts),
            rows => self.thinned((&base, &parts), rows, into, (go_on, progress))?,
        };
        go_on()?;
        let mut deleted = Deleted {
            name: name.to_string(),
            cid: base.commit.content,
            commit: base.cid,
            rows_deleted: edited.rows_deleted,
            rows: base.commit.rows - edited.rows_deleted,
            parts_touched: edited.parts_touched,
            parts_before: parts.len() as u64,
            new_bytes: edited.new_bytes,
            dry_run: request.dry_run,
        };
        if let Some(hold) = into.filter(|_| edited.rows_deleted > 0) {
            let published = self.publish_deleted(hold, name, &base, request, edited)?;
            deleted.cid = published.cid;
            deleted.commit = published.commit_cid;
            deleted.rows = published.commit.rows;
            deleted.new_bytes += published.new_bytes;
        }
        Ok(deleted)
    }

    fn publish_deleted(
        &self,
        hold: &Hold,
        name: &Name,
        base: &Found,
        request: &DeleteRequest,
        edited: Edited,
    ) -> Result<Published, Error> {
        let Edited { mut parts, .. } = edited;
        let mut new_bytes = 0;
        if parts.is_empty() {
            // A table without rows is one part without any.
            let columns = Table::new(base.commit.clone())?.partitioning;
            let none = RowGroup::whole(RecordBatch::new_empty(SchemaRef::clone(columns.schema())));
            let encoded = layout::encode_partitioned(&none, &columns, 1)?;
            new_bytes += self.put_part(hold, &encoded)?;
            parts.push(encoded.part);
        }
        let mut published = self.publish(hold, Some(name), |head| {
            let head = head.ok_or_else(|| dropped(name))?;
            let mut next = Next::after(&head.commit, "delete")?;
            next.message.clone_from(&request.message);
            let mut rebased = self.rebase(name, base, head, &parts)?;
            if rebased.is_empty() {
                rebased.clone_from(&parts);
            }
            next.parts = NextParts::All(rebased);
            Ok(next)
        })?;
        published.new_bytes += new_bytes;
        Ok(published)
    }

    /// Works out what `parts` of `base` are without those of its `rows` that are to go.
    fn thinned(
        &self,
        (base, parts): (&Found, &[Part]),
        rows: &Doomed,
        hold: Option<&Hold>,
        (go_on, progress): (Check<'_>, &Progress),
    ) -> Result<Edited, Error> {
        let table = Table::new(base.commit.clone())?;
        let condition = match rows {
            Doomed::Where(text) => self.engine.condition(&table, text)?,
            Doomed::Predicate(predicate) => self.engine.condition_of(&table, predicate)?,
            Doomed::All => self.engine.condition(&table, "true")?,
        };
        let todo = once_each(parts, &condition.may_match(parts));
        let threads = self.settings.threads;
        let work = Deleting {
            table,
            condition,
            hold,
            runtime: Handle::current(),
            threads: threads.div_ceil(todo.len().clamp(1, threads.max(1))),
        };
        let total = todo.iter().map(|part| part.rows).sum();
        let done = AtomicU64::new(0);
        let thinned = in_parallel(threads, &todo, |part| {
            go_on()?;
            let thinned = self.thin(&work, part)?;
            let done = done.fetch_add(part.rows, Ordering::Relaxed) + part.rows;
            progress(ProgressEvent {
                phase: "deleting",
                done,
                total: Some(total),
                unit: Unit::Rows,
            });
            Ok(thinned)
        })?;
        let by_id = todo.iter().map(|part| part.id()).zip(thinned).collect();
        Ok(edited(parts, &by_id))
    }

    /// Looks which rows of a part match, and makes the part of the others.
    fn thin(&self, work: &Deleting<'_>, part: &Part) -> Result<Thinned, Error> {
        let matching = self.engine.matching(&work.table, part, &work.condition);
        let matching = work.runtime.block_on(matching)?;
        let rows_deleted = matching.true_count() as u64;
        let mut thinned = Thinned { rows_deleted, left: Some(part.clone()), new_bytes: 0 };
        if rows_deleted == part.rows {
            thinned.left = None;
        }
        let (Some(hold), Some(_), 1..) = (work.hold, &thinned.left, rows_deleted) else {
            return Ok(thinned);
        };
        let columns: Vec<usize> = (0..work.table.schema.fields().len()).collect();
        let rows = self.engine.part(&work.table, part, &columns);
        let left = edit::remaining(&work.runtime.block_on(rows)?, &matching)?;
        let encoded = layout::encode_partitioned(&left, &work.table.partitioning, work.threads)?;
        thinned.new_bytes = self.put_part(hold, &encoded)?;
        thinned.left = Some(encoded.part);
        Ok(thinned)
    }
}

/// Returns those of `parts` that are `wanted`, each once: what holds of a part holds of its like.
pub(super) fn once_each<'a>(parts: &'a [Part], wanted: &[bool]) -> Vec<&'a Part> {
    let mut seen = HashSet::new();
    let wanted = parts.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(part, _)| part);
    wanted.filter(|part| seen.insert(part.id())).collect()
}

/// Puts what became of parts in their places.
fn edited(parts: &[Part], thinned: &HashMap<PartId, Thinned>) -> Edited {
    let mut out = Edited {
        parts: Vec::with_capacity(parts.len()),
        rows_deleted: 0,
        parts_touched: 0,
        new_bytes: 0,
    };
    for part in parts {
        let thinned = thinned.get(&part.id()).filter(|thinned| thinned.rows_deleted > 0);
        match thinned {
            None => out.parts.push(part.clone()),
            Some(thinned) => {
                out.rows_deleted += thinned.rows_deleted;
                out.parts_touched += 1;
                out.parts.extend(thinned.left.clone());
            }
        }
    }
    out.new_bytes = thinned.values().map(|thinned| thinned.new_bytes).sum();
    if out.rows_deleted > 0 && out.parts.iter().any(|part| part.rows > 0) {
        out.parts.retain(|part| part.rows > 0);
    }
    out
}

fn all_gone(parts: &[Part]) -> Edited {
    Edited {
        parts: Vec::new(),
        rows_deleted: parts.iter().map(|part| part.rows).sum(),
        parts_touched: parts.iter().filter(|part| part.rows > 0).count() as u64,
        new_bytes: 0,
    }
}

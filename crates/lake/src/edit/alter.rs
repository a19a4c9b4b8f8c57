//! Altering: the columns, keys and words of a dataset change, and its rows stay.
//!
//! Where rows are cut into parts stays too, and no column that stays is encoded again: a part
//! becomes the one that storing the same rows under the new columns would make. Keys and words alone
//! touch no part at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cidlake_block::Cid;
use cidlake_catalog::{Commit, Name, Part};
use cidlake_query::edit::KeyColumns;
use cidlake_query::layout::{Alteration, alter_part, schema_from_bytes, schema_to_bytes};
use cidlake_query::{ColumnChanges, ColumnPlan, Table, near};
use cidlake_store::Hold;
use tokio::runtime::Handle;

use crate::edit::compact::dropped;
use crate::error::Error;
use crate::history::{Found, parse_name};
use crate::lake::{Inner, Lake};
use crate::progress::{Progress, ProgressEvent, Unit};
use crate::write::{KEY_DRAFTS_MAX, Next, NextParts, Published, overtaken, too_busy};

/// What to do first about a column that names folders.
const UNPARTITION: &str =
    "store the whole dataset again first, with --no-partition or by other columns";

/// What to change of a dataset.
#[derive(Clone, Debug, Default)]
pub struct AlterRequest {
    /// Columns to add behind all others: a name, a type, and `DEFAULT` with a value or nothing.
    pub add: Vec<String>,
    /// Columns to drop, by their names before.
    pub drop: Vec<String>,
    /// Columns to rename, each with its new name.
    pub rename: Vec<(String, String)>,
    /// Columns to widen, by their names before: a name and a type.
    pub widen: Vec<String>,
    /// Words to set, over those that are there.
    pub set: BTreeMap<String, String>,
    /// Words to take away.
    pub unset: Vec<String>,
    /// The key columns from now on, by their new names; none of them for no key.
    pub key: Option<Vec<String>>,
    /// What this version is, in a sentence.
    pub message: Option<String>,
}

/// What became of a dataset.
#[derive(Clone, Debug)]
pub struct Altered {
    /// The dataset.
    pub name: String,
    /// The CID of the content.
    pub cid: Cid,
    /// The CID of the newest commit.
    pub commit: Cid,
    /// Rows of the dataset.
    pub rows: u64,
    /// Its columns now.
    pub columns: Vec<String>,
    /// Bytes of the content.
    pub bytes: u64,
    /// Bytes of every block that was not here before.
    pub new_bytes: u64,
    /// Whether the dataset already was exactly this.
    pub unchanged: bool,
}

impl Lake {
    /// Changes columns, keys or words of a dataset, as one new version of the same rows.
    ///
    /// # Errors
    /// `NotFound` when no dataset has the name, `Usage` for a column that must stay, `Invalid` for a
    /// column that is not there, for what cannot be done to one and for a key that does not identify
    /// the rows, `Conflict` when the dataset was changed meanwhile.
    pub async fn alter(
        &self,
        name: &str,
        request: AlterRequest,
        progress: Progress,
    ) -> Result<Altered, Error> {
        let name = parse_name(name)?;
        self.blocking(move |inner| inner.alter(&name, &request, &progress)).await
    }
}

impl AlterRequest {
    fn touches_columns(&self) -> bool {
        !(self.add.is_empty()
            && self.drop.is_empty()
            && self.rename.is_empty()
            && self.widen.is_empty())
    }

    fn changes(&self) -> ColumnChanges {
        ColumnChanges {
            add: self.add.clone(),
            drop: self.drop.clone(),
            rename: self.rename.clone(),
            widen: self.widen.clone(),
        }
    }
}

impl Inner {
    fn alter(
        &self,
        name: &Name,
        request: &AlterRequest,
        progress: &Progress,
    ) -> Result<Altered, Error> {
        let hold = self.hold()?;
        let base = self.newest(name)?;
        self.key()?;
        let plan = self.plan(&base.commit, request)?;
        let (parts, new_bytes) = match &plan {
            Some(plan) if !plan.alteration.keeps_parts() => {
                let (parts, new_bytes) =
                    self.alter_parts(&hold, &base.commit, &plan.alteration, progress)?;
                (Some(parts), new_bytes)
            }
            _ => (None, 0),
        };
        let published = self.publish_altered(&hold, name, request, |head| {
            if plan.is_some() && head.cid != base.cid {
                return Err(overtaken(name, "changed", &base.cid, &head.cid));
            }
            next(&head.commit, request, plan.as_ref(), parts.as_deref())
        })?;
        Ok(Altered {
            name: name.to_string(),
            cid: published.cid,
            commit: published.commit_cid,
            rows: published.commit.rows,
            columns: published.commit.columns.iter().map(|column| column.name.clone()).collect(),
            bytes: published.commit.bytes,
            new_bytes: new_bytes + published.new_bytes,
            unchanged: published.unchanged,
        })
    }

    /// Makes what `make` says the newest version. Where it gets another key, the rows of just the
    /// version that it is made of are compared by it before.
    fn publish_altered(
        &self,
        hold: &Hold,
        name: &Name,
        request: &AlterRequest,
        make: impl Fn(&Found) -> Result<Next, Error>,
    ) -> Result<Published, Error> {
        if request.key.as_ref().is_none_or(Vec::is_empty) {
            return self.publish(hold, Some(name), |head| make(head.ok_or_else(|| dropped(name))?));
        }
        for _ in 0..KEY_DRAFTS_MAX {
            let head = self.newest(name)?;
            self.check_new_key(name, &head, make(&head)?)?;
            if let Some(published) = self.publish_on(hold, name, &head.cid, &make)? {
                return Ok(published);
            }
        }
        Err(too_busy(name))
    }

    /// Refuses a key by which two rows of the version that is made of `head` are the same.
    fn check_new_key(&self, name: &Name, head: &Found, next: Next) -> Result<(), Error> {
        let columns = KeyColumns::new(&next.schema, &next.key_columns)?;
        let schema = schema_to_bytes(&next.schema);
        if next.key_columns == head.commit.key_columns && schema == head.commit.schema {
            return Ok(());
        }
        let parts = match next.parts {
            NextParts::All(parts) => parts,
            NextParts::Behind(_) | NextParts::Same => self.parts(&head.commit)?,
        };
        let partition_columns = next.partition_columns;
        let table = Table::new(Commit { schema, partition_columns, ..head.commit.clone() })?;
        self.check_unique(name, &table, &parts, &columns)
    }

    /// Plans what becomes of the columns; `None` where nothing is asked of them.
    fn plan(&self, commit: &Commit, request: &AlterRequest) -> Result<Option<ColumnPlan>, Error> {
        if !request.touches_columns() {
            return Ok(None);
        }
        for (columns, what) in
            [(&commit.key_columns, "key"), (&commit.partition_columns, "partition")]
        {
            if let Some(name) = request.drop.iter().find(|name| columns.contains(name)) {
                let keyed = what == "key";
                let remedy =
                    if keyed { "take the key away first, with --no-key" } else { UNPARTITION };
                return Err(
                    Error::usage(format!("column `{name}` is a {what} column")).with_hint(remedy)
                );
            }
        }
        let schema = schema_from_bytes(&commit.schema)?;
        if schema.fields().iter().all(|field| request.drop.contains(field.name())) {
            return Err(
                Error::usage("no column would be left").with_hint("`cidlake drop` ends a dataset")
            );
        }
        let changes = request.changes();
        let planned = self.engine.plan_columns(&schema, &commit.partition_columns, &changes);
        Ok(Some(Handle::current().block_on(planned)?))
    }

    /// Makes the new parts, in row order, and puts their blocks; returns the bytes newly written.
    fn alter_parts(
        &self,
        hold: &Hold,
        commit: &Commit,
        alteration: &Alteration,
        progress: &Progress,
    ) -> Result<(Vec<Part>, u64), Error> {
        let before = self.parts(commit)?;
        let work = Work {
            before: &before,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            rows: AtomicU64::new(0),
            new_bytes: AtomicU64::new(0),
            done: before.iter().map(|_| Mutex::new(None)).collect(),
        };
        let runtime = Handle::current();
        let run = || {
            while let Some((place, part)) = work.take() {
                let altered = self.alter_one(&runtime, hold, part, alteration);
                work.put(place, altered);
                progress(ProgressEvent {
                    phase: "altering",
                    done: work.rows.load(Ordering::Relaxed),
                    total: Some(commit.rows),
                    unit: Unit::Rows,
                });
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.settings.threads.min(before.len()) {
                scope.spawn(run);
            }
            run();
        });
        work.finish()
    }

    fn alter_one(
        &self,
        runtime: &Handle,
        hold: &Hold,
        part: &Part,
        alteration: &Alteration,
    ) -> Result<(Part, u64), Error> {
        let file = runtime.block_on(self.engine.part_file(part))?;
        let altered = alter_part(part, &file, alteration)?;
        let leaves = self.store.put(hold, &altered.leaves)?.new_bytes;
        let nodes = self.store.put(hold, &altered.nodes)?.new_bytes;
        Ok((altered.part, leaves + nodes))
    }
}

/// The parts that threads take and give back.
struct Work<'a> {
    before: &'a [Part],
    next: AtomicUsize,
    stop: AtomicBool,
    rows: AtomicU64,
    new_bytes: AtomicU64,
    done: Vec<Mutex<Option<Result<Part, Error>>>>,
}

impl<'a> Work<'a> {
    fn take(&self) -> Option<(usize, &'a Part)> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        Some((place, self.before.get(place)?))
    }

    fn put(&self, place: usize, altered: Result<(Part, u64), Error>) {
        let altered = altered.map(|(part, new_bytes)| {
            self.rows.fetch_add(part.rows, Ordering::Relaxed);
            self.new_bytes.fetch_add(new_bytes, Ordering::Relaxed);
            part
        });
        if altered.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        if let Some(slot) = self.done.get(place) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(altered);
        }
    }

    /// Returns all parts, or the error that stopped the work: those that nobody took have none.
    fn finish(self) -> Result<(Vec<Part>, u64), Error> {
        let results = self
            .done
            .into_iter()
            .map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        let parts = results.flatten().collect::<Result<Vec<Part>, Error>>()?;
        if parts.len() < self.before.len() {
            return Err(Error::internal("a part was not altered"));
        }
        Ok((parts, self.new_bytes.into_inner()))
    }
}

/// Describes the version that the change makes of `head`.
fn next(
    head: &Commit,
    request: &AlterRequest,
    plan: Option<&ColumnPlan>,
    parts: Option<&[Part]>,
) -> Result<Next, Error> {
    let mut next = Next::after(head, "alter")?;
    next.message = request.message.clone();
    if let Some(plan) = plan {
        next.schema = Arc::clone(&plan.schema);
        next.cut_columns = cut_columns(head, plan);
        for name in next.key_columns.iter_mut().chain(&mut next.partition_columns) {
            if let Some(new) = plan.names.get(name) {
                name.clone_from(new);
            }
        }
    }
    if let Some(parts) = parts {
        next.parts = NextParts::All(parts.to_vec());
    }
    if let Some(key) = &request.key {
        let names: Vec<String> =
            next.schema.fields().iter().map(|field| field.name().clone()).collect();
        if let Some(absent) = key.iter().find(|name| !names.contains(name)) {
            return Err(no_column(absent, &names));
        }
        next.key_columns.clone_from(key);
    }
    for key in &request.unset {
        next.metadata.remove(key);
    }
    next.metadata.extend(request.set.clone());
    Ok(next)
}

/// Returns the cut columns of the new version: those that cut its parts. One that is dropped is
/// recorded as well, as storing without it does, so that storing again moves no part.
fn cut_columns(head: &Commit, plan: &ColumnPlan) -> Vec<String> {
    let all: Vec<String> = head.columns.iter().map(|column| column.name.clone()).collect();
    let before = if head.cut_columns.is_empty() { all } else { head.cut_columns.clone() };
    let renamed: Vec<String> =
        before.iter().map(|name| plan.names.get(name).unwrap_or(name).clone()).collect();
    let gone = before.iter().any(|name| !plan.names.contains_key(name));
    if gone || renamed.len() < plan.schema.fields().len() { renamed } else { Vec::new() }
}

fn no_column(name: &str, names: &[String]) -> Error {
    let error = Error::invalid(format!("there is no column `{name}`"));
    match near(name, names).as_slice() {
        [] => error.with_hint(format!("the columns are {}", names.join(", "))),
        near => error.with_hint(format!("did you mean `{}`?", near.join("` or `"))),
    }
}

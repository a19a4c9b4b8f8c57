//! Storing a table: rows in, parts out, one commit, one durable change of the catalog.
//!
//! Rows are cut into row groups in order, encoded on all threads, put in order, and named only at
//! the end: a store that fails half way leaves no name, no commit and no pin, only blocks that
//! garbage collection may take. The number of row groups in memory is bounded.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use cidlake_block::{Block, Cid};
use cidlake_catalog::{Commit, Name, Part, part_lists};
use cidlake_query::Format;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::layout::{self, CutRule, RowGroup, RowsHash};
use cidlake_store::Hold;

use crate::clock::now_ms;
use crate::error::{Error, ErrorKind};
use crate::history::{Found, parse_name};
use crate::ingest::{self, Opened, Source};
use crate::lake::{Draft, Inner, Lake, View};
use crate::progress::{Progress, ProgressEvent, Unit};

/// Row groups that are encoded at once; more threads than that work at the columns of one.
const WORKERS_MAX: usize = 2;

/// What to store and under which name.
#[derive(Debug, Default)]
pub struct StoreRequest {
    /// The rows, in order; several sources become one table.
    pub sources: Vec<Source>,
    /// The dataset's name; without one the commit is pinned and had by its CID.
    pub name: Option<String>,
    /// Whether the rows go behind those that the dataset has.
    pub append: bool,
    /// Free words about the dataset, kept in the commit; they are no part of the content's CID.
    pub metadata: BTreeMap<String, String>,
    /// The sources' format; told from name and first bytes when absent.
    pub input_format: Option<Format>,
    /// What this version is, in a sentence.
    pub message: Option<String>,
}

/// What was stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The dataset's name.
    pub name: Option<String>,
    /// The CID of the content: a function of the rows alone.
    pub cid: Cid,
    /// The CID of the commit.
    pub commit: Cid,
    /// Rows of the whole dataset.
    pub rows: u64,
    /// Columns of the dataset.
    pub columns: usize,
    /// Parts of the dataset.
    pub parts: u64,
    /// Bytes of the content.
    pub bytes: u64,
    /// Bytes of every block that was not here before, commit and delta included.
    pub new_bytes: u64,
    /// Whether the dataset already was exactly this.
    pub unchanged: bool,
    /// The commit's metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Lake {
    /// Stores rows as a new version of a dataset.
    ///
    /// # Errors
    /// `Usage` for a bad name, `Invalid` for input that cannot be read or stored, `NotFound` for
    /// an absent file or for appending to a dataset that does not exist.
    pub async fn store(&self, request: StoreRequest, progress: Progress) -> Result<Stored, Error> {
        self.blocking(move |inner| inner.store_table(request, &progress)).await
    }
}

/// What of a request goes into the commit.
struct Intent {
    name: Option<Name>,
    append: bool,
    /// The schema, as its commit has it, of the version that the rows were made to fit.
    onto: Option<Bytes>,
    metadata: BTreeMap<String, String>,
    message: Option<String>,
    schema: SchemaRef,
    cut_columns: Vec<String>,
}

impl Inner {
    fn store_table(&self, request: StoreRequest, progress: &Progress) -> Result<Stored, Error> {
        let name = request.name.as_deref().map(parse_name).transpose()?;
        // From before the head is read to after the commit: what both build on must stay.
        let hold = self.hold()?;
        let onto = match (&name, request.append) {
            (Some(name), true) => Some(self.head_schema(name)?),
            (None, true) => {
                return Err(
                    Error::usage("appending needs the name of a dataset").with_hint("add --name")
                );
            }
            (_, false) => None,
        };
        // The key is read before any work is done, so that a missing home costs nothing.
        self.key()?;
        let (onto, onto_bytes) = onto.unzip();
        let opened = ingest::open_all(request.sources, request.input_format, onto.as_ref())?;
        if let Some(onto) = &onto {
            check_append(onto, &opened.schema)?;
        }
        let (rule, cut_columns) = self.cut_rule(name.as_ref(), request.append, &opened.schema)?;
        let intent = Intent {
            name,
            cut_columns,
            append: request.append,
            onto: onto_bytes,
            metadata: request.metadata,
            message: request.message,
            schema: SchemaRef::clone(&opened.schema),
        };
        let (parts, new_bytes) = self.store_rows(&hold, opened, rule, progress)?;
        self.publish(&hold, &intent, &parts, new_bytes)
    }

    /// Says by what the rows of a new version are cut: by the columns that cut the version before
    /// it, so that a column more moves no row group. Where one of them is gone, the row groups of
    /// that version keep their numbers of rows, and what comes behind is cut by those left.
    fn cut_rule(
        &self,
        name: Option<&Name>,
        append: bool,
        schema: &SchemaRef,
    ) -> Result<(CutRule, Vec<String>), Error> {
        let view = self.refresh()?;
        let head = name.map(|name| self.head(&view, name)).transpose()?.flatten();
        drop(view);
        let Some(Found { commit, .. }) = head else {
            return Ok((CutRule::default(), Vec::new()));
        };
        let all: Vec<String> = commit.columns.iter().map(|column| column.name.clone()).collect();
        let before = if commit.cut_columns.is_empty() { all } else { commit.cut_columns.clone() };
        let is_here = |name: &&String| schema.column_with_name(name).is_some();
        let here: Vec<String> = before.iter().filter(is_here).cloned().collect();
        let mut rule = CutRule::default();
        if here.len() < before.len() && !append {
            let mut end = 0;
            rule.ends.extend(self.parts(&commit)?.iter().filter(|part| part.rows > 0).map(
                |part| {
                    end += part.rows;
                    end
                },
            ));
        }
        // What is recorded keeps the names that are gone, so that the next version knows.
        let gone = here.len() < before.len();
        let names = if gone || here.len() < schema.fields().len() { before } else { Vec::new() };
        if here.len() < schema.fields().len() {
            rule.columns = here;
        }
        Ok((rule, names))
    }

    fn head_schema(&self, name: &Name) -> Result<(SchemaRef, Bytes), Error> {
        // Bound first: the view must be free again when the error looks for near names.
        let entry = self.refresh()?.catalog.get(name);
        let entry = entry.ok_or_else(|| {
            self.unknown(name).with_hint("leave --append out to create the dataset")
        })?;
        let schema = self.commit(&entry.commit)?.schema;
        Ok((layout::schema_from_bytes(&schema)?, schema))
    }

    /// Cuts, encodes and puts all rows; returns the parts in row order and the bytes newly written.
    fn store_rows(
        &self,
        hold: &Hold,
        opened: Opened,
        rule: CutRule,
        progress: &Progress,
    ) -> Result<(Vec<Part>, u64), Error> {
        let threads = self.settings.threads;
        let workers = threads.min(WORKERS_MAX);
        let columns = threads.div_ceil(workers);
        // As many row groups are on their way as there are permits, wherever they are: that
        // bounds memory. They come back when a part is put.
        let permits = workers + 1;
        let (permits_in, permits_out) = sync_channel(permits);
        let (groups_in, groups_out) = sync_channel(permits);
        let (parts_in, parts_out) = sync_channel(permits);
        let groups_out = Mutex::new(groups_out);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let parts_in = parts_in.clone();
                let (groups, stop) = (&groups_out, &stop);
                scope.spawn(move || encode_all(groups, &parts_in, stop, columns));
            }
            drop(parts_in);
            let stop = &stop;
            let putter = scope.spawn(move || {
                (0..permits).for_each(|_| permits_in.send(()).unwrap_or_default());
                let result = self.put_all(hold, &parts_out, &permits_in);
                stop.store(true, Ordering::Relaxed);
                // Drained, so that no encoder waits for room that will not come.
                while parts_out.recv().is_ok() {}
                result
            });
            let cut = cut_all(opened, rule, (&permits_out, &groups_in), stop, progress);
            if cut.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            drop(groups_in);
            let put = putter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            cut?;
            put
        })
    }

    /// Puts encoded parts in row order, whatever order they arrive in.
    fn put_all(
        &self,
        hold: &Hold,
        parts: &Receiver<Encoded>,
        permits: &SyncSender<()>,
    ) -> Result<(Vec<Part>, u64), Error> {
        let mut early = BTreeMap::new();
        let mut done = Vec::new();
        let mut new_bytes = 0;
        while let Ok((index, encoded)) = parts.recv() {
            early.insert(index, encoded?);
            while let Some(next) = early.remove(&done.len()) {
                new_bytes += self.store.put(hold, &next.leaves)?.new_bytes;
                new_bytes += self.store.put(hold, &next.nodes)?.new_bytes;
                done.push(next.part);
                // Nobody waits for it any more once all rows are cut.
                permits.send(()).unwrap_or_default();
            }
        }
        Ok((done, new_bytes))
    }

    /// Makes the commit of `new_parts` and gives it its name.
    fn publish(
        &self,
        hold: &Hold,
        intent: &Intent,
        new_parts: &[Part],
        new_bytes: u64,
    ) -> Result<Stored, Error> {
        let schema = layout::schema_to_bytes(&intent.schema);
        let (mut stored, written) =
            self.change(hold, |view| self.draft_commit(view, intent, &schema, new_parts))?;
        stored.new_bytes = new_bytes + written;
        if stored.unchanged {
            debug_assert_eq!(written, 0, "an unchanged dataset writes nothing for its commit");
        }
        Ok(stored)
    }

    /// Drafts the commit against the dataset's newest head.
    fn draft_commit(
        &self,
        view: &View,
        intent: &Intent,
        schema: &Bytes,
        new_parts: &[Part],
    ) -> Result<(Stored, Option<Draft>), Error> {
        let head = match &intent.name {
            Some(name) => self.head(view, name)?,
            None => None,
        };
        check_head(intent, head.as_ref())?;
        let mut parts = match (&head, intent.append) {
            (Some(head), true) => self.parts(&head.commit)?,
            _ => Vec::new(),
        };
        // An append of no rows adds no empty part behind the others.
        let nothing = !parts.is_empty() && new_parts.iter().all(|part| part.rows == 0);
        if !nothing {
            parts.retain(|part| part.rows > 0 || new_parts.is_empty());
            parts.extend_from_slice(new_parts);
        }
        let content = layout::content_root(&parts)?;
        let mut metadata = intent.metadata.clone();
        if let (Some(head), true) = (&head, intent.append) {
            for (key, value) in &head.commit.metadata {
                metadata.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        if let Some(head) = &head
            && head.commit.content == content.root
            && head.commit.metadata == metadata
            && head.commit.schema == *schema
        {
            return Ok((describe(intent, head.cid, &head.commit, &parts, true), None));
        }
        let lists = part_lists(&parts).map_err(internal)?;
        let key = self.key()?.id().to_string();
        let commit =
            new_commit(intent, schema, &content, &lists, &parts, head.as_ref(), metadata, key);
        let block = commit.encode().map_err(internal)?;
        let stored = describe(intent, *block.cid(), &commit, &parts, false);
        let mut draft = Draft::default();
        match &intent.name {
            Some(name) => draft.changes.push(view.catalog.set(name, *block.cid())),
            None => draft.pins.push((*block.cid(), None)),
        }
        draft.blocks.extend(content.nodes);
        draft.blocks.extend(lists.into_iter().map(|(_, list)| list));
        draft.blocks.push(block);
        Ok((stored, Some(draft)))
    }

    /// Returns the head of a dataset in `view`.
    pub(crate) fn head(&self, view: &View, name: &Name) -> Result<Option<Found>, Error> {
        let Some(entry) = view.catalog.get(name) else {
            return Ok(None);
        };
        let (cid, commit) = (entry.commit, self.commit(&entry.commit)?);
        Ok(Some(Found { entry: Some(entry), cid, commit }))
    }
}

type Encoded = (usize, Result<layout::EncodedPart, Error>);

/// Cuts the input into row groups and hands them out, reporting what was read.
fn cut_all(
    mut opened: Opened,
    rule: CutRule,
    (permits, groups): (&Receiver<()>, &SyncSender<(usize, RowGroup)>),
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<(), Error> {
    let mut cutter = layout::RowGroups::new(&opened.schema, rule)?;
    let mut next = 0..;
    let mut rows = 0;
    let mut hand_out = |group: RowGroup| {
        // Without a putter there are no permits: what it fell over is told when it is joined.
        if let (Ok(()), Some(index)) = (permits.recv(), next.next()) {
            // There is room for as many groups as there are permits.
            groups.send((index, group)).unwrap_or_default();
        }
    };
    while let Some(batch) = opened.batches.next() {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let batch = batch?;
        rows += batch.num_rows() as u64;
        cutter.push(batch)?.into_iter().for_each(&mut hand_out);
        report(progress, &opened, rows);
    }
    if let Some(last) = cutter.finish()? {
        hand_out(last);
    }
    Ok(())
}

fn report(progress: &Progress, opened: &Opened, rows: u64) {
    let event = match opened.bytes_total {
        Some(total) => ProgressEvent {
            phase: "storing",
            done: opened.bytes_read().min(total),
            total: Some(total),
            unit: Unit::Bytes,
        },
        None => ProgressEvent {
            phase: "storing",
            done: rows,
            total: opened.rows_total,
            unit: Unit::Rows,
        },
    };
    progress(event);
}

/// One encoder: takes row groups until there are no more.
fn encode_all(
    groups: &Mutex<Receiver<(usize, RowGroup)>>,
    parts: &SyncSender<Encoded>,
    stop: &AtomicBool,
    threads: usize,
) {
    loop {
        // Held while waiting: the others have nothing to take either.
        let next = groups.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((index, group)) = next else { return };
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        let encoded = catch_unwind(AssertUnwindSafe(|| layout::encode_part(&group, threads)));
        let encoded = match encoded {
            Ok(encoded) => encoded.map_err(Error::from),
            Err(_) => Err(Error::internal(format!("row group {index} could not be encoded"))),
        };
        if parts.send((index, encoded)).is_err() {
            return;
        }
    }
}

/// Refuses to append where the dataset is gone, or has other columns than when its rows were read:
/// others may have changed it while they were encoded.
fn check_head(intent: &Intent, head: Option<&Found>) -> Result<(), Error> {
    let (Some(name), Some(onto)) = (&intent.name, &intent.onto) else { return Ok(()) };
    match head {
        None => Err(Error::not_found(format!("{name} was dropped before the rows were appended"))
            .with_hint("leave --append out to create the dataset")),
        Some(head) if head.commit.schema != *onto => Err(Error::new(
            ErrorKind::Conflict,
            format!("{name} got other columns before the rows were appended"),
        )
        .with_hint("append them again, to the columns that it has now")),
        Some(_) => Ok(()),
    }
}

/// Refuses rows that would change the schema of the dataset they are appended to.
fn check_append(onto: &SchemaRef, joined: &SchemaRef) -> Result<(), Error> {
    for (have, got) in onto.fields().iter().zip(joined.fields()) {
        if have.data_type() != got.data_type() {
            return Err(Error::invalid(format!(
                "column {:?} is {} in the dataset and would have to become {}",
                have.name(),
                have.data_type(),
                got.data_type()
            ))
            .with_hint("store the rows under another name, or convert the column first"));
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "a commit is made in this one place of all it holds")]
fn new_commit(
    intent: &Intent,
    schema: &Bytes,
    content: &layout::Content,
    lists: &[(cidlake_catalog::PartListLink, Block)],
    parts: &[Part],
    head: Option<&Found>,
    metadata: BTreeMap<String, String>,
    author: String,
) -> Commit {
    let operation = match (head.is_some(), intent.append) {
        (false, _) => "create",
        (true, true) => "append",
        (true, false) => "overwrite",
    };
    let columns = intent.schema.fields().iter();
    Commit {
        content: content.root,
        profile: layout::PROFILE.to_owned(),
        rows: parts.iter().map(|part| part.rows).sum(),
        bytes: content.bytes,
        schema: schema.clone(),
        columns: columns
            .map(|field| cidlake_catalog::Column {
                name: field.name().clone(),
                kind: field.data_type().to_string(),
            })
            .collect(),
        parts: lists.iter().map(|(link, _)| link.clone()).collect(),
        cut_columns: intent.cut_columns.clone(),
        key_columns: Vec::new(),
        partition_columns: Vec::new(),
        logical_hash: logical_hash(&intent.schema, parts),
        metadata,
        operation: operation.to_owned(),
        parents: head.map(|head| head.cid).into_iter().collect(),
        author,
        time_ms: now_ms(),
        message: intent.message.clone(),
    }
}

/// Puts the logical hash of a table together from those of its parts, where all have one.
fn logical_hash(schema: &SchemaRef, parts: &[Part]) -> Option<Bytes> {
    let canonical = layout::canonical_schema(schema).ok()?;
    let rows = parts.iter().try_fold(RowsHash::EMPTY, |before, part| {
        Some(before.then(RowsHash::from_bytes(part.rows, part.rows_hash.as_ref()?)?))
    })?;
    Some(rows.digest(&canonical))
}

fn describe(intent: &Intent, cid: Cid, commit: &Commit, parts: &[Part], unchanged: bool) -> Stored {
    Stored {
        name: intent.name.as_ref().map(ToString::to_string),
        cid: commit.content,
        commit: cid,
        rows: commit.rows,
        columns: commit.columns.len(),
        parts: parts.len() as u64,
        bytes: commit.bytes,
        new_bytes: 0,
        unchanged,
        metadata: commit.metadata.clone(),
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("the commit could not be encoded").with_source(error)
}

#[cfg(test)]
mod tests {
    use cidlake_query::arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::samples::{grow, now, open};

    #[test]
    fn rows_are_appended_to_what_they_were_made_for_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(folder.path());
        grow(&lake, "t", 1..=2);
        let inner = &lake.inner;
        let name = parse_name("t").unwrap();
        let schema = SchemaRef::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let append = |onto: &'static [u8]| {
            let intent = Intent {
                name: Some(name.clone()),
                append: true,
                onto: Some(Bytes::from_static(onto)),
                metadata: BTreeMap::new(),
                message: None,
                schema: SchemaRef::clone(&schema),
                cut_columns: Vec::new(),
            };
            inner.publish(&inner.hold().unwrap(), &intent, &[], 0)
        };
        // What the versions of these samples have for a schema.
        assert!(append(b"none").is_ok());
        let refused = append(b"none").err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "the append before changed it");
        now(lake.drop_dataset("t")).unwrap();
        let refused = append(b"none").err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    }
}

//! Putting rows into a dataset by their keys: a row takes the place of the one that has its key,
//! the others go behind.
//!
//! The rows are held in memory. Of the dataset only the key columns of parts are read that may have
//! one of the keys, and only parts in which a row changes are read whole and made anew. Where others
//! changed the dataset meanwhile it is done again on what they made; what is known of a part that
//! is still there is not found out twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_catalog::{Commit, Name, Part, PartId};
use cidlake_query::Table;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::edit::{KeyColumns, KeyedRows, Match};
use cidlake_query::layout::{self, CutRule, Partitioning, StoredPart};
use cidlake_store::Hold;
use tokio::runtime::Handle;

use super::delete::once_each;
use crate::error::{Error, ErrorKind};
use crate::history::{Found, parse_name};
use crate::ingest;
use crate::lake::Inner;
use crate::parallel::in_parallel;
use crate::progress::{Progress, ProgressEvent, Unit};
use crate::write::{
    Incoming, KEY_DRAFTS_MAX, Next, NextParts, Published, StoreRequest, Stored, check_append,
    described, incoming, key_error, key_of, overtaken, partition_of, too_busy,
};

/// What became of rows that were put in by their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upserted {
    /// Rows that took the place of others.
    pub rows_updated: u64,
    /// Rows whose keys were new.
    pub rows_inserted: u64,
    /// Rows that were there as they are.
    pub rows_unchanged: u64,
    /// Parts that were made anew.
    pub parts_touched: u64,
    /// Parts before.
    pub parts_before: u64,
}

/// What is put in where.
struct Upsert<'a> {
    name: Name,
    hold: &'a Hold,
    rows: KeyedRows,
    /// The schema as the user gave it, and as the commit `base` had it that the rows were made to fit.
    schema: SchemaRef,
    onto: Bytes,
    base: Cid,
    /// The key that the dataset had then, and the one by which rows are put in.
    key_before: Vec<String>,
    key: Vec<String>,
    partition_columns: Vec<String>,
    metadata: BTreeMap<String, String>,
    message: Option<String>,
    progress: &'a Progress,
}

/// What has been found out and made so far.
#[derive(Default)]
struct Known {
    parts: HashMap<PartId, Outcome>,
    /// Which rows were in the dataset, and the parts of the others.
    inserted: Option<(Vec<bool>, Vec<Part>)>,
    new_bytes: u64,
}

/// What a part becomes.
struct Outcome {
    matches: Vec<Match>,
    rows_updated: u64,
    /// The numbers of rows that take the places of others, but in another partition.
    moved: Vec<usize>,
    /// The parts that take its place.
    parts: Vec<Part>,
    new_bytes: u64,
}

/// The parts of the new version before the rows that are new.
struct Replaced {
    parts: Vec<Part>,
    /// Which rows are in these parts, by their numbers.
    matched: Vec<bool>,
    /// How many of the others took the place of rows of another partition.
    rows_moved: u64,
    done: Upserted,
}

impl Inner {
    /// Stores rows of a request by their keys.
    pub(crate) fn upsert(
        &self,
        request: StoreRequest,
        progress: &Progress,
    ) -> Result<Stored, Error> {
        let name = request.name.as_deref().map(parse_name).transpose()?.ok_or_else(|| {
            Error::usage("rows are put in by their keys under the name of a dataset")
                .with_hint("add --name")
        })?;
        let hold = self.hold()?;
        let base = self.newest(&name).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_hint("leave --upsert out to create the dataset"),
            _ => error,
        })?;
        let key = key_of(&name, &base.commit, request.key.as_deref())?;
        if key.is_empty() {
            let message = format!("{name} has no key by which rows could be put in");
            return Err(Error::usage(message)
                .with_hint("name the columns that identify a row: --key id, or --key a,b"));
        }
        let onto = layout::schema_from_bytes(&base.commit.schema)?;
        KeyColumns::new(&onto, &key)?;
        partition_of(&name, &base.commit, request.partition_by.as_deref())?;
        // The signing key is read before any work is done, so that a missing home costs nothing.
        self.key()?;
        let opened = ingest::open_all(request.sources, request.input_format, Some(&onto))?;
        check_append(&onto, &opened.schema)?;
        let schema = SchemaRef::clone(&opened.schema);
        let columns = KeyColumns::new(&schema, &key)?;
        let upsert = Upsert {
            name,
            hold: &hold,
            rows: self.in_memory(incoming(opened, request.stop.clone()), columns, progress)?,
            schema,
            onto: base.commit.schema,
            base: base.cid,
            key_before: base.commit.key_columns,
            key,
            partition_columns: base.commit.partition_columns,
            metadata: request.metadata,
            message: request.message,
            progress,
        };
        let mut known = Known::default();
        for _ in 0..KEY_DRAFTS_MAX {
            request.stop.check()?;
            if let Some((published, done)) = self.upsert_once(&upsert, &mut known)? {
                return Ok(described(Some(&upsert.name), published, known.new_bytes, Some(done)));
            }
        }
        Err(too_busy(&upsert.name))
    }

    /// Reads rows into memory, as many as the settings let a query take.
    fn in_memory(
        &self,
        incoming: Incoming<'_>,
        columns: KeyColumns,
        progress: &Progress,
    ) -> Result<KeyedRows, Error> {
        let total = incoming.rows_total;
        let mut rows = KeyedRows::new(&incoming.schema, columns)?;
        for batch in incoming.batches {
            rows.push(&batch?).map_err(key_error)?;
            let max = self.settings.memory_bytes_max as u64;
            if rows.bytes() > max {
                let message = format!(
                    "rows that are put in by their keys are held in memory, and may take {max} bytes"
                );
                return Err(Error::new(ErrorKind::Unavailable, message).with_hint(
                    "put them in in several steps, or allow more memory (CIDLAKE_MEMORY_BYTES_MAX)",
                ));
            }
            let done = rows.rows() as u64;
            progress(ProgressEvent { phase: "reading", done, total, unit: Unit::Rows });
        }
        Ok(rows)
    }

    /// Puts the rows into the newest version; `None` where it is not the newest any more.
    fn upsert_once(
        &self,
        upsert: &Upsert<'_>,
        known: &mut Known,
    ) -> Result<Option<(Published, Upserted)>, Error> {
        let base = self.newest(&upsert.name)?;
        check_base(upsert, &base)?;
        let parts = self.parts(&base.commit)?;
        let table = Table::new(base.commit.clone())?;
        if base.commit.key_columns.is_empty() {
            self.check_unique(&upsert.name, &table, &parts, upsert.rows.columns())?;
        }
        self.look(upsert, &table, &parts, known)?;
        let Replaced { parts, matched, rows_moved, mut done } = replaced(upsert, parts, known)?;
        let inserted = self.insert(upsert, &base.commit, matched, known)?;
        let stored: u64 = inserted.iter().map(|part| part.rows).sum();
        done.rows_inserted = stored - rows_moved;
        let mut all = parts;
        if !inserted.is_empty() {
            // A part without rows is there only where it is the only one.
            all.retain(|part| part.rows > 0);
            all.extend(inserted);
        }
        let published = self.publish_on(upsert.hold, &upsert.name, &base.cid, |head| {
            let mut metadata = head.commit.metadata.clone();
            metadata.extend(upsert.metadata.clone());
            Ok(Next {
                schema: SchemaRef::clone(&upsert.schema),
                key_columns: upsert.key.clone(),
                metadata,
                message: upsert.message.clone(),
                parts: NextParts::All(all.clone()),
                ..Next::after(&head.commit, "upsert")?
            })
        })?;
        Ok(published.map(|published| (published, done)))
    }

    /// Finds out what becomes of the parts that may have one of the keys.
    fn look(
        &self,
        upsert: &Upsert<'_>,
        table: &Table,
        parts: &[Part],
        known: &mut Known,
    ) -> Result<(), Error> {
        let may = upsert.rows.candidates(parts)?;
        let mut todo = once_each(parts, &may);
        todo.retain(|part| !known.parts.contains_key(&part.id()));
        let threads = self.settings.threads;
        let of_one = threads.div_ceil(todo.len().clamp(1, threads.max(1)));
        let runtime = Handle::current();
        let total = todo.iter().map(|part| part.rows).sum();
        let done = AtomicU64::new(0);
        let outcomes = in_parallel(threads, &todo, |part| {
            let outcome = self.outcome(upsert, table, part, &runtime, of_one)?;
            let done = done.fetch_add(part.rows, Ordering::Relaxed) + part.rows;
            (upsert.progress)(ProgressEvent {
                phase: "replacing",
                done,
                total: Some(total),
                unit: Unit::Rows,
            });
            Ok(outcome)
        })?;
        for (part, outcome) in todo.into_iter().zip(outcomes) {
            known.new_bytes += outcome.new_bytes;
            known.parts.insert(part.id(), outcome);
        }
        Ok(())
    }

    /// Finds the keys of a part, and puts the rows in that have them.
    fn outcome(
        &self,
        upsert: &Upsert<'_>,
        table: &Table,
        part: &Part,
        runtime: &Handle,
        threads: usize,
    ) -> Result<Outcome, Error> {
        let rows = &upsert.rows;
        let keys = runtime.block_on(self.engine.keys(table, part, rows.columns()))?;
        let matches = rows.matches(keys)?;
        let mut outcome = Outcome {
            matches,
            rows_updated: 0,
            moved: Vec::new(),
            parts: Vec::new(),
            new_bytes: 0,
        };
        if outcome.matches.is_empty() {
            return Ok(outcome);
        }
        let columns: Vec<usize> = (0..table.schema.fields().len()).collect();
        let stored = runtime.block_on(self.engine.part(table, part, &columns))?;
        let merged = rows.merged(&stored, &outcome.matches, &rule_behind(&table.commit))?;
        outcome.rows_updated = merged.updated;
        outcome.moved = merged.moved;
        let file = runtime.block_on(self.engine.part_file(part))?;
        let before = StoredPart { part, file: &file, rows: &stored };
        for group in &merged.groups {
            let encoded = layout::encode_edited(group, before, &table.partitioning, threads)?;
            outcome.new_bytes += self.put_part(upsert.hold, &encoded)?;
            outcome.parts.push(encoded.part);
        }
        Ok(outcome)
    }

    /// Stores the rows that are not `matched`, whose keys are new; returns their parts.
    fn insert(
        &self,
        upsert: &Upsert<'_>,
        base: &Commit,
        matched: Vec<bool>,
        known: &mut Known,
    ) -> Result<Vec<Part>, Error> {
        if let Some((before, parts)) = &known.inserted
            && *before == matched
        {
            return Ok(parts.clone());
        }
        let left = upsert.rows.without(&matched)?;
        let mut parts = Vec::new();
        if !left.is_empty() {
            let rows = left.iter().map(|batch| batch.num_rows() as u64).sum();
            let rows = Incoming {
                // Canonical rows are their own canonical form.
                schema: SchemaRef::clone(upsert.rows.schema()),
                batches: Box::new(left.into_iter().map(Ok)),
                rows_total: Some(rows),
                bytes_total: None,
                bytes_read: Box::new(|| 0),
            };
            let rule = rule_behind(base);
            let columns = Partitioning::new(&rows.schema, &rule.partition_columns)?;
            let rows = self.grouped(rows, &columns, upsert.progress)?;
            let new_bytes;
            (parts, new_bytes) = self.store_rows(upsert.hold, rows, rule, upsert.progress)?;
            known.new_bytes += new_bytes;
        }
        known.inserted = Some((matched, parts.clone()));
        Ok(parts)
    }
}

/// Says by what rows behind those of a version are cut: by the columns that cut it, as far as they
/// are there.
fn rule_behind(commit: &Commit) -> CutRule {
    let is_here = |name: &&String| commit.columns.iter().any(|column| column.name == **name);
    let columns = commit.cut_columns.iter().filter(is_here).cloned().collect();
    let partition_columns = commit.partition_columns.clone();
    CutRule { columns, ends: Vec::new(), partition_columns }
}

/// Refuses a version with other columns, partitions or another key than when the rows were read.
fn check_base(upsert: &Upsert<'_>, newest: &Found) -> Result<(), Error> {
    let commit = &newest.commit;
    let did = if commit.schema != upsert.onto {
        "got other columns"
    } else if commit.partition_columns != upsert.partition_columns {
        "got other partitions"
    } else if commit.key_columns != upsert.key_before {
        "got another key"
    } else {
        return Ok(());
    };
    Err(overtaken(&upsert.name, did, &upsert.base, &newest.cid))
}

/// Puts what became of parts in their places.
fn replaced(upsert: &Upsert<'_>, parts: Vec<Part>, known: &Known) -> Result<Replaced, Error> {
    let mut matched = vec![false; upsert.rows.rows()];
    let mut done = Upserted { parts_before: parts.len() as u64, ..Upserted::default() };
    let mut out = Vec::with_capacity(parts.len());
    let mut moved: Vec<usize> = Vec::new();
    for part in parts {
        let Some(outcome) = known.parts.get(&part.id()) else {
            out.push(part);
            continue;
        };
        for Match { number, .. } in &outcome.matches {
            let was = matched.get_mut(*number).is_some_and(|seen| std::mem::replace(seen, true));
            if was {
                let key = upsert.rows.key_text(*number)?;
                let message = format!("key {key} occurs twice in {}", upsert.name);
                return Err(Error::invalid(message)
                    .with_hint("delete one of the rows first: `cidlake delete`"));
            }
        }
        done.rows_updated += outcome.rows_updated;
        done.rows_unchanged += outcome.matches.len() as u64 - outcome.rows_updated;
        if outcome.rows_updated == 0 {
            out.push(part);
        } else {
            done.parts_touched += 1;
            out.extend(outcome.parts.iter().cloned());
            moved.extend(&outcome.moved);
        }
    }
    // Those are stored with the rows whose keys are new, into the partitions where they belong.
    for number in &moved {
        if let Some(matched) = matched.get_mut(*number) {
            *matched = false;
        }
    }
    let rows_moved = moved.len() as u64;
    Ok(Replaced { parts: out, matched, rows_moved, done })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Version;

    #[test]
    fn rows_behind_are_cut_by_the_columns_that_are_there() {
        let mut commit = Commit::decode(&Version::new(1, &[]).commit).unwrap();
        let column =
            |name: &str| cidlake_catalog::Column { name: name.into(), kind: "Int64".into() };
        commit.columns = vec![column("a"), column("b")];
        for (cut, expected) in [(&[][..], &[][..]), (&["b", "gone"], &["b"]), (&["gone"], &[])] {
            commit.cut_columns = cut.iter().map(ToString::to_string).collect();
            assert_eq!(rule_behind(&commit).columns, expected, "{cut:?}");
        }
    }
}

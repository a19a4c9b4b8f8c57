//! Makes the rows of datasets, out of what the view says of them and the blocks that it names.
//!
//! What is said of a version never changes but for its standing, so of a dataset that has grown the
//! rows of older versions are taken over and only its new versions are read.

use std::collections::{BTreeMap, HashSet};

use cidlake_block::Cid;
use cidlake_catalog::{Commit, Entry, Name};
use cidlake_query::QueryError;
use cidlake_query::arrow::array::{Array as _, AsArray as _};
use cidlake_query::arrow::datatypes::UInt64Type;
use cidlake_query::arrow::record_batch::RecordBatch;

use super::rows::{
    ColumnRow, CommitRow, PartRow, RowRanges, STANDING, Standing, Table, Tables, columns_batch,
    commits_batch, parts_batch, standing_columns,
};
use crate::datasets::{column_infos, hex, part_infos};
use crate::error::Error;
use crate::lake::Inner;

/// What the view says of a dataset.
#[derive(Debug)]
pub(super) struct Dataset {
    head: Cid,
    /// Versions that were made at the same time as the newest.
    others: Vec<Cid>,
    /// The oldest version that is kept, where older ones were let go.
    oldest: Option<Cid>,
    tags: BTreeMap<Cid, Vec<String>>,
}

impl Dataset {
    pub(super) fn new(entry: &Entry, oldest: Option<Cid>) -> Self {
        let others = entry.others.iter().map(|other| other.commit).collect();
        Self { head: entry.commit, others, oldest, tags: BTreeMap::new() }
    }

    pub(super) fn add_tag(&mut self, entry: &Entry) {
        if let Some(tag) = &entry.tag {
            self.tags.entry(entry.commit).or_default().push(tag.to_string());
        }
    }

    /// Returns bytes that are equal for datasets with equal rows.
    pub(super) fn mark(&self) -> Vec<u8> {
        let mut mark = Vec::new();
        self.write_mark(&mut mark);
        mark
    }

    /// Appends these bytes.
    pub(super) fn write_mark(&self, mark: &mut Vec<u8>) {
        put_cid(mark, &self.head);
        self.write_behind_head(mark);
        for (cid, tags) in &self.tags {
            put_cid(mark, cid);
            for tag in tags {
                mark.extend_from_slice(tag.as_bytes());
                mark.push(b' ');
            }
        }
    }

    /// Appends the part of the mark behind the newest version and before tags.
    fn write_behind_head(&self, mark: &mut Vec<u8>) {
        mark.push(u8::from(self.oldest.is_some()));
        self.oldest.iter().for_each(|cid| put_cid(mark, cid));
        mark.extend_from_slice(&(self.others.len() as u64).to_le_bytes());
        self.others.iter().for_each(|cid| put_cid(mark, cid));
    }

    fn standing(&self, commit: &Cid) -> Standing {
        Standing {
            newest: *commit == self.head,
            conflict: self.others.contains(commit),
            tags: self.tags.get(commit).cloned().unwrap_or_default(),
        }
    }
}

fn put_cid(out: &mut Vec<u8>, cid: &Cid) {
    // Memory takes all that is written to it.
    let _written = cid.write_bytes(out);
}

/// Rows of several datasets, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Commits that were read, behind those that were taken over.
    fresh: Vec<(CommitRow, Standing)>,
    commits: Vec<RecordBatch>,
    commits_rows: usize,
    parts: Vec<PartRow>,
    columns: Vec<ColumnRow>,
    /// Of each dataset, its rows, and whether some of its versions are not here.
    rows: Vec<(RowRanges, bool)>,
}

impl Gathered {
    /// Adds a dataset; `before` are its commits as they were, and their mark.
    pub(super) fn add(
        &mut self,
        inner: &Inner,
        name: &Name,
        dataset: &Dataset,
        before: Option<(RecordBatch, Vec<u8>)>,
    ) -> Result<(), Error> {
        let start = [self.commits_rows, self.parts.len(), self.columns.len()];
        let head = inner.commit(&dataset.head)?;
        let is_partial = self.add_commits(inner, name, (dataset, &head), before)?;
        self.add_newest(inner, name, &head)?;
        let end = [self.commits_rows, self.parts.len(), self.columns.len()];
        let [commits, parts, columns] = [0, 1, 2].map(|table: usize| start[table]..end[table]);
        self.rows.push(([commits, parts, columns], is_partial));
        Ok(())
    }

    /// Adds the versions of a dataset; returns whether some are not here.
    fn add_commits(
        &mut self,
        inner: &Inner,
        name: &Name,
        (dataset, head): (&Dataset, &Commit),
        before: Option<(RecordBatch, Vec<u8>)>,
    ) -> Result<bool, Error> {
        if let Some((commits, mark)) = before
            && let Some(new) = new_versions(inner, (dataset, head), &commits, &mark)?
        {
            self.flush()?;
            self.commits_rows += commits.num_rows();
            self.commits.push(with_standing(&commits, dataset)?);
            for (cid, commit) in new.iter().rev() {
                self.add_commit(name, dataset, cid, commit);
            }
            return Ok(false);
        }
        let (versions, is_partial) = all_versions(inner, dataset)?;
        for (cid, commit) in versions {
            self.add_commit(name, dataset, &cid, &commit);
        }
        Ok(is_partial)
    }

    fn add_commit(&mut self, name: &Name, dataset: &Dataset, cid: &Cid, commit: &Commit) {
        self.commits_rows += 1;
        self.fresh.push((commit_row(name, cid, commit), dataset.standing(cid)));
    }

    /// Puts what was read behind what was taken over.
    fn flush(&mut self) -> Result<(), QueryError> {
        if !self.fresh.is_empty() {
            self.commits.push(commits_batch(&self.fresh)?);
            self.fresh.clear();
        }
        Ok(())
    }

    fn add_newest(&mut self, inner: &Inner, name: &Name, commit: &Commit) -> Result<(), Error> {
        let parts = inner.parts(commit)?;
        let infos = (0..).zip(part_infos(commit, &parts)?);
        self.parts.extend(infos.map(|(ordinal, part)| PartRow {
            dataset: name.to_string(),
            ordinal,
            cid: part.cid.to_string(),
            rows: part.rows,
            bytes: part.bytes,
            folder: (!part.folders.is_empty()).then(|| part.folders.join("/")),
        }));
        let infos = (0..).zip(column_infos(commit)?);
        self.columns.extend(infos.map(|(ordinal, column)| ColumnRow {
            dataset: name.to_string(),
            ordinal,
            is_key: commit.key_columns.contains(&column.name),
            is_partition: commit.partition_columns.contains(&column.name),
            name: column.name,
            kind: column.kind,
            nulls: column.nulls,
            min: column.min,
            max: column.max,
            bytes: column.bytes,
        }));
        Ok(())
    }

    /// Returns the rows, and which are those of each dataset.
    pub(super) fn finish(mut self) -> Result<(Tables, Vec<(RowRanges, bool)>), Error> {
        self.flush()?;
        let (parts, columns) = (parts_batch(&self.parts)?, columns_batch(&self.columns)?);
        let tables = Tables::joined(|table| match table {
            Table::Commits => self.commits.clone(),
            Table::Parts => vec![parts.clone()],
            Table::Columns => vec![columns.clone()],
        })?;
        Ok((tables, self.rows))
    }
}

/// Returns the versions that came since, newest first; none where the older ones are not all that a
/// dataset keeps, or not the ones that came before.
fn new_versions(
    inner: &Inner,
    (dataset, head): (&Dataset, &Commit),
    before: &RecordBatch,
    mark: &[u8],
) -> Result<Option<Vec<(Cid, Commit)>>, Error> {
    // Tags may stand for versions that the history does not have.
    let is_plain = dataset.others.is_empty() && dataset.tags.is_empty();
    let last = before.num_rows().checked_sub(1).filter(|_| is_plain);
    let Some(last) = last else { return Ok(None) };
    let known = before["commit"].as_string::<i32>().value(last);
    let depth = before["depth"].as_primitive::<UInt64Type>().value(last);
    let known = cidlake_block::parse_cid(known)?;
    let mut expected = Vec::new();
    put_cid(&mut expected, &known);
    dataset.write_behind_head(&mut expected);
    if mark != expected {
        return Ok(None);
    }
    let mut new = Vec::new();
    let mut next = (dataset.head, head.clone());
    while next.0 != known {
        let parent = next.1.parents.first().copied();
        let is_behind = next.1.depth > depth;
        new.push(next);
        let Some(parent) = parent.filter(|_| is_behind) else { return Ok(None) };
        next = match inner.older_version(&parent)? {
            Some(commit) => (parent, commit),
            None => return Ok(None),
        };
    }
    Ok(Some(new))
}

/// Returns all versions that a dataset keeps, the newest last, and whether some are not here.
fn all_versions(inner: &Inner, dataset: &Dataset) -> Result<(Vec<(Cid, Commit)>, bool), Error> {
    let mut seen = HashSet::new();
    let mut versions: Vec<(Cid, Commit)> = Vec::new();
    let mut is_partial = false;
    let heads = [dataset.head].into_iter().chain(dataset.others.iter().copied());
    for head in heads {
        for version in inner.versions(&head, dataset.oldest)? {
            if !seen.insert(version.cid) {
                break;
            }
            versions.push((version.cid, inner.commit(&version.cid)?));
        }
        let ends = versions.last().filter(|(cid, _)| dataset.oldest != Some(*cid));
        let before = ends.and_then(|(_, commit)| commit.parents.first());
        is_partial |= before.is_some_and(|before| !seen.contains(before));
    }
    for tagged in dataset.tags.keys().filter(|cid| !seen.contains(*cid)) {
        match inner.older_version(tagged)? {
            Some(commit) => versions.push((*tagged, commit)),
            None => is_partial = true,
        }
    }
    versions
        .sort_by_key(|(cid, commit)| (*cid == dataset.head, commit.depth, commit.time_ms, *cid));
    Ok((versions, is_partial))
}

fn commit_row(name: &Name, cid: &Cid, commit: &Commit) -> CommitRow {
    let columns = commit.columns.iter();
    CommitRow {
        dataset: name.to_string(),
        commit: cid.to_string(),
        cid: commit.content.to_string(),
        parent: commit.parents.first().map(Cid::to_string),
        depth: commit.depth,
        time_ms: commit.time_ms,
        operation: commit.operation.clone(),
        author: commit.author.clone(),
        message: commit.message.clone(),
        rows: commit.rows,
        bytes: commit.bytes,
        parts: commit.parts_count(),
        columns: columns.clone().map(|column| column.name.clone()).collect(),
        types: columns.map(|column| column.kind.clone()).collect(),
        key_columns: commit.key_columns.clone(),
        partition_columns: commit.partition_columns.clone(),
        metadata: commit.metadata.clone().into_iter().collect(),
        logical_hash: commit.logical_hash.as_ref().map(hex),
    }
}

/// Returns commits with their standing as it is now.
fn with_standing(commits: &RecordBatch, dataset: &Dataset) -> Result<RecordBatch, Error> {
    let known = commits["commit"].as_string::<i32>();
    let standings: Vec<Standing> = (0..known.len())
        .map(|row| {
            let cid = cidlake_block::parse_cid(known.value(row))?;
            Ok(dataset.standing(&cid))
        })
        .collect::<Result<_, Error>>()?;
    let standings: Vec<&Standing> = standings.iter().collect();
    let mut columns = commits.columns().to_vec();
    for (name, column) in STANDING.into_iter().zip(standing_columns(&standings)) {
        let at = commits.schema_ref().index_of(name).map_err(QueryError::internal)?;
        columns[at] = column;
    }
    let with = RecordBatch::try_new(commits.schema(), columns);
    Ok(with.map_err(QueryError::internal)?)
}

//! What a lake should be: datasets as lists of tables, with tags and the oldest version that is kept.
//!
//! [`Model::apply`] does an operation to it and says what the lake must answer. It knows the rules of
//! versions and keys, and nothing of parts, blocks or files.

use std::collections::{BTreeMap, BTreeSet};

use cidlake::{Cid, ErrorKind, StoreMode};

use super::table::{Cell, Column, Kind, Predicate, Row, Table};

/// One thing that is done to a lake.
#[derive(Clone, Debug)]
pub enum Op {
    Put(Put),
    Delete { name: String, rows: Option<Predicate> },
    Alter { name: String, change: Change },
    Tag { name: String, tag: String, version: Pick, force: bool },
    Untag { name: String, tag: String },
    Restore { name: String, version: Pick },
    Compact { name: String },
    Expire { name: String, keep: u64 },
    Drop { name: String },
    Rename { from: String, to: String },
    Collect,
    Maintain,
}

/// Rows that are stored. The key of `table` means nothing; its words are those of the request.
#[derive(Clone, Debug)]
pub struct Put {
    pub name: String,
    pub mode: StoreMode,
    pub table: Table,
    pub key: Option<Vec<String>>,
}

/// What an alteration asks for.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub add: Vec<(Column, Cell)>,
    pub drop: Vec<String>,
    pub rename: Vec<(String, String)>,
    pub widen: Vec<Column>,
    pub key: Option<Vec<String>>,
    pub set: BTreeMap<String, String>,
    pub unset: Vec<String>,
}

/// A version of a dataset, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// So many before the newest.
    Back(usize),
    Tag(String),
    /// The commit of version number so many, counted from the first that was made.
    Commit(usize),
}

/// What the lake must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Refused(ErrorKind),
    /// There is one more version; none, where it says the same as the newest and is cut the same.
    Version {
        counts: Vec<u64>,
        may_be_same: bool,
    },
    /// It is done, without a version.
    Done(Vec<u64>),
}

#[derive(Clone, Debug)]
pub struct Version {
    pub table: Table,
    pub operation: &'static str,
    /// Its commit, once that is known.
    pub commit: Option<Cid>,
}

#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// All versions that were made, oldest first.
    pub versions: Vec<Version>,
    /// The first of them that is kept.
    pub oldest: usize,
    /// Tags, by the numbers of versions.
    pub tags: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub datasets: BTreeMap<String, Dataset>,
    /// Versions of datasets that were dropped.
    pub past: Vec<Version>,
}

type Refusable<T> = Result<T, ErrorKind>;

impl Op {
    /// The dataset that it is about, where it is about one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Put(put) => Some(&put.name),
            Self::Delete { name, .. }
            | Self::Alter { name, .. }
            | Self::Tag { name, .. }
            | Self::Untag { name, .. }
            | Self::Restore { name, .. }
            | Self::Compact { name }
            | Self::Expire { name, .. }
            | Self::Drop { name }
            | Self::Rename { from: name, .. } => Some(name),
            Self::Collect | Self::Maintain => None,
        }
    }

    /// What it is called.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Put(put) => match put.mode {
                StoreMode::Overwrite => "overwrite",
                StoreMode::Append => "append",
                StoreMode::Upsert => "upsert",
            },
            Self::Delete { .. } => "delete",
            Self::Alter { .. } => "alter",
            Self::Tag { .. } => "tag",
            Self::Untag { .. } => "untag",
            Self::Restore { .. } => "restore",
            Self::Compact { .. } => "compact",
            Self::Expire { .. } => "expire",
            Self::Drop { .. } => "drop",
            Self::Rename { .. } => "rename",
            Self::Collect => "gc",
            Self::Maintain => "maintain",
        }
    }
}

impl Dataset {
    pub fn head(&self) -> &Version {
        self.versions.last().expect("a dataset has a version")
    }

    /// The number of the version that is asked for.
    pub fn find(&self, pick: &Pick) -> Option<usize> {
        match pick {
            Pick::Back(back) => {
                (self.versions.len() - 1).checked_sub(*back).filter(|number| *number >= self.oldest)
            }
            Pick::Tag(tag) => self.tags.get(tag).copied(),
            Pick::Commit(number) => Some(*number).filter(|number| *number >= self.oldest),
        }
    }

    /// What follows the name of the dataset in a reference to the version.
    pub fn suffix(&self, pick: &Pick) -> String {
        match pick {
            Pick::Back(back) => format!("~{back}"),
            Pick::Tag(tag) => format!("@{tag}"),
            Pick::Commit(number) => format!("@{}", self.versions[*number].commit.expect("known")),
        }
    }
}

impl Model {
    pub fn head(&self, name: &str) -> Option<&Table> {
        self.datasets.get(name).map(|dataset| &dataset.head().table)
    }

    /// Does an operation; where it is refused nothing changes.
    pub fn apply(&mut self, op: &Op) -> Outcome {
        match self.try_apply(op) {
            Ok(outcome) => outcome,
            Err(kind) => Outcome::Refused(kind),
        }
    }

    fn try_apply(&mut self, op: &Op) -> Refusable<Outcome> {
        match op {
            Op::Put(put) => self.put(put),
            Op::Delete { name, rows } => self.delete(name, rows.as_ref()),
            Op::Alter { name, change } => {
                let table = altered(self.table(name)?, change)?;
                let counts = vec![table.rows.len() as u64, table.columns.len() as u64];
                Ok(self.push(name, "alter", table, counts))
            }
            Op::Compact { name } => {
                let table = self.table(name)?.clone();
                let counts = vec![table.rows.len() as u64];
                Ok(self.push(name, "compact", table, counts))
            }
            Op::Restore { name, version } => self.restore(name, version),
            Op::Tag { name, tag, version, force } => self.tag(name, tag, version, *force),
            Op::Untag { name, tag } => {
                let dataset = self.dataset(name)?;
                dataset.tags.remove(tag).ok_or(ErrorKind::NotFound)?;
                Ok(Outcome::Done(Vec::new()))
            }
            Op::Expire { name, keep } => self.expire(name, *keep),
            Op::Drop { name } => {
                let gone = self.datasets.remove(name).ok_or(ErrorKind::NotFound)?;
                self.past.extend(gone.versions);
                Ok(Outcome::Done(Vec::new()))
            }
            Op::Rename { from, to } => {
                self.dataset(from)?;
                if self.datasets.contains_key(to) {
                    return Err(ErrorKind::Conflict);
                }
                let moved = self.datasets.remove(from).ok_or(ErrorKind::NotFound)?;
                self.datasets.insert(to.clone(), moved);
                Ok(Outcome::Done(Vec::new()))
            }
            Op::Collect | Op::Maintain => Ok(Outcome::Done(Vec::new())),
        }
    }

    fn dataset(&mut self, name: &str) -> Refusable<&mut Dataset> {
        self.datasets.get_mut(name).ok_or(ErrorKind::NotFound)
    }

    fn table(&self, name: &str) -> Refusable<&Table> {
        self.head(name).ok_or(ErrorKind::NotFound)
    }

    fn push(
        &mut self,
        name: &str,
        operation: &'static str,
        table: Table,
        counts: Vec<u64>,
    ) -> Outcome {
        let dataset = self.datasets.entry(name.to_owned()).or_default();
        let may_be_same = dataset.versions.last().is_some_and(|head| head.table == table);
        dataset.versions.push(Version { table, operation, commit: None });
        Outcome::Version { counts, may_be_same }
    }

    fn put(&mut self, put: &Put) -> Refusable<Outcome> {
        let name = &put.name;
        match put.mode {
            StoreMode::Overwrite => {
                let head = self.head(name);
                let kept = head.map(|head| head.key.clone()).unwrap_or_default();
                let kept = if put.table.has_columns(&kept) { kept } else { Vec::new() };
                let operation = if head.is_some() { "overwrite" } else { "create" };
                let table = Table { key: put.key.clone().unwrap_or(kept), ..put.table.clone() };
                let counts = vec![table.rows.len() as u64];
                let table = rightly_keyed(table)?;
                Ok(self.push(name, operation, table, counts))
            }
            StoreMode::Append => {
                let head = self.table(name)?;
                let rows = head.fitted(&put.table).ok_or(ErrorKind::Invalid)?;
                let mut table = grown(head, put)?;
                table.rows.extend(rows);
                let table = rightly_keyed(table)?;
                let counts = vec![table.rows.len() as u64];
                Ok(self.push(name, "append", table, counts))
            }
            StoreMode::Upsert => {
                let head = self.table(name)?;
                let mut table = grown(head, put)?;
                if table.key.is_empty() {
                    return Err(ErrorKind::Usage);
                }
                let rows = head.fitted(&put.table).ok_or(ErrorKind::Invalid)?;
                let new = rightly_keyed(Table { rows, ..table.clone() })?;
                table = rightly_keyed(table)?;
                let mut counts = table.upsert(new.rows).to_vec();
                counts.push(table.rows.len() as u64);
                Ok(self.push(name, "upsert", table, counts))
            }
        }
    }

    fn delete(&mut self, name: &str, rows: Option<&Predicate>) -> Refusable<Outcome> {
        let mut table = self.table(name)?.clone();
        if rows.is_some_and(|rows| !rows.fits(&table)) {
            return Err(ErrorKind::Invalid);
        }
        let whole = table.clone();
        let goes = |row: &Row| rows.is_none_or(|rows| rows.holds(&whole, row) == Some(true));
        table.rows.retain(|row| !goes(row));
        let left = table.rows.len() as u64;
        let gone = whole.rows.len() as u64 - left;
        if gone == 0 {
            return Ok(Outcome::Done(vec![0, left]));
        }
        Ok(self.push(name, "delete", table, vec![gone, left]))
    }

    fn restore(&mut self, name: &str, version: &Pick) -> Refusable<Outcome> {
        let dataset = self.dataset(name)?;
        let number = dataset.find(version).ok_or(ErrorKind::NotFound)?;
        let before = dataset.head().table.rows.len() as u64;
        let table = dataset.versions[number].table.clone();
        let counts = vec![table.rows.len() as u64, before];
        Ok(self.push(name, "restore", table, counts))
    }

    fn tag(&mut self, name: &str, tag: &str, pick: &Pick, force: bool) -> Refusable<Outcome> {
        let dataset = self.dataset(name)?;
        let number = dataset.find(pick).ok_or(ErrorKind::NotFound)?;
        if !force && dataset.tags.get(tag).is_some_and(|before| *before != number) {
            return Err(ErrorKind::Conflict);
        }
        dataset.tags.insert(tag.to_owned(), number);
        Ok(Outcome::Done(Vec::new()))
    }

    fn expire(&mut self, name: &str, keep: u64) -> Refusable<Outcome> {
        let dataset = self.dataset(name)?;
        let before = dataset.oldest;
        let oldest = dataset.versions.len() - (keep as usize).min(dataset.versions.len() - before);
        dataset.oldest = oldest;
        let tagged: BTreeSet<usize> = dataset.tags.values().copied().collect();
        let tagged = tagged.range(before..oldest).count() as u64;
        let kept = (dataset.versions.len() - oldest) as u64;
        Ok(Outcome::Done(vec![kept, (oldest - before) as u64, tagged]))
    }
}

fn rightly_keyed(table: Table) -> Refusable<Table> {
    if table.is_keyed_rightly() { Ok(table) } else { Err(ErrorKind::Invalid) }
}

/// The newest version with the key and the words that adding rows to it gives it.
fn grown(head: &Table, put: &Put) -> Refusable<Table> {
    let mut table = head.clone();
    if let Some(wanted) = &put.key {
        let set = |key: &[String]| key.iter().cloned().collect::<BTreeSet<String>>();
        if head.key.is_empty() {
            table.key.clone_from(wanted);
        } else if set(wanted) != set(&head.key) || wanted.len() != head.key.len() {
            return Err(ErrorKind::Invalid);
        }
    }
    table.words.extend(put.table.words.clone());
    Ok(table)
}

fn altered(head: &Table, change: &Change) -> Refusable<Table> {
    if change.drop.iter().any(|name| head.key.contains(name)) {
        return Err(ErrorKind::Usage);
    }
    if !change.drop.is_empty()
        && head.columns.iter().all(|column| change.drop.contains(&column.name))
    {
        return Err(ErrorKind::Usage);
    }
    let widened = change.widen.iter().map(|column| &column.name);
    let renamed = change.rename.iter().map(|(name, _)| name);
    if change.drop.iter().chain(widened).chain(renamed).any(|name| head.place(name).is_none()) {
        return Err(ErrorKind::Invalid);
    }
    let mut table =
        Table { columns: Vec::new(), rows: vec![Row::new(); head.rows.len()], ..head.clone() };
    for (place, column) in head.columns.iter().enumerate() {
        if change.drop.contains(&column.name) {
            continue;
        }
        let mut column = column.clone();
        if let Some(wide) = change.widen.iter().find(|wide| wide.name == column.name) {
            if wide.kind != column.kind && (column.kind, wide.kind) != (Kind::Int, Kind::Long) {
                return Err(ErrorKind::Invalid);
            }
            column.kind = wide.kind;
        }
        let new = change.rename.iter().find(|(name, _)| *name == column.name);
        column.name = new.map_or(column.name, |(_, new)| new.clone());
        table.columns.push(column);
        for (row, before) in table.rows.iter_mut().zip(&head.rows) {
            row.push(before[place].clone());
        }
    }
    for (column, value) in &change.add {
        table.columns.push(column.clone());
        table.rows.iter_mut().for_each(|row| row.push(value.clone()));
    }
    let names: BTreeSet<&String> = table.columns.iter().map(|column| &column.name).collect();
    if names.len() < table.columns.len() {
        return Err(ErrorKind::Invalid);
    }
    for name in &mut table.key {
        if let Some((_, new)) = change.rename.iter().find(|(old, _)| old == name) {
            name.clone_from(new);
        }
    }
    table.key = change.key.clone().unwrap_or(table.key);
    change.unset.iter().for_each(|word| drop(table.words.remove(word)));
    table.words.extend(change.set.clone());
    rightly_keyed(table)
}

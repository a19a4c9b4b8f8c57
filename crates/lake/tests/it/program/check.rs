//! What a lake has, read by every way to it, beside what the model says.

use std::collections::{BTreeMap, BTreeSet};

use cidlake::arrow::array::{ArrayRef, AsArray as _};
use cidlake::arrow::datatypes::{DataType, Int32Type, Int64Type};
use cidlake::{
    Cid, ColumnChange, DiffRequest, Error, ErrorKind, FsckLevel, GetOptions, Lake, LogEnd,
    LogOptions, no_progress,
};

use super::draw;
use super::model::{Dataset, Model, Version};
use super::table::{Cell, Column, Kind, Row, Table};
use crate::dice::Dice;

/// More versions than a program makes.
const VERSIONS_MAX: usize = 10_000;

/// What the catalog of a lake says: for each dataset its log, and tags by the numbers of versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    datasets: BTreeMap<String, SeenDataset>,
}

#[derive(Debug, PartialEq, Eq)]
struct SeenDataset {
    oldest: u64,
    /// Commit, operation and rows of the versions that are kept, oldest first.
    versions: Vec<(Cid, String, u64)>,
    tags: BTreeMap<String, Cid>,
}

/// Reads what the catalog says, and that the log agrees with itself.
pub async fn seen(lake: &Lake) -> Seen {
    let mut seen = Seen::default();
    for info in lake.datasets().await.unwrap() {
        assert_eq!(info.conflicts, 0, "{}", info.name);
        let options = LogOptions { limit: VERSIONS_MAX, from: None };
        let log = lake.log(&info.name, options).await.unwrap();
        let oldest = log.entries.last().expect("a dataset has a version").depth;
        let end = if oldest == 0 { LogEnd::First } else { LogEnd::Expired };
        assert_eq!((log.name.as_ref(), log.end), (Some(&info.name), end));
        let tags = lake.tags(&info.name).await.unwrap();
        for (back, entry) in (0_u64..).zip(&log.entries) {
            assert_eq!((entry.back, entry.depth), (Some(back), log.entries[0].depth - back));
            let before = log.entries.get(back as usize + 1).map(|before| before.rows);
            assert_eq!(entry.rows_before, before, "{}~{back}", info.name);
            let of_this = tags.iter().filter(|tag| tag.commit == entry.commit);
            let of_this: Vec<&String> = of_this.map(|tag| &tag.tag).collect();
            assert_eq!(entry.tags.iter().collect::<Vec<_>>(), of_this);
        }
        assert_eq!((info.commit, info.rows), (log.entries[0].commit, log.entries[0].rows));
        let version = |entry: cidlake::LogEntry| (entry.commit, entry.operation, entry.rows);
        let versions = log.entries.into_iter().rev().map(version).collect();
        let tags = tags.into_iter().map(|tag| (tag.tag, tag.commit)).collect();
        seen.datasets.insert(info.name, SeenDataset { oldest, versions, tags });
    }
    seen
}

impl Seen {
    /// Says in what a model differs from this. The commit of a version that was just made is taken
    /// over: nobody can know it before.
    pub fn compare(&self, model: &mut Model) -> Result<(), String> {
        let names: Vec<&String> = model.datasets.keys().collect();
        let found: Vec<&String> = self.datasets.keys().collect();
        if names != found {
            return Err(format!("the datasets are {found:?} and not {names:?}"));
        }
        let mut learnt = model.clone();
        for (name, dataset) in &mut learnt.datasets {
            let seen = &self.datasets[name];
            if let Some((commit, ..)) = seen.versions.last() {
                let head = dataset.versions.last_mut().expect("a version");
                head.commit.get_or_insert(*commit);
            }
            let expected = expected(dataset);
            if *seen != expected {
                return Err(format!("{name} is {seen:#?}\nand not {expected:#?}"));
            }
        }
        *model = learnt;
        Ok(())
    }
}

fn expected(dataset: &Dataset) -> SeenDataset {
    let known = |version: &Version| version.commit.expect("the commit is known");
    let version = |version: &Version| {
        (known(version), version.operation.to_owned(), version.table.rows.len() as u64)
    };
    SeenDataset {
        oldest: dataset.oldest as u64,
        versions: dataset.versions[dataset.oldest..].iter().map(version).collect(),
        tags: dataset
            .tags
            .iter()
            .map(|(tag, number)| (tag.clone(), known(&dataset.versions[*number])))
            .collect(),
    }
}

/// Reads the rows that a reference means, in the columns that they have.
pub async fn rows(lake: &Lake, text: &str, options: GetOptions) -> Result<Table, Error> {
    let rows = lake.get(text, options).await?;
    let kind = |kind: &DataType| match kind {
        DataType::Int32 => Kind::Int,
        DataType::Int64 => Kind::Long,
        DataType::Utf8 => Kind::Text,
        other => panic!("{text} has a column of type {other}"),
    };
    let fields = rows.schema();
    let columns = fields
        .fields()
        .iter()
        .map(|field| Column { name: field.name().clone(), kind: kind(field.data_type()) });
    let mut table = Table { columns: columns.collect(), ..Table::default() };
    for batch in rows.collect().await? {
        for row in 0..batch.num_rows() {
            table.rows.push(batch.columns().iter().map(|column| cell(column, row)).collect());
        }
    }
    Ok(table)
}

fn cell(column: &ArrayRef, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Int32 => Cell::Number(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Number(column.as_primitive::<Int64Type>().value(row)),
        _ => Cell::Text(column.as_string::<i32>().value(row).to_owned()),
    }
}

/// Compares a version with what a reference means.
async fn check_version(lake: &Lake, text: &str, version: &Version) -> Option<String> {
    let shown = lake.show(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(shown.commit, version.commit, "{text}");
    assert_eq!(shown.key_columns, version.table.key, "the key of {text}");
    assert_eq!(shown.metadata, version.table.words, "the words of {text}");
    assert_eq!(shown.operation.as_deref(), Some(version.operation), "{text}");
    let read = rows(lake, text, GetOptions::default()).await;
    let read = read.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(read.columns, version.table.columns, "the columns of {text}");
    assert_eq!(read.rows, version.table.rows, "the rows of {text}");
    shown.logical_hash
}

/// Compares the newest versions with the model, one way to a version of each, and a condition.
pub async fn check_heads(lake: &Lake, model: &Model, dice: &mut Dice) {
    for (name, dataset) in &model.datasets {
        let head = dataset.head();
        check_version(lake, name, head).await;
        let condition = draw::predicate(dice, &head.table, 2);
        let options = GetOptions { filter: Some(condition.sql()), ..GetOptions::default() };
        let read = rows(lake, name, options).await.unwrap();
        let mut expected = head.table.rows.clone();
        expected.retain(|row| condition.holds(&head.table, row) == Some(true));
        assert_eq!(read.rows, expected, "{name} where {}", condition.sql());
    }
}

/// Compares every version that can be had with the model, and asks for those that cannot.
pub async fn check_all(lake: &Lake, model: &Model) {
    let mut hashes: BTreeMap<String, (Vec<Column>, Vec<Row>)> = BTreeMap::new();
    let mut note = |hash: Option<String>, table: &Table| {
        let rows = (table.columns.clone(), table.rows.clone());
        let known = hashes.entry(hash.expect("a logical hash")).or_insert_with(|| rows.clone());
        assert_eq!(*known, rows, "two tables have one logical hash");
    };
    for (name, dataset) in &model.datasets {
        let newest = dataset.versions.len() - 1;
        for (number, version) in dataset.versions.iter().enumerate().skip(dataset.oldest) {
            let commit = version.commit.expect("the commit is known");
            let (back, at) = (format!("{name}~{}", newest - number), format!("{name}@{commit}"));
            for text in [back, at, commit.to_string()] {
                let hash = check_version(lake, &text, version).await;
                note(hash, &version.table);
            }
        }
        for (tag, number) in &dataset.tags {
            let version = &dataset.versions[*number];
            let hash = check_version(lake, &format!("{name}@{tag}"), version).await;
            note(hash, &version.table);
        }
        check_refused(lake, name, dataset).await;
    }
    let hashed: BTreeSet<_> = hashes.values().collect();
    assert_eq!(hashed.len(), hashes.len(), "one table has two logical hashes");
    for version in &model.past {
        let commit = version.commit.expect("the commit is known").to_string();
        check_gone(lake, &commit, version).await;
    }
}

/// Versions that expired are refused by name, and their commits never stand for other rows.
async fn check_refused(lake: &Lake, name: &str, dataset: &Dataset) {
    let beyond = format!("{name}~{}", dataset.versions.len() - dataset.oldest);
    let mut refused = vec![beyond, format!("{name}@2001-01-01")];
    for version in &dataset.versions[..dataset.oldest] {
        let commit = version.commit.expect("the commit is known");
        refused.push(format!("{name}@{commit}"));
        check_gone(lake, &commit.to_string(), version).await;
    }
    for text in refused {
        let error = lake.show(&text).await.expect_err("a version that is not kept");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}: {error}");
        let said = error.to_string();
        assert!(said.contains(name), "{said} does not name {name}");
        assert_eq!(said.contains("expired"), dataset.oldest > 0, "{text}: {said}");
    }
}

/// A commit that nothing keeps is what it was, as long as it is there.
async fn check_gone(lake: &Lake, commit: &str, version: &Version) {
    match rows(lake, commit, GetOptions::default()).await {
        Ok(read) => assert_eq!(read.rows, version.table.rows, "the rows of {commit}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{commit}: {error}"),
    }
}

/// Compares two versions of whichever datasets.
pub async fn check_difference(lake: &Lake, model: &Model, dice: &mut Dice) {
    let names: Vec<&String> = model.datasets.keys().collect();
    if names.is_empty() {
        return;
    }
    let mut any = || {
        let name = names[dice.below(names.len() as u64) as usize];
        let dataset = &model.datasets[name];
        let pick = draw::pick(dice, dataset);
        let number = dataset.find(&pick)?;
        Some((format!("{name}{}", dataset.suffix(&pick)), &dataset.versions[number].table))
    };
    let (Some((a, before)), Some((b, after))) = (any(), any()) else { return };
    let set = |table: &Table| table.key.iter().cloned().collect::<BTreeSet<String>>();
    let common = if set(before) == set(after) { after.key.clone() } else { Vec::new() };
    let whole = dice.below(3) == 0;
    let key = if whole { Vec::new() } else { common };
    let request = DiffRequest { key: whole.then(Vec::new), samples_max: 5 };
    let found = lake.diff(&a, &b, request, no_progress()).await;
    let Some(expected) = before.differing(after, &key) else {
        let error = found.expect_err("no key of both");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{a} {b}: {error}");
        return;
    };
    let found = found.unwrap_or_else(|error| panic!("{a} {b}: {error}")).table;
    let counts = [found.rows_removed, found.rows_added, found.rows_changed];
    assert_eq!(counts, expected.rows, "{a} {b} by {key:?}: {before:?} {after:?}");
    let changed: BTreeMap<String, u64> = found.columns_changed.into_iter().collect();
    assert_eq!(changed, expected.columns_changed, "{a} {b} by {key:?}");
    let names = |wanted: ColumnChange| -> Vec<String> {
        let changes = found.columns.iter().filter(|column| column.change == wanted);
        changes.map(|column| column.name.clone()).collect()
    };
    let [removed, added, common] = before.columns_beside(after);
    assert_eq!((names(ColumnChange::Removed), names(ColumnChange::Added)), (removed, added));
    let kind = |table: &Table, name: &str| table.columns[table.place(name).unwrap()].kind;
    let retyped: BTreeSet<String> =
        common.into_iter().filter(|name| kind(before, name) != kind(after, name)).collect();
    assert_eq!(names(ColumnChange::Retyped).into_iter().collect::<BTreeSet<_>>(), retyped);
}

/// Reads everything that is on the disk.
pub async fn check_disk(lake: &Lake) {
    let report = lake.fsck(FsckLevel::Full, no_progress()).await.unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
}

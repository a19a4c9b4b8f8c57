//! Tests of the index against what it is made of.

use std::path::Path;

use cidlake_query::arrow::compute::concat_batches;

use super::*;
use crate::expire::Keep;
use crate::ingest::Source;
use crate::progress::no_progress;
use crate::samples::{now, open};
use crate::tags::TagRequest;
use crate::write::{StoreMode, StoreRequest};
use crate::{FindCondition, FindRequest, FoundKind, Lake};

fn store(lake: &Lake, name: &str, mode: StoreMode, text: &str) {
    let source = Source::Bytes { label: "rows.csv".into(), data: text.to_owned().into() };
    let request = StoreRequest {
        sources: vec![source],
        name: Some(name.to_owned()),
        mode,
        ..StoreRequest::default()
    };
    now(lake.store(request, no_progress())).unwrap();
}

fn append(lake: &Lake, name: &str, number: u32) {
    store(lake, name, StoreMode::Append, &format!("a,b\n{number},x{number}\n"));
}

/// All rows of the index, as they are and as they are when everything is made anew.
fn both(lake: &Lake) -> [Vec<RecordBatch>; 2] {
    let all = |lake: &Lake| {
        let published = lake.inner.indexed().unwrap();
        let table =
            |table: Table| concat_batches(&table.schema(), &published.batches(table)).unwrap();
        Table::ALL.map(table).to_vec()
    };
    let before = all(lake);
    lake.inner.forget_index();
    [before, all(lake)]
}

fn check(lake: &Lake) {
    let [before, anew] = both(lake);
    assert_eq!(before, anew);
}

fn find(lake: &Lake, conditions: &[&str], all_versions: bool) -> Vec<(FoundKind, String, u64)> {
    let conditions = conditions.iter().map(|text| FindCondition::parse(text).unwrap()).collect();
    let request = FindRequest { conditions, all_versions, limit: None };
    let found = now(lake.find(request)).unwrap().into_iter();
    found.map(|one| (one.kind, one.name.unwrap_or_default(), one.rows.unwrap_or(0))).collect()
}

/// A lake in which something of everything happened.
fn busy(folder: &Path) -> Lake {
    let lake = open(folder);
    for name in ["t", "u", "sales.v"] {
        store(&lake, name, StoreMode::Overwrite, "a,b\n0,x\n");
    }
    drop(lake.inner.indexed().unwrap());
    (1..6).for_each(|number| append(&lake, "t", number));
    lake
}

#[test]
fn the_index_is_what_it_is_when_everything_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let lake = busy(folder.path());
    check(&lake);
    // A dataset that grew: its older rows were taken over.
    append(&lake, "t", 7);
    check(&lake);
    let version = Some("~2".to_owned());
    now(lake.tag("t", TagRequest { tag: "v1".to_owned(), version, force: false })).unwrap();
    check(&lake);
    append(&lake, "t", 8);
    check(&lake);
    now(lake.expire("t", Keep::parse("3").unwrap(), false)).unwrap();
    check(&lake);
    append(&lake, "t", 9);
    check(&lake);
    now(lake.rename("t", "w")).unwrap();
    now(lake.drop_dataset("u")).unwrap();
    check(&lake);
    store(&lake, "u", StoreMode::Overwrite, "c\n1\n");
    check(&lake);
    // What other processes do is seen, too.
    append(&open(folder.path()), "w", 10);
    check(&lake);
}

#[test]
fn history_that_comes_later_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let from = busy(folder.path());
    let archive = |history: bool| {
        let path = folder.path().join(format!("{history}.car"));
        now(from.export("t", path.clone(), history, no_progress())).unwrap();
        path
    };
    let other = tempfile::tempdir().unwrap();
    let lake = open(other.path());
    let versions = |lake: &Lake| find(lake, &["name = t"], true).len();
    now(lake.import(archive(false), Some("t".to_owned()), no_progress())).unwrap();
    assert_eq!(versions(&lake), 1);
    assert!(lake.inner.snapshot_index().unwrap());
    now(lake.import(archive(true), Some("t".to_owned()), no_progress())).unwrap();
    assert_eq!(versions(&lake), 6);
    check(&lake);
    assert_eq!(versions(&open(other.path())), 6);
}

#[test]
fn a_snapshot_is_taken_up_and_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let lake = busy(folder.path());
    assert!(lake.inner.snapshot_index().unwrap());
    assert!(!lake.inner.snapshot_index().unwrap());
    append(&lake, "t", 7);
    now(lake.drop_dataset("u")).unwrap();
    let opened = open(folder.path());
    drop(opened.inner.indexed().unwrap());
    assert!(!opened.inner.index.lock().unwrap().pieces.is_empty());
    let [loaded, anew] = both(&opened);
    assert_eq!(loaded, anew);
    // A newer one takes its place.
    assert!(opened.inner.snapshot_index().unwrap());
    assert_eq!(opened.inner.store.derived_names().unwrap().len(), 4);
}

#[test]
fn a_snapshot_that_is_damaged_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let lake = busy(folder.path());
    assert!(lake.inner.snapshot_index().unwrap());
    for name in lake.inner.store.derived_names().unwrap() {
        let path = folder.path().join("lake/index").join(&name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        for content in [&bad[..], &good[..good.len() - 1], b""] {
            std::fs::write(&path, content).unwrap();
            let opened = open(folder.path());
            let [before, anew] = both(&opened);
            assert_eq!(before, anew, "{name}");
        }
        std::fs::write(&path, good).unwrap();
    }
}

#[test]
fn many_changes_join_the_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let lake = busy(folder.path());
    for number in 0..2 * PIECES_MAX as u32 {
        append(&lake, if number % 3 == 0 { "t" } else { "u" }, 10 + number);
        drop(lake.inner.indexed().unwrap());
    }
    assert!(lake.inner.index.lock().unwrap().pieces.len() <= PIECES_MAX);
    check(&lake);
}

#[test]
fn versions_and_whatever_has_an_address_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let lake = busy(folder.path());
    let version = |name: &str, rows| (FoundKind::Version, name.to_owned(), rows);
    assert_eq!(find(&lake, &["rows > 1"], false), [version("t", 6)]);
    let older: Vec<u64> = find(&lake, &["name = t"], true).iter().map(|found| found.2).collect();
    assert_eq!(older, [6, 5, 4, 3, 2, 1]);
    assert_eq!(find(&lake, &["namespace = sales", "column = a"], false), [version("sales.v", 1)]);
    let shown = now(lake.show("t~3")).unwrap();
    for cid in [shown.cid, shown.commit.unwrap()] {
        assert_eq!(find(&lake, &[&cid.to_string()], false), [version("t", 3)]);
    }
    let newest = now(lake.show("t")).unwrap();
    let part = newest.parts.last().unwrap();
    assert_eq!(
        find(&lake, &[&part.cid.to_string()], false),
        [(FoundKind::Part, "t".to_owned(), part.rows)]
    );
    now(lake.pin("t~1", Some("kept".to_owned()))).unwrap();
    let pinned = now(lake.show("t~1")).unwrap().commit.unwrap().to_string();
    let kinds: Vec<FoundKind> = find(&lake, &[&pinned], false).iter().map(|one| one.0).collect();
    assert_eq!(kinds, [FoundKind::Version, FoundKind::Pin]);
    let delta = lake.inner.refresh().unwrap().catalog.heads()[0].to_string();
    assert_eq!(find(&lake, &[&delta], false)[0].0, FoundKind::Block);
    assert!(find(&lake, &["name = nobody"], true).is_empty());
}

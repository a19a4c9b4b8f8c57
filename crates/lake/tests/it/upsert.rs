//! Keys, and rows that are put in by them.

use std::collections::BTreeMap;

use cidlake::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{
    BatchSource, DeleteRequest, Doomed, Error, ErrorKind, FsckLevel, Lake, Source, StoreMode,
    StoreRequest, Stored, no_progress,
};
use proptest::prelude::*;
use tokio::runtime::Handle;

use crate::{Place, get, metadata, named, run, store};

fn key(columns: &[&str]) -> Option<Vec<String>> {
    Some(columns.iter().map(ToString::to_string).collect())
}

fn with(mode: StoreMode, name: &str, rows: &str) -> StoreRequest {
    StoreRequest { mode, ..named(name, rows) }
}

async fn put(lake: &Lake, request: StoreRequest) -> Result<Stored, Error> {
    lake.store(request, no_progress()).await
}

async fn keyed(lake: &Lake, name: &str, columns: &[&str], rows: &str) -> Result<Stored, Error> {
    put(lake, StoreRequest { key: key(columns), ..named(name, rows) }).await
}

async fn append(lake: &Lake, name: &str, rows: &str) -> Result<Stored, Error> {
    put(lake, with(StoreMode::Append, name, rows)).await
}

async fn upsert(lake: &Lake, name: &str, rows: &str) -> Result<Stored, Error> {
    put(lake, with(StoreMode::Upsert, name, rows)).await
}

/// Rows updated, inserted and unchanged, and parts touched.
fn done(stored: &Stored) -> (u64, u64, u64, u64) {
    let done = stored.upserted.unwrap();
    (done.rows_updated, done.rows_inserted, done.rows_unchanged, done.parts_touched)
}

#[test]
fn rows_take_the_place_of_those_that_have_their_key() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        keyed(&lake, "t", &["id"], "id,w\n3,c\n1,a\n2,b\n").await.unwrap();
        append(&lake, "t", "id,w\n6,f\n5,e\n").await.unwrap();
        append(&lake, "t", "id,w\n9,i\n").await.unwrap();
        let before = lake.show("t").await.unwrap();

        // Columns in another order, as for an append.
        let stored = upsert(&lake, "t", "w,id\nE,5\nnew,4\nb,2\nC,3\nnew,7\n").await.unwrap();
        assert_eq!(done(&stored), (2, 2, 1, 2));
        assert_eq!((stored.rows, stored.key_columns.as_slice()), (8, &["id".to_owned()][..]));
        let expected = "3,C;1,a;2,b;6,f;5,E;9,i;4,new;7,new";
        assert_eq!(get(&lake, "t").await.unwrap(), expected);
        let after = lake.show("t").await.unwrap();
        assert_eq!((after.operation.as_deref(), after.parts.len()), (Some("upsert"), 4));
        assert_eq!(after.parts[2].cid, before.parts[2].cid, "no key of it came");
        assert_eq!(after.key_columns, ["id"]);
        assert_eq!(get(&lake, "t~1").await.unwrap(), "3,c;1,a;2,b;6,f;5,e;9,i");
        // The same rows stored afresh have the same logical hash.
        let rows = format!("id,w\n{}\n", expected.replace(';', "\n"));
        let fresh = store(&lake, "fresh", &rows).await;
        let fresh = lake.show(&fresh.commit.to_string()).await.unwrap();
        assert_eq!(after.logical_hash, fresh.logical_hash);
        assert!(lake.fsck(FsckLevel::Full, no_progress()).await.unwrap().damage.is_empty());

        // Rows that are there as they are change nothing, and write nothing.
        let again = upsert(&lake, "t", "id,w\n5,E\n7,new\n").await.unwrap();
        assert_eq!((done(&again), again.new_bytes), ((0, 0, 2, 0), 0));
        assert!(again.unchanged);
        assert_eq!(again.commit, stored.commit);
    });
}

#[test]
fn a_dataset_gets_its_key_when_rows_are_first_put_in_by_it() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "id,w\n1,a\n2,a\n").await;
        let error = upsert(&lake, "t", "id,w\n2,b\n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint().unwrap().contains("--key"), "{error}");
        let by = |columns: &[&str], rows: &str| StoreRequest {
            key: key(columns),
            ..with(StoreMode::Upsert, "t", rows)
        };
        let error = put(&lake, by(&["w"], "id,w\n2,b\n")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("w = a occurs twice, in rows 0 and 1"), "{error}");
        assert!(lake.show("t").await.unwrap().key_columns.is_empty());

        let stored = put(&lake, by(&["id"], "id,w\n2,b\n")).await.unwrap();
        assert_eq!((done(&stored), stored.key_columns), ((1, 0, 0, 1), vec!["id".to_owned()]));
        let error = put(&lake, by(&["w"], "id,w\n2,b\n")).await.unwrap_err();
        assert!(error.to_string().contains("has the key id, and not w"), "{error}");
        put(&lake, by(&["id"], "id,w\n2,c\n")).await.unwrap();

        // An append may give it one as well.
        store(&lake, "u", "id,w\n1,a\n").await;
        let give =
            |rows: &str| StoreRequest { key: key(&["id"]), ..with(StoreMode::Append, "u", rows) };
        let error = put(&lake, give("id,w\n1,a\n")).await.unwrap_err();
        assert!(error.to_string().contains("key id = 1 of row 0 is in u already"), "{error}");
        assert_eq!(put(&lake, give("id,w\n2,a\n")).await.unwrap().key_columns, ["id"]);
        let error = upsert(&lake, "nosuch", "id\n1\n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let unnamed = StoreRequest { name: None, ..with(StoreMode::Upsert, "t", "id,w\n1,a\n") };
        assert_eq!(put(&lake, unnamed).await.unwrap_err().kind(), ErrorKind::Usage);
    });
}

#[test]
fn a_key_is_kept_and_checked_by_every_later_version() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        keyed(&lake, "t", &["a", "b"], "a,b,x\n1,p,0\n1,q,0\n").await.unwrap();
        let error = append(&lake, "t", "a,b,x\n2,p,0\n1,q,5\n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("key (a, b) = (1, q) of row 1"), "{error}");
        assert!(error.hint().unwrap().contains("--upsert"), "{error}");
        append(&lake, "t", "a,b,x\n2,p,0\n1,r,5\n").await.unwrap();
        let error = append(&lake, "t", "a,b,x\n7,p,0\n8,p,0\n7,p,1\n").await.unwrap_err();
        assert!(error.to_string().contains("occurs twice, in rows 0 and 2"), "{error}");
        let error = put(&lake, named("t", "a,b,x\n7,p,0\n7,p,1\n")).await.unwrap_err();
        assert!(error.to_string().contains("occurs twice, in rows 0 and 1"), "{error}");
        assert_eq!(get(&lake, "t").await.unwrap().split(';').count(), 4);

        // Storing it again keeps the key, changes it, or lets it go.
        let stored = put(&lake, named("t", "a,b,x\n7,p,0\n7,q,1\n")).await.unwrap();
        assert_eq!(stored.key_columns, ["a", "b"]);
        let stored = keyed(&lake, "t", &["x"], "a,b,x\n7,p,0\n7,p,1\n").await.unwrap();
        assert_eq!(stored.key_columns, ["x"]);
        let stored = keyed(&lake, "t", &[], "a,b,x\n7,p,0\n7,p,0\n").await.unwrap();
        assert!(stored.key_columns.is_empty());
        append(&lake, "t", "a,b,x\n7,p,0\n").await.unwrap();

        // A delete keeps it, also one that leaves nothing.
        keyed(&lake, "t", &["x"], "a,b,x\n7,p,0\n7,p,1\n").await.unwrap();
        let all = DeleteRequest { rows: Doomed::All, dry_run: false, message: None };
        lake.delete("t", all, no_progress()).await.unwrap();
        assert_eq!(lake.show("t").await.unwrap().key_columns, ["x"]);
        let stored = upsert(&lake, "t", "a,b,x\n7,p,0\n").await.unwrap();
        assert_eq!((done(&stored), stored.rows), ((0, 1, 0, 0), 1));
    });
}

#[test]
fn what_identifies_no_row_is_refused_by_name() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let cases = [
            (&["ids"][..], "id,w\n1,a\n", "ids"),
            (&["x"], "id,x\n1,0.5\n", "Float64 cannot be a key"),
            (&["id", "id"], "id,x\n1,0.5\n", "twice"),
            (&["id"], "id,w\n1,a\n,b\n", "key id is null in row 1"),
            (&["id"], "id,w\n1,a\n2,b\n1,c\n", "key id = 1 occurs twice, in rows 0 and 2"),
        ];
        for (columns, rows, expected) in cases {
            let error = keyed(&lake, "t", columns, rows).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(lake.datasets().await.unwrap().is_empty());
        keyed(&lake, "t", &["id"], "id,w\n1,a\n2,b\n").await.unwrap();
        for (rows, expected) in [
            ("id,w\n3,a\n3,b\n", "key id = 3 occurs twice, in rows 0 and 1"),
            ("id,w\n3,a\n,b\n", "key id is null in row 1"),
            ("id\n3\n", "w"),
            ("id,w\nx,a\n", "id"),
        ] {
            let error = upsert(&lake, "t", rows).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(get(&lake, "t").await.unwrap(), "1,a;2,b");
    });
}

/// Rows with a column of noise, so that a part has many leaves.
fn noise(ids: std::ops::Range<i64>, x: f64) -> Source {
    let word = |n: i64| format!("{:032x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", std::sync::Arc::new(Int64Array::from_iter_values(ids.clone()))),
        ("word", std::sync::Arc::new(StringArray::from_iter_values(ids.clone().map(word)))),
        ("x", std::sync::Arc::new(Float64Array::from_iter_values(ids.map(|_| x)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    Source::Batches(BatchSource {
        label: "noise".into(),
        schema: batch.schema(),
        batches: Box::new(std::iter::once(Ok(batch))),
        rows_total: None,
    })
}

#[test]
fn a_change_of_one_column_writes_little() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let create = StoreRequest {
            sources: vec![noise(0..100_000, 0.0)],
            key: key(&["id"]),
            ..named("t", "")
        };
        let stored = put(&lake, create).await.unwrap();
        let change = StoreRequest {
            sources: vec![noise(50_000..50_100, 1.0)],
            ..with(StoreMode::Upsert, "t", "")
        };
        let changed = put(&lake, change).await.unwrap();
        assert_eq!(done(&changed), (100, 0, 0, 1));
        assert!(changed.new_bytes * 4 < stored.bytes, "{} of {}", changed.new_bytes, stored.bytes);
    });
}

/// Rows that are `rows`, and while they are read `work` is done.
fn meanwhile<W: Future<Output = ()> + Send + 'static>(
    rows: &[(i64, &str)],
    work: impl FnOnce() -> W + Send + 'static,
) -> Vec<Source> {
    let ids: ArrayRef =
        std::sync::Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let words: ArrayRef =
        std::sync::Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
    let batch = RecordBatch::try_from_iter([("id", ids), ("w", words)]).unwrap();
    let (schema, runtime) = (batch.schema(), Handle::current());
    let batches = std::iter::once_with(move || {
        runtime.block_on(work());
        Ok(batch)
    });
    let label = "rows".into();
    vec![Source::Batches(BatchSource {
        label,
        schema,
        batches: Box::new(batches),
        rows_total: None,
    })]
}

#[test]
fn keys_that_others_add_meanwhile_are_seen() {
    run(async {
        let place = Place::new();
        let (lake, other) = (place.open().await, place.open().await);
        keyed(&lake, "t", &["id"], "id,w\n1,a\n").await.unwrap();
        let theirs = |rows: &'static str| {
            let other = other.clone();
            move || async move { drop(append(&other, "t", rows).await.unwrap()) }
        };
        let request = |mode, sources| StoreRequest { sources, ..with(mode, "t", "") };

        let same = meanwhile(&[(5, "mine")], theirs("id,w\n5,theirs\n"));
        let error = put(&lake, request(StoreMode::Append, same)).await.unwrap_err();
        assert!(error.to_string().contains("key id = 5 of row 0 is in t already"), "{error}");
        let apart = meanwhile(&[(6, "mine")], theirs("id,w\n7,theirs\n"));
        put(&lake, request(StoreMode::Append, apart)).await.unwrap();
        assert_eq!(get(&lake, "t").await.unwrap(), "1,a;5,theirs;7,theirs;6,mine");

        let both = meanwhile(&[(8, "mine"), (1, "A")], theirs("id,w\n8,theirs\n"));
        let stored = put(&lake, request(StoreMode::Upsert, both)).await.unwrap();
        assert_eq!(done(&stored), (2, 0, 0, 2));
        assert_eq!(get(&lake, "t").await.unwrap(), "1,A;5,theirs;7,theirs;6,mine;8,mine");
    });
}

#[test]
fn another_key_or_other_columns_meanwhile_are_a_conflict() {
    run(async {
        let place = Place::new();
        let (lake, other) = (place.open().await, place.open().await);
        let theirs = |columns: &'static [&'static str], rows: &'static str| {
            let other = other.clone();
            move || async move { drop(keyed(&other, "t", columns, rows).await.unwrap()) }
        };
        let cases = [
            (StoreMode::Append, &[][..], &["id"][..], "id,w\n1,b\n"),
            (StoreMode::Overwrite, &["w"], &["id"], "id,w\n1,b\n"),
            (StoreMode::Append, &["id"], &["w"], "id,w\n1,b\n"),
            (StoreMode::Upsert, &["id"], &["w"], "id,w\n1,b\n"),
            (StoreMode::Upsert, &["id"], &["id"], "id,w,more\n1,b,0\n"),
        ];
        for (mode, before, then, rows) in cases {
            keyed(&lake, "t", before, "id,w\n1,a\n").await.unwrap();
            let sources = meanwhile(&[(5, "mine")], theirs(then, rows));
            let request = StoreRequest { sources, ..with(mode, "t", "") };
            let error = put(&lake, request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{mode:?}: {error}");
        }
    });
}

#[test]
fn metadata_is_added_to_what_is_there() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let create = StoreRequest {
            key: key(&["id"]),
            metadata: metadata(&[("a", "1"), ("b", "1")]),
            ..named("t", "id,w\n1,a\n")
        };
        put(&lake, create).await.unwrap();
        let change = StoreRequest {
            metadata: metadata(&[("b", "2")]),
            message: Some("one".into()),
            ..with(StoreMode::Upsert, "t", "id,w\n1,b\n")
        };
        put(&lake, change).await.unwrap();
        let shown = lake.show("t").await.unwrap();
        assert_eq!(shown.metadata, metadata(&[("a", "1"), ("b", "2")]));
        assert_eq!(shown.message.as_deref(), Some("one"));
    });
}

/// One thing done to a dataset of ids and words.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(i64, usize)>),
    Upsert(BTreeMap<i64, usize>),
    DeleteIds(i64, i64),
    DeleteWord(usize),
    Compact,
}

const WORDS: [&str; 4] = ["a", "bb", "ccc", "d"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = || (0_i64..25, 0_usize..4);
    let step = prop_oneof![
        2 => prop::collection::vec(row(), 1..5).prop_map(Step::Append),
        4 => prop::collection::btree_map(0_i64..25, 0_usize..4, 1..8).prop_map(Step::Upsert),
        2 => (0_i64..25, 0_i64..8).prop_map(|(from, len)| Step::DeleteIds(from, from + len)),
        1 => (0_usize..4).prop_map(Step::DeleteWord),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..10)
}

fn as_csv(rows: impl IntoIterator<Item = (i64, usize)>) -> String {
    let rows = rows.into_iter().map(|(id, word)| format!("{id},{}\n", WORDS[word]));
    format!("id,w\n{}", rows.collect::<String>())
}

/// Does a step to the lake and to the rows that it should have.
async fn step(lake: &Lake, rows: &mut Vec<(i64, usize)>, step: &Step) {
    match step {
        Step::Append(new) => {
            let mut all = rows.clone();
            all.extend(new);
            let mut ids: Vec<i64> = all.iter().map(|row| row.0).collect();
            ids.sort_unstable();
            let is_new = ids.windows(2).all(|pair| pair[0] != pair[1]);
            let appended = append(lake, "t", &as_csv(new.clone())).await;
            assert_eq!(appended.is_ok(), is_new, "{appended:?}");
            if is_new {
                *rows = all;
            }
        }
        Step::Upsert(new) => {
            let before = rows.clone();
            let (mut left, mut updated) = (new.clone(), 0);
            for row in rows.iter_mut() {
                if let Some(word) = left.remove(&row.0) {
                    updated += u64::from(row.1 != word);
                    row.1 = word;
                }
            }
            let inserted = left.len() as u64;
            rows.extend(left);
            let stored = upsert(lake, "t", &as_csv(new.clone())).await.unwrap();
            let unchanged = new.len() as u64 - updated - inserted;
            let (now_updated, now_inserted, now_unchanged, _) = done(&stored);
            let counts = (now_updated, now_inserted, now_unchanged);
            assert_eq!(counts, (updated, inserted, unchanged));
            assert_eq!(stored.unchanged, before == *rows);
        }
        Step::DeleteIds(from, to) => {
            let text = format!("id >= {from} AND id < {to}");
            let stay = |row: &(i64, usize)| !(*from..*to).contains(&row.0);
            delete(lake, rows, text, stay).await;
        }
        Step::DeleteWord(word) => {
            delete(lake, rows, format!("w = '{}'", WORDS[*word]), |row| row.1 != *word).await;
        }
        Step::Compact => drop(lake.compact("t", no_progress()).await.unwrap()),
    }
}

async fn delete(
    lake: &Lake,
    rows: &mut Vec<(i64, usize)>,
    text: String,
    stay: impl Fn(&(i64, usize)) -> bool,
) {
    let before = rows.len() as u64;
    rows.retain(stay);
    let request = DeleteRequest { rows: Doomed::Where(text), dry_run: false, message: None };
    let deleted = lake.delete("t", request, no_progress()).await.unwrap();
    let left = rows.len() as u64;
    assert_eq!((deleted.rows_deleted, deleted.rows), (before - left, left));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_dataset_is_what_a_list_would_be(
        first in prop::collection::btree_map(0_i64..25, 0_usize..4, 1..12),
        steps in steps(),
    ) {
        run(async {
            let place = Place::new();
            let lake = place.open().await;
            let mut rows: Vec<(i64, usize)> = first.into_iter().rev().collect();
            keyed(&lake, "t", &["id"], &as_csv(rows.clone())).await.unwrap();
            for next in &steps {
                step(&lake, &mut rows, next).await;
                let expected: Vec<String> =
                    rows.iter().map(|(id, word)| format!("{id},{}", WORDS[*word])).collect();
                assert_eq!(get(&lake, "t").await.unwrap(), expected.join(";"), "{next:?}");
            }
            assert_eq!(lake.show("t").await.unwrap().key_columns, ["id"]);
            if !rows.is_empty() {
                store(&lake, "fresh", &as_csv(rows)).await;
                let hash = |shown: cidlake::Shown| shown.logical_hash;
                let (t, fresh) = (lake.show("t").await.unwrap(), lake.show("fresh").await.unwrap());
                assert_eq!(hash(t), hash(fresh));
            }
            let report = lake.fsck(FsckLevel::Full, no_progress()).await.unwrap();
            assert!(report.damage.is_empty(), "{report:?}");
        });
    }
}

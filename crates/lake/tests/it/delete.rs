//! Rows that go by a condition: what stays, what is written, and what others do meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cidlake::{
    DeleteRequest, Deleted, Doomed, Error, ErrorKind, FsckLevel, Lake, Progress, StoreMode,
    StoreRequest, no_progress,
};
use tokio::runtime::Handle;

use crate::{Place, get, metadata, named, run, sql, store};

fn matching(text: &str) -> DeleteRequest {
    DeleteRequest { rows: Doomed::Where(text.to_owned()), dry_run: false, message: None }
}

async fn delete(lake: &Lake, name: &str, text: &str) -> Result<Deleted, Error> {
    lake.delete(name, matching(text), no_progress()).await
}

async fn append(lake: &Lake, name: &str, rows: &str) {
    let request = StoreRequest { mode: StoreMode::Append, ..named(name, rows) };
    lake.store(request, no_progress()).await.unwrap();
}

/// Three parts: 1 to 3, 4 to 6 with a null, 7 to 9.
async fn three_parts(lake: &Lake) {
    store(lake, "t", "n,w\n1,a\n2,b\n3,a\n").await;
    append(lake, "t", "n,w\n4,a\n5,\n6,b\n").await;
    append(lake, "t", "n,w\n7,b\n8,b\n9,b\n").await;
}

async fn parts(lake: &Lake, reference: &str) -> Vec<cidlake::Cid> {
    lake.show(reference).await.unwrap().parts.iter().map(|part| part.cid).collect()
}

#[test]
fn what_is_true_goes_and_parts_without_it_stay() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        three_parts(&lake).await;
        let before = parts(&lake, "t").await;
        let request = DeleteRequest { message: Some("no a".into()), ..matching("w = 'a'") };
        let deleted = lake.delete("t", request, no_progress()).await.unwrap();
        assert_eq!((deleted.rows_deleted, deleted.rows), (3, 6));
        assert_eq!((deleted.parts_touched, deleted.parts_before), (2, 3));
        assert!(deleted.new_bytes > 0);
        assert_eq!(get(&lake, "t").await.unwrap(), "2,b;5,null;6,b;7,b;8,b;9,b");
        let after = parts(&lake, "t").await;
        assert_eq!((after.len(), after[2]), (3, before[2]));
        assert_ne!(after[0], before[0]);
        let shown = lake.show("t").await.unwrap();
        assert_eq!(
            (shown.operation.as_deref(), shown.message.as_deref(), shown.commit),
            (Some("delete"), Some("no a"), Some(deleted.commit))
        );
        assert_eq!(get(&lake, "t~1").await.unwrap().split(';').count(), 9);

        // A part of which nothing is left goes.
        let deleted = delete(&lake, "t", "n > 6").await.unwrap();
        assert_eq!((deleted.rows_deleted, deleted.parts_touched), (3, 1));
        assert_eq!(parts(&lake, "t").await, after[..2]);
        // What is left is what storing it would be.
        let whole = store(&lake, "whole", "n,w\n2,b\n5,\n6,b\n").await;
        let hash = |shown: cidlake::Shown| shown.logical_hash.unwrap();
        assert_eq!(
            hash(lake.show("t").await.unwrap()),
            hash(lake.show(&whole.commit.to_string()).await.unwrap())
        );
        assert!(lake.fsck(FsckLevel::Full, no_progress()).await.unwrap().damage.is_empty());
    });
}

#[test]
fn where_nothing_matches_nothing_is_written() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        three_parts(&lake).await;
        let before = lake.show("t").await.unwrap();
        for text in ["n > 9", "w = 'c'", "null", "n <> n"] {
            let deleted = delete(&lake, "t", text).await.unwrap();
            assert_eq!((deleted.rows_deleted, deleted.rows, deleted.new_bytes), (0, 9, 0));
            assert_eq!(Some(deleted.commit), before.commit, "{text}");
        }
        let dry = DeleteRequest { dry_run: true, ..matching("n < 6") };
        let dry = lake.delete("t", dry, no_progress()).await.unwrap();
        assert_eq!((dry.rows_deleted, dry.rows, dry.parts_touched), (5, 4, 2));
        assert!(dry.dry_run);
        assert_eq!(lake.show("t").await.unwrap().commit, before.commit);
        for text in ["m = 1", "n", "n = 1; n = 2", "n IN (SELECT n FROM t)", ""] {
            let error = delete(&lake, "t", text).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
        }
        let error = delete(&lake, "tt", "true").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_table_of_which_all_is_deleted_has_its_columns() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        for rows in [Doomed::All, Doomed::Where("true".into()), Doomed::Where("n < 10".into())] {
            three_parts(&lake).await;
            let request = DeleteRequest { rows: rows.clone(), dry_run: false, message: None };
            let deleted = lake.delete("t", request, no_progress()).await.unwrap();
            assert_eq!((deleted.rows_deleted, deleted.rows), (9, 0), "{rows:?}");
            assert_eq!(deleted.parts_touched, 3);
            assert_eq!(get(&lake, "t").await.unwrap(), "");
            let shown = lake.show("t").await.unwrap();
            assert_eq!((shown.columns.len(), shown.parts.len()), (2, 1));
            assert_eq!(delete(&lake, "t", "true").await.unwrap().rows_deleted, 0);
            append(&lake, "t", "n,w\n7,z\n").await;
            assert_eq!(get(&lake, "t").await.unwrap(), "7,z");
            assert_eq!(sql(&lake, "SELECT count(*) FROM t").await.unwrap(), "1");
        }
    });
}

#[test]
fn a_part_that_is_there_twice_loses_its_rows_twice() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n2\n").await;
        append(&lake, "t", "n\n1\n2\n").await;
        let deleted = delete(&lake, "t", "n = 1").await.unwrap();
        assert_eq!((deleted.rows_deleted, deleted.parts_touched), (2, 2));
        assert_eq!(get(&lake, "t").await.unwrap(), "2;2");
    });
}

/// Returns a listener that does `work` when it is first told of something.
fn meanwhile<W: Future<Output = ()> + Send + 'static>(
    work: impl Fn() -> W + Send + Sync + 'static,
) -> Progress {
    let runtime = Handle::current();
    let done = AtomicBool::new(false);
    Arc::new(move |_| {
        if !done.swap(true, Ordering::Relaxed) {
            runtime.block_on(work());
        }
    })
}

#[test]
fn rows_that_others_append_meanwhile_stay() {
    run(async {
        let place = Place::new();
        let (lake, other) = (place.open().await, place.open().await);
        store(&lake, "t", "n\n1\n2\n").await;
        let progress = meanwhile(move || {
            let other = other.clone();
            async move {
                let rows = StoreRequest {
                    mode: StoreMode::Append,
                    metadata: metadata(&[("by", "other")]),
                    ..named("t", "n\n1\n3\n")
                };
                other.store(rows, no_progress()).await.unwrap();
            }
        });
        let deleted = lake.delete("t", matching("n = 1"), progress).await.unwrap();
        assert_eq!((deleted.rows_deleted, deleted.rows), (1, 3));
        assert_eq!(get(&lake, "t").await.unwrap(), "2;1;3");
        assert_eq!(lake.show("t").await.unwrap().metadata, metadata(&[("by", "other")]));
    });
}

#[test]
fn what_others_change_meanwhile_is_a_conflict() {
    run(async {
        let place = Place::new();
        let (lake, other) = (place.open().await, place.open().await);
        store(&lake, "t", "n\n1\n2\n3\n").await;
        let progress = meanwhile(move || {
            let other = other.clone();
            async move { drop(delete(&other, "t", "n = 3").await.unwrap()) }
        });
        let error = lake.delete("t", matching("n = 1"), progress).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(get(&lake, "t").await.unwrap(), "1;2");
        assert_eq!(delete(&lake, "t", "n = 1").await.unwrap().rows, 1);
    });
}

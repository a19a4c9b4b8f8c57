//! Results that are kept as datasets, and statements that are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cidlake::{ErrorKind, SqlOptions, Stop, StoreMode, StoreRequest, no_progress};

use crate::{Place, get, named, run, sql, store};

/// More than anybody would wait for, of a table `t` with a column `n`.
const ENDLESS: &str =
    "SELECT count(*) AS n FROM t a, t b, t c, t d WHERE a.n + b.n + c.n + d.n = 7";

fn numbers(rows: u32) -> String {
    let rows: String = (0..rows).map(|number| format!("{number}\n")).collect();
    format!("n\n{rows}")
}

#[test]
fn a_result_is_kept_as_create_table_keeps_it() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let cid = store(&lake, "t", "n,s\n1,a\n2,b\n3,c\n").await.cid;
        let options = SqlOptions::default;
        let all = lake.sql_saved("SELECT * FROM t;", "u", options()).await.unwrap();
        assert_eq!((all.cid, all.rows, all.name.as_deref()), (cid, 3, Some("u")));
        assert_eq!(lake.show("u").await.unwrap().operation.as_deref(), Some("create"));
        lake.sql_saved("WITH x AS (SELECT n FROM t) SELECT n + 1 AS m FROM x", "v", options())
            .await
            .unwrap();
        assert_eq!(get(&lake, "v").await.unwrap(), "2;3;4");
    });
}

#[test]
fn nothing_is_kept_under_a_name_that_is_taken_or_of_what_writes() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n2\n").await;
        let write = SqlOptions { write: true, ..SqlOptions::default() };
        for (statement, name, options, kind) in [
            ("SELECT 1 AS n", "t", SqlOptions::default(), ErrorKind::Conflict),
            ("SELECT 1 AS n", "t", write.clone(), ErrorKind::Conflict),
            ("SELECT 1 AS n", "../x", SqlOptions::default(), ErrorKind::Usage),
            ("SELECT 1 AS n", "datasets", SqlOptions::default(), ErrorKind::Usage),
            ("SELECT m FROM t", "u", SqlOptions::default(), ErrorKind::Invalid),
            ("INSERT INTO t VALUES (3)", "u", SqlOptions::default(), ErrorKind::Invalid),
            ("INSERT INTO t VALUES (3)", "u", write.clone(), ErrorKind::Invalid),
            ("SELECT 1 AS n; SELECT 2 AS n", "u", write.clone(), ErrorKind::Invalid),
        ] {
            let error = lake.sql_saved(statement, name, options).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{statement} as {name}: {error}");
        }
        assert_eq!(sql(&lake, "SELECT name, rows FROM datasets").await.unwrap(), "t,2");
    });
}

#[test]
fn a_statement_stops_when_it_is_told_to() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", &numbers(5_000)).await;
        let stop = Stop::default();
        let options = SqlOptions { stop: stop.clone(), write: true, ..SqlOptions::default() };
        let (begins, begun) = std::sync::mpsc::sync_channel(1);
        let stopper = std::thread::spawn(move || {
            begun.recv().unwrap();
            stop.stop();
        });
        begins.send(()).unwrap();
        let error = lake.sql(ENDLESS, options.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "the statement was stopped");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        stopper.join().unwrap();

        // The switch stays where it is, and what would be written is not.
        let create = format!("CREATE TABLE u AS {ENDLESS}");
        for statement in ["SELECT 1 AS n", create.as_str(), "INSERT INTO t SELECT n FROM t"] {
            let error = lake.sql(statement, options.clone()).await.unwrap_err();
            assert_eq!(error.to_string(), "the statement was stopped", "{statement}");
        }
        let error = lake.sql_saved("SELECT 1 AS n", "u", options).await.unwrap_err();
        assert_eq!(error.to_string(), "the statement was stopped");
        assert_eq!(sql(&lake, "SELECT name, rows FROM datasets").await.unwrap(), "t,5000");
    });
}

#[test]
fn a_statement_stops_once_who_is_asked_says_so() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", &numbers(4000)).await;
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let stop = Stop::asking(Arc::new(move || count.fetch_add(1, Ordering::Relaxed) > 100));
        let options = SqlOptions { stop, ..SqlOptions::default() };
        let error = lake.sql(ENDLESS, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(asked.load(Ordering::Relaxed) > 100);
    });
}

#[test]
fn a_store_that_is_stopped_leaves_nothing() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n").await;
        let key = Some(vec!["n".to_owned()]);
        lake.store(StoreRequest { key, ..named("k", "n\n1\n") }, no_progress()).await.unwrap();
        for (name, mode) in [
            ("new", StoreMode::Overwrite),
            ("t", StoreMode::Overwrite),
            ("t", StoreMode::Append),
            ("k", StoreMode::Upsert),
        ] {
            let stop = Stop::default();
            stop.stop();
            let request = StoreRequest { mode, stop, ..named(name, "n\n2\n") };
            let error = lake.store(request, no_progress()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error}");
        }
        assert_eq!(sql(&lake, "SELECT name, rows FROM datasets").await.unwrap(), "k,1;t,1");
    });
}

#[test]
fn a_statement_that_writes_and_is_stopped_writes_nothing() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", &numbers(100)).await;
        for statement in [
            "CREATE TABLE u AS SELECT * FROM t",
            "INSERT INTO t SELECT n + 1000 FROM t",
            "DELETE FROM t WHERE n > 50",
        ] {
            let stop = Stop::default();
            stop.stop();
            let options = SqlOptions { stop, write: true, ..SqlOptions::default() };
            let error = lake.sql(statement, options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{statement}: {error}");
        }
        assert_eq!(sql(&lake, "SELECT name, rows FROM datasets").await.unwrap(), "t,100");
    });
}

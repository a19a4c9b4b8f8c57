//! Tables in and out: identity, columns, filters, SQL, and what is refused.

use cidlake::{ErrorKind, FsckLevel, GetOptions, SqlOptions, StoreRequest, no_progress};

use crate::{Place, csv, get, metadata, named, run, sql, store, text};

const PEOPLE: &str = "id,name,age\n1,Ada,36\n2,Bob,\n3,Żółw,120\n";

#[test]
fn a_table_comes_back_by_name_and_by_cid() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let stored = store(&lake, "people", PEOPLE).await;
        assert_eq!((stored.rows, stored.columns, stored.parts), (3, 3, 1));
        let expected = "1,Ada,36;2,Bob,null;3,Żółw,120";
        assert_eq!(get(&lake, "people").await.unwrap(), expected);
        assert_eq!(get(&lake, &stored.cid.to_string()).await.unwrap(), expected);
        assert_eq!(get(&lake, &stored.commit.to_string()).await.unwrap(), expected);
        let quoted = format!("SELECT count(*) FROM \"{}\"", stored.cid);
        assert_eq!(sql(&lake, &quoted).await.unwrap(), "3");
    });
}

#[test]
fn the_same_rows_have_the_same_cid_whatever_they_are_called() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let first = store(&lake, "a", PEOPLE).await;
        let again = store(&lake, "a", PEOPLE).await;
        assert!(again.unchanged);
        assert_eq!((again.new_bytes, again.commit), (0, first.commit));
        let other_name = store(&lake, "b", PEOPLE).await;
        assert_eq!(other_name.cid, first.cid);
        // A commit and a delta, but no row is stored twice.
        assert!(other_name.new_bytes > 0 && other_name.new_bytes < 4096);
        let ndjson = r#"{"id":1,"name":"Ada","age":36}
{"id":2,"name":"Bob","age":null}
{"id":3,"name":"Żółw","age":120}
"#;
        let request = StoreRequest {
            sources: vec![cidlake::Source::Bytes { label: "x.ndjson".into(), data: ndjson.into() }],
            name: Some("c".into()),
            ..StoreRequest::default()
        };
        assert_eq!(lake.store(request, no_progress()).await.unwrap().cid, first.cid);
    });
}

#[test]
fn a_difference_in_the_last_row_is_a_different_cid() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let rows = |last: u32| {
            let mut text = String::from("n\n");
            (0..5000).for_each(|n| text.push_str(&format!("{n}\n")));
            text.push_str(&format!("{last}\n"));
            text
        };
        let one = store(&lake, "one", &rows(1)).await;
        let two = store(&lake, "two", &rows(2)).await;
        assert_ne!(one.cid, two.cid);
        assert_eq!(sql(&lake, "SELECT sum(n) FROM one").await.unwrap(), "12497501");
        assert_eq!(sql(&lake, "SELECT sum(n) FROM two").await.unwrap(), "12497502");
    });
}

#[test]
fn metadata_makes_a_commit_but_no_other_content() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let plain = store(&lake, "a", PEOPLE).await;
        let request = StoreRequest { metadata: metadata(&[("source", "x")]), ..named("a", PEOPLE) };
        let told = lake.store(request, no_progress()).await.unwrap();
        assert_eq!(told.cid, plain.cid);
        assert_ne!(told.commit, plain.commit);
        assert_eq!(lake.show("a").await.unwrap().metadata, metadata(&[("source", "x")]));
    });
}

#[test]
fn columns_filters_and_limits() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "people", PEOPLE).await;
        let read = |columns: &[&str], filter: Option<&str>, limit| GetOptions {
            columns: Some(columns.iter().map(ToString::to_string).collect()),
            filter: filter.map(str::to_owned),
            limit,
        };
        let table: [(GetOptions, &str); 3] = [
            (read(&["name", "id"], None, None), "Ada,1;Bob,2;Żółw,3"),
            (read(&["name"], Some("age > 40"), None), "Żółw"),
            (read(&["id"], Some("age IS NOT NULL"), Some(1)), "1"),
        ];
        for (options, expected) in table {
            let rows = lake.get("people", options.clone()).await.unwrap();
            assert_eq!(text(&rows.collect().await.unwrap()), expected, "{options:?}");
        }
        let missing = lake.get("people", read(&["nmae"], None, None)).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Invalid);
        assert!(missing.to_string().contains("nmae"), "{missing}");
    });
}

#[test]
fn sql_sees_the_lake_and_nothing_else() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "people", PEOPLE).await;
        let secret = place.path().join("secret.csv");
        std::fs::write(&secret, "a\n1\n").unwrap();
        let refused = [
            format!("SELECT * FROM '{}'", secret.display()),
            format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'", secret.display()),
            format!("COPY people TO '{}'", place.path().join("out.csv").display()),
            "DROP TABLE people".into(),
            "INSERT INTO people VALUES (4, 'x', 1)".into(),
            "SET datafusion.execution.target_partitions = 64".into(),
            "SELECT 1; SELECT 2".into(),
            "/* hi */ DELETE FROM people".into(),
            "SELECT nosuch FROM people".into(),
            "SELECT * FROM nosuch".into(),
            "SELEC 1".into(),
            String::new(),
        ];
        for statement in refused {
            let answer = sql(&lake, &statement).await;
            assert!(answer.is_err(), "{statement} gave {answer:?}");
        }
        assert_eq!(
            sql(&lake, "SELECT name, count(*) FROM datasets GROUP BY name").await.unwrap(),
            "people,1"
        );
        assert_eq!(sql(&lake, "SELECT count(*) FROM people").await.unwrap(), "3");
    });
}

#[test]
fn a_statement_that_runs_too_long_ends() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let mut rows = String::from("n\n");
        (0..20_000).for_each(|n| rows.push_str(&format!("{n}\n")));
        store(&lake, "t", &rows).await;
        let slow = "SELECT count(*) FROM t a, t b, t c WHERE a.n + b.n + c.n = 7";
        let options = SqlOptions { timeout_ms: Some(200), ..SqlOptions::default() };
        let result = match lake.sql(slow, options).await {
            Ok(rows) => rows.collect().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn names_are_checked_and_never_become_paths() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        for name in ["../../x", "a/b", "", "UPPER", "datasets", "bafkreix", "a.b.c", "a\0b", "ż"] {
            let error = lake.store(named(name, PEOPLE), no_progress()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{name:?}: {error}");
        }
        assert!(lake.datasets().await.unwrap().is_empty());
        assert!(!place.path().join("x").exists());
    });
}

#[test]
fn a_store_that_fails_leaves_nothing_listed() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let broken = "a,b\n1,2\n3\n";
        let error = lake.store(named("broken", broken), no_progress()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(lake.datasets().await.unwrap().is_empty());
        let request =
            StoreRequest { sources: csv(""), name: Some("empty".into()), ..Default::default() };
        assert!(lake.store(request, no_progress()).await.is_err());
        assert!(lake.fsck(FsckLevel::Full, no_progress()).await.unwrap().damage.is_empty());
    });
}

#[test]
fn an_unnamed_table_is_pinned_and_had_by_cid() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let request = StoreRequest { sources: csv(PEOPLE), ..StoreRequest::default() };
        let stored = lake.store(request, no_progress()).await.unwrap();
        assert!(lake.datasets().await.unwrap().is_empty());
        assert_eq!(lake.wal_status().await.unwrap().pins, 1);
        assert_eq!(
            get(&lake, &stored.cid.to_string()).await.unwrap(),
            "1,Ada,36;2,Bob,null;3,Żółw,120"
        );
    });
}

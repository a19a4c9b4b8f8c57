//! CREATE TABLE AS, INSERT and DELETE: each one commit, and only where writing is allowed.

use cidlake::{
    Error, ErrorKind, ExpectedHead, Lake, Params, SqlOptions, StoreRequest, no_progress,
};

use crate::{Place, get, named, run, sql, store, text};

async fn write_with(lake: &Lake, statement: &str, values: &[&str]) -> Result<String, Error> {
    let mut params = Params::default();
    for value in values {
        params.push_text(value)?;
    }
    let options = SqlOptions { write: true, params, ..SqlOptions::default() };
    let rows = lake.sql(statement, options).await?.collect().await?;
    // The CIDs are told apart elsewhere.
    let rows: Vec<_> = rows.iter().map(|rows| rows.project(&[0, 1, 4, 5]).unwrap()).collect();
    Ok(text(&rows))
}

async fn write(lake: &Lake, statement: &str) -> Result<String, Error> {
    write_with(lake, statement, &[]).await
}

#[test]
fn nothing_is_written_unless_it_is_allowed() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n2\n").await;
        for statement in [
            "CREATE TABLE u AS SELECT * FROM t",
            "CREATE OR REPLACE TABLE t AS SELECT 1 AS n",
            "INSERT INTO t VALUES (3)",
            "DELETE FROM t WHERE n = 1",
        ] {
            let error = sql(&lake, statement).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{statement}: {error}");
            let hint = error.hint().unwrap();
            assert!(hint.contains("--write") && hint.contains("--allow-write"), "{hint}");
        }
        assert_eq!(get(&lake, "t").await.unwrap(), "1;2");
        assert_eq!(lake.datasets().await.unwrap().len(), 1);
    });
}

#[test]
fn a_table_is_made_of_a_query() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n,s\n1,a\n2,b\n3,c\n").await;
        let create = "CREATE TABLE u AS SELECT n, upper(s) AS s FROM t WHERE n > $1";
        assert_eq!(write_with(&lake, create, &["1"]).await.unwrap(), "u,create,2,2");
        assert_eq!(get(&lake, "u").await.unwrap(), "2,B;3,C");
        let again = write(&lake, "CREATE TABLE u AS SELECT 1 AS n").await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict, "{again}");
        // Of a name that is taken the query is not even planned.
        let taken = write(&lake, "CREATE TABLE u AS SELECT * FROM nowhere").await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
        let unless = "CREATE TABLE IF NOT EXISTS u AS SELECT 1 AS n";
        assert_eq!(write(&lake, unless).await.unwrap(), "u,none,2,0");
        let replace = "CREATE OR REPLACE TABLE u AS SELECT n + 1 AS n FROM u";
        assert_eq!(write(&lake, replace).await.unwrap(), "u,overwrite,2,2");
        assert_eq!(get(&lake, "u").await.unwrap(), "3;4");
        assert_eq!(get(&lake, "u~1").await.unwrap(), "2,B;3,C");
        let values = "CREATE TABLE s.\"a-b\" AS VALUES (1, 'x'), (2, 'y')";
        assert_eq!(write(&lake, values).await.unwrap(), "s.a-b,create,2,2");
        let old = "CREATE TABLE old AS SELECT * FROM at('u', '~1')";
        assert_eq!(write(&lake, old).await.unwrap(), "old,create,2,2");
        for name in ["datasets", "\"A\"", "\"u~1\"", "\"../x\""] {
            let error = write(&lake, &format!("CREATE TABLE {name} AS SELECT 1 AS n")).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Usage, "{name}");
        }
        let reference = "SELECT count(*) FROM history('u')";
        assert_eq!(sql(&lake, reference).await.unwrap(), "2", "each is one commit");
    });
}

#[test]
fn rows_are_inserted_by_the_names_of_columns() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "id,name,x\n1,a,0.5\n").await;
        let copy = write(&lake, "CREATE TABLE same AS SELECT * FROM t").await.unwrap();
        assert_eq!(copy, "same,create,1,1");
        let cids = "SELECT count(DISTINCT cid) FROM datasets";
        assert_eq!(sql(&lake, cids).await.unwrap(), "1", "the same rows have the same CID");
        let some = "INSERT INTO t (x, id) VALUES (1.5, 2)";
        assert_eq!(write(&lake, some).await.unwrap(), "t,append,2,1");
        let own = "INSERT INTO t SELECT id + 10, name, x FROM t";
        assert_eq!(write(&lake, own).await.unwrap(), "t,append,4,2");
        assert_eq!(
            get(&lake, "t").await.unwrap(),
            "1,a,0.5;2,null,1.5;11,a,0.5;12,null,1.5",
            "an INSERT reads what was there before"
        );
        let params = "INSERT INTO t VALUES ($1, $name, NULL)";
        let values = ["20", "name=it's; DROP TABLE t"];
        assert_eq!(write_with(&lake, params, &values).await.unwrap(), "t,append,5,1");
        let row = "SELECT name FROM t WHERE id = 20";
        assert_eq!(sql(&lake, row).await.unwrap(), "it's; DROP TABLE t");
        for (statement, kind) in [
            ("INSERT INTO nosuch VALUES (1)", ErrorKind::NotFound),
            ("INSERT INTO t VALUES (1)", ErrorKind::Invalid),
            ("INSERT INTO t (id, nosuch) VALUES (1, 2)", ErrorKind::Invalid),
            ("INSERT INTO t (id, id) VALUES (1, 2)", ErrorKind::Invalid),
            ("INSERT INTO t (id) VALUES ('many')", ErrorKind::Invalid),
            ("INSERT INTO \"t~1\" VALUES (1, 'a', 1)", ErrorKind::Usage),
        ] {
            let error = write(&lake, statement).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{statement}: {error}");
        }
        assert_eq!(sql(&lake, "SELECT count(*) FROM t").await.unwrap(), "5");
    });
}

#[test]
fn keys_hold_for_statements_too() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let key = Some(vec!["id".to_owned()]);
        let request = StoreRequest { key, ..named("k", "id,w\n1,a\n2,b\n") };
        lake.store(request, no_progress()).await.unwrap();
        for statement in [
            "INSERT INTO k VALUES (1, 'x')",
            "INSERT INTO k VALUES (3, 'x'), (3, 'y')",
            "INSERT INTO k (w) VALUES ('x')",
            "INSERT INTO k SELECT * FROM k",
        ] {
            let error = write(&lake, statement).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{statement}: {error}");
        }
        assert_eq!(write(&lake, "INSERT INTO k VALUES (3, 'c')").await.unwrap(), "k,append,3,1");
    });
}

#[test]
fn rows_are_deleted_by_a_condition() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "id,name\n1,a\n2,it's\n3,it''s\n4,\n").await;
        for (statement, values, answer) in [
            ("DELETE FROM t WHERE name = 'it''''s'", &[][..], "t,delete,3,1"),
            ("DELETE FROM t WHERE t.id = $1 AND name = $2", &["2", "it's"], "t,delete,2,1"),
            ("DELETE FROM t AS x WHERE x.id > 100", &[], "t,none,2,0"),
            ("DELETE FROM main.t WHERE name IS NULL OR name = ''", &[], "t,delete,1,1"),
        ] {
            let written = write_with(&lake, statement, values).await.unwrap();
            assert_eq!(written, answer, "{statement}");
        }
        assert_eq!(get(&lake, "t").await.unwrap(), "1,a");
        for statement in [
            "DELETE FROM t",
            "DELETE FROM t WHERE id IN (SELECT id FROM t)",
            "DELETE FROM t WHERE nosuch = 1",
            "DELETE FROM t WHERE id = $1",
            "DELETE FROM t WHERE id + 1",
        ] {
            let error = write(&lake, statement).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{statement}: {error}");
        }
        assert_eq!(write(&lake, "DELETE FROM t WHERE true").await.unwrap(), "t,delete,0,1");
    });
}

#[test]
fn writing_opens_nothing_else() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n").await;
        let file = place.path().join("out.csv");
        let file = file.display();
        for statement in [
            format!("COPY t TO '{file}'"),
            format!("CREATE EXTERNAL TABLE u STORED AS CSV LOCATION '{file}'"),
            format!("CREATE TABLE u AS SELECT * FROM '{file}'"),
            "CREATE TABLE u AS SELECT * FROM read_csv('/etc/passwd')".to_owned(),
            "UPDATE t SET n = 2".to_owned(),
            "DROP TABLE t".to_owned(),
            "MERGE INTO t USING t AS u ON t.n = u.n WHEN MATCHED THEN DELETE".to_owned(),
            "SET datafusion.execution.batch_size = 1".to_owned(),
            "EXPLAIN ANALYZE INSERT INTO t VALUES (2)".to_owned(),
            "EXPLAIN DELETE FROM t WHERE true".to_owned(),
            "INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)".to_owned(),
            "WITH w AS (SELECT 2 AS n) INSERT INTO t SELECT * FROM w".to_owned(),
            "INSERT INTO datasets SELECT * FROM datasets".to_owned(),
        ] {
            assert!(write(&lake, &statement).await.is_err(), "{statement}");
        }
        assert_eq!(get(&lake, "t").await.unwrap(), "1");
        assert_eq!(lake.datasets().await.unwrap().len(), 1);
    });
}

#[test]
fn what_is_made_of_a_version_takes_the_place_of_no_other() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let first = store(&lake, "t", "n\n1\n").await.commit;
        let second = store(&lake, "t", "n\n2\n").await.commit;
        let put = |expected| StoreRequest { expected: Some(expected), ..named("t", "n\n3\n") };
        for expected in [ExpectedHead::None, ExpectedHead::Version(first)] {
            let error = lake.store(put(expected), no_progress()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{expected:?}: {error}");
        }
        assert_eq!(get(&lake, "t").await.unwrap(), "2");
        lake.store(put(ExpectedHead::Version(second)), no_progress()).await.unwrap();
        assert_eq!(get(&lake, "t").await.unwrap(), "3");
    });
}

//! `at`, `history`, `parts` and `diff` in statements.

use cidlake::{ErrorKind, Lake, StoreMode, StoreRequest, TagRequest, no_progress};

use crate::{Place, named, run, sql, store};

/// Three versions of `users`, the second tagged `two`.
async fn users(lake: &Lake) {
    let key = Some(vec!["id".to_owned()]);
    lake.store(StoreRequest { key, ..named("users", "id,name\n1,a\n2,b\n") }, no_progress())
        .await
        .unwrap();
    let append = StoreRequest { mode: StoreMode::Append, ..named("users", "id,name\n3,c\n") };
    lake.store(append, no_progress()).await.unwrap();
    let tag = TagRequest { tag: "two".to_owned(), version: None, force: false };
    lake.tag("users", tag).await.unwrap();
    let upsert = StoreRequest { mode: StoreMode::Upsert, ..named("users", "id,name\n1,z\n4,d\n") };
    lake.store(upsert, no_progress()).await.unwrap();
}

#[test]
fn a_version_is_read_by_any_way_to_name_it() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        users(&lake).await;
        let first = lake.show("users~2").await.unwrap().commit.unwrap();
        for (version, rows) in
            [("~0", 4), ("~1", 3), ("~2", 2), ("two", 3), ("@two", 3), ("2999-01-01", 4)]
        {
            let count = format!("SELECT count(*) FROM at('users', '{version}')");
            assert_eq!(sql(&lake, &count).await.unwrap(), rows.to_string(), "{version}");
        }
        let by_commit = format!("SELECT count(*) FROM at('users', '{first}')");
        assert_eq!(sql(&lake, &by_commit).await.unwrap(), "2");
        for (query, rows) in [
            ("SELECT at.name FROM at('users', '~2') WHERE at.id = 1", "a"),
            (
                "SELECT n.name FROM at('users', '~1') AS o JOIN users AS n ON o.id = n.id \
                 WHERE o.name <> n.name",
                "z",
            ),
            (
                "WITH o AS (SELECT * FROM at('users', '~1')) \
                 SELECT count(*) FROM users WHERE id NOT IN (SELECT id FROM o)",
                "1",
            ),
            (
                "SELECT (SELECT count(*) FROM (SELECT * FROM (SELECT id FROM at('users', '~2'))))",
                "2",
            ),
            ("SELECT id FROM users EXCEPT SELECT id FROM at('users', 'two')", "4"),
        ] {
            assert_eq!(sql(&lake, query).await.unwrap(), rows, "{query}");
        }
    });
}

#[test]
fn history_and_parts_are_rows() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        users(&lake).await;
        let history = "SELECT back, depth, operation, rows, tags FROM history('users') ORDER BY 1";
        assert_eq!(
            sql(&lake, history).await.unwrap(),
            "0,2,upsert,4,[];1,1,append,3,[\"two\"];2,0,create,2,[]"
        );
        let chain = "SELECT count(*) FROM history('users') a JOIN history('users') b \
                     ON a.parent = b.commit WHERE a.time >= b.time";
        assert_eq!(sql(&lake, chain).await.unwrap(), "2");
        let older = "SELECT min(back), count(*) FROM history('users~1')";
        assert_eq!(sql(&lake, older).await.unwrap(), "1,2");
        let parts = "SELECT sum(rows), min(first_row), count(cid), min(ordinal), max(folder) \
                     FROM parts('users~2')";
        assert_eq!(sql(&lake, parts).await.unwrap(), "2,0,1,0,null");
        let by = Some(vec!["city".to_owned()]);
        let sales = StoreRequest { partition_by: by, ..named("sales", "n,city\n1,rome\n2,bonn\n") };
        lake.store(sales, no_progress()).await.unwrap();
        let folders = "SELECT rows, folder FROM parts('sales') ORDER BY folder";
        assert_eq!(sql(&lake, folders).await.unwrap(), "1,city=bonn;1,city=rome");
    });
}

#[test]
fn a_difference_is_rows_of_both_sides() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        users(&lake).await;
        let keyed = "SELECT change, id, name FROM diff('users', '~1', '~0')";
        assert_eq!(sql(&lake, keyed).await.unwrap(), "added,4,d;before,1,a;after,1,z");
        let same = "SELECT count(*) FROM diff('users', 'two', '~1')";
        assert_eq!(sql(&lake, same).await.unwrap(), "0");
        store(&lake, "t", "n,change\n1,x\n2,y\n").await;
        store(&lake, "t", "n,more\n2,0.5\n3,1.5\n3,1.5\n").await;
        let whole = "SELECT change, count(*) FROM diff('t', '~1', '~0') GROUP BY 1";
        // The column `change` of the rows keeps its name.
        assert!(sql(&lake, whole).await.is_ok());
        let columns = "SELECT _change, n, more, change FROM diff('t', '~1', '~0') ORDER BY 1, 2";
        assert_eq!(
            sql(&lake, columns).await.unwrap(),
            "added,3,1.5,null;added,3,1.5,null;removed,1,null,x"
        );
    });
}

#[test]
fn datasets_may_be_called_as_functions_are() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        for name in ["history", "parts", "diff", "at"] {
            store(&lake, name, "n\n7\n").await;
            let quoted = format!("SELECT n FROM \"{name}\"");
            assert_eq!(sql(&lake, &quoted).await.unwrap(), "7", "{name}");
        }
        let both = "SELECT count(*) FROM history, history('history') AS h";
        assert_eq!(sql(&lake, both).await.unwrap(), "1");
    });
}

#[test]
fn wrong_calls_say_what_is_wrong() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        users(&lake).await;
        for (query, kind) in [
            ("SELECT * FROM at('users')", ErrorKind::Invalid),
            ("SELECT * FROM at('users', '~1', '~2')", ErrorKind::Invalid),
            ("SELECT * FROM history()", ErrorKind::Invalid),
            ("SELECT * FROM diff('users')", ErrorKind::Invalid),
            ("SELECT * FROM users, at(users.name, '~1')", ErrorKind::Invalid),
            ("SELECT * FROM at($1, '~1')", ErrorKind::Invalid),
            ("SELECT * FROM read_parquet('/etc/passwd')", ErrorKind::Invalid),
            ("SELECT * FROM at('nosuch', '~1')", ErrorKind::NotFound),
            ("SELECT * FROM at('users', '~9')", ErrorKind::NotFound),
            ("SELECT * FROM at('users', 'nosuch')", ErrorKind::NotFound),
            ("SELECT * FROM at('../../x', '~1')", ErrorKind::Usage),
            ("SELECT * FROM at('users~1', '~1')", ErrorKind::Usage),
            ("SELECT * FROM history('users''; DROP TABLE users; --')", ErrorKind::Usage),
            ("SELECT * FROM \"function\".\"at('users', '~1')\"", ErrorKind::NotFound),
        ] {
            let error = sql(&lake, query).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{query}: {error}");
        }
        let error = sql(&lake, "SELECT * FROM hstory('users')").await.unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("`history`") && hint.contains("`diff`"), "{hint}");
        let deep = format!("{}1{}", "SELECT (".repeat(200), ")".repeat(200));
        assert!(sql(&lake, &deep).await.is_err());
    });
}

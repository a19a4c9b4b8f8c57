//! What a dataset refuses, each time with the reason and without a trace; and that it goes on.

use cidlake::{
    AlterRequest, DeleteRequest, Doomed, Error, ErrorKind, GcRequest, Keep, Lake, StoreMode,
    StoreRequest, Stored, TagRequest, no_progress,
};

use crate::{Place, get, named, run, sql, store};

async fn put(
    lake: &Lake,
    mode: StoreMode,
    key: Option<&[&str]>,
    rows: &str,
) -> Result<Stored, Error> {
    let key = key.map(|key| key.iter().map(ToString::to_string).collect());
    lake.store(StoreRequest { mode, key, ..named("t", rows) }, no_progress()).await
}

async fn key(lake: &Lake, columns: &[&str]) -> Result<(), Error> {
    let key = Some(columns.iter().map(ToString::to_string).collect());
    let request = AlterRequest { key, ..AlterRequest::default() };
    lake.alter("t", request, no_progress()).await.map(drop)
}

async fn delete_all(lake: &Lake) -> u64 {
    let request = DeleteRequest { rows: Doomed::All, dry_run: false, message: None };
    lake.delete("t", request, no_progress()).await.unwrap().rows_deleted
}

#[test]
fn rows_that_do_not_fit_are_refused_by_column_and_leave_nothing() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        put(&lake, StoreMode::Overwrite, Some(&["id"]), "id,w\n1,a\n2,b\n").await.unwrap();
        let before = lake.show("t").await.unwrap().commit;
        for mode in [StoreMode::Append, StoreMode::Upsert] {
            for (rows, text) in [
                ("id\n3\n", "`w`"),
                ("id,w,more\n3,c,1\n", "`more`"),
                ("id,v\n3,c\n", "`v`"),
                ("id,w\nthree,c\n", "`id`"),
                ("id,w\n1.5,c\n", "id"),
                ("id,w\n,c\n", "key id is null in row 0"),
                ("id,w\n3,c\n4,d\n3,c\n", "key id = 3 occurs twice, in rows 0 and 2"),
            ] {
                let error = put(&lake, mode, None, rows).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{mode:?} {rows:?}: {error}");
                assert!(error.to_string().contains(text), "{mode:?} {rows:?}: {error}");
            }
        }
        for wrong in [&["w"][..], &["id", "w"], &["nosuch"]] {
            for mode in [StoreMode::Append, StoreMode::Upsert] {
                let error = put(&lake, mode, Some(wrong), "id,w\n3,c\n").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{mode:?} {wrong:?}: {error}");
            }
        }
        assert_eq!(lake.show("t").await.unwrap().commit, before);
        assert_eq!(get(&lake, "t").await.unwrap(), "1,a;2,b");
    });
}

#[test]
fn a_key_that_does_not_tell_rows_apart_is_not_given() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "id,w,x,n\n1,a,0.5,\n2,b,1.5,1\n").await;
        put(&lake, StoreMode::Append, None, "id,w,x,n\n3,a,2.5,2\n").await.unwrap();
        let before = lake.show("t").await.unwrap().commit;
        for (columns, text) in [
            (&["w"][..], "w = a occurs twice, in rows 0 and 2"),
            (&["n"], "key n is null in row 0"),
            (&["x"], "Float64 cannot be a key"),
            (&["id", "id"], "twice"),
            (&["nosuch"], "nosuch"),
        ] {
            let error = key(&lake, columns).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{columns:?}: {error}");
            assert!(error.to_string().contains(text), "{columns:?}: {error}");
        }
        assert_eq!(lake.show("t").await.unwrap().commit, before);

        // One that does is, also under a name and with a column that it gets at once.
        let request = AlterRequest {
            add: vec!["side BIGINT DEFAULT 1".to_owned()],
            rename: vec![("id".to_owned(), "w".to_owned()), ("w".to_owned(), "id".to_owned())],
            ..AlterRequest::default()
        };
        let with = |columns: &[&str]| AlterRequest {
            key: Some(columns.iter().map(ToString::to_string).collect()),
            ..request.clone()
        };
        for columns in [&["id"][..], &["side"], &["side", "id"]] {
            let error = lake.alter("t", with(columns), no_progress()).await.unwrap_err();
            assert!(error.to_string().contains("occurs twice, in rows 0 and"), "{error}");
        }
        lake.alter("t", with(&["side", "w"]), no_progress()).await.unwrap();
        assert_eq!(lake.show("t").await.unwrap().key_columns, ["side", "w"]);
        let rows = "w,id,x,n,side\n3,z,0.5,,1\n";
        let error = put(&lake, StoreMode::Append, None, rows).await.unwrap_err();
        assert!(error.to_string().contains("(side, w) = (1, 3) of row 0"), "{error}");
    });
}

#[test]
fn a_dataset_of_which_everything_is_deleted_goes_on() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        put(&lake, StoreMode::Overwrite, Some(&["id"]), "id,w\n1,a\n2,b\n").await.unwrap();
        for (mode, rows) in [
            (StoreMode::Append, "id,w\n1,c\n3,d\n"),
            (StoreMode::Upsert, "id,w\n3,e\n1,f\n"),
            (StoreMode::Append, "id,w\n2,g\n1,h\n"),
        ] {
            assert_eq!(delete_all(&lake).await, 2);
            assert_eq!(delete_all(&lake).await, 0, "nothing is left to go");
            lake.compact("t", no_progress()).await.unwrap();
            assert_eq!(sql(&lake, "SELECT count(*) FROM t").await.unwrap(), "0");
            put(&lake, mode, None, rows).await.unwrap();
            let expected = rows.trim_end().replace("id,w\n", "").replace('\n', ";");
            assert_eq!(get(&lake, "t").await.unwrap(), expected);
            let shown = lake.show("t").await.unwrap();
            assert_eq!((shown.parts.len(), shown.key_columns), (1, vec!["id".to_owned()]));
            let error = put(&lake, StoreMode::Append, None, "id,w\n1,z\n").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "the key is still looked after");
        }
    });
}

#[test]
fn a_version_that_expired_is_not_restored_whichever_way_it_is_named() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let mut commits = Vec::new();
        for number in 0..4 {
            commits.push(store(&lake, "t", &format!("n\n{number}\n")).await.commit);
        }
        let tag = TagRequest { tag: "kept".into(), version: Some("~3".into()), force: false };
        lake.tag("t", tag).await.unwrap();
        lake.expire("t", Keep::parse("2").unwrap(), false).await.unwrap();
        for _ in 0..2 {
            let (tagged, old) = (commits[0].to_string(), commits[1].to_string());
            for text in ["~2", "t~3", &old, &tagged, &format!("t@{old}"), "@2001-01-01"] {
                let error = lake.restore("t", text, None).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound, "{text}: {error}");
                let said = error.to_string();
                assert!(said.contains("t does not have") && said.contains("expired"), "{said}");
            }
            assert_eq!(lake.show("t").await.unwrap().commit, commits.last().copied());
            lake.gc(GcRequest::default(), no_progress()).await.unwrap();
        }
        lake.restore("t", "@kept", None).await.unwrap();
        assert_eq!(get(&lake, "t").await.unwrap(), "0");
        assert_eq!(get(&lake, "t~1").await.unwrap(), "3");
    });
}

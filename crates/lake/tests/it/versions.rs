//! Versions: append, overwrite, time travel, drop and rename.

use cidlake::{ErrorKind, StoreMode, StoreRequest, no_progress};

use crate::{Place, get, named, run, sql, store};

#[test]
fn append_adds_rows_behind_and_keeps_history() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let first = store(&lake, "t", "n\n1\n2\n").await;
        let append = StoreRequest { mode: StoreMode::Append, ..named("t", "n\n3\n") };
        let second = lake.store(append, no_progress()).await.unwrap();
        assert_eq!((second.rows, second.parts), (3, 2));
        assert_eq!(get(&lake, "t").await.unwrap(), "1;2;3");
        assert_eq!(get(&lake, "t~1").await.unwrap(), "1;2");
        assert_eq!(get(&lake, &format!("t@{}", first.commit)).await.unwrap(), "1;2");
        assert_eq!(sql(&lake, "SELECT sum(n) FROM \"t~1\"").await.unwrap(), "3");
        let shown = lake.show("t").await.unwrap();
        assert_eq!(shown.parents, vec![first.commit]);
        assert_eq!(shown.operation.as_deref(), Some("append"));
        let too_far = get(&lake, "t~2").await.unwrap_err();
        assert_eq!(too_far.kind(), ErrorKind::NotFound);
        let early = get(&lake, "t@1999-01-01T00:00:00Z").await.unwrap_err();
        assert_eq!(early.kind(), ErrorKind::NotFound);
        assert_eq!(get(&lake, "t@2999-01-01T00:00:00Z").await.unwrap(), "1;2;3");
    });
}

#[test]
fn append_refuses_another_schema_and_an_absent_dataset() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let append = |text: &str| StoreRequest { mode: StoreMode::Append, ..named("t", text) };
        let absent = lake.store(append("n\n1\n"), no_progress()).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        store(&lake, "t", "n\n1\n").await;
        for other in ["m\n1\n", "n,m\n1,2\n", "n\ntext\n", "n\n1.5\n"] {
            let error = lake.store(append(other), no_progress()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{other:?}");
        }
        assert_eq!(get(&lake, "t").await.unwrap(), "1");
    });
}

#[test]
fn overwrite_makes_a_version_and_keeps_the_old_one() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n").await;
        let second = store(&lake, "t", "a,b\nx,2\n").await;
        assert!(!second.unchanged);
        assert_eq!(get(&lake, "t").await.unwrap(), "x,2");
        assert_eq!(get(&lake, "t~1").await.unwrap(), "1");
    });
}

#[test]
fn drop_frees_the_name_and_rename_moves_it() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let stored = store(&lake, "a", "n\n1\n").await;
        store(&lake, "b", "n\n2\n").await;
        assert_eq!(lake.rename("a", "b").await.unwrap_err().kind(), ErrorKind::Conflict);
        lake.rename("a", "sales.c").await.unwrap();
        assert_eq!(get(&lake, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(sql(&lake, "SELECT n FROM sales.c").await.unwrap(), "1");
        lake.drop_dataset("sales.c").await.unwrap();
        assert_eq!(get(&lake, "sales.c").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(lake.drop_dataset("sales.c").await.unwrap_err().kind(), ErrorKind::NotFound);
        // Content stays reachable by its address until garbage is collected.
        assert_eq!(get(&lake, &stored.cid.to_string()).await.unwrap(), "1");
        let names: Vec<String> =
            lake.datasets().await.unwrap().into_iter().map(|info| info.name).collect();
        assert_eq!(names, ["b"]);
    });
}

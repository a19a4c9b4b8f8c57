//! Two versions beside each other: what differs, and how little is read for it.

use cidlake::{
    AlterRequest, ColumnChange, DeleteRequest, DiffRequest, Difference, Doomed, Error, ErrorKind,
    Lake, StoreMode, StoreRequest, no_progress,
};

use crate::{Place, metadata, named, run, store, text};

async fn diff(lake: &Lake, a: &str, b: &str) -> Difference {
    lake.diff(a, b, DiffRequest::default(), no_progress()).await.expect("compared")
}

async fn diff_by(lake: &Lake, key: &[&str]) -> Result<Difference, Error> {
    let key = Some(key.iter().map(ToString::to_string).collect());
    lake.diff("t~1", "t", DiffRequest { key, ..DiffRequest::default() }, no_progress()).await
}

/// Rows removed, added and changed.
fn counts(difference: &Difference) -> [u64; 3] {
    let table = &difference.table;
    [table.rows_removed, table.rows_added, table.rows_changed]
}

/// The values of removed and of added rows.
fn rows(difference: &Difference) -> [String; 2] {
    let told = |sample: &cidlake::SampleRows| text(std::slice::from_ref(&sample.values));
    [told(&difference.table.removed), told(&difference.table.added)]
}

/// Numbers that do not compress, with the rows at `changed` other than they were.
fn noise(rows: u64, changed: &[u64]) -> String {
    let mut csv = String::from("id,noise,kind\n");
    for row in 0..rows {
        let number = row + if changed.contains(&row) { 1 << 40 } else { 0 };
        let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2;
        csv.push_str(&format!("{row},{mixed},{}\n", row % 3));
    }
    csv
}

#[test]
fn one_row_of_many_is_found_without_reading_the_others() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", &noise(300_000, &[])).await;
        store(&lake, "t", &noise(300_000, &[123_456])).await;
        let found = diff(&lake, "t~1", "t").await;
        assert_eq!(counts(&found), [1, 1, 0]);
        assert_eq!(found.table.removed.rows, [123_456]);
        assert!(found.table.rows_read < 150_000, "{} rows were read", found.table.rows_read);
        let keyed = diff_by(&lake, &["id"]).await.unwrap();
        assert_eq!(counts(&keyed), [0, 0, 1]);
        assert_eq!(keyed.table.columns_changed, [("noise".to_owned(), 1)]);
        assert_eq!(keyed.table.changed.columns, [["noise"]]);
    });
}

#[test]
fn rows_that_come_and_go_are_told() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n,w\n1,a\n2,b\n3,c\n").await;
        let append = StoreRequest { mode: StoreMode::Append, ..named("t", "n,w\n4,d\n1,a\n") };
        lake.store(append, no_progress()).await.unwrap();
        let found = diff(&lake, "t~1", "t").await;
        assert_eq!((counts(&found), rows(&found)), ([0, 2, 0], [String::new(), "4,d;1,a".into()]));
        assert_eq!((found.a.rows, found.b.rows, found.b.parts), (3, 5, 2));
        assert_eq!((found.a.name.as_deref(), found.a.reference.as_str()), (Some("t"), "t~1"));

        let request = DeleteRequest {
            rows: Doomed::Where("n < 3".to_owned()),
            dry_run: false,
            message: None,
        };
        lake.delete("t", request, no_progress()).await.unwrap();
        let found = diff(&lake, "t~1", "t").await;
        // The row that is there twice went twice.
        assert_eq!((counts(&found), rows(&found)[0].as_str()), ([3, 0, 0], "1,a;2,b"));
        assert_eq!(found.table.removed.times, [2, 1]);
        let back = diff(&lake, "t", "t~1").await;
        assert_eq!((counts(&back), &rows(&back)[1]), ([0, 3, 0], &rows(&found)[0]));
        assert!(!back.is_none());
    });
}

#[test]
fn versions_that_say_the_same_do_not_differ() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n2\n3\n").await;
        store(&lake, "t", "n\n3\n1\n2\n").await;
        let moved = diff(&lake, "t~1", "t").await;
        assert!(moved.is_none(), "{moved:?}");
        let itself = diff(&lake, "t", &moved.b.cid.to_string()).await;
        assert_eq!((itself.is_none(), itself.table.rows_read, itself.b.name), (true, 0, None));
        // Cut differently, and the same values in the same order.
        store(&lake, "u", "n\n3\n").await;
        let append = StoreRequest { mode: StoreMode::Append, ..named("u", "n\n1\n2\n") };
        lake.store(append, no_progress()).await.unwrap();
        let cut = diff(&lake, "t", "u").await;
        assert_eq!((cut.is_none(), cut.table.rows_read), (true, 0));
    });
}

#[test]
fn columns_and_words_that_differ_are_told() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n,w\n1,a\n2,b\n").await;
        let request = AlterRequest {
            add: vec!["more BIGINT DEFAULT 7".to_owned()],
            rename: vec![("w".to_owned(), "word".to_owned())],
            set: metadata(&[("source", "x")]),
            ..AlterRequest::default()
        };
        lake.alter("t", request, no_progress()).await.unwrap();
        let found = diff(&lake, "t~1", "t").await;
        let changes: Vec<_> =
            found.table.columns.iter().map(|one| (one.name.as_str(), one.change)).collect();
        let expected = [
            ("w", ColumnChange::Removed),
            ("word", ColumnChange::Added),
            ("more", ColumnChange::Added),
        ];
        assert_eq!(changes, expected);
        // `n` is in both, and its values are the same.
        assert_eq!(counts(&found), [0, 0, 0]);
        assert_eq!(found.metadata.len(), 1);
        assert_eq!(found.metadata[0].b.as_deref(), Some("x"));
    });
}

#[test]
fn the_key_of_both_versions_tells_rows_apart() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let keyed =
            |rows: &str| StoreRequest { key: Some(vec!["id".to_owned()]), ..named("t", rows) };
        lake.store(keyed("id,city\n1,London\n2,Paris\n3,Oslo\n"), no_progress()).await.unwrap();
        lake.store(keyed("id,city\n4,Bern\n2,Lyon\n1,London\n"), no_progress()).await.unwrap();
        let found = diff(&lake, "t~1", "t").await;
        assert_eq!((found.key.join(","), counts(&found)), ("id".to_owned(), [1, 1, 1]));
        assert_eq!(rows(&found), ["3,Oslo", "4,Bern"]);
        assert_eq!(found.table.changed.rows, [[1, 1]]);
        let whole = diff_by(&lake, &[]).await.unwrap();
        assert_eq!((whole.key.len(), counts(&whole)), (0, [2, 2, 0]));
        let city = diff_by(&lake, &["city"]).await.unwrap();
        assert_eq!(counts(&city), [2, 2, 0]);
    });
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n,w\n1,a\n2,b\n").await;
        store(&lake, "t", "n,w\n1,a\n1,b\n").await;
        let twice = diff_by(&lake, &["n"]).await.unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::Invalid);
        assert!(
            twice.to_string().contains("t: key n = 1 occurs twice, in rows 0 and 1"),
            "{twice}"
        );
        let unknown = diff_by(&lake, &["m"]).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Invalid);
        let request = || DiffRequest::default();
        let absent = lake.diff("t~9", "t", request(), no_progress()).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        let wrong = lake.diff("t", "T T", request(), no_progress()).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Usage);
        let many = DiffRequest { samples_max: 10_001, ..request() };
        let many = lake.diff("t~1", "t", many, no_progress()).await.unwrap_err();
        assert_eq!(many.kind(), ErrorKind::Usage);
    });
}

//! Partitioned datasets: folders that are called after values, through every operation.

use cidlake::{
    AlterRequest, DeleteRequest, DiffRequest, Doomed, Error, ErrorKind, FsckLevel, Lake, Overrides,
    Settings, StoreMode, StoreRequest, Stored, no_progress,
};
use proptest::prelude::*;

use crate::{Place, get, named, run, sql, store};

const SALES: &str = "id,day,city,price\n1,2026-01-31,Wien,5\n2,2026-01-30,Graz,7\n\
                     3,2026-01-31,Graz,9\n4,2026-01-31,Wien,11\n5,,Wien,13\n";

fn by(columns: &[&str]) -> Option<Vec<String>> {
    Some(columns.iter().map(ToString::to_string).collect())
}

fn partitioned(name: &str, columns: &[&str], rows: &str) -> StoreRequest {
    StoreRequest { partition_by: by(columns), ..named(name, rows) }
}

async fn put(lake: &Lake, request: StoreRequest) -> Result<Stored, Error> {
    lake.store(request, no_progress()).await
}

async fn add(lake: &Lake, name: &str, rows: &str) -> Stored {
    let request = StoreRequest { mode: StoreMode::Append, ..named(name, rows) };
    put(lake, request).await.unwrap()
}

#[test]
fn numbers_are_in_the_order_of_numbers() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        put(&lake, partitioned("t", &["k"], "k,n\n10,1\n9,2\n-1,3\n,4\n")).await.unwrap();
        add(&lake, "t", "k,n\n10,5\n2,6\n").await;
        assert_eq!(get(&lake, "t").await.unwrap(), "null,4;-1,3;2,6;9,2;10,1;10,5");
    });
}

/// Every file below a folder, by its path.
async fn files(lake: &Lake, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in lake.ls(&path).await.unwrap().into_iter().rev() {
            let path = format!("{path}/{}", entry.name);
            match entry.kind {
                cidlake::FileKind::Directory => open.push(path),
                _ => found.push(path.trim_start_matches(folder).to_owned()),
            }
        }
    }
    found.sort();
    found
}

async fn delete(lake: &Lake, name: &str, rows: Doomed) -> u64 {
    let request = DeleteRequest { rows, dry_run: false, message: None };
    lake.delete(name, request, no_progress()).await.unwrap().rows_deleted
}

async fn is_whole(lake: &Lake) {
    let report = lake.fsck(FsckLevel::Full, no_progress()).await.unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
}

#[test]
fn values_are_folders_and_rows_lie_in_their_order() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let stored = put(&lake, partitioned("t", &["day", "city"], SALES)).await.unwrap();
        assert_eq!(stored.partition_columns, ["day", "city"]);
        assert_eq!((stored.rows, stored.columns, stored.parts), (5, 4, 4));
        let expected = [
            "/day=2026-01-30/city=Graz/part-000000.parquet",
            "/day=2026-01-31/city=Graz/part-000000.parquet",
            "/day=2026-01-31/city=Wien/part-000000.parquet",
            "/day=__HIVE_DEFAULT_PARTITION__/city=Wien/part-000000.parquet",
        ];
        assert_eq!(files(&lake, &stored.cid.to_string()).await, expected);
        let rows = "5,null,Wien,13;2,2026-01-30,Graz,7;3,2026-01-31,Graz,9;1,2026-01-31,Wien,5;\
                    4,2026-01-31,Wien,11";
        assert_eq!(get(&lake, "t").await.unwrap(), rows);
        let sum = sql(&lake, "SELECT sum(price) FROM t WHERE city = 'Wien' AND day IS NOT NULL");
        assert_eq!(sum.await.unwrap(), "16");
        let shown = lake.show("t").await.unwrap();
        assert_eq!(shown.partition_columns, ["day", "city"]);
        assert_eq!(shown.parts[0].folders, ["day=__HIVE_DEFAULT_PARTITION__", "city=Wien"]);
        // The same rows in another order within other partitions are the same table.
        let turned = "id,day,city,price\n5,,Wien,13\n3,2026-01-31,Graz,9\n1,2026-01-31,Wien,5\n\
                      2,2026-01-30,Graz,7\n4,2026-01-31,Wien,11\n";
        let again = put(&lake, named("t", turned)).await.unwrap();
        assert_eq!((again.cid, again.unchanged), (stored.cid, true));
        is_whole(&lake).await;
    });
}

#[test]
fn later_versions_keep_their_folders_until_told_otherwise() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        put(&lake, partitioned("t", &["city"], SALES)).await.unwrap();
        let more = "id,day,city,price\n6,2026-02-01,Graz,1\n7,2026-02-01,Linz,2\n";
        let grown = add(&lake, "t", more).await;
        assert_eq!(grown.partition_columns, ["city"]);
        assert_eq!(
            get(&lake, "t").await.unwrap(),
            "2,2026-01-30,Graz,7;3,2026-01-31,Graz,9;6,2026-02-01,Graz,1;7,2026-02-01,Linz,2;\
             1,2026-01-31,Wien,5;4,2026-01-31,Wien,11;5,null,Wien,13"
        );
        assert_eq!(
            files(&lake, "t").await,
            [
                "/city=Graz/part-000000.parquet",
                "/city=Graz/part-000001.parquet",
                "/city=Linz/part-000000.parquet",
                "/city=Wien/part-000000.parquet",
            ]
        );
        let compacted = lake.compact("t", no_progress()).await.unwrap();
        let all = SALES.to_owned() + &more[more.find('\n').unwrap() + 1..];
        let whole = put(&lake, partitioned("whole", &["city"], &all)).await.unwrap();
        assert_eq!((compacted.cid, compacted.parts), (whole.cid, 3));

        let wrong = StoreRequest {
            mode: StoreMode::Append,
            ..partitioned("t", &["day"], "id,day,city,price\n8,2026-02-01,Graz,1\n")
        };
        let refused = put(&lake, wrong).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains("t is partitioned by city"), "{refused}");

        let over = put(&lake, named("t", SALES)).await.unwrap();
        assert_eq!(over.partition_columns, ["city"], "kept by an overwrite");
        let flat = put(&lake, partitioned("t", &[], SALES)).await.unwrap();
        assert!(flat.partition_columns.is_empty());
        assert_eq!(flat.cid, store(&lake, "flat", SALES).await.cid);
        // Without the column there is nothing to keep.
        put(&lake, partitioned("t", &["city"], SALES)).await.unwrap();
        let less = "id,day\n1,2026-01-31\n2,2026-01-31\n3,2026-01-31\n4,2026-01-31\n";
        let less = put(&lake, named("t", less)).await.unwrap();
        assert!(less.partition_columns.is_empty());
        assert_eq!(less.parts, 1, "folders say nothing of where other rows end");
        let back = lake.restore("t", "~1", None).await.unwrap();
        assert_eq!(lake.show("t").await.unwrap().partition_columns, ["city"]);
        assert_eq!((back.cid, back.rows), (over.cid, 5));
        is_whole(&lake).await;
    });
}

#[test]
fn parts_of_one_file_in_two_partitions_are_told_apart() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        // The files of both partitions are the same: they hold n alone.
        let rows = "k,n\na,1\na,2\nb,1\nb,2\n";
        put(&lake, partitioned("t", &["k"], rows)).await.unwrap();
        let shown = lake.show("t").await.unwrap();
        assert_eq!(shown.parts[0].cid, shown.parts[1].cid);
        assert_eq!(delete(&lake, "t", Doomed::Where("k = 'a' AND n = 1".into())).await, 1);
        assert_eq!(get(&lake, "t").await.unwrap(), "a,2;b,1;b,2");
        assert_eq!(delete(&lake, "t", Doomed::Where("n = 2".into())).await, 2);
        assert_eq!(get(&lake, "t").await.unwrap(), "b,1");
        let diff = lake.diff("t~2", "t", DiffRequest::default(), no_progress()).await.unwrap();
        assert_eq!((diff.table.rows_removed, diff.table.rows_added), (3, 0));
        // The values of other columns may be written alike: the same file, and `x`, `y`.
        put(&lake, partitioned("v", &["a", "b"], "a,b,n\nx,y,1\n")).await.unwrap();
        put(&lake, partitioned("v", &["b", "a"], "a,b,n\ny,x,1\n")).await.unwrap();
        let diff = lake.diff("v~1", "v", DiffRequest::default(), no_progress()).await.unwrap();
        assert_eq!((diff.table.rows_removed, diff.table.rows_added), (1, 1));
        // A file that went from one partition to another is other rows.
        put(&lake, partitioned("u", &["k"], "k,n\na,1\nb,9\n")).await.unwrap();
        put(&lake, partitioned("u", &["k"], "k,n\nc,1\nb,9\n")).await.unwrap();
        let diff = lake.diff("u~1", "u", DiffRequest::default(), no_progress()).await.unwrap();
        assert_eq!((diff.table.rows_removed, diff.table.rows_added), (1, 1));
    });
}

#[test]
fn partitioning_is_a_difference_and_rows_are_none() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", SALES).await;
        put(&lake, partitioned("t", &["city"], SALES)).await.unwrap();
        put(&lake, partitioned("t", &["day", "city"], SALES)).await.unwrap();
        for (a, b) in [("t~2", "t~1"), ("t~1", "t"), ("t", "t~2")] {
            for key in [None, by(&["id"])] {
                let request = DiffRequest { key, ..DiffRequest::default() };
                let diff = lake.diff(a, b, request, no_progress()).await.unwrap();
                let counts = &diff.table;
                let counts = (counts.rows_removed, counts.rows_added, counts.rows_changed);
                assert_eq!(counts, (0, 0, 0), "{a} {b}");
                assert_eq!(diff.roles[0].role, "partition");
            }
        }
        let other = SALES.replace("Graz,9", "Wien,9");
        put(&lake, named("t", &other)).await.unwrap();
        let request = DiffRequest { key: by(&["id"]), ..DiffRequest::default() };
        let diff = lake.diff("t~3", "t", request, no_progress()).await.unwrap();
        assert_eq!(diff.table.columns_changed, [("city".to_owned(), 1)]);
    });
}

#[test]
fn rows_that_are_put_in_by_key_go_to_the_partition_where_they_belong() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let create = StoreRequest { key: by(&["id"]), ..partitioned("t", &["city"], SALES) };
        put(&lake, create).await.unwrap();
        // 1 stays in Wien, 2 moves to Wien, 3 to a new folder, 4 is as it is, 8 is new.
        let rows = "id,day,city,price\n1,2026-01-31,Wien,6\n2,2026-01-30,Wien,7\n\
                    3,2026-01-31,Linz,9\n4,2026-01-31,Wien,11\n8,,Graz,1\n";
        let upsert = || StoreRequest { mode: StoreMode::Upsert, ..named("t", rows) };
        let stored = put(&lake, upsert()).await.unwrap();
        let done = stored.upserted.unwrap();
        assert_eq!((done.rows_updated, done.rows_inserted, done.rows_unchanged), (3, 1, 1));
        assert_eq!(
            get(&lake, "t").await.unwrap(),
            "8,null,Graz,1;3,2026-01-31,Linz,9;1,2026-01-31,Wien,6;4,2026-01-31,Wien,11;\
             5,null,Wien,13;2,2026-01-30,Wien,7"
        );
        let again = put(&lake, upsert()).await.unwrap();
        assert!(again.unchanged, "{:?}", again.upserted);
        is_whole(&lake).await;
    });
}

#[test]
fn a_dataset_that_was_emptied_fills_again() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        put(&lake, partitioned("t", &["city"], SALES)).await.unwrap();
        assert_eq!(delete(&lake, "t", Doomed::Where("city = 'Wien'".into())).await, 3);
        assert_eq!(files(&lake, "t").await, ["/city=Graz/part-000000.parquet"]);
        assert_eq!(delete(&lake, "t", Doomed::All).await, 2);
        assert_eq!(get(&lake, "t").await.unwrap(), "");
        assert_eq!(files(&lake, "t").await, ["/part-000000.parquet"]);
        assert_eq!(sql(&lake, "SELECT count(*), max(city) FROM t").await.unwrap(), "0,null");
        add(&lake, "t", "id,day,city,price\n6,2026-02-01,Linz,1\n").await;
        assert_eq!(files(&lake, "t").await, ["/city=Linz/part-000000.parquet"]);
        assert_eq!(get(&lake, "t").await.unwrap(), "6,2026-02-01,Linz,1");
        // A column of nulls alone has no type, and is a folder all the same.
        put(&lake, partitioned("nulls", &["city"], "id,city\n1,\n")).await.unwrap();
        assert_eq!(get(&lake, "nulls").await.unwrap(), "1,null");
        let folder = ["/city=__HIVE_DEFAULT_PARTITION__/part-000000.parquet"];
        assert_eq!(files(&lake, "nulls").await, folder);
    });
}

#[test]
fn columns_change_and_folders_stay() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let before = put(&lake, partitioned("t", &["city"], SALES)).await.unwrap();
        let alter = |request| lake.alter("t", request, no_progress());
        for (request, expected) in [
            (AlterRequest { drop: vec!["city".into()], ..AlterRequest::default() }, "partition"),
            (AlterRequest { widen: vec!["city BYTEA".into()], ..AlterRequest::default() }, "city"),
            (
                AlterRequest {
                    drop: vec!["id".into(), "day".into(), "price".into()],
                    ..AlterRequest::default()
                },
                "at least one other",
            ),
        ] {
            let refused = alter(request).await.unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
        let request = AlterRequest {
            rename: vec![("city".into(), "place".into())],
            ..AlterRequest::default()
        };
        let renamed = alter(request).await.unwrap();
        assert_eq!(renamed.columns, ["id", "day", "place", "price"]);
        assert_ne!(renamed.cid, before.cid);
        assert_eq!(
            files(&lake, "t").await,
            ["/place=Graz/part-000000.parquet", "/place=Wien/part-000000.parquet"]
        );
        let request = AlterRequest {
            add: vec!["country TEXT DEFAULT 'at'".into()],
            drop: vec!["day".into()],
            ..AlterRequest::default()
        };
        alter(request).await.unwrap();
        let rows = "2,Graz,7,at;3,Graz,9,at;1,Wien,5,at;4,Wien,11,at;5,Wien,13,at";
        assert_eq!(get(&lake, "t").await.unwrap(), rows);
        let fresh = rows.replace(';', "\n");
        let fresh = format!("id,place,price,country\n{fresh}\n");
        put(&lake, partitioned("fresh", &["place"], &fresh)).await.unwrap();
        let (t, fresh) = (lake.show("t").await.unwrap(), lake.show("fresh").await.unwrap());
        assert_eq!((t.cid, t.logical_hash), (fresh.cid, fresh.logical_hash));
        is_whole(&lake).await;
    });
}

#[test]
fn odd_values_are_kept_or_refused_by_name() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let odd = "k,n\na/b,1\n../..,2\nZürich 東京,3\n__HIVE_DEFAULT_PARTITION__,4\n,5\n\
                   100%,6\nx=y&z,7\n\"a\nb\",8\n";
        put(&lake, partitioned("t", &["k"], odd)).await.unwrap();
        let listed = files(&lake, "t").await;
        assert_eq!(listed.len(), 8, "{listed:?}");
        assert!(listed.contains(&"/k=a%2Fb/part-000000.parquet".to_owned()), "{listed:?}");
        for (value, number) in [("a/b", 1), ("../..", 2), ("Zürich 東京", 3), ("a\nb", 8)] {
            let found = sql(&lake, &format!("SELECT n FROM t WHERE k = '{value}'")).await.unwrap();
            assert_eq!(found, number.to_string(), "{value}");
        }
        let null = sql(&lake, "SELECT n FROM t WHERE k IS NULL").await.unwrap();
        assert_eq!(null, "5");
        let text = "SELECT n FROM t WHERE k = '__HIVE_DEFAULT_PARTITION__'";
        assert_eq!(sql(&lake, text).await.unwrap(), "4");

        let long = format!("k,n\n{},1\n", "x".repeat(2_000));
        for (request, expected) in [
            (partitioned("u", &["k"], &long), "column `k`"),
            (partitioned("u", &["nosuch"], "k,n\na,1\n"), "nosuch"),
            (partitioned("u", &["k", "n"], "k,n\na,1\n"), "at least one other"),
            (partitioned("u", &["f"], "k,f\na,0.5\n"), "cannot name folders"),
        ] {
            let refused = put(&lake, request).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
            assert!(refused.to_string().contains(expected), "{refused}");
        }
        assert!(lake.show("u").await.is_err(), "what is refused leaves nothing");
        let refused = lake.as_file("t").await.unwrap_err().to_string();
        assert!(refused.contains("partitioned by k"), "{refused}");
    });
}

#[test]
fn two_appends_from_the_same_version_are_both_there() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        put(&lake, partitioned("t", &["k"], "k,n\na,1\nb,2\n")).await.unwrap();
        let appends = (3..20).map(|n| {
            let rows = format!("k,n\n{},{n}\n", if n % 2 == 0 { "a" } else { "c" });
            let lake = lake.clone();
            tokio::spawn(async move { add(&lake, "t", &rows).await })
        });
        for append in appends.collect::<Vec<_>>() {
            append.await.unwrap();
        }
        let found = sql(&lake, "SELECT k, count(*) FROM t GROUP BY k ORDER BY k").await.unwrap();
        assert_eq!(found, "a,9;b,1;c,9");
        is_whole(&lake).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rows that wait in a file come back as those that wait in memory do.
    #[test]
    fn memory_does_not_matter(seed in any::<u64>()) {
        run(async {
            let rows: String = (0..3_000_u64)
                .map(|n| {
                    let mixed = n.wrapping_mul(seed | 1).rotate_left(17);
                    format!("{},{},{n}\n", mixed % 7, mixed % 11)
                })
                .collect();
            let rows = format!("a,b,n\n{rows}");
            let mut cids = Vec::new();
            for memory in [1 << 10, 1 << 28] {
                let place = Place::new();
                let settings = Settings::load(Overrides {
                    lake: Some(place.path().join("lake")),
                    key_file: Some(place.path().join("key")),
                    memory_bytes_max: Some(memory),
                    ..Overrides::default()
                });
                let lake = Lake::open(settings.unwrap(), cidlake::Open::Create).await.unwrap();
                cids.push(put(&lake, partitioned("t", &["b", "a"], &rows)).await.unwrap().cid);
            }
            assert_eq!(cids[0], cids[1]);
        });
    }
}

//! The tree of files over a lake: what is listed can be read, by range too, and nothing else.

use cidlake::{ErrorKind, VfsKind};

use crate::{Place, run, store};

#[test]
fn what_is_listed_can_be_read() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let stored = store(&lake, "people", "id,name\n1,Ada\n2,Bob\n").await;
        store(&lake, "same_rows", "id,name\n1,Ada\n2,Bob\n").await;

        let root: Vec<String> =
            lake.vfs_ls("/").await.unwrap().into_iter().map(|entry| entry.path).collect();
        assert_eq!(root, ["/datasets", "/metadata"]);
        let datasets = lake.vfs_ls("/datasets/").await.unwrap();
        assert_eq!(datasets.len(), 1, "the same content is one entry: {datasets:?}");
        let entry = &datasets[0];
        assert_eq!(entry.path, format!("/datasets/{}", stored.cid));
        assert_eq!((entry.kind, entry.size), (VfsKind::File, stored.bytes));

        let whole = lake.vfs_cat(&entry.path, None).await.unwrap();
        assert_eq!(whole.len() as u64, entry.size);
        assert!(whole.starts_with(b"PAR1") && whole.ends_with(b"PAR1"));
        for range in [0..4, 3..9, 5..5, whole.len() as u64 - 4..u64::MAX, 9_999_999..10_000_000] {
            let end = usize::try_from(range.end).unwrap().min(whole.len());
            let start = usize::try_from(range.start).unwrap().min(end);
            let read = lake.vfs_cat(&entry.path, Some(range.clone())).await.unwrap();
            assert_eq!(read, whole.slice(start..end), "{range:?}");
        }
        let by_name = lake.vfs_info("/datasets/people").await.unwrap();
        assert_eq!(by_name.path, entry.path);

        let metadata = lake.vfs_ls("/metadata").await.unwrap();
        assert_eq!(metadata[0].path, format!("/metadata/{}.json", stored.cid));
        let text = lake.vfs_cat(&metadata[0].path, None).await.unwrap();
        assert_eq!(text.len() as u64, metadata[0].size);
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["metadata"]["num_rows"], 2);
        assert_eq!(json["metadata"]["column_names"][1], "name");
    });
}

#[test]
fn what_is_not_there_is_said() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "people", "id\n1\n").await;
        let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
        let table = [
            ("/nowhere".to_owned(), ErrorKind::NotFound),
            ("/datasets/../../etc/passwd".to_owned(), ErrorKind::Usage),
            (format!("/datasets/{absent}"), ErrorKind::NotFound),
            ("/metadata/nosuch.json".to_owned(), ErrorKind::NotFound),
            ("/metadata/people".to_owned(), ErrorKind::NotFound),
            ("/datasets".to_owned(), ErrorKind::Invalid),
            ("/".to_owned(), ErrorKind::Invalid),
        ];
        for (path, kind) in table {
            let error = lake.vfs_cat(&path, None).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{path}: {error}");
        }
    });
}

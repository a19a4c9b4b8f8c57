//! What stays and what goes, with real tables: expiry, pins, collection, and a lake that is
//! maintained and opened again.

use cidlake::{
    ErrorKind, FsckLevel, GcRequest, GetOptions, Keep, MaintainRequest, StoreRequest, no_progress,
};

use crate::{Place, get, named, run, sql, store, text};

/// Rows that no other number has, some tens of kilobytes of them.
fn rows(number: u64) -> String {
    let rows = (0..3_000_u64).map(|row| {
        let mixed = (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number << 40);
        format!("{row},{mixed:016x}\n")
    });
    format!("n,words\n{}", rows.collect::<String>())
}

fn keep(text: &str) -> Keep {
    Keep::parse(text).expect("what to keep")
}

#[test]
fn old_versions_expire_and_their_room_comes_back() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let mut stored = Vec::new();
        for number in 0..6 {
            stored.push(store(&lake, "t", &rows(number)).await);
        }
        let newest = get(&lake, "t").await.unwrap();
        let expired = lake.expire("t", keep("1"), false).await.unwrap();
        assert_eq!((expired.versions_kept, expired.versions_expired), (1, 5));
        let old = get(&lake, "t~1").await.unwrap_err();
        assert_eq!(old.kind(), ErrorKind::NotFound);
        assert!(old.to_string().contains("expired"), "{old}");

        let before = lake.health().await.unwrap().bytes;
        let summary = lake.gc(GcRequest::default(), no_progress()).await.unwrap();
        assert!(summary.bytes_freed > 0 && summary.damage.is_empty(), "{summary:?}");
        assert!(lake.health().await.unwrap().bytes < before / 2, "{before} before: {summary:?}");
        assert_eq!(get(&lake, "t").await.unwrap(), newest);
        let gone = get(&lake, &stored[0].cid.to_string()).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        for level in [FsckLevel::Quick, FsckLevel::Full] {
            let report = lake.fsck(level, no_progress()).await.unwrap();
            assert_eq!((report.damage.len(), report.datasets), (0, 1), "{report:?}");
        }
        // The dataset goes on, and its history begins at the version that was kept.
        store(&lake, "t", "n,words\n1,a\n").await;
        assert_eq!(get(&lake, "t~1").await.unwrap(), newest);
    });
}

#[test]
fn a_reader_that_began_before_reads_to_its_end() {
    run(async {
        let place = Place::new();
        // Whoever wrote it has left: the pack of a writer is not collected.
        let writer = place.open().await;
        store(&writer, "t", &rows(1)).await;
        writer.close().await.unwrap();
        let lake = place.open().await;
        let expected = get(&lake, "t").await.unwrap();
        let reading = lake.get("t", GetOptions::default()).await.unwrap();
        let other = place.open().await;
        other.drop_dataset("t").await.unwrap();
        let first = other.gc(GcRequest::default(), no_progress()).await.unwrap();
        assert!(first.bytes_waiting > 0, "{first:?}");
        assert_eq!(text(&reading.collect().await.unwrap()), expected);
        let second = other.gc(GcRequest::default(), no_progress()).await.unwrap();
        assert!(second.bytes_freed > 0 && second.bytes_waiting == 0, "{second:?}");
    });
}

#[test]
fn a_pinned_version_is_read_after_its_dataset_is_gone() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let first = store(&lake, "t", &rows(1)).await;
        store(&lake, "t", &rows(2)).await;
        let expected = get(&lake, "t~1").await.unwrap();
        let pinned = lake.pin("t~1", Some("first".into())).await.unwrap();
        assert_eq!((pinned.cid, pinned.content), (first.commit, Some(first.cid)));
        lake.drop_dataset("t").await.unwrap();
        lake.gc(GcRequest::default(), no_progress()).await.unwrap();
        assert_eq!(get(&lake, &first.cid.to_string()).await.unwrap(), expected);
        assert_eq!(lake.pins().await.unwrap()[0].rows, Some(3_000));
        lake.unpin("first").await.unwrap();
        lake.gc(GcRequest::default(), no_progress()).await.unwrap();
        let gone = get(&lake, &first.cid.to_string()).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_lake_opens_from_its_checkpoint_as_from_its_log() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let first = store(&lake, "a", "n\n1\n").await;
        let unnamed = StoreRequest { name: None, ..named("x", "n\n7\n") };
        let unnamed = lake.store(unnamed, no_progress()).await.unwrap();
        store(&lake, "a", "n\n2\n").await;
        store(&lake, "a", "n\n3\n").await;
        lake.expire("a", keep("2"), false).await.unwrap();
        let done = lake
            .maintain(MaintainRequest { compact: false, gc: false }, no_progress())
            .await
            .unwrap();
        assert!(done.checkpoint_new && done.checkpoint_lsn > 0, "{done:?}");
        let again = lake
            .maintain(MaintainRequest { compact: false, gc: false }, no_progress())
            .await
            .unwrap();
        assert_eq!((again.checkpoint_new, again.checkpoint_lsn), (false, done.checkpoint_lsn));
        lake.close().await.unwrap();
        drop(lake);

        let lake = place.open().await;
        assert_eq!(sql(&lake, "SELECT name FROM datasets").await.unwrap(), "a");
        assert_eq!(get(&lake, "a~1").await.unwrap(), "2");
        assert!(get(&lake, "a~2").await.unwrap_err().to_string().contains("expired"));
        // By content too: of a version that was named, and of one that was only pinned.
        assert_eq!(get(&lake, &first.cid.to_string()).await.unwrap(), "1");
        assert_eq!(get(&lake, &unnamed.cid.to_string()).await.unwrap(), "7");
        assert_eq!(lake.pins().await.unwrap().len(), 1);
        store(&lake, "a", "n\n4\n").await;
        assert_eq!(get(&lake, "a~2").await.unwrap(), "2");
        assert!(lake.fsck(FsckLevel::Full, no_progress()).await.unwrap().damage.is_empty());
    });
}

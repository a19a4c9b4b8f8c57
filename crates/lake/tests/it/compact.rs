//! Compaction: many small parts become what storing everything at once gives.

use cidlake::{ErrorKind, MaintainRequest, StoreMode, StoreRequest, no_progress};

use crate::{Place, get, named, run, sql, store};

/// Appends rows `from..to`, one version each.
async fn append(lake: &cidlake::Lake, name: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let rows = format!("n,word\n{number},word {number}\n");
        let request = StoreRequest { mode: StoreMode::Append, ..named(name, &rows) };
        lake.store(request, no_progress()).await.unwrap();
    }
}

#[test]
fn the_content_is_that_of_storing_everything_at_once() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "grown", "n,word\n0,word 0\n").await;
        append(&lake, "grown", 1..70).await;
        let rows: String = (0..70).map(|n| format!("{n},word {n}\n")).collect();
        let whole = store(&lake, "whole", &format!("n,word\n{rows}")).await;
        let before = lake.show("grown").await.unwrap();
        assert_eq!(before.parts.len(), 70);
        assert_ne!(before.cid, whole.cid);

        let compacted = lake.compact("grown", no_progress()).await.unwrap();
        assert_eq!((compacted.parts_before, compacted.parts), (70, 1));
        assert_eq!((compacted.cid, compacted.rows), (whole.cid, 70));
        let after = lake.show("grown").await.unwrap();
        assert_eq!(after.operation.as_deref(), Some("compact"));
        assert!(after.logical_hash.is_some());
        assert_eq!(after.logical_hash, before.logical_hash, "the rows are the same");
        assert_eq!(after.parents, vec![before.commit.unwrap()]);
        assert_eq!(get(&lake, "grown").await.unwrap(), get(&lake, "grown~1").await.unwrap());

        let again = lake.compact("grown", no_progress()).await.unwrap();
        assert!(again.unchanged);
        assert_eq!((again.new_bytes, again.commit), (0, compacted.commit));
        append(&lake, "grown", 70..71).await;
        assert_eq!(sql(&lake, "SELECT sum(n) FROM grown").await.unwrap(), "2485");
        let absent = lake.compact("nothing", no_progress()).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn maintenance_compacts_what_is_worn_and_nothing_else() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "worn", "n,word\n0,word 0\n").await;
        append(&lake, "worn", 1..40).await;
        store(&lake, "young", "n,word\n0,word 0\n").await;
        append(&lake, "young", 1..20).await;
        let request = MaintainRequest { compact: true, gc: false };
        let done = lake.maintain(request, no_progress()).await.unwrap();
        let names: Vec<&str> = done.compacted.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["worn"]);
        assert_eq!(lake.show("worn").await.unwrap().parts.len(), 1);
        let again = lake.maintain(request, no_progress()).await.unwrap();
        assert!(again.compacted.is_empty());
    });
}

//! Several openers of one lake at once see one another's commits and lose nothing.

use crate::{Place, get, named, run, store};
use cidlake::{FsckLevel, StoreMode, StoreRequest, no_progress};

#[test]
fn two_openers_follow_each_other() {
    run(async {
        let place = Place::new();
        let (one, two) = (place.open().await, place.open().await);
        store(&one, "t", "n\n1\n").await;
        assert_eq!(get(&two, "t").await.unwrap(), "1");
        let append = StoreRequest { mode: StoreMode::Append, ..named("t", "n\n2\n") };
        two.store(append, no_progress()).await.unwrap();
        assert_eq!(get(&one, "t").await.unwrap(), "1;2");
        assert_eq!(one.health().await.unwrap().catalog_heads, 1);
    });
}

#[test]
fn appends_from_many_tasks_and_openers_all_arrive() {
    run(async {
        let place = Place::new();
        let lakes = [place.open().await, place.open().await];
        store(&lakes[0], "t", "n\n0\n").await;
        let tasks = (1..=20).map(|n| {
            let lake = lakes[n % 2].clone();
            let append =
                StoreRequest { mode: StoreMode::Append, ..named("t", &format!("n\n{n}\n")) };
            tokio::spawn(async move { lake.store(append, no_progress()).await.map(|_| ()) })
        });
        for task in futures::future::join_all(tasks).await {
            task.expect("the task ends").expect("the append arrives");
        }
        let mut rows: Vec<u32> =
            get(&lakes[0], "t").await.unwrap().split(';').map(|n| n.parse().unwrap()).collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..=20).collect::<Vec<u32>>());
        assert!(lakes[1].fsck(FsckLevel::Full, no_progress()).await.unwrap().damage.is_empty());
        assert_eq!(lakes[1].health().await.unwrap().catalog_heads, 1);
    });
}

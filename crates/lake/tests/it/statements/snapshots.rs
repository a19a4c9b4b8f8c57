//! Statements that share a snapshot: the second reads what the first read.

use cidlake::{Lake, Snapshot, SqlOptions, StoreMode, StoreRequest, no_progress};

use crate::{Place, named, run, store, text};

async fn read(lake: &Lake, query: &str, snapshot: &Snapshot, write: bool) -> String {
    let options = SqlOptions { snapshot: snapshot.clone(), write, ..SqlOptions::default() };
    text(&lake.sql(query, options).await.unwrap().collect().await.unwrap())
}

#[test]
fn names_and_functions_mean_what_they_meant_to_the_first() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n").await;
        let query = "SELECT (SELECT sum(n) FROM t), (SELECT count(*) FROM history('t')),
            (SELECT sum(n) FROM at('t', '~0')), (SELECT sum(rows) FROM datasets)";
        let snapshot = Snapshot::default();
        let first = read(&lake, query, &snapshot, false).await;
        let more = StoreRequest { mode: StoreMode::Append, ..named("t", "n\n2\n") };
        lake.store(more, no_progress()).await.unwrap();
        assert_eq!(read(&lake, query, &snapshot, false).await, first);
        assert_ne!(read(&lake, query, &Snapshot::default(), false).await, first);
        // What a statement saw is not what it must write over.
        let inserted = "INSERT INTO t SELECT n + 10 FROM t";
        read(&lake, inserted, &snapshot, true).await;
        let sum = "SELECT count(*), sum(n) FROM t";
        let now = read(&lake, sum, &Snapshot::default(), false).await;
        assert_eq!(now, "4,26");
    });
}

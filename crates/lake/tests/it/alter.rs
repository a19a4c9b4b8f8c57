//! Altering: columns, keys and words change, rows and blocks stay.

use cidlake::{
    AlterRequest, Altered, Error, ErrorKind, Lake, StoreMode, StoreRequest, no_progress,
};

use crate::{Place, named, run, sql, store};

const PEOPLE: &str = "id,name,age\n1,ann,31\n2,bob,\n3,cid,44\n";

async fn alter(lake: &Lake, request: AlterRequest) -> Result<Altered, Error> {
    lake.alter("people", request, no_progress()).await
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn columns_come_and_go_and_older_versions_stay() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let before = store(&lake, "people", PEOPLE).await;
        let altered = alter(
            &lake,
            AlterRequest {
                add: words(&["country TEXT DEFAULT 'at'", "score DOUBLE"]),
                drop: words(&["age"]),
                rename: pairs(&[("name", "full_name")]),
                ..AlterRequest::default()
            },
        )
        .await
        .unwrap();
        assert_eq!(altered.columns, ["id", "full_name", "country", "score"]);
        assert_eq!((altered.rows, altered.unchanged), (3, false));
        assert_eq!(
            sql(&lake, "SELECT count(*) FROM people WHERE country = 'at' AND score IS NULL")
                .await
                .unwrap(),
            "3"
        );
        assert_eq!(sql(&lake, "SELECT sum(age) FROM \"people~1\"").await.unwrap(), "75");
        let shown = lake.show("people").await.unwrap();
        assert_eq!(shown.operation.as_deref(), Some("alter"));
        assert_eq!(shown.parents, vec![before.commit]);
        assert!(shown.logical_hash.is_some());
    });
}

#[test]
fn storing_the_altered_table_again_changes_nothing() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "people", PEOPLE).await;
        let request =
            AlterRequest { add: words(&["country TEXT DEFAULT 'at'"]), ..AlterRequest::default() };
        let altered = alter(&lake, request).await.unwrap();
        let rows = "id,name,age,country\n1,ann,31,at\n2,bob,,at\n3,cid,44,at\n";
        let again = store(&lake, "people", rows).await;
        assert_eq!((again.cid, again.commit), (altered.cid, altered.commit));
        assert!(again.unchanged);
        let request = AlterRequest { drop: words(&["country"]), ..AlterRequest::default() };
        let back = alter(&lake, request).await.unwrap();
        let elsewhere = lake.store(named("other", PEOPLE), no_progress()).await.unwrap();
        assert_eq!(back.cid, elsewhere.cid, "the content is that of its rows");
        let request = AlterRequest { drop: words(&["age"]), ..AlterRequest::default() };
        let narrow = alter(&lake, request).await.unwrap();
        let again = store(&lake, "people", "id,name\n1,ann\n2,bob\n3,cid\n").await;
        assert_eq!((again.cid, again.unchanged), (narrow.cid, true));
    });
}

#[test]
fn names_are_swapped_and_rows_keep_their_values() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "people", "a,b\n1,2\n").await;
        let swap =
            AlterRequest { rename: pairs(&[("a", "b"), ("b", "a")]), ..AlterRequest::default() };
        let altered = alter(&lake, swap).await.unwrap();
        assert_eq!(altered.columns, ["b", "a"]);
        assert_eq!(sql(&lake, "SELECT a FROM people").await.unwrap(), "2");
    });
}

#[test]
fn keys_and_words_touch_no_part() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let before = store(&lake, "people", PEOPLE).await;
        let request = AlterRequest {
            set: [("source".to_owned(), "crm".to_owned())].into(),
            key: Some(words(&["id"])),
            message: Some("a key".to_owned()),
            ..AlterRequest::default()
        };
        let altered = alter(&lake, request.clone()).await.unwrap();
        assert_eq!(altered.cid, before.cid);
        assert_ne!(altered.commit, before.commit);
        assert!(alter(&lake, request).await.unwrap().unchanged);

        let drop = AlterRequest { drop: words(&["id"]), ..AlterRequest::default() };
        let refused = alter(&lake, drop.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Usage);
        assert!(refused.to_string().contains("`id`"), "{refused}");
        let free = AlterRequest {
            unset: words(&["source"]),
            key: Some(Vec::new()),
            ..AlterRequest::default()
        };
        assert!(lake.show("people").await.unwrap().metadata.contains_key("source"));
        alter(&lake, free).await.unwrap();
        assert!(lake.show("people").await.unwrap().metadata.is_empty());
        assert_eq!(alter(&lake, drop).await.unwrap().columns, ["name", "age"]);
    });
}

#[test]
fn what_cannot_be_done_is_refused_and_nothing_written() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let before = store(&lake, "people", PEOPLE).await;
        let default = AlterRequest::default();
        let refusals = [
            (AlterRequest { drop: words(&["nam"]), ..default.clone() }, "`nam`"),
            (AlterRequest { drop: words(&["id", "name", "age"]), ..default.clone() }, "no column"),
            (AlterRequest { add: words(&["name TEXT"]), ..default.clone() }, "`name` already"),
            (AlterRequest { add: words(&["x"]), ..default.clone() }, "`x` is no column"),
            (AlterRequest { rename: pairs(&[("id", "age")]), ..default.clone() }, "`age` already"),
            (AlterRequest { widen: words(&["id INT"]), ..default.clone() }, "`id`"),
            (AlterRequest { key: Some(words(&["ids"])), ..default.clone() }, "`ids`"),
        ];
        for (request, text) in refusals {
            let refused = alter(&lake, request).await.unwrap_err();
            assert!(refused.to_string().contains(text), "{refused} has no {text}");
        }
        assert_eq!(lake.show("people").await.unwrap().commit, Some(before.commit));
    });
}

#[test]
fn every_part_is_altered_and_widened() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "people", PEOPLE).await;
        let more =
            StoreRequest { mode: StoreMode::Append, ..named("people", "id,name,age\n4,dan,50\n") };
        lake.store(more, no_progress()).await.unwrap();
        let request = AlterRequest {
            add: words(&["small Int16 DEFAULT 7", "\"a b\" DECIMAL(10,2) DEFAULT 1.25"]),
            ..AlterRequest::default()
        };
        alter(&lake, request).await.unwrap();
        let request = AlterRequest { widen: words(&["small BIGINT"]), ..AlterRequest::default() };
        let altered = alter(&lake, request).await.unwrap();
        assert_eq!(altered.rows, 4);
        assert_eq!(lake.show("people").await.unwrap().parts.len(), 2);
        let sums = "SELECT sum(small) FROM people WHERE \"a b\" = 1.25";
        assert_eq!(sql(&lake, sums).await.unwrap(), "28");
        assert_eq!(sql(&lake, "SELECT max(id) FROM people").await.unwrap(), "4");
    });
}

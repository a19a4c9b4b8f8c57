//! What statements may take: limits of rows and bytes, memory that is not enough at first, many
//! statements at once, and answers that nobody waits for any more.

use std::sync::Arc;
use std::time::Duration;

use cidlake::arrow::array::{ArrayRef, Int64Array, StringArray};
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{
    BatchSource, Error, ErrorKind, Lake, Limits, Open, Settings, Source, SqlOptions, StoreRequest,
    no_progress,
};

use crate::{Place, run, sql, store, text};

const ROWS: i64 = 400_000;

/// A lake whose statements have so much memory together, with a table of numbers and of texts.
async fn lake(place: &Place, memory_bytes_max: usize) -> Lake {
    let settings = Settings { memory_bytes_max, ..place.settings() };
    let lake = Lake::open(settings, Open::Create).await.unwrap();
    let number = |row: i64| (row * 7_919) % ROWS;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new((0..ROWS).map(|row| Some(number(row))).collect::<Int64Array>())),
        (
            "t",
            Arc::new((0..ROWS).map(|row| Some(format!("text {row:09}"))).collect::<StringArray>()),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let source = BatchSource {
        label: "rows".to_owned(),
        schema: batch.schema(),
        batches: Box::new(std::iter::once(Ok(batch))),
        rows_total: None,
    };
    let request = StoreRequest {
        sources: vec![Source::Batches(source)],
        name: Some("rows".to_owned()),
        ..StoreRequest::default()
    };
    lake.store(request, no_progress()).await.unwrap();
    lake
}

async fn within(lake: &Lake, query: &str, limits: Limits) -> Result<String, Error> {
    let rows = lake.sql(query, SqlOptions { limits, ..SqlOptions::default() }).await?;
    Ok(text(&rows.collect().await?))
}

#[test]
fn a_statement_ends_at_its_limits_or_at_those_of_the_lake() {
    run(async {
        let place = Place::new();
        let settings = Settings {
            limits: Limits { rows_max: Some(3), ..Limits::default() },
            ..place.settings()
        };
        let lake = Lake::open(settings, Open::Create).await.unwrap();
        store(&lake, "four", "n\n1\n2\n3\n4\n").await;
        let none = Limits::default();
        let more = Limits { rows_max: Some(100), ..none };
        let fewer = Limits { rows_max: Some(1), ..none };
        for (query, limits, rows) in [
            ("SELECT n FROM four WHERE n < 4", none, Ok("1;2;3")),
            ("SELECT n FROM four", none, Err("3 rows")),
            ("SELECT n FROM four", more, Err("3 rows")),
            ("SELECT n FROM four LIMIT 2", fewer, Err("1 rows")),
            ("SELECT sum(n) FROM four", fewer, Ok("10")),
            ("SELECT n FROM four LIMIT 2", Limits { bytes_max: Some(1), ..none }, Err("1 bytes")),
            ("SELECT n FROM four", Limits { read_bytes_max: Some(0), ..none }, Err("0 bytes")),
        ] {
            match (within(&lake, query, limits).await, rows) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{query}"),
                (Err(error), Err(limit)) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{query}");
                    assert!(error.to_string().contains(limit), "{query}: {error}");
                    assert!(error.hint().is_some(), "{query}");
                }
                (found, _) => panic!("{query} {limits:?}: {found:?}"),
            }
        }
    });
}

#[test]
fn what_does_not_fit_into_memory_spills() {
    run(async {
        let place = Place::new();
        let lake = lake(&place, 24 << 20).await;
        for (query, expected) in [
            (
                "SELECT count(*), sum(b.n) FROM rows a JOIN rows b ON a.t = b.t AND a.n = b.n",
                "400000,79999800000",
            ),
            ("SELECT count(*) FROM (SELECT t, count(*) FROM rows GROUP BY t)", "400000"),
            ("SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY t) AS r FROM rows)", "400000"),
        ] {
            let found = sql(&lake, query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
            assert_eq!(found, expected, "{query}");
        }
    });
}

#[test]
fn fifty_statements_at_once_all_have_their_answers() {
    run(async {
        let place = Place::new();
        let lake = lake(&place, 64 << 20).await;
        let queries = [
            ("SELECT t FROM rows WHERE n = 7919", "text 000000001"),
            ("SELECT count(*) FROM rows WHERE n < 1000", "1000"),
            ("SELECT count(*) FROM (SELECT DISTINCT t FROM rows)", "400000"),
            ("SELECT count(*) FROM rows a JOIN rows b ON a.n = b.n", "400000"),
            (
                "SELECT t FROM (SELECT t, row_number() OVER (ORDER BY n) AS r FROM rows) WHERE r = 1",
                "text 000000000",
            ),
        ];
        let mut running = tokio::task::JoinSet::new();
        for ordinal in 0..50 {
            let lake = lake.clone();
            running.spawn(async move { (ordinal % 5, sql(&lake, queries[ordinal % 5].0).await) });
        }
        let mut answers = 0;
        while let Some(answer) = running.join_next().await {
            let (which, found) = answer.unwrap();
            let query = queries[which];
            let found = found.unwrap_or_else(|error| panic!("{}: {error}", query.0));
            assert_eq!(found, query.1, "{}", query.0);
            answers += 1;
        }
        assert_eq!(answers, 50);
    });
}

#[test]
fn statements_that_need_little_do_not_wait_for_those_that_hold_much() {
    run(async {
        let place = Place::new();
        let lake = lake(&place, 1 << 20).await;
        // One that is begun and not read to its end keeps its turn.
        let held = lake.sql("SELECT t FROM rows ORDER BY n", SqlOptions::default());
        let _held = tokio::time::timeout(Duration::from_secs(60), held).await;
        assert_eq!(sql(&lake, "SELECT t FROM rows WHERE n = 0").await.unwrap(), "text 000000000");
    });
}

#[test]
fn a_turn_is_given_back_when_the_answer_is_dropped() {
    run(async {
        let place = Place::new();
        // One turn.
        let lake = lake(&place, 63 << 20).await;
        let sorted = "SELECT t FROM rows ORDER BY n";
        for _ in 0..3 {
            let mut rows = lake.sql(sorted, SqlOptions::default()).await.unwrap();
            assert!(rows.next().await.unwrap().is_some());
        }
        let mut first = lake.sql(sorted, SqlOptions::default()).await.unwrap();
        let second = lake.sql(sorted, SqlOptions { timeout_ms: Some(50), ..Default::default() });
        assert_eq!(second.await.err().map(|error| error.kind()), Some(ErrorKind::Unavailable));
        assert!(first.next().await.unwrap().is_some());
    });
}

//! The lake as tables: what the schema `system` says, beside what other calls say of the same.

use std::path::Path;
use std::sync::Arc;

use cidlake::{
    ErrorKind, Lake, MaintainRequest, OperationRequest, SqlOptions, StoreMode, StoreRequest,
    WorkRequest, no_progress,
};
use cidlake_store::disk::{Disk, MemDisk};

use crate::program::world::Machine;
use crate::{Place, metadata, named, run, sql, store};

async fn busy(lake: &Lake) {
    let request = StoreRequest {
        metadata: metadata(&[("source", "user_db")]),
        ..named("people", "id,city\n1,Oslo\n2,\n")
    };
    lake.store(request, no_progress()).await.unwrap();
    let append = StoreRequest { mode: StoreMode::Append, ..named("people", "id,city\n3,Rome\n") };
    lake.store(append, no_progress()).await.unwrap();
    store(lake, "sales.orders", "n\n1\n").await;
}

#[test]
fn datasets_versions_parts_and_columns_are_tables() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        busy(&lake).await;
        let shown = lake.show("people").await.unwrap();
        let table = [
            (
                "SELECT name, rows, columns, operation, metadata['source'] FROM system.datasets \
                 ORDER BY name",
                "people,3,2,append,user_db;sales.orders,1,1,create,null".to_owned(),
            ),
            (
                "SELECT dataset, depth, newest, rows, column_names FROM system.commits \
                 ORDER BY dataset, depth",
                "people,0,false,2,[\"id\",\"city\"];people,1,true,3,[\"id\",\"city\"];\
                 sales.orders,0,true,1,[\"n\"]"
                    .to_owned(),
            ),
            (
                "SELECT cid, rows FROM system.parts WHERE dataset = 'people' ORDER BY ordinal",
                shown
                    .parts
                    .iter()
                    .map(|part| format!("{},{}", part.cid, part.rows))
                    .collect::<Vec<_>>()
                    .join(";"),
            ),
            (
                "SELECT \"column\", type, nulls, min, max FROM system.columns \
                 WHERE dataset = 'people' ORDER BY ordinal",
                "id,Int64,0,1,3;city,Utf8,1,Oslo,Rome".to_owned(),
            ),
            (
                "SELECT count(*) FROM system.commits WHERE array_has(column_names, 'city')",
                "2".to_owned(),
            ),
        ];
        for (query, expected) in table {
            assert_eq!(sql(&lake, query).await.unwrap(), expected, "{query}");
        }
        let error = sql(&lake, "SELECT * FROM system.commit").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.hint().unwrap().contains("system.commits"), "{error}");
    });
}

#[test]
fn blocks_pins_figures_and_settings_are_tables() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        busy(&lake).await;
        lake.pin("people~1", Some("first".into())).await.unwrap();
        let health = lake.health().await.unwrap();
        let blocks = sql(&lake, "SELECT count(*), count(DISTINCT cid) FROM system.blocks").await;
        assert_eq!(blocks.unwrap(), format!("{0},{0}", health.blocks));
        let pins = sql(&lake, "SELECT name, kind, rows FROM system.pins").await.unwrap();
        assert_eq!(pins, "first,table,2");
        for (metric, expected) in
            [("datasets", 2), ("pins", 1), ("blocks", health.blocks), ("operations_pending", 0)]
        {
            let query = format!("SELECT value FROM system.metrics WHERE name = '{metric}'");
            assert_eq!(sql(&lake, &query).await.unwrap(), expected.to_string(), "{metric}");
        }
        let caches = sql(&lake, "SELECT cache FROM system.cache ORDER BY cache").await.unwrap();
        assert_eq!(caches, "blocks;footers");
        let threads = "SELECT value FROM system.settings WHERE name = 'threads'";
        assert_eq!(sql(&lake, threads).await.unwrap(), "2");
        let listed = "SELECT table_schema, table_name FROM information_schema.tables \
                      WHERE table_schema = 'system' ORDER BY table_name LIMIT 3";
        assert_eq!(sql(&lake, listed).await.unwrap(), "system,blocks;system,cache;system,columns");
        let typed = "SELECT data_type FROM information_schema.columns \
                     WHERE table_name = 'wal' AND column_name = 'lsn'";
        assert_eq!(sql(&lake, typed).await.unwrap(), "UInt64");
        // Nobody writes them.
        let write = SqlOptions { write: true, ..SqlOptions::default() };
        assert!(lake.sql("DELETE FROM system.commits", write).await.is_err());
    });
}

#[test]
fn operations_and_the_log_are_tables() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        busy(&lake).await;
        let request = OperationRequest {
            kind: "verify".into(),
            params: [("full".to_owned(), serde_json::Value::Bool(true))].into(),
            key: Some("once".into()),
            ..OperationRequest::default()
        };
        let id = lake.enqueue(request).await.unwrap().info.id;
        let pending = "SELECT operation_type, status, key, parameters['full'], attempts \
                       FROM system.operations";
        assert_eq!(sql(&lake, pending).await.unwrap(), "verify,pending,once,true,0");
        lake.work(WorkRequest::default(), no_progress()).await.unwrap();
        let done = "SELECT status, attempts, result IS NOT NULL FROM system.operations";
        assert_eq!(sql(&lake, done).await.unwrap(), "completed,1,true");
        let log = format!(
            "SELECT kind, status, operation_type, retry_count, max_retries FROM system.wal \
             WHERE operation_id = '{id}' ORDER BY lsn"
        );
        assert_eq!(
            sql(&lake, &log).await.unwrap(),
            "queued,pending,verify,0,5;leased,processing,verify,0,null;\
             settled,completed,verify,0,null"
        );
        let deltas = "SELECT count(*), count(payload), count(result.cid) FROM system.wal \
                      WHERE kind = 'delta'";
        assert_eq!(sql(&lake, deltas).await.unwrap(), "3,3,3");
    });
}

const LOG: &str = "SELECT * FROM system.wal ORDER BY lsn";

/// A machine whose log has several closed segments.
async fn written() -> (Machine, Lake, String) {
    let machine = Machine::new();
    let lake = machine.open_on(Arc::new(machine.disk.process())).await.unwrap();
    for number in 0..20 {
        store(&lake, "t", &format!("n\n{number}\n")).await;
        for _ in 0..5 {
            let request = OperationRequest { kind: "seal".into(), ..OperationRequest::default() };
            lake.enqueue(request).await.unwrap();
        }
    }
    let said = sql(&lake, LOG).await.unwrap();
    (machine, lake, said)
}

fn names(disk: &MemDisk) -> Vec<String> {
    let mut names = disk.list(Path::new("/lake/wal/sealed")).unwrap_or_default();
    names.retain(|name| name.ends_with(".parquet"));
    names.sort();
    names
}

#[test]
fn the_log_reads_the_same_from_its_copies() {
    run(async {
        let (machine, lake, before) = written().await;
        let request = MaintainRequest { compact: false, gc: false };
        let maintained = lake.maintain(request, no_progress()).await.unwrap();
        assert!(maintained.log_segments_sealed > 2, "{maintained:?}");
        assert_eq!(names(&machine.disk).len() as u64, maintained.log_segments_sealed);
        assert_eq!(sql(&lake, LOG).await.unwrap(), before);
        assert_eq!(lake.wal_status().await.unwrap().unsealed, 0);
        // Where a copy is damaged, or was let go, the log itself is read.
        let damaged = Path::new("/lake/wal/sealed").join(&names(&machine.disk)[0]);
        let mut bytes = machine.disk.content(&damaged).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        machine.disk.set_content(&damaged, bytes).unwrap();
        assert_eq!(sql(&lake, LOG).await.unwrap(), before);
        for gone in [names(&machine.disk).remove(1), names(&machine.disk).remove(0)] {
            machine.disk.remove(&Path::new("/lake/wal/sealed").join(gone)).unwrap();
            assert_eq!(sql(&lake, LOG).await.unwrap(), before);
        }
        let again = lake.maintain(request, no_progress()).await.unwrap();
        assert_eq!(again.log_segments_sealed, 0);
    });
}

#[test]
fn a_power_cut_while_the_log_is_copied_loses_nothing_and_shows_nothing_twice() {
    run(async {
        let (machine, lake, before) = written().await;
        drop(lake);
        let request = MaintainRequest { compact: false, gc: false };
        let mut cuts = 0;
        for until in 0.. {
            let mut copy = machine.fork();
            copy.begin(0, u64::MAX).await.unwrap();
            let process = copy.process(0).await;
            let (lake, faults) = (process.lake.clone(), process.faults.clone());
            faults.fail_from(faults.operations() + 3 * until);
            let done = lake.maintain(request, no_progress()).await;
            drop(lake);
            copy.cut_power(until);
            let lake = copy.process(0).await.lake.clone();
            assert_eq!(sql(&lake, LOG).await.unwrap(), before, "after {until}");
            lake.maintain(request, no_progress()).await.unwrap();
            assert_eq!(sql(&lake, LOG).await.unwrap(), before, "after {until}, and mended");
            if done.is_ok() {
                break;
            }
            cuts += 1;
        }
        assert!(cuts > 20, "only {cuts} cuts");
    });
}

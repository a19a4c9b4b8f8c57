//! Several writers on one real folder at once: processes, and handles within one process. Nothing
//! that they were told is done is lost, and the versions of each dataset stand in a row.
//!
//! This test program runs itself: a worker is the same program with a folder in its environment.

use std::path::Path;
use std::process::{Command, Stdio};

use cidlake::{
    FsckLevel, GetOptions, Lake, LogEnd, LogOptions, Open, Overrides, Settings, StoreMode,
    StoreRequest, TagRequest, no_progress,
};

use crate::{Place, get, named, run, store};

/// The variable that makes a worker of this program: its number, and its folder.
const WORKER: &str = "CIDLAKE_TEST_WORKER";
const FOLDER: &str = "CIDLAKE_TEST_FOLDER";
/// How many rows each writer appends, one by one.
const ROWS: u32 = 25;
const WRITERS: u32 = 3;

fn settings(folder: &Path) -> Settings {
    Settings::load(Overrides {
        lake: Some(folder.join("lake")),
        key_file: Some(folder.join("key")),
        threads: Some(1),
        ..Overrides::default()
    })
    .unwrap()
}

/// Appends rows to a dataset that all share and to one of its own, and tags some versions.
async fn write(lake: &Lake, writer: u32) {
    let own = format!("own-{writer}");
    for n in 0..ROWS {
        let rows = format!("writer,n\n{writer},{n}\n");
        let first = if n == 0 { StoreMode::Overwrite } else { StoreMode::Append };
        for (name, mode) in [("shared", StoreMode::Append), (own.as_str(), first)] {
            let request = StoreRequest { mode, ..named(name, &rows) };
            lake.store(request, no_progress()).await.unwrap();
        }
        if n % 5 == 0 {
            let tag = format!("w{writer}.{n}");
            let request = TagRequest { tag, version: None, force: false };
            lake.tag("shared", request).await.unwrap();
        }
    }
}

/// Does the work of one writer. Not a test of its own: it passes at once unless this program is run
/// as a worker.
#[test]
fn a_worker_appends_rows() {
    let (Some(worker), Some(folder)) = (std::env::var_os(WORKER), std::env::var_os(FOLDER)) else {
        return;
    };
    let worker = worker.to_string_lossy().parse().unwrap();
    run(async move {
        let lake = Lake::open(settings(Path::new(&folder)), Open::Existing).await.unwrap();
        write(&lake, worker).await;
        lake.close().await.unwrap();
    });
}

/// Checks that everything is there that writers so many did.
async fn check(lake: &Lake, writers: u32) {
    let rows = lake.get("shared", GetOptions::default()).await.unwrap().collect().await.unwrap();
    let shared = crate::text(&rows);
    let rows: Vec<&str> = shared.split(';').collect();
    assert_eq!(rows.len() as u32, 1 + writers * ROWS);
    for writer in 0..writers {
        let of_one = format!("{writer},");
        let found: Vec<&str> =
            rows.iter().copied().filter(|row| row.starts_with(&of_one)).collect();
        let expected: Vec<String> = (0..ROWS).map(|n| format!("{writer},{n}")).collect();
        assert_eq!(found, expected, "in the order in which they were appended");
        let own = get(lake, &format!("own-{writer}")).await.unwrap();
        assert_eq!(own, expected.join(";"));
    }
    let log = lake.log("shared", LogOptions { limit: 1_000, from: None }).await.unwrap();
    assert_eq!((log.entries.len() as u32, log.end), (1 + writers * ROWS, LogEnd::First));
    for (entry, rows) in log.entries.iter().rev().zip(1..) {
        assert_eq!((entry.rows, entry.depth + 1), (rows, rows), "one row more in each version");
    }
    // Each version is what all rows up to then are.
    for back in [1, 7, rows.len() / 2] {
        let expected = rows[..rows.len() - back].join(";");
        assert_eq!(get(lake, &format!("shared~{back}")).await.unwrap(), expected);
    }
    assert_eq!(lake.tags("shared").await.unwrap().len() as u32, writers * ROWS.div_ceil(5));
    let report = lake.fsck(FsckLevel::Full, no_progress()).await.unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
}

#[test]
fn processes_that_append_at_once_lose_nothing() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "shared", "writer,n\n99,0\n").await;
        let start = |worker: u32| {
            Command::new(std::env::current_exe().unwrap())
                .args(["writers::a_worker_appends_rows", "--exact", "--test-threads=1"])
                .env(WORKER, worker.to_string())
                .env(FOLDER, place.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let workers: Vec<_> = (0..WRITERS).map(start).collect();
        for worker in workers {
            let ended = worker.wait_with_output().unwrap();
            let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8(said).unwrap());
            assert!(ended.status.success(), "{}{}", said[0], said[1]);
        }
        check(&lake, WRITERS).await;
    });
}

#[test]
fn handles_that_append_at_once_lose_nothing() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "shared", "writer,n\n99,0\n").await;
        // Two of them share a handle, the third has its own.
        let handles = [lake.clone(), lake.clone(), place.open().await];
        let writers = handles.into_iter().zip(0..);
        let writers =
            writers.map(|(lake, writer)| tokio::spawn(async move { write(&lake, writer).await }));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        check(&lake, WRITERS).await;
    });
}

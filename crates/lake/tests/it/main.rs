//! The facade from outside: every test opens a lake in a folder of its own.

mod alter;
mod archive;
mod compact;
mod damage;
mod delete;
#[path = "../../../store/tests/it/dice.rs"]
mod dice;
mod diff;
mod files;
mod guarded;
mod history;
mod hostile_sql;
mod keeping;
mod layout;
mod overlap;
mod partitions;
mod program;
mod refused;
mod sharing;
mod slt;
mod statements;
mod system;
mod tables;
mod tree;
mod upsert;
mod versions;
mod writers;

use std::collections::BTreeMap;
use std::path::Path;

use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{
    Error, GetOptions, Lake, Open, Overrides, Settings, Source, SqlOptions, StoreRequest, Stored,
    no_progress,
};

/// A lake in a temporary folder, with a key of its own.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn settings(&self) -> Settings {
        Settings::load(Overrides {
            lake: Some(self.path().join("lake")),
            key_file: Some(self.path().join("key")),
            threads: Some(2),
            ..Overrides::default()
        })
        .expect("settings")
    }

    async fn open(&self) -> Lake {
        Lake::open(self.settings(), Open::Create).await.expect("the lake opens")
    }
}

fn csv(text: &str) -> Vec<Source> {
    vec![Source::Bytes { label: "rows.csv".into(), data: text.to_owned().into() }]
}

fn named(name: &str, text: &str) -> StoreRequest {
    StoreRequest { sources: csv(text), name: Some(name.into()), ..StoreRequest::default() }
}

async fn store(lake: &Lake, name: &str, text: &str) -> Stored {
    lake.store(named(name, text), no_progress()).await.expect("stored")
}

async fn sql(lake: &Lake, query: &str) -> Result<String, Error> {
    let rows = lake.sql(query, SqlOptions::default()).await?;
    Ok(text(&rows.collect().await?))
}

async fn get(lake: &Lake, reference: &str) -> Result<String, Error> {
    let rows = lake.get(reference, GetOptions::default()).await?;
    Ok(text(&rows.collect().await?))
}

/// Rows as `a,b;c,d`, cell by cell.
fn text(batches: &[RecordBatch]) -> String {
    let mut rows = Vec::new();
    for batch in batches {
        for map in cidlake::emit::json_rows(std::slice::from_ref(batch)).expect("rows as JSON") {
            let cells: Vec<String> = map
                .into_iter()
                .map(|(_, value)| match value.as_str() {
                    Some(text) => text.to_owned(),
                    None => value.to_string(),
                })
                .collect();
            rows.push(cells.join(","));
        }
    }
    rows.join(";")
}

fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Runs a test on a runtime of two threads.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(test);
}

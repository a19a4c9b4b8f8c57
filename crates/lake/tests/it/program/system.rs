//! The tables of the schema `system`, beside what they are when everything is derived anew: on a copy
//! of the disk without snapshots of the index and without copies of the log.

use std::path::Path;
use std::sync::Arc;

use cidlake::{Lake, SqlOptions};
use cidlake_store::disk::Disk;

use super::world::Machine;
use crate::text;

const TABLES: [&str; 5] = [
    "SELECT * FROM system.commits ORDER BY dataset, depth, commit",
    "SELECT * FROM system.parts ORDER BY dataset, ordinal",
    "SELECT * FROM system.columns ORDER BY dataset, ordinal",
    "SELECT * FROM system.datasets ORDER BY name",
    "SELECT * FROM system.wal ORDER BY lsn",
];

async fn said(lake: &Lake) -> Vec<String> {
    let mut said = Vec::new();
    for sql in TABLES {
        let rows = lake.sql(sql, SqlOptions::default()).await.unwrap();
        said.push(text(&rows.collect().await.unwrap()));
    }
    said
}

/// Holds what the lake says against what another says that derives everything anew.
pub async fn check_system(lake: &Lake, machine: &Machine) {
    let before = said(lake).await;
    let copy = machine.fork();
    for folder in ["/lake/index", "/lake/wal/sealed"] {
        for name in copy.disk.list(Path::new(folder)).unwrap_or_default() {
            copy.disk.remove(&Path::new(folder).join(name)).unwrap();
        }
    }
    let anew = copy.open_on(Arc::new(copy.disk.process())).await.unwrap();
    for (before, anew) in before.iter().zip(said(&anew).await) {
        assert_eq!(*before, anew);
    }
    let sql = "SELECT count(*) = max(lsn) AND min(lsn) = 1 FROM system.wal HAVING count(*) > 0";
    let whole = lake.sql(sql, SqlOptions::default()).await.unwrap();
    let whole = text(&whole.collect().await.unwrap());
    assert!(whole.is_empty() || whole == "true", "records are missing: {whole}");
}

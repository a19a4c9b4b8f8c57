//! The handlers of maintenance: verify, compact, gc, seal. Each may be run at any time and again.

use std::sync::Arc;

use cidlake_store::{FsckLevel, OperationParams, OperationResult};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::handler::{Handler, Handlers, Job};
use crate::error::Error;
use crate::gc::GcRequest;
use crate::history::parse_name;
use crate::lake::Lake;
use crate::maintain::MaintainRequest;

/// Returns the handlers that every lake has.
pub(crate) fn handlers() -> Handlers {
    Handlers::of(vec![
        ("compact", Arc::new(Compact)),
        ("gc", Arc::new(Gc)),
        ("seal", Arc::new(Seal)),
        ("verify", Arc::new(Verify)),
    ])
}

/// Holds what is stored against its checksums.
struct Verify;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct VerifyParams {
    /// Whether every block is read.
    full: bool,
}

/// Writes datasets of many small parts anew.
struct Compact;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CompactParams {
    /// The dataset; without one, all that need it.
    name: Option<String>,
}

/// Collects garbage.
struct Gc;

/// Makes the lake quick to open, and copies of the log that can be queried.
struct Seal;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {}

fn read<T: DeserializeOwned>(kind: &str, params: &OperationParams) -> Result<T, Error> {
    params.read().map_err(|error| {
        let takes = match kind {
            "verify" => "`full`: true or false",
            "compact" => "`name`: a dataset",
            _ => "nothing",
        };
        Error::invalid(format!("these are no parameters of {kind}"))
            .with_hint(format!("it takes {takes}"))
            .with_source(error)
    })
}

impl Handler for Verify {
    fn check(&self, params: &OperationParams) -> Result<(), Error> {
        read::<VerifyParams>("verify", params).map(drop)
    }

    fn run(&self, lake: &Lake, job: &Job) -> Result<OperationResult, Error> {
        let VerifyParams { full } = read("verify", &job.params)?;
        let level = if full { FsckLevel::Full } else { FsckLevel::Quick };
        let report = lake.inner.fsck(level, &job.progress)?;
        if let Some(first) = report.damage.first() {
            let count = report.damage.len();
            return Err(Error::corrupt(format!(
                "{count} found damaged, first the {} at {}: {}",
                first.what, first.place, first.detail
            ))
            .with_hint("`cidlake fsck --full` lists all damage"));
        }
        let (blocks, packs, records) = (report.blocks, report.packs, report.log_records);
        let found = format!("blocks {blocks}, packs {packs}, log records {records}: all sound");
        Ok(done(Some(report.bytes), found))
    }
}

impl Handler for Compact {
    fn check(&self, params: &OperationParams) -> Result<(), Error> {
        let CompactParams { name } = read("compact", params)?;
        name.as_deref().map(parse_name).transpose().map(drop)
    }

    fn run(&self, lake: &Lake, job: &Job) -> Result<OperationResult, Error> {
        let CompactParams { name } = read("compact", &job.params)?;
        let compacted = match name {
            Some(name) => vec![lake.inner.compact(&parse_name(&name)?, &job.progress)?],
            None => lake.inner.compact_worn(&job.progress)?,
        };
        Ok(done(None, format!("datasets compacted {}", compacted.len())))
    }
}

impl Handler for Gc {
    fn check(&self, params: &OperationParams) -> Result<(), Error> {
        read::<NoParams>("gc", params).map(drop)
    }

    fn run(&self, lake: &Lake, job: &Job) -> Result<OperationResult, Error> {
        let summary = lake.inner.gc(GcRequest { dry_run: false }, &job.progress)?;
        let (removed, rewritten) = (summary.packs_removed, summary.packs_rewritten);
        let found = format!("packs removed {removed}, rewritten {rewritten}");
        Ok(done(Some(summary.bytes_freed), found))
    }
}

impl Handler for Seal {
    fn check(&self, params: &OperationParams) -> Result<(), Error> {
        read::<NoParams>("seal", params).map(drop)
    }

    fn run(&self, lake: &Lake, job: &Job) -> Result<OperationResult, Error> {
        let request = MaintainRequest { compact: false, gc: false };
        let sealed = lake.inner.maintain(request, &job.progress)?;
        let found = format!(
            "checkpoint of record {}, indexes {}, log segments copied {}",
            sealed.checkpoint_lsn, sealed.indexes, sealed.log_segments_sealed
        );
        Ok(done(None, found))
    }
}

fn done(bytes: Option<u64>, found: String) -> OperationResult {
    OperationResult { cid: None, size: bytes, destination: Some(found) }
}

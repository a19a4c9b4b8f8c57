//! `cidlake wal show`, `retry` and `drop`: one operation.

use cidlake::{Error, Open, OperationInfo};

use crate::cmd::Context;
use crate::output::{bytes, fields, moment, object};
use crate::wire::{OperationChangedWire, OperationWire};

/// Say everything about one operation
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake wal show 17")]
pub(super) struct ShowArgs {
    /// Its number, as `cidlake wal list` has it
    #[arg(value_name = "ID")]
    id: String,
}

/// Try an operation again that failed, is dead, or waits for another attempt
///
/// At once, and as often as at first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake wal retry 17")]
pub(super) struct RetryArgs {
    /// Its number, as `cidlake wal list` has it
    #[arg(value_name = "ID")]
    id: String,
}

/// Take an operation out of the queue
///
/// One that somebody is at is not dropped. A key that it had is free again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake wal drop 17")]
pub(super) struct DropArgs {
    /// Its number, as `cidlake wal list` has it
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) async fn show(context: &Context, args: &ShowArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let info = lake.operation(&args.id).await?;
    let wire = OperationWire::from(&info);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&info))
}

pub(super) async fn retry(context: &Context, args: &RetryArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let info = lake.retry_operation(&args.id).await?;
    lake.close().await?;
    let wire = OperationChangedWire::from(&info);
    object(&output, &wire, std::slice::from_ref(&wire), || {
        format!("operation {} ({}) is tried again\n", info.id, info.kind)
    })?;
    context.suggest(&output, "wal run");
    Ok(())
}

pub(super) async fn drop(context: &Context, args: &DropArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let info = lake.drop_operation(&args.id).await?;
    lake.close().await?;
    let wire = OperationChangedWire::from(&info);
    object(&output, &wire, std::slice::from_ref(&wire), || {
        format!("operation {} ({}) is no more; it was {}\n", info.id, info.kind, info.status)
    })
}

fn people(info: &OperationInfo) -> String {
    let attempts = format!("{} of {}", info.attempts, info.attempts_max);
    let worker = info.worker.as_ref().map(|worker| match info.lease_until_ms {
        Some(until_ms) => format!("{worker}, until {}", moment(until_ms)),
        None => worker.clone(),
    });
    let error = info.error.as_ref().map(|error| match &info.error_kind {
        Some(kind) => format!("{error} ({kind})"),
        None => error.clone(),
    });
    let params = serde_json::to_string(&info.params).ok().filter(|_| !info.params.is_empty());
    let facts = [
        ("operation", Some(info.id.clone())),
        ("kind", Some(info.kind.clone())),
        ("key", info.key.clone()),
        ("parameters", params),
        ("status", Some(info.status.to_owned())),
        ("attempts", Some(attempts)),
        ("queued", Some(moment(info.queued_ms))),
        ("updated", Some(moment(info.updated_ms))),
        ("completed", info.completed_ms.map(moment)),
        ("due", info.due_ms.map(moment)),
        ("worker", worker),
        ("error", error),
        ("result", info.result.clone()),
        ("cid", info.result_cid.map(|cid| cid.to_string())),
        ("size", info.result_bytes.map(bytes)),
    ];
    fields(facts.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

//! `cidlake wal status`: figures of the log and of the queue.

use std::time::Duration;

use cidlake::{Error, Open, WalStatus};

use crate::cmd::Context;
use crate::output::{bytes, count, fields, object, plural, seconds};
use crate::wire::WalStatusWire;

/// Say what the log and the operation queue hold
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake wal status
  cidlake wal status --format json | jq .pending")]
pub(super) struct StatusArgs {}

pub(super) async fn run(context: &Context, StatusArgs {}: &StatusArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let status = lake.wal_status().await?;
    let wire = WalStatusWire::from(&status);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&status))
}

fn people(status: &WalStatus) -> String {
    let queue = &status.queue;
    let behind = plural(status.records_behind, "record");
    let checkpoint = match status.checkpoint_lsn {
        0 => format!("none; the log has {behind}"),
        lsn => format!("at record {lsn}, {behind} since"),
    };
    let writer = if status.dirty { "in a commit, or ended in one" } else { "none" };
    let lag = match queue.lag_ms {
        Some(lag_ms) => format!(
            "something has been due for {}",
            seconds(Duration::from_millis(lag_ms).as_secs_f64())
        ),
        None => "nothing is due".to_owned(),
    };
    fields([
        ("log", format!("{}, {}", plural(status.segments, "segment"), bytes(status.bytes))),
        ("records", format!("{}, the last is {}", count(status.records), status.last_lsn)),
        ("checkpoint", checkpoint),
        ("copies", copies(status)),
        ("writer", writer.to_owned()),
        ("pending", count(queue.pending)),
        ("processing", processing(queue.processing, queue.abandoned)),
        ("completed", count(queue.completed)),
        ("failed", count(queue.failed)),
        ("retrying", count(queue.retrying)),
        ("dead", count(queue.dead)),
        ("ever queued", count(queue.queued_total)),
        ("lag", lag),
    ])
}

/// Says of how many closed segments there are copies that can be queried.
fn copies(status: &WalStatus) -> String {
    format!("{} of closed segments, {} to come", count(status.sealed), count(status.unsealed))
}

fn processing(processing: u64, abandoned: u64) -> String {
    match abandoned {
        0 => count(processing),
        abandoned => format!(
            "{}, {} of them with a lease that is over and that nobody took up",
            count(processing),
            count(abandoned)
        ),
    }
}

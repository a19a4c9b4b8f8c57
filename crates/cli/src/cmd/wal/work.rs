//! `cidlake wal run`: a worker, which runs what is due.

use std::pin::pin;
use std::process::ExitCode;

use cidlake::{Error, ErrorKind, Lake, Open, Progress, Stop, WorkRequest, WorkSummary};

use crate::cmd::Context;
use crate::exit;
use crate::output::{self, count, fields, object, plural};
use crate::shell::interrupted;
use crate::wire::WorkWire;

/// Run what is due, one operation after the other
///
/// First it queues what the schedule says: verify, compact, gc and seal, as often as the settings have
/// it. Several workers may run at once; each operation has one of them at a time. Ctrl-C ends it after
/// the operation that it is at, a second one at once: what it was at is taken up by the next worker
/// when its lease is over.
///
/// Ends with 0, also where attempts failed that are made again, and with 4 where an operation failed
/// for good.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake wal run
  cidlake wal run --watch
  cidlake wal run --no-schedule --kind verify --limit 1")]
pub(super) struct RunArgs {
    /// Wait for more when nothing is due, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Queue nothing, also where the schedule says so
    #[arg(long)]
    no_schedule: bool,
    /// Only operations of this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// The most attempts to make
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

pub(super) async fn run(context: &Context, args: RunArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let request = WorkRequest {
        kinds: args.kind,
        schedule: !args.no_schedule,
        watch: args.watch,
        limit: args.limit,
        stop: Stop::default(),
    };
    if request.watch && output.for_people() {
        context.say("waiting for operations; Ctrl-C ends it");
    }
    let meter = context.meter("");
    let worked = worked(context, &lake, request, meter.listener()).await;
    drop(meter);
    let summary = worked?;
    lake.close().await?;
    let wire = WorkWire::from(&summary);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&summary))?;
    if wire.success {
        return Ok(ExitCode::SUCCESS);
    }
    output::say(&format!(
        "error: {} failed for good\nhint: `cidlake wal list --status failed --status dead` says why",
        plural(summary.failed, "operation"),
    ));
    Ok(ExitCode::from(exit::CORRUPT))
}

/// Works until nothing is left to do, or until Ctrl-C.
async fn worked(
    context: &Context,
    lake: &Lake,
    request: WorkRequest,
    progress: Progress,
) -> Result<WorkSummary, Error> {
    let stop = request.stop.clone();
    let mut work = pin!(lake.work(request, progress));
    tokio::select! {
        biased;
        // Asked first, it listens before the work begins.
        () = interrupted() => {}
        done = &mut work => return done,
    }
    stop.stop();
    context.say("ends after the operation that it is at; Ctrl-C again ends it at once");
    tokio::select! {
        biased;
        () = interrupted() => Err(left()),
        done = work => done,
    }
}

fn left() -> Error {
    Error::new(ErrorKind::Unavailable, "an operation was left in the middle")
        .with_hint("the next worker takes it up when its lease is over, in half a minute at most")
}

fn people(summary: &WorkSummary) -> String {
    let WorkSummary { scheduled, completed, retrying, failed, lost } = *summary;
    let mut facts = vec![("scheduled", count(scheduled)), ("completed", count(completed))];
    for (what, operations, why) in [
        ("retrying", retrying, "an attempt failed, and the next one comes later"),
        ("failed", failed, "for good"),
        ("lost", lost, "somebody else had them when the attempt was over"),
    ] {
        if operations > 0 {
            facts.push((what, format!("{}: {why}", count(operations))));
        }
    }
    fields(facts)
}

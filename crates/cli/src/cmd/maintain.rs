//! `cidlake maintain`: everything that keeps a lake small and quick.

use std::process::ExitCode;

use cidlake::{Error, MaintainRequest, Maintained, Open};

use super::{Context, compact, gc};
use crate::output::{count, fields, object, plural};
use crate::wire::MaintainedWire;

/// Compact datasets, collect garbage, index packs, copy the log, and write a checkpoint
///
/// A dataset is compacted when it has at least 32 parts under 1 MiB and its newest 32 versions were
/// all made by adding to the one before or editing it: the same rows then stand in few parts.
///
/// A checkpoint and indexes over many packs make a lake open quickly, however much is in it. Copies of
/// the closed segments of the log, and a snapshot of what is known of all versions, make `system.wal`
/// and `cidlake find` quick. Safe at any time, also while other processes read and write; `cidlake wal
/// run` does all of this as often as the settings say.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake maintain
  cidlake maintain --no-gc --no-compact")]
pub(crate) struct MaintainArgs {
    /// Leave the garbage where it is
    #[arg(long)]
    no_gc: bool,
    /// Leave the parts of datasets as they are
    #[arg(long)]
    no_compact: bool,
}

pub(super) async fn run(context: &Context, args: &MaintainArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter("");
    let request = MaintainRequest { compact: !args.no_compact, gc: !args.no_gc };
    let maintained = lake.maintain(request, meter.listener()).await?;
    drop(meter);
    lake.close().await?;
    let wire = MaintainedWire::from(&maintained);
    object(&output, &wire, &wire.rows(), || people(&maintained))?;
    Ok(maintained.gc.as_ref().map_or(ExitCode::SUCCESS, gc::ended))
}

fn people(maintained: &Maintained) -> String {
    let made = match (maintained.checkpoint_new, maintained.checkpoint_behind) {
        (true, _) => "new",
        (false, true) => "no newer one: other writers kept moving the log",
        (false, false) => "there already",
    };
    let checkpoint = match (maintained.checkpoint_lsn, maintained.checkpoint_behind) {
        (0, true) => "none: other writers kept moving the log".to_owned(),
        (0, false) => "none: the log is empty".to_owned(),
        (lsn, _) => format!("at record {lsn}, {made}"),
    };
    let indexes = format!(
        "{} over {}, {} of them new",
        count(maintained.indexes),
        plural(maintained.packs_indexed, "pack"),
        count(maintained.packs_added),
    );
    let copies = match maintained.log_segments_sealed {
        0 => "nothing to copy".to_owned(),
        sealed => format!("{} copied", plural(sealed, "segment")),
    };
    let snapshot = if maintained.index_new { "new" } else { "there already" };
    let compacted: String = maintained.compacted.iter().map(compact::people).collect();
    let text = maintained.gc.as_ref().map(gc::people).unwrap_or_default();
    let facts = [
        ("checkpoint", checkpoint),
        ("indexes", indexes),
        ("log copies", copies),
        ("index snapshot", snapshot.to_owned()),
    ];
    format!("{compacted}{text}{}", fields(facts))
}

//! `cidlake maintain`: everything that keeps a lake small and quick.

use std::process::ExitCode;

use cidlake::{Error, MaintainRequest, Maintained, Open};

use super::{Context, gc};
use crate::output::{count, fields, object, plural};
use crate::wire::MaintainedWire;

/// Collect garbage, index packs, and write a checkpoint
///
/// A checkpoint and indexes over many packs make a lake open quickly, however much is in it. Safe
/// at any time, also while other processes read and write.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake maintain
  cidlake maintain --no-gc")]
pub(crate) struct MaintainArgs {
    /// Leave the garbage where it is
    #[arg(long)]
    no_gc: bool,
}

pub(super) async fn run(context: &Context, args: &MaintainArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter("");
    let request = MaintainRequest { gc: !args.no_gc };
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
    let text = maintained.gc.as_ref().map(gc::people).unwrap_or_default();
    format!("{text}{}", fields([("checkpoint", checkpoint), ("indexes", indexes)]))
}

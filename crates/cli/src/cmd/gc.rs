//! `cidlake gc`: gives back the room of what nothing keeps.

use std::process::ExitCode;

use cidlake::{Error, GcRequest, GcSummary, Open};

use super::Context;
use crate::exit;
use crate::output::{self, bytes, fields, object, plural};
use crate::wire::GcWire;

/// Give back the room of what no dataset, kept version or pin needs
///
/// Safe at any time, also while other processes read and write: what a running reader may still
/// need goes with a later gc. Where something that is kept cannot be read nothing more is taken away.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake gc --dry-run
  cidlake gc")]
pub(crate) struct GcArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(context: &Context, args: &GcArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter("");
    let summary = lake.gc(GcRequest { dry_run: args.dry_run }, meter.listener()).await?;
    drop(meter);
    lake.close().await?;
    let wire = GcWire::from(&summary);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&summary))?;
    Ok(ended(&summary))
}

/// Says on standard error what is damaged; returns the exit code.
pub(super) fn ended(summary: &GcSummary) -> ExitCode {
    if summary.damage.is_empty() {
        return ExitCode::SUCCESS;
    }
    output::say(&format!(
        "error: {} in what is kept; the packs were left as they are\nhint: `cidlake fsck --full` \
         lists all damage",
        plural(summary.damage.len() as u64, "damaged thing"),
    ));
    ExitCode::from(exit::CORRUPT)
}

/// Returns what people want to know of a collection.
pub(super) fn people(summary: &GcSummary) -> String {
    let said = if summary.dry_run { "would be freed" } else { "are free now" };
    let rewritten = format!(
        "{} ({} copied)",
        plural(summary.packs_rewritten, "pack"),
        bytes(summary.bytes_copied)
    );
    let kept = format!("{}, {}", plural(summary.blocks_kept, "block"), bytes(summary.bytes_kept));
    let mut facts = vec![
        ("kept", kept),
        ("removed", plural(summary.packs_removed, "pack")),
        ("rewritten", rewritten),
    ];
    if summary.bytes_waiting > 0 {
        facts
            .push(("still read", format!("{}, freed by a later gc", bytes(summary.bytes_waiting))));
    }
    if summary.packs_in_use > 0 {
        facts.push(("in use", plural(summary.packs_in_use, "pack")));
    }
    if summary.packs_damaged > 0 {
        facts.push(("damaged", plural(summary.packs_damaged, "pack")));
    }
    // What was written again takes its room back.
    let freed = summary.bytes_freed.saturating_sub(summary.bytes_copied);
    format!("{} {said}\n{}", bytes(freed), fields(facts))
}

//! `cidlake fsck`: whether the lake is whole.

use std::process::ExitCode;

use cidlake::{Damage, Error, ErrorKind, FsckLevel, FsckReport, Lake, Open, Repaired};

use super::Context;
use crate::exit;
use crate::output::{self, Align, Layout, bytes, object, plural};
use crate::wire::FsckWire;

/// Check records, signatures, packs and links of the lake, with --full every block
///
/// Without --full it is looked whether everything is there that something refers to; data that
/// rotted in its place is found by --full alone, which reads the whole lake. Ends with 0 for a
/// lake that is whole and with 4 for one that is damaged, also where --repair leaves it so; the
/// answer lists all damage. As rows (CSV, Markdown, Arrow, Parquet) it is that list.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake fsck
  cidlake fsck --full
  cidlake fsck --repair             # keep a copy of the folder first
  cidlake fsck --format json | jq .damage")]
pub(crate) struct FsckArgs {
    /// Read every block and compare it with its CID
    #[arg(long)]
    full: bool,
    /// Save what is whole of a damaged log, and rebuild indexes, before checking; also of a lake
    /// that does not open
    #[arg(long)]
    repair: bool,
}

pub(super) async fn run(context: &Context, args: &FsckArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let mut repaired = None;
    if args.repair {
        let meter = context.meter("");
        let done = Lake::repair(context.settings()?, meter.listener()).await?;
        drop(meter);
        // Said at once: what comes may fail, and no later repair can say it again.
        say_repaired(context, &done);
        repaired = Some(done);
    }
    let meter = context.meter("");
    let lake =
        context.open(Open::Existing).await.map_err(|error| closed(error, repaired.as_ref()))?;
    let level = if args.full { FsckLevel::Full } else { FsckLevel::Quick };
    let mut report = lake.fsck(level, meter.listener()).await?;
    drop(meter);
    add_left(&mut report, repaired.as_ref());
    let wire = FsckWire::new(&report, repaired.as_ref());
    object(&output, &wire, &wire.damage, || people(&report))?;
    if wire.success {
        return Ok(ExitCode::SUCCESS);
    }
    let cids = report.damage.iter().filter_map(|damage| damage.cid).map(|cid| cid.to_string());
    let mut cids: Vec<String> = cids.collect();
    cids.dedup();
    output::say(&format!(
        "error: the lake is damaged: {} {}\nhint: a good copy brings blocks back: `cidlake import`",
        plural(report.damage.len() as u64, "damaged thing"),
        cids.join(" "),
    ));
    Ok(ExitCode::from(exit::CORRUPT))
}

/// Words the failure to open a lake: where a repair left damage, that is why.
fn closed(error: Error, repaired: Option<&Repaired>) -> Error {
    let left = repaired.map_or(0, |repaired| repaired.damage.len() as u64);
    if left == 0 {
        return error;
    }
    let message = format!("{} left, and the lake does not open", plural(left, "damaged thing"));
    Error::new(ErrorKind::Corrupt, message).with_source(error)
}

/// Adds what a repair left damaged: it read every block, which a quick check does not.
fn add_left(report: &mut FsckReport, repaired: Option<&Repaired>) {
    for damage in repaired.into_iter().flat_map(|repaired| &repaired.damage) {
        let is_listed = |other: &Damage| (other.what, &other.place) == (damage.what, &damage.place);
        if !report.damage.iter().any(is_listed) {
            report.damage.push(damage.clone());
        }
    }
}

/// Says on standard error what a repair saved, what is lost and what is still damaged.
fn say_repaired(context: &Context, repaired: &Repaired) {
    if repaired.changed.is_empty() && repaired.lost.is_empty() && repaired.damage.is_empty() {
        context.say("there was nothing to repair");
    }
    for line in &repaired.changed {
        context.say(&format!("repaired: {line}"));
    }
    for line in &repaired.lost {
        context.say(&format!("lost: {line}"));
    }
    for damage in &repaired.damage {
        context.say(&format!("damaged: {}: {}", damage.place, damage.detail));
    }
}

fn people(report: &FsckReport) -> String {
    let checked = format!(
        "{} in {} ({}), {}, {}, {}",
        plural(report.blocks, "block"),
        plural(report.packs, "pack"),
        bytes(report.bytes),
        plural(report.log_records, "log record"),
        plural(report.deltas, "signature"),
        plural(report.datasets, "whole dataset"),
    );
    if report.damage.is_empty() {
        let unread = if report.full { "" } else { "\nblocks were not read: --full does that" };
        return format!("the lake is whole: {checked}{unread}\n");
    }
    let mut layout = Layout::new([
        ("what", Align::Left),
        ("cid", Align::Left),
        ("where", Align::Left),
        ("detail", Align::Left),
    ]);
    for damage in &report.damage {
        layout.row([
            damage.what.to_owned(),
            damage.cid.map(|cid| cid.to_string()).unwrap_or_default(),
            damage.place.clone(),
            damage.detail.clone(),
        ]);
    }
    let found = plural(report.damage.len() as u64, "damaged thing");
    format!("the lake has {found}; checked {checked}\n\n{}", layout.list())
}

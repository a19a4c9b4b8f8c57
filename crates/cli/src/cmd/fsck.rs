//! `cidlake fsck`: whether the lake is whole.

use std::process::ExitCode;

use cidlake::{Error, FsckReport, Open};

use super::Context;
use crate::exit;
use crate::output::{self, Align, Layout, bytes, object, plural};
use crate::wire::FsckWire;

/// Check every block, record, signature and link of the lake
///
/// Ends with 0 for a lake that is whole and with 4 for one that is damaged; the answer lists all
/// damage. As rows (CSV, Markdown, Arrow, Parquet) it is that list.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake fsck
  cidlake fsck --format json | jq .damage")]
pub(crate) struct FsckArgs {}

pub(super) async fn run(context: &Context, FsckArgs {}: &FsckArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter("");
    let report = lake.fsck(meter.listener()).await?;
    drop(meter);
    let wire = FsckWire::from(&report);
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
        return format!("the lake is whole: {checked}\n");
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

//! `cidlake compact`: many small parts become few.

use cidlake::{Compacted, Error, Open};

use super::Context;
use crate::output::{bytes, fields, object, plural};
use crate::wire::CompactedWire;

/// Make the parts of a dataset what storing all its rows at once gives
///
/// Many appends and edits leave many small parts. Compaction makes a new version of the same rows in
/// the same order whose content has the CID that storing them afresh gives; the history stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake compact events
  cidlake compact events && cidlake expire events --keep 1 && cidlake gc

`cidlake maintain` compacts every dataset that has at least 32 parts under 1 MiB and got its newest
32 versions by adding and editing alone.")]
pub(crate) struct CompactArgs {
    /// The dataset
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) async fn run(context: &Context, args: &CompactArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter(&args.name);
    let compacted = lake.compact(&args.name, meter.listener()).await?;
    drop(meter);
    lake.close().await?;
    let wire = CompactedWire::from(&compacted);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&compacted))
}

/// Returns what people want to know of a compaction.
pub(super) fn people(compacted: &Compacted) -> String {
    if compacted.unchanged {
        let parts = plural(compacted.parts, "part");
        return format!("{} is compact: {parts}, nothing to do\n", compacted.name);
    }
    let parts = format!("{} before, {} now", compacted.parts_before, compacted.parts);
    let size = format!("{} before, {} now", bytes(compacted.bytes_before), bytes(compacted.bytes));
    let new = bytes(compacted.new_bytes);
    let facts = [
        ("cid", compacted.cid.to_string()),
        ("commit", compacted.commit.to_string()),
        ("parts", parts),
        ("size", size),
        ("new", new),
    ];
    format!("compacted {}\n{}", compacted.name, fields(facts))
}

//! `cidlake export`: a dataset as a CAR file.

use std::path::PathBuf;

use cidlake::{Error, Open};

use super::Context;
use crate::output::{bytes, fields, object, plural};
use crate::wire::ExportedWire;

/// Write a dataset, or any CID, as a CAR file
///
/// The file holds the content and the head commit, and with --history every version before it.
/// Any IPFS tool reads it. It appears whole or not at all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake export people -o people.car
  cidlake export people -o people.car --history")]
pub(crate) struct ExportArgs {
    /// A name, name~N, name@COMMIT, name@TIME, name@TAG or a CID
    #[arg(value_name = "REF")]
    reference: String,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Write the versions before it as well
    #[arg(long)]
    history: bool,
}

pub(super) async fn run(context: &Context, args: ExportArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter("");
    let exported =
        lake.export(&args.reference, args.output, args.history, meter.listener()).await?;
    drop(meter);
    let wire = ExportedWire::from(&exported);
    object(&output, &wire, std::slice::from_ref(&wire), || {
        let size = format!("{}, {}", plural(exported.blocks, "block"), bytes(exported.bytes));
        let cid = fields([("cid", wire.cid.clone())]);
        format!("wrote {}: {size}\n{cid}", wire.path)
    })
}

//! `cidlake add`: files and folders in, a CID each out.

use std::path::{Path, PathBuf};

use cidlake::{AddSource, Added, Error, Open};

use super::Context;
use crate::output::{Align, Layout, bytes, list, object};
use crate::wire::AddedWire;

/// Add files and folders as they are, a CID for each
///
/// The CID is the one that every IPFS tool computes for the profile unixfs-v1-2025. Hidden files
/// in folders are left out; symbolic links in folders are kept as links. The answer in JSON is an
/// object for one path and an array of objects for several.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake add report.pdf
  cidlake add photos letters
  echo hello | cidlake add -")]
pub(crate) struct AddArgs {
    /// Files or folders; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) async fn run(context: &Context, args: AddArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Create).await?;
    let mut all = Vec::with_capacity(args.paths.len());
    for path in args.paths {
        let meter = context.meter(&path.display().to_string());
        let source = if path == Path::new("-") { AddSource::Stdin } else { AddSource::Path(path) };
        all.push(lake.add(source, meter.listener()).await?);
    }
    lake.close().await?;
    let wires: Vec<AddedWire> = all.iter().map(AddedWire::from).collect();
    match wires.as_slice() {
        [one] => object(&output, one, &wires, || people(&all)),
        _ => list(&output, &wires, || people(&all)),
    }
}

fn people(all: &[Added]) -> String {
    let mut layout =
        Layout::new([("cid", Align::Left), ("size", Align::Right), ("name", Align::Left)]);
    for added in all {
        layout.row([added.cid.to_string(), bytes(added.bytes), added.name.clone()]);
    }
    layout.list()
}

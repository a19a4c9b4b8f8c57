//! `cidlake ls`: what is in a folder.

use cidlake::{Error, LsEntry, Open};

use super::Context;
use crate::output::{Align, Layout, count, list};
use crate::wire::EntryWire;

/// List a folder; a file is listed as itself
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake ls bafybeig3gqizrl2lyawywu4o3h3khxwmugsb3mqy7bhwocv4zsq7lp7fl4
  cidlake ls people        # the parts of a large dataset")]
pub(crate) struct LsArgs {
    /// A CID or a dataset, with a path below it
    #[arg(value_name = "CID[/PATH]")]
    target: String,
}

pub(super) async fn run(context: &Context, args: &LsArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let entries = lake.ls(&args.target).await?;
    let wires: Vec<EntryWire> = entries.iter().map(EntryWire::from).collect();
    list(&output, &wires, || people(&entries, &wires))
}

fn people(entries: &[LsEntry], wires: &[EntryWire]) -> String {
    let mut layout = Layout::new([
        ("kind", Align::Left),
        ("bytes", Align::Right),
        ("cid", Align::Left),
        ("name", Align::Left),
    ]);
    for (entry, wire) in entries.iter().zip(wires) {
        layout.row([wire.kind, &count(entry.size), &wire.cid, &entry.name]);
    }
    layout.list()
}

//! `cidlake pins`: what is pinned.

use cidlake::{Error, Open, PinInfo};

use super::Context;
use crate::output::{Align, Layout, bytes, count, list};
use crate::wire::PinWire;

/// List what is pinned
///
/// `add`, `import`, `show --as-file` and a `store` without a name pin what they bring.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake pins
  cidlake pins --format json | jq -r '.[].cid'")]
pub(crate) struct PinsArgs {}

pub(super) async fn run(context: &Context, PinsArgs {}: &PinsArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let infos = lake.pins().await?;
    let wires: Vec<PinWire> = infos.iter().map(PinWire::from).collect();
    list(&output, &wires, || people(&infos, &wires))
}

fn people(infos: &[PinInfo], wires: &[PinWire]) -> String {
    if infos.is_empty() {
        return "nothing is pinned\n".to_owned();
    }
    let mut layout = Layout::new([
        ("name", Align::Left),
        ("kind", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("cid", Align::Left),
    ]);
    for wire in wires {
        layout.row([
            wire.name.clone().unwrap_or_default(),
            wire.kind.to_owned(),
            wire.rows.map(count).unwrap_or_default(),
            wire.bytes.map(bytes).unwrap_or_default(),
            wire.cid.clone(),
        ]);
    }
    layout.list()
}

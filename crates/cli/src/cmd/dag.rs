//! `cidlake dag`: of what blocks a table is made, and what each of them holds.

use cidlake::{Error, Open, PartDag, TableDag};

use super::Context;
use crate::output::{Align, Layout, bytes, count, list};
use crate::wire::LeafWire;

/// Leaves of one part that people are shown.
const LEAVES_SHOWN: usize = 64;

/// Draw the blocks of a table: byte ranges, columns, sizes and CIDs
///
/// Every leaf is a block of its own: fetched, verified, cached and shared between versions by
/// itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake dag people
  cidlake dag people --format ndjson | grep '\"column\":\"id\"'")]
pub(crate) struct DagArgs {
    /// A name, name~N, name@COMMIT, name@TIME, name@TAG or a CID
    #[arg(value_name = "REF")]
    reference: String,
}

pub(super) async fn run(context: &Context, args: &DagArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let dag = lake.dag(&args.reference).await?;
    let wires: Vec<LeafWire> = dag.parts.iter().enumerate().flat_map(LeafWire::of_part).collect();
    list(&output, &wires, || people(&dag))
}

fn people(dag: &TableDag) -> String {
    let total = dag.parts.iter().map(|part| part.bytes).sum();
    let mut text = format!("{}  {} parts, {}\n", dag.cid, dag.parts.len(), bytes(total));
    for (index, part) in dag.parts.iter().enumerate() {
        let last = index + 1 == dag.parts.len();
        let (branch, trunk) = if last { ("└─", "  ") } else { ("├─", "│ ") };
        let rows = count(part.rows);
        text.push_str(&format!("{branch} {}  {rows} rows, {}\n", part.cid, bytes(part.bytes)));
        for line in leaves(part).lines() {
            text.push_str(&format!("{trunk}    {line}\n"));
        }
    }
    text
}

/// Lists the leaves of a part, the first ones of a large one.
fn leaves(part: &PartDag) -> String {
    let mut layout = Layout::new([
        ("from", Align::Right),
        ("bytes", Align::Right),
        ("holds", Align::Left),
        ("column", Align::Left),
        ("pages", Align::Right),
        ("cid", Align::Left),
    ]);
    for leaf in part.leaves.iter().take(LEAVES_SHOWN) {
        let pages = if leaf.pages > 0 { count(leaf.pages) } else { String::new() };
        layout.row([
            count(leaf.offset),
            count(leaf.bytes),
            leaf.kind.name().to_owned(),
            leaf.column.clone().unwrap_or_default(),
            pages,
            leaf.cid.to_string(),
        ]);
    }
    let mut text = layout.list();
    if part.leaves.len() > LEAVES_SHOWN {
        let more = part.leaves.len() - LEAVES_SHOWN;
        text.push_str(&format!("… {more} more (--format json has them all)\n"));
    }
    text
}

//! `cidlake find`: what fits conditions, by what is known of every version.

use cidlake::{Error, FindCondition, FindRequest, FoundObject, Open};

use super::Context;
use crate::output::{Align, Layout, bytes, count, list, moment};
use crate::wire::FoundWire;

/// Find datasets, versions and whatever else has an address
///
/// All conditions must hold. The newest version of each dataset is looked at, with --all-versions
/// every one that is kept. A word alone is looked for in names; a CID alone finds versions, parts,
/// pins and blocks. No block of rows is read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A CONDITION is FIELD OPERATOR VALUE, in quotes for the shell.

Fields:
  name, namespace, cid, commit, operation, author, message, logical_hash, metadata.KEY: texts
  rows, bytes, parts, columns, depth: whole numbers
  time: 2026-01-31 or 2026-01-31T12:00:00Z
  column, type, key, partition, tag, metadata: fit where one of several does

Operators:
  = != < <= > >=, in (A, B), contains, starts_with, ends_with, is_null, is_not_null

Examples:
  cidlake find orders
  cidlake find 'rows > 1000000' 'time >= 2026-01-01'
  cidlake find 'column = email' 'namespace != test'
  cidlake find 'metadata.source in (shop, web)' --all-versions
  cidlake find bafkreihznwd3pqusjwb3r7q5kx2l7aprlbthr64f3kkc3p3yi4qevztvue
  cidlake sql 'SELECT dataset, rows FROM system.commits WHERE newest'")]
pub(crate) struct FindArgs {
    /// What must hold; a word alone is part of a name, or a CID
    #[arg(required = true, value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Look at every version that is kept
    #[arg(long)]
    all_versions: bool,
    /// The most to list
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    limit: u32,
}

pub(super) async fn run(context: &Context, args: &FindArgs) -> Result<(), Error> {
    let output = context.output()?;
    let conditions = args.conditions.iter().map(|text| FindCondition::parse(text));
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let request = FindRequest {
        conditions: conditions.collect::<Result<_, _>>()?,
        all_versions: args.all_versions,
        limit: Some(limit),
    };
    let lake = context.open(Open::Existing).await?;
    let found = lake.find(request).await?;
    let wires: Vec<FoundWire> = found.iter().map(FoundWire::from).collect();
    list(&output, &wires, || people(&found))?;
    if found.len() == limit && output.for_people() {
        context.say("\nthere may be more: --limit N lists more");
    }
    Ok(())
}

fn people(found: &[FoundObject]) -> String {
    if found.is_empty() {
        return "nothing fits\n".to_owned();
    }
    let mut layout = Layout::new([
        ("name", Align::Left),
        ("kind", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("time", Align::Left),
        ("cid", Align::Left),
    ]);
    for object in found {
        layout.row([
            object.name.clone().unwrap_or_default(),
            object.kind.word().to_owned(),
            object.rows.map(count).unwrap_or_default(),
            object.bytes.map(bytes).unwrap_or_default(),
            object.time_ms.map(moment).unwrap_or_default(),
            object.cid.clone(),
        ]);
    }
    layout.list()
}

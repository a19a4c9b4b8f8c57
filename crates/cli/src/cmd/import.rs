//! `cidlake import`: a CAR file in, every block verified.

use std::path::PathBuf;

use cidlake::{Error, Imported, Open};

use super::Context;
use crate::output::{bytes, fields, object, plural};
use crate::shell::in_sql;
use crate::wire::ImportedWire;

/// Take in a CAR file, every block verified
///
/// Its roots are pinned, so that they stay, and are had by CID; with --name the table among them
/// becomes a dataset, or the newest version of the one that it grew from. A file with a wrong or
/// missing block changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake import people.car --name people
  cidlake import site.car")]
pub(crate) struct ImportArgs {
    /// The CAR file, version 1 or 2
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// Name the table that the file holds
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(context: &Context, args: ImportArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Create).await?;
    let meter = context.meter("");
    let imported = lake.import(args.source, args.name, meter.listener()).await?;
    drop(meter);
    lake.close().await?;
    let wire = ImportedWire::from(&imported);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&imported))?;
    if let Some(name) = imported.names.first() {
        context.suggest(&output, &format!("sql 'SELECT * FROM {} LIMIT 10'", in_sql(name)));
    }
    Ok(())
}

fn people(imported: &Imported) -> String {
    let mut facts: Vec<(&str, String)> =
        imported.roots.iter().map(|root| ("root", root.to_string())).collect();
    facts.extend(imported.names.iter().map(|name| ("name", name.clone())));
    format!(
        "imported {}, {} ({} new)\n{}",
        plural(imported.blocks, "block"),
        bytes(imported.bytes),
        bytes(imported.new_bytes),
        fields(facts),
    )
}

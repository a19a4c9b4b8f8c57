//! `cidlake show`: everything about one name, version or CID.

use cidlake::{Error, Lake, Open, Shown};

use super::Context;
use crate::output::{Align, Layout, Output, bytes, count, fields, list, object};
use crate::wire::{AsFileWire, ShownWire};

/// Say everything about a name, a version or a CID
///
/// As rows (CSV, Markdown, Arrow, Parquet) this is the list of columns.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake show people
  cidlake show people~1 --format json
  cidlake show people --as-file     # one CID for any reader of Parquet files
  cidlake show people@2026-01-31")]
pub(crate) struct ShowArgs {
    /// A name, name~N, name@COMMIT, name@TIME, name@TAG or a CID
    #[arg(value_name = "REF")]
    reference: String,
    /// Make it one Parquet file over the blocks that it has, pin that, and say its CID
    #[arg(long)]
    as_file: bool,
}

pub(super) async fn run(context: &Context, args: &ShowArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    if args.as_file {
        let file = lake.as_file(&args.reference).await?;
        let wire = AsFileWire::from(&file);
        let people = || fields(vec![("cid", wire.cid.clone()), ("size", bytes(wire.bytes))]);
        return object(&output, &wire, std::slice::from_ref(&wire), people);
    }
    let shown = lake.show(&args.reference).await?;
    let wire = ShownWire::from(&shown);
    object(&output, &wire, &wire.columns, || people(&shown, &wire))
}

/// Writes the columns of what `reference` means, and nothing else of it.
pub(crate) async fn print_columns(
    output: &Output,
    lake: &Lake,
    reference: &str,
) -> Result<(), Error> {
    let shown = lake.show(reference).await?;
    let wire = ShownWire::from(&shown);
    list(output, &wire.columns, || columns(&shown))
}

fn people(shown: &Shown, wire: &ShownWire) -> String {
    let mut text = fields(facts(shown, wire));
    if !shown.columns.is_empty() {
        text.push('\n');
        text.push_str(&columns(shown));
    }
    text
}

fn columns(shown: &Shown) -> String {
    let mut layout = Layout::new([
        ("column", Align::Left),
        ("type", Align::Left),
        ("nulls", Align::Right),
        ("min", Align::Left),
        ("max", Align::Left),
        ("size", Align::Right),
    ]);
    for column in &shown.columns {
        layout.row([
            column.name.clone(),
            column.kind.clone(),
            column.nulls.map(count).unwrap_or_default(),
            column.min.clone().unwrap_or_default(),
            column.max.clone().unwrap_or_default(),
            column.bytes.map(bytes).unwrap_or_default(),
        ]);
    }
    layout.list()
}

/// Returns what is known, in the order in which people want to know it.
fn facts(shown: &Shown, wire: &ShownWire) -> Vec<(&'static str, String)> {
    let table = shown.commit.is_some();
    let known = [
        ("name", wire.name.clone()),
        ("kind", Some(wire.kind.to_owned())),
        ("cid", Some(wire.cid.clone())),
        ("commit", wire.commit.clone()),
        ("rows", shown.rows.map(count)),
        ("size", shown.bytes.map(bytes)),
        ("parts", table.then(|| count(shown.parts.len() as u64))),
        ("operation", wire.operation.clone()),
        ("time", wire.time.clone()),
        ("author", wire.author.clone()),
        ("message", wire.message.clone()),
        ("profile", wire.profile.clone()),
        ("key", some(wire.key_columns.join(", "))),
        ("folders by", some(wire.partition_columns.join(", "))),
        ("cut by", some(wire.cut_columns.join(", "))),
        ("logical", wire.logical_hash.clone()),
        ("parents", some(wire.parents.join(" "))),
        ("tags", some(wire.tags.join(" "))),
        ("beside it", some(wire.conflicts.join(" "))),
    ];
    let mut facts: Vec<(&str, String)> =
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    facts.extend(wire.metadata.iter().map(|(key, value)| ("metadata", format!("{key}={value}"))));
    facts
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

//! `cidlake diff`: how two versions differ.

use std::process::ExitCode;

use cidlake::{DiffRequest, Error, Open};
use serde_json::{Map, Value};

use super::Context;
use crate::output::{count, object, plural, tame};
use crate::wire::DiffWire;

/// The exit code where versions differ, if it was asked for.
const DIFFERENT: u8 = 1;

/// Say how two versions differ
///
/// Columns, metadata and rows that B has and A has not, and the other way round. Rows are compared
/// over the columns that both versions have. With a key, rows are told apart by it, and those that
/// both have may have changed; a key that two rows share, or a row lacks, is refused. Without one,
/// whole rows count, as often as they are there. Where rows stand is no difference. What both versions
/// have in common is not read, so a small difference of large tables is found fast.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake diff people~1 people
  cidlake diff people@2026-01-31 people --stat
  cidlake diff people@before people --key id --limit 100
  cidlake diff people~1 people --exit-code --quiet --stat && echo the same

A line begins with - for what is in A alone, + for what is in B alone, ~ for what changed. With
--exit-code the program ends with 0 where nothing differs and with 1 where something does; it ends
with 1 after a failure too, but then there is no answer.")]
pub(crate) struct DiffArgs {
    /// The version to compare with
    #[arg(value_name = "A")]
    a: String,
    /// The version that is compared
    #[arg(value_name = "B")]
    b: String,
    /// The columns that tell rows apart; without it, the key that both versions have
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    key: Option<Vec<String>>,
    /// Compare whole rows, although both versions have a key
    #[arg(long, conflicts_with = "key")]
    no_key: bool,
    /// Tell numbers alone, and no rows
    #[arg(long, alias = "summary", conflicts_with = "limit")]
    stat: bool,
    /// The most rows of each kind to tell
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(0..=10_000)
    )]
    limit: u32,
    /// End with 1 where the versions differ
    #[arg(long)]
    exit_code: bool,
}

pub(super) async fn run(context: &Context, args: DiffArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let request = DiffRequest {
        key: if args.no_key { Some(Vec::new()) } else { args.key },
        samples_max: if args.stat { 0 } else { usize::try_from(args.limit).unwrap_or(usize::MAX) },
    };
    let meter = context.meter("comparing");
    let difference = lake.diff(&args.a, &args.b, request, meter.listener()).await?;
    drop(meter);
    let wire = DiffWire::new(&difference)?;
    object(&output, &wire, &wire.lines(), || people(&wire))?;
    let is_told = args.exit_code && !wire.same;
    Ok(if is_told { ExitCode::from(DIFFERENT) } else { ExitCode::SUCCESS })
}

fn people(wire: &DiffWire) -> String {
    let (a, b) = (&wire.a, &wire.b);
    let (a_rows, b_rows) = (plural(a.rows, "row"), plural(b.rows, "row"));
    let mut lines = vec![format!("{}, {a_rows} → {}, {b_rows}", a.reference, b.reference)];
    if wire.same {
        lines.push("nothing differs".to_owned());
    }
    lines.extend(columns(wire));
    lines.extend(words(wire));
    lines.extend(wire.roles.iter().map(|role| {
        let told = |columns: &[String]| match columns {
            [] => "none".to_owned(),
            some => some.join(", "),
        };
        format!("~ {} columns {} → {}", role.role, told(&role.before), told(&role.after))
    }));
    lines.extend(numbers(wire));
    lines.extend(rows(wire));
    let lines = lines.into_iter().map(|line| format!("{line}\n"));
    lines.collect()
}

fn columns(wire: &DiffWire) -> impl Iterator<Item = String> {
    wire.columns.iter().map(|column| {
        let name = tame(&column.name);
        let (before, after) = (column.before.as_deref(), column.after.as_deref());
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        match column.change {
            "added" => format!("+ column {name} {after}"),
            "removed" => format!("- column {name} {before}"),
            "moved" => format!("~ column {name} moved"),
            _ => format!("~ column {name} {before} → {after}"),
        }
    })
}

fn words(wire: &DiffWire) -> impl Iterator<Item = String> {
    wire.metadata.iter().map(|word| {
        let name = tame(&word.word);
        match (word.before.as_deref().map(tame), word.after.as_deref().map(tame)) {
            (None, after) => format!("+ metadata {name}={}", after.unwrap_or_default()),
            (Some(before), None) => format!("- metadata {name}={before}"),
            (Some(before), Some(after)) => format!("~ metadata {name}: {before} → {after}"),
        }
    })
}

/// Says how many rows differ, and with a key in which columns.
fn numbers(wire: &DiffWire) -> Vec<String> {
    if wire.rows_removed + wire.rows_added + wire.rows_changed == 0 {
        return Vec::new();
    }
    let (removed, added) = (plural(wire.rows_removed, "row"), count(wire.rows_added));
    let mut line = format!("{removed} removed, {added} added");
    if !wire.key.is_empty() {
        let key = wire.key.join(", ");
        line.push_str(&format!(", {} changed, by {key}", count(wire.rows_changed)));
    }
    let mut lines = vec![line];
    let counts: Vec<String> = wire
        .columns_changed
        .iter()
        .map(|(name, rows)| {
            format!("{} in {}", tame(name), plural(rows.as_u64().unwrap_or(0), "row"))
        })
        .collect();
    if !counts.is_empty() {
        lines.push(format!("changed: {}", counts.join(", ")));
    }
    lines
}

/// Tells rows, and how many more there are.
fn rows(wire: &DiffWire) -> Vec<String> {
    let mut lines = Vec::new();
    for (sign, rows) in [('-', &wire.removed), ('+', &wire.added)] {
        lines.extend(rows.iter().map(|row| {
            let times =
                if row.times > 1 { format!(" ({} times)", row.times) } else { String::new() };
            format!("{sign} {}{times}", values(&row.values))
        }));
    }
    lines.extend(wire.changed.iter().map(|row| {
        let change = |(name, before): (&String, &Value)| {
            let after = row.after.get(name).unwrap_or(&Value::Null);
            format!("{}: {} → {}", tame(name), value(before), value(after))
        };
        let changes: Vec<String> = row.before.iter().map(change).collect();
        format!("~ {}  {}", values(&row.key), changes.join(", "))
    }));
    let told = wire.removed.iter().chain(&wire.added).map(|row| row.times).sum::<u64>();
    let told = told + wire.changed.len() as u64;
    let all = wire.rows_removed + wire.rows_added + wire.rows_changed;
    if told > 0 && told < all {
        lines.push(format!("… and {} more; --limit N shows more", plural(all - told, "row")));
    }
    lines
}

fn values(values: &Map<String, Value>) -> String {
    let pair = |(name, of): (&String, &Value)| format!("{}={}", tame(name), value(of));
    values.iter().map(pair).collect::<Vec<String>>().join(" ")
}

/// Returns a value as people read it; text stands in quotes where it would not be told from others.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => {
            let is_plain =
                !text.is_empty() && text != "NULL" && !text.contains([' ', '=', '"', ',']);
            if is_plain { tame(text) } else { tame(&format!("{text:?}")) }
        }
        other => tame(&other.to_string()),
    }
}

//! `cidlake log`: the versions of a dataset.

use cidlake::{Error, Log, LogEnd, LogEntry, LogOptions, Open};

use super::Context;
use crate::output::{Align, Layout, bytes, count, fields, moment, object, plural};
use crate::wire::LogWire;

/// List the versions of a dataset, newest first
///
/// Each with what it did, when, and how many rows came or went. Versions that were let go are not
/// listed, also where one of them has a tag: `cidlake tag NAME` lists those.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake log people
  cidlake log people --oneline -n 50
  cidlake log people --from people@2026-01-31
  cidlake log people --format json | jq -r '.versions[].commit'")]
pub(crate) struct LogArgs {
    /// A dataset, or a version of one to begin with
    #[arg(value_name = "NAME")]
    name: String,
    /// The most versions to list
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    limit: u32,
    /// The version to begin with: a REF of the dataset, a commit, ~1 or @TAG
    #[arg(long, value_name = "REF")]
    from: Option<String>,
    /// One line a version
    #[arg(long)]
    oneline: bool,
}

pub(super) async fn run(context: &Context, args: &LogArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let log = lake.log(&args.name, LogOptions { limit, from: args.from.clone() }).await?;
    let wire = LogWire::from(&log);
    object(&output, &wire, &wire.versions, || {
        if args.oneline { lines(&log) } else { paragraphs(&log) }
    })?;
    match (log.end, &log.name) {
        (LogEnd::More(next), Some(name)) => {
            context.suggest(&output, &format!("log {name} --from {name}@{next}"));
        }
        (LogEnd::More(next), None) => context.suggest(&output, &format!("log {next}")),
        _ => {}
    }
    Ok(())
}

fn lines(log: &Log) -> String {
    let mut layout = Layout::new([
        ("version", Align::Left),
        ("time", Align::Left),
        ("operation", Align::Left),
        ("rows", Align::Right),
        ("change", Align::Right),
        ("tags", Align::Left),
        ("message", Align::Left),
    ]);
    for entry in &log.entries {
        layout.row([
            version(log, entry),
            moment(entry.time_ms),
            entry.operation.clone(),
            count(entry.rows),
            change(entry).unwrap_or_default(),
            entry.tags.join(" "),
            entry.message.clone().unwrap_or_default(),
        ]);
    }
    format!("{}{}", layout.list(), end(log))
}

fn paragraphs(log: &Log) -> String {
    let mut text = String::new();
    for entry in &log.entries {
        text.push_str(&fields(facts(log, entry)));
        text.push('\n');
    }
    format!("{text}{}", end(log))
}

/// Returns what is known of a version, in the order in which people want to know it.
fn facts(log: &Log, entry: &LogEntry) -> Vec<(&'static str, String)> {
    let rows = match change(entry) {
        Some(change) => format!("{} ({change})", count(entry.rows)),
        None => count(entry.rows),
    };
    let size = format!("{} in {}", bytes(entry.bytes), plural(entry.parts, "part"));
    let mut facts = vec![
        ("version", version(log, entry)),
        ("commit", entry.commit.to_string()),
        ("time", moment(entry.time_ms)),
        ("author", entry.author.clone()),
        ("operation", entry.operation.clone()),
        ("rows", rows),
        ("size", size),
    ];
    if entry.metadata_changed {
        facts.push(("metadata", "changed".to_owned()));
    }
    if !entry.tags.is_empty() {
        facts.push(("tags", entry.tags.join(" ")));
    }
    facts.extend(entry.message.clone().map(|message| ("message", message)));
    facts
}

/// Returns what a version is called: by its distance from the newest where it has one.
fn version(log: &Log, entry: &LogEntry) -> String {
    match (&log.name, entry.back) {
        (Some(name), Some(back)) => format!("{name}~{back}"),
        _ => entry.commit.to_string(),
    }
}

/// Returns by how many rows a version differs from the one before it.
fn change(entry: &LogEntry) -> Option<String> {
    let before = entry.rows_before.or((entry.depth == 0).then_some(0))?;
    Some(match entry.rows.checked_sub(before) {
        Some(more) => format!("+{}", count(more)),
        None => format!("-{}", count(before.saturating_sub(entry.rows))),
    })
}

/// Says why there are no older versions, where that is not plain to see.
fn end(log: &Log) -> &'static str {
    match log.end {
        LogEnd::More(_) | LogEnd::First => "",
        LogEnd::Expired => "older versions have expired\n",
        LogEnd::Missing => "older versions are not in this lake\n",
    }
}

#[cfg(test)]
mod tests {
    use cidlake::{LogEntry, parse_cid};

    use super::change;

    #[test]
    fn rows_that_came_and_went_are_told_where_they_are_known() {
        let cid = parse_cid("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku").unwrap();
        let entry = |depth, rows, rows_before| LogEntry {
            commit: cid,
            parent: None,
            cid,
            depth,
            back: None,
            time_ms: 0,
            author: String::new(),
            operation: "append".to_owned(),
            message: None,
            rows,
            rows_before,
            bytes: 0,
            parts: 1,
            metadata_changed: false,
            tags: Vec::new(),
        };
        for (depth, rows, before, expected) in [
            (0, 5, None, Some("+5")),
            (3, 5, Some(2), Some("+3")),
            (3, 2, Some(5), Some("-3")),
            (3, 5, Some(5), Some("+0")),
            (3, 5, None, None),
        ] {
            assert_eq!(change(&entry(depth, rows, before)).as_deref(), expected);
        }
    }
}

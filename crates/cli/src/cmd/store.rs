//! `cidlake store`: files in, one table with a CID out.

use std::path::{Path, PathBuf};

use cidlake::{Error, ErrorKind, Format, Open, Source, StoreMode, StoreRequest, Stored, Upserted};

use super::Context;
use crate::output::{Output, bytes, count, fields, object, plural};
use crate::shell::in_sql;
use crate::wire::{StoredWire, UpsertedWire};

/// Store files, folders or standard input as one table
///
/// Several sources become one table, in the order given; a folder stands for its files in the
/// order of their names. The format is told from the first bytes and the name of each file.
/// Storing the same rows again writes nothing.
///
/// A key is the columns that identify a row. Rows without one and rows with the key of another are
/// refused then, also when more are appended; later versions keep it. With --upsert a row takes the
/// place of the one that has its key, and the others go behind.
///
/// With --partition-by the table's files lie in folders that are called after values, as in
/// day=2026-01-31/part-000000.parquet, and do not hold these columns: what others call Hive
/// partitions. Later versions keep that, and a filter on such a column reads no other folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake store people.csv --name people
  cidlake store 2026/*.parquet --name sales.orders --metadata source=shop
  cidlake store more.csv --name people --append
  cidlake store people.csv --name people --key id
  cidlake store changes.csv --name people --upsert
  cidlake store 2026/*.parquet --name sales.orders --partition-by day,country
  curl -s https://example.org/events | cidlake store - --input-format ndjson --name events")]
pub(crate) struct StoreArgs {
    /// Files or folders; - is standard input
    #[arg(required = true, value_name = "SRC")]
    sources: Vec<PathBuf>,
    /// The dataset's name; without one the table is kept and had by its CID
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Put the rows behind those that the dataset has
    #[arg(long)]
    append: bool,
    /// Put each row in the place of the one that has its key, the others behind; the rows are held
    /// in memory
    #[arg(long, conflicts_with = "append")]
    upsert: bool,
    /// The columns that identify a row; with --upsert only where the dataset has none yet
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    key: Option<Vec<String>>,
    /// Let the dataset have no key any more
    #[arg(long, conflicts_with_all = ["key", "append", "upsert"])]
    no_key: bool,
    /// The columns whose values become folders, from the top down
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    partition_by: Option<Vec<String>>,
    /// Let the dataset have no folders any more
    #[arg(long, conflicts_with_all = ["partition_by", "append", "upsert"])]
    no_partition: bool,
    /// A word about the dataset, kept in the commit; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    metadata: Vec<(String, String)>,
    /// The format of all sources: parquet, csv, json, ndjson or arrow
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<Format>,
    /// What this version is, in a sentence
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
}

pub(super) async fn run(context: &Context, args: StoreArgs) -> Result<(), Error> {
    let output = context.output()?;
    let request = StoreRequest {
        sources: sources(args.sources)?,
        name: args.name,
        mode: mode(args.append, args.upsert),
        key: if args.no_key { Some(Vec::new()) } else { args.key },
        partition_by: if args.no_partition { Some(Vec::new()) } else { args.partition_by },
        metadata: args.metadata.into_iter().collect(),
        input_format: args.input_format,
        message: args.message,
        ..StoreRequest::default()
    };
    let lake = context.open(Open::Create).await?;
    let meter = context.meter("");
    let stored = lake.store(request, meter.listener()).await?;
    drop(meter);
    lake.close().await?;
    print_stored(&output, &stored)?;
    context.suggest(&output, &next(&stored));
    Ok(())
}

/// Writes what was stored.
pub(crate) fn print_stored(output: &Output, stored: &Stored) -> Result<(), Error> {
    match &stored.upserted {
        Some(upserted) => {
            let wire = UpsertedWire::new(stored, upserted);
            object(output, &wire, std::slice::from_ref(&wire), || people(stored))
        }
        None => {
            let wire = StoredWire::from(stored);
            object(output, &wire, std::slice::from_ref(&wire), || people(stored))
        }
    }
}

fn mode(append: bool, upsert: bool) -> StoreMode {
    match (append, upsert) {
        (_, true) => StoreMode::Upsert,
        (true, false) => StoreMode::Append,
        (false, false) => StoreMode::Overwrite,
    }
}

fn sources(paths: Vec<PathBuf>) -> Result<Vec<Source>, Error> {
    let stdin = |path: &Path| path.as_os_str() == "-";
    if paths.iter().filter(|path| stdin(path.as_path())).count() > 1 {
        return Err(Error::new(ErrorKind::Usage, "standard input can be read only once")
            .with_hint("give - a single time"));
    }
    let source =
        |path: PathBuf| if stdin(path.as_path()) { Source::Stdin } else { Source::Path(path) };
    Ok(paths.into_iter().map(source).collect())
}

pub(super) fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

fn people(stored: &Stored) -> String {
    let name = stored.name.as_deref().unwrap_or("the table");
    let did = if stored.unchanged { "is unchanged: " } else { "stored: " };
    let size = format!(
        "{}, {}, {}, {} ({} new)",
        plural(stored.rows, "row"),
        plural(stored.columns as u64, "column"),
        plural(stored.parts, "part"),
        bytes(stored.bytes),
        bytes(stored.new_bytes),
    );
    let mut facts = vec![("cid", stored.cid.to_string()), ("commit", stored.commit.to_string())];
    if !stored.key_columns.is_empty() {
        facts.push(("key", stored.key_columns.join(", ")));
    }
    if !stored.partition_columns.is_empty() {
        facts.push(("folders by", stored.partition_columns.join(", ")));
    }
    if let Some(upserted) = &stored.upserted {
        facts.extend(put_in(upserted));
    }
    format!("{name} {did}{size}\n{}", fields(facts))
}

/// Returns what became of rows that were put in by their keys.
fn put_in(upserted: &Upserted) -> [(&'static str, String); 2] {
    let rows = format!(
        "{} updated, {} inserted, {} unchanged",
        count(upserted.rows_updated),
        count(upserted.rows_inserted),
        count(upserted.rows_unchanged)
    );
    let parts = format!("{} of {} touched", upserted.parts_touched, upserted.parts_before);
    [("rows", rows), ("parts", parts)]
}

/// Returns the command that shows what was stored.
pub(super) fn next(stored: &Stored) -> String {
    match &stored.name {
        Some(name) => format!("sql 'SELECT * FROM {} LIMIT 10'", in_sql(name)),
        None => format!("get {} --limit 10", stored.cid),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cidlake::{ErrorKind, Source};

    use super::{key_and_value, sources};

    #[test]
    fn a_dash_is_standard_input_once() {
        let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect::<Vec<PathBuf>>();
        let read = sources(paths(&["a.csv", "-"])).unwrap();
        assert!(matches!(read.as_slice(), [Source::Path(_), Source::Stdin]), "{read:?}");
        let twice = sources(paths(&["-", "-"])).unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::Usage);
    }

    #[test]
    fn metadata_is_split_at_the_first_equals_sign() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_and_value("a=b=c"), pair("a", "b=c"));
        assert_eq!(key_and_value("a="), pair("a", ""));
        assert!(key_and_value("a").is_err());
        assert!(key_and_value("=a").is_err());
    }
}

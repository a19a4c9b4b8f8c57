//! `cidlake sql`: one query over the lake.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cidlake::{Error, ErrorKind, Open, Overrides, Params, SqlOptions};

use super::Context;
use super::get::say_written;
use crate::output::{Destination, Shown};

const ADVICE: &str = "--format csv or -o FILE for all";
/// The longest statement that is read from a file or standard input, in bytes.
const STATEMENT_BYTES_MAX: u64 = 16 << 20;
/// The longest time that can be asked for: a year.
const SECONDS_MAX: f64 = 366.0 * 24.0 * 3600.0;

/// Run one SQL query
///
/// Datasets are tables by name; versions and CIDs stand in double quotes: "people~1",
/// "bafkrei…". The table `datasets` lists all of them. Table functions say more of one:
/// at('people', '~1'), history('people'), parts('people') and diff('people', '~1', '~0'). A query
/// reads the lake and nothing else: no files, no network. It changes nothing without --write.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake sql 'SELECT city, count(*) AS n FROM people GROUP BY city ORDER BY n DESC'
  cidlake sql 'SELECT name, rows FROM datasets' --format markdown
  cidlake sql 'SELECT * FROM \"people~1\" EXCEPT SELECT * FROM people'
  cidlake sql \"SELECT change, name FROM diff('people', '~1', '~0')\"
  cidlake sql 'SELECT * FROM people WHERE id = $1 OR name = $name' --param 5 --param name=Ada
  cidlake sql --write 'CREATE TABLE adults AS SELECT * FROM people WHERE born < 2008'
  cidlake sql -f report.sql -o report.parquet --timeout 600
  echo 'SELECT 1' | cidlake sql -")]
pub(crate) struct SqlArgs {
    /// The query; - reads it from standard input
    #[arg(value_name = "QUERY", required_unless_present = "file")]
    query: Option<String>,
    /// Read the query from a file
    #[arg(long, short, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// What a parameter means: VALUE for $1, $2 … or ? in turn, NAME=VALUE for $NAME; read as JSON
    /// where it is some, else as text
    #[arg(long, short, value_name = "[NAME=]VALUE", allow_hyphen_values = true)]
    param: Vec<String>,
    /// Allow statements that write: CREATE TABLE … AS, INSERT, DELETE … WHERE; each is one commit
    #[arg(long)]
    write: bool,
    /// Write to a file, whose extension says the format; it appears whole or not at all
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stop the query after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = milliseconds)]
    timeout: Option<u64>,
}

pub(super) async fn run(context: &Context, args: SqlArgs) -> Result<(), Error> {
    let destination = Destination::choose(args.output, context.global.format)?;
    let query = match (args.query, args.file) {
        (Some(dash), _) if dash == "-" => {
            read_statement(&mut std::io::stdin().lock(), Path::new("standard input"))?
        }
        (Some(query), _) => query,
        (None, Some(path)) if path == Path::new("-") => {
            read_statement(&mut std::io::stdin().lock(), Path::new("standard input"))?
        }
        (None, Some(path)) => {
            let mut file = std::fs::File::open(&path).map_err(|error| unread(&path, error))?;
            read_statement(&mut file, &path)?
        }
        (None, None) => String::new(),
    };
    let mut params = Params::default();
    for param in &args.param {
        params.push_text(param)?;
    }
    // Set as the limit of this process too, because nobody may ask for more than that.
    let more = Overrides { query_timeout_ms: args.timeout, ..Overrides::default() };
    let lake = context.open_with(more, Open::Existing).await?;
    let options = SqlOptions { timeout_ms: args.timeout, params, write: args.write };
    let rows = lake.sql(&query, options).await?;
    let written = destination.write(rows, Shown::new(None, ADVICE)).await?;
    if args.write {
        lake.close().await?;
    }
    say_written(context, &destination, written);
    Ok(())
}

fn read_statement(from: &mut dyn std::io::Read, label: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let read = from.take(STATEMENT_BYTES_MAX + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| unread(label, error))?;
    if bytes as u64 > STATEMENT_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("{} is longer than any statement", label.display()),
        )
        .with_hint(format!("a statement has at most {STATEMENT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn unread(path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, format!("cannot read the query in {}", path.display())).with_source(error)
}

/// Parses seconds, with a fraction if need be, into milliseconds.
fn milliseconds(text: &str) -> Result<u64, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    if !(seconds > 0.0 && seconds <= SECONDS_MAX) {
        return Err("write a number of seconds above 0, at most a year".to_owned());
    }
    let span = std::time::Duration::from_secs_f64(seconds);
    u64::try_from(span.as_millis()).map(|ms| ms.max(1)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{STATEMENT_BYTES_MAX, milliseconds, read_statement};

    #[test]
    fn seconds_become_milliseconds() {
        for (text, expected) in
            [("1", Some(1000)), ("0.25", Some(250)), ("0.0001", Some(1)), ("0", None), ("-1", None)]
        {
            assert_eq!(milliseconds(text).ok(), expected, "{text}");
        }
        for text in ["", "x", "NaN", "inf", "1e300"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_statement_has_a_longest_length() {
        let label = Path::new("x.sql");
        let longest = vec![b' '; usize::try_from(STATEMENT_BYTES_MAX).unwrap()];
        assert!(read_statement(&mut longest.as_slice(), label).is_ok());
        let longer = [longest, vec![b' ']].concat();
        assert!(read_statement(&mut longer.as_slice(), label).is_err());
    }
}

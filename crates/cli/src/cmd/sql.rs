//! `cidlake sql`: one query over the lake, a script of several statements, or the shell.
//!
//! Where the text comes from and where answers go is decided here; where statements end, and the
//! shell, are in `shell/`.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use cidlake::{Error, ErrorKind, Lake, Limits, Open, Overrides, Params, SqlOptions};

use super::get::say_written;
use super::{Context, store};
use crate::output::{Destination, Form, Output, Shown, print};
use crate::shell::{self, ShellOptions, Statement, located, split};

const ADVICE: &str = "--format csv or -o FILE for all";
/// The longest text that is read from a file or standard input, in bytes.
const STATEMENT_BYTES_MAX: u64 = 16 << 20;
/// The longest time that can be asked for: a year.
const SECONDS_MAX: f64 = 366.0 * 24.0 * 3600.0;
/// The same in milliseconds.
pub(crate) const TIMEOUT_MS_MAX: u64 = 366 * 24 * 3600 * 1000;

/// Run SQL: a query, a script or an interactive shell
///
/// Datasets are tables by name; versions and CIDs stand in double quotes: "people~1",
/// "bafkrei…". The table `datasets` lists all of them. Table functions say more of one:
/// at('people', '~1'), history('people'), parts('people') and diff('people', '~1', '~0'). What the
/// lake itself is made of are tables, too: system.datasets, commits, parts, columns, blocks, pins,
/// operations, wal, cache, metrics and settings. A query reads the lake and nothing else: no files,
/// no network. It changes nothing without --write.
///
/// Several statements, each with a ; behind it, run in their order up to the first that fails. Each is
/// on its own: what those before it have written stays.
///
/// Without a query, a terminal gets a shell, with history, completion by Tab and commands that
/// .help lists; elsewhere the statements come from standard input.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake sql                        # the shell
  cidlake sql 'SELECT city, count(*) AS n FROM people GROUP BY city ORDER BY n DESC'
  cidlake sql 'SELECT name, rows FROM datasets' --format markdown
  cidlake sql 'SELECT operation_id, status, error FROM system.operations'
  cidlake sql 'SELECT * FROM people LIMIT 3' --format line
  cidlake sql 'SELECT * FROM \"people~1\" EXCEPT SELECT * FROM people'
  cidlake sql \"SELECT change, name FROM diff('people', '~1', '~0')\"
  cidlake sql 'SELECT * FROM people WHERE id = $1 OR name = $name' --param 5 --param name=Ada
  cidlake sql 'SELECT * FROM people WHERE born < 2008' --save adults
  cidlake sql --write 'INSERT INTO adults SELECT * FROM people WHERE born = 2008'
  cidlake sql -f report.sql -o report.parquet --timeout 600
  cidlake sql < nightly.sql
  cidlake sql 'SELECT * FROM events WHERE day = 7' --rows-max 100000 --read-bytes-max 1000000000
  echo 'SELECT 1' | cidlake sql -")]
pub(crate) struct SqlArgs {
    /// The query, or several statements; - reads them from standard input
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// Read the query, or several statements, from a file
    #[arg(long, short, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// What a parameter means: VALUE for $1, $2 … or ? in turn, NAME=VALUE for $NAME; read as JSON
    /// where it is some, else as text
    #[arg(long, short, value_name = "[NAME=]VALUE", allow_hyphen_values = true)]
    param: Vec<String>,
    /// Allow statements that write: CREATE TABLE … AS, INSERT, DELETE … WHERE; each is one commit
    #[arg(long)]
    write: bool,
    /// Keep the result of the query as a new dataset, as one commit
    #[arg(long, value_name = "NAME", conflicts_with = "output")]
    save: Option<String>,
    /// Write to a file, whose extension says the format; it appears whole or not at all
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stop each statement after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = milliseconds)]
    timeout: Option<u64>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What each statement may take besides time; the settings may allow less.
#[derive(Clone, Copy, Debug, clap::Args)]
struct LimitArgs {
    /// Fail a statement with more rows in its answer
    #[arg(long, value_name = "ROWS")]
    rows_max: Option<u64>,
    /// Fail a statement with more bytes in its answer
    #[arg(long, value_name = "BYTES")]
    bytes_max: Option<u64>,
    /// Fail a statement that reads more bytes of tables
    #[arg(long, value_name = "BYTES")]
    read_bytes_max: Option<u64>,
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        let LimitArgs { rows_max, bytes_max, read_bytes_max } = args;
        Self { rows_max, bytes_max, read_bytes_max }
    }
}

/// Where statements come from.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    Line(String),
    File(PathBuf),
    Stdin,
    /// Somebody at a terminal.
    Shell,
}

pub(super) async fn run(context: &Context, args: SqlArgs) -> Result<(), Error> {
    let destination = Destination::choose(args.output.clone(), context.global.format)?;
    let terminals = (io::stdin().is_terminal(), io::stdout().is_terminal());
    let text = match origin(&args, terminals)? {
        Origin::Shell => return shell(context, &args).await,
        Origin::Stdin => read_statement(&mut io::stdin().lock(), Path::new("standard input"))?,
        Origin::File(path) => read_file(&path)?,
        Origin::Line(text) => text,
    };
    let statements = split(&text).statements;
    if statements.len() > 1 {
        let output = alone(&args, &destination)?;
        return several(context, &args, output, &statements).await;
    }
    let mut params = Params::default();
    for param in &args.param {
        params.push_text(param)?;
    }
    let lake = open(context, &args).await?;
    let options = SqlOptions { params, ..options(&args) };
    if let Some(name) = &args.save {
        return save(context, &lake, &text, name, options).await;
    }
    let rows = lake.sql(&text, options).await?;
    let written = destination.write(rows, Shown::new(None, ADVICE)).await?;
    if args.write {
        lake.close().await?;
    }
    say_written(context, &destination, written);
    Ok(())
}

/// Says where the statements come from; `terminals` are standard input and standard output.
fn origin(args: &SqlArgs, (stdin, stdout): (bool, bool)) -> Result<Origin, Error> {
    Ok(match (&args.query, &args.file) {
        (Some(dash), _) if dash == "-" => Origin::Stdin,
        (Some(query), _) => Origin::Line(query.clone()),
        (None, Some(path)) if path == Path::new("-") => Origin::Stdin,
        (None, Some(path)) => Origin::File(path.clone()),
        (None, None) if !stdin => Origin::Stdin,
        (None, None) if stdout => Origin::Shell,
        (None, None) => {
            return Err(Error::new(ErrorKind::Usage, "there is no query").with_hint(
                "write it behind `cidlake sql`; the shell needs a terminal to answer on",
            ));
        }
    })
}

async fn shell(context: &Context, args: &SqlArgs) -> Result<(), Error> {
    for (given, option) in [
        (args.output.is_some(), "-o"),
        (args.save.is_some(), "--save"),
        (!args.param.is_empty(), "--param"),
    ] {
        if given {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{option} is for a query, and there is none"),
            )
            .with_hint("write the query behind it; the shell has .save, see .help"));
        }
    }
    let options =
        ShellOptions { write: args.write, timeout_ms: args.timeout, limits: args.limits.into() };
    shell::run(context, options).await
}

/// Refuses for several statements what is of one; returns where their answers go.
fn alone(args: &SqlArgs, destination: &Destination) -> Result<Output, Error> {
    let usage = |message: &str| {
        Err(Error::new(ErrorKind::Usage, format!("several statements {message}"))
            .with_hint("run that statement alone"))
    };
    let Destination::Stdout(output) = destination else {
        return usage("have several answers, which are not one file (-o)");
    };
    if args.save.is_some() {
        return usage("have several results, of which none is meant by --save");
    }
    if !args.param.is_empty() {
        return usage("take no parameters (--param)");
    }
    if output.is_binary() {
        return usage("have several answers, which are not one stream of this --format");
    }
    Ok(*output)
}

async fn several(
    context: &Context,
    args: &SqlArgs,
    output: Output,
    statements: &[Statement<'_>],
) -> Result<(), Error> {
    let lake = open(context, args).await?;
    let destination = Destination::Stdout(output);
    let mut done = Ok(());
    for (number, statement) in (1..).zip(statements) {
        done = next(&lake, statement, options(args), &destination, number > 1).await;
        if let Err(error) = done {
            done = Err(located(error, number, statement));
            break;
        }
    }
    // What was written before something failed stays.
    let closed = if args.write { lake.close().await } else { Ok(()) };
    done.and(closed)
}

/// Runs one of several statements; where answers are for people, an empty line is between them.
async fn next(
    lake: &Lake,
    statement: &Statement<'_>,
    options: SqlOptions,
    destination: &Destination,
    follows: bool,
) -> Result<(), Error> {
    let rows = lake.sql(statement.text, options).await?;
    if let Destination::Stdout(output) = destination
        && follows
        && matches!(output.form, Form::Table | Form::Line | Form::Markdown)
    {
        print(b"\n")?;
    }
    destination.write(rows, Shown::new(None, ADVICE)).await?;
    Ok(())
}

async fn save(
    context: &Context,
    lake: &Lake,
    query: &str,
    name: &str,
    options: SqlOptions,
) -> Result<(), Error> {
    let output = context.output()?;
    let stored = lake.sql_saved(query, name, options).await?;
    lake.close().await?;
    store::print_stored(&output, &stored)?;
    context.suggest(&output, &store::next(&stored));
    Ok(())
}

async fn open(context: &Context, args: &SqlArgs) -> Result<Lake, Error> {
    // Set as the limit of this process too, because nobody may ask for more than that.
    let more = Overrides { query_timeout_ms: args.timeout, ..Overrides::default() };
    context.open_with(more, Open::Existing).await
}

fn options(args: &SqlArgs) -> SqlOptions {
    SqlOptions {
        timeout_ms: args.timeout,
        write: args.write,
        limits: args.limits.into(),
        ..SqlOptions::default()
    }
}

/// Reads the statements in a file.
///
/// # Errors
/// `NotFound` or `Invalid` for one that cannot be read, is no text, or is too long.
pub(crate) fn read_file(path: &Path) -> Result<String, Error> {
    let mut file = std::fs::File::open(path).map_err(|error| unread(path, error))?;
    read_statement(&mut file, path)
}

fn read_statement(from: &mut dyn io::Read, label: &Path) -> Result<String, Error> {
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

fn unread(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, format!("cannot read the query in {}", path.display())).with_source(error)
}

/// Parses seconds, with a fraction if need be, into milliseconds.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
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

    use clap::Parser;

    use super::{
        Origin, STATEMENT_BYTES_MAX, SqlArgs, TIMEOUT_MS_MAX, milliseconds, origin, read_statement,
    };

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SqlArgs,
    }

    #[test]
    fn a_terminal_without_a_query_gets_the_shell() {
        type Case<'a> = (&'a [&'a str], (bool, bool), Option<Origin>);
        let line = |text: &str| Origin::Line(text.to_owned());
        let terminal = (true, true);
        let table: [Case<'_>; 8] = [
            (&[], terminal, Some(Origin::Shell)),
            (&[], (false, true), Some(Origin::Stdin)),
            (&[], (false, false), Some(Origin::Stdin)),
            (&[], (true, false), None),
            (&["SELECT 1"], terminal, Some(line("SELECT 1"))),
            (&["-"], terminal, Some(Origin::Stdin)),
            (&["-f", "-"], terminal, Some(Origin::Stdin)),
            (&["-f", "a.sql"], (false, false), Some(Origin::File("a.sql".into()))),
        ];
        for (words, terminals, expected) in table {
            let args = Line::parse_from([&["sql"][..], words].concat()).args;
            assert_eq!(origin(&args, terminals).ok(), expected, "{words:?}");
        }
    }

    #[test]
    fn seconds_become_milliseconds() {
        for (text, expected) in
            [("1", Some(1000)), ("0.25", Some(250)), ("0.0001", Some(1)), ("0", None), ("-1", None)]
        {
            assert_eq!(milliseconds(text).ok(), expected, "{text}");
        }
        assert_eq!(milliseconds("31622400"), Ok(TIMEOUT_MS_MAX));
        for text in ["", "x", "NaN", "inf", "1e300", "31622401"] {
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

//! How answers leave: in which format, to a terminal, a pipe or a file.
//!
//! `rows.rs` writes the rows of a table, `file.rs` puts them into a file, `answer.rs` writes
//! everything else, `table.rs` and `line.rs` lay out text. Standard output carries the answer and nothing else;
//! talk goes to standard error. What the JSON objects hold is in `wire.rs`, not here.

mod answer;
mod file;
mod line;
mod rows;
mod table;
mod units;

use std::io::{self, IsTerminal as _, Write as _};

use cidlake::{Error, ErrorKind, Format};
use clap::ValueEnum;

pub(crate) use self::answer::{Cell, Kind, Record, list, object};
pub(crate) use self::file::Destination;
pub(crate) use self::rows::{Preview, Shown, preview, stream};
pub(crate) use self::table::{Align, Layout, fields, tame};
pub(crate) use self::units::{bytes, count, moment, plural, seconds};

/// The formats of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutFormat {
    /// Text for people, at most 40 rows.
    Table,
    /// Text for people, one value a line.
    Line,
    /// JSON: an array of objects for rows, one object or array for the rest.
    Json,
    /// JSON, one object a line.
    #[value(alias = "jsonl")]
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
    /// A Markdown table.
    #[value(alias = "md")]
    Markdown,
    /// Arrow IPC: a stream in a pipe, a file in a file.
    Arrow,
    /// Parquet.
    Parquet,
}

/// A format that a program reads, or one that people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A table of text.
    Table,
    /// A value a line.
    Line,
    /// A Markdown table.
    Markdown,
    /// A stream of Arrow IPC.
    ArrowStream,
    /// Any format that the lake itself reads and writes.
    Data(Format),
}

impl OutFormat {
    /// Says whether a terminal cannot show it.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}

impl From<OutFormat> for Form {
    fn from(format: OutFormat) -> Self {
        match format {
            OutFormat::Table => Self::Table,
            OutFormat::Line => Self::Line,
            OutFormat::Markdown => Self::Markdown,
            OutFormat::Json => Self::Data(Format::Json),
            OutFormat::Ndjson => Self::Data(Format::Ndjson),
            OutFormat::Csv => Self::Data(Format::Csv),
            OutFormat::Arrow => Self::Data(Format::Arrow),
            OutFormat::Parquet => Self::Data(Format::Parquet),
        }
    }
}

/// Standard output, and what may be written to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The form of the answer.
    pub(crate) form: Form,
    /// How many characters fit on a line, where that is known.
    pub(crate) width: Option<u16>,
}

impl Output {
    /// Decides on the form of the answer: the one that was asked for, else a table on a terminal
    /// and JSON elsewhere.
    ///
    /// # Errors
    /// `Usage` for a binary format on a terminal.
    pub(crate) fn choose(asked: Option<OutFormat>) -> Result<Self, Error> {
        let terminal = io::stdout().is_terminal();
        let form = match asked {
            Some(OutFormat::Arrow) => Form::ArrowStream,
            Some(format) => format.into(),
            None if terminal => Form::Table,
            None => Form::Data(Format::Json),
        };
        if terminal && asked.is_some_and(OutFormat::is_binary) {
            return Err(Error::new(ErrorKind::Usage, "this format is not for a terminal")
                .with_hint("write it to a file (`-o FILE`, `> FILE`), or into a pipe"));
        }
        let size = terminal.then(terminal_size::terminal_size).flatten();
        Ok(Self { form, width: size.map(|(width, _)| width.0) })
    }

    /// Says whether its bytes are no text.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(self.form, Form::ArrowStream | Form::Data(Format::Parquet | Format::Arrow))
    }

    /// Says whether people are to read the answer.
    pub(crate) fn for_people(&self) -> bool {
        self.form == Form::Table
    }
}

/// Says whether an environment variable is there and not empty.
pub(crate) fn environment_is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Writes `text` to standard output at once.
///
/// # Errors
/// `Unavailable` when it cannot be written; the end of a pipe's reader is told apart on the way
/// out of the program.
pub(crate) fn print(text: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(stdout_error)
}

/// Writes a line of talk to standard error.
pub(crate) fn say(text: &str) {
    // Talk that nobody can hear is no reason to fail.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

fn stdout_error(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "cannot write to standard output").with_source(error)
}

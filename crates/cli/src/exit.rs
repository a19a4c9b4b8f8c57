//! How the program ends: the exit code of an error, and what is said of it on standard error.
//!
//! Errors are worded where they arise; nothing here knows more of them than their kind, their
//! causes and their hint.

use std::error::Error as StdError;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use cidlake::{Error, ErrorKind};
use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};

use crate::output::environment_is_set;
use crate::wire::ErrorReport;

/// The exit code of an integrity failure, also of one that `fsck` found.
pub(crate) const CORRUPT: u8 = 4;

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ErrorFormat {
    /// Lines for people.
    Text,
    /// One JSON object on one line, for programs.
    Json,
}

/// Returns the exit code of an error.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Corrupt => CORRUPT,
        ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Internal => {
            1
        }
    }
}

/// Writes an error to standard error and returns the exit code.
pub(crate) fn report(error: &Error, format: ErrorFormat) -> ExitCode {
    if reader_left(error) {
        // `cidlake sql … | head` got what it asked for.
        return ExitCode::SUCCESS;
    }
    let text = match format {
        ErrorFormat::Text => text(error, &Look::of_stderr()),
        ErrorFormat::Json => json(error),
    };
    // Where standard error is gone as well, the exit code has to say it alone.
    drop(io::stderr().lock().write_all(text.as_bytes()));
    ExitCode::from(code(error.kind()))
}

/// The styles of the words that introduce lines; plain where colour is not wanted.
struct Look {
    error: Style,
    hint: Style,
}

impl Look {
    fn plain() -> Self {
        Self { error: Style::new(), hint: Style::new() }
    }

    fn of_stderr() -> Self {
        if !io::stderr().is_terminal() || environment_is_set("NO_COLOR") {
            return Self::plain();
        }
        Self {
            error: AnsiColor::Red.on_default().bold(),
            hint: AnsiColor::Green.on_default().bold(),
        }
    }
}

fn text(error: &Error, look: &Look) -> String {
    let Look { error: red, hint: green } = look;
    let mut text = format!("{red}error{red:#}: {error}\n");
    for cause in causes(error) {
        text.push_str(&format!("  cause: {cause}\n"));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("{green}hint{green:#}: {hint}\n"));
    }
    text
}

fn json(error: &Error) -> String {
    let report = ErrorReport::new(error, causes(error), code(error.kind()));
    let mut text = serde_json::to_string(&report).unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}

/// Returns what each cause below `error` says, outermost first; what only repeats is left out.
fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            causes.push(text.clone());
            said = text;
        }
        next = cause.source();
    }
    causes
}

/// Says whether the error is that whoever read our output has stopped doing so.
fn reader_left(error: &Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::BrokenPipe
        {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io;

    use cidlake::{Error, ErrorKind};

    use super::{Look, code, json, reader_left, text};

    fn example() -> Error {
        Error::new(ErrorKind::NotFound, "cannot read x.csv")
            .with_source(io::Error::new(io::ErrorKind::NotFound, "no such file"))
            .with_hint("look again")
    }

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        assert_eq!(
            text(&example(), &Look::plain()),
            "error: cannot read x.csv\n  cause: no such file\nhint: look again\n"
        );
    }

    #[test]
    fn an_error_is_one_line_of_json() {
        assert_eq!(
            json(&example()),
            "{\"error\":{\"kind\":\"not_found\",\"message\":\"cannot read x.csv\",\
             \"causes\":[\"no such file\"],\"hint\":\"look again\",\"exit_code\":3}}\n"
        );
    }

    #[test]
    fn every_kind_has_its_exit_code() {
        let table = [
            (ErrorKind::Invalid, 1),
            (ErrorKind::Conflict, 1),
            (ErrorKind::Unavailable, 1),
            (ErrorKind::Internal, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::NotFound, 3),
            (ErrorKind::Corrupt, 4),
        ];
        for (kind, expected) in table {
            assert_eq!(code(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn only_a_broken_pipe_is_a_reader_that_left() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(reader_left(&Error::new(ErrorKind::Unavailable, "x").with_source(broken)));
        assert!(!reader_left(&example()));
    }
}

//! Dot commands: which there are, and what a line asks for. What they do is in `session.rs`.
//!
//! Pure: a line in, a command or an error out.

use std::path::PathBuf;

use cidlake::{Error, ErrorKind, near};
use clap::ValueEnum as _;

use crate::cmd::sql::milliseconds;
use crate::output::OutFormat;

/// All commands: their name, what stands behind it, and what they do.
pub(super) const COMMANDS: [(&str, &str, &str); 11] = [
    (".exit", "", "leave; so do .quit and Ctrl-D"),
    (".help", "", "list these commands"),
    (".mode", "FORMAT", "the form of answers: table, line, json, ndjson, csv, markdown"),
    (".quit", "", "leave"),
    (".read", "FILE", "run the statements in a file"),
    (".rows", "N|all", "how many rows a table shows"),
    (".save", "NAME", "run the last statement again and keep its result as a dataset"),
    (".schema", "NAME", "list the columns of a dataset"),
    (".tables", "", "list the datasets"),
    (".timeout", "SECONDS", "stop statements that run longer"),
    (".timer", "on|off", "whether to say how long a statement ran"),
];

/// Words that are commands without a dot, too: no statement consists of one of them.
const PLAIN: [(&str, &str); 3] = [("exit", ".exit"), ("help", ".help"), ("quit", ".quit")];

/// A command with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dot {
    Help,
    Mode(OutFormat),
    Quit,
    Read(PathBuf),
    Rows(usize),
    Save(String),
    Schema(String),
    Tables,
    /// Milliseconds.
    Timeout(u64),
    Timer(bool),
}

/// Says whether a line, with which no statement goes on, is a command.
pub(super) fn is_command(line: &str) -> bool {
    let line = without_end(line);
    line.starts_with('.') || PLAIN.iter().any(|(word, _)| line.eq_ignore_ascii_case(word))
}

/// Returns what a command asks for.
///
/// # Errors
/// `Usage` for one that there is not, or what cannot stand behind it.
pub(super) fn parse(line: &str) -> Result<Dot, Error> {
    let line = without_end(line);
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let plain = PLAIN.iter().find(|(word, _)| name.eq_ignore_ascii_case(word));
    let name = plain.map_or_else(|| name.to_ascii_lowercase(), |(_, name)| (*name).to_owned());
    let Some((name, wanted, _)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
        return Err(unknown(&name));
    };
    let argument = argument.trim();
    if argument.is_empty() != wanted.is_empty() {
        return Err(usage(name, wanted, "is written otherwise"));
    }
    match *name {
        ".exit" | ".quit" => Ok(Dot::Quit),
        ".mode" => mode(argument),
        ".read" => Ok(Dot::Read(PathBuf::from(argument))),
        ".rows" => rows(argument).ok_or_else(|| usage(name, wanted, "takes a number, or all")),
        ".save" => Ok(Dot::Save(argument.to_owned())),
        ".schema" => Ok(Dot::Schema(argument.to_owned())),
        ".tables" => Ok(Dot::Tables),
        ".timeout" => match milliseconds(argument) {
            Ok(limit) => Ok(Dot::Timeout(limit)),
            Err(_) => Err(usage(name, wanted, "takes seconds above 0, at most a year")),
        },
        ".timer" => match argument {
            "on" => Ok(Dot::Timer(true)),
            "off" => Ok(Dot::Timer(false)),
            _ => Err(usage(name, wanted, "is on or off")),
        },
        _ => Ok(Dot::Help),
    }
}

/// Returns the list of all commands.
pub(super) fn help() -> String {
    let lines = COMMANDS.iter().map(|(name, wanted, about)| {
        let line = format!("{name} {wanted}");
        format!("{line:<18} {about}\n")
    });
    let mut text: String = lines.collect();
    text.push_str(
        "\nA statement ends with ; and may have several lines. Tab completes, the arrow keys and \
         Ctrl-R\nlook back, Ctrl-C clears the line or stops what runs, Ctrl-D leaves.\n",
    );
    text
}

/// Returns the names of the formats that a terminal can show.
pub(super) fn modes() -> Vec<String> {
    let shown = OutFormat::value_variants().iter().filter(|format| !format.is_binary());
    shown.filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned())).collect()
}

/// Whoever is used to statements ends commands with `;` as well.
fn without_end(line: &str) -> &str {
    line.trim().trim_end_matches(';').trim_end()
}

fn mode(argument: &str) -> Result<Dot, Error> {
    match OutFormat::from_str(argument, true) {
        Ok(format) if !format.is_binary() => Ok(Dot::Mode(format)),
        _ => Err(Error::new(ErrorKind::Usage, format!("{argument} is no format for a terminal"))
            .with_hint(format!("there are {}", modes().join(", ")))),
    }
}

fn rows(argument: &str) -> Option<Dot> {
    match argument {
        "all" => Some(Dot::Rows(usize::MAX)),
        number => number.parse().ok().map(Dot::Rows),
    }
}

fn unknown(name: &str) -> Error {
    let names: Vec<String> = COMMANDS.iter().map(|(known, ..)| (*known).to_owned()).collect();
    let hint = match near(name, &names).first() {
        Some(near) => format!("did you mean {near}? .help lists all"),
        None => ".help lists all".to_owned(),
    };
    Error::new(ErrorKind::Usage, format!("there is no command {name}")).with_hint(hint)
}

fn usage(name: &str, wanted: &str, what: &str) -> Error {
    let example = format!("{name} {wanted}");
    Error::new(ErrorKind::Usage, format!("{name} {what}"))
        .with_hint(format!("write it so: {}", example.trim_end()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cidlake::ErrorKind;

    use super::{COMMANDS, Dot, OutFormat, help, is_command, modes, parse};

    #[test]
    fn commands_are_read() {
        for (line, expected) in [
            (".help", Dot::Help),
            ("help", Dot::Help),
            (".quit", Dot::Quit),
            (" .exit ; ", Dot::Quit),
            ("EXIT;", Dot::Quit),
            (".tables", Dot::Tables),
            (".TABLES", Dot::Tables),
            (".schema sales.orders", Dot::Schema("sales.orders".to_owned())),
            (".save  big", Dot::Save("big".to_owned())),
            (".read my file.sql", Dot::Read(PathBuf::from("my file.sql"))),
            (".mode line", Dot::Mode(OutFormat::Line)),
            (".mode JSON", Dot::Mode(OutFormat::Json)),
            (".mode md", Dot::Mode(OutFormat::Markdown)),
            (".timer on", Dot::Timer(true)),
            (".timer off", Dot::Timer(false)),
            (".timeout 0.5", Dot::Timeout(500)),
            (".rows 5", Dot::Rows(5)),
            (".rows all", Dot::Rows(usize::MAX)),
        ] {
            assert!(is_command(line), "{line}");
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        for (line, message, hint) in [
            (".tabels", ".tabels", "did you mean .tables? .help lists all"),
            (".nosuchthing", ".nosuchthing", ".help lists all"),
            (".", "there is no command .", ".help"),
            (".schema", ".schema is written otherwise", ".schema NAME"),
            (".tables people", ".tables is written otherwise", "write it so: .tables"),
            (".mode xml", "xml", "table, line, json, ndjson, csv, markdown"),
            (".mode parquet", "parquet", "table"),
            (".timer maybe", "on or off", "on|off"),
            (".timeout 0", "seconds", ".timeout SECONDS"),
            (".rows -1", "a number", ".rows N|all"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{line}");
            assert!(error.to_string().contains(message), "{line}: {error}");
            assert!(error.hint().unwrap().contains(hint), "{line}: {:?}", error.hint());
        }
    }

    #[test]
    fn statements_are_no_commands() {
        for line in ["", "SELECT 1", "exit now", "quit x;", "-- .help", "5.5"] {
            assert!(!is_command(line), "{line}");
        }
    }

    #[test]
    fn help_lists_every_command_and_every_format() {
        let help = help();
        assert!(COMMANDS.is_sorted() && COMMANDS.iter().all(|(name, ..)| help.contains(name)));
        assert!(modes().iter().all(|mode| help.contains(mode)), "{help}");
    }
}

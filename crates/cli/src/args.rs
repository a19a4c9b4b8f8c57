//! The command line as a tree: global options, the commands, and the help that groups them.
//!
//! The options of a command are beside its code, in `cmd/`. Nothing is decided here that depends
//! on the lake or on the terminal.

use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cmd::{
    add, alter, cat, compact, completions, dag, datasets, delete, demo, diff, doctor, drop, expire,
    export, find, fsck, gc, get, import, log, ls, maintain, mcp, pin, pins, rename, restore, show,
    sql, store, tag, unpin, wal,
};
use crate::exit::ErrorFormat;
use crate::output::OutFormat;

/// The commands as the help lists them.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Tables", &["store", "get", "sql", "delete"]),
    (
        "Datasets",
        &[
            "datasets", "find", "show", "log", "diff", "tag", "restore", "alter", "dag", "rename",
            "drop",
        ],
    ),
    ("Files and archives", &["add", "cat", "ls", "export", "import"]),
    ("What is kept", &["pin", "unpin", "pins", "expire", "compact", "gc"]),
    (
        "The lake and this program",
        &["fsck", "doctor", "maintain", "wal", "mcp", "demo", "completions"],
    ),
];

/// Where the help of a command lists what all commands have.
const HEADING: &str = "Global options";

const AFTER_HELP: &str = "\
Examples:
  cidlake store people.csv --name people
  cidlake get people --columns name,born --limit 10
  cidlake sql 'SELECT city, count(*) FROM people GROUP BY city'
  cidlake sql                 # a shell, on a terminal
  cidlake demo

A REF is a name (people, sales.orders), a version (people~1, people@COMMIT,
people@2026-01-31T12:00:00Z, people@TAG) or a CID. `cidlake COMMAND --help` has more, with examples.

Exit codes: 0 success, 1 failure (a bad query too), 2 usage (a malformed name or CID too),
3 not found, 4 stored bytes do not match their CID or checksum. `diff --exit-code` ends with 1 where
versions differ, too, and `wal run` with 4 where an operation failed for good.";

/// A content-addressed lake of tables
///
/// Put a table in and get a CID; get it back by that CID or by name, whole, by column, by filter
/// or through SQL.
#[derive(Debug, Parser)]
#[command(name = "cidlake", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command has.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// The lake's folder; without it $CIDLAKE_HOME, then the user's settings, then the data folder
    #[arg(long, global = true, value_name = "DIR", help_heading = HEADING)]
    pub(crate) lake: Option<PathBuf>,
    /// The form of the answer; without it a table on a terminal and JSON elsewhere
    #[arg(long, global = true, value_name = "FORMAT", help_heading = HEADING)]
    pub(crate) format: Option<OutFormat>,
    /// Show no progress and say nothing but the answer and errors
    #[arg(long, short, global = true, help_heading = HEADING)]
    pub(crate) quiet: bool,
    /// The form of errors on standard error
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = HEADING
    )]
    pub(crate) error_format: ErrorFormat,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Store(store::StoreArgs),
    Get(get::GetArgs),
    Sql(sql::SqlArgs),
    Delete(delete::DeleteArgs),
    Datasets(datasets::DatasetsArgs),
    Find(find::FindArgs),
    Show(show::ShowArgs),
    Log(log::LogArgs),
    Diff(diff::DiffArgs),
    Tag(tag::TagArgs),
    Restore(restore::RestoreArgs),
    Dag(dag::DagArgs),
    Rename(rename::RenameArgs),
    Drop(drop::DropArgs),
    Add(add::AddArgs),
    Cat(cat::CatArgs),
    Ls(ls::LsArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Pin(pin::PinArgs),
    Unpin(unpin::UnpinArgs),
    Pins(pins::PinsArgs),
    Expire(expire::ExpireArgs),
    Alter(alter::AlterArgs),
    Compact(compact::CompactArgs),
    Gc(gc::GcArgs),
    Fsck(fsck::FsckArgs),
    Doctor(doctor::DoctorArgs),
    Maintain(maintain::MaintainArgs),
    Wal(wal::WalArgs),
    Mcp(mcp::McpArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
}

/// Reads the command line; ends the program for `--help`, `--version` and what it cannot read.
pub(crate) fn parse() -> Args {
    let matches = command().get_matches();
    Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Returns the whole tree, its help grouped.
pub(crate) fn command() -> clap::Command {
    let command = Args::command();
    let template = help_template(&command);
    command.help_template(template)
}

/// Writes the commands in their groups: clap itself lists them all under one heading.
fn help_template(command: &clap::Command) -> String {
    let styles = command.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (title, names) in GROUPS {
        text.push_str(&format!("\n{header}{title}:{header:#}\n"));
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {literal}{name:<12}{literal:#} {about}\n"));
        }
    }
    text.push_str(&format!("\n{header}Options:{header:#}\n{{options}}{{after-help}}"));
    text
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, command};

    #[test]
    fn the_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_in_one_group_and_says_what_it_does() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        grouped.sort_unstable();
        let tree = command();
        let mut known: Vec<&str> = tree.get_subcommands().map(clap::Command::get_name).collect();
        known.sort_unstable();
        assert_eq!(grouped, known);
        for subcommand in tree.get_subcommands() {
            let name = subcommand.get_name();
            assert!(subcommand.get_about().is_some(), "{name} says nothing");
            let after = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("cidlake {name}")), "{name} has no example");
        }
    }
}

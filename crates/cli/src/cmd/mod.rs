//! The commands, a file each: its options, and a `run` that calls one method of the lake and
//! prints the answer.
//!
//! Reading commands need a lake that exists; storing ones make it. No command decides anything
//! about data: what cannot be told from the command line is told by [`cidlake::Lake`].

pub(crate) mod add;
pub(crate) mod alter;
pub(crate) mod cat;
pub(crate) mod compact;
pub(crate) mod completions;
pub(crate) mod dag;
pub(crate) mod datasets;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod drop;
pub(crate) mod expire;
pub(crate) mod export;
pub(crate) mod find;
pub(crate) mod fsck;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod maintain;
pub(crate) mod mcp;
pub(crate) mod pin;
pub(crate) mod pins;
pub(crate) mod rename;
pub(crate) mod restore;
pub(crate) mod show;
pub(crate) mod sql;
pub(crate) mod store;
pub(crate) mod tag;
pub(crate) mod unpin;
pub(crate) mod wal;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use cidlake::{Error, Lake, Open, Overrides, Settings};

use crate::args::{Args, Command, Global};
use crate::output::{self, Output};
use crate::progress::{Meter, Spinner};

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever stopped it; the exit code follows from the error's kind.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Error> {
    let Args { global, command } = args;
    let context = Context { global };
    match command {
        Command::Store(args) => store::run(&context, args).await?,
        Command::Get(args) => get::run(&context, args).await?,
        Command::Sql(args) => sql::run(&context, args).await?,
        Command::Delete(args) => delete::run(&context, args).await?,
        Command::Datasets(args) => datasets::run(&context, &args).await?,
        Command::Find(args) => find::run(&context, &args).await?,
        Command::Show(args) => show::run(&context, &args).await?,
        Command::Log(args) => log::run(&context, &args).await?,
        Command::Diff(args) => return diff::run(&context, args).await,
        Command::Tag(args) => tag::run(&context, args).await?,
        Command::Restore(args) => restore::run(&context, args).await?,
        Command::Dag(args) => dag::run(&context, &args).await?,
        Command::Rename(args) => rename::run(&context, &args).await?,
        Command::Drop(args) => drop::run(&context, &args).await?,
        Command::Add(args) => add::run(&context, args).await?,
        Command::Cat(args) => cat::run(&context, args).await?,
        Command::Ls(args) => ls::run(&context, &args).await?,
        Command::Export(args) => export::run(&context, args).await?,
        Command::Import(args) => import::run(&context, args).await?,
        Command::Pin(args) => pin::run(&context, args).await?,
        Command::Unpin(args) => unpin::run(&context, &args).await?,
        Command::Pins(args) => pins::run(&context, &args).await?,
        Command::Expire(args) => expire::run(&context, &args).await?,
        Command::Alter(args) => alter::run(&context, args).await?,
        Command::Compact(args) => compact::run(&context, &args).await?,
        Command::Gc(args) => return gc::run(&context, &args).await,
        Command::Fsck(args) => return fsck::run(&context, &args).await,
        Command::Doctor(args) => return doctor::run(&context, &args).await,
        Command::Maintain(args) => return maintain::run(&context, &args).await,
        Command::Wal(args) => return wal::run(&context, args).await,
        Command::Mcp(args) => mcp::run(&context, args).await?,
        Command::Demo(args) => return demo::run(&context, &args).await,
        Command::Completions(args) => completions::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What every command gets beside its own options.
pub(crate) struct Context {
    pub(crate) global: Global,
}

impl Context {
    /// Opens the lake that the options, the environment and the user's settings name.
    pub(crate) async fn open(&self, open: Open) -> Result<Lake, Error> {
        self.open_with(Overrides::default(), open).await
    }

    /// Opens the lake with more settings than the global options give.
    pub(crate) async fn open_with(&self, more: Overrides, open: Open) -> Result<Lake, Error> {
        let lake = more.lake.or_else(|| self.global.lake.clone());
        let settings = Settings::load(Overrides { lake, ..more })?;
        Lake::open(settings, open).await
    }

    /// Returns the settings of a lake that may not open.
    pub(crate) fn settings(&self) -> Result<Settings, Error> {
        let lake = self.global.lake.clone();
        Settings::load(Overrides { lake, ..Overrides::default() })
    }

    /// Decides on the form of the answer; done before any work.
    pub(crate) fn output(&self) -> Result<Output, Error> {
        Output::choose(self.global.format)
    }

    /// Returns a progress bar, where one may be drawn.
    pub(crate) fn meter(&self, what: &str) -> Meter {
        Meter::new(self.may_draw(), what)
    }

    /// Returns a sign of life, drawn where one may be.
    pub(crate) fn spinner(&self) -> Arc<Spinner> {
        Spinner::new(self.may_draw())
    }

    fn may_draw(&self) -> bool {
        !self.global.quiet && io::stderr().is_terminal() && !output::environment_is_set("CI")
    }

    /// Says something to people, unless they want it quiet.
    pub(crate) fn say(&self, text: &str) {
        if !self.global.quiet {
            output::say(text);
        }
    }

    /// Suggests the next command, where people read the answer.
    pub(crate) fn suggest(&self, output: &Output, command: &str) {
        if !output.for_people() {
            return;
        }
        match &self.global.lake {
            Some(lake) => {
                self.say(&format!("\nnext: cidlake --lake {} {command}", quoted(lake)));
            }
            None => self.say(&format!("\nnext: cidlake {command}")),
        }
    }
}

/// Writes a path as a shell takes it.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::quoted;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        for (path, expected) in
            [("/a/b-1.x", "/a/b-1.x"), ("my lake", "'my lake'"), ("it's", "'it'\\''s'"), ("", "''")]
        {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}

//! A session of the shell: what it remembers, and what it does with each input.
//!
//! Every error is said as elsewhere, and the session goes on; only a terminal that is gone ends it.
//! How lines become inputs is in `editor.rs`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cidlake::{Error, ErrorKind, Lake, Limits, SqlOptions, Stop};
use tokio::time::Instant;

use super::dot::{self, Dot};
use super::editor::{Editor, Input};
use super::located;
use super::running::{Stoppable, Watcher};
use super::split::split;
use crate::cmd::{Context, datasets, show, sql, store};
use crate::exit;
use crate::output::{OutFormat, Output, Shown, plural, preview, print, say, stream};
use crate::progress::Spinner;

const ADVICE: &str = ".rows all for more";

/// What a session has, and what commands change.
pub(super) struct Session<'a> {
    pub(super) context: &'a Context,
    pub(super) lake: Lake,
    pub(super) watcher: Watcher,
    /// Whether statements may write.
    pub(super) write: bool,
    /// The form of answers that was asked for.
    pub(super) format: Option<OutFormat>,
    /// How many rows a table shows, where that was asked for.
    pub(super) shown: Option<usize>,
    /// Whether it is said how long a statement ran.
    pub(super) timer: bool,
    /// How long a statement may run.
    pub(super) timeout_ms: u64,
    /// What a statement may take besides.
    pub(super) limits: Limits,
    /// The last statement that had an answer.
    pub(super) last: Option<String>,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    GoOn,
    /// What was stopped takes with it what stands behind it.
    Stopped,
    Leave,
}

/// How the answer of a statement is written.
struct Writing {
    output: Output,
    shown: Shown,
    spinner: Arc<Spinner>,
}

/// An answer as far as it is still to be said.
enum Answer {
    /// All of it, with its number of rows in the last line.
    Table(String),
    /// It was written as it came, and had so many rows.
    Written(u64),
}

impl Session<'_> {
    /// Does what is asked for until that is to leave.
    ///
    /// # Errors
    /// `Unavailable` where the terminal is gone.
    pub(super) async fn run(&mut self, mut editor: Editor) -> Result<(), Error> {
        loop {
            let done = match editor.read()? {
                Input::End => return Ok(()),
                Input::Statements(text) => self.statements(&text),
                Input::Command(line) => self.command(&line).await,
            };
            match done {
                Ok(Flow::Leave) => return Ok(()),
                Ok(Flow::GoOn) => {}
                Ok(Flow::Stopped) => say("stopped"),
                Err(error) => {
                    exit::report(&error, self.context.global.error_format);
                }
            }
        }
    }

    /// Runs statements in their order up to the first that fails.
    fn statements(&mut self, text: &str) -> Result<Flow, Error> {
        let statements = split(text).statements;
        for (number, statement) in (1..).zip(&statements) {
            match self.statement(statement.text) {
                Ok(Flow::GoOn) => {}
                Err(error) if statements.len() > 1 => {
                    return Err(located(error, number, statement));
                }
                other => return other,
            }
        }
        Ok(Flow::GoOn)
    }

    fn statement(&mut self, sql: &str) -> Result<Flow, Error> {
        let output = Output::choose(self.format)?;
        let shown = Shown::new(self.shown, ADVICE);
        let spinner = self.context.spinner();
        let (lake, text, options) = (self.lake.clone(), sql.to_owned(), self.options());
        let how = Stoppable { stop: options.stop.clone(), writes: self.write };
        let writing = Writing { output, shown, spinner: Arc::clone(&spinner) };
        let started = Instant::now();
        let work = async move { answer(&lake, &text, options, writing).await };
        let Some(answer) = self.watcher.run(work, how, &spinner)? else {
            return Ok(Flow::Stopped);
        };
        self.last = Some(sql.to_owned());
        let took = format!("in {:.3} s", started.elapsed().as_secs_f64());
        match (answer, self.timer) {
            (Answer::Table(text), true) => {
                print(format!("{} {took}\n", text.trim_end()).as_bytes())?;
            }
            (Answer::Table(text), false) => print(text.as_bytes())?,
            (Answer::Written(rows), true) => {
                self.context.say(&format!("{} {took}", plural(rows, "row")));
            }
            (Answer::Written(_), false) => {}
        }
        Ok(Flow::GoOn)
    }

    fn options(&self) -> SqlOptions {
        SqlOptions {
            timeout_ms: Some(self.timeout_ms),
            write: self.write,
            limits: self.limits,
            stop: Stop::default(),
            ..SqlOptions::default()
        }
    }

    async fn command(&mut self, line: &str) -> Result<Flow, Error> {
        match dot::parse(line)? {
            Dot::Help => print(dot::help().as_bytes())?,
            Dot::Quit => return Ok(Flow::Leave),
            Dot::Mode(format) => self.format = Some(format),
            Dot::Rows(rows) => self.shown = Some(rows),
            Dot::Timeout(limit) => self.timeout_ms = limit,
            Dot::Timer(on) => self.timer = on,
            Dot::Tables => {
                datasets::print(&Output::choose(self.format)?, &self.lake).await?;
            }
            Dot::Schema(name) => {
                show::print_columns(&Output::choose(self.format)?, &self.lake, &name).await?;
            }
            Dot::Read(path) => return self.read(&path),
            Dot::Save(name) => return self.save(name),
        }
        Ok(Flow::GoOn)
    }

    fn read(&mut self, path: &Path) -> Result<Flow, Error> {
        let text = sql::read_file(path)?;
        self.statements(&text)
    }

    fn save(&mut self, name: String) -> Result<Flow, Error> {
        let Some(last) = self.last.clone() else {
            return Err(Error::new(
                ErrorKind::Usage,
                "there is no statement to save the result of",
            )
            .with_hint("run a SELECT first; .save NAME runs it again and keeps its rows"));
        };
        let output = Output::choose(self.format)?;
        self.context.say("running the last statement again to keep its result");
        let (lake, options) = (self.lake.clone(), self.options());
        let how = Stoppable { stop: options.stop.clone(), writes: true };
        let work = async move { lake.sql_saved(&last, &name, options).await };
        let Some(stored) = self.watcher.run(work, how, &self.context.spinner())? else {
            return Ok(Flow::Stopped);
        };
        store::print_stored(&output, &stored)?;
        Ok(Flow::GoOn)
    }
}

/// Runs one statement. A table is laid out and handed back; everything else is written as it comes.
async fn answer(
    lake: &Lake,
    sql: &str,
    options: SqlOptions,
    writing: Writing,
) -> Result<Answer, Error> {
    let Writing { output, shown, spinner } = writing;
    let rows = lake.sql(sql, options).await?;
    if output.for_people() {
        let seen = |rows: u64| spinner.rows(rows);
        return Ok(Answer::Table(preview(rows, shown, output.width, &seen).await?));
    }
    let out = Box::new(spinner.before(io::stdout()));
    Ok(Answer::Written(stream(rows, output.form, out).await?))
}

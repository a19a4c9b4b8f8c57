//! The line editor: lines in, whole statements and dot commands out; and the history, which is kept
//! in a file of the user's.
//!
//! Nothing is run here. That a history cannot be read or written is no error: it is then shorter.

use std::path::{Path, PathBuf};

use cidlake::{Error, ErrorKind, Lake};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config};

use super::complete::Completion;
use super::dot;
use super::split::split;

const PROMPT: &str = "cidlake> ";
/// The prompt where a statement goes on.
const CONTINUATION: &str = "   ...> ";
/// Statements and commands that are remembered.
const HISTORY_MAX: usize = 1_000;
/// The file of the history in the folder of the user's state.
const HISTORY_FILE: &str = "sql_history";

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// One statement or several, each with its `;`.
    Statements(String),
    /// A dot command.
    Command(String),
    /// The wish to leave.
    End,
}

/// The editor with what it remembers.
pub(super) struct Editor {
    lines: rustyline::Editor<Completion, DefaultHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    /// Begins with the history in the folder `state`, where there is one.
    ///
    /// # Errors
    /// `Unavailable` where the terminal cannot be used.
    pub(super) fn new(lake: Lake, state: Option<&Path>) -> Result<Self, Error> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY_MAX)
            .map_err(terminal_error)?
            .build();
        let mut lines = rustyline::Editor::with_config(config).map_err(terminal_error)?;
        lines.set_helper(Some(Completion::new(lake)));
        let history = state.and_then(history_file);
        if let Some(path) = &history {
            // The first time there is none.
            drop(lines.load_history(path));
        }
        Ok(Self { lines, history })
    }

    /// Reads until there is something to do.
    ///
    /// # Errors
    /// `Unavailable` where the terminal is gone.
    pub(super) fn read(&mut self) -> Result<Input, Error> {
        let mut text = String::new();
        loop {
            let line = match self.line(&text) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => {
                    text.clear();
                    continue;
                }
                Err(ReadlineError::Eof) => return Ok(Input::End),
                Err(error) => return Err(terminal_error(error)),
            };
            if text.is_empty() && dot::is_command(&line) {
                self.remember(line.trim());
                return Ok(Input::Command(line));
            }
            text.push_str(&line);
            let read = split(&text);
            match (read.ended, read.statements.is_empty()) {
                (true, true) => text.clear(),
                (true, false) => {
                    self.remember(text.trim());
                    return Ok(Input::Statements(text));
                }
                (false, _) => text.push('\n'),
            }
        }
    }

    /// Edits one line; `earlier` are those of the statement before it.
    fn line(&mut self, earlier: &str) -> Result<String, ReadlineError> {
        let prompt = if earlier.is_empty() { PROMPT } else { CONTINUATION };
        if let Some(completion) = self.lines.helper_mut() {
            earlier.clone_into(&mut completion.earlier);
        }
        // Completion asks the lake, and waits for its answer, on this thread.
        tokio::task::block_in_place(|| self.lines.readline(prompt))
    }

    /// Appends to the history at once: a shell may end in many ways.
    fn remember(&mut self, text: &str) {
        let added = self.lines.add_history_entry(text).unwrap_or_default();
        if let Some(path) = self.history.as_ref().filter(|_| added) {
            drop(self.lines.append_history(path));
        }
    }
}

/// Returns the path of the history, whose folder is there then; the editor makes the file the user's
/// alone.
fn history_file(state: &Path) -> Option<PathBuf> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(state).ok()?;
    Some(state.join(HISTORY_FILE))
}

fn terminal_error(error: ReadlineError) -> Error {
    Error::new(ErrorKind::Unavailable, "the terminal cannot be read").with_source(error)
}

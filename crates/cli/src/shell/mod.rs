//! SQL by hand and by the file: the interactive shell of `cidlake sql`, and scripts of several
//! statements.
//!
//! `scan.rs` tells code from quotes and comments, `split.rs` finds where statements end, `dot.rs` reads
//! dot commands, `words.rs` and `keywords.rs` find what could be meant by a word: all pure.
//! `complete.rs` asks the lake for names, `editor.rs` edits lines, `running.rs` lets Ctrl-C through,
//! `session.rs` puts them together. What a statement means is known to [`cidlake::Lake`] alone.

mod complete;
mod dot;
mod editor;
mod keywords;
mod running;
mod scan;
mod session;
mod split;
mod words;

use cidlake::{Error, Limits, Open, Overrides};

pub(crate) use self::running::interrupted;
pub(crate) use self::split::{Statement, split};
pub(crate) use self::words::in_sql;

use self::editor::Editor;
use self::running::Watcher;
use self::session::Session;
use crate::cmd::Context;
use crate::cmd::sql::TIMEOUT_MS_MAX;

/// How a shell begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShellOptions {
    /// Whether statements may write.
    pub(crate) write: bool,
    /// How long a statement may run at first, where that was said.
    pub(crate) timeout_ms: Option<u64>,
    /// What a statement may take besides.
    pub(crate) limits: Limits,
}

/// Runs the shell on a terminal until somebody leaves it. The lake is opened once.
///
/// # Errors
/// When the lake cannot be opened or the terminal cannot be used.
pub(crate) async fn run(context: &Context, options: ShellOptions) -> Result<(), Error> {
    let settings = context.settings()?;
    // Whoever sits at the terminal may allow a statement more time than the settings do.
    let more = Overrides { query_timeout_ms: Some(TIMEOUT_MS_MAX), ..Overrides::default() };
    let lake = context.open_with(more, Open::Existing).await?;
    let editor = Editor::new(lake.clone(), settings.state.as_deref())?;
    let writing = if options.write { "writing is allowed" } else { "read only, see --write" };
    let lines = [
        format!("cidlake {}, {} ({writing})", env!("CARGO_PKG_VERSION"), settings.path.display()),
        "A statement ends with ; and .help lists commands.".to_owned(),
    ];
    context.say(&lines.join("\n"));
    let mut session = Session {
        context,
        lake: lake.clone(),
        watcher: Watcher::new()?,
        write: options.write,
        limits: options.limits,
        format: context.global.format,
        shown: None,
        timer: true,
        timeout_ms: options.timeout_ms.unwrap_or(settings.query_timeout_ms),
        last: None,
    };
    let ended = session.run(editor).await;
    lake.close().await?;
    ended
}

/// Says of an error in which of several statements it arose.
pub(crate) fn located(error: Error, number: usize, statement: &Statement<'_>) -> Error {
    let hint = error.hint().map(str::to_owned);
    let message = format!("statement {number}, which begins in line {}, failed", statement.line);
    let error = Error::new(error.kind(), message).with_source(error);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

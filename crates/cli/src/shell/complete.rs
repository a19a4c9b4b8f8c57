//! What Tab does: the names that a lake has, for the word at the cursor.
//!
//! Which of them fit is decided in `words.rs`. A lake that does not answer completes nothing: Tab is
//! no place for errors.

use cidlake::{Lake, SqlOptions};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use tokio::runtime::Handle;

use super::words::{Expected, Known, candidates, in_sql, named, word};

/// Datasets whose columns are offered at once.
const TABLES_MAX: usize = 8;
/// How long columns may be looked for: whoever pressed Tab waits.
const PATIENCE_MS: u64 = 2_000;

/// Completes words of statements and commands.
pub(super) struct Completion {
    lake: Lake,
    files: FilenameCompleter,
    /// The lines of the statement before the one that is edited, each with its end.
    pub(super) earlier: String,
}

impl Completion {
    pub(super) fn new(lake: Lake) -> Self {
        Self { lake, files: FilenameCompleter::new(), earlier: String::new() }
    }

    /// Asks the lake for what could be meant in `statement`.
    async fn known(&self, statement: &str) -> Known {
        let datasets = self.lake.datasets().await.unwrap_or_default();
        let datasets: Vec<String> = datasets.into_iter().map(|info| info.name).collect();
        let mut columns = Vec::new();
        for name in named(statement, &datasets).iter().take(TABLES_MAX) {
            columns.extend(self.columns(name).await);
        }
        Known { datasets, columns }
    }

    async fn columns(&self, name: &str) -> Vec<String> {
        let query = format!("SELECT * FROM {} LIMIT 0", in_sql(name));
        let options = SqlOptions { timeout_ms: Some(PATIENCE_MS), ..SqlOptions::default() };
        match self.lake.sql(&query, options).await {
            Ok(rows) => rows.schema().fields().iter().map(|field| field.name().clone()).collect(),
            Err(_) => Vec::new(),
        }
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let word = word(&self.earlier, line.get(..position).unwrap_or(line));
        let known = match word.expected {
            Expected::Path => return self.files.complete(line, position, context),
            Expected::DatasetName | Expected::Table | Expected::Anything => {
                // The editor waits on a thread that may wait: see `Editor::read`.
                Handle::current().block_on(self.known(&format!("{}{line}", self.earlier)))
            }
            _ => Known::default(),
        };
        let pair = |text: String| Pair { display: text.clone(), replacement: text };
        Ok((word.start, candidates(&word, &known).into_iter().map(pair).collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}

// Where a statement ends is asked behind the editor, which shows one prompt for all lines of its own.
impl Validator for Completion {}

impl Helper for Completion {}

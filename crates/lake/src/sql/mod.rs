//! SQL over the lake: one statement a call, with what its names, table functions and parameters mean.
//!
//! Names are resolved to commits once per statement, so that a query sees one state of the lake.
//! What a statement writes is written in `write.rs`, what is kept of one that reads in `save.rs`.

mod functions;
mod save;
mod snapshot;
mod write;

pub use snapshot::Snapshot;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cidlake_block::Cid;
use cidlake_query::{Answer, Limits, Params, QueryError, Resolve, Resolved, RunOptions, Table};
use cidlake_store::Hold;

use crate::datasets;
use crate::error::{Error, ErrorKind};
use crate::history::{Target, parse_name};
use crate::lake::Lake;
use crate::rows::{Deadline, Rows, Stop};
use crate::system;

/// How a statement runs.
#[derive(Clone, Debug, Default)]
pub struct SqlOptions {
    /// Longest run in milliseconds; never more than the settings allow.
    pub timeout_ms: Option<u64>,
    /// What the parameters of the statement mean: `$1`, `$name` and `?`.
    pub params: Params,
    /// Whether it may write: CREATE TABLE … AS, INSERT and DELETE, each as one commit.
    pub write: bool,
    /// What it may take; never more than the settings allow.
    pub limits: Limits,
    /// Ends it before its time.
    pub stop: Stop,
    /// What names mean; shared with another statement, what they meant to that one. A statement that
    /// may write takes the newest versions, and only notes which they were.
    pub snapshot: Snapshot,
}

impl Lake {
    /// Runs one SQL statement over the lake: datasets by name, versions and CIDs in double quotes,
    /// the table `datasets` that lists them, the tables of the schema `system`, and the table functions
    /// `at`, `history`, `parts` and `diff`. One that writes returns one row: name, operation, commit, cid, rows, rows affected.
    ///
    /// # Errors
    /// `Invalid` for anything that is not one valid statement or writes where that is not allowed,
    /// `NotFound` for an unknown table, `Conflict` where a dataset that is written was changed since
    /// it was read, `Unavailable` when time or memory is over.
    pub async fn sql(&self, sql: &str, options: SqlOptions) -> Result<Rows, Error> {
        let Begun { answer, resolver, deadline, hold } = self.begun(sql, options, false).await?;
        match answer {
            Answer::Rows(rows) => Ok(Rows::new(rows, Some(deadline), hold)),
            Answer::Write(write) => {
                let read = resolver.head(&write.name);
                self.written(write, read, deadline, hold).await
            }
        }
    }

    /// Plans a statement; with `keep` its rows come as those of CREATE TABLE do.
    async fn begun(&self, sql: &str, options: SqlOptions, keep: bool) -> Result<Begun, Error> {
        let SqlOptions { timeout_ms, params, write, limits, stop, snapshot } = options;
        let allowed = self.inner.settings.query_timeout_ms;
        let limit = timeout_ms.map_or(allowed, |asked| asked.min(allowed));
        let deadline = Deadline::after(limit, stop);
        let limits = self.inner.settings.limits.least(limits);
        let hold = self.hold().await?;
        let resolver = Resolver { lake: self.clone(), write, snapshot, heads: Mutex::default() };
        let (go_on, run) = (deadline.go_on(), RunOptions { params, write, keep, limits });
        let planned = async { Ok(self.inner.engine.run(sql, &run, &resolver, &go_on).await?) };
        let answer = deadline.limit(planned).await?;
        Ok(Begun { answer, resolver, deadline, hold })
    }
}

/// A statement that was planned.
struct Begun {
    answer: Answer,
    resolver: Resolver,
    deadline: Deadline,
    hold: Hold,
}

/// The lake's names as the query engine asks for them.
struct Resolver {
    lake: Lake,
    write: bool,
    snapshot: Snapshot,
    /// Of a statement that may write, the newest versions of datasets as it begins to read them.
    heads: Mutex<BTreeMap<String, Cid>>,
}

impl Resolver {
    /// Notes which version of what is named is the newest.
    async fn note(&self, reference: &str) -> Result<(), QueryError> {
        let name = reference.split(['~', '@']).next().unwrap_or_default();
        let Ok(name) = parse_name(name) else { return Ok(()) };
        if !self.write {
            return Ok(());
        }
        let key = name.to_string();
        let head = self.lake.blocking(move |inner| inner.newest_if_any(&name)).await;
        if let Some(head) = head.map_err(query_error)? {
            let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
            // What was noted first is no newer than what is read.
            heads.entry(key).or_insert(head.cid);
        }
        Ok(())
    }

    /// Returns what something meant before; nothing to a statement that may write, for that is
    /// written over what is the newest now.
    fn known(&self, asked: &str) -> Option<Resolved> {
        self.snapshot.meaning(asked).filter(|_| !self.write)
    }

    async fn look_up(&self, reference: &str) -> Result<Option<Resolved>, QueryError> {
        if reference == "datasets" || reference == "main.datasets" {
            let infos = self.lake.datasets().await.map_err(query_error)?;
            return Ok(Some(Resolved::Rows(datasets::as_batch(&infos)?)));
        }
        if let Some(table) = system::table(&self.lake, reference).await.map_err(query_error)? {
            return Ok(Some(table));
        }
        self.note(reference).await?;
        let target = match self.lake.target(reference).await {
            Ok(target) => target,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::NotFound | ErrorKind::Usage => Ok(None),
                    _ => Err(query_error(error)),
                };
            }
        };
        Ok(Some(meant(target)?))
    }

    fn head(&self, name: &str) -> Option<Cid> {
        let key = parse_name(name).ok()?.to_string();
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }
}

#[async_trait]
impl Resolve for Resolver {
    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, QueryError> {
        if let Some(meaning) = self.known(reference) {
            return Ok(Some(meaning));
        }
        let meaning = self.look_up(reference).await?;
        if let Some(meaning) = &meaning {
            self.snapshot.note(reference.to_owned(), meaning);
        }
        Ok(meaning)
    }

    fn functions(&self) -> &[&'static str] {
        &functions::NAMES
    }

    async fn call(&self, name: &str, args: &[String]) -> Result<Option<Resolved>, QueryError> {
        let text = snapshot::call_text(name, args);
        if let Some(meaning) = self.known(&text) {
            return Ok(Some(meaning));
        }
        if let Some(first) = args.first() {
            self.note(first).await?;
        }
        let meaning = functions::call(&self.lake, name, args).await.map_err(query_error)?;
        if let Some(meaning) = &meaning {
            self.snapshot.note(text, meaning);
        }
        Ok(meaning)
    }

    async fn names(&self) -> Vec<String> {
        let names = self.lake.blocking(|inner| Ok(inner.refresh()?.names())).await;
        let mut names = names.unwrap_or_default();
        names.push("datasets".to_owned());
        names.extend(system::names());
        names
    }
}

/// Returns what a reference means to the query engine.
fn meant(target: Target) -> Result<Resolved, QueryError> {
    Ok(match target {
        Target::Content(root) => Resolved::File { root },
        Target::Commit(found) => Resolved::Table(Arc::new(Table::new(found.commit)?)),
    })
}

/// Carries an error of the facade through the engine, which hands it back unchanged.
fn query_error(error: Error) -> QueryError {
    QueryError::external(error)
}

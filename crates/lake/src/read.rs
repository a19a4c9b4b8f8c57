//! Reading tables: by name, version or CID, whole, by column, by filter, or through SQL.
//!
//! Names are resolved to commits once per statement, so that a query sees one state of the lake.

use std::sync::Arc;

use async_trait::async_trait;
use cidlake_query::{QueryError, Resolve, Resolved, Scan, Table};

use crate::datasets;
use crate::error::{Error, ErrorKind};
use crate::history::Target;
use crate::lake::Lake;
use crate::rows::{Deadline, Rows};

/// What of a table to return.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    /// These columns, in this order; all of them when absent.
    pub columns: Option<Vec<String>>,
    /// Only rows for which this SQL expression is true.
    pub filter: Option<String>,
    /// No more rows than this.
    pub limit: Option<usize>,
}

/// How a statement runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqlOptions {
    /// Longest run in milliseconds; never more than the settings allow.
    pub timeout_ms: Option<u64>,
}

impl Lake {
    /// Returns rows of one table, in the order in which they were stored, with exactly the types
    /// that they were stored with.
    ///
    /// # Errors
    /// `NotFound` for an unknown name or CID, `Invalid` for an unknown column or a bad filter.
    pub async fn get(&self, reference: &str, options: GetOptions) -> Result<Rows, Error> {
        let hold = self.hold().await?;
        match self.target(reference).await? {
            Target::Commit(found) => {
                let table = Arc::new(Table::new(found.commit)?);
                let scan =
                    Scan { columns: options.columns, filter: options.filter, limit: options.limit };
                Ok(Rows::new(self.inner.engine.scan(table, scan).await?, None, hold))
            }
            Target::Content(cid) => {
                let rows = self.inner.engine.scan_file(
                    cid,
                    Scan { columns: options.columns, filter: options.filter, limit: options.limit },
                );
                Ok(Rows::new(rows.await?, None, hold))
            }
        }
    }

    /// Runs one SQL query over the lake: datasets by name, versions and CIDs in double quotes,
    /// and the table `datasets` that lists them.
    ///
    /// # Errors
    /// `Invalid` for anything that is not one valid query, `NotFound` for an unknown table,
    /// `Unavailable` when time or memory is over.
    pub async fn sql(&self, sql: &str, options: SqlOptions) -> Result<Rows, Error> {
        let allowed = self.inner.settings.query_timeout_ms;
        let limit = options.timeout_ms.map_or(allowed, |asked| asked.min(allowed));
        let deadline = Deadline::after(limit);
        let hold = self.hold().await?;
        let resolver = Resolver { lake: self.clone() };
        let go_on = deadline.go_on();
        let planned = async { Ok(self.inner.engine.sql(sql, &resolver, &go_on).await?) };
        let rows = deadline.limit(planned).await?;
        Ok(Rows::new(rows, Some(deadline), hold))
    }
}

/// The lake's names as the query engine asks for them.
struct Resolver {
    lake: Lake,
}

#[async_trait]
impl Resolve for Resolver {
    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, QueryError> {
        if reference == "datasets" || reference == "main.datasets" {
            let infos = self.lake.datasets().await.map_err(query_error)?;
            return Ok(Some(Resolved::Rows(datasets::as_batch(&infos)?)));
        }
        let target = match self.lake.target(reference).await {
            Ok(target) => target,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::NotFound | ErrorKind::Usage => Ok(None),
                    _ => Err(query_error(error)),
                };
            }
        };
        match target {
            Target::Content(root) => Ok(Some(Resolved::File { root })),
            Target::Commit(found) => Ok(Some(Resolved::Table(Arc::new(Table::new(found.commit)?)))),
        }
    }

    async fn names(&self) -> Vec<String> {
        let names = self.lake.blocking(|inner| Ok(inner.refresh()?.names())).await;
        let mut names = names.unwrap_or_default();
        names.push("datasets".to_owned());
        names
    }
}

/// Carries an error of the facade through the engine, which hands it back unchanged.
fn query_error(error: Error) -> QueryError {
    QueryError::external(error)
}

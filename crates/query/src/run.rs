//! Running a statement: it is parsed, what it names is resolved by the caller, it is planned over a
//! catalog that holds just these tables, its parameters are bound, and the plan is checked before
//! anything runs.
//!
//! What a name or a table function means is not known here, and nothing is written: of a statement
//! that writes, the caller gets the rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::memory::{MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;

use crate::engine::{CATALOG, Engine, Rows, SCHEMA, check, in_order};
use crate::error::QueryError;
use crate::execute::Execution;
use crate::functions::{self, Call};
use crate::guard::{Limits, limited};
use crate::params::{self, Bound, Params};
use crate::part_files::Reading;
use crate::resolve::{Resolve, Resolved, near};
use crate::row_source;
use crate::rows;
use crate::statement::{self, Parsed};
use crate::table::{PartsProvider, Types};
use crate::watch::GoOn;
use crate::write::{self, Asked, AskedChange, AskedWrite, Change, Predicate, Write};

const INFORMATION_SCHEMA: &str = "information_schema";

/// A table under the name by which a plan looks it up.
type Named = (TableReference, Arc<dyn TableProvider>);

/// How a statement runs.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// What its parameters mean.
    pub params: Params,
    /// Whether it may write.
    pub write: bool,
    /// Whether the rows of one that reads are to be kept: they come as those of CREATE TABLE do.
    pub keep: bool,
    /// What it may take.
    pub limits: Limits,
}

/// What a statement amounts to.
pub enum Answer {
    /// Rows.
    Rows(Rows),
    /// Something for the caller to write.
    Write(Write),
}

/// What is planned of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planned {
    /// All of it, to be read.
    Read,
    /// All of it, to be kept.
    Create,
    /// The rows that it inserts.
    Insert,
}

impl Engine {
    /// Runs one statement for as long as `go_on` lets it. One that writes is planned, and what it
    /// writes is returned.
    ///
    /// # Errors
    /// [`QueryError::UnknownTable`] and [`QueryError::UnknownFunction`] for a name that means
    /// nothing, [`QueryError::Forbidden`] for a statement of a kind that there is not,
    /// [`QueryError::ReadOnly`] for one that writes where that is not allowed,
    /// [`QueryError::Param`] for a value that is missing, too much or of another type than it must
    /// be, [`QueryError::Sql`] for a statement that is wrong.
    pub async fn run(
        &self,
        sql: &str,
        options: &RunOptions,
        resolver: &dyn Resolve,
        go_on: &GoOn,
    ) -> Result<Answer, QueryError> {
        let depth_max = self.state().config_options().sql_parser.recursion_limit;
        let Parsed { statement, bound } = statement::parse(sql, depth_max.into(), &options.params)?;
        let limits = options.limits;
        let asked = match write::asked(statement)? {
            Asked::Read(statement) => {
                let planned = if options.keep { Planned::Create } else { Planned::Read };
                let rows = self.rows((statement, planned), (&bound, limits), resolver, go_on);
                return Ok(Answer::Rows(rows.await?));
            }
            Asked::Write(asked) if options.write => *asked,
            Asked::Write(asked) => return Err(QueryError::ReadOnly { what: asked.verb() }),
        };
        let AskedWrite { name, reads_target, change } = asked;
        let change = match change {
            // Its rows are not made to be thrown away.
            AskedChange::Create { or_replace: false, if_not_exists, .. }
                if resolver.resolve(&name).await?.is_some() =>
            {
                Change::Exists { if_not_exists }
            }
            AskedChange::Create { or_replace, if_not_exists, query } => {
                let rows = self.rows((query, Planned::Create), (&bound, limits), resolver, go_on);
                Change::Create { or_replace, if_not_exists, rows: rows.await? }
            }
            AskedChange::Insert { statement } => {
                let rows =
                    self.rows((statement, Planned::Insert), (&bound, limits), resolver, go_on);
                Change::Insert { rows: rows.await? }
            }
            AskedChange::Delete { expr, table } => {
                Change::Delete { predicate: Predicate::new(expr, table, bound) }
            }
        };
        Ok(Answer::Write(Write { name, reads_target, change }))
    }

    /// Runs one statement that reads, as [`Self::run`] does.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn sql(
        &self,
        sql: &str,
        params: &Params,
        resolver: &dyn Resolve,
        go_on: &GoOn,
    ) -> Result<Rows, QueryError> {
        let options = RunOptions { params: params.clone(), ..RunOptions::default() };
        match self.run(sql, &options, resolver, go_on).await? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Write(_) => Err(QueryError::internal("a statement that reads writes")),
        }
    }

    /// Plans a statement and begins to run it; of an INSERT, what makes its rows.
    async fn rows(
        &self,
        (mut statement, planned): (Statement, Planned),
        (bound, limits): (&Bound, Limits),
        resolver: &dyn Resolve,
        go_on: &GoOn,
    ) -> Result<Rows, QueryError> {
        let reading = Arc::new(Reading::up_to(limits.read_bytes_max));
        let calls = functions::taken(&mut statement, resolver.functions())?;
        let mut tables = self.called(&calls, resolver, &reading).await?;
        tables.extend(self.resolved(&statement, &calls, resolver, &reading).await?);
        let state = with_tables(&self.session(), tables)?;
        let state = if planned == Planned::Read { state } else { in_order(state) };
        let plan = match (state.statement_to_plan(statement).await?, planned) {
            (LogicalPlan::Dml(insert), Planned::Insert) => Arc::unwrap_or_clone(insert.input),
            (plan, _) => plan,
        };
        let plan = params::bind(plan, bound)?;
        check(&plan)?;
        let execution = Execution { plan, engine: self, go_on, reading: &reading };
        let stream = execution.start(state).await;
        let stream = stream.map_err(|error| rows::cause(error, &reading))?;
        let rows = rows::plain(stream, reading);
        // What is kept is no answer.
        Ok(if planned == Planned::Read { limited(rows, limits) } else { rows })
    }

    /// Asks the caller what every table function of the statement returns.
    async fn called(
        &self,
        calls: &[Call],
        resolver: &dyn Resolve,
        reading: &Arc<Reading>,
    ) -> Result<Vec<Named>, QueryError> {
        let mut tables = Vec::with_capacity(calls.len());
        for call in calls {
            let Some(found) = resolver.call(&call.name, &call.args).await? else {
                return Err(functions::unknown(&call.name, resolver.functions()));
            };
            tables.push((call.reference.clone(), self.provider(found, reading).await?));
        }
        Ok(tables)
    }

    /// Asks the caller what every name of the statement means, but for those that stand for `calls`.
    async fn resolved(
        &self,
        statement: &Statement,
        calls: &[Call],
        resolver: &dyn Resolve,
        reading: &Arc<Reading>,
    ) -> Result<Vec<Named>, QueryError> {
        let mut wanted = self.state().resolve_table_references(statement)?;
        wanted.retain(|reference| !calls.iter().any(|call| call.reference == *reference));
        let asks_for_all =
            |reference: &TableReference| reference.schema() == Some(INFORMATION_SCHEMA);
        if wanted.iter().any(asks_for_all) {
            wanted.retain(|reference| !asks_for_all(reference));
            wanted.extend(
                resolver.names().await.iter().map(|name| TableReference::from(name.as_str())),
            );
            wanted.sort();
            wanted.dedup();
        }
        let mut tables = Vec::with_capacity(wanted.len());
        for reference in wanted {
            let name = spell(&reference)?;
            let Some(found) = resolver.resolve(&name).await? else {
                let near = near(&name, &resolver.names().await);
                return Err(QueryError::UnknownTable { name, near });
            };
            tables.push((reference, self.provider(found, reading).await?));
        }
        Ok(tables)
    }

    async fn provider(
        &self,
        found: Resolved,
        reading: &Arc<Reading>,
    ) -> Result<Arc<dyn TableProvider>, QueryError> {
        let (files, reading) = (Arc::clone(self.files()), Arc::clone(reading));
        Ok(match found {
            Resolved::Table(table) => {
                Arc::new(PartsProvider::of_table(&table, Types::Sql, files, reading)?)
            }
            Resolved::File { root } => {
                Arc::new(PartsProvider::of_file(root, files, reading).await?)
            }
            Resolved::Rows(batch) => {
                Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)
            }
            Resolved::Batches { schema, batches } => {
                Arc::new(MemTable::try_new(schema, vec![batches])?)
            }
            Resolved::Source(source) => row_source::provider(source)?,
        })
    }
}

/// Returns a session whose catalog holds just `tables`.
fn with_tables(state: &SessionState, tables: Vec<Named>) -> Result<SessionState, QueryError> {
    let mut schemas: BTreeMap<String, Arc<MemorySchemaProvider>> = BTreeMap::new();
    schemas.entry(SCHEMA.to_owned()).or_default();
    for (reference, table) in tables {
        let schema = reference.schema().unwrap_or(SCHEMA).to_owned();
        let schema = schemas.entry(schema).or_default();
        schema.register_table(reference.table().to_owned(), table)?;
    }
    let catalog = MemoryCatalogProvider::new();
    for (name, schema) in schemas {
        catalog.register_schema(&name, schema)?;
    }
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(SessionStateBuilder::new_from_existing(state.clone())
        .with_catalog_list(Arc::new(catalogs))
        .build())
}

/// Returns a reference as the caller's names are written.
pub(crate) fn spell(reference: &TableReference) -> Result<String, QueryError> {
    match (reference.catalog(), reference.schema()) {
        (Some(catalog), _) if catalog != CATALOG => {
            Err(QueryError::UnknownTable { name: reference.to_string(), near: Vec::new() })
        }
        (_, Some(schema)) if schema != SCHEMA => Ok(format!("{schema}.{}", reference.table())),
        _ => Ok(reference.table().to_owned()),
    }
}

#[cfg(test)]
mod tests;

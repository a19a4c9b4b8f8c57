//! Statements that write: which there are, and what each asks for. All others that do more than
//! read are refused by name.
//!
//! Nothing is written here: the caller gets the rows, or the condition, and does it.

use std::ops::ControlFlow;

use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::sqlparser::ast::{
    self, CreateTable, Delete, FromTable, FunctionArg, Insert, ObjectName, Query, TableFactor,
    TableObject, Visit as _, Visitor,
};

use crate::engine::Rows;
use crate::error::QueryError;
use crate::functions;
use crate::params::{self, Bound};
use crate::run::spell;
use crate::statement;

/// What a statement asks to be written.
pub struct Write {
    /// The dataset, as the statement names it.
    pub name: String,
    /// Whether the rows to be written are made of those of the dataset itself.
    pub reads_target: bool,
    /// What is to be done.
    pub change: Change,
}

/// What is to be done to a dataset.
pub enum Change {
    /// It is to have these rows, and no others.
    Create {
        /// Whether they take the place of a dataset that is there.
        or_replace: bool,
        /// Whether nothing is to be done where a dataset came to be there meanwhile.
        if_not_exists: bool,
        /// The rows.
        rows: Rows,
    },
    /// It is there, and was to be made where there is none.
    Exists {
        /// Whether that is no failure.
        if_not_exists: bool,
    },
    /// It is to have these rows, in the order of its columns, behind those that it has.
    Insert {
        /// The rows.
        rows: Rows,
    },
    /// It is to lose the rows for which this is true.
    Delete {
        /// The condition.
        predicate: Predicate,
    },
}

/// A condition over the columns of one table, as it was parsed, with the values of its parameters.
#[derive(Clone, Debug)]
pub struct Predicate {
    expr: Box<ast::Expr>,
    /// What the table is called in it.
    table: String,
    bound: Bound,
}

/// What a statement is.
pub(crate) enum Asked {
    /// It reads.
    Read(Statement),
    /// It writes.
    Write(Box<AskedWrite>),
}

/// A statement that writes.
pub(crate) struct AskedWrite {
    pub(crate) name: String,
    pub(crate) reads_target: bool,
    pub(crate) change: AskedChange,
}

/// What a statement that writes asks for, before it is planned.
pub(crate) enum AskedChange {
    Create { or_replace: bool, if_not_exists: bool, query: Statement },
    Insert { statement: Statement },
    Delete { expr: Box<ast::Expr>, table: String },
}

impl AskedWrite {
    /// Returns what it does in the words of SQL.
    pub(crate) fn verb(&self) -> &'static str {
        match self.change {
            AskedChange::Create { .. } => "CREATE TABLE",
            AskedChange::Insert { .. } => "INSERT",
            AskedChange::Delete { .. } => "DELETE",
        }
    }
}

/// Says what a statement is.
///
/// # Errors
/// `Forbidden` for one that neither reads nor writes in a way that there is.
pub(crate) fn asked(statement: Statement) -> Result<Asked, QueryError> {
    let Statement::Statement(inner) = statement else {
        return statement::reading(statement).map(Asked::Read);
    };
    let write = match *inner {
        ast::Statement::CreateTable(table) => create(table),
        ast::Statement::Insert(given) => insert(given),
        ast::Statement::Delete(given) => delete(given),
        other => {
            let statement = Statement::Statement(Box::new(other));
            return statement::reading(statement).map(Asked::Read);
        }
    };
    Ok(Asked::Write(Box::new(write?)))
}

fn create(table: CreateTable) -> Result<AskedWrite, QueryError> {
    let Some(query) = table.query.clone() else {
        return Err(forbidden("CREATE TABLE without AS SELECT"));
    };
    // What the parser makes of nothing but a query is what is supported.
    let ast::Statement::CreateTable(mut plain) = plain("CREATE TABLE t AS SELECT 1")? else {
        return Err(QueryError::internal("CREATE TABLE is parsed as something else"));
    };
    plain.name = table.name.clone();
    plain.query = Some(query.clone());
    (plain.or_replace, plain.if_not_exists) = (table.or_replace, table.if_not_exists);
    if plain != table {
        return Err(forbidden("CREATE TABLE with more than a name and AS SELECT"));
    }
    if table.or_replace && table.if_not_exists {
        return Err(forbidden("OR REPLACE together with IF NOT EXISTS"));
    }
    let name = name_of(&table.name)?;
    Ok(AskedWrite {
        reads_target: reads(&query, &name),
        name,
        change: AskedChange::Create {
            or_replace: table.or_replace,
            if_not_exists: table.if_not_exists,
            query: Statement::Statement(Box::new(ast::Statement::Query(query))),
        },
    })
}

fn insert(insert: Insert) -> Result<AskedWrite, QueryError> {
    let TableObject::TableName(table) = &insert.table else {
        return Err(forbidden("INSERT into anything but a dataset"));
    };
    let Some(source) = &insert.source else {
        return Err(forbidden("INSERT without SELECT or VALUES"));
    };
    if insert.overwrite || insert.replace_into || insert.or.is_some() {
        return Err(forbidden("INSERT that replaces rows"));
    }
    if insert.multi_table_insert_type.is_some() || !insert.multi_table_into_clauses.is_empty() {
        return Err(forbidden("INSERT into several tables"));
    }
    let name = name_of(table)?;
    Ok(AskedWrite {
        reads_target: reads(source, &name),
        name,
        change: AskedChange::Insert {
            statement: Statement::Statement(Box::new(ast::Statement::Insert(insert))),
        },
    })
}

fn delete(delete: Delete) -> Result<AskedWrite, QueryError> {
    const MORE: &str = "DELETE with more than FROM one table and WHERE";
    let Some(expr) = delete.selection.clone() else {
        return Err(forbidden("DELETE without WHERE (of all rows: WHERE true)"));
    };
    let ast::Statement::Delete(mut plain) = plain("DELETE FROM t WHERE true")? else {
        return Err(QueryError::internal("DELETE is parsed as something else"));
    };
    plain.selection = Some(expr.clone());
    let FromTable::WithFromKeyword(given) = &delete.from else { return Err(forbidden(MORE)) };
    let [given] = given.as_slice() else { return Err(forbidden(MORE)) };
    let TableFactor::Table { name, alias, .. } = &given.relation else {
        return Err(forbidden(MORE));
    };
    if let FromTable::WithFromKeyword(tables) = &mut plain.from
        && let Some(TableFactor::Table { name: bare, alias: none, .. }) =
            tables.first_mut().map(|table| &mut table.relation)
    {
        bare.clone_from(name);
        none.clone_from(alias);
    }
    if plain != delete {
        return Err(forbidden(MORE));
    }
    if expr.visit(&mut Queries).is_break() {
        let message = "the condition of DELETE is over the table's own columns: it has no subquery";
        return Err(QueryError::Sql { message: message.to_owned() });
    }
    let table = match alias {
        Some(alias) => ObjectName::from(vec![alias.name.clone()]),
        None => name.clone(),
    };
    let table = object_name_to_table_reference(table, true)?.table().to_owned();
    Ok(AskedWrite {
        name: name_of(name)?,
        reads_target: true,
        change: AskedChange::Delete { expr: Box::new(expr), table },
    })
}

impl Predicate {
    pub(crate) fn new(expr: Box<ast::Expr>, table: String, bound: Bound) -> Self {
        Self { expr, table, bound }
    }

    /// Returns what a table is called in the condition, as a schema's qualifier.
    pub(crate) fn qualifier(&self) -> TableReference {
        TableReference::bare(self.table.as_str())
    }

    /// Returns the condition as it was parsed.
    pub(crate) fn expr(&self) -> ast::Expr {
        self.expr.as_ref().clone()
    }

    /// Puts the values of parameters in their places in the planned condition.
    pub(crate) fn bind(&self, expr: Expr, schema: &DFSchema) -> Result<Expr, QueryError> {
        params::bind_expr(expr, schema, &self.bound)
    }
}

fn forbidden(what: &str) -> QueryError {
    QueryError::Forbidden { what: what.to_owned() }
}

/// Parses a statement of ours.
fn plain(sql: &str) -> Result<ast::Statement, QueryError> {
    let mut statements = DFParserBuilder::new(sql).build()?.parse_statements()?;
    match statements.pop_front() {
        Some(Statement::Statement(statement)) => Ok(*statement),
        _ => Err(QueryError::internal("a statement of ours is none")),
    }
}

/// Returns the name of a dataset as the caller writes it.
fn name_of(name: &ObjectName) -> Result<String, QueryError> {
    spell(&object_name_to_table_reference(name.clone(), true)?)
}

/// Says whether a query reads any version of the dataset `target`.
fn reads(query: &Query, target: &str) -> bool {
    query.visit(&mut Reads { target }).is_break()
}

struct Reads<'a> {
    target: &'a str,
}

impl Visitor for Reads<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = name_of(relation).unwrap_or_default();
        match name.split(['~', '@']).next() == Some(self.target) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let args: &[FunctionArg] = match factor {
            TableFactor::Table { args: Some(args), .. } => &args.args,
            TableFactor::Function { args, .. } => args,
            _ => &[],
        };
        let first = args.first().and_then(functions::constant);
        match first.and_then(|text| text.split(['~', '@']).next()) == Some(self.target) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Stops at the first query.
struct Queries;

impl Visitor for Queries {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;

    fn asked(sql: &str) -> Result<Asked, QueryError> {
        super::asked(statement::parse(sql, 50, &Params::default())?.statement)
    }

    #[test]
    fn what_writes_says_where_and_whether_it_reads_there() {
        for (sql, verb, name, reads) in [
            ("CREATE TABLE a AS SELECT 1", "CREATE TABLE", "a", false),
            ("CREATE OR REPLACE TABLE A AS SELECT * FROM a", "CREATE TABLE", "a", true),
            ("CREATE TABLE IF NOT EXISTS s.\"a-b\" AS VALUES (1)", "CREATE TABLE", "s.a-b", false),
            ("INSERT INTO main.a SELECT * FROM b", "INSERT", "a", false),
            ("INSERT INTO a (x) VALUES (1), (2)", "INSERT", "a", false),
            (
                "INSERT INTO a SELECT * FROM b WHERE x IN (SELECT x FROM \"a~1\")",
                "INSERT",
                "a",
                true,
            ),
            ("INSERT INTO a SELECT * FROM at('a', '~1')", "INSERT", "a", true),
            ("DELETE FROM a WHERE x = 'it''s'", "DELETE", "a", true),
            ("DELETE FROM a AS t WHERE t.x > 1", "DELETE", "a", true),
        ] {
            let Asked::Write(write) = asked(sql).unwrap() else { panic!("{sql} reads") };
            let told = (write.verb(), write.name.as_str(), write.reads_target);
            assert_eq!(told, (verb, name, reads), "{sql}");
        }
    }

    #[test]
    fn everything_else_that_writes_is_refused() {
        for sql in [
            "CREATE TABLE a (x INT)",
            "CREATE TABLE a (x INT) AS SELECT 1",
            "CREATE TEMPORARY TABLE a AS SELECT 1",
            "CREATE OR REPLACE TABLE IF NOT EXISTS a AS SELECT 1",
            "CREATE EXTERNAL TABLE a STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE VIEW a AS SELECT 1",
            "INSERT OVERWRITE a SELECT 1",
            "REPLACE INTO a SELECT 1",
            "INSERT INTO TABLE FUNCTION f('x') SELECT 1",
            "DELETE FROM a",
            "DELETE FROM a USING b WHERE a.x = b.x",
            "DELETE FROM a WHERE x = 1 RETURNING x",
            "DELETE FROM a WHERE x = 1 LIMIT 1",
            "DELETE FROM a WHERE x IN (SELECT x FROM b)",
            "DELETE FROM a JOIN b ON true WHERE a.x = 1",
            "UPDATE a SET x = 1",
            "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE",
            "DROP TABLE a",
            "ALTER TABLE a ADD COLUMN y INT",
            "TRUNCATE TABLE a",
            "COPY a TO '/tmp/x.csv'",
            "SET datafusion.execution.batch_size = 1",
            "EXPLAIN INSERT INTO a SELECT 1",
            "EXPLAIN ANALYZE DELETE FROM a WHERE true",
            "EXPLAIN ANALYZE CREATE TABLE a AS SELECT 1",
            "PREPARE p AS SELECT 1",
            "INSERT INTO a SELECT 1; INSERT INTO a SELECT 2",
        ] {
            assert!(asked(sql).is_err(), "{sql}");
        }
    }
}

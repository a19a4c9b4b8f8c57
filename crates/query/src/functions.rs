//! Table functions: calls such as `at('users', '~1')` in FROM. They are taken out of a parsed
//! statement and replaced by names, so that what they return is known before anything is planned.
//!
//! Which functions there are, and what they return, is for the caller to say. Functions of the SQL
//! engine that make rows of their arguments are left to it.

use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, TableAlias, TableFactor,
    TableFunctionArgs, Value, VisitMut as _, VisitorMut,
};

use crate::error::QueryError;
use crate::resolve::near;

/// The schema of names that stand for calls. With the brackets of a call in the name, none of them
/// is the name of a dataset; with a schema, none is that of a common table expression.
const CALLS: &str = "function";
/// What the SQL engine makes rows with by itself, behind LATERAL.
const ENGINE: [&str; 2] = ["generate_series", "range"];

/// A call of a table function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The function.
    pub(crate) name: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// What stands in the statement now.
    pub(crate) reference: TableReference,
}

/// Replaces the calls of table functions in a statement by references, and returns each once. Without
/// an alias its rows go by the name of the function.
///
/// # Errors
/// `UnknownFunction` for one that is not `known`, `Sql` for arguments that are no constant texts.
pub(crate) fn taken(statement: &mut Statement, known: &[&str]) -> Result<Vec<Call>, QueryError> {
    let mut taking = Taking { known, calls: Vec::new() };
    let mut statement = statement;
    while let Statement::Explain(explain) = statement {
        statement = explain.statement.as_mut();
    }
    if let Statement::Statement(statement) = statement
        && let ControlFlow::Break(error) = statement.visit(&mut taking)
    {
        return Err(error);
    }
    Ok(taking.calls)
}

/// Returns the error of a function that there is not.
pub(crate) fn unknown(name: &str, known: &[&str]) -> QueryError {
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    QueryError::UnknownFunction { name: name.to_owned(), near: near(name, &known), known }
}

struct Taking<'a> {
    known: &'a [&'a str],
    calls: Vec<Call>,
}

impl VisitorMut for Taking<'_> {
    type Break = QueryError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<QueryError> {
        match self.replaced(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Taking<'_> {
    fn replaced(&mut self, factor: &mut TableFactor) -> Result<(), QueryError> {
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let Some(TableFunctionArgs { args: given, settings }) = args else { return Ok(()) };
                if settings.is_some() {
                    return Err(wrong(&name.to_string(), "takes no SETTINGS"));
                }
                let function = self.function(name)?;
                *name = self.reference(&function, given)?;
                *args = None;
                alias.get_or_insert_with(|| named(&function));
            }
            TableFactor::Function { name, args, alias, .. } => {
                if ENGINE.contains(&name.to_string().to_lowercase().as_str()) {
                    return Ok(());
                }
                let function = self.function(name)?;
                let table = self.reference(&function, args)?;
                let alias = alias.take().unwrap_or_else(|| named(&function));
                *factor = table_factor(table, alias);
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the function that a name means.
    fn function(&self, name: &ObjectName) -> Result<String, QueryError> {
        let text = match name.0.as_slice() {
            [only] => only.as_ident().map(|ident| match ident.quote_style {
                Some(_) => ident.value.clone(),
                None => ident.value.to_lowercase(),
            }),
            _ => None,
        };
        let text = text.unwrap_or_else(|| name.to_string());
        match self.known.contains(&text.as_str()) {
            true => Ok(text),
            false => Err(unknown(&text, self.known)),
        }
    }

    /// Notes a call and returns the name that stands for it.
    fn reference(&mut self, name: &str, args: &[FunctionArg]) -> Result<ObjectName, QueryError> {
        let args: Vec<String> =
            args.iter().map(|arg| text(name, arg)).collect::<Result<_, QueryError>>()?;
        let quoted: Vec<String> =
            args.iter().map(|arg| format!("'{}'", arg.replace('\'', "''"))).collect();
        let written = format!("{name}({})", quoted.join(", "));
        let reference = TableReference::partial(CALLS, written.as_str());
        if !self.calls.iter().any(|call| call.reference == reference) {
            self.calls.push(Call { name: name.to_owned(), args, reference });
        }
        let written = Ident::with_quote('"', written);
        Ok(ObjectName::from(vec![Ident::with_quote('"', CALLS), written]))
    }
}

/// Returns the text that an argument of a call is.
fn text(function: &str, arg: &FunctionArg) -> Result<String, QueryError> {
    let constant = constant(arg).map(str::to_owned);
    constant.ok_or_else(|| {
        wrong(function, &format!("takes constant texts, such as 'users', and not {arg}"))
    })
}

/// Returns the text that an argument is, if it is a constant one.
pub(crate) fn constant(arg: &FunctionArg) -> Option<&str> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) = arg else { return None };
    match &value.value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}

fn wrong(function: &str, what: &str) -> QueryError {
    QueryError::Sql { message: format!("the table function {function} {what}") }
}

fn named(function: &str) -> TableAlias {
    let name = Ident::with_quote('"', function);
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

fn table_factor(name: ObjectName, alias: TableAlias) -> TableFactor {
    TableFactor::Table {
        name,
        alias: Some(alias),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::statement::parse;

    const KNOWN: [&str; 2] = ["at", "history"];

    /// A function with its arguments.
    type Called = (String, Vec<String>);

    fn calls(sql: &str) -> Result<(Vec<Called>, String), QueryError> {
        let mut statement = parse(sql, 50, &Params::default()).unwrap().statement;
        let calls = taken(&mut statement, &KNOWN)?;
        let calls = calls.into_iter().map(|call| (call.name, call.args)).collect();
        Ok((calls, statement.to_string()))
    }

    #[test]
    fn calls_become_names_wherever_they_stand() {
        for sql in [
            "SELECT * FROM at('t', '~1')",
            "SELECT * FROM AT('t', '~1') AS u WHERE u.a = 1",
            "SELECT * FROM t JOIN at('t', '~1') a ON a.n = t.n JOIN at('t', '~1') b ON b.n = t.n",
            "WITH w AS (SELECT * FROM at('t', '~1')) SELECT * FROM w",
            "SELECT (SELECT max(n) FROM (SELECT n FROM at('t', '~1')))",
            "SELECT 1 FROM t WHERE n IN (SELECT n FROM at('t', '~1'))",
            "SELECT 1 UNION ALL SELECT n FROM at('t', '~1')",
            "EXPLAIN ANALYZE SELECT * FROM at('t', '~1')",
            "SELECT * FROM t, LATERAL at('t', '~1')",
        ] {
            let (calls, text) = calls(sql).unwrap();
            assert_eq!(calls, [("at".to_owned(), vec!["t".to_owned(), "~1".to_owned()])], "{sql}");
            assert!(text.contains(r#""function"."at('t', '~1')""#), "{text}");
        }
    }

    #[test]
    fn names_stay_names_and_texts_stay_texts() {
        let (none, text) = calls("SELECT history FROM \"history\", at").unwrap();
        assert_eq!((none.len(), text.as_str()), (0, "SELECT history FROM \"history\", at"));
        let (odd, _) = calls("SELECT * FROM at('it''s \"x\"', '')").unwrap();
        assert_eq!(odd, [("at".to_owned(), vec!["it's \"x\"".to_owned(), String::new()])]);
    }

    #[test]
    fn what_is_no_constant_or_no_function_is_refused() {
        for (sql, said) in [
            ("SELECT * FROM at(n, '~1')", "constant texts"),
            ("SELECT * FROM t, at(t.n, '~1')", "constant texts"),
            ("SELECT * FROM at('a' || 'b', '~1')", "constant texts"),
            ("SELECT * FROM at((SELECT 'a'), '~1')", "constant texts"),
            ("SELECT * FROM at(1)", "constant texts"),
            ("SELECT * FROM at(name => 't')", "constant texts"),
            ("SELECT * FROM at(*)", "constant texts"),
            ("SELECT * FROM read_csv('/etc/passwd')", "no table function `read_csv`"),
            ("SELECT * FROM main.at('t', '~1')", "no table function"),
            ("SELECT * FROM \"AT\"('t', '~1')", "no table function `AT`"),
            ("SELECT * FROM t, LATERAL glob('/')", "no table function `glob`"),
        ] {
            let error = calls(sql).unwrap_err().to_string();
            assert!(error.contains(said), "{sql}: {error}");
        }
        let error = calls("SELECT * FROM histry('t')").unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("did you mean `history`") && hint.contains("`at`"), "{hint}");
    }
}

//! The text of a statement, parsed under limits: what is planned cannot nest deeper than the stack
//! of a thread bears. What a plan may do is checked by the engine, not here.
//!
//! The parser limits expressions in brackets and subqueries by itself; what else nests is counted
//! in `statement/nesting.rs`. A chain such as `a + a + …` it reads in a loop, and out comes a tree
//! as deep as the chain is long, which every later step walks by recursion: the end of the stack
//! would be the end of the process.

mod nesting;
mod wrong;

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{self, visit_relations};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::error::QueryError;
use crate::params::{self, Bound, Params};

/// Longest statement: one value of 1 MiB, and what stands around it. Parsing and planning take some
/// 600 bytes of memory for each token, and a token may be one byte.
const STATEMENT_BYTES_MAX: usize = (1 << 20) + (1 << 12);
/// Longest name of a function: of one that there is not, the engine asks how much each that there
/// is looks like it.
const FUNCTION_NAME_BYTES_MAX: usize = 256;
/// Longest chain of operators. A stack of 2 MiB bore more than twice as many.
const OPERATORS_MAX: usize = 400;
/// Most queries and joins, and most tables, of one statement. A stack of 2 MiB bore twice as many.
const QUERIES_MAX: usize = 150;
/// Names joined by points up to this many are one name; each further point is an operator.
const POINTS_MAX: usize = 4;

/// Keywords that lengthen a chain.
const OPERATORS: [Keyword; 20] = [
    Keyword::AND,
    Keyword::AT,
    Keyword::BETWEEN,
    Keyword::COLLATE,
    Keyword::DISTINCT,
    Keyword::DIV,
    Keyword::ESCAPE,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::IS,
    Keyword::LIKE,
    Keyword::NOT,
    Keyword::NOTNULL,
    Keyword::OR,
    Keyword::OVERLAPS,
    Keyword::REGEXP,
    Keyword::RLIKE,
    Keyword::SIMILAR,
    Keyword::WHEN,
    Keyword::XOR,
];

/// Keywords that begin a query or a join, or stand before one.
const QUERIES: [Keyword; 11] = [
    Keyword::DESCRIBE,
    Keyword::EXCEPT,
    Keyword::EXPLAIN,
    Keyword::INTERSECT,
    Keyword::JOIN,
    Keyword::LATERAL,
    Keyword::MATCH_RECOGNIZE,
    Keyword::PIVOT,
    Keyword::SELECT,
    Keyword::UNION,
    Keyword::UNPIVOT,
];

/// A statement with the values of its parameters.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    pub(crate) bound: Bound,
}

/// Parses exactly one statement; brackets and subqueries nest no deeper than `depth_max`. Its
/// parameters mean `params`.
pub(crate) fn parse(sql: &str, depth_max: usize, params: &Params) -> Result<Parsed, QueryError> {
    let mut tokens = checked_tokens(sql)?;
    let bound = params::numbered(&mut tokens, params)?;
    let mut parser = DFParserBuilder::new(tokens).with_recursion_limit(depth_max).build()?;
    let mut statements = parser.parse_statements()?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) if tables_of(&statement) > QUERIES_MAX => {
            Err(too_large(QUERIES_MAX, "tables"))
        }
        (Some(statement), true) => {
            wrong::refused(&statement)?;
            Ok(Parsed { statement, bound })
        }
        (None, _) => Err(QueryError::Sql { message: "there is no statement".to_owned() }),
        (Some(_), false) => Err(QueryError::Forbidden {
            what: format!("{} statements in one call", statements.len() + 1),
        }),
    }
}

/// Refuses a statement of a kind that does more than read, before anyone asks what its names mean.
pub(crate) fn reading(statement: Statement) -> Result<Statement, QueryError> {
    let (reads, verb) = match &statement {
        Statement::Explain(explain) => {
            let explained = explain.statement.as_ref();
            (reads(explained), format!("EXPLAIN of {}", verb(explained)))
        }
        other => (reads(other), verb(other)),
    };
    if reads { Ok(statement) } else { Err(QueryError::Forbidden { what: verb }) }
}

fn reads(statement: &Statement) -> bool {
    match statement {
        Statement::Explain(explain) => reads(&explain.statement),
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Explain { statement, .. } => {
                matches!(statement.as_ref(), ast::Statement::Query(_))
            }
            other => matches!(
                other,
                ast::Statement::Query(_)
                    | ast::Statement::ExplainTable { .. }
                    | ast::Statement::ShowTables { .. }
                    | ast::Statement::ShowColumns { .. }
                    | ast::Statement::ShowFunctions { .. }
                    | ast::Statement::ShowVariable { .. }
            ),
        },
        _ => false,
    }
}

/// Returns the first word of a statement.
fn verb(statement: &Statement) -> String {
    let text = statement.to_string();
    text.split_whitespace().next().unwrap_or("such a statement").to_owned()
}

/// Refuses an expression whose tree could be too deep, before it is parsed.
pub(crate) fn check_text(sql: &str) -> Result<(), QueryError> {
    checked_tokens(sql).map(drop)
}

fn checked_tokens(sql: &str) -> Result<Vec<TokenWithSpan>, QueryError> {
    if sql.len() > STATEMENT_BYTES_MAX {
        let message = format!(
            "the statement has {} bytes, and {STATEMENT_BYTES_MAX} are the most; give long values \
             as parameters, and many rows as a file",
            sql.len()
        );
        return Err(QueryError::Sql { message });
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| QueryError::Sql { message: error.to_string() })?;
    let spoken: Vec<&Token> = tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    check_pairs(&spoken)?;
    let begins_query =
        |token: &Token| matches!(token, Token::Word(word) if QUERIES.contains(&word.keyword));
    if tokens.iter().filter(|token| begins_query(&token.token)).count() > QUERIES_MAX {
        return Err(too_large(QUERIES_MAX, "queries and joins"));
    }
    if longest_chain(&tokens) > OPERATORS_MAX {
        return Err(too_large(OPERATORS_MAX, "operators in one chain"));
    }
    nesting::check(&spoken)?;
    Ok(tokens)
}

/// Refuses what two neighbouring tokens show.
fn check_pairs(tokens: &[&Token]) -> Result<(), QueryError> {
    for pair in tokens.windows(2) {
        let [Token::Word(word), behind] = pair else { continue };
        let is_set = matches!(word.keyword, Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS);
        // The engine plans both as joins, which keep every row that has an equal or none: of m and
        // n rows that are equal, neither the lesser number nor the difference.
        if is_set && matches!(behind, Token::Word(next) if next.keyword == Keyword::ALL) {
            let operator = word.value.to_uppercase();
            let message = format!(
                "there is no {operator} ALL, which counts rows that are equal; use {operator}, or \
                 count them on both sides with GROUP BY and compare the counts"
            );
            return Err(QueryError::Sql { message });
        }
        if **behind == Token::LParen && word.value.len() > FUNCTION_NAME_BYTES_MAX {
            let bytes = word.value.len();
            let message = format!("there is no function with a name of {bytes} bytes");
            return Err(QueryError::Sql { message });
        }
    }
    Ok(())
}

fn too_large(limit: usize, what: &str) -> QueryError {
    let message = format!(
        "the statement has more than {limit} {what}; write a list of values as IN (…), or split it"
    );
    QueryError::Sql { message }
}

/// One pair of brackets: the chain that is being read, and the longest that a comma has ended.
#[derive(Default)]
struct Level {
    chain: usize,
    longest: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.longest.max(self.chain)
    }
}

/// An upper bound of how deep expressions nest by their operators. Commas part siblings, which
/// nest no deeper for being many; what is in brackets lengthens the chain that it stands in.
fn longest_chain(tokens: &[TokenWithSpan]) -> usize {
    let mut open: Vec<Level> = Vec::new();
    let mut level = Level::default();
    let mut points = 0;
    for token in tokens.iter().map(|token| &token.token) {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                level.chain += usize::from(*token != Token::LParen);
                open.push(std::mem::take(&mut level));
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                let inside = level.depth();
                level = open.pop().unwrap_or_default();
                level.chain += inside;
            }
            Token::Comma | Token::SemiColon => {
                level.longest = level.depth();
                level.chain = 0;
            }
            Token::Period => {
                points += 1;
                level.chain += usize::from(points > POINTS_MAX);
            }
            token => level.chain += usize::from(is_operator(token)),
        }
        let in_name = matches!(token, Token::Period | Token::Word(_) | Token::Whitespace(_));
        if !in_name || is_operator(token) {
            points = 0;
        }
    }
    // Brackets that stay open are the parser's to complain about.
    open.iter().chain([&level]).map(Level::depth).sum()
}

/// Whether a token may make a tree deeper: all but names, literals and what parts them.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => OPERATORS.contains(&word.keyword),
        Token::EOF
        | Token::Whitespace(_)
        | Token::Period
        | Token::Placeholder(_)
        | Token::Number(_, _)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_) => false,
        _ => true,
    }
}

/// How many tables a statement names, each as often as it does: a list of tables behind FROM is a
/// chain of joins.
fn tables_of(statement: &Statement) -> usize {
    match statement {
        Statement::Statement(statement) => {
            let mut tables = 0;
            let _ = visit_relations(statement.as_ref(), |_| {
                tables += 1;
                ControlFlow::<()>::Continue(())
            });
            tables
        }
        Statement::Explain(explain) => tables_of(&explain.statement),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;

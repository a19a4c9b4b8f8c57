//! What can go wrong between a table and its bytes: one error of the whole crate, because a
//! caller of SQL, scan, ingest and emit acts on the same few kinds.
//!
//! Nothing here knows exit codes, HTTP statuses or colours.

use std::error::Error as StdError;
use std::fmt::Display;
use std::sync::Arc;

use arrow::error::ArrowError;
use cidlake_block::unixfs::UnixFsError;
use cidlake_block::{BlocksError, Cid};
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::edit::KeyFault;

/// Any failure of this crate: names the thing and the place; [`QueryError::hint`] has the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A statement or a reference names a table that is not in the lake.
    #[error("there is no table `{name}`")]
    UnknownTable {
        /// The name as it was asked for.
        name: String,
        /// Names that exist and look alike, best first.
        near: Vec<String>,
    },
    /// A statement, a filter or a column list names a column that the table does not have.
    #[error("there is no column `{name}`")]
    UnknownColumn {
        /// The name as it was asked for.
        name: String,
        /// Columns that exist and look alike, best first.
        near: Vec<String>,
    },
    /// A statement calls a table function that there is not.
    #[error("there is no table function `{name}`")]
    UnknownFunction {
        /// The name as it was called.
        name: String,
        /// Functions that exist and look alike, best first.
        near: Vec<String>,
        /// All functions that exist.
        known: Vec<String>,
    },
    /// A value for a parameter of a statement is missing, too much, or not of the type that the
    /// statement needs.
    #[error("parameter {name}: {message}")]
    Param {
        /// The parameter as the statement or the caller writes it.
        name: String,
        /// What is wrong with it, and the remedy.
        message: String,
    },
    /// The statement or filter does not parse, does not plan, or fails on the data.
    #[error("{message}")]
    Sql {
        /// What is wrong with it, with the place where known.
        message: String,
    },
    /// The statement would do more than read the lake.
    #[error("{what} is not allowed")]
    Forbidden {
        /// The refused thing in the words of SQL.
        what: String,
    },
    /// The statement writes, and only reading is allowed.
    #[error("{what} is not allowed here")]
    ReadOnly {
        /// What it does in the words of SQL.
        what: &'static str,
    },
    /// A file or a batch that was handed in cannot be read as what it was taken for.
    #[error("{label}{}: {message}", behind_comma(place))]
    BadInput {
        /// The file or source.
        label: String,
        /// Line, row, column or offset; empty where the whole input is meant.
        place: String,
        /// What was found and what was expected.
        message: String,
    },
    /// A type or a value that the layout or an output format cannot hold.
    #[error("column `{column}`: {what}")]
    Unsupported {
        /// Path of the column, nested fields joined by dots.
        column: String,
        /// What cannot be held, and the remedy.
        what: String,
    },
    /// Rows whose keys do not identify them.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The memory or disk that a query may use was not enough.
    #[error("{message}")]
    Resources {
        /// What ran out.
        message: String,
    },
    /// The query took longer than it may.
    #[error("the statement ran longer than {limit_ms} ms")]
    Timeout {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// The query was stopped by who asked for it.
    #[error("the statement was stopped")]
    Stopped,
    /// The query took more than it may.
    #[error("the query was stopped: it may have {limit} {what}, and has more")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much it may take.
        limit: u64,
    },
    /// Blocks whose bytes match their CIDs and yet do not make sense as what links to them.
    #[error("{cid} is not what it should be: {detail}")]
    Corrupt {
        /// The block, part or commit.
        cid: Cid,
        /// What does not fit.
        detail: String,
    },
    /// Blocks could not be read.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// A UnixFS file or folder could not be read or built.
    #[error(transparent)]
    UnixFs(#[from] UnixFsError),
    /// An input or an output of the operating system failed.
    #[error("{label}: {op} failed")]
    Io {
        /// The file, source or sink.
        label: String,
        /// What was being done: `read` or `write`.
        op: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A failure of the caller's own code that passed through this crate unchanged.
    #[error(transparent)]
    External(Box<dyn StdError + Send + Sync>),
    /// A mistake of this program.
    #[error("internal error: {message}")]
    Internal {
        /// What was expected and did not hold.
        message: String,
    },
}

/// Which [`QueryError`] it is, for callers that act upon it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryErrorKind {
    /// A named table does not exist.
    UnknownTable,
    /// A named column does not exist.
    UnknownColumn,
    /// The statement is wrong.
    Sql,
    /// The statement does more than read.
    Forbidden,
    /// The input is not what it was taken for.
    BadInput,
    /// A type or value cannot be held.
    Unsupported,
    /// Memory or disk was not enough.
    Resources,
    /// The time was over.
    Timeout,
    /// Stored data is damaged.
    Corrupt,
    /// Blocks are missing, damaged or out of reach.
    Blocks,
    /// The operating system failed to read or write.
    Io,
    /// An error of the caller's own code.
    External,
    /// A mistake of this program.
    Internal,
}

impl QueryError {
    /// Returns which error it is.
    pub fn kind(&self) -> QueryErrorKind {
        match self {
            Self::UnknownTable { .. } => QueryErrorKind::UnknownTable,
            Self::UnknownColumn { .. } => QueryErrorKind::UnknownColumn,
            Self::Sql { .. } | Self::UnknownFunction { .. } | Self::Param { .. } => {
                QueryErrorKind::Sql
            }
            Self::Forbidden { .. } | Self::ReadOnly { .. } => QueryErrorKind::Forbidden,
            Self::BadInput { .. } | Self::Key(_) => QueryErrorKind::BadInput,
            Self::Unsupported { .. } => QueryErrorKind::Unsupported,
            Self::Resources { .. } | Self::Limit { .. } => QueryErrorKind::Resources,
            Self::Timeout { .. } | Self::Stopped => QueryErrorKind::Timeout,
            Self::Corrupt { .. } => QueryErrorKind::Corrupt,
            Self::Blocks(_) | Self::UnixFs(_) => QueryErrorKind::Blocks,
            Self::Io { .. } => QueryErrorKind::Io,
            Self::External(_) => QueryErrorKind::External,
            Self::Internal { .. } => QueryErrorKind::Internal,
        }
    }

    /// Returns what the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownTable { near, .. } | Self::UnknownColumn { near, .. } => {
                did_you_mean(near)
            }
            Self::UnknownFunction { near, known, .. } => {
                let all = match known.is_empty() {
                    true => "there are none".to_owned(),
                    false => format!("there are {}", quoted(known, ", ")),
                };
                Some(match did_you_mean(near) {
                    Some(near) => format!("{near} {all}"),
                    None => all,
                })
            }
            Self::Forbidden { .. } => Some(
                "one statement that reads is allowed: SELECT, WITH, VALUES, EXPLAIN, SHOW or \
                 DESCRIBE; where writing is allowed, CREATE TABLE … AS, INSERT or DELETE … WHERE"
                    .to_owned(),
            ),
            Self::ReadOnly { .. } => Some(
                "allow it: `cidlake sql --write`, or an MCP server with --allow-write".to_owned(),
            ),
            Self::Resources { .. } => {
                Some("narrow the query with WHERE or LIMIT, or allow it more memory".to_owned())
            }
            Self::Limit { .. } => {
                Some("narrow the query with WHERE or LIMIT, or allow it more".to_owned())
            }
            Self::Timeout { .. } => {
                Some("narrow the query with WHERE or LIMIT, or allow it more time".to_owned())
            }
            _ => None,
        }
    }

    /// Takes the cause out, where there is one; of [`QueryError::External`] the carried error.
    pub fn into_source(self) -> Option<Box<dyn StdError + Send + Sync>> {
        match self {
            Self::Io { source, .. } => Some(Box::new(source)),
            Self::External(error) => Some(error),
            Self::Blocks(error) => Some(Box::new(error)),
            Self::UnixFs(error) => Some(Box::new(error)),
            _ => None,
        }
    }

    /// Returns the error of an input that cannot be read; `place` may be empty.
    pub fn bad_input(label: &str, place: impl Display, message: impl Display) -> Self {
        Self::BadInput {
            label: label.to_owned(),
            place: place.to_string(),
            message: message.to_string(),
        }
    }

    /// Returns the error of a column that cannot be held.
    pub fn unsupported(column: &str, what: impl Display) -> Self {
        Self::Unsupported { column: column.to_owned(), what: what.to_string() }
    }

    /// Returns the error of a broken expectation of this program.
    pub fn internal(message: impl Display) -> Self {
        Self::Internal { message: message.to_string() }
    }

    /// Wraps an error of the caller's own code, which comes back unchanged.
    pub fn external(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::External(Box::new(error))
    }

    /// Turns what Arrow says about the rows of `label` into an error of that input.
    pub fn from_arrow(label: &str, error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<Self>() {
                Ok(own) => *own,
                Err(inner) => Self::bad_input(label, "", inner),
            },
            ArrowError::IoError(_, source) => {
                Self::Io { label: label.to_owned(), op: "read", source }
            }
            other => Self::bad_input(label, "", arrow_message(&other)),
        }
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                (*inner).into()
            }
            DataFusionError::External(inner) => match inner.downcast::<Self>() {
                Ok(own) => *own,
                Err(inner) if is_pattern(inner.as_ref()) => {
                    Self::Sql { message: inner.to_string() }
                }
                Err(inner) => Self::External(inner),
            },
            DataFusionError::ArrowError(inner, _) => match *inner {
                ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
                    Ok(inner) => (*inner).into(),
                    Err(inner) => DataFusionError::External(inner).into(),
                },
                other => Self::Sql { message: arrow_message(&other) },
            },
            DataFusionError::ObjectStore(inner) => match *inner {
                object_store::Error::Generic { source, .. } => {
                    DataFusionError::External(source).into()
                }
                other => Self::External(Box::new(other)),
            },
            DataFusionError::SchemaError(inner, _) => schema_error(*inner),
            DataFusionError::ResourcesExhausted(message) => Self::Resources { message },
            DataFusionError::SQL(inner, _) => Self::Sql { message: inner.to_string() },
            DataFusionError::Plan(message)
            | DataFusionError::Execution(message)
            | DataFusionError::Configuration(message)
            | DataFusionError::NotImplemented(message) => Self::Sql { message },
            DataFusionError::Collection(mut inner) if inner.len() == 1 => match inner.pop() {
                Some(only) => only.into(),
                None => Self::internal("an error without a cause"),
            },
            DataFusionError::Internal(message) => internal(message),
            DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
                Ok(inner) => inner.into(),
                Err(inner) => shared(&inner),
            },
            other => Self::Sql { message: other.strip_backtrace() },
        }
    }
}

/// An error that others hold, too: several readers of one input met it.
fn shared(error: &DataFusionError) -> QueryError {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => {
            QueryError::Resources { message: message.clone() }
        }
        DataFusionError::External(inner) => match inner.downcast_ref::<QueryError>() {
            Some(QueryError::Timeout { limit_ms }) => QueryError::Timeout { limit_ms: *limit_ms },
            Some(QueryError::Stopped) => QueryError::Stopped,
            Some(QueryError::Limit { what, limit }) => QueryError::Limit { what, limit: *limit },
            Some(QueryError::Resources { message }) => {
                QueryError::Resources { message: message.clone() }
            }
            _ => QueryError::External(inner.to_string().into()),
        },
        DataFusionError::Internal(message) => internal(message.clone()),
        other => QueryError::Sql { message: other.strip_backtrace() },
    }
}

/// What the engine takes for its own mistake. A pattern that does not compile is none: it is the
/// statement's, though it is only found when it meets a column.
fn internal(message: String) -> QueryError {
    const PATTERN: &str = "Regular expression did not compile";
    match message.find(PATTERN) {
        // Behind the message there may be a trace of calls.
        Some(at) => {
            let message = message.split_at(at).1.lines().next().unwrap_or(PATTERN).to_owned();
            QueryError::Sql { message }
        }
        None => QueryError::Internal { message },
    }
}

/// Whether an error is about a pattern of the statement, which does not compile.
fn is_pattern(error: &(dyn StdError + Send + Sync + 'static)) -> bool {
    let text = error.to_string();
    text.starts_with("regex parse error") || text.starts_with("Compiled regex exceeds")
}

/// A column that a statement names and no table has, or that two tables have.
fn schema_error(error: SchemaError) -> QueryError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => QueryError::UnknownColumn {
            name: field.flat_name(),
            near: valid_fields.iter().take(3).map(datafusion::common::Column::flat_name).collect(),
        },
        other => QueryError::Sql { message: other.to_string() },
    }
}

/// What Arrow says, without the class of its error in front.
pub(crate) fn arrow_message(error: &ArrowError) -> String {
    match error {
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::SchemaError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::ArithmeticOverflow(text)
        | ArrowError::CsvError(text)
        | ArrowError::JsonError(text)
        | ArrowError::IpcError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::ParquetError(text)
        | ArrowError::NotYetImplemented(text) => text.clone(),
        other => other.to_string(),
    }
}

/// ``did you mean `a` or `b`?``, or nothing.
fn did_you_mean(near: &[String]) -> Option<String> {
    if near.is_empty() {
        return None;
    }
    Some(format!("did you mean {}?", quoted(near, " or ")))
}

fn quoted(names: &[String], between: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(between)
}

/// `, line 3`, or nothing.
fn behind_comma(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(", {place}") }
}

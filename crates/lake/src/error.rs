//! The facade's error: what kind it is, one sentence, and what to do about it.
//!
//! The crates below have rich errors of their own; here they fold into few kinds, a new one only
//! where a caller would act differently.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

use cidlake_block::unixfs::UnixFsError;
use cidlake_block::{BlocksError, CidError};
use cidlake_catalog::HistoryError;
use cidlake_query::{QueryError, QueryErrorKind};
use cidlake_store::{CommitError, StoreError};

/// What to do about damage.
pub(crate) const DAMAGE_HINT: &str =
    "`cidlake fsck --full` lists all damage; a copy can be brought back with `cidlake import`";

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The name, CID, path or lake does not exist here.
    NotFound,
    /// The input or the query is wrong.
    Invalid,
    /// A name, CID, reference or option is malformed.
    Usage,
    /// Someone else changed the same thing first.
    Conflict,
    /// Stored bytes do not match their CID or checksum.
    Corrupt,
    /// The machine said no: disk full, read-only folder, time or memory over.
    Unavailable,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// Returns the stable word that protocols use for this kind.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Usage => "usage",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failure of a [`crate::Lake`] method.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error from its kind and one sentence without a full stop.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Returns what a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what the user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Makes an error of an IO failure on a user's file.
    pub(crate) fn io(path: &Path, doing: &str, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::IsADirectory | std::io::ErrorKind::NotADirectory => {
                ErrorKind::Invalid
            }
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, format!("cannot {doing} {}", path.display())).with_source(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let (kind, hint) = match &error {
            StoreError::NotALake { .. } => (
                ErrorKind::NotFound,
                Some(
                    "`cidlake store FILE --name NAME` creates a lake; --lake names another folder",
                ),
            ),
            StoreError::NewerFormat { .. }
            | StoreError::UnknownRecord { .. }
            | StoreError::UnknownFlags { .. } => {
                (ErrorKind::Unavailable, Some("use a cidlake that is as new as the lake's writer"))
            }
            StoreError::ReadOnly { .. } => {
                (ErrorKind::Unavailable, Some("make the folder writable, or name another --lake"))
            }
            StoreError::NoSpace { .. } => (
                ErrorKind::Unavailable,
                Some("nothing acknowledged was lost; free some space and try again"),
            ),
            StoreError::Operation { .. } => (ErrorKind::Invalid, None),
            StoreError::Corrupt { .. } => (ErrorKind::Corrupt, Some(DAMAGE_HINT)),
            StoreError::LogCorrupt { .. } => (
                ErrorKind::Corrupt,
                Some(
                    "nothing was changed; keep a copy of the folder, then `cidlake fsck --repair`",
                ),
            ),
            StoreError::Poisoned { .. } => (
                ErrorKind::Unavailable,
                Some("the disk refused to keep data; check it, then start again"),
            ),
            _ => (ErrorKind::Unavailable, None),
        };
        let mut out = Self::new(kind, message);
        out.hint = hint.map(str::to_owned);
        out.source = error_source(error);
        out
    }
}

/// Keeps the cause of `error` without repeating its own sentence.
fn error_source(error: StoreError) -> Option<Box<dyn StdError + Send + Sync>> {
    match error {
        StoreError::Io { source, .. }
        | StoreError::NoSpace { source, .. }
        | StoreError::Poisoned { source, .. } => Some(Box::new(source)),
        _ => None,
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(store) => store.into(),
            CommitError::Behind { last } => Self::new(
                ErrorKind::Conflict,
                format!("the log moved to record {} while this change was made", last.0),
            )
            .with_hint("try again"),
        }
    }
}

impl From<cidlake_catalog::CommitError> for Error {
    fn from(error: cidlake_catalog::CommitError) -> Self {
        let message = "the parts that a version lists cannot be read or written";
        Self::corrupt(message).with_source(error)
    }
}

impl From<HistoryError> for Error {
    fn from(error: HistoryError) -> Self {
        Self::corrupt(error.to_string())
    }
}

impl From<BlocksError> for Error {
    fn from(error: BlocksError) -> Self {
        let kind = match &error {
            BlocksError::NotFound { .. } => ErrorKind::NotFound,
            BlocksError::Corrupt { .. } => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        };
        let out = Self::new(kind, error.to_string());
        match kind {
            ErrorKind::NotFound => out.with_hint("the block is not in this lake"),
            ErrorKind::Corrupt => out.with_hint(DAMAGE_HINT),
            _ => out,
        }
    }
}

impl From<CidError> for Error {
    fn from(error: CidError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        let error = match error {
            QueryError::Blocks(blocks) => return blocks.into(),
            QueryError::UnixFs(files) => return files.into(),
            // Names are resolved by this crate: its own error comes back as it was.
            QueryError::External(source) => match source.downcast::<Self>() {
                Ok(ours) => return *ours,
                Err(other) => QueryError::External(other),
            },
            other => other,
        };
        let kind = match error.kind() {
            QueryErrorKind::UnknownTable => ErrorKind::NotFound,
            QueryErrorKind::Corrupt => ErrorKind::Corrupt,
            QueryErrorKind::Resources | QueryErrorKind::Timeout | QueryErrorKind::Io => {
                ErrorKind::Unavailable
            }
            QueryErrorKind::Internal | QueryErrorKind::External => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        };
        let mut out = Self::new(kind, error.to_string());
        out.hint = error.hint().or_else(|| match kind {
            ErrorKind::NotFound => Some("`cidlake datasets` lists what there is".to_owned()),
            ErrorKind::Corrupt => Some(DAMAGE_HINT.to_owned()),
            _ => None,
        });
        if matches!(error, QueryError::Io { .. }) {
            out.source = error.into_source();
        }
        out
    }
}

impl From<UnixFsError> for Error {
    fn from(error: UnixFsError) -> Self {
        match error {
            UnixFsError::Blocks(blocks) => blocks.into(),
            other => {
                let kind = match &other {
                    UnixFsError::PathNotFound { .. } => ErrorKind::NotFound,
                    _ => ErrorKind::Invalid,
                };
                Self::new(kind, other.to_string())
            }
        }
    }
}

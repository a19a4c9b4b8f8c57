//! An operation: what is to be done, and how far it has come; plain data.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_block::codec::{CodecError, dag_cbor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cbor::Scan;
use crate::error::StoreError;
use crate::log::Lsn;

/// The longest name of a kind, in bytes.
const KIND_BYTES_MAX: usize = 32;
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// The most that parameters may take, in bytes.
const PARAMS_BYTES_MAX: usize = 64 << 10;
/// A longer text of a failure, a result or a worker is cut there, in bytes.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// How often an operation is tried, if nothing else is said.
const ATTEMPTS_MAX_DEFAULT: u32 = 6;

/// The number of an operation: that of the record which queued it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OperationId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// How far an operation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationStatus {
    /// It waits for its first attempt.
    Pending,
    /// Somebody has a lease of it, or had one and ended.
    Processing,
    /// It is done.
    Completed,
    /// It cannot succeed: no attempt more would help.
    Failed,
    /// An attempt failed, and it waits for the next.
    Retrying,
    /// Every attempt failed.
    Dead,
}

impl OperationStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Processing,
        Self::Completed,
        Self::Failed,
        Self::Retrying,
        Self::Dead,
    ];

    /// Returns the word that it goes by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }

    /// Returns the status that goes by `word`.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Returns whether nothing more happens to the operation by itself.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Dead)
    }
}

/// Parameters: a map from names to typed values, as DAG-CBOR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params(pub(super) Bytes);

impl Params {
    /// Returns the parameters that a value stands for, which must be a map or a struct.
    ///
    /// # Errors
    /// `Operation` when it is something else, has no DAG-CBOR form, or takes more than 64 KiB.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, StoreError> {
        let refuse = |detail: String| StoreError::Operation { detail };
        let bytes = dag_cbor::encode(value)
            .map_err(|error| refuse(format!("its parameters have no form: {error}")))?;
        if bytes.first().is_none_or(|first| first >> 5 != 5) {
            return Err(refuse("its parameters are not a map of names to values".to_owned()));
        }
        // What is written must be read again: nesting has a bound there.
        let mut scan = Scan(&bytes);
        if scan.map_bytes().is_none() || !scan.is_at_end() {
            return Err(refuse("its parameters are nested too deeply".to_owned()));
        }
        if bytes.len() > PARAMS_BYTES_MAX {
            let detail = format!(
                "its parameters take {} bytes, and at most {PARAMS_BYTES_MAX} are kept",
                bytes.len()
            );
            return Err(refuse(detail));
        }
        Ok(Self(bytes))
    }

    /// Reads the parameters as what a handler expects.
    ///
    /// # Errors
    /// When they are something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CodecError> {
        dag_cbor::decode(&self.0)
    }
}

impl Default for Params {
    fn default() -> Self {
        Self(Bytes::from_static(b"\xa0"))
    }
}

/// An operation to be queued.
#[derive(Debug, Clone)]
pub struct NewOperation {
    pub(super) kind: Arc<str>,
    pub(super) key: Option<Arc<str>>,
    pub(super) params: Params,
    pub(super) attempts_max: u32,
    pub(super) due_ms: u64,
}

impl NewOperation {
    /// Makes an operation of a kind that some handler knows.
    ///
    /// # Errors
    /// `Operation` when the kind is not a small letter followed by up to 31 small letters, digits,
    /// `_` and `-`.
    pub fn new(kind: &str, params: Params) -> Result<Self, StoreError> {
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let begins = kind.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || kind.len() > KIND_BYTES_MAX || !kind.bytes().all(is_plain) {
            let detail = format!(
                "{kind:?} is no kind: one is a small letter, then up to 31 small letters, digits, _ and -"
            );
            return Err(StoreError::Operation { detail });
        }
        let attempts_max = ATTEMPTS_MAX_DEFAULT;
        Ok(Self { kind: kind.into(), key: None, params, attempts_max, due_ms: 0 })
    }

    /// Gives it a key: while an operation with this key is known, it is not queued a second time.
    ///
    /// # Errors
    /// `Operation` when the key is empty or takes more than 256 bytes.
    pub fn with_key(mut self, key: &str) -> Result<Self, StoreError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let detail =
                format!("its key takes {} bytes, and 1 to {KEY_BYTES_MAX} are allowed", key.len());
            return Err(StoreError::Operation { detail });
        }
        self.key = Some(key.into());
        Ok(self)
    }

    /// Says how often it is tried before it is given up; at least once.
    #[must_use]
    pub fn with_attempts_max(self, attempts_max: u32) -> Self {
        Self { attempts_max: attempts_max.max(1), ..self }
    }

    /// Says that it is not to be tried before this moment, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn not_before(self, due_ms: u64) -> Self {
        Self { due_ms, ..self }
    }
}

/// The right to run an operation, until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The record that gave it. Every later lease has a higher number.
    pub token: Lsn,
    /// Who has it, for people to read.
    pub worker: Arc<str>,
    /// Until when, in milliseconds since the Unix epoch.
    pub until_ms: u64,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is, in a word.
    pub kind: String,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// Makes a failure; texts that are very long are cut.
    #[must_use]
    pub fn new(kind: &str, message: &str) -> Self {
        Self { kind: cut(kind), message: cut(message) }
    }
}

/// What an operation that is done has to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationResult {
    /// What it made or dealt with.
    pub cid: Option<Cid>,
    /// How much it made or dealt with, in bytes.
    pub size: Option<u64>,
    /// Where that is, or what became of it, for people to read.
    pub destination: Option<String>,
}

impl OperationResult {
    /// Returns the result with texts that are very long cut.
    #[must_use]
    pub(super) fn bounded(self) -> Self {
        Self { destination: self.destination.as_deref().map(cut), ..self }
    }
}

/// An operation of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub id: OperationId,
    /// What is to be done.
    pub kind: Arc<str>,
    /// What tells it from others that mean the same.
    pub key: Option<Arc<str>>,
    /// With what.
    pub params: Params,
    /// How far it has come.
    pub status: OperationStatus,
    /// When it was queued, in milliseconds since the Unix epoch.
    pub queued_ms: u64,
    /// Before when it is not to be tried, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// When it changed last, in milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// The record that changed it last.
    pub updated: Lsn,
    /// How many attempts were begun since it was queued, or told to be tried again.
    pub attempts: u32,
    /// How many there may be.
    pub attempts_max: u32,
    /// Who is at it.
    pub lease: Option<Box<Lease>>,
    /// How the last attempt failed, unless the operation is done.
    pub failure: Option<Box<Failure>>,
    /// What it has to show, where it is done.
    pub result: Option<Box<OperationResult>>,
}

impl Operation {
    /// Since when it may be tried, where it waits, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn ready_ms(&self) -> u64 {
        self.due_ms.max(self.queued_ms)
    }
}

/// Returns the text, or as much of its beginning as is kept.
pub(super) fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_kind_a_key_and_parameters_have_bounds() {
        let new = |kind: &str| NewOperation::new(kind, Params::default());
        for kind in ["", "Verify", "1st", "a b", "ä", &"a".repeat(33)] {
            assert!(new(kind).is_err(), "{kind}");
        }
        for kind in ["a", "verify", "fetch-2_x", &"a".repeat(32)] {
            assert!(new(kind).is_ok(), "{kind}");
        }
        assert!(new("a").unwrap().with_key("").is_err());
        assert!(new("a").unwrap().with_key(&"k".repeat(257)).is_err());
        assert_eq!(new("a").unwrap().with_attempts_max(0).attempts_max, 1);
        assert!(Params::of(&5).is_err());
        assert!(Params::of(&BTreeMap::from([("a", "x".repeat(70_000))])).is_err());
        let params = Params::of(&BTreeMap::from([("a", 1)])).unwrap();
        assert_eq!(params.read::<BTreeMap<String, u8>>().unwrap()["a"], 1);
        assert!(params.read::<BTreeMap<String, String>>().is_err());
    }

    #[test]
    fn parameters_that_are_taken_can_be_read_however_deep_they_are() {
        for depth in 1..130 {
            let nested = (0..depth).fold(Nested::Number(0), |inner, _| Nested::List(vec![inner]));
            let taken = Params::of(&BTreeMap::from([("a", nested)]));
            let is_read = taken
                .as_ref()
                .is_ok_and(|params| Scan(&params.0).map_bytes() == Some(&params.0[..]));
            assert_eq!(taken.is_ok(), is_read, "{depth}");
            assert_eq!(taken.is_ok(), depth < 63, "{depth}");
        }
    }

    #[derive(serde::Serialize)]
    #[serde(untagged)]
    enum Nested {
        Number(u8),
        List(Vec<Self>),
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = format!("{}ä", "a".repeat(TEXT_BYTES_MAX - 1));
        assert_eq!(cut(&long), "a".repeat(TEXT_BYTES_MAX - 1));
    }

    #[test]
    fn every_status_is_told_by_its_word() {
        for status in OperationStatus::ALL {
            assert_eq!(OperationStatus::of_word(status.word()), Some(status));
        }
        assert_eq!(OperationStatus::of_word("done"), None);
    }
}

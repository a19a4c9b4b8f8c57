//! References: what a person or a query writes to mean one version of a table.
//!
//! Only the text is judged here. Whether the dataset, the version or the block exists is for
//! those who can look.

use cidlake_block::{Cid, CidError, parse_cid};

use crate::limits::REFERENCE_BYTES_MAX;
use crate::name::{Name, NameError};
use crate::tag::{Tag, TagError};
use crate::time::{self, TimeError};

/// A parsed reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A dataset by name, at one of its versions.
    Dataset {
        /// The dataset.
        name: Name,
        /// Which version.
        at: At,
    },
    /// A block by its address: a commit, or content.
    Cid(Cid),
}

/// Which version of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest.
    Head,
    /// So many commits before the newest; 0 is the newest.
    Back(u32),
    /// The commit with this address.
    Commit(Cid),
    /// The newest commit made at this moment or earlier.
    Time {
        /// Milliseconds since the Unix epoch.
        unix_ms: u64,
    },
    /// The version with this tag.
    Tag(Tag),
}

/// Why a text is no reference.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The name in it is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It looks like a CID and is none.
    #[error(transparent)]
    Cid(#[from] CidError),
    /// The moment behind `@` is malformed.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// What stands behind `@` is neither a time nor a CID, and no tag either.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// What stands behind `~` is not a number of commits.
    #[error("{count:?} is not a number of versions: write name~2 for two versions back")]
    BadCount {
        /// What was written, at most its first characters.
        count: String,
    },
    /// Nothing stands behind `@`.
    #[error("nothing follows the @: write name@COMMIT, name@2026-01-31T12:00:00Z or name@TAG")]
    NoVersion,
    /// The text is longer than any reference.
    #[error("a reference of {bytes} bytes is too long: no name or CID takes {REFERENCE_BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A CID already is one version.
    #[error("a CID already is one version: leave out what follows it")]
    VersionOfCid,
}

impl Reference {
    /// Parses `name`, `name@COMMIT`, `name~N`, `name@TIME`, `name@TAG` or a CID.
    ///
    /// A time is an RFC 3339 timestamp, or a plain date for its first moment in UTC. What reads
    /// as a CID is one; no name does.
    ///
    /// # Errors
    /// Says which part of the text is wrong.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > REFERENCE_BYTES_MAX {
            return Err(ReferenceError::TooLong { bytes: text.len() });
        }
        let Some(place) = text.find(['@', '~']) else {
            return parse_plain(text);
        };
        let (base, version) = text.split_at(place);
        let name = match Name::parse(base) {
            Ok(name) => name,
            Err(_) if parse_cid(base).is_ok() => return Err(ReferenceError::VersionOfCid),
            Err(error) => return Err(error.into()),
        };
        let at = match version.strip_prefix('~') {
            Some(count) => At::Back(parse_count(count)?),
            None => parse_at(version.get(1..).unwrap_or_default())?,
        };
        Ok(Self::Dataset { name, at })
    }
}

fn parse_plain(text: &str) -> Result<Reference, ReferenceError> {
    let not_cid = match parse_cid(text) {
        Ok(cid) => return Ok(Reference::Cid(cid)),
        Err(error) => error,
    };
    match Name::parse(text) {
        Ok(name) => Ok(Reference::Dataset { name, at: At::Head }),
        // Whoever wrote this meant a CID: say what is wrong with that.
        Err(_) if meant_as_cid(text) => Err(not_cid.into()),
        Err(error) => Err(error.into()),
    }
}

/// Says whether a text that is neither a CID nor a name was meant as the former.
fn meant_as_cid(text: &str) -> bool {
    const STARTS: [&str; 4] = ["/ipfs/", "ipfs://", "baf", "Qm"];
    STARTS.iter().any(|start| text.starts_with(start))
}

fn parse_count(count: &str) -> Result<u32, ReferenceError> {
    // The standard parser would also take a plus sign.
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    match count.parse() {
        Ok(number) if digits => Ok(number),
        _ => Err(ReferenceError::BadCount { count: count.chars().take(20).collect() }),
    }
}

/// Parses what follows `@`. No tag and no supported text form of a CID begins with a digit; every
/// time does.
fn parse_at(version: &str) -> Result<At, ReferenceError> {
    match version.bytes().next() {
        None => Err(ReferenceError::NoVersion),
        Some(b'0'..=b'9') => Ok(At::Time { unix_ms: time::parse(version)? }),
        Some(_) => match parse_cid(version) {
            Ok(cid) => Ok(At::Commit(cid)),
            Err(error) if meant_as_cid(version) => Err(error.into()),
            Err(_) => Ok(At::Tag(Tag::parse(version)?)),
        },
    }
}

#[cfg(test)]
mod tests;

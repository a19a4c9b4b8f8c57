//! Tags: fixed words for versions of a dataset, written `name@tag`.
//!
//! What follows the `@` of a reference is also a time or a CID, so no tag reads as either: times
//! begin with a digit, CIDs are refused. Which version a tag means is for the catalog to say, in
//! which a [`Label`] is what has a value.

use std::fmt;

use cidlake_block::parse_cid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::TAG_BYTES_MAX;
use crate::name::Name;

/// Words that would be read as the version that is the newest just now, which a tag is not.
const RESERVED: [&str; 2] = ["head", "latest"];
/// What every CID of this lake begins with in its usual text form.
const CID_PREFIX: &str = "baf";

/// A fixed word for a version of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// What the catalog has values of: a name, or one of its tags. Ordered by name, and a name stands
/// before its tags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The name.
    pub name: Name,
    /// The tag, or `None` for the name itself.
    pub tag: Option<Tag>,
}

/// Why a text cannot be a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// It has no characters.
    #[error("the tag is empty: write a word such as v1 or before-import")]
    Empty,
    /// It is too long.
    #[error("the tag is {bytes} bytes long: use at most {TAG_BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It begins with something that no tag begins with.
    #[error("the tag begins with {character:?}: begin with a letter a-z or an underscore")]
    BadStart {
        /// The offending character.
        character: char,
    },
    /// A character that no tag has.
    #[error(
        "character {position} of the tag is {character:?}: use only a-z, 0-9, underscore, hyphen \
         and dot"
    )]
    BadCharacter {
        /// The offending character.
        character: char,
        /// Its place in the tag, counted in characters from 1.
        position: usize,
    },
    /// A word that would be misread.
    #[error("{word} is reserved, since the newest version is meant without a tag: choose another")]
    Reserved {
        /// The word.
        word: &'static str,
    },
    /// The text reads as a CID, or begins like one.
    #[error("the tag would be taken for a CID: choose one that does not look like a CID")]
    LikeCid,
}

impl Tag {
    /// Parses a tag: a letter or an underscore, then letters, digits and `_`, `-`, `.`.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        let first = text.chars().next().ok_or(TagError::Empty)?;
        if !matches!(first, 'a'..='z' | '_') {
            return Err(TagError::BadStart { character: first });
        }
        let bad = |character: &char| !matches!(character, 'a'..='z' | '0'..='9' | '_' | '-' | '.');
        if let Some((index, character)) = text.chars().enumerate().find(|(_, found)| bad(found)) {
            return Err(TagError::BadCharacter { character, position: index + 1 });
        }
        if text.len() > TAG_BYTES_MAX {
            return Err(TagError::TooLong { bytes: text.len() });
        }
        if let Some(word) = RESERVED.into_iter().find(|word| *word == text) {
            return Err(TagError::Reserved { word });
        }
        if text.starts_with(CID_PREFIX) || parse_cid(text).is_ok() {
            return Err(TagError::LikeCid);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes it as a reference does.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "{}@{tag}", self.name),
            None => self.name.fmt(f),
        }
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .map_err(|error| serde::de::Error::custom(format_args!("a tag is malformed: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_plain_word() {
        let longest = "x".repeat(64);
        for text in ["v1", "_", "a", "v1.2.3-rc_1", "heads", "ba", longest.as_str()] {
            assert_eq!(Tag::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cid = cidlake_block::cid_of(cidlake_block::Codec::DagCbor, b"a commit");
        let base36 = cidlake_block::format_cid(&cid, cidlake_block::Base::B36).unwrap();
        for (text, expected) in [
            ("", TagError::Empty),
            ("2026-01-31", TagError::BadStart { character: '2' }),
            ("-v1", TagError::BadStart { character: '-' }),
            (".v1", TagError::BadStart { character: '.' }),
            ("V1", TagError::BadStart { character: 'V' }),
            ("v1A", TagError::BadCharacter { character: 'A', position: 3 }),
            ("v 1", TagError::BadCharacter { character: ' ', position: 2 }),
            ("größe", TagError::BadCharacter { character: 'ö', position: 3 }),
            ("a/b", TagError::BadCharacter { character: '/', position: 2 }),
            (&"x".repeat(65), TagError::TooLong { bytes: 65 }),
            ("head", TagError::Reserved { word: "head" }),
            ("latest", TagError::Reserved { word: "latest" }),
            ("baf", TagError::LikeCid),
            ("bafoon", TagError::LikeCid),
            (&base36, TagError::LikeCid),
        ] {
            assert_eq!(Tag::parse(text).unwrap_err(), expected, "{text:?}");
        }
    }
}

//! Names of datasets: `namespace.table`, where `main` is the namespace nobody has to write.
//!
//! The rules keep a name usable everywhere without quoting or escaping: as an SQL identifier
//! (which folds to lower case), as a file name, in a URL. Whether a name is taken is not known here.

use std::fmt;

use cidlake_block::parse_cid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::NAME_PART_BYTES_MAX;

/// The namespace of a name written without one.
const DEFAULT_NAMESPACE: &str = "main";
/// Words that the query engine answers itself.
const RESERVED: [&str; 3] = ["datasets", "system", "information_schema"];
/// What every CID of this lake begins with in its usual text form.
const CID_PREFIX: &str = "baf";

/// The name of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    namespace: String,
    table: String,
}

/// Why a text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name, or one side of its dot, has no characters.
    #[error("the {part} is empty: write a table name such as users, or namespace.table")]
    Empty {
        /// Which side of the dot.
        part: NamePart,
    },
    /// There is more than one dot.
    #[error("it has {parts} parts between dots: write table or namespace.table")]
    TooManyParts {
        /// Parts between dots.
        parts: usize,
    },
    /// One side of the dot is too long.
    #[error("the {part} is {bytes} bytes long: use at most {NAME_PART_BYTES_MAX}")]
    TooLong {
        /// Which side of the dot.
        part: NamePart,
        /// Its length in bytes.
        bytes: usize,
    },
    /// Upper case, which SQL would fold away.
    #[error("names are lower case, as SQL folds them: write {lower}")]
    UpperCase {
        /// The whole name in lower case.
        lower: String,
    },
    /// One side of the dot begins with a digit or a hyphen.
    #[error("the {part} begins with {character:?}: begin with a letter a-z or an underscore")]
    BadStart {
        /// Which side of the dot.
        part: NamePart,
        /// The offending character.
        character: char,
    },
    /// A character that no name has.
    #[error(
        "character {position} of the {part} is {character:?}: use only a-z, 0-9, underscore and hyphen"
    )]
    BadCharacter {
        /// Which side of the dot.
        part: NamePart,
        /// The offending character.
        character: char,
        /// Its place in that side, counted in characters from 1.
        position: usize,
    },
    /// A word that the query engine answers itself.
    #[error("{word} is reserved: choose another {part}")]
    Reserved {
        /// Which side of the dot.
        part: NamePart,
        /// The word.
        word: &'static str,
    },
    /// The text reads as a CID, or begins like one.
    #[error("the {part} would be taken for a CID: choose one that does not look like a CID")]
    LikeCid {
        /// Which side of the dot.
        part: NamePart,
    },
}

/// One side of a name's dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePart {
    /// What is left of the dot.
    Namespace,
    /// What is right of the dot, or all of a name without one.
    Table,
}

impl fmt::Display for NamePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespace => "namespace",
            Self::Table => "table name",
        })
    }
}

impl Name {
    /// Parses `table` or `namespace.table`.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (namespace, table) = match text.split_once('.') {
            None => (DEFAULT_NAMESPACE, text),
            Some((namespace, table)) if !table.contains('.') => (namespace, table),
            Some(_) => {
                return Err(NameError::TooManyParts { parts: text.split('.').count() });
            }
        };
        check_part(NamePart::Namespace, namespace)?;
        check_part(NamePart::Table, table)?;
        // Last, so that the form it suggests breaks no other rule.
        if text.contains(|character: char| character.is_ascii_uppercase()) {
            return Err(NameError::UpperCase { lower: text.to_ascii_lowercase() });
        }
        Ok(Self { namespace: namespace.to_owned(), table: table.to_owned() })
    }

    /// Returns the namespace, `main` where none was written.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the name within the namespace.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns `namespace.table`, with the namespace even where it is `main`: the form in blocks.
    #[must_use]
    pub fn full(&self) -> String {
        format!("{}.{}", self.namespace, self.table)
    }
}

/// Writes the shortest text that parses to this name.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace == DEFAULT_NAMESPACE {
            f.write_str(&self.table)
        } else {
            write!(f, "{}.{}", self.namespace, self.table)
        }
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{}", self.namespace, self.table))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .map_err(|error| serde::de::Error::custom(format_args!("a name is malformed: {error}")))
    }
}

/// Checks every rule but that of lower case.
fn check_part(part: NamePart, word: &str) -> Result<(), NameError> {
    let Some(first) = word.chars().next() else {
        return Err(NameError::Empty { part });
    };
    let bad =
        |character: &char| !matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-');
    if let Some((index, character)) = word.chars().enumerate().find(|(_, found)| bad(found)) {
        return Err(NameError::BadCharacter { part, character, position: index + 1 });
    }
    if matches!(first, '0'..='9' | '-') {
        return Err(NameError::BadStart { part, character: first });
    }
    if word.len() > NAME_PART_BYTES_MAX {
        return Err(NameError::TooLong { part, bytes: word.len() });
    }
    if let Some(reserved) = RESERVED.iter().find(|reserved| word.eq_ignore_ascii_case(reserved)) {
        return Err(NameError::Reserved { part, word: reserved });
    }
    if starts_like_cid(word) || parse_cid(word).is_ok() {
        return Err(NameError::LikeCid { part });
    }
    Ok(())
}

/// Says whether `word` begins as CIDs of this lake do, in either case.
fn starts_like_cid(word: &str) -> bool {
    word.get(..CID_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(CID_PREFIX))
}

#[cfg(test)]
mod tests;

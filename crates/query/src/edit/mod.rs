//! Changing some rows of a table: which rows a condition or a key means in a part, and the rows
//! that the part has afterwards.
//!
//! Everything is done part by part, in canonical types, and nothing is encoded, written or named
//! here. A part in which nothing changes is not made anew, so it keeps its bytes.

mod delete;
mod keys;
mod upsert;

pub use self::delete::{Condition, remaining};
pub use self::keys::{Held, KEYS_MAX, KeyColumns, KeyFault, KeySet};
pub use self::upsert::{KeyedRows, Match, Merged};

pub(crate) use self::keys::Keys;

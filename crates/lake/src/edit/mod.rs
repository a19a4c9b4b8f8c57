//! Operations that make a new version of a dataset out of the parts of an older one, a file each.
//! Rows from outside come in through `write`.

pub(crate) mod alter;
pub(crate) mod compact;
pub(crate) mod delete;
pub(crate) mod restore;
pub(crate) mod upsert;

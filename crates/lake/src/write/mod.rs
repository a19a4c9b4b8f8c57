//! Writing a new version of a dataset: rows, in the order of their partitions ([`grouped`]), become
//! parts ([`pipeline`]), parts and words become a
//! commit, and the commit gets its name ([`publish`]).
//!
//! What the rows are, and which parts stay, is for the operations to say: [`store`] here, others in
//! `edit/`. They describe a version in the making as a [`Next`].

mod draft;
mod grouped;
mod kept;
mod keys;
mod next;
mod pipeline;
mod publish;
mod reread;
mod store;

pub(crate) use draft::count;
pub(crate) use kept::partition_of;
pub(crate) use keys::{KEY_DRAFTS_MAX, key_error, key_of, too_busy};
pub(crate) use next::{Next, NextParts};
pub(crate) use pipeline::{Incoming, StoredParts};
pub(crate) use publish::{Published, overtaken};
pub use store::{ExpectedHead, StoreMode, StoreRequest, Stored};
pub(crate) use store::{check_append, described, incoming};

//! A version in the making: what an operation says of it before it is drafted against the newest
//! head. Nothing is read or written here.

use std::collections::BTreeMap;

use cidlake_catalog::{Commit, Part};
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::layout;

use crate::error::Error;

/// Everything of a commit that is not worked out from its parts, its head or its author.
pub(crate) struct Next {
    /// What makes this version, as its commit says it.
    pub(crate) operation: &'static str,
    /// The schema as the user gave it.
    pub(crate) schema: SchemaRef,
    /// The columns whose values decide where parts end; none means all.
    pub(crate) cut_columns: Vec<String>,
    /// The columns that identify a row; none where none are known to.
    pub(crate) key_columns: Vec<String>,
    /// The columns whose values are folders of the content.
    pub(crate) partition_columns: Vec<String>,
    /// Free words of the user.
    pub(crate) metadata: BTreeMap<String, String>,
    /// What the author says about the version.
    pub(crate) message: Option<String>,
    /// What it is made of.
    pub(crate) parts: NextParts,
}

/// The parts of a version in the making.
pub(crate) enum NextParts {
    /// All of them, in row order.
    All(Vec<Part>),
    /// Those of the head, and these behind them.
    Behind(Vec<Part>),
    /// Those of the head.
    Same,
}

impl Next {
    /// Describes a version that differs from `head` in nothing but what the caller then changes.
    pub(crate) fn after(head: &Commit, operation: &'static str) -> Result<Self, Error> {
        Ok(Self {
            operation,
            schema: layout::schema_from_bytes(&head.schema)?,
            cut_columns: head.cut_columns.clone(),
            key_columns: head.key_columns.clone(),
            partition_columns: head.partition_columns.clone(),
            metadata: head.metadata.clone(),
            message: None,
            parts: NextParts::Same,
        })
    }
}

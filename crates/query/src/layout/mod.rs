//! Layout profile `parquet-1`: from rows in the user's types to content-addressed Parquet parts.
//!
//! Rows are made canonical ([`canonical`]), cut into row groups by their values ([`RowGroups`]),
//! and each row group is encoded as a Parquet file of its own, cut into leaves at its pages
//! ([`encode_part`]); [`content_root`] hangs the parts under one CID, and `single_file` hangs
//! the same leaves under one that is a single Parquet file. Everything here is a pure
//! function of its input: no names, no time, no thread count, no batch boundaries leave a trace.
//! Reading parts back is not here, except for [`canonical::restore`], the way back to the user's
//! types.

pub mod canonical;

mod alter;
mod chunk;
mod content;
mod convert;
mod cut_hash;
mod dense;
mod dictionary;
mod encoding;
mod flat;
mod footer;
mod indexes;
mod leaf_map;
mod leaves;
mod logical_hash;
mod part;
mod partition;
mod restore;
mod reuse;
mod row_groups;
mod row_hash;
mod schema;
mod single_file;
mod size;
mod stats;
mod widen;

#[cfg(test)]
mod tests;

pub use alter::{Alteration, ColumnSource, alter_part};
pub use canonical::{canonical_schema, restore};
pub use content::{
    Content, Folders, PARTS_PER_FOLDER, content_root, grown_root, in_partition_order,
    partitioned_root,
};
pub use leaf_map::{LeafInfo, LeafKind};
pub use logical_hash::RowsHash;
pub use part::{EncodedPart, encode_part};
pub use partition::{Grouping, PartitionValues, Partitioning, encode_partitioned};
pub use reuse::{StoredPart, encode_edited};
pub use row_groups::{CutRule, ROW_GROUP_BYTES, ROW_GROUP_BYTES_MAX, RowGroup, RowGroups};
pub use schema::{schema_from_bytes, schema_to_bytes};
pub use single_file::SingleFile;
pub use widen::widens;

pub(crate) use convert::{CHECKED, canonical_array, canonical_batches};
pub(crate) use leaf_map::leaf_map;
pub(crate) use row_hash::row_hashes;
pub(crate) use schema::column_index;
pub(crate) use single_file::{LaidPart, single_file};
pub(crate) use size::logical_bytes;

/// The name of this profile in commits. Any change of the bytes that a table becomes is a new
/// profile with a new name.
pub const PROFILE: &str = "parquet-1";

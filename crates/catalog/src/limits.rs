//! Every bound of the catalog's blocks and names, with the relations between them.
//!
//! Bounds are part of the format: a value beyond one is refused when written and when read.

use cidlake_block::limits::{BLOCK_BYTES_MAX, CID_BYTES_MAX};

/// Longest namespace or table name, in bytes.
pub const NAME_PART_BYTES_MAX: usize = 64;

/// Longest text that is looked at as a reference, in bytes: a name with a namespace and a CID in
/// its longest form take less.
pub const REFERENCE_BYTES_MAX: usize = 1_024;

/// Most parents of one delta.
pub const PARENTS_MAX: usize = 1_024;
/// Most names that one delta changes.
pub const CHANGES_MAX: usize = 4_096;
/// Most dots that one change supersedes.
pub const OVER_MAX: usize = 1_024;
/// Largest delta block, in bytes.
pub const DELTA_BYTES_MAX: usize = 1 << 20;

/// How far ahead of the local clock, in milliseconds, another clock may run and still move ours:
/// one day, so that a machine set to local time instead of UTC is still followed.
pub const CLOCK_AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Latest wall clock that a delta may carry: the end of the year 9999, in Unix milliseconds.
pub const WALL_MS_MAX: u64 = 253_402_300_799_999;

/// Largest commit block, in bytes.
pub const COMMIT_BYTES_MAX: usize = BLOCK_BYTES_MAX;
/// Largest part list block, in bytes.
pub const PART_LIST_BYTES_MAX: usize = 512 << 10;
/// Parts in a part list on average; a power of two.
pub const PART_LIST_PARTS_AVERAGE: u64 = 32;
/// Longest text or byte string kept as a column statistic, in bytes.
pub const STAT_BYTES_MAX: usize = 64;

/// Bytes of the longest link as DAG-CBOR writes it: a tag, a head, a zero byte and the CID.
const LINK_BYTES_MAX: usize = 2 + 2 + 1 + CID_BYTES_MAX;

// A change that supersedes as much as it may, in a delta with as many parents as it may have,
// still fits: a name with very many concurrent values can always be settled.
const _: () = assert!((PARENTS_MAX + OVER_MAX) * LINK_BYTES_MAX + 1_024 <= DELTA_BYTES_MAX);
const _: () = assert!(DELTA_BYTES_MAX <= BLOCK_BYTES_MAX);
const _: () = assert!(PART_LIST_BYTES_MAX <= BLOCK_BYTES_MAX);
const _: () = assert!(PART_LIST_PARTS_AVERAGE.is_power_of_two());

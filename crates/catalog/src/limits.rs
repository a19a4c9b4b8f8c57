//! Every bound of the catalog's blocks and names, with the relations between them.
//!
//! Bounds are part of the format: a value beyond one is refused when written and when read.

use cidlake_block::limits::{BLOCK_BYTES_MAX, CID_BYTES_MAX};

/// Longest namespace or table name, in bytes.
pub const NAME_PART_BYTES_MAX: usize = 64;

/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 64;
/// Most tags of one dataset.
pub const TAGS_MAX: usize = 1_024;

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
/// Entries of a part list on average, parts or links; a power of two.
pub const PART_LIST_ENTRIES_AVERAGE: u64 = 32;
/// Fewest links of a part list of links, unless it is the last of its level: so every level is
/// shorter than the one below it.
pub const PART_LIST_LINKS_MIN: usize = 8;
/// Most part lists that a commit links; more of them are listed in lists of their own.
pub const PART_LISTS_MAX: usize = 32;
/// Largest encoded link to a part list, in bytes: without room for statistics, they are left out.
pub const PART_LIST_LINK_BYTES_MAX: usize = 16 << 10;
/// Most parts of one version of a table.
pub const PARTS_MAX: u64 = 1 << 24;
/// Most levels of lists of links above the lists of parts.
pub const PART_LIST_HEIGHT_MAX: u8 = 8;
/// Longest text or byte string kept as a column statistic, in bytes.
pub const STAT_BYTES_MAX: usize = 64;

/// Bytes of the longest link as DAG-CBOR writes it: a tag, a head, a zero byte and the CID.
const LINK_BYTES_MAX: usize = 2 + 2 + 1 + CID_BYTES_MAX;
/// Bytes of a change of a tag over one dot, at most and with SHA2-256 in its CIDs: its keys, two
/// sides of a name, a tag, and two links.
const CHANGE_BYTES_MAX: usize = 64 + 2 * NAME_PART_BYTES_MAX + 1 + TAG_BYTES_MAX + 2 * 41;

// A change that supersedes as much as it may, in a delta with as many parents as it may have,
// still fits: a name with very many concurrent values can always be settled.
const _: () = assert!((PARENTS_MAX + OVER_MAX) * LINK_BYTES_MAX + 1_024 <= DELTA_BYTES_MAX);
const _: () = assert!(DELTA_BYTES_MAX <= BLOCK_BYTES_MAX);
const _: () = assert!(PART_LIST_BYTES_MAX <= BLOCK_BYTES_MAX);
const _: () = assert!(PART_LIST_ENTRIES_AVERAGE.is_power_of_two());
// A list of links has room for as many as it must have, and a commit for what it links.
const _: () = assert!((PART_LIST_LINKS_MIN + 1) * PART_LIST_LINK_BYTES_MAX <= PART_LIST_BYTES_MAX);
const _: () = assert!(PART_LISTS_MAX * PART_LIST_LINK_BYTES_MAX <= COMMIT_BYTES_MAX / 4);
// A link without statistics always fits: it has six keys and five numbers besides its CID.
const _: () = assert!(LINK_BYTES_MAX + 128 <= PART_LIST_LINK_BYTES_MAX);
// Where every list of links has the fewest, all parts there may be are under one list.
const _: () =
    assert!(PARTS_MAX.div_ceil((PART_LIST_LINKS_MIN as u64).pow(PART_LIST_HEIGHT_MAX as u32)) <= 1);
// A dataset can be dropped or renamed with all its tags in one delta.
const _: () = assert!(2 * (TAGS_MAX + 1) <= CHANGES_MAX);
const _: () = assert!(2 * (TAGS_MAX + 1) * CHANGE_BYTES_MAX + 1_024 <= DELTA_BYTES_MAX);

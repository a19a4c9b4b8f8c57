//! Every bound of this crate, with the relations between them checked when it compiles.

/// Largest block that is read; the largest that every peer of the network accepts.
pub const BLOCK_BYTES_MAX: usize = 2 << 20;
/// Largest digest inside a CID, in bytes.
pub const DIGEST_BYTES_MAX: usize = 64;
/// Longest binary CID: version, codec, hash code and digest length as varints, and the digest.
pub const CID_BYTES_MAX: usize = 4 * 9 + DIGEST_BYTES_MAX;
/// Deepest nesting of a DAG-CBOR value.
pub const CBOR_DEPTH_MAX: usize = 128;
/// Most links of one block that are followed.
pub const LINKS_MAX: usize = 1 << 17;
/// Largest header of a CAR file.
pub const CAR_HEADER_BYTES_MAX: usize = 1 << 20;
/// Largest section of a CAR file: a CID and a block.
pub const CAR_SECTION_BYTES_MAX: usize = BLOCK_BYTES_MAX + CID_BYTES_MAX;
/// Deepest UnixFS file that is read: 1024 links a node reach 2^60 leaves in six levels.
pub const UNIXFS_DEPTH_MAX: usize = 32;

const _: () = assert!(CAR_SECTION_BYTES_MAX > BLOCK_BYTES_MAX);
const _: () = assert!(CAR_HEADER_BYTES_MAX < BLOCK_BYTES_MAX);

//! A block: bytes that are known to match their CID. There is no other way to one than hashing.

use bytes::Bytes;
use multihash_codetable::{Code, MultihashDigest as _};

use crate::cid::{BLAKE3, Cid, CidError, Codec, IDENTITY, SHA2_256, check, cid_of};
use crate::limits::BLOCK_BYTES_MAX;

/// Bytes that match their CID. Clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    data: Bytes,
}

/// Bytes that are said to match a CID: what comes from disk, network or users.
#[derive(Clone, Debug)]
pub struct UnverifiedBlock {
    /// The CID that the bytes are said to have.
    pub cid: Cid,
    /// The bytes.
    pub data: Bytes,
}

/// Why bytes are not the block that they are said to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The bytes hash to something else.
    #[error("the bytes said to be {cid} hash to {actual}")]
    Mismatch {
        /// The CID that was promised.
        cid: Cid,
        /// The CID that the bytes have.
        actual: Cid,
    },
    /// The block is larger than any peer accepts.
    #[error("{cid} has {len} bytes; at most {BLOCK_BYTES_MAX} are accepted")]
    TooLarge {
        /// The CID.
        cid: Cid,
        /// The length of the bytes.
        len: usize,
    },
    /// The CID's hash cannot be verified.
    #[error(transparent)]
    Cid(#[from] CidError),
}

impl Block {
    /// Makes a block of our own bytes; its CID is computed.
    #[must_use]
    pub fn new(codec: Codec, data: Bytes) -> Self {
        Self { cid: cid_of(codec, &data), data }
    }

    /// Returns the CID.
    #[must_use]
    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Returns how many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Returns whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Returns both.
    #[must_use]
    pub fn into_parts(self) -> (Cid, Bytes) {
        (self.cid, self.data)
    }

    /// Returns the same bytes under another CID with the same hash: a codec says how to read a
    /// block, not what its bytes are. `None` when the hashes differ.
    #[must_use]
    pub fn with_cid(self, cid: Cid) -> Option<Self> {
        (self.cid.hash() == cid.hash()).then_some(Self { cid, data: self.data })
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block")
            .field("cid", &self.cid.to_string())
            .field("len", &self.data.len())
            .finish()
    }
}

impl UnverifiedBlock {
    /// Hashes the bytes and compares.
    ///
    /// # Errors
    /// [`BlockError::Mismatch`] when the bytes are others; also when they are too many or the
    /// hash is unknown.
    pub fn verify(self) -> Result<Block, BlockError> {
        let Self { cid, data } = self;
        if data.len() > BLOCK_BYTES_MAX {
            return Err(BlockError::TooLarge { cid, len: data.len() });
        }
        let cid = check(cid)?;
        let wanted = cid.hash();
        let actual = match wanted.code() {
            IDENTITY if wanted.digest() == &data[..] => return Ok(Block { cid, data }),
            SHA2_256 => Code::Sha2_256.digest(&data),
            BLAKE3 => Code::Blake3_256.digest(&data),
            _ => Code::Sha2_256.digest(&data),
        };
        if actual == *wanted {
            return Ok(Block { cid, data });
        }
        Err(BlockError::Mismatch { cid, actual: Cid::new_v1(cid.codec(), actual) })
    }
}

//! CIDs: making, parsing and printing them. What hash they hold is checked here, once.

use multibase::Base as Multibase;
use multihash_codetable::{Code, MultihashDigest as _};

pub use ::cid::Cid;

use crate::limits::DIGEST_BYTES_MAX;

/// Multihash code of the identity "hash", whose digest is the data itself.
pub const IDENTITY: u64 = 0x00;
/// Multihash code of sha2-256.
pub const SHA2_256: u64 = 0x12;
/// Multihash code of BLAKE3.
pub const BLAKE3: u64 = 0x1e;

/// How the data of a block is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Plain bytes.
    Raw,
    /// Protobuf nodes with links, the stuff of UnixFS.
    DagPb,
    /// CBOR with links.
    DagCbor,
}

/// The text bases in which CIDs are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Lower-case base 32: the default.
    B32,
    /// Lower-case base 36: fits the labels of domain names.
    B36,
    /// Base 58 as Bitcoin writes it; the only base of version 0.
    B58,
}

/// Why text or bytes are not a CID that can be used here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CidError {
    /// The text does not parse.
    #[error("{text:?} is not a CID")]
    Malformed {
        /// What was given, cut to a readable length.
        text: String,
        /// What the parser says.
        source: ::cid::Error,
    },
    /// The codec is not one that is understood here.
    #[error("{cid} has the codec {code:#x}; raw, dag-pb and dag-cbor are understood")]
    UnsupportedCodec {
        /// The CID.
        cid: Cid,
        /// Its codec.
        code: u64,
    },
    /// The hash cannot be verified here.
    #[error("{cid} uses the hash {code:#x}; sha2-256, BLAKE3 and identity are understood")]
    UnsupportedHash {
        /// The CID.
        cid: Cid,
        /// The multihash code.
        code: u64,
    },
    /// The digest has a length that its hash does not have.
    #[error("{cid} has a digest of {len} bytes, which its hash does not have")]
    BadDigest {
        /// The CID.
        cid: Cid,
        /// The digest's length.
        len: usize,
    },
    /// The CID cannot be written in the base.
    #[error("{cid} cannot be written in that base: version 0 is base 58 alone")]
    Base {
        /// The CID.
        cid: Cid,
    },
}

impl Codec {
    /// Returns the multicodec code.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Raw => 0x55,
            Self::DagPb => 0x70,
            Self::DagCbor => 0x71,
        }
    }

    /// Returns the codec of `cid`.
    ///
    /// # Errors
    /// [`CidError::UnsupportedCodec`] for any other.
    pub fn of(cid: &Cid) -> Result<Self, CidError> {
        [Self::Raw, Self::DagPb, Self::DagCbor]
            .into_iter()
            .find(|codec| codec.code() == cid.codec())
            .ok_or(CidError::UnsupportedCodec { cid: *cid, code: cid.codec() })
    }
}

/// Returns the version 1 CID of `data` by sha2-256.
///
/// ```
/// use cidlake_block::{Codec, cid_of};
/// let cid = cid_of(Codec::Raw, b"hello world");
/// assert_eq!(cid.to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
/// ```
#[must_use]
pub fn cid_of(codec: Codec, data: &[u8]) -> Cid {
    Cid::new_v1(codec.code(), Code::Sha2_256.digest(data))
}

/// Takes the CID that stands in binary at the beginning of `bytes`; none where none stands there.
#[must_use]
pub fn take_cid(bytes: &mut &[u8]) -> Option<Cid> {
    let mut rest = *bytes;
    let cid = Cid::read_bytes(&mut rest).ok()?;
    *bytes = rest;
    Some(cid)
}

/// Parses a CID of version 0 or 1 in any multibase, alone or behind `/ipfs/` or `ipfs://`.
///
/// # Errors
/// Says whether the text is malformed or the hash is one that cannot be verified here.
///
/// ```
/// use cidlake_block::parse_cid;
/// let cid = parse_cid("ipfs://bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e").unwrap();
/// assert_eq!(cid.codec(), 0x55);
/// assert!(parse_cid("bafynonsense!").is_err());
/// ```
pub fn parse_cid(text: &str) -> Result<Cid, CidError> {
    let bare = text.strip_prefix("/ipfs/").or_else(|| text.strip_prefix("ipfs://"));
    let bare = bare.unwrap_or(text);
    let malformed = |source| CidError::Malformed { text: shorten(text), source };
    // The parser underneath accepts a path around a CID; a CID alone is what is meant here.
    if bare.contains('/') {
        return Err(malformed(::cid::Error::ParsingError));
    }
    let cid: Cid = bare.parse().map_err(malformed)?;
    check(cid)
}

/// Checks that the hash of `cid` can be verified here.
pub(crate) fn check(cid: Cid) -> Result<Cid, CidError> {
    let len = cid.hash().digest().len();
    match cid.hash().code() {
        SHA2_256 | BLAKE3 if len == 32 => Ok(cid),
        IDENTITY if len <= DIGEST_BYTES_MAX => Ok(cid),
        SHA2_256 | BLAKE3 | IDENTITY => Err(CidError::BadDigest { cid, len }),
        code => Err(CidError::UnsupportedHash { cid, code }),
    }
}

/// Prints a CID in a base.
///
/// # Errors
/// [`CidError::Base`] for version 0 in another base than 58.
pub fn format_cid(cid: &Cid, base: Base) -> Result<String, CidError> {
    let base = match base {
        Base::B32 => Multibase::Base32Lower,
        Base::B36 => Multibase::Base36Lower,
        Base::B58 => Multibase::Base58Btc,
    };
    cid.to_string_of_base(base).map_err(|_| CidError::Base { cid: *cid })
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

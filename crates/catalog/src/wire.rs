//! The DAG-CBOR envelope that all blocks of the catalog share, and byte strings in serde.
//!
//! A block is a map of the version `v` and one field named for what it holds (`delta`, `commit`,
//! `parts`), so that one kind is never taken for another. One value has one encoding: what does
//! not encode to the same bytes again is refused. What the values mean is not judged here.

use bytes::Bytes;
use cidlake_block::codec::{CodecError, dag_cbor};
use cidlake_block::{Block, Cid, Codec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of every block format of this crate.
pub(crate) const VERSION: u64 = 1;

/// Why a block is not one of the catalog's blocks.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The block is not DAG-CBOR.
    #[error("block {cid} is not DAG-CBOR, so it holds no {what}")]
    NotDagCbor {
        /// The block.
        cid: Cid,
        /// What it should hold.
        what: &'static str,
    },
    /// The block is larger than its kind may be.
    #[error("block {cid} has {bytes} bytes: a {what} has at most {bytes_max}")]
    TooLarge {
        /// The block.
        cid: Cid,
        /// What it should hold.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size.
        bytes_max: usize,
    },
    /// A newer program wrote the block.
    #[error(
        "block {cid} has version {found} of its format, and this program reads version {VERSION}: \
         use a newer cidlake"
    )]
    Newer {
        /// The block.
        cid: Cid,
        /// Its version.
        found: u64,
    },
    /// The block has other fields or is damaged.
    #[error("block {cid} is no {what}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        source: CodecError,
    },
    /// The block says something in another than the one encoding it has.
    #[error("block {cid} is no {what}: its encoding is not the canonical one")]
    NotCanonical {
        /// The block.
        cid: Cid,
        /// What it should hold.
        what: &'static str,
    },
}

/// The one field that all versions have.
#[derive(Deserialize)]
pub(crate) struct AnyVersion {
    pub(crate) v: u64,
}

/// Decodes an envelope of this version from its one encoding.
pub(crate) fn decode<T>(
    block: &Block,
    what: &'static str,
    bytes_max: usize,
) -> Result<T, FormatError>
where
    T: Serialize + DeserializeOwned,
{
    let cid = *block.cid();
    let bytes = block.data();
    if cid.codec() != Codec::DagCbor.code() {
        return Err(FormatError::NotDagCbor { cid, what });
    }
    if bytes.len() > bytes_max {
        return Err(FormatError::TooLarge { cid, what, bytes: bytes.len(), bytes_max });
    }
    let malformed = |source| FormatError::Malformed { cid, what, source };
    let value: T = dag_cbor::decode_uncompared(bytes).map_err(|source| {
        // A newer format may have any fields; only then does its version tell.
        match dag_cbor::decode::<AnyVersion>(bytes) {
            Ok(AnyVersion { v }) if v > VERSION => FormatError::Newer { cid, found: v },
            _ => malformed(source),
        }
    })?;
    if dag_cbor::encode(&value).map_err(malformed)? != *bytes {
        return Err(FormatError::NotCanonical { cid, what });
    }
    Ok(value)
}

/// The version of an envelope: always [`VERSION`], and refused in decoding if it is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version;

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            VERSION => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!("there is no version {other}"))),
        }
    }
}

/// A byte string; serde's own coding of `Bytes` would need a feature, that of `Vec` is an array.
struct ByteString;

impl serde::de::Visitor<'_> for ByteString {
    type Value = Bytes;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes::from(bytes))
    }
}

/// `#[serde(with)]` for [`Bytes`] as a byte string.
pub(crate) mod byte_string {
    use super::{ByteString, Bytes};

    pub(crate) fn serialize<S: serde::Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Bytes, D::Error> {
        from.deserialize_byte_buf(ByteString)
    }
}

/// `#[serde(with)]` for an optional byte string; goes with `default` and `skip_serializing_if`.
pub(crate) mod optional_byte_string {
    use super::Bytes;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: serde::Serializer>(
        bytes: &Option<Bytes>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => to.serialize_bytes(bytes),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Bytes>, D::Error> {
        super::byte_string::deserialize(from).map(Some)
    }
}

/// `#[serde(with)]` for an array of bytes as a byte string of exactly that length.
pub(crate) mod byte_array {
    use serde::de::Error as _;

    pub(crate) fn serialize<S: serde::Serializer, const N: usize>(
        bytes: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let bytes = super::byte_string::deserialize(from)?;
        <[u8; N]>::try_from(&bytes[..])
            .map_err(|_| D::Error::invalid_length(bytes.len(), &"a byte string of fixed length"))
    }
}

//! The bytes of CAR archives: headers of both versions and what stands before each block.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::CarError;
use super::error::malformed;
use crate::cid::{Cid, check};
use crate::codec::dag_cbor;
use crate::codec::dag_pb::{put_varint, read_varint};
use crate::limits::{BLOCK_BYTES_MAX, CAR_SECTION_BYTES_MAX};

/// The eleven bytes at the start of every version 2 archive; as a version 1 header they say
/// "version 2".
pub const PRAGMA_V2: [u8; 11] = [0x0a, 0xa1, 0x67, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x02];
/// Bytes of the version 2 header behind the pragma.
pub const HEADER_V2_BYTES: usize = 40;
/// Where the payload begins when nothing pads it.
pub const PAYLOAD_OFFSET: u64 = (PRAGMA_V2.len() + HEADER_V2_BYTES) as u64;

const _: () = assert!(PAYLOAD_OFFSET == 51);

/// The header of version 1. Fields in the order of DAG-CBOR.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeaderV1 {
    #[serde(default)]
    pub(super) roots: Vec<Cid>,
    pub(super) version: u64,
}

/// Returns the header of a version 1 archive, its length before it.
///
/// # Panics
/// Never: a list of CIDs and a number always have a DAG-CBOR form.
#[must_use]
pub fn header_v1(roots: &[Cid]) -> Bytes {
    let header = HeaderV1 { roots: roots.to_vec(), version: 1 };
    #[expect(clippy::expect_used, reason = "CIDs and a number have a DAG-CBOR form")]
    let body = dag_cbor::encode(&header).expect("CIDs and a number have a DAG-CBOR form");
    let mut out = Vec::with_capacity(body.len() + 5);
    put_varint(&mut out, body.len() as u64);
    out.extend_from_slice(&body);
    out.into()
}

/// Returns what stands before the data of a block: the section's length and the CID.
#[must_use]
pub fn section_prefix(cid: &Cid, data_len: u64) -> Vec<u8> {
    let cid = cid.to_bytes();
    let mut out = Vec::with_capacity(cid.len() + 5);
    put_varint(&mut out, cid.len() as u64 + data_len);
    out.extend_from_slice(&cid);
    out
}

/// What stands before the data of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionPrefix {
    /// The block's CID.
    pub cid: Cid,
    /// Bytes of data behind the prefix.
    pub data_len: u64,
    /// Bytes of the prefix.
    pub prefix_len: usize,
}

/// Parses the section that begins at the start of `bytes`; the data need not be there.
///
/// # Errors
/// [`CarError::Truncated`] when the prefix is not whole, [`CarError::Malformed`] when it is none.
/// Offsets are relative to `bytes`.
pub fn parse_section_prefix(bytes: &[u8]) -> Result<SectionPrefix, CarError> {
    let (len, used) = match read_varint(bytes) {
        Some(read) => read,
        None if bytes.len() < 10 => return Err(CarError::Truncated { offset: 0 }),
        None => return Err(malformed(0, "a section's length is no varint")),
    };
    if len == 0 || len > CAR_SECTION_BYTES_MAX as u64 {
        return Err(malformed(0, "a section is empty or larger than a block may be"));
    }
    let body = bytes.get(used..).unwrap_or_default();
    let within = usize::try_from(len).map_or(body.len(), |len| len.min(body.len()));
    let mut rest = body.get(..within).unwrap_or_default();
    let before = rest.len();
    let cid = Cid::read_bytes(&mut rest).map_err(|_| {
        let whole = before as u64 == len || before > crate::limits::CID_BYTES_MAX;
        if whole {
            malformed(0, "a section does not begin with a CID")
        } else {
            CarError::Truncated { offset: 0 }
        }
    })?;
    let cid_len = before - rest.len();
    let cid = check(cid).map_err(|source| CarError::Cid { offset: 0, source })?;
    let data_len = len - cid_len as u64;
    if data_len > BLOCK_BYTES_MAX as u64 {
        return Err(malformed(0, "a block is larger than any may be"));
    }
    Ok(SectionPrefix { cid, data_len, prefix_len: used + cid_len })
}

/// The header of version 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderV2 {
    /// Bits that say more of the archive; the highest of the first byte: every block is indexed.
    pub characteristics: [u8; 16],
    /// Where the version 1 payload begins.
    pub data_offset: u64,
    /// Its bytes.
    pub data_size: u64,
    /// Where the index begins; 0 for none.
    pub index_offset: u64,
}

impl HeaderV2 {
    /// The characteristic that says that every block is in the index.
    pub const FULLY_INDEXED: [u8; 16] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// Returns the forty bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_V2_BYTES] {
        let numbers = [self.data_offset, self.data_size, self.index_offset];
        let mut out = [0; HEADER_V2_BYTES];
        let bytes =
            self.characteristics.into_iter().chain(numbers.into_iter().flat_map(u64::to_le_bytes));
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        out
    }

    /// Reads the forty bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn parse(bytes: &[u8]) -> Result<Self, CarError> {
        let offset = PRAGMA_V2.len() as u64;
        let cut = || CarError::Truncated { offset };
        let (characteristics, rest) = bytes.split_first_chunk::<16>().ok_or_else(cut)?;
        let (data_offset, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let (data_size, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let (index_offset, _) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        Ok(Self {
            characteristics: *characteristics,
            data_offset: u64::from_le_bytes(*data_offset),
            data_size: u64::from_le_bytes(*data_size),
            index_offset: u64::from_le_bytes(*index_offset),
        })
    }
}

//! Codecs: from values to the bytes of a block and back, and the links that a block holds.

pub mod dag_cbor;
pub mod dag_pb;

use crate::block::Block;
use crate::cid::{Cid, CidError, Codec};
use crate::limits::LINKS_MAX;

/// Why bytes are not what their codec demands, or a value cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes break a rule of DAG-CBOR.
    #[error("not strict DAG-CBOR: {detail}")]
    DagCbor {
        /// Which rule, and where known, at which byte.
        detail: String,
    },
    /// The bytes break a rule of DAG-PB.
    #[error("not strict DAG-PB at byte {offset}: {detail}")]
    DagPb {
        /// Offset of the field.
        offset: usize,
        /// Which rule.
        detail: &'static str,
    },
    /// There are more links than are followed.
    #[error("more than {LINKS_MAX} links in one block")]
    TooManyLinks,
    /// The codec is not understood.
    #[error(transparent)]
    Cid(#[from] CidError),
}

/// Returns the links of a block in the order in which they stand; plain bytes have none.
///
/// # Errors
/// When the bytes are not valid in their codec.
pub fn links(block: &Block) -> Result<Vec<Cid>, CodecError> {
    let links = match Codec::of(block.cid())? {
        Codec::Raw => Vec::new(),
        Codec::DagPb => {
            dag_pb::Node::decode(block.data())?.links.into_iter().map(|link| link.cid).collect()
        }
        Codec::DagCbor => dag_cbor::links(block.data())?,
    };
    if links.len() > LINKS_MAX {
        return Err(CodecError::TooManyLinks);
    }
    Ok(links)
}

//! CAR archives: version 1 as a stream of blocks, version 2 with an index around it.
//!
//! `format` is the bytes, `index` the multihash index as go-car writes it, `reader` and `writer`
//! the streams. Sources: the CARv1 and CARv2 specifications; where the prose of the index and the
//! reference implementation differ, the implementation is followed.

mod error;
mod format;
mod index;
mod reader;
mod writer;

pub use error::CarError;
pub use format::{
    HEADER_V2_BYTES, HeaderV2, PAYLOAD_OFFSET, PRAGMA_V2, SectionPrefix, header_v1,
    parse_section_prefix, section_prefix,
};
pub use index::Index;
pub use reader::Reader;
pub use writer::{Writer, write_v2};

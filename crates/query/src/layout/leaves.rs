//! Cuts the bytes of a file into leaves: runs of whole pages of one column chunk, and of whole
//! page indexes.
//!
//! Where a run ends is for its pages to say, by their content and size, never by their number: a
//! page that is new or gone shifts no run behind it. A page of [`RUN_BYTES`] or more always ends
//! its run, a smaller one with a probability in proportion to its size, so that pages of a few
//! hundred bytes share a leaf.

use bytes::Bytes;
use cidlake_block::unixfs::CHUNK_BYTES;
use xxhash_rust::xxh3::xxh3_64;

/// A page of so many bytes is worth a leaf of its own.
const RUN_BYTES: u64 = 24 << 10;

/// A page index of so many bytes is: there is less of them, and every edit changes some.
const INDEX_RUN_BYTES: u64 = 4 << 10;

/// Cuts the pages of a column chunk, the last of which ends where `bytes` do.
pub(super) fn page_runs(bytes: &Bytes, page_ends: &[u64]) -> Vec<Bytes> {
    runs(bytes, page_ends, RUN_BYTES)
}

/// Cuts the page indexes of a file likewise.
pub(super) fn index_runs(bytes: &Bytes, index_ends: &[u64]) -> Vec<Bytes> {
    runs(bytes, index_ends, INDEX_RUN_BYTES)
}

/// Cuts `bytes` behind some of `page_ends`, where a page of `worth` bytes is worth a leaf, and
/// wherever a leaf would be larger than 1 MiB.
fn runs(bytes: &Bytes, page_ends: &[u64], worth: u64) -> Vec<Bytes> {
    let mut runs = Vec::new();
    let (mut run_start, mut page_start) = (0, 0);
    for end in page_ends {
        let end = usize::try_from(*end).unwrap_or(bytes.len()).min(bytes.len());
        if page_start > run_start && end - run_start > CHUNK_BYTES {
            runs.push(bytes.slice(run_start..page_start));
            run_start = page_start;
        }
        if ends_run(bytes.get(page_start..end).unwrap_or_default(), worth) {
            runs.extend(pieces(&bytes.slice(run_start..end)));
            run_start = end;
        }
        page_start = end;
    }
    runs.extend(pieces(&bytes.slice(run_start..)));
    runs
}

/// Cuts bytes that have no pages into leaves of 1 MiB.
pub(super) fn pieces(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    (0..bytes.len())
        .step_by(CHUNK_BYTES)
        .map(|start| bytes.slice(start..bytes.len().min(start + CHUNK_BYTES)))
}

/// Whether a run ends behind this page.
fn ends_run(page: &[u8], worth: u64) -> bool {
    let len = page.len() as u64;
    // The hash as a fraction of 2^64 against the size as a fraction of a leaf's worth.
    len >= worth || u128::from(xxh3_64(page)) * u128::from(worth) < u128::from(len) << 64
}

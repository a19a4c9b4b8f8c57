//! Roots over leaves of any length, as the reference implementation of UnixFS computes them:
//! `fixtures/unixfs/cut-lists.txt`, which `tests/interop/node` checks against that implementation.

use bytes::Bytes;
use cidlake_block::unixfs::{Leaf, file_from_leaves, leaves_at};
use cidlake_block::{Codec, cid_of};

/// The content that a line describes: the SHA-256 of `SEED:0`, of `SEED:32` and so on.
fn content(seed: &str, len: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(len + 32);
    while bytes.len() < len {
        let words = format!("{seed}:{}", bytes.len());
        bytes.extend_from_slice(cid_of(Codec::Raw, words.as_bytes()).hash().digest());
    }
    bytes.truncate(len);
    Bytes::from(bytes)
}

#[test]
fn cut_lists_have_the_roots_of_the_reference() {
    let lists = include_str!("../../../../fixtures/unixfs/cut-lists.txt");
    let mut checked = 0;
    for line in lists.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (seed, len) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let expected = words.next().unwrap();
        let mut cuts: Vec<u64> = words.map(|cut| cut.parse().unwrap()).collect();
        cuts.push(len);
        let data = content(seed, usize::try_from(len).unwrap());
        let leaves = leaves_at(&data, &cuts).unwrap();
        let spans: Vec<Leaf> =
            leaves.iter().map(|leaf| Leaf { cid: *leaf.cid(), len: leaf.len() as u64 }).collect();
        assert_eq!(file_from_leaves(&spans).root.to_string(), expected, "{} cuts", cuts.len());
        checked += 1;
    }
    assert!(checked > 8, "only {checked} lists were checked");
}

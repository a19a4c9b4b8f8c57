//! Files over any leaves read back in any range.

use bytes::Bytes;
use cidlake_block::unixfs::{
    FileBuilder, Leaf, UnixFsError, file_from_leaves, leaves_at, open_file,
};
use cidlake_block::{Block, Blocks, BlocksError, Cid, Codec, MemBlocks, parse_cid};
use proptest::prelude::*;

use crate::{noise, ready};

fn store(data: &Bytes, cuts: &[u64]) -> (MemBlocks, Cid) {
    let blocks = MemBlocks::new();
    let leaves = leaves_at(data, cuts).unwrap();
    let spans: Vec<Leaf> =
        leaves.iter().map(|leaf| Leaf { cid: *leaf.cid(), len: leaf.len() as u64 }).collect();
    let dag = file_from_leaves(&spans);
    assert_eq!(dag.len, data.len() as u64);
    ready(blocks.put_many(leaves)).unwrap();
    ready(blocks.put_many(dag.nodes)).unwrap();
    (blocks, dag.root)
}

/// Strictly rising cuts that end at `len`.
fn cuts(len: u64, seeds: &[u64]) -> Vec<u64> {
    let mut cuts: Vec<u64> = seeds.iter().map(|seed| seed % len + 1).collect();
    cuts.push(len);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_range_equals_slicing(
        len in 1_usize..20_000,
        seeds in prop::collection::vec(any::<u64>(), 0..40),
        ranges in prop::collection::vec((any::<u64>(), any::<u64>()), 8),
    ) {
        let data = Bytes::from(noise(len, 7));
        let (blocks, root) = store(&data, &cuts(len as u64, &seeds));
        let file = ready(open_file(&blocks, &root)).unwrap();
        prop_assert_eq!(file.len(), len as u64);
        for (a, b) in ranges {
            let (start, end) = (a % (len as u64 + 1), b % (len as u64 + 10));
            let read = ready(file.read(&blocks, start..end)).unwrap();
            let expected = data.get(start as usize..(end as usize).min(len)).unwrap_or_default();
            prop_assert_eq!(&read[..], expected);
        }
    }

    #[test]
    fn pieces_do_not_matter(len in 0_usize..5_000, chunk in 1_usize..700, piece in 1_usize..900) {
        let data = Bytes::from(noise(len, 3));
        let mut whole = FileBuilder::new(chunk);
        let mut leaves = whole.push(data.clone());
        let (last, expected) = whole.finish();
        leaves.extend(last);
        let mut pieces = FileBuilder::new(chunk);
        let mut others = Vec::new();
        for start in (0..len).step_by(piece) {
            others.extend(pieces.push(data.slice(start..(start + piece).min(len))));
        }
        let (last, dag) = pieces.finish();
        others.extend(last);
        prop_assert_eq!(dag.root, expected.root);
        prop_assert_eq!(others, leaves);
    }
}

#[test]
fn three_levels_read_back() {
    let data = Bytes::from(noise(1024 * 1024 + 5, 1));
    let every: Vec<u64> = (1..=data.len() as u64).collect();
    let (blocks, root) = store(&data, &every);
    let file = ready(open_file(&blocks, &root)).unwrap();
    assert_eq!(file.leaves().len(), data.len());
    let range = 1_048_000..1_048_581;
    assert_eq!(ready(file.read(&blocks, range.clone())).unwrap(), data.slice(1_048_000..1_048_581));
}

#[test]
fn a_range_in_one_leaf_is_not_copied() {
    let data = Bytes::from(noise(1000, 5));
    let (blocks, root) = store(&data, &[400, 1000]);
    let file = ready(open_file(&blocks, &root)).unwrap();
    let read = ready(file.read(&blocks, 500..600)).unwrap();
    assert_eq!(read.as_ptr(), data.slice(500..600).as_ptr());
}

#[test]
fn cuts_that_do_not_cut_are_refused() {
    let data = Bytes::from_static(b"0123456789");
    for cuts in [&[5, 5, 10][..], &[5, 4, 10], &[11], &[5], &[0, 10], &[]] {
        let refused = leaves_at(&data, cuts);
        assert!(matches!(refused, Err(UnixFsError::BadCut { .. })), "{cuts:?}");
    }
    assert!(leaves_at(&Bytes::new(), &[]).unwrap().is_empty());
}

#[test]
fn a_missing_leaf_and_a_lying_node_are_errors() {
    let data = Bytes::from(noise(3000, 9));
    let leaves = leaves_at(&data, &[1000, 2000, 3000]).unwrap();
    let mut spans: Vec<Leaf> =
        leaves.iter().map(|leaf| Leaf { cid: *leaf.cid(), len: leaf.len() as u64 }).collect();
    let blocks = MemBlocks::new();
    ready(blocks.put_many(leaves[..2].to_vec())).unwrap();
    ready(blocks.put_many(file_from_leaves(&spans).nodes)).unwrap();
    let file = ready(open_file(&blocks, &file_from_leaves(&spans).root)).unwrap();
    assert_eq!(ready(file.read(&blocks, 0..2000)).unwrap(), data.slice(0..2000));
    let missing = ready(file.read(&blocks, 1999..2001)).unwrap_err();
    assert!(matches!(missing, UnixFsError::Blocks(BlocksError::NotFound { .. })), "{missing}");

    spans[1].len = 999;
    let lying = file_from_leaves(&spans);
    ready(blocks.put_many(lying.nodes)).unwrap();
    let file = ready(open_file(&blocks, &lying.root)).unwrap();
    let wrong = ready(file.read(&blocks, 1000..1500)).unwrap_err();
    assert!(matches!(wrong, UnixFsError::NotUnixFs { .. }), "{wrong}");
}

#[test]
fn a_file_of_version_0_with_leaves_in_nodes_is_read() {
    // `printf hello | ipfs add` of the older profile: one node that holds the bytes.
    let node = Bytes::from_static(b"\x0a\x0b\x08\x02\x12\x05hello\x18\x05");
    let block = Block::new(Codec::DagPb, node);
    let cid = parse_cid("QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX").unwrap();
    let block = block.with_cid(cid).expect("the well-known CID of these bytes");
    let blocks = MemBlocks::new();
    ready(blocks.put_many(vec![block])).unwrap();
    let file = ready(open_file(&blocks, &cid)).unwrap();
    assert_eq!(ready(file.read(&blocks, 1..4)).unwrap(), "ell");
}

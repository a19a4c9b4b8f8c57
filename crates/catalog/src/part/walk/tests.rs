//! Tests of walks: which parts they find, how many lists they fetch, and lists that are not what
//! was said.

use std::collections::HashMap;

use cidlake_block::{Block, Cid};
use proptest::prelude::*;

use super::*;
use crate::commit::CommitFault;
use crate::part::samples::{Blocks, ENDING, numbered};
use crate::part::tree::{PartTree, part_tree};

fn tree(parts: usize) -> (Vec<Part>, PartTree) {
    let parts: Vec<Part> = ENDING.iter().take(parts).map(|number| numbered(*number)).collect();
    let tree = part_tree(&parts).unwrap();
    (parts, tree)
}

#[test]
fn the_last_parts_are_found_at_the_right_edge() {
    let (parts, tree) = tree(2_500);
    assert_eq!(tree.top[0].height, 2);
    let mut blocks = Blocks::of(&tree);
    for (count, fetches) in [(0, 0), (1, 3), (2, 4), (20, 30)] {
        blocks.fetched = 0;
        let last =
            last_parts::<CommitError>(&tree.top, &mut |cid| blocks.fetch(cid), count).unwrap();
        assert_eq!(last, parts[parts.len() - count..]);
        assert!(blocks.fetched <= fetches, "{count} parts: {} lists", blocks.fetched);
    }
    let all = last_parts::<CommitError>(&tree.top, &mut |cid| blocks.fetch(cid), 9_999).unwrap();
    assert_eq!(all, parts);
}

#[test]
fn a_list_that_is_another_than_was_said_ends_the_walk() {
    let (_, tree) = tree(700);
    // Every list is answered with the first of its level.
    let mut first: HashMap<u8, Block> = HashMap::new();
    let mut heights: HashMap<Cid, u8> = HashMap::new();
    heights.extend(tree.top.iter().map(|link| (link.cid, link.height)));
    let mut blocks = Blocks::of(&tree);
    let mut fetch = |cid: &Cid| {
        let block = blocks.fetch(cid)?;
        let height = heights.get(cid).copied().unwrap_or(0);
        Ok::<Block, CommitError>(first.entry(height).or_insert(block).clone())
    };
    let error = all_parts(&tree.top, &mut fetch).unwrap_err();
    let fault =
        matches!(error, CommitError::Refused { source: CommitFault::ListDiffers { .. }, .. });
    assert!(fault, "{error:?}");
}

#[test]
fn a_fetch_that_fails_ends_the_walk() {
    let (_, tree) = tree(700);
    for after in 0..3 {
        let mut blocks = Blocks::of(&tree);
        let mut fetch = |cid: &Cid| {
            if blocks.fetched == after {
                return Err(CommitError::Invalid { source: CommitFault::EmptyList });
            }
            blocks.fetch(cid)
        };
        assert!(all_parts(&tree.top, &mut fetch).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_last_parts_are_the_end_of_all(parts in 0..400_usize, count in 0..500_usize) {
        let (parts, tree) = tree(parts);
        let mut blocks = Blocks::of(&tree);
        let last =
            last_parts::<CommitError>(&tree.top, &mut |cid| blocks.fetch(cid), count).unwrap();
        prop_assert_eq!(&last[..], &parts[parts.len().saturating_sub(count)..]);
    }
}

//! Trees of part lists that differ in few places.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cidlake_block::{Block, BlocksError, Cid, Codec, MemBlocks, PutReport, cid_of};
use cidlake_catalog::part_tree;

use super::*;
use crate::engine::tests::now;

/// Blocks that count how many of them were asked for.
#[derive(Debug, Default)]
struct Counted {
    blocks: MemBlocks,
    read: AtomicU64,
}

#[async_trait::async_trait]
impl Blocks for Counted {
    async fn get(&self, cid: &Cid) -> Result<Block, BlocksError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.blocks.get(cid).await
    }

    async fn has(&self, cid: &Cid) -> Result<bool, BlocksError> {
        self.blocks.has(cid).await
    }

    async fn put_many(&self, blocks: Vec<Block>) -> Result<PutReport, BlocksError> {
        self.blocks.put_many(blocks).await
    }
}

fn part(number: u64) -> Part {
    Part {
        cid: cid_of(Codec::Raw, &number.to_le_bytes()),
        rows: number % 7,
        bytes: 1,
        tsize: 1,
        partition: Vec::new(),
        columns: Vec::new(),
        rows_hash: Some(Bytes::from_static(&[0; 16])),
    }
}

fn listed(blocks: &Counted, numbers: &[u64]) -> Parts {
    let parts: Vec<Part> = numbers.iter().map(|number| part(*number)).collect();
    let tree = part_tree(&parts).unwrap();
    now(blocks.put_many(tree.blocks)).unwrap();
    Parts::Listed(tree.top.into())
}

/// The numbers of parts in each run, by the row that each begins with.
fn runs(blocks: &Counted, a: &Parts, b: &Parts) -> Vec<[Vec<(Cid, u64)>; 2]> {
    let told = |parts: &[Placed]| parts.iter().map(|one| (one.part.cid, one.start)).collect();
    let runs = now(differing(a, b, true, blocks)).unwrap();
    runs.iter().map(|run| [told(&run.a), told(&run.b)]).collect()
}

fn rows_before(numbers: &[u64], place: usize) -> u64 {
    numbers[..place].iter().map(|number| number % 7).sum()
}

#[test]
fn lists_that_both_have_are_not_read() {
    let blocks = Counted::default();
    let before: Vec<u64> = (0..20_000).collect();
    let mut after = before.clone();
    after[9_999] = 100_003;
    after.insert(15_001, 100_004);
    let (a, b) = (listed(&blocks, &before), listed(&blocks, &after));
    let gone = (part(9_999).cid, rows_before(&before, 9_999));
    let come = (part(100_003).cid, rows_before(&after, 9_999));
    let more = (part(100_004).cid, rows_before(&after, 15_001));
    assert_eq!(runs(&blocks, &a, &b), [[vec![gone], vec![come]], [vec![], vec![more]]]);
    let read = blocks.read.load(Ordering::Relaxed);
    assert!(read < 20, "{read} lists were read");
    assert_eq!(runs(&blocks, &a, &a), [] as [[Vec<(Cid, u64)>; 2]; 0]);
    assert_eq!(blocks.read.load(Ordering::Relaxed), read);
}

#[test]
fn parts_that_moved_and_parts_without_rows_are_no_difference() {
    let blocks = Counted::default();
    type Numbers = &'static [u64];
    let cases: [(Numbers, Numbers, Numbers, Numbers); 6] = [
        (&[1, 2, 3, 4], &[4, 1, 2, 3], &[], &[]),
        (&[1, 2, 3], &[3, 2, 1], &[], &[]),
        (&[1, 1, 2], &[2, 1], &[1], &[]),
        (&[7, 1], &[1, 14], &[], &[]),
        (&[], &[1, 2], &[], &[1, 2]),
        (&[1, 2, 3, 8], &[9, 3, 2, 1], &[8], &[9]),
    ];
    for (a, b, gone, come) in cases {
        let given = |numbers: &[u64]| -> Parts {
            Parts::Given(numbers.iter().map(|number| part(*number)).collect())
        };
        let runs = runs(&blocks, &given(a), &given(b));
        let cids = |side: usize| -> Vec<Cid> {
            runs.iter().flat_map(|run| run[side].iter().map(|(cid, _)| *cid)).collect()
        };
        let expected = |numbers: &[u64]| -> Vec<Cid> {
            numbers.iter().map(|number| part(*number).cid).collect()
        };
        assert_eq!((cids(0), cids(1)), (expected(gone), expected(come)), "{a:?} {b:?}");
    }
}

#[test]
fn trees_of_other_heights_and_long_runs_are_compared_all_the_same() {
    let blocks = Counted::default();
    let few: Vec<u64> = (0..40).collect();
    let many: Vec<u64> = (0..40).chain(1000..1500).collect();
    let (a, b) = (listed(&blocks, &few), listed(&blocks, &many));
    let found = runs(&blocks, &a, &b);
    let come: usize = found.iter().map(|run| run[1].len()).sum();
    let filled = (1000..1500_u64).filter(|number| number % 7 > 0).count();
    assert_eq!((found.iter().map(|run| run[0].len()).sum::<usize>(), come), (0, filled));
    assert!(found.iter().all(|run| run[1].len() <= RUN_PARTS_MAX));
    let given: Vec<Part> = many.iter().map(|number| part(*number)).collect();
    assert!(runs(&blocks, &b, &Parts::Given(given.into())).is_empty());
}

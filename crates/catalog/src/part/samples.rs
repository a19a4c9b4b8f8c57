//! Parts for the tests of lists, trees and walks, and the blocks that these are made of.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use cidlake_block::{Block, Cid};
use proptest::prelude::*;

use super::Part;
use super::tree::{PartTree, ends_list};
use crate::commit::CommitError;
use crate::samples::{file_cid, part};
use crate::{ColumnStats, Scalar};

/// A part with so many rows, and a column that holds its number.
pub(crate) fn numbered(number: u64) -> Part {
    let bound = Some(Scalar::UInt(number));
    let exact = number.is_multiple_of(2);
    let column = ColumnStats { nulls: 0, bytes: 10, min: bound.clone(), max: bound, exact };
    Part {
        cid: file_cid(number),
        rows: number,
        bytes: 100,
        partition: Vec::new(),
        columns: vec![column],
        rows_hash: None,
        ..part()
    }
}

/// Numbers of parts behind which a list ends: few of them make many lists.
pub(crate) static ENDING: LazyLock<Vec<u64>> =
    LazyLock::new(|| (0..).filter(|number| ends_list(&file_cid(*number))).take(2_500).collect());

/// A part with many columns that have long bounds.
pub(crate) fn wide(number: u64, columns: usize, text: usize) -> Part {
    let scalar = || Some(Scalar::Text("x".repeat(text)));
    let stats = ColumnStats { nulls: 1, bytes: 1 << 20, min: scalar(), max: scalar(), exact: true };
    Part { columns: vec![stats; columns], ..numbered(number) }
}

/// Blocks by address, which counts how many are fetched.
#[derive(Default)]
pub(crate) struct Blocks {
    blocks: HashMap<Cid, Block>,
    pub(crate) fetched: usize,
}

impl Blocks {
    pub(crate) fn add(&mut self, tree: &PartTree) {
        self.blocks.extend(tree.blocks.iter().map(|block| (*block.cid(), block.clone())));
    }

    pub(crate) fn of(tree: &PartTree) -> Self {
        let mut blocks = Self::default();
        blocks.add(tree);
        blocks
    }

    pub(crate) fn fetch(&mut self, cid: &Cid) -> Result<Block, CommitError> {
        self.fetched += 1;
        Ok(self.blocks[cid].clone())
    }
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        any::<u64>().prop_map(Scalar::UInt),
        (proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL).prop_map(Scalar::Float),
        "\\PC{0,12}".prop_map(Scalar::Text),
        proptest::collection::vec(any::<u8>(), 0..=64)
            .prop_map(|bytes| Scalar::Bytes(bytes.into())),
        any::<[u8; 16]>().prop_map(|bytes| Scalar::Wide(bytes.to_vec().into())),
        any::<[u8; 32]>().prop_map(|bytes| Scalar::Wide(bytes.to_vec().into())),
    ]
}

prop_compose! {
    pub(crate) fn any_part()(
        number: u64,
        rows in 0..u64::from(u32::MAX),
        sizes in (0..u64::from(u32::MAX), any::<u64>()),
        partition in proptest::collection::vec(proptest::option::of("\\PC{0,9}"), 0..3),
        columns in proptest::collection::vec(
            (scalar(), any::<(u64, u64, bool, bool, bool)>()).prop_map(
                |(scalar, (nulls, bytes, min, max, exact))| ColumnStats {
                    nulls,
                    bytes,
                    min: min.then(|| scalar.clone()),
                    max: max.then_some(scalar),
                    exact,
                },
            ),
            0..5,
        ),
    ) -> Part {
        Part {
            cid: file_cid(number),
            rows,
            bytes: sizes.0,
            tsize: sizes.1,
            partition,
            columns,
            rows_hash: number.is_multiple_of(2).then(|| Bytes::from_static(b"any bytes at all")),
        }
    }
}

//! Lakes for the tests of several modules. Versions of datasets are made by hand: a leaf, a part
//! list and a commit, since what rows become is no matter there.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use cidlake_block::{Block, Cid, Codec};
use cidlake_catalog::{Commit, Part, part_tree};

use crate::history::parse_name;
use crate::lake::{Draft, Lake, Open};
use crate::settings::{Overrides, Settings};

/// Bytes of the content of every version: enough to tell whether room came back.
pub(crate) const LEAF_BYTES: usize = 100_000;

pub(crate) fn settings(folder: &Path) -> Settings {
    let settings = Settings::load(Overrides {
        lake: Some(folder.join("lake")),
        key_file: Some(folder.join("key")),
        threads: Some(1),
        ..Overrides::default()
    });
    settings.unwrap()
}

pub(crate) fn open(folder: &Path) -> Lake {
    Lake::open_blocking(settings(folder), Open::Create).unwrap()
}

/// The blocks of a version: its content, its part list and its commit.
pub(crate) struct Version {
    pub(crate) leaf: Block,
    pub(crate) list: Block,
    pub(crate) commit: Block,
}

impl Version {
    pub(crate) fn new(number: u64, parents: &[Cid]) -> Self {
        let seed = number.to_le_bytes();
        let leaf: Vec<u8> = (0..LEAF_BYTES).map(|at| seed[at % 8] ^ (at / 251) as u8).collect();
        let leaf = Block::new(Codec::Raw, leaf.into());
        let part = Part {
            cid: *leaf.cid(),
            rows: number,
            bytes: LEAF_BYTES as u64,
            tsize: LEAF_BYTES as u64,
            partition: Vec::new(),
            columns: Vec::new(),
            rows_hash: None,
        };
        let mut lists = part_tree(&[part]).unwrap();
        let list = lists.blocks.remove(0);
        let commit = Commit {
            content: *leaf.cid(),
            profile: "by hand".to_owned(),
            rows: number,
            bytes: LEAF_BYTES as u64,
            schema: Bytes::from_static(b"none"),
            columns: Vec::new(),
            parts: lists.top,
            cut_columns: Vec::new(),
            key_columns: Vec::new(),
            partition_columns: Vec::new(),
            rows_hash: None,
            logical_hash: None,
            metadata: BTreeMap::new(),
            operation: "create".to_owned(),
            parents: parents.to_vec(),
            depth: 0,
            jump: None,
            author: "nobody".to_owned(),
            time_ms: 1_000 * number,
            message: None,
        };
        Self { leaf, list, commit: commit.encode().unwrap() }
    }

    pub(crate) fn cid(&self) -> Cid {
        *self.commit.cid()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        vec![self.leaf.clone(), self.list.clone(), self.commit.clone()]
    }
}

/// Makes `version` the newest of the dataset `name`.
pub(crate) fn set(lake: &Lake, name: &str, version: &Version) {
    let name = parse_name(name).unwrap();
    let hold = lake.inner.hold().unwrap();
    let change = lake.inner.change(&hold, |view| {
        let changes = vec![view.catalog.set(&name, version.cid())];
        Ok(((), Some(Draft { changes, blocks: version.blocks(), ..Draft::default() })))
    });
    change.unwrap();
}

/// Makes versions `numbers` of a dataset, each grown from the one before.
pub(crate) fn grow(
    lake: &Lake,
    name: &str,
    numbers: std::ops::RangeInclusive<u64>,
) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    for number in numbers {
        let parents: Vec<Cid> = versions.last().map(Version::cid).into_iter().collect();
        let version = Version::new(number, &parents);
        set(lake, name, &version);
        versions.push(version);
    }
    versions
}

/// Waits for `work` on a runtime of its own.
pub(crate) fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

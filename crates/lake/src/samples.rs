//! Lakes for the tests of several modules. Versions of datasets are made by hand: a leaf, a part
//! list and a commit, since what rows become is no matter there.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use cidlake_block::{Block, Cid, Codec};
use cidlake_catalog::{Commit, HistoryError, Part, Place, part_tree};

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
    /// Makes a version that follows the last of `before`, made a second after version `number - 1`.
    pub(crate) fn new(number: u64, before: &[Self]) -> Self {
        let place = place(1_000 * number, before);
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
            parents: before.last().map(Self::cid).into_iter().collect(),
            depth: place.depth,
            jump: place.jump,
            author: "nobody".to_owned(),
            time_ms: place.time_ms,
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

/// Says where a version stands that follows the last of `before`.
fn place(now_ms: u64, before: &[Version]) -> Place {
    let commit = |version: &Version| Commit::decode(&version.commit).unwrap();
    let Some(parent) = before.last() else { return Place::first(now_ms) };
    let mut fetch = |cid: &Cid| -> Result<Option<Commit>, HistoryError> {
        Ok(before.iter().find(|version| version.cid() == *cid).map(commit))
    };
    Place::after(parent.cid(), &commit(parent), now_ms, &mut fetch).unwrap()
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
        let version = Version::new(number, &versions);
        set(lake, name, &version);
        versions.push(version);
    }
    versions
}

/// Waits for `work` on a runtime of its own.
pub(crate) fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

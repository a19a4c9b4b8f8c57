//! Our store: the only file here that calls it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cidlake_block::{Block, Cid, Codec, cid_of};
use cidlake_store::disk::{Disk, RealDisk};
use cidlake_store::{
    CommitError, Expect, GcOptions, Hold, Liveness, Options, Payload, Record as LogRecord, Store,
    StoreError,
};

use crate::Failure;
use crate::rivals::{Append, Record};

/// The name of a pin that makes its record 256 bytes: 40 bytes are the record's header, and 68
/// the encoding of the rest.
const NAME_BYTES: usize = 148;

/// One lake.
pub(crate) struct Ours {
    store: Store,
    pinned: Cid,
    /// What the writers of records hold, from the first record on.
    session: OnceLock<Hold>,
}

/// Keeps the blocks alive that this says yes to, whatever is committed.
struct Chosen(fn(&Cid) -> bool);

impl Liveness for Chosen {
    type Error = StoreError;

    fn update(&mut self, _records: &[LogRecord]) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_live(&self, cid: &Cid) -> bool {
        self.0(cid)
    }
}

/// How a lake is opened where the defaults are not what is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The size over which a pack is sealed, in bytes.
    pub(crate) pack_bytes_max: u64,
    /// The room of the cache of verified blocks, in bytes.
    pub(crate) cache_bytes_max: u64,
}

impl Default for Shape {
    fn default() -> Self {
        let Options { pack_bytes_max, cache_bytes_max, .. } = Options::default();
        Self { pack_bytes_max, cache_bytes_max }
    }
}

impl Ours {
    /// Opens the lake in `folder`, which is made if there is none.
    pub(crate) fn open(folder: &Path, shape: Shape) -> Result<Self, Failure> {
        Self::open_on(Arc::new(RealDisk), folder, shape)
    }

    fn open_on(disk: Arc<dyn Disk>, folder: &Path, shape: Shape) -> Result<Self, Failure> {
        let Shape { pack_bytes_max, cache_bytes_max } = shape;
        let options =
            Options { create: true, pack_bytes_max, cache_bytes_max, ..Options::default() };
        let store = Store::open(disk, folder, options)?;
        let session = OnceLock::new();
        Ok(Self { store, pinned: cid_of(Codec::Raw, b"pinned"), session })
    }

    /// Puts blocks and makes them durable, under a hold of their own.
    pub(crate) fn put(&self, blocks: &[Block]) -> Result<(), Failure> {
        let hold = self.store.hold()?;
        self.store.put(&hold, blocks)?;
        self.store.commit(&hold, Vec::new(), Expect::Any)?;
        Ok(())
    }

    /// Returns the one hold of all writers of records, which put no blocks.
    fn session(&self) -> Result<&Hold, Failure> {
        if let Some(hold) = self.session.get() {
            return Ok(hold);
        }
        let hold = self.store.hold()?;
        Ok(self.session.get_or_init(|| hold))
    }

    /// Returns the bytes of a block, verified.
    pub(crate) fn get(&self, cid: &Cid) -> Result<Bytes, Failure> {
        let block = self.store.get(cid)?.ok_or("a block is gone")?;
        Ok(block.data().clone())
    }

    /// Returns how many blocks and log records there are.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let stats = self.store.stats();
        (stats.blocks, stats.log.records)
    }

    /// Collects garbage once: blocks that are not live. Returns the bytes of the files
    /// that are gone.
    pub(crate) fn collect(&self, is_live: fn(&Cid) -> bool) -> Result<u64, Failure> {
        let hold = self.store.hold()?;
        let options = GcOptions::default();
        let report = self.store.gc(&hold, &mut Chosen(is_live), options, &mut |_| {})?;
        Ok(report.bytes_freed)
    }

    /// Covers the packs by indexes over many, as the program does when it leaves a lake.
    pub(crate) fn index(&self) -> Result<(), Failure> {
        self.store.index_packs(&mut |_| {})?;
        Ok(())
    }

    /// Lets go of the lake.
    pub(crate) fn close(self) -> Result<(), Failure> {
        Ok(self.store.close()?)
    }

    fn payload(&self, record: &Record) -> Payload {
        let name = record.text.get(..NAME_BYTES).unwrap_or_default().to_owned();
        Payload::Pin { cid: self.pinned, name: Some(name) }
    }
}

impl Append for Ours {
    fn name(&self) -> &'static str {
        "cidlake"
    }

    fn append(&self, records: &[Record]) -> Result<(), Failure> {
        let payloads = records.iter().map(|record| self.payload(record)).collect();
        match self.store.commit(self.session()?, payloads, Expect::Any) {
            Ok(_) => Ok(()),
            Err(error @ (CommitError::Behind { .. } | CommitError::Store(_))) => Err(error.into()),
        }
    }
}

/// Returns the files in a folder of the lake `lake` whose names end with `ending`.
pub(crate) fn files(lake: &Path, folder: &str, ending: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(lake.join(folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use cidlake_store::disk::MemDisk;

    use super::*;
    use crate::random::Random;
    use crate::rivals::{RECORD_BYTES, Records};

    #[test]
    fn a_record_is_as_long_as_that_of_a_rival() {
        let disk = MemDisk::new();
        let lake = Path::new("/lake");
        let ours = Ours::open_on(Arc::new(disk.clone()), lake, Shape::default()).unwrap();
        let records = Records::default();
        let mut random = Random::new(1);
        let two = [records.next(&mut random), records.next(&mut random)];
        ours.append(&two).unwrap();
        let names = disk.list(&lake.join("wal")).unwrap();
        let segment = names.iter().find(|name| name.ends_with(".wal")).unwrap();
        let log = disk.content(&lake.join("wal").join(segment)).unwrap();
        let begins: Vec<usize> = log
            .windows(4)
            .enumerate()
            .filter(|(_, four)| four == b"CDLR")
            .map(|(at, _)| at)
            .collect();
        assert_eq!(begins, [64, 64 + RECORD_BYTES]);
        assert!(log[64 + 2 * RECORD_BYTES..].iter().all(|byte| *byte == 0));
    }
}

//! What a lake says of itself: a check, quick or full, and the figures of health, cache and log.
//!
//! Every figure is read from the thing that it reports on; nothing that does not exist is counted.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use cidlake_block::{Cid, Codec};
use cidlake_catalog::{Commit, SignedDelta};
use cidlake_store::{DamageKind, FsckLevel, Payload, QueueStats};

use crate::archive::needed_links;
use crate::clock::now_ms;
use crate::error::Error;
use crate::lake::{Inner, Lake};
use crate::progress::{Progress, ProgressEvent, Unit};

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is: `block`, `pack`, `index`, `log`, `delta` or `missing`.
    pub what: &'static str,
    /// The CID it concerns.
    pub cid: Option<Cid>,
    /// Where it is: a file and an offset, or what refers to it.
    pub place: String,
    /// What is wrong with it.
    pub detail: String,
}

impl From<cidlake_store::Damage> for Damage {
    fn from(damage: cidlake_store::Damage) -> Self {
        Self {
            what: match damage.kind {
                DamageKind::Block => "block",
                DamageKind::Pack => "pack",
                DamageKind::Index => "index",
                DamageKind::Log => "log",
            },
            cid: damage.cid,
            place: format!("{} at byte {}", damage.path.display(), damage.offset),
            detail: damage.detail,
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct FsckReport {
    /// Whether every block was read.
    pub full: bool,
    /// Blocks whose bytes were compared with their CID; of a quick check those that packs list.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packs looked at.
    pub packs: u64,
    /// Log records whose checksums were verified.
    pub log_records: u64,
    /// Deltas whose signature was verified.
    pub deltas: u64,
    /// Datasets whose every block was found.
    pub datasets: u64,
    /// Everything that is wrong; empty for a lake that is whole.
    pub damage: Vec<Damage>,
}

/// How a lake is.
#[derive(Clone, Debug)]
pub struct Health {
    /// The version of this program.
    pub version: &'static str,
    /// The lake's folder.
    pub lake: PathBuf,
    /// The version of the lake's format.
    pub format_version: u32,
    /// Whether this process may write to it.
    pub writable: bool,
    /// Datasets.
    pub datasets: u64,
    /// Blocks in all packs.
    pub blocks: u64,
    /// Bytes of all packs.
    pub bytes: u64,
    /// Packs.
    pub packs: u64,
    /// The newest record of the log.
    pub log_last_lsn: u64,
    /// Heads of the catalog; more than one means that changes made apart are merged.
    pub catalog_heads: u64,
    /// Datasets with more than one newest version.
    pub conflicts: u64,
    /// Working memory of queries, in bytes.
    pub memory_bytes_max: u64,
    /// Whether nothing is wrong.
    pub ok: bool,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

/// The cache of verified blocks.
#[derive(Clone, Copy, Debug)]
pub struct CacheStats {
    /// Reads that a block in memory answered.
    pub hits: u64,
    /// Reads that went to a pack.
    pub misses: u64,
    /// Blocks in memory.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most bytes it may hold.
    pub bytes_max: u64,
    /// Hits among all reads; absent before the first.
    pub hit_rate: Option<f64>,
    /// Parsed Parquet footers in memory.
    pub footer_entries: u64,
}

/// The write-ahead log, and the operation queue that is in it.
#[derive(Clone, Copy, Debug)]
pub struct WalStatus {
    /// Segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records in them.
    pub records: u64,
    /// The newest record.
    pub last_lsn: u64,
    /// Changes of the catalog among the records.
    pub deltas: u64,
    /// Roots that are pinned.
    pub pins: u64,
    /// The newest record that the newest checkpoint covers which this process knows; 0 without one.
    pub checkpoint_lsn: u64,
    /// Records of any kind that came since.
    pub records_behind: u64,
    /// Copies of closed segments that can be queried.
    pub sealed: u64,
    /// Closed segments without a copy.
    pub unsealed: u64,
    /// Whether a writer is in a commit, or ended in one.
    pub dirty: bool,
    /// The operation queue.
    pub queue: QueueStats,
}

impl Lake {
    /// Checks every record of the log, every delta's signature, what packs list, and that
    /// everything the catalog refers to is there; a full check also every block against its CID.
    ///
    /// # Errors
    /// `Unavailable` when the disk cannot be read at all; damage is in the report.
    pub async fn fsck(&self, level: FsckLevel, progress: Progress) -> Result<FsckReport, Error> {
        self.blocking(move |inner| inner.fsck(level, &progress)).await
    }

    /// Says how the lake is.
    ///
    /// # Errors
    /// As reading the catalog.
    pub async fn health(&self) -> Result<Health, Error> {
        self.blocking(|inner| {
            let stats = inner.store.stats();
            let view = inner.refresh()?;
            let datasets = view.catalog.datasets();
            let conflicts = datasets.iter().filter(|entry| !entry.others.is_empty()).count() as u64;
            let writable = inner.store.is_writable();
            let problems = problems(&inner.settings.path, writable, stats.log.dirty);
            Ok(Health {
                version: env!("CARGO_PKG_VERSION"),
                lake: inner.settings.path.clone(),
                format_version: cidlake_store::FORMAT_VERSION,
                writable,
                datasets: datasets.len() as u64,
                blocks: stats.blocks,
                bytes: stats.bytes,
                packs: stats.packs_sealed + stats.packs_open,
                log_last_lsn: stats.log.last_lsn.0,
                catalog_heads: view.catalog.heads().len() as u64,
                conflicts,
                memory_bytes_max: inner.settings.memory_bytes_max as u64,
                ok: problems.is_empty(),
                problems,
            })
        })
        .await
    }

    /// Says what the cache of verified blocks holds and how often it helped.
    ///
    /// # Errors
    /// None in practice.
    pub async fn cache_stats(&self) -> Result<CacheStats, Error> {
        let footers = self.inner.engine.footer_entries();
        self.blocking(move |inner| {
            let stats = inner.store.stats();
            let reads = stats.cache.hits + stats.cache.misses;
            #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
            let hit_rate = (reads > 0).then(|| stats.cache.hits as f64 / reads as f64);
            Ok(CacheStats {
                hits: stats.cache.hits,
                misses: stats.cache.misses,
                entries: stats.cache.entries,
                bytes: stats.cache.bytes,
                bytes_max: stats.cache.bytes_max,
                hit_rate,
                footer_entries: footers,
            })
        })
        .await
    }

    /// Says what the log and the operation queue hold.
    ///
    /// # Errors
    /// As reading the catalog.
    pub async fn wal_status(&self) -> Result<WalStatus, Error> {
        self.blocking(|inner| {
            let queue = inner.store.queue_stats(now_ms())?;
            let sealed = inner.store.sealed_logs()?.len() as u64;
            let unsealed = inner.store.unsealed_logs()?.len() as u64;
            let view = inner.refresh()?;
            let stats = inner.store.stats();
            Ok(WalStatus {
                segments: stats.log.segments,
                bytes: stats.log.bytes,
                records: stats.log.records,
                last_lsn: stats.log.last_lsn.0,
                deltas: view.deltas,
                pins: view.pins.len() as u64,
                checkpoint_lsn: stats.checkpoint_lsn.0,
                records_behind: stats.records_behind,
                sealed,
                unsealed,
                dirty: stats.log.dirty,
                queue,
            })
        })
        .await
    }
}

/// Says what is wrong with a lake that can be opened.
fn problems(path: &Path, writable: bool, dirty: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if !writable {
        problems.push(format!("{} cannot be written to", path.display()));
    }
    if dirty {
        problems.push(
            "the log is marked as being written: a writer is in a commit, or died in one and the \
             next writer repairs it"
                .to_owned(),
        );
    }
    problems
}

impl Inner {
    pub(crate) fn fsck(&self, level: FsckLevel, progress: &Progress) -> Result<FsckReport, Error> {
        let _hold = self.hold()?;
        let full = level == FsckLevel::Full;
        let mut report = FsckReport { full, ..FsckReport::default() };
        let found = self.store.fsck(level, &mut |at| {
            progress(ProgressEvent {
                phase: "checking",
                done: at.bytes_done,
                total: Some(at.bytes_total),
                unit: Unit::Bytes,
            });
        })?;
        report.blocks = found.blocks;
        report.bytes = found.bytes;
        report.packs = found.packs;
        report.log_records = found.records;
        report.damage.extend(found.damage.into_iter().map(Damage::from));
        self.check_deltas(&mut report)?;
        self.check_reachable(&mut report)?;
        Ok(report)
    }

    /// Verifies the signature of every delta in the log.
    fn check_deltas(&self, report: &mut FsckReport) -> Result<(), Error> {
        for record in self.store.records_after(cidlake_store::Lsn(0))? {
            let Payload::Delta { delta } = record.payload else {
                continue;
            };
            let damage = |detail: String| Damage {
                what: "delta",
                cid: Some(delta),
                place: format!("log record {}", record.lsn.0),
                detail,
            };
            let Ok(block) = self.block(&delta) else {
                report.damage.push(damage("it is missing or damaged".to_owned()));
                continue;
            };
            let signed = SignedDelta::decode(&block).and_then(|signed| signed.verify());
            match signed {
                Ok(()) => report.deltas += 1,
                Err(error) => report.damage.push(damage(error.to_string())),
            }
        }
        Ok(())
    }

    /// Looks for every block that a dataset or a pin needs. Nodes are verified as they are read;
    /// leaves are only looked for, since a full check has read them already.
    fn check_reachable(&self, report: &mut FsckReport) -> Result<(), Error> {
        let (datasets, tags, pins, expired) = {
            let view = self.refresh()?;
            let pins: Vec<Cid> = view.pins.keys().copied().collect();
            (view.catalog.datasets(), view.catalog.all_tags(), pins, view.expired.clone())
        };
        let mut seen = BTreeSet::new();
        for entry in &datasets {
            let before = report.damage.len();
            let ends = Ends::At(expired.get(&entry.name).copied().into_iter().collect());
            let others = entry.others.iter().map(|other| other.commit);
            for head in std::iter::once(entry.commit).chain(others) {
                self.walk(&head, &entry.name.to_string(), &ends, &mut seen, report);
            }
            if report.damage.len() == before {
                report.datasets += 1;
            }
        }
        // What stands before a version with a tag or a pin need not be whole: its dataset may have
        // let it go.
        for (entry, tag) in tags.iter().filter_map(|entry| Some((entry, entry.tag.as_ref()?))) {
            let place = format!("{}@{tag}", entry.name);
            let others = entry.others.iter().map(|other| other.commit);
            for version in std::iter::once(entry.commit).chain(others) {
                self.walk(&version, &place, &Ends::AtFirst, &mut seen, report);
            }
        }
        for pin in &pins {
            self.walk(pin, &format!("pin {pin}"), &Ends::AtFirst, &mut seen, report);
        }
        Ok(())
    }

    fn walk(
        &self,
        root: &Cid,
        name: &str,
        ends: &Ends,
        seen: &mut BTreeSet<Cid>,
        report: &mut FsckReport,
    ) {
        let mut waiting = vec![*root];
        while let Some(cid) = waiting.pop() {
            if !seen.insert(cid) {
                continue;
            }
            let missing = |detail: &str| Damage {
                what: "missing",
                cid: Some(cid),
                place: name.to_owned(),
                detail: detail.to_owned(),
            };
            if matches!(Codec::of(&cid), Ok(Codec::Raw)) {
                if !self.store.has(&cid).unwrap_or(false) {
                    report.damage.push(missing("the block is not in the lake"));
                }
                continue;
            }
            match self.store.get(&cid) {
                Ok(Some(block)) => {
                    let commit = Commit::decode(&block).ok();
                    let ends_here = commit.is_some() && ends.contains(&cid);
                    // Another dataset may keep what stands before it.
                    if ends_here {
                        seen.remove(&cid);
                    }
                    // History that an import left behind, or that was let go, is not damage.
                    if !ends_here {
                        waiting.extend(self.parents_here(&block).unwrap_or_default());
                    }
                    match needed_links(&block, false) {
                        Ok(links) => waiting.extend(links),
                        Err(error) => report.damage.push(missing(&error.to_string())),
                    }
                }
                Ok(None) => report.damage.push(missing("the block is not in the lake")),
                // Listed already by a full check, as the damaged block that it is.
                Err(_) if report.full => {}
                Err(error) => {
                    report.damage.push(Damage { what: "block", ..missing(&error.to_string()) })
                }
            }
        }
    }
}

/// Where the history of a root is not followed any further.
enum Ends {
    /// At these versions.
    At(HashSet<Cid>),
    /// At every version.
    AtFirst,
}

impl Ends {
    fn contains(&self, cid: &Cid) -> bool {
        match self {
            Self::At(versions) => versions.contains(cid),
            Self::AtFirst => true,
        }
    }
}

//! [`Lake`]: one open lake, its view of the catalog, and how that view changes.
//!
//! The view begins at a checkpoint or is replayed from the whole log, and follows it: other
//! processes commit to the same lake, and [`Inner::refresh`] takes in what they did. A change is
//! drafted against the view, made durable, and drafted anew when somebody else was first. Whatever
//! reads or writes keeps a hold meanwhile, so that nothing is ever taken from a reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cidlake_block::{Block, Blocks, Cid};
use cidlake_catalog::{ApplyError, Catalog, Change, Commit, Key, Name, SignedDelta};
use cidlake_query::{Engine, EngineOptions};
use cidlake_store::disk::{Disk, RealDisk};
use cidlake_store::{CommitError, Expect, Hold, Lsn, Options, Payload, Store};
use quick_cache::sync::Cache;

use crate::admission::Admission;
use crate::blocks::{LakeBlocks, blocking};
use crate::clock::now_ms;
use crate::error::{DAMAGE_HINT, Error, ErrorKind};
use crate::index::Index;
use crate::key;
use crate::operations::{self, Handlers};
use crate::settings::Settings;
use crate::spill::SpillFolder;
use crate::state;

/// Parsed footers kept in memory.
const FOOTER_CACHE_BYTES: usize = 64 << 20;
/// Decoded commits kept in memory.
const COMMITS_CACHED: usize = 64;
/// How often a change is drafted anew when other writers keep being first.
const DRAFTS_MAX: u32 = 1_000;

/// Whether opening may make a lake where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Make the lake if the folder holds none.
    Create,
    /// The lake must be there.
    Existing,
}

/// An open lake. Clones share it.
#[derive(Clone)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<Store>,
    pub(crate) blocks: Arc<dyn Blocks>,
    pub(crate) engine: Engine,
    /// Commits that were read lately: the head of what is being changed is asked for again and again.
    pub(crate) commits: Cache<Cid, Commit>,
    key: OnceLock<Key>,
    /// What runs operations of the queue.
    pub(crate) handlers: Handlers,
    /// What is known of all objects, as far as somebody has asked.
    pub(crate) index: Mutex<Index>,
    /// Held only while the view is read or advanced; never across a sync of the disk. A plain
    /// mutex, because every holder is on a blocking thread.
    view: Mutex<View>,
    /// Held while a change is drafted and made durable, so that changes of this process queue up
    /// instead of overtaking each other.
    writer: Mutex<()>,
}

/// What the log says, up to one record.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) catalog: Catalog,
    pub(crate) pins: BTreeMap<Cid, Option<String>>,
    /// The oldest version that a name keeps, where its history was cut short.
    pub(crate) expired: BTreeMap<Name, Cid>,
    /// Commits that deltas or pins have named, in the order of the log.
    pub(crate) commits: Vec<Cid>,
    /// How many of `commits` are in `commits_by_content`.
    pub(crate) commits_read: usize,
    /// Commits by the content they hold, the newest where several do; filled when first asked.
    pub(crate) commits_by_content: BTreeMap<Cid, Cid>,
    /// Commits that are in `commits_by_content`, or were when another took their place.
    pub(crate) commits_known: BTreeSet<Cid>,
    pub(crate) deltas: u64,
    /// The record up to which this is what the log says.
    pub(crate) last: Lsn,
}

/// What a drafted change wants done: changes of names, pins and their ends, ends of histories,
/// and the blocks they stand on.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) changes: Vec<Change>,
    pub(crate) pins: Vec<(Cid, Option<String>)>,
    pub(crate) unpins: Vec<Cid>,
    /// The oldest version that a name keeps from now on.
    pub(crate) expiries: Vec<(Name, Cid)>,
    pub(crate) blocks: Vec<Block>,
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("path", &self.inner.settings.path).finish_non_exhaustive()
    }
}

impl Lake {
    /// Opens the lake that `settings` name.
    ///
    /// # Errors
    /// `NotFound` when there is none and `open` is [`Open::Existing`]; `Unavailable` when its
    /// format is newer than this program; `Corrupt` when its log is damaged in the middle.
    pub async fn open(settings: Settings, open: Open) -> Result<Self, Error> {
        blocking(move || Self::open_blocking(settings, open)).await
    }

    /// Opens the lake that `settings` name on another disk than the operating system's: a way in for
    /// tests that cut the power, and no part of the interface.
    #[doc(hidden)]
    pub async fn open_on(
        disk: Arc<dyn Disk>,
        settings: Settings,
        open: Open,
    ) -> Result<Self, Error> {
        // Small segments, so that there are many.
        let options = Options { segment_bytes_max: 4 << 10, ..Options::default() };
        blocking(move || Self::open_on_blocking(disk, settings, (open, options))).await
    }

    pub(crate) fn open_blocking(settings: Settings, open: Open) -> Result<Self, Error> {
        Self::open_on_blocking(Arc::new(RealDisk), settings, (open, Options::default()))
    }

    fn open_on_blocking(
        disk: Arc<dyn Disk>,
        settings: Settings,
        (open, options): (Open, Options),
    ) -> Result<Self, Error> {
        let mut seed = [0_u8; 16];
        key::fill_random(&mut seed)?;
        let options = Options {
            create: open == Open::Create,
            cache_bytes_max: settings.cache_bytes_max,
            seed,
            ..options
        };
        let store = Arc::new(Store::open(disk, &settings.path, options)?);
        let blocks: Arc<dyn Blocks> =
            Arc::new(LakeBlocks::new(Arc::clone(&store), settings.threads));
        let engine = Engine::new(
            Arc::clone(&blocks),
            EngineOptions {
                memory_bytes_max: settings.memory_bytes_max,
                threads: settings.threads,
                footer_cache_bytes: FOOTER_CACHE_BYTES,
            },
        )?;
        let admission = Admission::new(settings.memory_bytes_max, settings.threads);
        let engine =
            engine.admitting(Arc::new(admission)).spilling_into(Arc::<SpillFolder>::default())?;
        let inner = Inner {
            settings,
            view: Mutex::new(first_view(&store)),
            store,
            blocks,
            engine,
            commits: Cache::new(COMMITS_CACHED),
            key: OnceLock::new(),
            handlers: operations::handlers(),
            index: Mutex::default(),
            writer: Mutex::default(),
        };
        drop(inner.refresh()?);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the lake's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.settings.path
    }

    /// Leaves the lake: what this process wrote and did not commit is synced, its pack is left
    /// for the next writer. Where much was written since the last time, a checkpoint and indexes
    /// over packs are made first, so that the next opening is quick.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub async fn close(&self) -> Result<(), Error> {
        self.blocking(|inner| {
            inner.maintain_cheaply();
            Ok(inner.store.close()?)
        })
        .await
    }

    /// Takes a hold: until it is dropped nothing that is here now is taken away.
    pub(crate) async fn hold(&self) -> Result<Hold, Error> {
        self.blocking(Inner::hold).await
    }

    /// Runs `work` on a blocking thread with the lake's insides.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner)).await
    }
}

impl Inner {
    /// Returns the user's key, reading or making its file the first time.
    pub(crate) fn key(&self) -> Result<&Key, Error> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = key::load_or_create(&self.settings.key_file)?;
        Ok(self.key.get_or_init(|| key))
    }

    /// Takes a hold: until it is dropped nothing that is here now is taken away. Taken before the
    /// first read that an answer or a change depends on.
    pub(crate) fn hold(&self) -> Result<Hold, Error> {
        Ok(self.store.hold()?)
    }

    /// Takes in what was committed since the last time, by anyone, and returns the view.
    pub(crate) fn refresh(&self) -> Result<MutexGuard<'_, View>, Error> {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        for record in self.store.records_after(view.last)? {
            view.take(&self.store, record.payload)?;
            view.last = record.lsn;
        }
        Ok(view)
    }

    /// Reads a block that the catalog refers to; its absence is damage.
    pub(crate) fn block(&self, cid: &Cid) -> Result<Block, Error> {
        required_block(&self.store, cid)
    }

    /// Makes a change durable: `draft` looks at the newest view and says what to do, and is asked
    /// again when another writer was first. Returns what was asked last and the bytes newly
    /// written for the change itself.
    ///
    /// `draft` returning `None` means that there is nothing to do. `hold` is the one under which
    /// everything was put and read that the change builds on.
    pub(crate) fn change<T>(
        &self,
        hold: &Hold,
        mut draft: impl FnMut(&View) -> Result<(T, Option<Draft>), Error>,
    ) -> Result<(T, u64), Error> {
        let _queue = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new_bytes = 0;
        for _ in 0..DRAFTS_MAX {
            let (value, wanted, delta, last) = {
                let view = self.refresh()?;
                let (value, wanted) = draft(&view)?;
                let Some(wanted) = wanted else {
                    drop(view);
                    // What is there already may be a commit that nobody has synced.
                    self.store.make_durable()?;
                    return Ok((value, new_bytes));
                };
                let delta = self.sign(&view, &wanted)?;
                (value, wanted, delta, view.last)
            };
            new_bytes += self.store.put(hold, &wanted.blocks)?.new_bytes;
            if let Some(delta) = &delta {
                new_bytes += self.store.put(hold, std::slice::from_ref(delta.block()))?.new_bytes;
            }
            let records = records(delta.as_ref(), wanted);
            match self.store.commit(hold, records, Expect::Last(last)) {
                Ok(_) => {
                    drop(self.refresh()?);
                    return Ok((value, new_bytes));
                }
                Err(CommitError::Behind { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("other writers were first {DRAFTS_MAX} times in a row"),
        )
        .with_hint("try again when the lake is less busy"))
    }

    /// Signs the delta for the changes of `wanted`, where it has any.
    fn sign(&self, view: &View, wanted: &Draft) -> Result<Option<SignedDelta>, Error> {
        if wanted.changes.is_empty() {
            return Ok(None);
        }
        let key = self.key()?;
        let delta = view.catalog.draft(wanted.changes.clone(), key.id(), now_ms());
        let signed = SignedDelta::sign(delta, key).map_err(|error| {
            Error::internal("a change of the catalog could not be encoded").with_source(error)
        })?;
        Ok(Some(signed))
    }
}

/// Returns the view that the newest checkpoint holds; an empty one, which replays the whole log,
/// where there is none or it is not understood.
fn first_view(store: &Store) -> View {
    let Some(base) = store.base() else {
        return View::default();
    };
    match state::decode(&base.state) {
        Some(view) => View { last: base.lsn, ..view },
        None => View::default(),
    }
}

/// Returns the records of a change. The delta is first: freeing a name forgets where its history
/// ends, and what ends after a rename is that of the new name.
fn records(delta: Option<&SignedDelta>, wanted: Draft) -> Vec<Payload> {
    let delta = delta.map(|delta| Payload::Delta { delta: *delta.cid() });
    let pins = wanted.pins.into_iter().map(|(cid, name)| Payload::Pin { cid, name });
    let unpins = wanted.unpins.into_iter().map(|cid| Payload::Unpin { cid });
    let expiries = wanted.expiries.into_iter();
    let expiries = expiries.map(|(name, oldest)| Payload::Expire { name: name.full(), oldest });
    delta.into_iter().chain(pins).chain(unpins).chain(expiries).collect()
}

/// Parses the name in a record that ends a history.
pub(crate) fn expired_name(name: &str) -> Result<Name, Error> {
    Name::parse(name).map_err(|error| {
        Error::corrupt(format!("a record of the log names a dataset {name:?}")).with_source(error)
    })
}

impl View {
    /// Applies one committed record.
    pub(crate) fn take(&mut self, store: &Store, payload: Payload) -> Result<(), Error> {
        match payload {
            Payload::Delta { delta } => self.take_delta(store, &delta)?,
            Payload::Pin { cid, name } => {
                self.commits.push(cid);
                self.pins.insert(cid, name);
            }
            Payload::Unpin { cid } => {
                self.pins.remove(&cid);
            }
            Payload::Expire { name, oldest } => {
                self.expired.insert(expired_name(&name)?, oldest);
            }
        }
        Ok(())
    }

    /// Applies a delta. Those that it builds on were in the log before it; where a repair lost
    /// their records, their blocks may still be here, and they are applied first.
    fn take_delta(&mut self, store: &Store, cid: &Cid) -> Result<(), Error> {
        let mut waiting = vec![*cid];
        while let Some(next) = waiting.last().copied() {
            if self.catalog.contains(&next) {
                waiting.pop();
                continue;
            }
            let delta = delta_at(store, &next)?;
            match self.catalog.apply(&delta) {
                Ok(_) => self.note(&delta),
                Err(ApplyError::MissingParents { cids, .. }) => waiting.extend(cids),
            }
        }
        Ok(())
    }

    /// Takes note of what a delta means beside the catalog.
    fn note(&mut self, delta: &SignedDelta) {
        self.deltas += 1;
        let mut commits = BTreeSet::new();
        for change in &delta.delta().changes {
            match change {
                Change::Set { commit, .. } => {
                    commits.insert(*commit);
                }
                // Whoever has the name next begins a history of their own.
                Change::Unset { name, .. } if self.catalog.get(name).is_none() => {
                    self.expired.remove(name);
                }
                Change::Unset { .. } => {}
            }
        }
        self.commits.extend(commits);
    }
}

/// Reads a delta that the log speaks of.
pub(crate) fn delta_at(store: &Store, cid: &Cid) -> Result<SignedDelta, Error> {
    SignedDelta::decode(&required_block(store, cid)?).map_err(|error| {
        Error::corrupt(format!("the catalog's delta {cid} cannot be read")).with_source(error)
    })
}

/// Reads a block that must be there.
pub(crate) fn required_block(store: &Store, cid: &Cid) -> Result<Block, Error> {
    store.get(cid)?.ok_or_else(|| {
        Error::corrupt(format!("block {cid}, which the lake refers to, is missing"))
            .with_hint(DAMAGE_HINT)
    })
}

//! CAR archives: a dataset out with everything it needs, and any CAR in, every block verified.
//!
//! An export holds the content, the part lists and the head commit, and with `history` the
//! commits and contents before it. Roots are the content first, since other tools know what to do
//! with it, and then the commit, which this project reads back.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use cidlake_block::{Block, Cid, Codec, car, codec};
use cidlake_catalog::{Commit, Entry};
use cidlake_store::Hold;

use crate::error::{Error, ErrorKind};
use crate::history::{Target, parse_name};
use crate::lake::{Draft, Inner, Lake};
use crate::progress::{Progress, ProgressEvent, Unit};

/// How many bytes of blocks an import puts at once.
const IMPORT_BATCH_BYTES: usize = 16 << 20;

/// What was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The root of the content.
    pub cid: Cid,
    /// The commit, where a table was exported.
    pub commit: Option<Cid>,
    /// Blocks in the archive.
    pub blocks: u64,
    /// Bytes of the archive.
    pub bytes: u64,
    /// Where it was written.
    pub path: PathBuf,
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The archive's roots, pinned now.
    pub roots: Vec<Cid>,
    /// The dataset that was named after it, if any.
    pub names: Vec<String>,
    /// Blocks in the archive.
    pub blocks: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// Bytes of every block that was not here before.
    pub new_bytes: u64,
}

impl Lake {
    /// Writes what `reference` means as a CAR file; nothing is left at `out` when it fails.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference; `Corrupt` when a block is damaged or absent.
    pub async fn export(
        &self,
        reference: &str,
        out: PathBuf,
        history: bool,
        progress: Progress,
    ) -> Result<Exported, Error> {
        let hold = self.hold().await?;
        let target = self.target(reference).await?;
        self.blocking(move |inner| {
            let exported = inner.export(&target, &out, history, &progress);
            drop(hold);
            exported
        })
        .await
    }

    /// Takes in a CAR file (version 1 or 2). Every block is verified, and the roots must be
    /// complete but for the history of a commit; only then are they pinned, and named `name`. A
    /// dataset that has the name already gets a new version if that grew from what it has.
    ///
    /// # Errors
    /// `Corrupt` when a block does not match its CID; `Invalid` for what is no CAR or lacks
    /// blocks, and for a name where no table is among the roots; `Conflict` where the name means
    /// something that the table did not grow from.
    pub async fn import(
        &self,
        source: PathBuf,
        name: Option<String>,
        progress: Progress,
    ) -> Result<Imported, Error> {
        self.blocking(move |inner| inner.import(&source, name.as_deref(), &progress)).await
    }
}

/// What an export begins at, and what it must not follow.
struct Scope {
    roots: Vec<Cid>,
    commit: Option<Cid>,
    history: bool,
    /// The oldest version that the dataset keeps, where it let older ones go.
    oldest: Option<Cid>,
}

impl Inner {
    fn export(
        &self,
        target: &Target,
        out: &Path,
        history: bool,
        progress: &Progress,
    ) -> Result<Exported, Error> {
        let scope = match target {
            Target::Commit(found) => {
                let name = found.entry.as_ref().map(|entry| &entry.name);
                let view = self.refresh()?;
                Scope {
                    roots: vec![found.commit.content, found.cid],
                    commit: Some(found.cid),
                    history,
                    oldest: name.and_then(|name| view.expired.get(name).copied()),
                }
            }
            Target::Content(cid) => {
                Scope { roots: vec![*cid], commit: None, history, oldest: None }
            }
        };
        let fail = |error| Error::io(out, "write", error);
        let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty());
        let draft = tempfile::Builder::new()
            .prefix(".cidlake-export-")
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
            .map_err(fail)?;
        let writer = BufWriter::with_capacity(1 << 20, draft.as_file());
        let mut writer = car::Writer::new(writer, &scope.roots).map_err(car_error(out))?;
        let blocks = self.write_blocks(&scope, progress, &mut |block| {
            writer.write(block).map(drop).map_err(car_error(out))
        })?;
        let mut writer = writer.finish().map_err(car_error(out))?;
        writer.flush().map_err(fail)?;
        drop(writer);
        draft.as_file().sync_all().map_err(fail)?;
        let bytes = draft.as_file().metadata().map_err(fail)?.len();
        draft.persist(out).map_err(|error| fail(error.error))?;
        let cid = scope.roots.first().copied();
        Ok(Exported {
            cid: cid.ok_or_else(|| Error::internal("an export has no root"))?,
            commit: scope.commit,
            blocks,
            bytes,
            path: out.to_owned(),
        })
    }

    /// Visits every block below the roots once, parents before children.
    fn write_blocks(
        &self,
        scope: &Scope,
        progress: &Progress,
        write: &mut dyn FnMut(&Block) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<Cid> = scope.roots.iter().rev().copied().collect();
        let mut done = 0;
        while let Some(cid) = waiting.pop() {
            if !seen.insert(cid) {
                continue;
            }
            let block = self.block(&cid)?;
            write(&block)?;
            done += 1;
            progress(ProgressEvent { phase: "exporting", done, total: None, unit: Unit::Blocks });
            let links = needed_links(&block, false)?;
            waiting.extend(links.into_iter().rev());
            if scope.history && scope.oldest != Some(cid) {
                waiting.extend(self.parents_here(&block)?);
            }
        }
        Ok(done)
    }

    /// Returns the versions before a commit that are here: an import brings a head without its
    /// history, and collection takes what a dataset let go.
    pub(crate) fn parents_here(&self, block: &Block) -> Result<Vec<Cid>, Error> {
        let is_commit = matches!(Codec::of(block.cid()), Ok(Codec::DagCbor));
        let Some(commit) = Commit::decode(block).ok().filter(|_| is_commit) else {
            return Ok(Vec::new());
        };
        let mut here = Vec::new();
        for parent in commit.parents {
            if self.older_version(&parent)?.is_some() {
                here.push(parent);
            }
        }
        Ok(here)
    }

    fn import(
        &self,
        path: &Path,
        name: Option<&str>,
        progress: &Progress,
    ) -> Result<Imported, Error> {
        let name = name.map(parse_name).transpose()?;
        let hold = self.hold()?;
        let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
        let total = file.metadata().ok().map(|meta| meta.len());
        let read = BufReader::with_capacity(1 << 20, file);
        let mut reader = car::Reader::new(read).map_err(car_error(path))?;
        let roots = reader.roots().to_vec();
        let mut imported =
            Imported { roots: roots.clone(), names: Vec::new(), blocks: 0, bytes: 0, new_bytes: 0 };
        self.import_blocks(&hold, &mut reader, path, &mut imported, (total, progress))?;
        let mut tables = Vec::new();
        for root in &roots {
            self.check_complete(&hold, root, path)?;
            if self.commit_if_any(root)?.is_some() {
                tables.push(*root);
            }
        }
        if name.is_some() && tables.len() != 1 {
            return Err(Error::invalid(format!(
                "{} has {} tables among its roots; a name needs exactly one",
                path.display(),
                tables.len()
            ))
            .with_hint("import it without --name; its roots are pinned and had by CID"));
        }
        let ((), written) = self.change(&hold, |view| {
            let mut draft = Draft::default();
            for root in &roots {
                if !view.pins.contains_key(root) {
                    draft.pins.push((*root, None));
                }
            }
            if let (Some(name), Some(table)) = (&name, tables.first())
                && self.is_news(view.catalog.get(name), table)?
            {
                draft.changes.push(view.catalog.set(name, *table));
            }
            let is_known = draft.pins.is_empty() && draft.changes.is_empty();
            if is_known && imported.new_bytes > 0 {
                // Blocks came with it all the same, and are there once a record says so.
                let named = |root: &Cid| (*root, view.pins.get(root).cloned().flatten());
                draft.pins = roots.iter().map(named).collect();
            }
            let nothing = draft.pins.is_empty() && draft.changes.is_empty();
            Ok(((), (!nothing).then_some(draft)))
        })?;
        imported.new_bytes += written;
        imported.names = name.into_iter().map(|name| name.to_string()).collect();
        Ok(imported)
    }

    /// Returns whether an imported `table` is to become the newest version of the dataset `entry`, if
    /// there is one. Refuses where it did not grow from what that has now.
    fn is_news(&self, entry: Option<Entry>, table: &Cid) -> Result<bool, Error> {
        let Some(entry) = entry else { return Ok(true) };
        if entry.commit == *table {
            return Ok(false);
        }
        let grown_from = self.boundaries_and_older([*table])?;
        let mut now = std::iter::once(entry.commit).chain(entry.others.iter().map(|o| o.commit));
        if now.all(|commit| grown_from.contains(&commit)) {
            return Ok(true);
        }
        let message = format!(
            "a dataset named {} exists already, and it cannot be seen that the imported table grew \
             from its newest version {}",
            entry.name, entry.commit
        );
        Err(Error::new(ErrorKind::Conflict, message).with_hint(
            "nothing was pinned or named; import it under another name, or an archive that was \
             exported with --history",
        ))
    }

    /// Takes in the blocks that are not here, or whose copies here are damaged: an archive is how
    /// good copies come back.
    fn import_blocks<R: Read>(
        &self,
        hold: &Hold,
        reader: &mut car::Reader<R>,
        path: &Path,
        imported: &mut Imported,
        (total, progress): (Option<u64>, &Progress),
    ) -> Result<(), Error> {
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        for unverified in reader {
            let unverified = unverified.map_err(car_error(path))?;
            let block = unverified.verify().map_err(|error| {
                Error::corrupt(format!("{} holds a block that is not what it says", path.display()))
                    .with_source(error)
                    .with_hint("nothing was pinned or named; get the file again")
            })?;
            imported.blocks += 1;
            imported.bytes += block.len() as u64;
            batch_bytes += block.len();
            batch.push(block);
            if batch_bytes >= IMPORT_BATCH_BYTES {
                imported.new_bytes += self.store.restore(hold, &batch)?.new_bytes;
                batch.clear();
                batch_bytes = 0;
                let done = imported.bytes;
                progress(ProgressEvent { phase: "importing", done, total, unit: Unit::Bytes });
            }
        }
        imported.new_bytes += self.store.restore(hold, &batch)?.new_bytes;
        Ok(())
    }

    /// Refuses a root of which blocks are missing; the history of a commit may be.
    fn check_complete(&self, hold: &Hold, root: &Cid, path: &Path) -> Result<(), Error> {
        let Some(cid) = self.keep_below(hold, root)? else {
            return Ok(());
        };
        Err(Error::invalid(format!(
            "{} lacks block {cid}, which its root {root} needs",
            path.display()
        ))
        .with_hint("nothing was pinned or named; the file was cut short or written in part"))
    }

    /// Makes everything below `root` stay until a commit under `hold` refers to it. Returns a block
    /// that is not here, if any; the history of a commit is left out and may be absent.
    pub(crate) fn keep_below(&self, hold: &Hold, root: &Cid) -> Result<Option<Cid>, Error> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![*root];
        while let Some(cid) = waiting.pop() {
            if !seen.insert(cid) || matches!(Codec::of(&cid), Ok(Codec::Raw)) {
                continue;
            }
            match self.store.get(&cid)? {
                Some(block) => waiting.extend(needed_links(&block, false)?),
                None => return Ok(Some(cid)),
            }
        }
        let all: Vec<Cid> = seen.into_iter().collect();
        Ok(self.store.keep(hold, &all)?.first().copied())
    }
}

/// Returns the links of `block` that belong to it; a commit's parents only with `history`. What a
/// commit jumps to is no part of it: jumps only save steps, and history is kept along parents.
pub(crate) fn needed_links(block: &Block, history: bool) -> Result<Vec<Cid>, Error> {
    let mut links = codec::links(block).map_err(|error| {
        Error::corrupt(format!("the links of block {} cannot be read", block.cid()))
            .with_source(error)
    })?;
    if matches!(Codec::of(block.cid()), Ok(Codec::DagCbor))
        && let Ok(commit) = Commit::decode(block)
    {
        let is_jump = |link: &Cid| commit.jump == Some(*link);
        let is_parent = |link: &Cid| commit.parents.contains(link);
        links.retain(|link| if is_parent(link) { history } else { !is_jump(link) });
    }
    Ok(links)
}

fn car_error(path: &Path) -> impl Fn(car::CarError) -> Error + '_ {
    move |error| {
        Error::invalid(format!("{} is not a whole CAR file", path.display())).with_source(error)
    }
}

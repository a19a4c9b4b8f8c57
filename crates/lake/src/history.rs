//! From what a user writes (a name, a version, a CID) to the commit or content that it means.
//!
//! Which version of a dataset is meant is found in `versions.rs`. Walks are bounded by what the
//! commits themselves say; nothing here changes the lake.

use std::collections::HashSet;

use cidlake_block::{Cid, Codec, parse_cid};
use cidlake_catalog::{Commit, Entry, Name, Part, Reference, all_parts};

use crate::error::Error;
use crate::lake::{Inner, Lake, View};

/// How large schema and metadata of a commit may be that is kept decoded, in bytes.
const CACHED_BYTES_MAX: usize = 64 << 10;

/// What a reference means.
pub(crate) enum Target {
    /// A version of a table.
    Commit(Box<Found>),
    /// A block that is no commit and no known table content: a file, a folder or plain bytes.
    Content(Cid),
}

/// A commit and how it was found.
pub(crate) struct Found {
    pub(crate) entry: Option<Entry>,
    pub(crate) cid: Cid,
    pub(crate) commit: Commit,
}

impl Lake {
    /// Resolves `text` against the newest view.
    pub(crate) async fn target(&self, text: &str) -> Result<Target, Error> {
        let text = text.to_owned();
        self.blocking(move |inner| inner.target(&text)).await
    }

    /// Resolves `text` to a table; `None` for a CID that is not a table.
    pub(crate) async fn found(&self, text: &str) -> Result<Found, Error> {
        match self.target(text).await? {
            Target::Commit(found) => Ok(*found),
            Target::Content(cid) => Err(Error::not_found(format!("{cid} is not a table of this lake"))
                .with_hint("`cidlake ls` and `cidlake cat` read files and folders; `cidlake datasets` lists tables")),
        }
    }
}

/// Parses a reference, with the catalog's reason as the message.
pub(crate) fn parse_reference(text: &str) -> Result<Reference, Error> {
    Reference::parse(text).map_err(|error| {
        Error::usage(format!("{text:?} names no dataset: {error}"))
            .with_hint("write a name, name@COMMIT, name~N, name@TIME, name@TAG or a CID")
    })
}

/// Parses a name that is to be created, changed or dropped.
pub(crate) fn parse_name(text: &str) -> Result<Name, Error> {
    Name::parse(text).map_err(|error| {
        Error::usage(format!("{text:?} cannot be a name: {error}")).with_hint(
            "a name is namespace.table or table, each of a-z, 0-9, _ and -, at most 64 long",
        )
    })
}

impl Inner {
    pub(crate) fn target(&self, text: &str) -> Result<Target, Error> {
        let text =
            text.strip_prefix("ipfs://").or_else(|| text.strip_prefix("/ipfs/")).unwrap_or(text);
        match parse_reference(text)? {
            Reference::Dataset { name, at } => {
                Ok(Target::Commit(Box::new(self.version(&name, &at)?)))
            }
            Reference::Cid(cid) => self.target_of_cid(cid),
        }
    }

    /// Resolves a CID: a commit, the content of a known commit, or anything else that is here.
    fn target_of_cid(&self, cid: Cid) -> Result<Target, Error> {
        let known = match self.commit_if_any(&cid)? {
            Some(commit) => Some((cid, commit)),
            None => self.commit_of_content(&cid)?,
        };
        if let Some((cid, commit)) = known {
            self.check_lists(&cid, &commit)?;
            return Ok(Target::Commit(Box::new(Found { entry: None, cid, commit })));
        }
        if self.store.has(&cid)? {
            return Ok(Target::Content(cid));
        }
        Err(Error::not_found(format!("{cid} is not in this lake"))
            .with_hint("`cidlake import` brings content from a CAR file"))
    }

    /// Refuses a version that nothing keeps and of which garbage collection left the commit alone.
    fn check_lists(&self, cid: &Cid, commit: &Commit) -> Result<(), Error> {
        for list in &commit.parts {
            if !self.store.has(&list.cid)? {
                return Err(Error::not_found(format!("the version {cid} is not whole any more"))
                    .with_hint(
                        "garbage was collected since nothing kept it; if it should be here, \
                         `cidlake fsck` says what is missing",
                    ));
            }
        }
        Ok(())
    }

    /// Reads a commit that the catalog refers to.
    pub(crate) fn commit(&self, cid: &Cid) -> Result<Commit, Error> {
        if let Some(known) = self.known_commit(cid)? {
            return Ok(known);
        }
        let commit = Commit::decode(&self.block(cid)?).map_err(|error| {
            Error::corrupt(format!("commit {cid} cannot be read")).with_source(error)
        })?;
        self.remember_commit(*cid, &commit);
        Ok(commit)
    }

    /// Reads `cid` as a commit where it is one.
    pub(crate) fn commit_if_any(&self, cid: &Cid) -> Result<Option<Commit>, Error> {
        if !matches!(Codec::of(cid), Ok(Codec::DagCbor)) {
            return Ok(None);
        }
        if let Some(known) = self.known_commit(cid)? {
            return Ok(Some(known));
        }
        let Some(block) = self.store.get(cid)? else {
            return Ok(None);
        };
        let commit = Commit::decode(&block).ok();
        if let Some(commit) = &commit {
            self.remember_commit(*cid, commit);
        }
        Ok(commit)
    }

    /// Keeps a commit at hand, unless it is unusually large.
    pub(crate) fn remember_commit(&self, cid: Cid, commit: &Commit) {
        let words = commit.metadata.iter().map(|(key, value)| key.len() + value.len());
        if commit.schema.len() + words.sum::<usize>() <= CACHED_BYTES_MAX {
            self.commits.insert(cid, commit.clone());
        }
    }

    /// Returns a commit that was read before, unless its block is gone since.
    fn known_commit(&self, cid: &Cid) -> Result<Option<Commit>, Error> {
        match self.commits.get(cid) {
            Some(known) if self.store.has(cid)? => Ok(Some(known)),
            _ => Ok(None),
        }
    }

    /// Returns the newest known commit whose content is `content`.
    fn commit_of_content(&self, content: &Cid) -> Result<Option<(Cid, Commit)>, Error> {
        let mut view = self.refresh()?;
        self.read_commits(&mut view)?;
        let Some(cid) = view.commits_by_content.get(content).copied() else {
            return Ok(None);
        };
        if let Some(commit) = self.commit_if_any(&cid)? {
            return Ok(Some((cid, commit)));
        }
        // Garbage collection took it; an older commit may hold the same.
        view.commits_by_content.clear();
        view.commits_known.clear();
        view.commits_read = 0;
        self.read_commits(&mut view)?;
        let Some(cid) = view.commits_by_content.get(content).copied() else {
            return Ok(None);
        };
        Ok(self.commit_if_any(&cid)?.map(|commit| (cid, commit)))
    }

    /// Reads the commits that were named since the last time, and their history.
    fn read_commits(&self, view: &mut View) -> Result<(), Error> {
        let mut older = Vec::new();
        while let Some(cid) = view.commits.get(view.commits_read).copied() {
            view.commits_read += 1;
            if let Some(commit) = self.commit_if_any(&cid)? {
                view.commits_by_content.insert(commit.content, cid);
                view.commits_known.insert(cid);
                older.extend(commit.parents);
            }
        }
        // History that came with an import was never a head here.
        while let Some(cid) = older.pop() {
            if !view.commits_known.insert(cid) {
                continue;
            }
            if let Some(commit) = self.commit_if_any(&cid)? {
                view.commits_by_content.entry(commit.content).or_insert(cid);
                older.extend(commit.parents);
            }
        }
        Ok(())
    }

    /// Returns `boundaries`, the oldest versions that are kept of some datasets, and everything
    /// that is older, as far as it is here.
    pub(crate) fn boundaries_and_older(
        &self,
        boundaries: impl IntoIterator<Item = Cid>,
    ) -> Result<HashSet<Cid>, Error> {
        let mut found: HashSet<Cid> = HashSet::new();
        let mut waiting: Vec<Cid> = boundaries.into_iter().collect();
        while let Some(cid) = waiting.pop() {
            if found.insert(cid)
                && let Some(commit) = self.commit_if_any(&cid)?
            {
                waiting.extend(commit.parents);
            }
        }
        Ok(found)
    }

    /// Reads the parts of a commit, in row order.
    pub(crate) fn parts(&self, commit: &Commit) -> Result<Vec<Part>, Error> {
        all_parts(&commit.parts, &mut |cid| self.block(cid))
    }

    /// Says that there is no such dataset, and which ones are near.
    pub(crate) fn unknown(&self, name: &Name) -> Error {
        let error = Error::not_found(format!("no dataset is named {name}"));
        let Ok(view) = self.refresh() else {
            return error;
        };
        let names = view.names();
        let near = cidlake_query::near(&name.to_string(), &names);
        match near.first() {
            Some(near) => {
                error.with_hint(format!("did you mean {near}? `cidlake datasets` lists all"))
            }
            None => error.with_hint("`cidlake datasets` lists what there is"),
        }
    }
}

impl View {
    /// Returns the names of all datasets.
    pub(crate) fn names(&self) -> Vec<String> {
        self.catalog.datasets().into_iter().map(|entry| entry.name.to_string()).collect()
    }
}

/// Splits `cid/path` or `/ipfs/cid/path`.
pub(crate) fn split_path(target: &str) -> Result<(Cid, String), Error> {
    let rest =
        target.strip_prefix("ipfs://").or_else(|| target.strip_prefix("/ipfs/")).unwrap_or(target);
    let (cid, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((parse_cid(cid)?, path.trim_matches('/').to_owned()))
}

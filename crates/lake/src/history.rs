//! From what a user writes (a name, a version, a CID) to the commit or content that it means.
//!
//! A dataset's history is the chain of first parents from its head. Walks are bounded by what the
//! commits themselves say; nothing here changes the lake.

use std::sync::Arc;

use cidlake_block::{Cid, Codec, parse_cid};
use cidlake_catalog::{At, Commit, Entry, Name, Part, Reference, decode_part_list};
use cidlake_query::Table;

use crate::error::{Error, ErrorKind};
use crate::lake::{Inner, Lake, View};

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
            .with_hint("write a name, name@COMMIT, name~N, name@TIME or a CID")
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
                // Bound first: the view must be free again when the error looks for near names.
                let entry = self.refresh()?.catalog.get(&name);
                let entry = entry.ok_or_else(|| self.unknown(&name))?;
                let (cid, commit) = self.version(&entry, &at)?;
                Ok(Target::Commit(Box::new(Found { entry: Some(entry), cid, commit })))
            }
            Reference::Cid(cid) => self.target_of_cid(cid),
        }
    }

    /// Resolves a CID: a commit, the content of a known commit, or anything else that is here.
    fn target_of_cid(&self, cid: Cid) -> Result<Target, Error> {
        if let Some(commit) = self.commit_if_any(&cid)? {
            return Ok(Target::Commit(Box::new(Found { entry: None, cid, commit })));
        }
        if let Some(commit_cid) = self.commit_of_content(&cid)? {
            let commit = self.commit(&commit_cid)?;
            return Ok(Target::Commit(Box::new(Found { entry: None, cid: commit_cid, commit })));
        }
        if self.store.has(&cid)? {
            return Ok(Target::Content(cid));
        }
        Err(Error::not_found(format!("{cid} is not in this lake"))
            .with_hint("`cidlake import` brings content from a CAR file"))
    }

    /// Reads a commit that the catalog refers to.
    pub(crate) fn commit(&self, cid: &Cid) -> Result<Commit, Error> {
        Commit::decode(&self.block(cid)?).map_err(|error| {
            Error::corrupt(format!("commit {cid} cannot be read")).with_source(error)
        })
    }

    /// Reads `cid` as a commit where it is one.
    pub(crate) fn commit_if_any(&self, cid: &Cid) -> Result<Option<Commit>, Error> {
        if !matches!(Codec::of(cid), Ok(Codec::DagCbor)) {
            return Ok(None);
        }
        let Some(block) = self.store.get(cid)? else {
            return Ok(None);
        };
        Ok(Commit::decode(&block).ok())
    }

    /// Returns the newest known commit whose content is `content`.
    fn commit_of_content(&self, content: &Cid) -> Result<Option<Cid>, Error> {
        let mut view = self.refresh()?;
        let mut older = Vec::new();
        for cid in std::mem::take(&mut view.commits_unread) {
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
        Ok(view.commits_by_content.get(content).copied())
    }

    /// Returns the version of a dataset that `at` asks for.
    fn version(&self, entry: &Entry, at: &At) -> Result<(Cid, Commit), Error> {
        let mut cid = entry.commit;
        let mut commit = self.commit(&cid)?;
        let mut steps = 0_u32;
        loop {
            let reached = match at {
                At::Head => true,
                At::Back(back) => steps == *back,
                At::Commit(wanted) => cid == *wanted,
                At::Time { unix_ms } => commit.time_ms <= *unix_ms,
            };
            if reached {
                return Ok((cid, commit));
            }
            let Some(parent) = commit.parents.first().copied() else {
                return Err(no_version(&entry.name, at, steps));
            };
            // History may have been left behind: an import brings the head alone.
            let Some(older) = self.commit_if_any(&parent)? else {
                return Err(no_version(&entry.name, at, steps)
                    .with_hint(format!("the history before {cid} is not in this lake")));
            };
            (cid, commit) = (parent, older);
            steps += 1;
        }
    }

    /// Reads the parts of a commit, in row order.
    pub(crate) fn parts(&self, commit: &Commit) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for link in &commit.parts {
            let list = decode_part_list(&self.block(&link.cid)?).map_err(|error| {
                Error::corrupt(format!("the part list {} cannot be read", link.cid))
                    .with_source(error)
            })?;
            parts.extend(list);
        }
        Ok(parts)
    }

    /// Returns the table of a commit, ready to be read.
    pub(crate) fn table(&self, commit: Commit) -> Result<Arc<Table>, Error> {
        let parts = self.parts(&commit)?;
        Ok(Arc::new(Table::new(commit, parts)?))
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

fn no_version(name: &Name, at: &At, versions: u32) -> Error {
    let wanted = match at {
        At::Head => "its head".to_owned(),
        At::Back(back) => format!("a version {back} steps back"),
        At::Commit(cid) => format!("the commit {cid} in its history"),
        At::Time { .. } => "a version as old as that".to_owned(),
    };
    Error::new(ErrorKind::NotFound, format!("{name} does not have {wanted}"))
        .with_hint(format!("its history has {} versions here", u64::from(versions) + 1))
}

/// Splits `cid/path` or `/ipfs/cid/path`.
pub(crate) fn split_path(target: &str) -> Result<(Cid, String), Error> {
    let rest =
        target.strip_prefix("ipfs://").or_else(|| target.strip_prefix("/ipfs/")).unwrap_or(target);
    let (cid, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((parse_cid(cid)?, path.trim_matches('/').to_owned()))
}

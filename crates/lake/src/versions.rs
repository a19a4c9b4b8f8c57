//! Which version of a dataset is meant: so many back, at a moment, by its commit or by a tag.
//!
//! History is walked along jumps, so a version is found in few steps however far back it is.
//! Versions that were let go are refused although their commits may still be here; one with a tag
//! is read whatever its age. What a reference looks like is the catalog's to say.

use cidlake_block::Cid;
use cidlake_catalog::{At, Commit, Entry, Name, Reference, Tag, Walked, ancestor_at, newest_at};

use crate::error::{DAMAGE_HINT, Error, ErrorKind};
use crate::history::{Found, parse_reference};
use crate::lake::Inner;

/// One version of a dataset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) cid: Cid,
    pub(crate) time_ms: u64,
}

/// The versions of a dataset from its newest back, and where they end.
pub(crate) struct Chain<'a> {
    inner: &'a Inner,
    name: &'a Name,
    pub(crate) head: (Cid, Commit),
    /// The oldest version that the dataset keeps and its depth, where it let older ones go.
    oldest: Option<(Cid, u64)>,
}

impl Inner {
    /// Returns the version of `name` that `at` asks for.
    pub(crate) fn version(&self, name: &Name, at: &At) -> Result<Found, Error> {
        // Bound first: the view must be free again when the error looks for near names.
        let (entry, oldest, tagged) = {
            let view = self.refresh()?;
            let tagged = match at {
                At::Tag(tag) => view.catalog.get_tag(name, tag),
                _ => None,
            };
            (view.catalog.get(name), view.expired.get(name).copied(), tagged)
        };
        let entry = entry.ok_or_else(|| self.unknown(name))?;
        let (cid, commit) = match at {
            At::Head => (entry.commit, self.commit(&entry.commit)?),
            At::Tag(tag) => self.tagged_version(name, tag, tagged)?,
            _ => Chain::new(self, &entry, oldest)?.find(at)?,
        };
        Ok(Found { entry: Some(entry), cid, commit })
    }

    /// Returns the version of `name` that `text` means: a reference to it, the CID of its commit,
    /// or what would follow the name (`~1`, `@TAG`).
    pub(crate) fn version_of(&self, name: &Name, text: &str) -> Result<Found, Error> {
        let is_behind_name = text.starts_with(['~', '@']);
        let text = if is_behind_name { format!("{name}{text}") } else { text.to_owned() };
        match parse_reference(&text)? {
            Reference::Dataset { name: other, at } if other == *name => self.version(name, &at),
            Reference::Dataset { name: other, .. } => {
                Err(Error::usage(format!("{text} is a version of {other} and not of {name}"))
                    .with_hint(format!("`cidlake log {name}` lists the versions of {name}")))
            }
            Reference::Cid(cid) => self.version(name, &At::Commit(cid)),
        }
    }

    fn tagged_version(
        &self,
        name: &Name,
        tag: &Tag,
        tagged: Option<Entry>,
    ) -> Result<(Cid, Commit), Error> {
        let cid = tagged.ok_or_else(|| self.unknown_tag(name, tag))?.commit;
        match self.older_version(&cid)? {
            Some(commit) => Ok((cid, commit)),
            None => Err(Error::not_found(format!(
                "the version {cid}, which {name}@{tag} means, is not whole in this lake"
            ))
            .with_hint(DAMAGE_HINT)),
        }
    }

    /// Says that a dataset has no such tag, and which one is near.
    pub(crate) fn unknown_tag(&self, name: &Name, tag: &Tag) -> Error {
        let error = Error::not_found(format!("{name} has no tag {tag}"));
        let list = format!("`cidlake tag {name}` lists its tags");
        let Ok(view) = self.refresh() else {
            return error.with_hint(list);
        };
        let tags = view.catalog.tags(name).into_iter().filter_map(|entry| entry.tag);
        let tags: Vec<String> = tags.map(|tag| tag.to_string()).collect();
        match cidlake_query::near(tag.as_str(), &tags).first() {
            Some(near) => error.with_hint(format!("did you mean {name}@{near}? {list}")),
            None => error.with_hint(list),
        }
    }

    /// Reads a version that stands before another; `None` where it is not here any more. Collection
    /// leaves packs alone that are mostly needed, so a commit may outlive the rows that it stood for.
    pub(crate) fn older_version(&self, cid: &Cid) -> Result<Option<Commit>, Error> {
        let Some(commit) = self.commit_if_any(cid)? else { return Ok(None) };
        Ok(self.is_whole(&commit)?.then_some(commit))
    }

    /// Says whether what a commit stands on is here, as far as its own links tell.
    fn is_whole(&self, commit: &Commit) -> Result<bool, Error> {
        for needed in commit.parts.iter().map(|list| &list.cid).chain([&commit.content]) {
            if !self.store.has(needed)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the versions from `head` back along first parents, newest first, down to `oldest`
    /// and as far as they are here.
    pub(crate) fn versions(&self, head: &Cid, oldest: Option<Cid>) -> Result<Vec<Version>, Error> {
        let mut versions = Vec::new();
        let mut next = Some(*head);
        while let Some(cid) = next {
            let commit = if versions.is_empty() {
                self.commit_if_any(&cid)?
            } else {
                self.older_version(&cid)?
            };
            let Some(commit) = commit else { break };
            versions.push(Version { cid, time_ms: commit.time_ms });
            let ends = oldest == Some(cid);
            next = commit.parents.first().copied().filter(|_| !ends);
        }
        Ok(versions)
    }
}

impl<'a> Chain<'a> {
    /// Returns the chain of a dataset of which nothing before `oldest` is kept.
    pub(crate) fn new(
        inner: &'a Inner,
        entry: &'a Entry,
        oldest: Option<Cid>,
    ) -> Result<Self, Error> {
        let head = (entry.commit, inner.commit(&entry.commit)?);
        let mut chain = Self { inner, name: &entry.name, head, oldest: None };
        // A boundary that another replica's history does not have ends nothing.
        if let Some(oldest) = oldest
            && let Some(commit) = inner.commit_if_any(&oldest)?
            && chain.has(&oldest, commit.depth)?
        {
            chain.oldest = Some((oldest, commit.depth));
        }
        Ok(chain)
    }

    /// Returns the depth of the oldest version that the dataset keeps, as far as it is known.
    pub(crate) fn depth_min(&self) -> u64 {
        self.oldest.map_or(0, |(_, depth)| depth)
    }

    /// Says whether the chain has this commit, which stands at this depth.
    pub(crate) fn has(&self, cid: &Cid, depth: u64) -> Result<bool, Error> {
        if *cid == self.head.0 {
            return Ok(true);
        }
        Ok(matches!(self.at_depth(depth)?, Walked::Found(found, _) if found == *cid))
    }

    /// Finds the version that `at` asks for.
    fn find(&self, at: &At) -> Result<(Cid, Commit), Error> {
        match at {
            At::Back(back) => match self.head.1.depth.checked_sub(u64::from(*back)) {
                Some(depth) => self.kept(at, depth, None),
                None => Err(self.none(at)),
            },
            At::Commit(wanted) => match self.inner.commit_if_any(wanted)? {
                Some(commit) => self.kept(at, commit.depth, Some(wanted)),
                // What is not here most likely expired, where anything did.
                None if self.oldest.is_some() => Err(self.expired(at)),
                None => Err(self.none(at).with_hint(format!("no commit {wanted} is in this lake"))),
            },
            At::Time { unix_ms } => {
                let mut fetch = |cid: &Cid| self.inner.commit_if_any(cid);
                let walked = newest_at(self.head.clone(), *unix_ms, self.depth_min(), &mut fetch)?;
                self.reached(at, walked)
            }
            At::Head | At::Tag(_) => Ok(self.head.clone()),
        }
    }

    /// Finds the version at this depth, which must be `wanted` where that is given.
    fn kept(&self, at: &At, depth: u64, wanted: Option<&Cid>) -> Result<(Cid, Commit), Error> {
        let walked = self.at_depth(depth)?;
        if let (Walked::Found(found, _), Some(wanted)) = (&walked, wanted)
            && found != wanted
        {
            return Err(self.none(at));
        }
        if depth < self.depth_min() {
            return Err(self.expired(at));
        }
        self.reached(at, walked)
    }

    fn at_depth(&self, depth: u64) -> Result<Walked, Error> {
        let mut fetch = |cid: &Cid| self.inner.commit_if_any(cid);
        ancestor_at(self.head.clone(), depth, &mut fetch)
    }

    /// Returns what a walk found, if it is whole.
    fn reached(&self, at: &At, walked: Walked) -> Result<(Cid, Commit), Error> {
        match walked {
            Walked::Found(cid, commit) => {
                // Where the head is not whole, that is damage, which reading it says.
                if cid == self.head.0 || self.inner.is_whole(&commit)? {
                    return Ok((cid, *commit));
                }
                Err(self.none(at).with_hint(format!("{cid} is not whole in this lake any more")))
            }
            Walked::Ended(_, commit) if commit.depth > 0 && self.oldest.is_some() => {
                Err(self.expired(at))
            }
            Walked::Ended(..) => Err(self.none(at)),
            Walked::Missing(cid, _) => Err(self
                .none(at)
                .with_hint(format!("the history before {cid} is not in this lake"))),
        }
    }

    fn none(&self, at: &At) -> Error {
        let (name, depth) = (self.name, self.head.1.depth);
        let versions = depth.saturating_sub(self.depth_min()).saturating_add(1);
        Error::new(ErrorKind::NotFound, format!("{name} does not have {}", wanted(at))).with_hint(
            format!("its history has {versions} versions: `cidlake log {name}` lists them"),
        )
    }

    /// Says that the history was cut short behind the version that was asked for.
    fn expired(&self, at: &At) -> Error {
        let name = self.name;
        let message =
            format!("{name} does not have {}: versions that old have expired", wanted(at));
        let error = Error::new(ErrorKind::NotFound, message);
        match self.oldest {
            Some((oldest, _)) => error.with_hint(format!(
                "`cidlake expire {name}` let go of what is older than the oldest version kept, \
                 {name}@{oldest}"
            )),
            None => error,
        }
    }
}

fn wanted(at: &At) -> String {
    match at {
        At::Head => "its head".to_owned(),
        At::Back(back) => format!("a version {back} steps back"),
        At::Commit(cid) => format!("the commit {cid} in its history"),
        At::Time { .. } => "a version as old as that".to_owned(),
        At::Tag(tag) => format!("the tag {tag}"),
    }
}

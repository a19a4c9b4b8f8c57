//! Tags: fixed words for versions of a dataset.
//!
//! A tag is in the catalog, so it goes wherever the dataset goes. It keeps its version, and that
//! alone, until it ends: expiry and collection leave it. Dropping a dataset ends its tags, renaming
//! it takes them along; both are in `datasets.rs`.

use cidlake_block::Cid;
use cidlake_catalog::limits::TAGS_MAX;
use cidlake_catalog::{At, Entry, Name, Tag};

use crate::error::{Error, ErrorKind};
use crate::history::{Found, parse_name};
use crate::lake::{Draft, Inner, Lake, View};

/// Which version gets which tag.
#[derive(Clone, Debug, Default)]
pub struct TagRequest {
    /// The tag.
    pub tag: String,
    /// The version, as a reference to the dataset, a commit, `~1` or `@TAG`; the newest where
    /// nothing is said.
    pub version: Option<String>,
    /// Whether a tag that means another version is moved.
    pub force: bool,
}

/// A version that has a tag now.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// The dataset.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The CID of the commit.
    pub commit: Cid,
    /// The CID of the content.
    pub cid: Cid,
    /// The commit that the tag meant before, if another.
    pub before: Option<Cid>,
    /// Whether it meant this version already.
    pub unchanged: bool,
}

/// A tag that is over.
#[derive(Clone, Debug)]
pub struct Untagged {
    /// The dataset.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The commit that it meant.
    pub commit: Cid,
}

/// One line of the list of tags.
#[derive(Clone, Debug)]
pub struct TagInfo {
    /// The dataset.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The CID of the commit that it means.
    pub commit: Cid,
    /// The CID of the content, where the commit is here.
    pub cid: Option<Cid>,
    /// When the version was made, in milliseconds since the Unix epoch.
    pub time_ms: Option<u64>,
    /// Rows of the version.
    pub rows: Option<u64>,
    /// Bytes of the version.
    pub bytes: Option<u64>,
    /// How many other versions were given the tag at the same time and are kept beside this one.
    pub conflicts: u64,
}

impl Lake {
    /// Gives a version of a dataset a tag.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference, `Usage` for what cannot be a tag, `Conflict`
    /// where the tag means another version and is not to be moved.
    pub async fn tag(&self, name: &str, request: TagRequest) -> Result<Tagged, Error> {
        let name = parse_name(name)?;
        self.blocking(move |inner| inner.tag(&name, &request)).await
    }

    /// Ends a tag. The version that it meant stays where something else keeps it.
    ///
    /// # Errors
    /// `NotFound` where no dataset has the name, or the dataset no such tag.
    pub async fn untag(&self, name: &str, tag: &str) -> Result<Untagged, Error> {
        let (name, tag) = (parse_name(name)?, parse_tag(tag)?);
        self.blocking(move |inner| inner.untag(&name, &tag)).await
    }

    /// Lists the tags of a dataset, by tag.
    ///
    /// # Errors
    /// `NotFound` where no dataset has the name.
    pub async fn tags(&self, name: &str) -> Result<Vec<TagInfo>, Error> {
        let name = parse_name(name)?;
        self.blocking(move |inner| {
            let _hold = inner.hold()?;
            let tags = {
                let view = inner.refresh()?;
                view.catalog.get(&name).map(|_| view.catalog.tags(&name))
            };
            let tags = tags.ok_or_else(|| inner.unknown(&name))?;
            tags.iter().filter_map(|entry| inner.tag_info(entry).transpose()).collect()
        })
        .await
    }
}

impl Inner {
    fn tag(&self, name: &Name, request: &TagRequest) -> Result<Tagged, Error> {
        let tag = parse_tag(&request.tag)?;
        let hold = self.hold()?;
        let version = match &request.version {
            Some(version) => self.version_of(name, version)?,
            None => self.version(name, &At::Head)?,
        };
        if let Some(missing) = self.keep_below(&hold, &version.cid)? {
            let message =
                format!("the version {} is not whole: {missing} is not here", version.cid);
            return Err(Error::invalid(message)
                .with_hint("`cidlake import` brings all of it from a CAR file"));
        }
        let (tagged, _) =
            self.change(&hold, |view| draft_tag(view, name, &tag, &version, request.force))?;
        Ok(tagged)
    }

    fn untag(&self, name: &Name, tag: &Tag) -> Result<Untagged, Error> {
        let hold = self.hold()?;
        // Before the change, so that the view is free when the error looks for near words.
        self.version_of_tag(name, tag)?;
        let (untagged, _) = self.change(&hold, |view| {
            let entry = view.catalog.get_tag(name, tag);
            let (Some(entry), Some(change)) = (entry, view.catalog.untag(name, tag)) else {
                return Err(Error::not_found(format!("{name} has no tag {tag} any more")));
            };
            let (name, tag) = (name.to_string(), tag.to_string());
            let untagged = Untagged { name, tag, commit: entry.commit };
            Ok((untagged, Some(Draft { changes: vec![change], ..Draft::default() })))
        })?;
        Ok(untagged)
    }

    /// Returns the commit that a tag means, whether or not it is here.
    fn version_of_tag(&self, name: &Name, tag: &Tag) -> Result<Cid, Error> {
        let (is_known, tagged) = {
            let view = self.refresh()?;
            (view.catalog.get(name).is_some(), view.catalog.get_tag(name, tag))
        };
        match tagged {
            Some(entry) => Ok(entry.commit),
            None if is_known => Err(self.unknown_tag(name, tag)),
            None => Err(self.unknown(name)),
        }
    }

    fn tag_info(&self, entry: &Entry) -> Result<Option<TagInfo>, Error> {
        let Some(tag) = &entry.tag else { return Ok(None) };
        let commit = self.commit_if_any(&entry.commit)?;
        let commit = commit.as_ref();
        Ok(Some(TagInfo {
            name: entry.name.to_string(),
            tag: tag.to_string(),
            commit: entry.commit,
            cid: commit.map(|commit| commit.content),
            time_ms: commit.map(|commit| commit.time_ms),
            rows: commit.map(|commit| commit.rows),
            bytes: commit.map(|commit| commit.bytes),
            conflicts: entry.others.len() as u64,
        }))
    }
}

impl View {
    /// Returns the tags of a dataset: all, or those that mean `commit`.
    pub(crate) fn tags(&self, name: &Name, commit: Option<&Cid>) -> Vec<String> {
        let tags = self.catalog.tags(name).into_iter();
        let wanted = tags.filter(|entry| commit.is_none_or(|commit| entry.commit == *commit));
        wanted.filter_map(|entry| Some(entry.tag?.to_string())).collect()
    }
}

/// Parses a tag, with the catalog's reason as the message.
fn parse_tag(text: &str) -> Result<Tag, Error> {
    Tag::parse(text).map_err(|error| {
        Error::usage(format!("{text:?} cannot be a tag: {error}")).with_hint(
            "a tag begins with a letter and has a-z, 0-9, _, - and ., at most 64 of them",
        )
    })
}

fn draft_tag(
    view: &View,
    name: &Name,
    tag: &Tag,
    version: &Found,
    force: bool,
) -> Result<(Tagged, Option<Draft>), Error> {
    if view.catalog.get(name).is_none() {
        return Err(Error::not_found(format!("{name} was dropped meanwhile")));
    }
    let known = view.catalog.get_tag(name, tag);
    let unchanged =
        known.as_ref().is_some_and(|known| known.commit == version.cid && known.others.is_empty());
    let before = known.map(|known| known.commit).filter(|before| *before != version.cid);
    match before {
        Some(before) if !force => return Err(taken(name, tag, &before)),
        None if !unchanged && view.catalog.tags(name).len() >= TAGS_MAX => {
            return Err(Error::invalid(format!("{name} has {TAGS_MAX} tags, as many as it may"))
                .with_hint(format!("end some: `cidlake tag {name} TAG --delete`")));
        }
        _ => {}
    }
    let changes = vec![view.catalog.tag(name, tag, version.cid)];
    let draft = (!unchanged).then(|| Draft { changes, ..Draft::default() });
    let tagged = Tagged {
        name: name.to_string(),
        tag: tag.to_string(),
        commit: version.cid,
        cid: version.commit.content,
        before,
        unchanged,
    };
    Ok((tagged, draft))
}

/// Says that a tag means another version, and how it is moved.
fn taken(name: &Name, tag: &Tag, commit: &Cid) -> Error {
    Error::new(ErrorKind::Conflict, format!("{name}@{tag} means the version {commit} already"))
        .with_hint("--force moves the tag; who read it before may rely on what it meant")
}

//! Pins: what stays although no dataset refers to it.
//!
//! A pinned version keeps its rows, its schema, and the versions before it that no dataset let
//! go; any other pin keeps everything below it. What a pin keeps is worked out in `gc.rs`.

use cidlake_block::{Cid, Codec, parse_cid, unixfs};

use crate::datasets::ShownKind;
use crate::error::Error;
use crate::history::Target;
use crate::lake::{Draft, Inner, Lake, View};

/// What was pinned.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The root that is pinned: of a table its commit.
    pub cid: Cid,
    /// The content of the table that was pinned.
    pub content: Option<Cid>,
    /// What the pin is called.
    pub name: Option<String>,
    /// Whether it was pinned so already.
    pub unchanged: bool,
}

/// A pin that is over.
#[derive(Clone, Debug)]
pub struct Unpinned {
    /// The root that was pinned.
    pub cid: Cid,
    /// What the pin was called.
    pub name: Option<String>,
}

/// One line of the list of pins.
#[derive(Clone, Debug)]
pub struct PinInfo {
    /// The root.
    pub cid: Cid,
    /// What the pin is called.
    pub name: Option<String>,
    /// What it is, as far as that can be told from its root.
    pub kind: ShownKind,
    /// Rows of a table.
    pub rows: Option<u64>,
    /// Bytes of a table.
    pub bytes: Option<u64>,
}

impl Lake {
    /// Pins what `reference` means now: a version of a table, or anything else by its CID. A pin
    /// that is there gets the new name.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference; `Invalid` for what is not whole.
    pub async fn pin(&self, reference: &str, name: Option<String>) -> Result<Pinned, Error> {
        let reference = reference.to_owned();
        self.blocking(move |inner| inner.pin(&reference, name)).await
    }

    /// Ends a pin, which is named by its CID, by its name, or by a reference that means it.
    ///
    /// # Errors
    /// `NotFound` for what is not pinned, `Usage` for a name that several pins have.
    pub async fn unpin(&self, pin: &str) -> Result<Unpinned, Error> {
        let pin = pin.to_owned();
        self.blocking(move |inner| inner.unpin(&pin)).await
    }

    /// Lists all pins by CID.
    ///
    /// # Errors
    /// `Corrupt` when a pinned commit cannot be read.
    pub async fn pins(&self) -> Result<Vec<PinInfo>, Error> {
        let _hold = self.hold().await?;
        let mut infos = self
            .blocking(|inner| {
                let pins = inner.refresh()?.pins.clone();
                let infos = pins.into_iter().map(|(cid, name)| inner.pin_info(cid, name));
                infos.collect::<Result<Vec<PinInfo>, Error>>()
            })
            .await?;
        for info in &mut infos {
            if matches!(Codec::of(&info.cid), Ok(Codec::DagPb)) {
                info.kind = self.unixfs_kind(&info.cid).await;
            }
        }
        Ok(infos)
    }

    /// Says whether a node is a folder or a file; a block where it is neither or is not here.
    async fn unixfs_kind(&self, cid: &Cid) -> ShownKind {
        match unixfs::kind(self.inner.blocks.as_ref(), cid).await {
            Ok(unixfs::Kind::Directory) => ShownKind::Directory,
            Ok(_) => ShownKind::File,
            Err(_) => ShownKind::Block,
        }
    }
}

impl Inner {
    fn pin(&self, reference: &str, name: Option<String>) -> Result<Pinned, Error> {
        let hold = self.hold()?;
        let (cid, content) = match self.target(reference)? {
            Target::Commit(found) => (found.cid, Some(found.commit.content)),
            Target::Content(cid) => (cid, None),
        };
        if let Some(missing) = self.keep_below(&hold, &cid)? {
            return Err(Error::invalid(format!("{cid} is not whole: {missing} is not here"))
                .with_hint("`cidlake import` brings all of it from a CAR file"));
        }
        let (pinned, _) = self.change(&hold, |view| {
            let known = view.pins.get(&cid);
            let unchanged = known.is_some_and(|known| name.is_none() || *known == name);
            let name = name.clone().or_else(|| known.cloned().flatten());
            let pins = vec![(cid, name.clone())];
            let draft = (!unchanged).then(|| Draft { pins, ..Draft::default() });
            Ok((Pinned { cid, content, name, unchanged }, draft))
        })?;
        Ok(pinned)
    }

    fn unpin(&self, text: &str) -> Result<Unpinned, Error> {
        let hold = self.hold()?;
        let candidates = self.meant(text);
        let (unpinned, _) = self.change(&hold, |view| {
            let cid = pinned_as(view, text, &candidates)?;
            let name = view.pins.get(&cid).cloned().flatten();
            Ok((Unpinned { cid, name }, Some(Draft { unpins: vec![cid], ..Draft::default() })))
        })?;
        Ok(unpinned)
    }

    /// Returns the roots that `text` may mean, whether or not they are here.
    fn meant(&self, text: &str) -> Vec<Cid> {
        let bare =
            text.strip_prefix("ipfs://").or_else(|| text.strip_prefix("/ipfs/")).unwrap_or(text);
        let mut meant: Vec<Cid> = parse_cid(bare).into_iter().collect();
        match self.target(text) {
            Ok(Target::Commit(found)) => meant.extend([found.cid, found.commit.content]),
            Ok(Target::Content(cid)) => meant.push(cid),
            // What is not here can be pinned no less.
            Err(_) => {}
        }
        meant
    }

    fn pin_info(&self, cid: Cid, name: Option<String>) -> Result<PinInfo, Error> {
        let commit = self.commit_if_any(&cid)?;
        let kind = match (&commit, Codec::of(&cid)) {
            (Some(_), _) => ShownKind::Table,
            (None, Ok(Codec::Raw)) => ShownKind::File,
            (None, _) => ShownKind::Block,
        };
        let rows = commit.as_ref().map(|commit| commit.rows);
        Ok(PinInfo { cid, name, kind, rows, bytes: commit.map(|commit| commit.bytes) })
    }
}

/// Returns the one pin that is named `text`, or else one that is among `candidates`.
fn pinned_as(view: &View, text: &str, candidates: &[Cid]) -> Result<Cid, Error> {
    let meant = candidates.iter().find(|cid| view.pins.contains_key(cid)).copied();
    let named = view.pins.iter().filter(|(_, name)| name.as_deref() == Some(text));
    let named: Vec<Cid> = named.map(|(cid, _)| *cid).collect();
    match named.as_slice() {
        [one] if meant.is_none_or(|meant| meant == *one) => Ok(*one),
        [one] => Err(Error::usage(format!("a pin is named {text}, and another is what it means"))
            .with_hint(format!(
                "unpin one by its CID: {one} {}",
                meant.map(|cid| cid.to_string()).unwrap_or_default()
            ))),
        [] => meant.ok_or_else(|| not_pinned(view, text)),
        several => {
            let cids: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Error::usage(format!("{} pins are named {text}", several.len()))
                .with_hint(format!("unpin one by its CID: {}", cids.join(" "))))
        }
    }
}

fn not_pinned(view: &View, text: &str) -> Error {
    let error = Error::not_found(format!("{text} is not pinned"));
    let names: Vec<String> = view.pins.values().flatten().cloned().collect();
    match cidlake_query::near(text, &names).first() {
        Some(near) => error.with_hint(format!("did you mean {near}? `cidlake pins` lists all")),
        None => error.with_hint("`cidlake pins` lists what is pinned"),
    }
}

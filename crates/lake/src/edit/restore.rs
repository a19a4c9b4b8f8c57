//! Restoring: an old version of a dataset becomes the newest again, as a version of its own.
//!
//! No row is read or written: the new commit has the content, schema and metadata of the old one,
//! and the versions between them stay in history.

use cidlake_block::Cid;
use cidlake_catalog::Name;

use crate::edit::compact::dropped;
use crate::error::Error;
use crate::history::parse_name;
use crate::lake::{Inner, Lake};
use crate::write::{Next, NextParts};

/// A version that was made the newest again.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The dataset.
    pub name: String,
    /// The CID of the content, which is that of the old version.
    pub cid: Cid,
    /// The CID of the new commit.
    pub commit: Cid,
    /// The CID of the old commit.
    pub from: Cid,
    /// When the old version was made, in milliseconds since the Unix epoch.
    pub from_time_ms: u64,
    /// Rows of the dataset.
    pub rows: u64,
    /// Rows before it was restored.
    pub rows_before: u64,
    /// Whether the newest version was the same already.
    pub unchanged: bool,
}

impl Lake {
    /// Makes an old version of a dataset the newest one, as a new commit. `version` is a reference
    /// to the dataset, the CID of a commit, `~1` or `@TAG`.
    ///
    /// # Errors
    /// `NotFound` where there is no such dataset or version, where it expired or is not whole.
    pub async fn restore(
        &self,
        name: &str,
        version: &str,
        message: Option<String>,
    ) -> Result<Restored, Error> {
        let (name, version) = (parse_name(name)?, version.to_owned());
        self.blocking(move |inner| inner.restore(&name, &version, message)).await
    }
}

impl Inner {
    fn restore(
        &self,
        name: &Name,
        version: &str,
        message: Option<String>,
    ) -> Result<Restored, Error> {
        let hold = self.hold()?;
        let old = self.version_of(name, version)?;
        self.key()?;
        if let Some(missing) = self.keep_below(&hold, &old.cid)? {
            let message = format!("the version {} of {name} is not whole any more", old.cid);
            return Err(Error::not_found(message).with_hint(format!(
                "block {missing} is not here; `cidlake import` brings it from a CAR file"
            )));
        }
        let parts = self.parts(&old.commit)?;
        let mut rows_before = 0;
        let published = self.publish(&hold, Some(name), |head| {
            let head = head.ok_or_else(|| dropped(name))?;
            rows_before = head.commit.rows;
            Ok(Next {
                parts: NextParts::All(parts.clone()),
                message: message.clone(),
                ..Next::after(&old.commit, "restore")?
            })
        })?;
        Ok(Restored {
            name: name.to_string(),
            cid: published.cid,
            commit: published.commit_cid,
            from: old.cid,
            from_time_ms: old.commit.time_ms,
            rows: published.commit.rows,
            rows_before,
            unchanged: published.unchanged,
        })
    }
}

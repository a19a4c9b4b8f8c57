//! Datasets as the catalog has them: list, show, drop, rename.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cidlake_block::{Cid, Codec, unixfs};
use cidlake_catalog::{ColumnStats, Commit, Entry, Part, PartListLink, Scalar};
use cidlake_query::arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray, UInt64Array};
use cidlake_query::arrow::datatypes::DataType;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::layout::{self, Partitioning};
use cidlake_query::{Extreme, QueryError, extreme_text};

use crate::error::Error;
use crate::history::{Found, Target, parse_name};
use crate::lake::{Draft, Inner, Lake};

/// One line of the list of datasets.
#[derive(Clone, Debug)]
pub struct DatasetInfo {
    /// The dataset's name.
    pub name: String,
    /// The CID of the content.
    pub cid: Cid,
    /// The CID of the newest commit.
    pub commit: Cid,
    /// Rows.
    pub rows: u64,
    /// Bytes of the content.
    pub bytes: u64,
    /// Columns.
    pub columns: u64,
    /// Parts.
    pub parts: u64,
    /// When the newest commit was made, in milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// What the newest commit did.
    pub operation: String,
    /// The newest commit's metadata.
    pub metadata: BTreeMap<String, String>,
    /// The columns whose values are folders of the content.
    pub partition_columns: Vec<String>,
    /// How many other versions were made at the same time as the newest and are kept beside it.
    pub conflicts: u64,
}

/// What a reference turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownKind {
    /// A version of a table.
    Table,
    /// A UnixFS file.
    File,
    /// A UnixFS folder.
    Directory,
    /// Any other block.
    Block,
}

/// Everything that is known of one reference.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The name that led here.
    pub name: Option<String>,
    /// The CID of the content.
    pub cid: Cid,
    /// The CID of the commit.
    pub commit: Option<Cid>,
    /// What it is.
    pub kind: ShownKind,
    /// Rows of the table.
    pub rows: Option<u64>,
    /// Bytes of the content.
    pub bytes: Option<u64>,
    /// The table's columns with what the commit knows of them.
    pub columns: Vec<ColumnInfo>,
    /// How many parts the table has.
    pub parts_total: u64,
    /// They themselves in row order; none where they were not asked for.
    pub parts: Vec<PartInfo>,
    /// Free words of the commit.
    pub metadata: BTreeMap<String, String>,
    /// What the commit did.
    pub operation: Option<String>,
    /// The commits that this one grew from.
    pub parents: Vec<Cid>,
    /// The id of the key that signed.
    pub author: Option<String>,
    /// When the commit was made, in milliseconds since the Unix epoch.
    pub time_ms: Option<u64>,
    /// What the author said.
    pub message: Option<String>,
    /// The layout profile of the parts.
    pub profile: Option<String>,
    /// A digest of the values in order, as hexadecimal digits: equal for equal tables, however
    /// they are cut and encoded.
    pub logical_hash: Option<String>,
    /// The columns whose values decide where parts end; none means all.
    pub cut_columns: Vec<String>,
    /// The columns that identify a row; none where none are known to.
    pub key_columns: Vec<String>,
    /// The columns whose values name the folders of parts; none where there are no folders.
    pub partition_columns: Vec<String>,
    /// Versions made at the same time as this head and kept beside it.
    pub conflicts: Vec<Cid>,
    /// The tags that the dataset has for this version.
    pub tags: Vec<String>,
}

/// One column of a table.
#[derive(Clone, Debug)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its Arrow type, as text.
    pub kind: String,
    /// How many values are null, where every part says so.
    pub nulls: Option<u64>,
    /// The least value, as text, where every part says so.
    pub min: Option<String>,
    /// The greatest value, as text, where every part says so.
    pub max: Option<String>,
    /// Compressed bytes.
    pub bytes: Option<u64>,
}

/// One part of a table.
#[derive(Clone, Debug)]
pub struct PartInfo {
    /// The root of its file.
    pub cid: Cid,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The folders that it is in, of a partitioned table, from the top down.
    pub folders: Vec<String>,
}

/// A dataset that was dropped.
#[derive(Clone, Debug)]
pub struct Dropped {
    /// The name that is free now.
    pub name: String,
    /// The commit that the name had; by its CID the data is there until garbage is collected.
    pub commit: Cid,
    /// The tags that ended with it.
    pub tags: Vec<String>,
}

/// A dataset that was renamed.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// The old name.
    pub from: String,
    /// The new name.
    pub to: String,
    /// The commit that moved.
    pub commit: Cid,
    /// The tags that moved with it.
    pub tags: Vec<String>,
}

impl Lake {
    /// Lists all datasets by name.
    ///
    /// # Errors
    /// `Corrupt` when a commit cannot be read.
    pub async fn datasets(&self) -> Result<Vec<DatasetInfo>, Error> {
        self.blocking(|inner| {
            let _hold = inner.hold()?;
            let entries = inner.refresh()?.catalog.datasets();
            entries.iter().map(|entry| inner.info(entry)).collect()
        })
        .await
    }

    /// Says everything about a name, a version or a CID.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference.
    pub async fn show(&self, reference: &str) -> Result<Shown, Error> {
        self.shown(reference, true).await
    }

    /// Says what [`Self::show`] says but for the parts, at a cost that does not grow with them.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub async fn describe(&self, reference: &str) -> Result<Shown, Error> {
        self.shown(reference, false).await
    }

    async fn shown(&self, reference: &str, parts: bool) -> Result<Shown, Error> {
        let _hold = self.hold().await?;
        match self.target(reference).await? {
            Target::Commit(found) => self.blocking(move |inner| inner.shown(*found, parts)).await,
            Target::Content(cid) => self.shown_content(cid).await,
        }
    }

    /// Frees a name and ends its tags. The data stays reachable by CID until garbage is collected.
    ///
    /// # Errors
    /// `NotFound` when no dataset has the name.
    pub async fn drop_dataset(&self, name: &str) -> Result<Dropped, Error> {
        let name = parse_name(name)?;
        self.blocking(move |inner| {
            let hold = inner.hold()?;
            let (dropped, _) = inner.change(&hold, |view| {
                let Some(entry) = view.catalog.get(&name) else {
                    return Err(Error::not_found(format!("no dataset is named {name}"))
                        .with_hint("`cidlake datasets` lists what there is"));
                };
                let (tags, commit) = (view.tags(&name, None), entry.commit);
                let dropped = Dropped { name: name.to_string(), commit, tags };
                let changes = view.catalog.unset_with_tags(&name);
                Ok((dropped, Some(Draft { changes, ..Draft::default() })))
            })?;
            Ok(dropped)
        })
        .await
    }

    /// Gives a dataset another name, with its tags, in one change.
    ///
    /// # Errors
    /// `NotFound` when no dataset has the old name, `Conflict` when one has the new.
    pub async fn rename(&self, from: &str, to: &str) -> Result<Renamed, Error> {
        let (from, to) = (parse_name(from)?, parse_name(to)?);
        self.blocking(move |inner| {
            let hold = inner.hold()?;
            let (renamed, _) = inner.change(&hold, |view| {
                let Some(entry) = view.catalog.get(&from) else {
                    return Err(Error::not_found(format!("no dataset is named {from}"))
                        .with_hint("`cidlake datasets` lists what there is"));
                };
                if view.catalog.get(&to).is_some() {
                    return Err(Error::new(
                        crate::ErrorKind::Conflict,
                        format!("a dataset named {to} exists already"),
                    )
                    .with_hint(format!("drop it first: `cidlake drop {to}`")));
                }
                let changes = view.catalog.rename_with_tags(&from, &to);
                let (tags, commit) = (view.tags(&from, None), entry.commit);
                let renamed = Renamed { from: from.to_string(), to: to.to_string(), commit, tags };
                // What was let go of the history stays let go under the new name.
                let oldest = view.expired.get(&from);
                let expiries = oldest.map(|oldest| (to.clone(), *oldest)).into_iter().collect();
                Ok((renamed, Some(Draft { changes, expiries, ..Draft::default() })))
            })?;
            Ok(renamed)
        })
        .await
    }

    async fn shown_content(&self, cid: Cid) -> Result<Shown, Error> {
        let blocks = self.inner.blocks.as_ref();
        let (kind, bytes) = match Codec::of(&cid) {
            Ok(Codec::DagCbor) => (ShownKind::Block, Some(blocks.get(&cid).await?.len() as u64)),
            _ => match unixfs::kind(blocks, &cid).await? {
                unixfs::Kind::Directory => (ShownKind::Directory, None),
                _ => (ShownKind::File, Some(unixfs::open_file(blocks, &cid).await?.len())),
            },
        };
        Ok(Shown {
            name: None,
            cid,
            commit: None,
            kind,
            rows: None,
            bytes,
            columns: Vec::new(),
            parts_total: 0,
            parts: Vec::new(),
            metadata: BTreeMap::new(),
            operation: None,
            parents: Vec::new(),
            author: None,
            time_ms: None,
            message: None,
            profile: None,
            logical_hash: None,
            cut_columns: Vec::new(),
            key_columns: Vec::new(),
            partition_columns: Vec::new(),
            conflicts: Vec::new(),
            tags: Vec::new(),
        })
    }
}

impl Inner {
    fn info(&self, entry: &Entry) -> Result<DatasetInfo, Error> {
        let commit = self.commit(&entry.commit)?;
        Ok(DatasetInfo {
            name: entry.name.to_string(),
            cid: commit.content,
            commit: entry.commit,
            rows: commit.rows,
            bytes: commit.bytes,
            columns: commit.columns.len() as u64,
            parts: crate::write::count(&commit.parts),
            updated_ms: commit.time_ms,
            operation: commit.operation,
            metadata: commit.metadata,
            partition_columns: commit.partition_columns,
            conflicts: entry.others.len() as u64,
        })
    }

    fn shown(&self, found: Found, with_parts: bool) -> Result<Shown, Error> {
        let Found { entry, cid, commit } = found;
        let parts = if with_parts { self.parts(&commit)? } else { Vec::new() };
        // Versions beside the head are news only where the head itself is shown.
        let conflicts = entry.as_ref().filter(|entry| entry.commit == cid);
        let conflicts =
            conflicts.map(|entry| entry.others.iter().map(|other| other.commit).collect());
        let tags = match &entry {
            Some(entry) => self.refresh()?.tags(&entry.name, Some(&cid)),
            None => Vec::new(),
        };
        Ok(Shown {
            name: entry.as_ref().map(|entry| entry.name.to_string()),
            cid: commit.content,
            commit: Some(cid),
            kind: ShownKind::Table,
            rows: Some(commit.rows),
            bytes: Some(commit.bytes),
            columns: column_infos(&commit)?,
            parts_total: crate::write::count(&commit.parts),
            parts: part_infos(&commit, &parts)?,
            metadata: commit.metadata,
            operation: Some(commit.operation),
            parents: commit.parents,
            author: Some(commit.author),
            time_ms: Some(commit.time_ms),
            message: commit.message,
            profile: Some(commit.profile),
            logical_hash: commit.logical_hash.as_ref().map(hex),
            cut_columns: commit.cut_columns,
            key_columns: commit.key_columns,
            partition_columns: commit.partition_columns,
            conflicts: conflicts.unwrap_or_default(),
            tags,
        })
    }
}

pub(crate) fn part_infos(commit: &Commit, parts: &[Part]) -> Result<Vec<PartInfo>, Error> {
    let schema = layout::schema_from_bytes(&commit.schema)?;
    let columns = Partitioning::new(&schema, &commit.partition_columns)?;
    let info = |part: &Part| PartInfo {
        cid: part.cid,
        rows: part.rows,
        bytes: part.bytes,
        folders: columns.folder_names(&part.partition),
    };
    Ok(parts.iter().map(info).collect())
}

pub(crate) fn hex(bytes: &Bytes) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says what is known of each column, by what the commit says of the lists of its parts.
pub(crate) fn column_infos(commit: &Commit) -> Result<Vec<ColumnInfo>, Error> {
    let schema = layout::canonical_schema(&*layout::schema_from_bytes(&commit.schema)?)?;
    let filled: Vec<&PartListLink> = commit.parts.iter().filter(|list| list.rows > 0).collect();
    let columns = commit.columns.iter().zip(schema.fields()).enumerate();
    let infos = columns.map(|(index, (column, field))| {
        let stats: Option<Vec<&ColumnStats>> =
            filled.iter().map(|list| list.columns.get(index)).collect();
        let known = stats.as_ref();
        let end = |which| known.and_then(|stats| extreme(&filled, stats, field.data_type(), which));
        ColumnInfo {
            name: column.name.clone(),
            kind: column.kind.clone(),
            nulls: known.map(|stats| stats.iter().map(|stats| stats.nulls).sum()),
            min: end(Extreme::Least),
            max: end(Extreme::Greatest),
            bytes: known.map(|stats| stats.iter().map(|stats| stats.bytes).sum()),
        }
    });
    Ok(infos.collect())
}

/// Returns the least or greatest bound over all lists of parts; one of nulls alone has none and does
/// not count.
fn extreme(
    lists: &[&PartListLink],
    stats: &[&ColumnStats],
    kind: &DataType,
    which: Extreme,
) -> Option<String> {
    let mut bounds: Vec<&Scalar> = Vec::with_capacity(stats.len());
    for (list, stats) in lists.iter().zip(stats) {
        let bound = match which {
            Extreme::Least => stats.min.as_ref(),
            Extreme::Greatest => stats.max.as_ref(),
        };
        match bound {
            Some(bound) => bounds.push(bound),
            None if stats.nulls == list.rows => {}
            None => return None,
        }
    }
    extreme_text(&bounds, kind, which)
}

/// Returns the list of datasets as the SQL table `datasets`.
pub(crate) fn as_batch(infos: &[DatasetInfo]) -> Result<RecordBatch, QueryError> {
    let text = |pick: fn(&DatasetInfo) -> String| -> ArrayRef {
        Arc::new(infos.iter().map(|info| Some(pick(info))).collect::<StringArray>())
    };
    let number = |pick: fn(&DatasetInfo) -> u64| -> ArrayRef {
        Arc::new(infos.iter().map(|info| Some(pick(info))).collect::<UInt64Array>())
    };
    let updated: TimestampMillisecondArray =
        infos.iter().map(|info| i64::try_from(info.updated_ms).ok()).collect();
    let metadata: StringArray =
        infos.iter().map(|info| Some(serde_json::json!(info.metadata).to_string())).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("name", text(|info| info.name.clone())),
        ("cid", text(|info| info.cid.to_string())),
        ("commit", text(|info| info.commit.to_string())),
        ("rows", number(|info| info.rows)),
        ("bytes", number(|info| info.bytes)),
        ("columns", number(|info| info.columns)),
        ("parts", number(|info| info.parts)),
        ("updated", Arc::new(updated.with_timezone_utc())),
        ("operation", text(|info| info.operation.clone())),
        ("metadata", Arc::new(metadata)),
        ("conflicts", number(|info| info.conflicts)),
    ];
    RecordBatch::try_from_iter(columns).map_err(QueryError::internal)
}

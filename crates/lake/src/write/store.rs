//! Storing a table: rows in, one commit, one durable change of the catalog.
//!
//! Here is what rows become of which dataset, and what is refused. A store that fails half way
//! leaves no name, no commit and no pin.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_catalog::{Name, Part};
use cidlake_query::Format;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::edit::{KeyColumns, KeySet};
use cidlake_query::layout::{self, CutRule, Partitioning};
use cidlake_store::Hold;

use super::kept::{Before, kept};
use super::keys::{KEY_DRAFTS_MAX, keyed, too_busy};
use super::{Incoming, Next, NextParts, Published, overtaken};
use crate::edit::upsert::Upserted;
use crate::error::{Error, ErrorKind};
use crate::history::{Found, parse_name};
use crate::ingest::{self, Opened, Source};
use crate::lake::{Inner, Lake};
use crate::progress::Progress;
use crate::rows::Stop;

/// What to store and under which name.
#[derive(Debug, Default)]
pub struct StoreRequest {
    /// The rows, in order; several sources become one table.
    pub sources: Vec<Source>,
    /// The dataset's name; without one the commit is pinned and had by its CID.
    pub name: Option<String>,
    /// What becomes of the rows that the dataset has.
    pub mode: StoreMode,
    /// The columns that identify a row; no two rows of the dataset have the same values in them, and
    /// none lacks one. Absent: those that the dataset has; none at all: it has no key any more.
    pub key: Option<Vec<String>>,
    /// The columns whose values are folders of the content, from the top down, and are in no file.
    /// Absent: those that the dataset has; none at all: it has no folders any more.
    pub partition_by: Option<Vec<String>>,
    /// Free words about the dataset, kept in the commit; they are no part of the content's CID.
    pub metadata: BTreeMap<String, String>,
    /// The sources' format; told from name and first bytes when absent.
    pub input_format: Option<Format>,
    /// What this version is, in a sentence.
    pub message: Option<String>,
    /// Which version must be the newest when this one takes its place, where rows are not put in by
    /// their keys; absent: any.
    pub expected: Option<ExpectedHead>,
    /// Ends it before it is published.
    pub stop: Stop,
}

/// What a dataset must be for a version to become its newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedHead {
    /// There is none of its name.
    None,
    /// Its newest version is this commit.
    Version(Cid),
}

/// What becomes of the rows that a dataset has when others are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreMode {
    /// They stay in older versions only; the new one has the new rows alone.
    #[default]
    Overwrite,
    /// The new rows go behind them.
    Append,
    /// A new row takes the place of the one that has its key; the others go behind.
    Upsert,
}

/// What was stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The dataset's name.
    pub name: Option<String>,
    /// The CID of the content: a function of the rows alone.
    pub cid: Cid,
    /// The CID of the commit.
    pub commit: Cid,
    /// Rows of the whole dataset.
    pub rows: u64,
    /// Columns of the dataset.
    pub columns: usize,
    /// Parts of the dataset.
    pub parts: u64,
    /// Bytes of the content.
    pub bytes: u64,
    /// Bytes of every block that was not here before, commit and delta included.
    pub new_bytes: u64,
    /// Whether the dataset already was exactly this.
    pub unchanged: bool,
    /// The columns that identify a row; none where none are known to.
    pub key_columns: Vec<String>,
    /// The columns whose values are folders of the content.
    pub partition_columns: Vec<String>,
    /// What became of the rows, where they were put in by their keys.
    pub upserted: Option<Upserted>,
    /// The commit's metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Lake {
    /// Stores rows as a new version of a dataset.
    ///
    /// # Errors
    /// `Usage` for a bad name, `Invalid` for input that cannot be read or stored or whose keys do
    /// not identify its rows, `NotFound` for an absent file or for adding to a dataset that does
    /// not exist.
    pub async fn store(&self, request: StoreRequest, progress: Progress) -> Result<Stored, Error> {
        self.blocking(move |inner| match request.mode {
            StoreMode::Upsert => inner.upsert(request, &progress),
            StoreMode::Overwrite | StoreMode::Append => inner.store_table(request, &progress),
        })
        .await
    }
}

/// What of a request a version may also keep of the one before it.
struct Wanted {
    key: Option<Vec<String>>,
    partition_by: Option<Vec<String>>,
}

/// What of a request goes into the commit.
struct Intent {
    name: Option<Name>,
    append: bool,
    /// The version that was the newest when the rows were read.
    base: Option<Cid>,
    /// The schema, as its commit has it, of the version that appended rows were made to fit.
    onto: Option<Bytes>,
    metadata: BTreeMap<String, String>,
    message: Option<String>,
    schema: SchemaRef,
    cut_columns: Vec<String>,
    /// The columns that the rows were grouped by, and whether the user asked for just these.
    partition_columns: Vec<String>,
    partition_wanted: bool,
    /// The key that the rows were compared by.
    key: Vec<String>,
    /// Whether the user asked for just this key, or for none.
    key_wanted: bool,
    expected: Option<ExpectedHead>,
}

impl Inner {
    pub(crate) fn store_table(
        &self,
        request: StoreRequest,
        progress: &Progress,
    ) -> Result<Stored, Error> {
        let name = request.name.as_deref().map(parse_name).transpose()?;
        let append = request.mode == StoreMode::Append;
        // From before the head is read to after the commit: what both build on must stay.
        let hold = self.hold()?;
        let onto = match (&name, append) {
            (Some(name), true) => Some(self.to_append(name)?),
            (None, true) => {
                return Err(
                    Error::usage("appending needs the name of a dataset").with_hint("add --name")
                );
            }
            (_, false) => None,
        };
        // The key is read before any work is done, so that a missing home costs nothing.
        self.key()?;
        let fit = onto.as_ref().map(|onto| layout::schema_from_bytes(&onto.commit.schema));
        let fit = fit.transpose()?;
        let opened = ingest::open_all(request.sources, request.input_format, fit.as_ref())?;
        if let Some(fit) = &fit {
            check_append(fit, &opened.schema)?;
        }
        // Schema, key and cuts are all those of one version, whatever others do meanwhile.
        let base = match (onto, &name) {
            (None, Some(name)) => self.newest_if_any(name)?,
            (onto, _) => onto,
        };
        let schema = SchemaRef::clone(&opened.schema);
        let wanted = Wanted { key: request.key, partition_by: request.partition_by };
        let (mut intent, rule) = self.intent(name, append, base.as_ref(), &wanted, schema)?;
        intent.metadata = request.metadata;
        intent.message = request.message;
        intent.expected = request.expected;
        let mut keys = match intent.key.as_slice() {
            [] => None,
            names => Some(KeySet::new(KeyColumns::new(&opened.schema, names)?)),
        };
        let partitioning = Partitioning::new(&opened.schema, &intent.partition_columns)?;
        let rows = keyed(incoming(opened, request.stop.clone()), keys.as_mut());
        let rows = self.grouped(rows, &partitioning, progress)?;
        let (parts, new_bytes) = self.store_rows(&hold, rows, rule, progress)?;
        request.stop.check()?;
        let published = self.publish_rows(&hold, &intent, &parts, keys.as_ref())?;
        Ok(described(intent.name.as_ref(), published, new_bytes, None))
    }

    /// Puts together what is asked of a new version and what it keeps of the one before it, and says
    /// by what its rows are cut.
    fn intent(
        &self,
        name: Option<Name>,
        append: bool,
        base: Option<&Found>,
        wanted: &Wanted,
        schema: SchemaRef,
    ) -> Result<(Intent, CutRule), Error> {
        let before = name.as_ref().zip(base);
        let before = before.map(|(name, head)| Before { name, commit: &head.commit, append });
        let (key, by) = (wanted.key.as_deref(), wanted.partition_by.as_deref());
        let key_columns = match before {
            Some(before) => before.key(key, &schema)?,
            None => key.unwrap_or_default().to_vec(),
        };
        let partition_columns = match before {
            Some(before) => before.partition_columns(by, &schema)?,
            None => by.unwrap_or_default().to_vec(),
        };
        let (rule, cut_columns) = match before {
            Some(before) => self.cut_rule(before, &schema, &partition_columns)?,
            None => {
                let partition_columns = partition_columns.clone();
                (CutRule { partition_columns, ..CutRule::default() }, Vec::new())
            }
        };
        let intent = Intent {
            name,
            append,
            base: base.map(|base| base.cid),
            onto: base.filter(|_| append).map(|base| base.commit.schema.clone()),
            metadata: BTreeMap::new(),
            message: None,
            schema,
            cut_columns,
            partition_columns,
            partition_wanted: by.is_some(),
            key: key_columns,
            key_wanted: key.is_some(),
            expected: None,
        };
        Ok((intent, rule))
    }

    /// Publishes the version that stored rows make. Those of an append are compared with what the
    /// newest version has, and again with what others added meanwhile.
    fn publish_rows(
        &self,
        hold: &Hold,
        intent: &Intent,
        parts: &[Part],
        keys: Option<&KeySet>,
    ) -> Result<Published, Error> {
        let (Some(name), Some(keys), true) = (&intent.name, keys, intent.append) else {
            return self.publish(hold, intent.name.as_ref(), |head| next(intent, head, parts));
        };
        let mut compared = HashSet::new();
        for _ in 0..KEY_DRAFTS_MAX {
            let head = self.newest(name)?;
            check_head(intent, Some(&head))?;
            check_key(intent, Some(&head))?;
            check_partitions(intent, Some(&head))?;
            self.check_absent(name, &head, keys, &mut compared)?;
            let make = |head: &Found| next(intent, Some(head), parts);
            if let Some(published) = self.publish_on(hold, name, &head.cid, make)? {
                return Ok(published);
            }
        }
        Err(too_busy(name))
    }

    /// Returns the version that rows are appended to.
    fn to_append(&self, name: &Name) -> Result<Found, Error> {
        self.newest(name).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_hint("leave --append out to create the dataset"),
            _ => error,
        })
    }
}

/// Returns input as rows on their way in, until `stop` says no more.
pub(crate) fn incoming(opened: Opened, stop: Stop) -> Incoming<'static> {
    let Opened { schema, batches, bytes_total, bytes_read, rows_total } = opened;
    let batches = batches.map(move |batch| {
        stop.check()?;
        Ok(batch?)
    });
    Incoming {
        schema,
        batches: Box::new(batches),
        rows_total,
        bytes_total,
        bytes_read: Box::new(move || ingest::total(&bytes_read)),
    }
}

/// Describes the version that stored rows make of `head`.
fn next(intent: &Intent, head: Option<&Found>, parts: &[Part]) -> Result<Next, Error> {
    check_expected(intent, head)?;
    check_head(intent, head)?;
    check_key(intent, head)?;
    check_partitions(intent, head)?;
    let mut metadata = intent.metadata.clone();
    let (operation, parts) = match (head, intent.append) {
        (None, _) => ("create", NextParts::All(parts.to_vec())),
        (Some(_), false) => ("overwrite", NextParts::All(parts.to_vec())),
        (Some(head), true) => {
            for (key, value) in &head.commit.metadata {
                metadata.entry(key.clone()).or_insert_with(|| value.clone());
            }
            ("append", NextParts::Behind(parts.to_vec()))
        }
    };
    Ok(Next {
        operation,
        schema: SchemaRef::clone(&intent.schema),
        cut_columns: intent.cut_columns.clone(),
        // Whoever makes a dataset anew that was dropped meanwhile does not get its key.
        key_columns: match (head, intent.key_wanted) {
            (None, false) => Vec::new(),
            _ => intent.key.clone(),
        },
        partition_columns: intent.partition_columns.clone(),
        metadata,
        message: intent.message.clone(),
        parts,
    })
}

/// Refuses to store rows where the dataset is not what it must be for them.
fn check_expected(intent: &Intent, head: Option<&Found>) -> Result<(), Error> {
    let (Some(name), Some(expected)) = (&intent.name, intent.expected) else { return Ok(()) };
    match (expected, head) {
        (ExpectedHead::None, None) => Ok(()),
        (ExpectedHead::None, Some(head)) => Err(changed(name, "is there", None, head)),
        (ExpectedHead::Version(base), Some(head)) if head.cid == base => Ok(()),
        (ExpectedHead::Version(base), Some(head)) => {
            Err(overtaken(name, "changed", &base, &head.cid))
        }
        (ExpectedHead::Version(_), None) => {
            Err(Error::not_found(format!("{name} was dropped before the rows were stored"))
                .with_hint("nothing was written: run it again"))
        }
    }
}

/// Refuses to append where the dataset is gone, or has other columns than when its rows were read:
/// others may have changed it while they were encoded.
fn check_head(intent: &Intent, head: Option<&Found>) -> Result<(), Error> {
    let (Some(name), Some(onto)) = (&intent.name, &intent.onto) else { return Ok(()) };
    match head {
        None => Err(Error::not_found(format!("{name} was dropped before the rows were appended"))
            .with_hint("leave --append out to create the dataset")),
        Some(head) if head.commit.schema != *onto => {
            Err(changed(name, "got other columns", intent.base.as_ref(), head)
                .with_hint("append them again, to the columns that it has now"))
        }
        Some(_) => Ok(()),
    }
}

/// Refuses to store rows by another key than the one that they were compared by: others may have
/// changed it while they were encoded.
fn check_key(intent: &Intent, head: Option<&Found>) -> Result<(), Error> {
    let (Some(name), Some(head)) = (&intent.name, head) else { return Ok(()) };
    let kept = kept(&head.commit.key_columns, &intent.schema);
    let given_by_append = intent.append && kept.is_empty() && intent.key_wanted;
    if kept == intent.key || given_by_append || (intent.key_wanted && !intent.append) {
        return Ok(());
    }
    Err(changed(name, "got another key", intent.base.as_ref(), head))
}

/// Refuses to store rows in other partitions than others gave the dataset while they were encoded,
/// unless the user asked for just these.
fn check_partitions(intent: &Intent, head: Option<&Found>) -> Result<(), Error> {
    let (Some(name), Some(head)) = (&intent.name, head) else { return Ok(()) };
    let kept = match intent.append {
        true => head.commit.partition_columns.clone(),
        false => kept(&head.commit.partition_columns, &intent.schema),
    };
    if kept == intent.partition_columns || (intent.partition_wanted && !intent.append) {
        return Ok(());
    }
    Err(changed(name, "got other partitions", intent.base.as_ref(), head))
}

/// Says what another writer did to a dataset while rows were encoded for it.
fn changed(name: &Name, did: &str, base: Option<&Cid>, head: &Found) -> Error {
    let Some(base) = base else {
        let message =
            format!("{name} was created meanwhile, and {did}: its newest version is {}", head.cid);
        return Error::new(ErrorKind::Conflict, message)
            .with_hint("nothing was written: run it again");
    };
    overtaken(name, did, base, &head.cid)
}

/// Refuses rows that would change the schema of the dataset they are appended to.
pub(crate) fn check_append(onto: &SchemaRef, joined: &SchemaRef) -> Result<(), Error> {
    for (have, got) in onto.fields().iter().zip(joined.fields()) {
        if have.data_type() != got.data_type() {
            return Err(Error::invalid(format!(
                "column {:?} is {} in the dataset and would have to become {}",
                have.name(),
                have.data_type(),
                got.data_type()
            ))
            .with_hint("store the rows under another name, or convert the column first"));
        }
    }
    Ok(())
}

/// Says what was stored, of which `new_bytes` beside what publishing it took.
pub(crate) fn described(
    name: Option<&Name>,
    published: Published,
    new_bytes: u64,
    upserted: Option<Upserted>,
) -> Stored {
    let Published { cid, commit_cid, commit, parts, unchanged, new_bytes: for_commit } = published;
    Stored {
        name: name.map(ToString::to_string),
        cid,
        commit: commit_cid,
        rows: commit.rows,
        columns: commit.columns.len(),
        parts,
        bytes: commit.bytes,
        new_bytes: new_bytes + for_commit,
        unchanged,
        key_columns: commit.key_columns,
        partition_columns: commit.partition_columns,
        upserted,
        metadata: commit.metadata,
    }
}

#[cfg(test)]
mod tests {
    use cidlake_query::arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::samples::{grow, now, open};

    #[test]
    fn rows_are_appended_to_what_they_were_made_for_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(folder.path());
        grow(&lake, "t", 1..=2);
        let inner = &lake.inner;
        let name = parse_name("t").unwrap();
        let schema = SchemaRef::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let append = |onto: &'static [u8]| {
            let intent = Intent {
                name: Some(name.clone()),
                append: true,
                base: None,
                onto: Some(Bytes::from_static(onto)),
                metadata: BTreeMap::new(),
                message: None,
                schema: SchemaRef::clone(&schema),
                cut_columns: Vec::new(),
                partition_columns: Vec::new(),
                partition_wanted: false,
                key: Vec::new(),
                key_wanted: false,
                expected: None,
            };
            let hold = inner.hold().unwrap();
            inner.publish(&hold, Some(&name), |head| next(&intent, head, &[]))
        };
        // What the versions of these samples have for a schema.
        assert!(append(b"none").is_ok());
        let refused = append(b"none").err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "the append before changed it");
        now(lake.drop_dataset("t")).unwrap();
        let refused = append(b"none").err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    }
}

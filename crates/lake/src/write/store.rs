//! Storing a table: rows in, one commit, one durable change of the catalog.
//!
//! Here is what rows become of which dataset, and what is refused. A store that fails half way
//! leaves no name, no commit and no pin.

use std::collections::BTreeMap;

use bytes::Bytes;
use cidlake_block::Cid;
use cidlake_catalog::{Commit, Name, Part};
use cidlake_query::Format;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::layout::{self, CutRule};

use super::{Incoming, Next, NextParts, Published};
use crate::error::{Error, ErrorKind};
use crate::history::{Found, parse_name};
use crate::ingest::{self, Opened, Source};
use crate::lake::{Inner, Lake};
use crate::progress::Progress;

/// What to store and under which name.
#[derive(Debug, Default)]
pub struct StoreRequest {
    /// The rows, in order; several sources become one table.
    pub sources: Vec<Source>,
    /// The dataset's name; without one the commit is pinned and had by its CID.
    pub name: Option<String>,
    /// Whether the rows go behind those that the dataset has.
    pub append: bool,
    /// Free words about the dataset, kept in the commit; they are no part of the content's CID.
    pub metadata: BTreeMap<String, String>,
    /// The sources' format; told from name and first bytes when absent.
    pub input_format: Option<Format>,
    /// What this version is, in a sentence.
    pub message: Option<String>,
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
    /// The commit's metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Lake {
    /// Stores rows as a new version of a dataset.
    ///
    /// # Errors
    /// `Usage` for a bad name, `Invalid` for input that cannot be read or stored, `NotFound` for
    /// an absent file or for appending to a dataset that does not exist.
    pub async fn store(&self, request: StoreRequest, progress: Progress) -> Result<Stored, Error> {
        self.blocking(move |inner| inner.store_table(request, &progress)).await
    }
}

/// What of a request goes into the commit.
struct Intent {
    name: Option<Name>,
    append: bool,
    /// The schema, as its commit has it, of the version that the rows were made to fit.
    onto: Option<Bytes>,
    metadata: BTreeMap<String, String>,
    message: Option<String>,
    schema: SchemaRef,
    cut_columns: Vec<String>,
}

impl Inner {
    fn store_table(&self, request: StoreRequest, progress: &Progress) -> Result<Stored, Error> {
        let name = request.name.as_deref().map(parse_name).transpose()?;
        // From before the head is read to after the commit: what both build on must stay.
        let hold = self.hold()?;
        let onto = match (&name, request.append) {
            (Some(name), true) => Some(self.head_schema(name)?),
            (None, true) => {
                return Err(
                    Error::usage("appending needs the name of a dataset").with_hint("add --name")
                );
            }
            (_, false) => None,
        };
        // The key is read before any work is done, so that a missing home costs nothing.
        self.key()?;
        let (onto, onto_bytes) = onto.unzip();
        let opened = ingest::open_all(request.sources, request.input_format, onto.as_ref())?;
        if let Some(onto) = &onto {
            check_append(onto, &opened.schema)?;
        }
        let (rule, cut_columns) = self.cut_rule(name.as_ref(), request.append, &opened.schema)?;
        let intent = Intent {
            name,
            cut_columns,
            append: request.append,
            onto: onto_bytes,
            metadata: request.metadata,
            message: request.message,
            schema: SchemaRef::clone(&opened.schema),
        };
        let (parts, new_bytes) = self.store_rows(&hold, incoming(opened), rule, progress)?;
        let published =
            self.publish(&hold, intent.name.as_ref(), |head| next(&intent, head, &parts))?;
        Ok(describe(&intent, published, new_bytes))
    }

    /// Says by what the rows of a new version are cut: by the columns that cut the version before
    /// it, so that a column more moves no row group. Where one of them is gone, the row groups of
    /// that version keep their numbers of rows, and what comes behind is cut by those left.
    fn cut_rule(
        &self,
        name: Option<&Name>,
        append: bool,
        schema: &SchemaRef,
    ) -> Result<(CutRule, Vec<String>), Error> {
        let view = self.refresh()?;
        let head = name.map(|name| self.head(&view, name)).transpose()?.flatten();
        drop(view);
        let Some(Found { commit, .. }) = head else {
            return Ok((CutRule::default(), Vec::new()));
        };
        let all: Vec<String> = commit.columns.iter().map(|column| column.name.clone()).collect();
        let before = if commit.cut_columns.is_empty() { all } else { commit.cut_columns.clone() };
        let is_here = |name: &&String| schema.column_with_name(name).is_some();
        let here: Vec<String> = before.iter().filter(is_here).cloned().collect();
        let mut rule = CutRule::default();
        if here.len() < before.len() && !append {
            let mut end = 0;
            rule.ends.extend(self.parts(&commit)?.iter().filter(|part| part.rows > 0).map(
                |part| {
                    end += part.rows;
                    end
                },
            ));
        }
        // What is recorded keeps the names that are gone, so that the next version knows.
        let gone = here.len() < before.len();
        let names = if gone || here.len() < schema.fields().len() { before } else { Vec::new() };
        if here.len() < schema.fields().len() {
            rule.columns = here;
        }
        Ok((rule, names))
    }

    fn head_schema(&self, name: &Name) -> Result<(SchemaRef, Bytes), Error> {
        // Bound first: the view must be free again when the error looks for near names.
        let entry = self.refresh()?.catalog.get(name);
        let entry = entry.ok_or_else(|| {
            self.unknown(name).with_hint("leave --append out to create the dataset")
        })?;
        let schema = self.commit(&entry.commit)?.schema;
        Ok((layout::schema_from_bytes(&schema)?, schema))
    }
}

/// Returns input as rows on their way in.
fn incoming(opened: Opened) -> Incoming<'static> {
    let Opened { schema, batches, bytes_total, bytes_read, rows_total } = opened;
    Incoming {
        schema,
        batches: Box::new(batches.map(|batch| batch.map_err(Error::from))),
        rows_total,
        bytes_total,
        bytes_read: Box::new(move || ingest::total(&bytes_read)),
    }
}

/// Describes the version that stored rows make of `head`.
fn next(intent: &Intent, head: Option<&Found>, parts: &[Part]) -> Result<Next, Error> {
    check_head(intent, head)?;
    let mut metadata = intent.metadata.clone();
    let key_columns = head.map_or_else(Vec::new, |head| kept_keys(&head.commit, &intent.schema));
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
        key_columns,
        partition_columns: Vec::new(),
        metadata,
        message: intent.message.clone(),
        parts,
    })
}

/// Returns the key columns of `head`, as long as all of them are there.
fn kept_keys(head: &Commit, schema: &SchemaRef) -> Vec<String> {
    let is_here = |name: &String| schema.column_with_name(name).is_some();
    if head.key_columns.iter().all(is_here) { head.key_columns.clone() } else { Vec::new() }
}

/// Refuses to append where the dataset is gone, or has other columns than when its rows were read:
/// others may have changed it while they were encoded.
fn check_head(intent: &Intent, head: Option<&Found>) -> Result<(), Error> {
    let (Some(name), Some(onto)) = (&intent.name, &intent.onto) else { return Ok(()) };
    match head {
        None => Err(Error::not_found(format!("{name} was dropped before the rows were appended"))
            .with_hint("leave --append out to create the dataset")),
        Some(head) if head.commit.schema != *onto => Err(Error::new(
            ErrorKind::Conflict,
            format!("{name} got other columns before the rows were appended"),
        )
        .with_hint("append them again, to the columns that it has now")),
        Some(_) => Ok(()),
    }
}

/// Refuses rows that would change the schema of the dataset they are appended to.
fn check_append(onto: &SchemaRef, joined: &SchemaRef) -> Result<(), Error> {
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

fn describe(intent: &Intent, published: Published, new_bytes: u64) -> Stored {
    let Published { cid, commit_cid, commit, parts, unchanged, new_bytes: for_commit } = published;
    Stored {
        name: intent.name.as_ref().map(ToString::to_string),
        cid,
        commit: commit_cid,
        rows: commit.rows,
        columns: commit.columns.len(),
        parts,
        bytes: commit.bytes,
        new_bytes: new_bytes + for_commit,
        unchanged,
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
                onto: Some(Bytes::from_static(onto)),
                metadata: BTreeMap::new(),
                message: None,
                schema: SchemaRef::clone(&schema),
                cut_columns: Vec::new(),
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

//! Finding: versions that fit conditions, and whatever else has an address.

use cidlake_block::{Cid, parse_cid};
use cidlake_query::QueryError;
use cidlake_query::arrow::array::{Array as _, AsArray as _, BooleanArray};
use cidlake_query::arrow::compute::{and, filter_record_batch};
use cidlake_query::arrow::datatypes::{TimestampMillisecondType, UInt64Type};
use cidlake_query::arrow::record_batch::RecordBatch;

use super::condition::FindCondition;
use super::rows::Table;
use crate::error::Error;
use crate::lake::{Inner, Lake};

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct FindRequest {
    /// What must all hold of a version.
    pub conditions: Vec<FindCondition>,
    /// Whether older versions are looked at, too. They always are where an address is looked for.
    pub all_versions: bool,
    /// The most to be found.
    pub limit: Option<usize>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A version of a dataset.
    Version,
    /// A part of the newest version of a dataset.
    Part,
    /// A pin.
    Pin,
    /// A block that is none of these.
    Block,
}

impl FoundKind {
    /// Returns the word that it goes by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Part => "part",
            Self::Pin => "pin",
            Self::Block => "block",
        }
    }
}

/// Something that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundObject {
    /// What it is.
    pub kind: FoundKind,
    /// The dataset that it is of, or what a pin is called.
    pub name: Option<String>,
    /// Its address: of a version that of its content.
    pub cid: String,
    /// The commit of a version.
    pub commit: Option<String>,
    /// Whether it is the newest version, or part of it.
    pub newest: bool,
    /// Rows.
    pub rows: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
    /// Parts.
    pub parts: Option<u64>,
    /// Columns.
    pub columns: Option<u64>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time_ms: Option<u64>,
    /// What the version did.
    pub operation: Option<String>,
    /// Tags of the version.
    pub tags: Vec<String>,
}

impl Lake {
    /// Finds versions of datasets that fit all conditions, by name and then from the newest back: the
    /// newest of each dataset, or all that are kept. For an address it also finds parts of newest
    /// versions, pins and blocks.
    ///
    /// # Errors
    /// `Corrupt` when a version cannot be read.
    pub async fn find(&self, request: FindRequest) -> Result<Vec<FoundObject>, Error> {
        self.blocking(move |inner| inner.find(&request)).await
    }
}

impl Inner {
    pub(crate) fn find(&self, request: &FindRequest) -> Result<Vec<FoundObject>, Error> {
        let published = self.indexed()?;
        let address = request.conditions.iter().find_map(FindCondition::address);
        let commits = match address {
            Some(cid) => published.with_cid(Table::Commits, cid)?,
            None => published.batches(Table::Commits),
        };
        let mut found = Vec::new();
        for batch in &commits {
            let fitting = fitting(batch, request, address.is_some())?;
            found.extend(versions(&fitting));
        }
        if let ([only], Some(cid)) = (request.conditions.as_slice(), address)
            && only.address().is_some()
        {
            for batch in published.with_cid(Table::Parts, cid)? {
                found.extend(parts(&batch));
            }
            self.find_others(&parse_cid(cid)?, &mut found)?;
        }
        if let Some(limit) = request.limit {
            found.truncate(limit);
        }
        Ok(found)
    }

    /// Adds what else has an address: a pin, or a block that is nothing else.
    fn find_others(&self, cid: &Cid, found: &mut Vec<FoundObject>) -> Result<(), Error> {
        let pin = self.refresh()?.pins.get(cid).cloned();
        if let Some(name) = pin {
            found.push(FoundObject { name, ..other(FoundKind::Pin, cid) });
        }
        if found.is_empty() && self.store.has(cid)? {
            let bytes = self.store.get(cid)?.map(|block| block.len() as u64);
            found.push(FoundObject { bytes, ..other(FoundKind::Block, cid) });
        }
        Ok(())
    }
}

/// Returns the versions that fit.
fn fitting(
    commits: &RecordBatch,
    request: &FindRequest,
    by_address: bool,
) -> Result<RecordBatch, Error> {
    let internal = QueryError::internal;
    let all = request.all_versions || by_address;
    let mut mask: Option<BooleanArray> = (!all).then(|| commits["newest"].as_boolean().clone());
    for condition in &request.conditions {
        let holds = condition.mask(commits)?;
        mask = Some(match mask {
            Some(mask) => and(&mask, &holds).map_err(internal)?,
            None => holds,
        });
    }
    match mask {
        Some(mask) => Ok(filter_record_batch(commits, &mask).map_err(internal)?),
        None => Ok(commits.clone()),
    }
}

/// Returns versions of datasets, of each the newest first.
fn versions(commits: &RecordBatch) -> Vec<FoundObject> {
    let text = |column: &str, row: usize| commits[column].as_string::<i32>().value(row).to_owned();
    let number =
        |column: &str, row: usize| Some(commits[column].as_primitive::<UInt64Type>().value(row));
    let times = commits["time"].as_primitive::<TimestampMillisecondType>();
    let tags = commits["tags"].as_list::<i32>();
    let version = |row: usize| FoundObject {
        kind: FoundKind::Version,
        name: Some(text("dataset", row)),
        cid: text("cid", row),
        commit: Some(text("commit", row)),
        newest: commits["newest"].as_boolean().value(row),
        rows: number("rows", row),
        bytes: number("bytes", row),
        parts: number("parts", row),
        columns: number("columns", row),
        time_ms: u64::try_from(times.value(row)).ok(),
        operation: Some(text("operation", row)),
        tags: tags.value(row).as_string::<i32>().iter().flatten().map(str::to_owned).collect(),
    };
    let mut found: Vec<FoundObject> = (0..commits.num_rows()).map(version).collect();
    // Rows of a dataset stand from the oldest on.
    for dataset in found.chunk_by_mut(|a, b| a.name == b.name) {
        dataset.reverse();
    }
    found
}

fn parts(parts: &RecordBatch) -> Vec<FoundObject> {
    let texts = |column: &str| parts[column].as_string::<i32>().clone();
    let numbers = |column: &str| parts[column].as_primitive::<UInt64Type>().clone();
    let (names, cids) = (texts("dataset"), texts("cid"));
    let (rows, bytes) = (numbers("rows"), numbers("bytes"));
    let part = |row: usize| FoundObject {
        kind: FoundKind::Part,
        name: Some(names.value(row).to_owned()),
        cid: cids.value(row).to_owned(),
        commit: None,
        newest: true,
        rows: Some(rows.value(row)),
        bytes: Some(bytes.value(row)),
        parts: None,
        columns: None,
        time_ms: None,
        operation: None,
        tags: Vec::new(),
    };
    (0..names.len()).map(part).collect()
}

fn other(kind: FoundKind, cid: &Cid) -> FoundObject {
    FoundObject {
        kind,
        name: None,
        cid: cid.to_string(),
        commit: None,
        newest: false,
        rows: None,
        bytes: None,
        parts: None,
        columns: None,
        time_ms: None,
        operation: None,
        tags: Vec::new(),
    }
}

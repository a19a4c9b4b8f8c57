//! The difference of two versions: their columns and rows, and what their commits say besides.
//!
//! Rows are compared in `cidlake_query`, at the cost of what differs. Nothing is written, and
//! versions are not merged.

use std::collections::{BTreeMap, BTreeSet};

use cidlake_block::Cid;
use cidlake_catalog::Commit;
use cidlake_query::{Diff, DiffOptions, Table};
use tokio::runtime::Handle;

use crate::error::Error;
use crate::history::{Found, Target};
use crate::lake::{Inner, Lake};
use crate::progress::{Progress, ProgressEvent, Unit};

/// How many rows of each kind are shown where nothing else is asked for.
const SAMPLES_SHOWN: usize = 10;
/// The most rows of each kind that an answer may hold.
const SAMPLES_MAX: usize = 10_000;

/// How to compare two versions.
#[derive(Clone, Debug)]
pub struct DiffRequest {
    /// The columns that tell rows apart; none of them to compare whole rows. Where it is absent, the
    /// key that both versions have.
    pub key: Option<Vec<String>>,
    /// The most rows of each kind to return beside their number, up to 10 000.
    pub samples_max: usize,
}

impl Default for DiffRequest {
    fn default() -> Self {
        Self { key: None, samples_max: SAMPLES_SHOWN }
    }
}

/// One of two versions that were compared.
#[derive(Clone, Debug)]
pub struct DiffSide {
    /// What it was asked for by.
    pub reference: String,
    /// The dataset, where it was asked for by a name.
    pub name: Option<String>,
    /// The CID of the commit.
    pub commit: Cid,
    /// The CID of the content.
    pub cid: Cid,
    /// Its rows.
    pub rows: u64,
    /// Its parts.
    pub parts: u64,
}

/// A word of the metadata that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataDiff {
    /// The word.
    pub word: String,
    /// What it is in the first version, where it has it.
    pub a: Option<String>,
    /// What it is in the second version.
    pub b: Option<String>,
}

/// Columns of a kind that two versions name differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDiff {
    /// What the columns are for: `key`, `cut` or `partition`.
    pub role: &'static str,
    /// Those of the first version.
    pub a: Vec<String>,
    /// Those of the second version.
    pub b: Vec<String>,
}

/// How two versions differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The first version.
    pub a: DiffSide,
    /// The second.
    pub b: DiffSide,
    /// The columns that told rows apart; none where rows were compared whole.
    pub key: Vec<String>,
    /// Words of the metadata that differ.
    pub metadata: Vec<MetadataDiff>,
    /// Columns of a kind that are other ones.
    pub roles: Vec<RoleDiff>,
    /// Columns and rows.
    pub table: Diff,
}

impl Difference {
    /// Says whether nothing differs. Where rows stand, and how they are cut into parts, is no
    /// difference.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let rows = self.table.rows_removed + self.table.rows_added + self.table.rows_changed;
        rows == 0
            && self.table.columns.is_empty()
            && self.metadata.is_empty()
            && self.roles.is_empty()
    }
}

impl Lake {
    /// Says how the version `b` differs from the version `a`. Parts and pages that both have are not
    /// read, so it takes as long as what differs is large.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference; `Invalid` for a key that one of them does not
    /// have, or that does not tell its rows apart.
    pub async fn diff(
        &self,
        a: &str,
        b: &str,
        request: DiffRequest,
        progress: Progress,
    ) -> Result<Difference, Error> {
        let (a, b) = (a.to_owned(), b.to_owned());
        self.blocking(move |inner| inner.diff([a, b], request, &progress)).await
    }
}

impl Inner {
    fn diff(
        &self,
        references: [String; 2],
        request: DiffRequest,
        progress: &Progress,
    ) -> Result<Difference, Error> {
        if request.samples_max > SAMPLES_MAX {
            let message = format!("{} rows of each kind are too many", request.samples_max);
            return Err(Error::usage(message).with_hint(format!(
                "up to {SAMPLES_MAX} are shown; `cidlake get` returns all rows of a version"
            )));
        }
        self.difference(references, request, progress)
    }

    /// Compares two versions, with as many rows of each kind as are asked for.
    pub(crate) fn difference(
        &self,
        references: [String; 2],
        request: DiffRequest,
        progress: &Progress,
    ) -> Result<Difference, Error> {
        let _hold = self.hold()?;
        let [a, b] = references;
        let (first, second) = (self.compared(&a)?, self.compared(&b)?);
        let key = request.key.unwrap_or_else(|| common_key(&first.commit, &second.commit));
        let options = DiffOptions {
            key: key.clone(),
            samples_max: request.samples_max,
            memory_bytes_max: self.settings.memory_bytes_max,
            labels: [a.clone(), b.clone()],
        };
        let told = |done, total| {
            let (phase, unit, total) = ("comparing", Unit::Rows, Some(total));
            progress(ProgressEvent { phase, done, total, unit });
        };
        let tables = (Table::new(first.commit.clone())?, Table::new(second.commit.clone())?);
        let work = self.engine.diff(&tables.0, &tables.1, &options, &told);
        let table = Handle::current().block_on(work)?;
        Ok(Difference {
            metadata: metadata(&first.commit.metadata, &second.commit.metadata),
            roles: roles(&first.commit, &second.commit),
            a: side(a, first),
            b: side(b, second),
            key,
            table,
        })
    }

    fn compared(&self, reference: &str) -> Result<Found, Error> {
        match self.target(reference)? {
            Target::Commit(found) => Ok(*found),
            Target::Content(cid) => Err(Error::not_found(format!(
                "{cid} is not a table of this lake"
            ))
            .with_hint("`cidlake store` makes a table of a file; `cidlake datasets` lists tables")),
        }
    }
}

fn side(reference: String, found: Found) -> DiffSide {
    DiffSide {
        reference,
        name: found.entry.map(|entry| entry.name.to_string()),
        commit: found.cid,
        cid: found.commit.content,
        rows: found.commit.rows,
        parts: found.commit.parts_count(),
    }
}

/// Returns the key of two versions, where both have the same.
fn common_key(a: &Commit, b: &Commit) -> Vec<String> {
    let set = |commit: &Commit| commit.key_columns.iter().cloned().collect::<BTreeSet<String>>();
    if set(a) == set(b) { b.key_columns.clone() } else { Vec::new() }
}

fn metadata(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<MetadataDiff> {
    let words: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differing = words.into_iter().filter(|word| a.get(*word) != b.get(*word));
    differing
        .map(|word| MetadataDiff {
            word: word.clone(),
            a: a.get(word).cloned(),
            b: b.get(word).cloned(),
        })
        .collect()
}

fn roles(a: &Commit, b: &Commit) -> Vec<RoleDiff> {
    let roles = [
        ("key", &a.key_columns, &b.key_columns),
        ("cut", &a.cut_columns, &b.cut_columns),
        ("partition", &a.partition_columns, &b.partition_columns),
    ];
    let differing = roles.into_iter().filter(|(_, a, b)| a != b);
    differing.map(|(role, a, b)| RoleDiff { role, a: a.clone(), b: b.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Version;

    #[test]
    fn words_and_roles_that_differ_are_told() {
        let words = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(word, value)| ((*word).to_owned(), (*value).to_owned())).collect()
        };
        let found = metadata(&words(&[("a", "1"), ("b", "2")]), &words(&[("b", "3"), ("c", "4")]));
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.word.as_str(), one.a.as_deref(), one.b.as_deref()))
            .collect();
        let expected =
            [("a", Some("1"), None), ("b", Some("2"), Some("3")), ("c", None, Some("4"))];
        assert_eq!(told, expected);

        let mut a = Commit::decode(&Version::new(1, &[]).commit).unwrap();
        let mut b = a.clone();
        assert_eq!((roles(&a, &b), common_key(&a, &b)), (vec![], a.key_columns.clone()));
        a.key_columns = vec!["x".to_owned(), "y".to_owned()];
        assert!(common_key(&a, &b).is_empty());
        b.key_columns = vec!["y".to_owned(), "x".to_owned()];
        assert_eq!(common_key(&a, &b), ["y", "x"]);
        b.cut_columns = vec!["z".to_owned()];
        let told: Vec<_> = roles(&a, &b).iter().map(|one| one.role).collect();
        assert_eq!(told, ["key", "cut"]);
    }
}

//! What a new version keeps of the one before it: its key, its partition columns and by what its rows
//! are cut, where the user does not say otherwise.

use cidlake_catalog::{Commit, Name};
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::layout::CutRule;

use super::keys::key_of;
use crate::error::Error;
use crate::lake::Inner;

/// The version before a new one, under its name.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) name: &'a Name,
    pub(super) commit: &'a Commit,
    /// Whether its rows stay.
    pub(super) append: bool,
}

impl Before<'_> {
    /// Returns the key of the new version: the one that is wanted, else the one of this version, as
    /// long as all its columns are there.
    pub(super) fn key(
        self,
        wanted: Option<&[String]>,
        schema: &SchemaRef,
    ) -> Result<Vec<String>, Error> {
        match wanted {
            _ if self.append => key_of(self.name, self.commit, wanted),
            Some(wanted) => Ok(wanted.to_vec()),
            None => Ok(kept(&self.commit.key_columns, schema)),
        }
    }

    /// Returns the partition columns of the new version: those that are wanted, else those of this
    /// version, as long as all of them are there. Rows that are added go into its folders.
    pub(super) fn partition_columns(
        self,
        wanted: Option<&[String]>,
        schema: &SchemaRef,
    ) -> Result<Vec<String>, Error> {
        match wanted {
            _ if self.append => partition_of(self.name, self.commit, wanted),
            Some(wanted) => Ok(wanted.to_vec()),
            None => Ok(kept(&self.commit.partition_columns, schema)),
        }
    }
}

impl Inner {
    /// Says by what the rows of a new version are cut, and what its commit says of that: by the
    /// columns that cut the version before it, so that a column more moves no row group. Where one of
    /// them is gone, the row groups of that version keep their numbers of rows, and what comes behind
    /// is cut by those left.
    pub(super) fn cut_rule(
        &self,
        before: Before<'_>,
        schema: &SchemaRef,
        partition_columns: &[String],
    ) -> Result<(CutRule, Vec<String>), Error> {
        let commit = before.commit;
        let all = || commit.columns.iter().map(|column| column.name.clone()).collect();
        let mut cut: Vec<String> =
            if commit.cut_columns.is_empty() { all() } else { commit.cut_columns.clone() };
        cut.retain(|name| !partition_columns.contains(name));
        let is_here = |name: &&String| schema.column_with_name(name).is_some();
        let here: Vec<String> = cut.iter().filter(is_here).cloned().collect();
        let gone = here.len() < cut.len();
        let mut rule =
            CutRule { partition_columns: partition_columns.to_vec(), ..CutRule::default() };
        // The rows of a partitioned table lie in another order than those that come in.
        let partitioned = !partition_columns.is_empty() || !commit.partition_columns.is_empty();
        if gone && !before.append && !partitioned {
            let mut end = 0;
            for part in self.parts(commit)?.iter().filter(|part| part.rows > 0) {
                end += part.rows;
                rule.ends.push(end);
            }
        }
        let fewer = here.len() + partition_columns.len() < schema.fields().len();
        if fewer {
            rule.columns = here;
        }
        // What is recorded keeps the names that are gone, so that the next version knows.
        let names = if gone || fewer { cut } else { Vec::new() };
        Ok((rule, names))
    }
}

/// Returns columns of a version before, as long as all of them are there.
pub(super) fn kept(columns: &[String], schema: &SchemaRef) -> Vec<String> {
    let is_here = |name: &String| schema.column_with_name(name).is_some();
    if columns.iter().all(is_here) { columns.to_vec() } else { Vec::new() }
}

/// Returns the partition columns that rows are added to a version of `name` by: those that it has,
/// which may be said again.
pub(crate) fn partition_of(
    name: &Name,
    commit: &Commit,
    wanted: Option<&[String]>,
) -> Result<Vec<String>, Error> {
    let have = &commit.partition_columns;
    match wanted {
        None => Ok(have.clone()),
        Some(wanted) if wanted == have => Ok(have.clone()),
        Some(_) => {
            let message = match have.is_empty() {
                true => format!("{name} is not partitioned"),
                false => format!("{name} is partitioned by {}", have.join(", ")),
            };
            Err(Error::invalid(format!("{message}, and rows that are added keep to that"))
                .with_hint("leave --partition-by out, or store the whole dataset again with it"))
        }
    }
}

//! Keys of datasets: which columns they are, and that they identify every row.
//!
//! Rows on their way in are compared among themselves by what [`KeySet`] keeps of each; those of
//! the dataset are read part by part, only their key columns, and only of parts that may hold one of
//! the new keys. So memory grows with the rows that come in, and not with those that are there, but
//! where a dataset gets its key: then all of its rows are compared at once.

use std::collections::{BTreeSet, HashSet};

use cidlake_catalog::{Commit, Name, Part, PartId};
use cidlake_query::edit::{KeyColumns, KeyFault, KeySet};
use cidlake_query::{QueryError, Table};
use tokio::runtime::Handle;

use super::Incoming;
use crate::error::{Error, ErrorKind};
use crate::history::Found;
use crate::lake::Inner;
use crate::parallel::in_parallel;

/// How often rows are compared with what others added meanwhile, before it is left to the user.
pub(crate) const KEY_DRAFTS_MAX: u32 = 100;

/// Returns the key that rows are put into a version of `name` by: the one that it has, which may be
/// said again, or the one that it gets.
pub(crate) fn key_of(
    name: &Name,
    commit: &Commit,
    wanted: Option<&[String]>,
) -> Result<Vec<String>, Error> {
    let have = &commit.key_columns;
    let Some(wanted) = wanted else { return Ok(have.clone()) };
    let set = |columns: &[String]| columns.iter().cloned().collect::<BTreeSet<String>>();
    if have.is_empty() || set(have) == set(wanted) && have.len() == wanted.len() {
        return Ok(if have.is_empty() { wanted.to_vec() } else { have.clone() });
    }
    let (have, wanted) = (have.join(", "), wanted.join(", "));
    let message = match wanted.is_empty() {
        true => format!("{name} has the key {have}, and rows that are added keep it"),
        false => format!("{name} has the key {have}, and not {wanted}"),
    };
    Err(Error::invalid(message)
        .with_hint("leave --key out; storing the whole dataset again can change its key"))
}

/// Returns rows on their way in, whose keys are taken into `keys` as they pass.
pub(super) fn keyed<'a>(rows: Incoming<'a>, keys: Option<&'a mut KeySet>) -> Incoming<'a> {
    let Some(keys) = keys else { return rows };
    let batches = rows.batches.map(move |batch| {
        let batch = batch?;
        keys.push(&batch).map_err(key_error)?;
        Ok(batch)
    });
    Incoming { batches: Box::new(batches), ..rows }
}

/// Says what is wrong with the keys of rows that come in, and what to do about it.
pub(crate) fn key_error(error: QueryError) -> Error {
    let hint = match &error {
        QueryError::Key(KeyFault::Null { .. }) => {
            "rows are counted from 0; give every row a key, or choose other columns with --key"
        }
        QueryError::Key(KeyFault::Twice { .. }) => {
            "rows are counted from 0; leave one of them out, or choose other columns with --key"
        }
        QueryError::Key(KeyFault::TooMany) => "store them in several steps, with --append",
        _ => return error.into(),
    };
    Error::from(error).with_hint(hint)
}

/// Says that a dataset changed more often than rows could be compared with it.
pub(crate) fn too_busy(name: &Name) -> Error {
    let message = format!("others changed {name} {KEY_DRAFTS_MAX} times while this was made");
    Error::new(ErrorKind::Conflict, message).with_hint("try again when the lake is less busy")
}

impl Inner {
    /// Makes sure that `keys`, of rows to be put behind those of `head`, are in none of its parts but
    /// those in `compared`, which is where all of them are afterwards.
    pub(super) fn check_absent(
        &self,
        name: &Name,
        head: &Found,
        keys: &KeySet,
        compared: &mut HashSet<PartId>,
    ) -> Result<(), Error> {
        let runtime = Handle::current();
        let table = Table::new(head.commit.clone())?;
        if head.commit.key_columns.is_empty() {
            let parts = self.parts(&head.commit)?;
            self.check_unique(name, &table, &parts, keys.columns())?;
        }
        let mut parts = runtime.block_on(self.engine.parts_within(&table, keys))?;
        parts.retain(|part| part.rows > 0 && compared.insert(part.id()));
        in_parallel(self.settings.threads, &parts, |part| {
            let columns = self.engine.keys(&table, part, keys.columns());
            match keys.first_of(runtime.block_on(columns)?)? {
                None => Ok(()),
                Some(held) => Err(Error::invalid(format!(
                    "key {} of row {} is in {name} already",
                    held.key, held.row
                ))
                .with_hint("--upsert instead of --append replaces the rows whose keys are there")),
            }
        })?;
        Ok(())
    }

    /// Makes sure that a dataset can get the key `columns`: that no row of `parts` lacks it, and no
    /// two have the same.
    pub(crate) fn check_unique(
        &self,
        name: &Name,
        table: &Table,
        parts: &[Part],
        columns: &KeyColumns,
    ) -> Result<(), Error> {
        let runtime = Handle::current();
        let threads = self.settings.threads.max(1);
        let mut keys = KeySet::new(columns.clone());
        for some in parts.chunks(threads) {
            let read = in_parallel(threads, some, |part| {
                Ok(runtime.block_on(self.engine.keys(table, part, columns))?)
            })?;
            for columns in read {
                keys.push_stored(columns).map_err(|error| unfit(name, error))?;
            }
        }
        Ok(())
    }
}

/// Says that a dataset cannot have a key.
fn unfit(name: &Name, error: QueryError) -> Error {
    match error {
        QueryError::Key(fault) => {
            Error::invalid(format!("the rows that {name} has do not fit the key: {fault}"))
                .with_hint(
                    "rows are counted from 0; choose other columns, or repair the rows first",
                )
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::parse_name;
    use crate::samples::Version;

    type Columns = &'static [&'static str];

    #[test]
    fn a_key_is_kept_said_again_or_given_once() {
        let texts = |columns: &[&str]| columns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let name = parse_name("t").unwrap();
        let mut commit = Commit::decode(&Version::new(1, &[]).commit).unwrap();
        // What it has, what is said, what it is then.
        let table: [(Columns, Option<Columns>, Option<Columns>); 9] = [
            (&[], None, Some(&[])),
            (&[], Some(&["a"]), Some(&["a"])),
            (&["a"], None, Some(&["a"])),
            (&["a"], Some(&["a"]), Some(&["a"])),
            (&["a", "b"], Some(&["b", "a"]), Some(&["a", "b"])),
            (&["a"], Some(&["b"]), None),
            (&["a"], Some(&["a", "b"]), None),
            (&["a"], Some(&["a", "a"]), None),
            (&["a"], Some(&[]), None),
        ];
        for (have, said, expected) in table {
            commit.key_columns = texts(have);
            let said = said.map(texts);
            let key = key_of(&name, &commit, said.as_deref());
            assert_eq!(key.ok(), expected.map(texts), "{have:?} {said:?}");
        }
    }
}

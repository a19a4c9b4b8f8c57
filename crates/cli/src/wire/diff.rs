//! The shapes of the answer of `diff`.

use cidlake::emit::json_rows;
use cidlake::{ChangedRows, ColumnChange, ColumnDiff, DiffSide, Difference, Error, SampleRows};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Field, record};
use crate::output::{Cell, Kind, Record};

/// The answer of `diff`; `same` says that nothing differs. Of removed, added and changed rows the
/// first are told.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DiffWire {
    pub(crate) success: bool,
    pub(crate) same: bool,
    pub(crate) a: SideWire,
    pub(crate) b: SideWire,
    pub(crate) columns: Vec<ColumnWire>,
    pub(crate) metadata: Vec<WordWire>,
    pub(crate) roles: Vec<RoleWire>,
    pub(crate) key: Vec<String>,
    pub(crate) rows_removed: u64,
    pub(crate) rows_added: u64,
    pub(crate) rows_changed: u64,
    pub(crate) columns_changed: Map<String, Value>,
    pub(crate) removed: Vec<RowWire>,
    pub(crate) added: Vec<RowWire>,
    pub(crate) changed: Vec<ChangedWire>,
    pub(crate) parts_differing: u64,
    pub(crate) rows_read: u64,
}

/// A version that was compared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SideWire {
    pub(crate) reference: String,
    pub(crate) name: Option<String>,
    pub(crate) commit: String,
    pub(crate) cid: String,
    pub(crate) rows: u64,
    pub(crate) parts: u64,
}

/// A column that differs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColumnWire {
    pub(crate) name: String,
    pub(crate) change: &'static str,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// A word of the metadata that differs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WordWire {
    pub(crate) word: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// Columns of a kind that are other ones.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RoleWire {
    pub(crate) role: &'static str,
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
}

/// A row that one version has alone, or so many times more often.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowWire {
    pub(crate) row: u64,
    pub(crate) times: u64,
    pub(crate) values: Map<String, Value>,
}

/// A row whose key both versions have: its key, and what changed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChangedWire {
    pub(crate) row_before: u64,
    pub(crate) row_after: u64,
    pub(crate) key: Map<String, Value>,
    pub(crate) before: Map<String, Value>,
    pub(crate) after: Map<String, Value>,
}

record! {
    /// One thing that differs, in the forms that know only rows. Rows are told as JSON, `count` is
    /// how many of them are alike.
    DiffLineWire {
        what: &'static str,
        change: &'static str,
        name: Option<String>,
        before: Option<String>,
        after: Option<String>,
        count: Option<u64>,
    }
}

impl DiffWire {
    /// Puts the answer together.
    ///
    /// # Errors
    /// Where a value has no text.
    pub(crate) fn new(difference: &Difference) -> Result<Self, Error> {
        let table = &difference.table;
        let counts = table.columns_changed.iter();
        Ok(Self {
            success: true,
            same: difference.is_none(),
            a: SideWire::from(&difference.a),
            b: SideWire::from(&difference.b),
            columns: table.columns.iter().map(ColumnWire::from).collect(),
            metadata: words(difference),
            roles: roles(difference),
            key: difference.key.clone(),
            rows_removed: table.rows_removed,
            rows_added: table.rows_added,
            rows_changed: table.rows_changed,
            columns_changed: counts.map(|(name, count)| (name.clone(), (*count).into())).collect(),
            removed: rows(&table.removed)?,
            added: rows(&table.added)?,
            changed: changed(&table.changed, &difference.key)?,
            parts_differing: table.parts_differing,
            rows_read: table.rows_read,
        })
    }

    /// Returns what differs, a line each.
    pub(crate) fn lines(&self) -> Vec<DiffLineWire> {
        let columns = self.columns.iter().map(|column| DiffLineWire {
            what: "column",
            change: column.change,
            name: Some(column.name.clone()),
            before: column.before.clone(),
            after: column.after.clone(),
            count: None,
        });
        let words = self.metadata.iter().map(|word| DiffLineWire {
            what: "metadata",
            change: change_of(word.before.is_some(), word.after.is_some()),
            name: Some(word.word.clone()),
            before: word.before.clone(),
            after: word.after.clone(),
            count: None,
        });
        let roles = self.roles.iter().map(|role| DiffLineWire {
            what: "columns",
            change: "changed",
            name: Some(role.role.to_owned()),
            before: Some(role.before.join(",")),
            after: Some(role.after.join(",")),
            count: None,
        });
        let lines = columns.chain(words).chain(roles);
        lines.chain(self.row_lines()).collect()
    }

    fn row_lines(&self) -> impl Iterator<Item = DiffLineWire> {
        let text = |values: &Map<String, Value>| Some(Value::Object(values.clone()).to_string());
        let line = move |change, key: Option<String>, before, after, count| DiffLineWire {
            what: "row",
            change,
            name: key,
            before,
            after,
            count: Some(count),
        };
        let removed = self
            .removed
            .iter()
            .map(move |row| line("removed", None, text(&row.values), None, row.times));
        let added = self
            .added
            .iter()
            .map(move |row| line("added", None, None, text(&row.values), row.times));
        let changed = self.changed.iter().map(move |row| {
            line("changed", text(&row.key), text(&row.before), text(&row.after), 1)
        });
        removed.chain(added).chain(changed)
    }
}

impl From<&DiffSide> for SideWire {
    fn from(side: &DiffSide) -> Self {
        Self {
            reference: side.reference.clone(),
            name: side.name.clone(),
            commit: side.commit.to_string(),
            cid: side.cid.to_string(),
            rows: side.rows,
            parts: side.parts,
        }
    }
}

impl From<&ColumnDiff> for ColumnWire {
    fn from(column: &ColumnDiff) -> Self {
        let change = match column.change {
            ColumnChange::Added => "added",
            ColumnChange::Removed => "removed",
            ColumnChange::Retyped => "retyped",
            ColumnChange::Moved => "moved",
        };
        let (before, after) = (column.a.clone(), column.b.clone());
        Self { name: column.name.clone(), change, before, after }
    }
}

fn change_of(before: bool, after: bool) -> &'static str {
    match (before, after) {
        (true, true) => "changed",
        (true, false) => "removed",
        _ => "added",
    }
}

fn words(difference: &Difference) -> Vec<WordWire> {
    let words = difference.metadata.iter().map(|word| WordWire {
        word: word.word.clone(),
        before: word.a.clone(),
        after: word.b.clone(),
    });
    words.collect()
}

fn roles(difference: &Difference) -> Vec<RoleWire> {
    let roles = difference.roles.iter().map(|role| RoleWire {
        role: role.role,
        before: role.a.clone(),
        after: role.b.clone(),
    });
    roles.collect()
}

fn rows(sample: &SampleRows) -> Result<Vec<RowWire>, Error> {
    let values = json_rows(std::slice::from_ref(&sample.values))?;
    let rows = sample.rows.iter().zip(&sample.times).zip(values);
    Ok(rows.map(|((row, times), values)| RowWire { row: *row, times: *times, values }).collect())
}

fn changed(changed: &ChangedRows, key: &[String]) -> Result<Vec<ChangedWire>, Error> {
    let before = json_rows(std::slice::from_ref(&changed.before))?;
    let after = json_rows(std::slice::from_ref(&changed.after))?;
    let pick = |values: &Map<String, Value>, names: &[String]| -> Map<String, Value> {
        let value = |name: &String| Some((name.clone(), values.get(name)?.clone()));
        names.iter().filter_map(value).collect()
    };
    let rows = changed.rows.iter().zip(&changed.columns).zip(before.iter().zip(&after));
    let rows = rows.map(|(([row_before, row_after], columns), (before, after))| ChangedWire {
        row_before: *row_before,
        row_after: *row_after,
        key: pick(after, key),
        before: pick(before, columns),
        after: pick(after, columns),
    });
    Ok(rows.collect())
}

//! Tables as plain values, what a condition says of their rows, and how two of them differ. Nothing
//! here knows a lake.

use std::collections::{BTreeMap, BTreeSet};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Int,
    Long,
    Text,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Null,
    Number(i64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

pub type Row = Vec<Cell>;

/// Everything that a version says, but how it came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub key: Vec<String>,
    pub words: BTreeMap<String, String>,
}

/// A condition over the columns of a table.
#[derive(Clone, Debug)]
pub enum Predicate {
    Compares(String, Compare, Cell),
    IsNull(String),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

#[derive(Clone, Copy, Debug)]
pub enum Compare {
    Equal,
    Unequal,
    Less,
    More,
}

/// How two tables differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// Rows removed, added and changed.
    pub rows: [u64; 3],
    /// In how many of the changed rows a column changed.
    pub columns_changed: BTreeMap<String, u64>,
}

impl Kind {
    /// The type as SQL writes it.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Long => "BIGINT",
            Self::Text => "TEXT",
        }
    }

    /// Says whether values of both can be compared.
    pub fn is_like(self, other: Self) -> bool {
        (self == Self::Text) == (other == Self::Text)
    }
}

impl Cell {
    /// The value as SQL writes it.
    pub fn sql(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            // Its digits alone are no number of 64 bits.
            Self::Number(i64::MIN) => format!("({} - 1)", i64::MIN + 1),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

/// A name as SQL writes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    pub fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub fn has_columns(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.place(name).is_some())
    }

    fn places(&self, names: &[String]) -> Vec<usize> {
        names.iter().map(|name| self.place(name).expect("a column of the table")).collect()
    }

    /// Says whether the key, where there is one, tells every row from the others.
    pub fn is_keyed_rightly(&self) -> bool {
        if !self.has_columns(&self.key) {
            return false;
        }
        let places = self.places(&self.key);
        let mut keys = self.rows.iter().map(|row| of(row, &places));
        let mut seen = BTreeSet::new();
        places.is_empty() || keys.all(|key| !key.contains(&Cell::Null) && seen.insert(key))
    }

    /// The rows of `other` in the columns of this table; `None` where they do not fit.
    pub fn fitted(&self, other: &Self) -> Option<Vec<Row>> {
        if self.columns.len() != other.columns.len() {
            return None;
        }
        let place = |column: &Column| {
            let place = other.place(&column.name)?;
            let kind = other.columns[place].kind;
            let fits = kind == column.kind || (kind, column.kind) == (Kind::Int, Kind::Long);
            fits.then_some(place)
        };
        let places: Option<Vec<usize>> = self.columns.iter().map(place).collect();
        let places = places?;
        Some(other.rows.iter().map(|row| of(row, &places)).collect())
    }

    /// Puts rows of the same columns in by their keys; returns how many were updated, inserted and
    /// there already.
    pub fn upsert(&mut self, rows: Vec<Row>) -> [u64; 3] {
        let places = self.places(&self.key);
        let at: BTreeMap<Row, usize> =
            self.rows.iter().enumerate().map(|(at, row)| (of(row, &places), at)).collect();
        let mut counts = [0; 3];
        for row in rows {
            match at.get(&of(&row, &places)) {
                None => {
                    self.rows.push(row);
                    counts[1] += 1;
                }
                Some(at) if self.rows[*at] == row => counts[2] += 1,
                Some(at) => {
                    self.rows[*at] = row;
                    counts[0] += 1;
                }
            }
        }
        counts
    }

    /// The names of columns that only `self` has, that only `other` has, and that both have in types
    /// that can be compared.
    pub fn columns_beside(&self, other: &Self) -> [Vec<String>; 3] {
        let common = |name: &str| {
            let (a, b) = (self.place(name), other.place(name));
            a.zip(b).is_some_and(|(a, b)| self.columns[a].kind.is_like(other.columns[b].kind))
        };
        let names = |table: &Self, wanted: bool| -> Vec<String> {
            let names = table.columns.iter().map(|column| column.name.clone());
            names.filter(|name| common(name) == wanted).collect()
        };
        [names(self, false), names(other, false), names(other, true)]
    }

    /// How `other` differs from this table, rows being told apart by `key` or whole; `None` where the
    /// key is none of both.
    pub fn differing(&self, other: &Self, key: &[String]) -> Option<Differing> {
        let [_, _, common] = self.columns_beside(other);
        if common.is_empty() {
            let (a, b) = (self.rows.len() as u64, other.rows.len() as u64);
            let differing = Differing { rows: [a, b, 0], ..Differing::default() };
            return key.is_empty().then_some(differing);
        }
        if !key.iter().all(|name| common.contains(name)) {
            return None;
        }
        let projected = |table: &Self| -> Vec<Row> {
            let places = table.places(&common);
            table.rows.iter().map(|row| of(row, &places)).collect()
        };
        let (a, b) = (projected(self), projected(other));
        if key.is_empty() {
            let [removed, added] = [(&a, &b), (&b, &a)].map(|(one, other)| more(one, other));
            return Some(Differing { rows: [removed, added, 0], ..Differing::default() });
        }
        let place = |name: &String| common.iter().position(|column| column == name);
        let key: Vec<usize> = key.iter().filter_map(place).collect();
        Some(keyed(&a, &b, &key, &common))
    }
}

/// The cells of a row at `places`.
fn of(row: &[Cell], places: &[usize]) -> Row {
    places.iter().map(|place| row[*place].clone()).collect()
}

/// How many rows `a` has that `b` does not have, or not as often.
fn more(a: &[Row], b: &[Row]) -> u64 {
    let mut times: BTreeMap<&Row, i64> = BTreeMap::new();
    a.iter().for_each(|row| *times.entry(row).or_default() += 1);
    b.iter().for_each(|row| *times.entry(row).or_default() -= 1);
    times.values().filter(|times| **times > 0).map(|times| times.unsigned_abs()).sum()
}

fn keyed(a: &[Row], b: &[Row], key: &[usize], columns: &[String]) -> Differing {
    let by_key = |rows: &[Row]| -> BTreeMap<Row, Row> {
        rows.iter().map(|row| (of(row, key), row.clone())).collect()
    };
    let (a, b) = (by_key(a), by_key(b));
    let mut found = Differing::default();
    found.rows[0] = a.keys().filter(|key| !b.contains_key(*key)).count() as u64;
    found.rows[1] = b.keys().filter(|key| !a.contains_key(*key)).count() as u64;
    for (key, before) in &a {
        let Some(after) = b.get(key).filter(|after| *after != before) else { continue };
        found.rows[2] += 1;
        for (place, column) in columns.iter().enumerate() {
            if before[place] != after[place] {
                *found.columns_changed.entry(column.clone()).or_default() += 1;
            }
        }
    }
    found
}

impl Predicate {
    pub fn sql(&self) -> String {
        match self {
            Self::Compares(name, compare, cell) => {
                let sign = match compare {
                    Compare::Equal => "=",
                    Compare::Unequal => "<>",
                    Compare::Less => "<",
                    Compare::More => ">",
                };
                format!("{} {sign} {}", quoted(name), cell.sql())
            }
            Self::IsNull(name) => format!("{} IS NULL", quoted(name)),
            Self::Not(inside) => format!("NOT ({})", inside.sql()),
            Self::And(a, b) => format!("({}) AND ({})", a.sql(), b.sql()),
            Self::Or(a, b) => format!("({}) OR ({})", a.sql(), b.sql()),
        }
    }

    /// Says whether a table has all columns that it is about.
    pub fn fits(&self, table: &Table) -> bool {
        match self {
            Self::Compares(name, ..) | Self::IsNull(name) => table.place(name).is_some(),
            Self::Not(inside) => inside.fits(table),
            Self::And(a, b) | Self::Or(a, b) => a.fits(table) && b.fits(table),
        }
    }

    /// What it says of a row; `None` where that is not known, as in SQL.
    pub fn holds(&self, table: &Table, row: &[Cell]) -> Option<bool> {
        let cell = |name: &str| &row[table.place(name).expect("a column of the table")];
        match self {
            Self::IsNull(name) => Some(*cell(name) == Cell::Null),
            Self::Compares(name, compare, value) => {
                let cell = cell(name);
                if [cell, value].contains(&&Cell::Null) {
                    return None;
                }
                Some(match compare {
                    Compare::Equal => cell == value,
                    Compare::Unequal => cell != value,
                    Compare::Less => cell < value,
                    Compare::More => cell > value,
                })
            }
            Self::Not(inside) => inside.holds(table, row).map(|holds| !holds),
            Self::And(a, b) => match (a.holds(table, row), b.holds(table, row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(a, b) => match (a.holds(table, row), b.holds(table, row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

//! Random operations: mostly some that a lake can do, some that it must refuse.

use std::collections::{BTreeMap, BTreeSet};

use cidlake::StoreMode;

use super::model::{Change, Dataset, Model, Op, Pick, Put};
use super::table::{Cell, Column, Compare, Kind, Predicate, Row, Table};
use crate::dice::Dice;

const NAMES: [&str; 2] = ["t", "s.u"];
const COLUMNS: [&str; 6] = ["id", "a", "b", "A b", "ż", "order"];
const TEXTS: [&str; 6] = ["", "a", "b's", "ż", "null", "a longer text that is no number"];
const TAGS: [&str; 3] = ["v1", "v2", "good"];
const WORDS: [&str; 2] = ["source", "by"];
/// The values of most numbers and keys, so that they meet again.
const FEW: u64 = 40;

/// Draws what to do next to the lake that `model` is of.
pub fn op(dice: &mut Dice, model: &Model) -> Op {
    let name = name(dice, model);
    // Now and then something is asked of a dataset that is not there.
    let Some(dataset) = model.datasets.get(&name).filter(|_| dice.below(50) > 0) else {
        return absent(dice, name);
    };
    match dice.below(30) {
        0..3 => Op::Put(overwrite(dice, name, Some(&dataset.head().table))),
        3..9 => Op::Put(addition(dice, name, &dataset.head().table, StoreMode::Append)),
        9..13 => {
            let head = &dataset.head().table;
            // Without a key rows are most often only appended.
            let is_blind = head.key.is_empty() && dice.below(3) > 0;
            let mode = if is_blind { StoreMode::Append } else { StoreMode::Upsert };
            Op::Put(addition(dice, name, head, mode))
        }
        13..16 => {
            let table = &dataset.head().table;
            let rows = (dice.below(8) > 0).then(|| predicate(dice, table, 2));
            Op::Delete { name, rows }
        }
        16..20 => Op::Alter { name, change: change(dice, &dataset.head().table) },
        20..22 => {
            let (tag, version) = (tag(dice), pick(dice, dataset));
            Op::Tag { name, tag, version, force: dice.coin() }
        }
        22 => Op::Untag { name, tag: tag(dice) },
        23..25 => Op::Restore { name, version: pick(dice, dataset) },
        25..27 => Op::Compact { name },
        27 => Op::Expire { name, keep: 1 + dice.below(6) },
        28 => match dice.coin() {
            true => Op::Collect,
            false => Op::Maintain,
        },
        _ => match dice.below(3) {
            0 => Op::Drop { name },
            1 => Op::Collect,
            _ => Op::Rename { from: name, to: NAMES[dice.below(2) as usize].to_owned() },
        },
    }
}

fn name(dice: &mut Dice, model: &Model) -> String {
    let there: Vec<&String> = model.datasets.keys().collect();
    if there.is_empty() || (there.len() < NAMES.len() && dice.below(6) == 0) {
        return NAMES[dice.below(2) as usize].to_owned();
    }
    there[dice.below(there.len() as u64) as usize].clone()
}

/// What is done to a dataset that may not be there, most often making it.
fn absent(dice: &mut Dice, name: String) -> Op {
    match dice.below(12) {
        0 => Op::Put(Put { mode: StoreMode::Append, ..overwrite(dice, name, None) }),
        1 => Op::Put(Put { mode: StoreMode::Upsert, ..overwrite(dice, name, None) }),
        2 => Op::Compact { name },
        3 => Op::Drop { name },
        4 => Op::Expire { name, keep: 1 },
        _ => Op::Put(overwrite(dice, name, None)),
    }
}

fn tag(dice: &mut Dice) -> String {
    TAGS[dice.below(TAGS.len() as u64) as usize].to_owned()
}

/// A version of a dataset; now and then one that expired or never was.
pub fn pick(dice: &mut Dice, dataset: &Dataset) -> Pick {
    let versions = dataset.versions.len() as u64;
    match dice.below(4) {
        0 => Pick::Tag(tag(dice)),
        1 => Pick::Commit(dice.below(versions) as usize),
        _ => Pick::Back(dice.below((versions - dataset.oldest as u64).min(5) + 1) as usize),
    }
}

fn words(dice: &mut Dice) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    if dice.below(4) == 0 {
        let word = WORDS[dice.below(2) as usize].to_owned();
        words.insert(word, dice.below(3).to_string());
    }
    words
}

fn kind(dice: &mut Dice) -> Kind {
    dice.weighted(&[(3, Kind::Int), (2, Kind::Long), (3, Kind::Text)])
}

fn cell(dice: &mut Dice, kind: Kind) -> Cell {
    match (dice.below(8), kind) {
        (0, _) => Cell::Null,
        (1, Kind::Int) => Cell::Number([i32::MIN, -1, i32::MAX][dice.below(3) as usize].into()),
        (1, Kind::Long) => Cell::Number([i64::MIN, -1, i64::MAX][dice.below(3) as usize]),
        (_, Kind::Int | Kind::Long) => Cell::Number(dice.below(FEW) as i64),
        (_, Kind::Text) => Cell::Text(TEXTS[dice.below(TEXTS.len() as u64) as usize].to_owned()),
    }
}

/// A value of a key column.
fn key_cell(kind: Kind, number: u64) -> Cell {
    match kind {
        Kind::Int | Kind::Long => Cell::Number(number as i64),
        Kind::Text => Cell::Text(format!("key {number}")),
    }
}

fn columns(dice: &mut Dice) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for name in COLUMNS {
        if dice.coin() || (name == "id" && dice.coin()) {
            columns.push(Column { name: name.to_owned(), kind: kind(dice) });
        }
    }
    if columns.is_empty() {
        columns.push(Column { name: "id".to_owned(), kind: kind(dice) });
    }
    columns
}

/// How many rows a table or an addition has: few as a rule, so that much happens to them.
fn count(dice: &mut Dice) -> u64 {
    let most = dice.weighted(&[(6, 7), (4, FEW), (1, 1500)]);
    dice.below(most)
}

fn rows(dice: &mut Dice, columns: &[Column], count: u64) -> Vec<Row> {
    let row = |dice: &mut Dice| columns.iter().map(|column| cell(dice, column.kind)).collect();
    (0..count).map(|_| row(dice)).collect()
}

/// Gives rows keys of their own, as far as there are numbers for them below `numbers`; most often
/// none of those `taken`.
fn give_keys(dice: &mut Dice, table: &mut Table, numbers: u64, taken: &BTreeSet<Row>) {
    let key = std::mem::take(&mut table.key);
    let places: Vec<usize> = key.iter().filter_map(|name| table.place(name)).collect();
    let (avoid, mut seen) = (dice.below(6) > 0, BTreeSet::new());
    let mut given = Vec::new();
    for mut row in std::mem::take(&mut table.rows) {
        for place in &places {
            row[*place] = key_cell(table.columns[*place].kind, dice.below(numbers));
        }
        let of: Row = places.iter().map(|place| row[*place].clone()).collect();
        if !(avoid && taken.contains(&of)) && seen.insert(of) {
            given.push(row);
        }
    }
    table.rows = given;
    // A row without a key, or with that of another.
    if dice.below(15) == 0 && !table.rows.is_empty() && !places.is_empty() {
        let last = table.rows.len() - 1;
        table.rows[last][places[0]] = match dice.coin() {
            true => Cell::Null,
            false => table.rows[0][places[0]].clone(),
        };
    }
    table.key = key;
}

fn overwrite(dice: &mut Dice, name: String, head: Option<&Table>) -> Put {
    let again = head.filter(|_| dice.below(3) == 0);
    let columns = again.map_or_else(|| columns(dice), |head| head.columns.clone());
    let count = count(dice);
    let mut table =
        Table { rows: rows(dice, &columns, count), words: words(dice), columns, key: Vec::new() };
    let same = again.filter(|_| dice.coin());
    if let Some(head) = same {
        table.rows.clone_from(&head.rows);
    }
    let kept = head.map(|head| head.key.clone()).unwrap_or_default();
    let key = match dice.below(5) {
        0 | 1 => None,
        2 | 3 => Some(table.columns[..1].iter().map(|column| column.name.clone()).collect()),
        _ => Some(table.columns.iter().take(2).map(|column| column.name.clone()).collect()),
    };
    // Some ask for no key, which takes away one that is there.
    let key = if dice.below(8) == 0 { Some(Vec::new()) } else { key };
    table.key = key.clone().unwrap_or(kept);
    if table.has_columns(&table.key) && !table.key.is_empty() && same.is_none() {
        give_keys(dice, &mut table, 2 * FEW.max(count), &BTreeSet::new());
    }
    table.key.clear();
    Put { name, mode: StoreMode::Overwrite, table, key }
}

/// Rows to be added to a dataset.
fn addition(dice: &mut Dice, name: String, head: &Table, mode: StoreMode) -> Put {
    let mut columns = head.columns.clone();
    if dice.below(12) == 0 {
        spoil(dice, &mut columns);
    }
    if dice.below(4) == 0 {
        columns.reverse();
    }
    let count = count(dice);
    let mut table = Table { rows: rows(dice, &columns, count), columns, ..Table::default() };
    table.words = words(dice);
    let mut key = None;
    table.key.clone_from(&head.key);
    if head.key.is_empty() && (mode == StoreMode::Upsert || dice.below(8) == 0) {
        table.key = vec![key_column(dice, head)];
        key = Some(table.key.clone());
    }
    if dice.below(20) == 0 {
        key = Some(head.columns.iter().take(2).map(|column| column.name.clone()).collect());
    }
    if table.has_columns(&table.key) && !table.key.is_empty() {
        let places: Vec<usize> = table.key.iter().filter_map(|name| head.place(name)).collect();
        let of = |row: &Row| places.iter().map(|place| row[*place].clone()).collect::<Row>();
        let taken: BTreeSet<Row> = match mode {
            StoreMode::Append => head.rows.iter().map(of).collect(),
            _ => BTreeSet::new(),
        };
        give_keys(dice, &mut table, 2 * FEW.max(count), &taken);
    }
    table.key.clear();
    Put { name, mode, table, key }
}

/// A column that could be the key, as a rule one that tells the rows apart where there is one.
fn key_column(dice: &mut Dice, table: &Table) -> String {
    let tells =
        |name: &String| Table { key: vec![name.clone()], ..table.clone() }.is_keyed_rightly();
    let all: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let some: Vec<String> = all.iter().filter(|name| tells(name)).cloned().collect();
    let of = if some.is_empty() || dice.below(6) == 0 { all } else { some };
    of[dice.below(of.len() as u64) as usize].clone()
}

/// Makes columns others than those of a dataset.
fn spoil(dice: &mut Dice, columns: &mut Vec<Column>) {
    match dice.below(3) {
        0 => columns.push(Column { name: "more".to_owned(), kind: Kind::Int }),
        1 if columns.len() > 1 => drop(columns.pop()),
        _ => {
            columns[0].kind = match columns[0].kind {
                // What is narrower fits all the same.
                Kind::Long if dice.coin() => Kind::Int,
                Kind::Int => Kind::Long,
                Kind::Long => Kind::Text,
                Kind::Text => Kind::Int,
            }
        }
    }
}

/// A condition over columns of a table, of so many levels.
pub fn predicate(dice: &mut Dice, table: &Table, levels: u32) -> Predicate {
    let column = &table.columns[dice.below(table.columns.len() as u64) as usize];
    if levels > 0 && dice.below(3) == 0 {
        let (a, b) = (predicate(dice, table, levels - 1), predicate(dice, table, levels - 1));
        return match dice.below(3) {
            0 => Predicate::Not(Box::new(a)),
            1 => Predicate::And(Box::new(a), Box::new(b)),
            _ => Predicate::Or(Box::new(a), Box::new(b)),
        };
    }
    if dice.below(6) == 0 {
        return Predicate::IsNull(column.name.clone());
    }
    let compare = dice.weighted(&[
        (4, Compare::Equal),
        (1, Compare::Unequal),
        (2, Compare::Less),
        (2, Compare::More),
    ]);
    let value = loop {
        match cell(dice, column.kind) {
            Cell::Null => {}
            // A number of its own type only: what it is compared as is not the point here.
            value => break value,
        }
    };
    Predicate::Compares(column.name.clone(), compare, value)
}

fn change(dice: &mut Dice, head: &Table) -> Change {
    let mut change = Change::default();
    let any =
        |dice: &mut Dice| head.columns[dice.below(head.columns.len() as u64) as usize].clone();
    match dice.below(9) {
        0 | 1 => {
            let name = COLUMNS[dice.below(COLUMNS.len() as u64) as usize].to_owned();
            let kind = kind(dice);
            change.add.push((Column { name, kind }, cell(dice, kind)));
        }
        2 => change.drop.push(any(dice).name),
        3 => {
            let to = COLUMNS[dice.below(COLUMNS.len() as u64) as usize];
            change.rename.push((any(dice).name, to.to_owned()));
        }
        4 if head.columns.len() > 1 => {
            let (a, b) = (head.columns[0].name.clone(), head.columns[1].name.clone());
            change.rename = vec![(a.clone(), b.clone()), (b, a)];
        }
        4 | 5 => change.widen.push(Column { kind: Kind::Long, ..any(dice) }),
        6 => change.key = Some(vec![key_column(dice, head)]),
        7 => change.key = Some(Vec::new()),
        _ => change.set = BTreeMap::from([("source".to_owned(), dice.below(3).to_string())]),
    }
    if dice.below(4) == 0 {
        change.unset.push("by".to_owned());
    }
    if dice.below(6) == 0 {
        change.add.push((Column { name: "new".to_owned(), kind: Kind::Int }, Cell::Number(7)));
    }
    change
}

//! Two processes at once: one does its operation in the middle of the other's, before any operation
//! of the disk.
//!
//! Both come about in some order, as the model says, or one is refused: because the other was first,
//! which its message says with both commits, or because it would be refused after the other anyway.
//! What is refused leaves nothing. `CIDLAKE_OVERLAPS` says how often every pair is tried;
//! `CIDLAKE_SEED=PAIR.ROUND` tries one again.

mod gate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use cidlake::{Cid, Error, ErrorKind, GetOptions, Lake, LogOptions, StoreMode};
use tokio::runtime::Handle;

use self::gate::{Gate, GateDisk};
use crate::dice::{Dice, times};
use crate::program::check::{check_disk, rows};
use crate::program::model::{Change, Model, Op, Outcome, Pick, Put};
use crate::program::table::{Cell, Column, Compare, Kind, Predicate, Table};
use crate::program::world::{Answer, Machine, perform};
use crate::run;

/// Nobody waits longer than this for another, unless both wait forever.
const PATIENCE: Duration = Duration::from_secs(60);

type Said = Result<Answer, Error>;

/// A lake, what it should be, and its newest commit of `t`.
struct Start {
    machine: Machine,
    model: Model,
    base: Cid,
}

fn table(columns: &[(&str, Kind)], rows: &[(i64, &str)]) -> Table {
    let column = |(name, kind): &(&str, Kind)| Column { name: (*name).to_owned(), kind: *kind };
    let row = |(id, word): &(i64, &str)| vec![Cell::Number(*id), Cell::Text((*word).to_owned())];
    Table {
        columns: columns.iter().map(column).collect(),
        rows: rows.iter().map(row).collect(),
        ..Table::default()
    }
}

fn put(name: &str, mode: StoreMode, rows: &[(i64, &str)]) -> Op {
    let table = table(&[("id", Kind::Long), ("w", Kind::Text)], rows);
    Op::Put(Put { name: name.to_owned(), mode, table, key: None })
}

fn alter(change: Change) -> Op {
    Op::Alter { name: "t".to_owned(), change }
}

/// What a process may do; `side` makes what the two do different where it may be.
fn ops(side: i64, has_key: bool) -> Vec<Op> {
    let t = || "t".to_owned();
    let other = if side == 1 { "one" } else { "two" };
    let wide = table(&[("id", Kind::Long), ("v", Kind::Text)], &[(side, other)]);
    let id = |number| Predicate::Compares("id".to_owned(), Compare::Equal, Cell::Number(number));
    let added = Column { name: format!("of_{other}"), kind: Kind::Int };
    let mut ops = vec![
        put("t", StoreMode::Append, &[(100 + side, "appended"), (200 + side, "appended")]),
        put("t", StoreMode::Append, &[(300, other)]),
        put("t", StoreMode::Overwrite, &[(1, other), (2, other)]),
        Op::Put(Put { name: t(), mode: StoreMode::Overwrite, table: wide, key: None }),
        Op::Delete { name: t(), rows: Some(id(side)) },
        Op::Delete { name: t(), rows: None },
        alter(Change { add: vec![(added, Cell::Number(side))], ..Change::default() }),
        alter(Change { rename: vec![("w".into(), format!("w_{other}"))], ..Change::default() }),
        alter(Change { rename: vec![("id".into(), "key".into())], ..Change::default() }),
        alter(Change { key: Some(vec!["id".into()]), ..Change::default() }),
        alter(Change { set: BTreeMap::from([("by".into(), other.into())]), ..Change::default() }),
        Op::Tag { name: t(), tag: "v2".into(), version: Pick::Commit(1), force: true },
        Op::Restore { name: t(), version: Pick::Commit(0) },
        Op::Compact { name: t() },
        Op::Expire { name: t(), keep: 1 },
        Op::Drop { name: t() },
        Op::Rename { from: t(), to: format!("t_{other}") },
        Op::Collect,
        Op::Maintain,
        put("u", StoreMode::Append, &[(side, other)]),
    ];
    if has_key {
        ops.push(put("t", StoreMode::Upsert, &[(1, other), (400 + side, other)]));
        ops.push(put("t", StoreMode::Upsert, &[(side, other), (500, other)]));
        ops.push(alter(Change { key: Some(Vec::new()), ..Change::default() }));
    }
    ops
}

/// Makes a lake with a dataset of some versions and parts, and another one.
async fn start(has_key: bool) -> Start {
    let machine = Machine::new();
    let lake = machine.open_on(Arc::new(machine.disk.process())).await.unwrap();
    let mut model = Model::default();
    let mut first = put("t", StoreMode::Overwrite, &[(1, "a"), (2, "b"), (3, "a")]);
    if let (Op::Put(put), true) = (&mut first, has_key) {
        put.key = Some(vec!["id".to_owned()]);
    }
    let steps = [
        first,
        put("t", StoreMode::Append, &[(4, "d")]),
        put("t", StoreMode::Append, &[(5, "e"), (6, "f")]),
        put("u", StoreMode::Overwrite, &[(0, "u")]),
        Op::Tag { name: "t".into(), tag: "v1".into(), version: Pick::Back(2), force: false },
    ];
    for op in steps {
        let answer = perform(&lake, &model, &op).await.unwrap();
        model.apply(&op);
        if let Some(dataset) = op.name().and_then(|name| model.datasets.get_mut(name)) {
            dataset.versions.last_mut().unwrap().commit = answer.commit.or(dataset.head().commit);
        }
    }
    lake.close().await.unwrap();
    let base = model.datasets["t"].head().commit.unwrap();
    Start { machine, model, base }
}

/// Does `b` in the middle of `a`, before its operation of the disk number `after`.
async fn both(start: &Start, a: &Op, b: &Op, after: u64) -> (Said, Said, Machine) {
    let machine = start.machine.fork();
    let [one, two] = [(); 2].map(|()| Gate::default());
    let open = |gate: &Gate| {
        let inner = machine.disk.process();
        machine.open_on(Arc::new(GateDisk { inner, gate: gate.clone() }))
    };
    let (lake, other) = (open(&one).await.unwrap(), open(&two).await.unwrap());
    let (done, said) = sync_channel(1);
    let (runtime, model, op) = (Handle::current(), start.model.clone(), b.clone());
    let act = move || {
        let (goes_on, wait) = sync_channel(2);
        let waiting = goes_on.clone();
        two.when_waiting(move || {
            let _sent = waiting.send(());
        });
        std::thread::spawn(move || {
            let answer = runtime.block_on(perform(&other, &model, &op));
            // Nobody listens any more where the test has failed.
            let _sent = done.send(answer);
            let _sent = goes_on.send(());
        });
        wait.recv_timeout(PATIENCE).expect("it is done, or waits for the other");
    };
    one.act_after(after, act);
    let first = perform(&lake, &start.model, a).await;
    if let Some(act) = one.disarm() {
        // It came to its end before.
        act();
    }
    let second = said.recv_timeout(PATIENCE).expect("the other comes to its end");
    (first, second, machine)
}

/// How many operations of the disk something takes that nobody disturbs.
async fn length(start: &Start, op: &Op) -> u64 {
    let machine = start.machine.fork();
    let gate = Gate::default();
    let disk = GateDisk { inner: machine.disk.process(), gate: gate.clone() };
    let lake = machine.open_on(Arc::new(disk)).await.unwrap();
    let first = gate.operations();
    perform(&lake, &start.model, op).await.unwrap();
    gate.operations() - first
}

/// Says whether two operations mean the same in either order, so that neither may be refused.
fn commute(start: &Start, a: &Op, b: &Op) -> bool {
    let words = [a.word(), b.word()];
    let only = |some: &[&str]| words.iter().all(|word| some.contains(word));
    let has = |word: &str| words.contains(&word);
    let is_fine = |order: [&Op; 2]| {
        let mut model = start.model.clone();
        order.iter().all(|op| !matches!(model.apply(op), Outcome::Refused(_)))
    };
    let are_apart = [a, b].iter().any(|op| op.name() != Some("t"));
    let commute = are_apart
        || has("tag")
        || has("expire")
        || has("append") && (only(&["append", "delete"]) || only(&["append", "compact"]));
    commute && !has("drop") && !has("rename") && is_fine([a, b]) && is_fine([b, a])
}

/// Checks what two processes were told and what there is now.
async fn judge(start: &Start, ops: [&Op; 2], said: [&Said; 2], lake: &Lake) {
    let applied = |order: &[&Op]| {
        let mut model = start.model.clone();
        let outcomes: Vec<Outcome> = order.iter().map(|op| model.apply(op)).collect();
        (model, outcomes)
    };
    let is_fine = |outcomes: &[Outcome]| {
        !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_)))
    };
    let done: Vec<&Op> =
        ops.iter().zip(said).filter(|(_, said)| said.is_ok()).map(|(op, _)| *op).collect();
    let orders: Vec<Vec<&Op>> = match done.as_slice() {
        [a, b] => vec![vec![a, b], vec![b, a]],
        some => vec![some.to_vec()],
    };
    let models = orders.iter().map(|order| applied(order)).filter(|(_, said)| is_fine(said));
    let models: Vec<Model> = models.map(|(model, _)| model).collect();
    let mut differ = Vec::new();
    for model in &models {
        differ.push(difference(lake, model).await);
    }
    assert!(differ.contains(&None), "no order explains it: {said:?} {differ:#?}");
    for (this, that) in [(0, 1), (1, 0)] {
        let Err(error) = said[this] else { continue };
        let Ok(winner) = said[that] else { panic!("both are refused: {said:?}") };
        let (_, after) = applied(&[ops[that], ops[this]]);
        if after[1] == Outcome::Refused(error.kind()) {
            continue;
        }
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let text = error.to_string();
        let newest = winner.commit.expect("who wins makes a version");
        for commit in [start.base, newest] {
            assert!(text.contains(&commit.to_string()), "{text} does not name {commit}");
        }
    }
    check_log(start, ops, said, lake).await;
    check_disk(lake).await;
}

/// There is a version for everything that was done, and none for what was refused.
async fn check_log(start: &Start, ops: [&Op; 2], said: [&Said; 2], lake: &Lake) {
    if ops.iter().any(|op| ["drop", "rename", "expire"].contains(&op.word())) {
        return;
    }
    let log = lake.log("t", LogOptions { limit: 100, from: None }).await.unwrap();
    let new = ops.iter().zip(said).filter(|(op, said)| {
        let is_new = said.as_ref().is_ok_and(|said| said.commit.is_some() && !said.unchanged);
        is_new && op.name() == Some("t")
    });
    let before = start.model.datasets["t"].versions.len();
    assert_eq!(log.entries.len(), before + new.count(), "{said:?} {log:#?}");
    for entry in &log.entries {
        rows(lake, &entry.commit.to_string(), GetOptions::default()).await.unwrap();
    }
}

/// Says in what the newest versions and the tags differ from those of a model.
async fn difference(lake: &Lake, model: &Model) -> Option<String> {
    let names: Vec<String> =
        lake.datasets().await.unwrap().into_iter().map(|dataset| dataset.name).collect();
    if !names.iter().eq(model.datasets.keys()) {
        return Some(format!("the datasets are {names:?}"));
    }
    for (name, dataset) in &model.datasets {
        let tags = lake.tags(name).await.unwrap();
        if !tags.iter().map(|tag| &tag.tag).eq(dataset.tags.keys()) {
            return Some(format!("the tags are {tags:?}"));
        }
        let heads = std::iter::once((name.clone(), dataset.head()));
        let tagged = dataset
            .tags
            .iter()
            .map(|(tag, number)| (format!("{name}@{tag}"), &dataset.versions[*number]));
        for (text, expected) in heads.chain(tagged) {
            let mut found = rows(lake, &text, GetOptions::default()).await.unwrap();
            let shown = lake.show(&text).await.unwrap();
            (found.key, found.words) = (shown.key_columns, shown.metadata);
            if found != expected.table {
                return Some(format!("{text} is {found:?} and not {:?}", expected.table));
            }
        }
    }
    None
}

/// Tries one pair of operations at a place that the numbers decide.
async fn try_pair(starts: &[Start; 2], pair: u64, round: u64) {
    let mut dice = Dice::of(&[pair, round]);
    let has_key = dice.coin();
    let start = &starts[usize::from(has_key)];
    let (ones, twos) = (ops(1, has_key), ops(2, has_key));
    let (a, b) = (pair / PAIRS_OF_ONE, pair % PAIRS_OF_ONE);
    let (a, b) = (&ones[a as usize % ones.len()], &twos[b as usize % twos.len()]);
    let after = dice.below(length(start, a).await + 1);
    let _replay = Replay { pair, round, told: format!("{a:?}\n{b:?}\nbefore operation {after}") };
    let (first, second, machine) = both(start, a, b, after).await;
    let lake = machine.open_on(Arc::new(machine.disk.process())).await.unwrap();
    judge(start, [a, b], [&first, &second], &lake).await;
    if commute(start, a, b) {
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    }
}

/// With how many operations each is paired.
const PAIRS_OF_ONE: u64 = 23;

/// Says what failed, and how to try it again.
struct Replay {
    pair: u64,
    round: u64,
    told: String,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { pair, round, told } = self;
            eprintln!(
                "\n{told}\nto try it again:\n    CIDLAKE_SEED={pair}.{round} \
                 cargo test --release -p cidlake --test it overlap\n"
            );
        }
    }
}

#[test]
fn whatever_two_processes_do_at_once_comes_about_in_some_order_or_is_refused() {
    assert_eq!(ops(1, true).len() as u64, PAIRS_OF_ONE);
    run(async {
        let starts = [start(false).await, start(true).await];
        if let Some(seed) = std::env::var_os("CIDLAKE_SEED") {
            let seed = seed.to_string_lossy();
            let (pair, round) = seed.split_once('.').expect("CIDLAKE_SEED is PAIR.ROUND");
            return try_pair(&starts, pair.parse().unwrap(), round.parse().unwrap()).await;
        }
        for round in 0..times("CIDLAKE_OVERLAPS", 1) {
            for pair in 0..PAIRS_OF_ONE * PAIRS_OF_ONE {
                try_pair(&starts, pair, round).await;
            }
        }
    });
}

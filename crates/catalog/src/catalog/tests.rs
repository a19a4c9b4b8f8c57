//! Tests of the catalog: small stories by hand, and random programs on several replicas against
//! two models that know the whole delta DAG.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::limits::{CLOCK_AHEAD_MS_MAX, TAGS_MAX};
use crate::samples::{cbor_cid, key, name, tag, unset};

mod programs;
mod states;

/// Drafts, signs and applies `changes` on `catalog`.
fn write(catalog: &mut Catalog, author: u8, now_ms: u64, changes: Vec<Change>) -> SignedDelta {
    let key = key(author);
    let delta = SignedDelta::sign(catalog.draft(changes, key.id(), now_ms), &key).unwrap();
    assert_eq!(catalog.apply(&delta), Ok(Applied::New));
    delta
}

fn set(catalog: &mut Catalog, author: u8, now_ms: u64, text: &str, commit: u64) -> SignedDelta {
    let change = catalog.set(&name(text), cbor_cid(commit));
    write(catalog, author, now_ms, vec![change])
}

/// What a name means: the winner's commit, then the others'.
fn values(catalog: &Catalog, text: &str) -> Vec<Cid> {
    let entry = catalog.get(&name(text));
    entry
        .into_iter()
        .flat_map(|entry| {
            std::iter::once(entry.commit).chain(entry.others.into_iter().map(|other| other.commit))
        })
        .collect()
}

#[test]
fn an_empty_catalog_has_nothing() {
    let catalog = Catalog::default();
    assert!(catalog.heads().is_empty() && catalog.datasets().is_empty());
    assert_eq!(catalog.get(&name("users")), None);
    assert_eq!(catalog.unset(&name("users")), None);
}

#[test]
fn a_name_is_set_changed_and_freed() {
    let mut catalog = Catalog::default();
    let first = set(&mut catalog, 1, 100, "users", 10);
    let entry = catalog.get(&name("users")).unwrap();
    assert_eq!((entry.commit, entry.dot, entry.key), (cbor_cid(10), *first.cid(), key(1).id()));
    assert_eq!(entry.clock, Hlc { wall_ms: 100, counter: 0 });
    assert!(entry.others.is_empty());

    let second = set(&mut catalog, 1, 50, "users", 11);
    assert_eq!(second.delta().parents, [*first.cid()]);
    assert_eq!(second.delta().changes[0].over(), [*first.cid()]);
    assert!(second.delta().clock > first.delta().clock);
    assert_eq!(values(&catalog, "users"), [cbor_cid(11)]);
    assert_eq!(catalog.heads(), [*second.cid()]);

    let unset = catalog.unset(&name("users")).unwrap();
    write(&mut catalog, 2, 200, vec![unset]);
    assert_eq!(catalog.get(&name("users")), None);
    assert!(catalog.datasets().is_empty());
    assert!(catalog.contains(first.cid()) && catalog.contains(second.cid()));
}

#[test]
fn a_rename_is_one_delta() {
    let mut catalog = Catalog::default();
    set(&mut catalog, 1, 100, "users", 10);
    let changes =
        vec![catalog.unset(&name("users")).unwrap(), catalog.set(&name("people"), cbor_cid(10))];
    let delta = write(&mut catalog, 1, 101, changes);
    // Changes stand in the order of their names, whatever order they were drafted in.
    let names: Vec<String> =
        delta.delta().changes.iter().map(|change| change.name().to_string()).collect();
    assert_eq!(names, ["people", "users"]);
    let listed: Vec<String> =
        catalog.datasets().iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(listed, ["people"]);
}

#[test]
fn concurrent_sets_are_a_conflict_that_the_next_set_settles() {
    let mut one = Catalog::default();
    let base = set(&mut one, 1, 100, "users", 10);
    let mut other = one.clone();
    let early = set(&mut one, 1, 200, "users", 11);
    let late = set(&mut other, 2, 300, "users", 12);
    assert_eq!(one.apply(&late), Ok(Applied::New));
    assert_eq!(other.apply(&early), Ok(Applied::New));
    assert_eq!(one, other);
    // The later one wins, the other stays; what both replaced is gone.
    assert_eq!(values(&one, "users"), [cbor_cid(12), cbor_cid(11)]);
    let entry = one.get(&name("users")).unwrap();
    assert_eq!((entry.dot, entry.others[0].dot), (*late.cid(), *early.cid()));
    assert_eq!(one.heads().len(), 2);

    let settled = set(&mut one, 1, 250, "users", 13);
    assert_eq!(values(&one, "users"), [cbor_cid(13)]);
    assert_eq!(one.heads(), [*settled.cid()]);
    assert_eq!(other.apply(&settled), Ok(Applied::New));
    // Nothing superseded comes back, however often it is applied.
    for old in [&base, &early, &late, &settled] {
        assert_eq!(other.apply(old), Ok(Applied::Known));
    }
    assert_eq!(one, other);
}

#[test]
fn concurrent_equal_values_are_no_conflict() {
    let (mut one, mut other) = (Catalog::default(), Catalog::default());
    set(&mut one, 1, 100, "users", 10);
    let again = set(&mut other, 2, 100, "users", 10);
    one.apply(&again).unwrap();
    assert_eq!(values(&one, "users"), [cbor_cid(10)]);
    // Both dots are there, and the next change takes the place of both.
    assert_eq!(one.unset(&name("users")).unwrap().over().len(), 2);
}

#[test]
fn an_unset_ends_only_what_it_saw() {
    let mut one = Catalog::default();
    set(&mut one, 1, 100, "users", 10);
    let mut other = one.clone();
    let unset = one.unset(&name("users")).unwrap();
    let unset = write(&mut one, 1, 500, vec![unset]);
    let kept = set(&mut other, 2, 200, "users", 11);
    one.apply(&kept).unwrap();
    other.apply(&unset).unwrap();
    assert_eq!(one, other);
    assert_eq!(values(&one, "users"), [cbor_cid(11)]);
}

#[test]
fn ties_are_broken_by_key_then_dot() {
    let mut catalog = Catalog::default();
    let mut sets: Vec<SignedDelta> = [(1, 10), (2, 11), (2, 12), (3, 13)]
        .into_iter()
        .map(|(author, commit)| set(&mut Catalog::default(), author, 100, "users", commit))
        .collect();
    for delta in &sets {
        catalog.apply(delta).unwrap();
    }
    sets.sort_by_key(|delta| Reverse((delta.delta().key, *delta.cid())));
    let entry = catalog.get(&name("users")).unwrap();
    let dots: Vec<Cid> =
        std::iter::once(entry.dot).chain(entry.others.iter().map(|other| other.dot)).collect();
    assert_eq!(dots, sets.iter().map(|delta| *delta.cid()).collect::<Vec<_>>());
}

#[test]
fn a_delta_before_its_parents_changes_nothing() {
    let mut author = Catalog::default();
    let first = set(&mut author, 1, 100, "users", 10);
    let second = set(&mut author, 1, 101, "users", 11);
    let mut late = Catalog::default();
    let stranger = set(&mut late, 2, 50, "orders", 20);
    let before = late.clone();
    let error = late.apply(&second).unwrap_err();
    assert_eq!(
        error,
        ApplyError::MissingParents { delta: *second.cid(), cids: vec![*first.cid()] }
    );
    assert_eq!(late, before);
    late.apply(&first).unwrap();
    late.apply(&second).unwrap();
    author.apply(&stranger).unwrap();
    assert_eq!(late, author);
}

#[test]
fn a_dot_superseded_before_it_is_seen_stays_away() {
    let dot = set(&mut Catalog::default(), 1, 100, "users", 10);
    // A program that writes over what it has not applied.
    let over = vec![*dot.cid()];
    let hasty = Delta {
        parents: Vec::new(),
        clock: Hlc { wall_ms: 50, counter: 0 },
        key: key(2).id(),
        changes: vec![unset("users", None, over)],
    };
    let hasty = SignedDelta::sign(hasty, &key(2)).unwrap();
    let (mut one, mut other) = (Catalog::default(), Catalog::default());
    one.apply(&hasty).unwrap();
    let between = one.clone();
    one.apply(&dot).unwrap();
    other.apply(&dot).unwrap();
    assert_eq!(values(&other, "users"), [cbor_cid(10)]);
    other.apply(&hasty).unwrap();
    assert_eq!(one, other);
    assert_eq!(one.get(&name("users")), None);
    assert_ne!(between.state_digest(), one.state_digest());
}

#[test]
fn a_clock_far_ahead_wins_but_drags_nobody() {
    let mut broken = Catalog::default();
    let future = 1_000 + CLOCK_AHEAD_MS_MAX + 1;
    let ahead = set(&mut broken, 2, future, "users", 20);
    let mut catalog = Catalog::default();
    set(&mut catalog, 1, 900, "users", 10);
    catalog.apply(&ahead).unwrap();
    assert_eq!(values(&catalog, "users"), [cbor_cid(20), cbor_cid(10)]);
    // Its clock is not followed, and is written over all the same.
    let mut sound = catalog.clone();
    let after = set(&mut sound, 1, 1_000, "users", 11);
    assert_eq!(after.delta().clock, Hlc { wall_ms: 1_000, counter: 0 });
    assert_eq!(values(&sound, "users"), [cbor_cid(11)]);
    // Once time is near enough, it is followed.
    let after = set(&mut catalog, 1, 1_001, "users", 12);
    assert_eq!(after.delta().clock, Hlc { wall_ms: future, counter: 1 });
}

#[test]
fn very_many_heads_and_values_are_joined_in_steps() {
    let mut catalog = Catalog::default();
    let key = key(1);
    for number in 0..OVER_MAX as u64 + 200 {
        let delta = Delta {
            parents: Vec::new(),
            clock: Hlc { wall_ms: number, counter: 0 },
            key: key.id(),
            changes: vec![Catalog::default().set(&name("users"), cbor_cid(number))],
        };
        catalog.apply(&SignedDelta::sign(delta, &key).unwrap()).unwrap();
    }
    set(&mut catalog, 1, 5_000, "users", 9_999);
    assert_eq!(catalog.heads().len(), 201);
    assert_eq!(values(&catalog, "users").len(), 201);
    assert_eq!(values(&catalog, "users")[0], cbor_cid(9_999));
    set(&mut catalog, 1, 5_001, "users", 10_000);
    assert_eq!(catalog.heads().len(), 1);
    assert_eq!(values(&catalog, "users"), [cbor_cid(10_000)]);
}

#[test]
fn datasets_are_sorted_by_name() {
    let mut catalog = Catalog::default();
    for (number, text) in ["z", "sales.b", "a", "archive.z", "sales.a"].into_iter().enumerate() {
        set(&mut catalog, 1, 100, text, number as u64);
    }
    let names: Vec<String> = catalog.datasets().iter().map(|entry| entry.name.full()).collect();
    assert_eq!(names, ["archive.z", "main.a", "main.z", "sales.a", "sales.b"]);
}

/// Compares two ways to one state.
fn assert_same(one: &Catalog, other: &Catalog) {
    assert_eq!(one, other);
    assert_eq!(one.state_digest(), other.state_digest());
}

fn tags(catalog: &Catalog, text: &str) -> Vec<(String, Cid)> {
    let tags = catalog.tags(&name(text)).into_iter();
    tags.map(|entry| (entry.tag.unwrap().to_string(), entry.commit)).collect()
}

/// Sets `word` of the name `users`.
fn set_tag(catalog: &mut Catalog, author: u8, now_ms: u64, word: &str, commit: u64) {
    let change = catalog.tag(&name("users"), &tag(word), cbor_cid(commit));
    write(catalog, author, now_ms, vec![change]);
}

#[test]
fn a_tag_is_set_moved_and_ended_beside_its_name() {
    let mut catalog = Catalog::default();
    set(&mut catalog, 1, 100, "users", 10);
    set(&mut catalog, 1, 100, "users.x", 30);
    set_tag(&mut catalog, 1, 101, "v2", 10);
    set_tag(&mut catalog, 1, 102, "v1", 9);
    let listed = [("v1".to_owned(), cbor_cid(9)), ("v2".to_owned(), cbor_cid(10))];
    assert_eq!(tags(&catalog, "users"), listed);
    assert_eq!(catalog.all_tags().len(), 2);
    assert_eq!(tags(&catalog, "users.x"), []);
    assert_eq!(catalog.get_tag(&name("users"), &tag("v2")).unwrap().commit, cbor_cid(10));
    assert_eq!(catalog.get_tag(&name("users.x"), &tag("v2")), None);
    // The name moves on, and the tag stays.
    set(&mut catalog, 1, 103, "users", 11);
    assert_eq!(tags(&catalog, "users"), listed);
    assert_eq!(catalog.datasets().len(), 2);
    assert_eq!(values(&catalog, "users"), [cbor_cid(11)]);
    set_tag(&mut catalog, 1, 104, "v1", 11);
    assert_eq!(tags(&catalog, "users")[0].1, cbor_cid(11));
    let untag = catalog.untag(&name("users"), &tag("v1")).unwrap();
    write(&mut catalog, 1, 105, vec![untag]);
    assert_eq!(tags(&catalog, "users"), listed[1..]);
    assert_eq!(catalog.untag(&name("users"), &tag("v1")), None);
    assert_eq!(values(&catalog, "users"), [cbor_cid(11)]);
}

#[test]
fn concurrent_values_of_a_tag_are_a_conflict_and_others_are_not() {
    let mut one = Catalog::default();
    set(&mut one, 1, 100, "users", 10);
    let mut other = one.clone();
    set_tag(&mut one, 1, 200, "v1", 10);
    set_tag(&mut other, 2, 300, "v1", 9);
    set_tag(&mut other, 2, 300, "v2", 9);
    set(&mut other, 2, 300, "users", 11);
    one.merge(&other);
    let entry = one.get_tag(&name("users"), &tag("v1")).unwrap();
    assert_eq!((entry.commit, entry.others.len()), (cbor_cid(9), 1));
    assert_eq!(entry.others[0].commit, cbor_cid(10));
    assert_eq!(one.get_tag(&name("users"), &tag("v2")).unwrap().others, []);
    assert_eq!(values(&one, "users"), [cbor_cid(11)]);
    set_tag(&mut one, 1, 400, "v1", 10);
    assert_eq!(one.get_tag(&name("users"), &tag("v1")).unwrap().others, []);
}

#[test]
fn a_name_goes_and_moves_with_its_tags() {
    let mut catalog = Catalog::default();
    set(&mut catalog, 1, 100, "users", 10);
    set_tag(&mut catalog, 1, 101, "v1", 9);
    set_tag(&mut catalog, 1, 102, "v2", 10);
    set(&mut catalog, 1, 103, "other", 20);
    let changes = catalog.rename_with_tags(&name("users"), &name("people"));
    assert_eq!(changes.len(), 6);
    write(&mut catalog, 1, 104, changes);
    assert_eq!(values(&catalog, "users"), []);
    assert_eq!(tags(&catalog, "users"), []);
    assert_eq!(values(&catalog, "people"), [cbor_cid(10)]);
    let moved = [("v1".to_owned(), cbor_cid(9)), ("v2".to_owned(), cbor_cid(10))];
    assert_eq!(tags(&catalog, "people"), moved);
    assert_eq!(catalog.rename_with_tags(&name("users"), &name("x")), []);
    assert_eq!(catalog.rename_with_tags(&name("people"), &name("people")), []);

    let mut other = catalog.clone();
    let changes = catalog.unset_with_tags(&name("people"));
    assert_eq!(changes.len(), 3);
    write(&mut catalog, 1, 105, changes);
    assert_eq!(catalog.unset_with_tags(&name("people")), []);
    assert_eq!(catalog.datasets().len(), 1);
    assert_eq!(catalog.all_tags(), []);
    // A tag that was set meanwhile is not lost, although its name is free.
    let late = other.tag(&name("people"), &tag("v2"), cbor_cid(8));
    write(&mut other, 2, 106, vec![late]);
    catalog.merge(&other);
    assert_eq!(catalog.get(&name("people")), None);
    assert_eq!(tags(&catalog, "people"), [("v2".to_owned(), cbor_cid(8))]);
    assert_eq!(catalog.unset_with_tags(&name("people")).len(), 1);
}

#[test]
fn a_dataset_with_the_most_tags_is_renamed_in_one_delta() {
    let mut catalog = Catalog::default();
    let word = |number| tag(&format!("{:x<60}{number:04}", "t"));
    let long = name(&format!("{:a<64}.{:b<64}", "", ""));
    for first in (0..TAGS_MAX).step_by(256) {
        let tags = first..first + 256;
        let mut changes: Vec<Change> =
            tags.map(|number| catalog.tag(&long, &word(number), cbor_cid(1))).collect();
        if first == 0 {
            changes.push(catalog.set(&long, cbor_cid(1)));
        }
        write(&mut catalog, 1, 100, changes);
    }
    let to = name(&format!("{:c<64}.{:d<64}", "", ""));
    let changes = catalog.rename_with_tags(&long, &to);
    assert_eq!(changes.len(), 2 * (TAGS_MAX + 1));
    write(&mut catalog, 1, 101, changes);
    assert_eq!((catalog.tags(&to).len(), catalog.tags(&long).len()), (TAGS_MAX, 0));
}

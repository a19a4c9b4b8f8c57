//! What is kept and what goes, on real folders.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use cidlake_block::codec::dag_cbor;
use cidlake_block::{Block, Cid, Codec};
use cidlake_store::FsckLevel;

use super::*;
use crate::expire::Keep;
use crate::history::Target;
use crate::lake::Draft;
use crate::progress::no_progress;
use crate::samples::{LEAF_BYTES, Version, grow, now, open, set};
use crate::{ErrorKind, TagRequest};

fn gc(lake: &Lake) -> GcSummary {
    lake.inner.gc(GcRequest::default(), &no_progress()).unwrap()
}

/// Which of the versions are in the lake, in every block, for a process that opens it now.
fn here(folder: &Path, versions: &[Version]) -> Vec<bool> {
    let lake = open(folder);
    let is_here = |block: &Block| lake.inner.store.get(block.cid()).unwrap().is_some();
    versions.iter().map(|version| version.blocks().iter().all(is_here)).collect()
}

fn damage(folder: &Path) -> Vec<String> {
    let report = now(open(folder).fsck(FsckLevel::Full, no_progress())).unwrap();
    report.damage.into_iter().map(|damage| format!("{damage:?}")).collect()
}

/// Returns the commit that a reference means.
fn meant(lake: &Lake, reference: &str) -> Result<Cid, Error> {
    match lake.inner.target(reference)? {
        Target::Commit(found) => Ok(found.cid),
        Target::Content(cid) => Ok(cid),
    }
}

fn keep(versions: &str) -> Keep {
    Keep::parse(versions).unwrap()
}

#[test]
fn nothing_that_is_kept_goes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let versions = grow(&lake, "t", 1..=4);
    let summary = gc(&lake);
    assert_eq!((summary.packs_removed, summary.packs_rewritten, summary.bytes_freed), (0, 0, 0));
    // Four deltas, four commits, four part lists and four leaves.
    assert_eq!(summary.blocks_kept, 16);
    drop(lake);
    assert_eq!(here(folder.path(), &versions), [true; 4]);
    assert_eq!(damage(folder.path()), [""; 0]);
}

#[test]
fn what_expired_goes_and_what_is_kept_stays() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let versions = grow(&lake, "t", 1..=8);
    let other = grow(&lake, "u", 11..=12);
    let wanted = now(lake.expire("t", keep("2"), true)).unwrap();
    assert_eq!((wanted.versions_kept, wanted.versions_expired), (2, 6));
    assert!(meant(&lake, "t~7").is_ok(), "a dry run let go");

    let expired = now(lake.expire("t", keep("2"), false)).unwrap();
    assert_eq!((expired.oldest, expired.versions_expired), (versions[6].cid(), 6));
    // Before and after the collection it reads the same.
    for collected in [false, true] {
        if collected {
            let dry = lake.inner.gc(GcRequest { dry_run: true }, &no_progress()).unwrap();
            let done = gc(&lake);
            assert!(done.bytes_freed > 3 * LEAF_BYTES as u64, "{done:?}");
            assert_eq!((dry.blocks_kept, dry.bytes_dead), (done.blocks_kept, done.bytes_dead));
        }
        assert_eq!(meant(&lake, "t~1").unwrap(), versions[6].cid());
        let old =
            [format!("t@{}", versions[0].cid()), "t~2".into(), "t@1970-01-01T00:00:03Z".into()];
        for reference in &old {
            let error = meant(&lake, reference).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{reference}");
            assert!(error.hint().unwrap().contains(&versions[6].cid().to_string()), "{error}");
        }
        assert_eq!(damage(folder.path()), [""; 0]);
    }
    let content = versions[0].leaf.cid().to_string();
    assert_eq!(meant(&lake, &content).unwrap_err().kind(), ErrorKind::NotFound);
    drop(lake);
    let (gone, kept) = versions.split_at(6);
    assert_eq!(
        (here(folder.path(), gone), here(folder.path(), kept)),
        (vec![false; 6], vec![true; 2])
    );
    assert_eq!(here(folder.path(), &other), [true; 2]);
    assert_eq!(damage(folder.path()), [""; 0]);
}

#[test]
fn a_pin_keeps_its_version_and_none_that_expired_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let versions = grow(&lake, "t", 1..=5);
    let pinned = now(lake.pin("t~2", Some("good".to_owned()))).unwrap();
    assert_eq!((pinned.cid, pinned.unchanged), (versions[2].cid(), false));
    assert!(now(lake.pin("t~2", None)).unwrap().unchanged);
    now(lake.expire("t", keep("1"), false)).unwrap();
    gc(&lake);
    assert_eq!(here(folder.path(), &versions), [false, false, true, false, true]);
    assert_eq!(damage(folder.path()), [""; 0]);

    assert_eq!(now(lake.pins()).unwrap()[0].name.as_deref(), Some("good"));
    let near = now(lake.unpin("goood")).unwrap_err();
    assert!(near.hint().unwrap().contains("good"), "{near}");
    // By its content, by its name or by its commit: all of them mean the one pin.
    assert_eq!(now(lake.unpin(&versions[2].leaf.cid().to_string())).unwrap().cid, pinned.cid);
    assert_eq!(now(lake.unpin("good")).unwrap_err().kind(), ErrorKind::NotFound);
    let progress = no_progress();
    let marks = Marks::of(&lake.inner, &progress).unwrap();
    let live = versions.iter().map(|version| marks.is_live(version.leaf.cid()));
    assert_eq!(live.collect::<Vec<bool>>(), [false, false, false, false, true]);
}

#[test]
fn what_a_version_jumps_to_goes_where_its_parents_go() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let versions = grow(&lake, "t", 1..=8);
    // The last one jumps to the first.
    let head = Commit::decode(&versions[7].commit).unwrap();
    assert_eq!(head.jump, Some(versions[0].cid()));
    now(lake.expire("t", keep("1"), false)).unwrap();
    gc(&lake);
    let mut kept = vec![false; 7];
    kept.push(true);
    assert_eq!(here(folder.path(), &versions), kept);
    assert_eq!(damage(folder.path()), [""; 0]);
}

#[test]
fn a_tag_keeps_its_version_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let versions = grow(&lake, "t", 1..=6);
    let tag = |word: &str, version: &str| TagRequest {
        tag: word.to_owned(),
        version: Some(version.to_owned()),
        force: false,
    };
    now(lake.tag("t", tag("good", "~4"))).unwrap();
    now(lake.tag("t", tag("late", "~0"))).unwrap();
    let expired = now(lake.expire("t", keep("1"), false)).unwrap();
    assert_eq!((expired.versions_expired, expired.versions_tagged), (5, 1));
    gc(&lake);
    assert_eq!(here(folder.path(), &versions), [false, true, false, false, false, true]);
    assert_eq!(meant(&lake, "t@good").unwrap(), versions[1].cid());
    assert!(meant(&lake, "t~4").is_err(), "it is had by its tag alone");
    assert_eq!(damage(folder.path()), [""; 0]);
    // A tag that comes while marks are made is marked.
    let progress = no_progress();
    let mut marks = Marks::of(&lake.inner, &progress).unwrap();
    let other = Version::new(9, &[]);
    set(&lake, "u", &other);
    now(lake.tag("u", tag("good", "~0"))).unwrap();
    marks.update(&lake.inner.store.records_after(marks.seen).unwrap()).unwrap();
    assert!(marks.is_live(other.leaf.cid()));

    now(lake.untag("t", "good")).unwrap();
    now(lake.drop_dataset("u")).unwrap();
    gc(&lake);
    assert_eq!(here(folder.path(), &versions), [false, false, false, false, false, true]);
    assert_eq!(here(folder.path(), &[other]), [false]);
    assert_eq!(damage(folder.path()), [""; 0]);
}

#[test]
fn a_dropped_dataset_goes_and_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let versions = grow(&lake, "t", 1..=3);
    now(lake.drop_dataset("t")).unwrap();
    gc(&lake);
    drop(lake);
    assert_eq!(here(folder.path(), &versions), [false; 3]);
    let packs = std::fs::read_dir(folder.path().join("lake/packs")).unwrap();
    let bytes: u64 = packs.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < LEAF_BYTES as u64, "{bytes} bytes are left");
    assert_eq!(damage(folder.path()), [""; 0]);
}

#[test]
fn a_rename_takes_the_end_of_the_history_along() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    grow(&lake, "t", 1..=3);
    now(lake.expire("t", keep("2"), false)).unwrap();
    now(lake.rename("t", "u")).unwrap();
    assert!(meant(&lake, "u~1").is_ok());
    let error = meant(&lake, "u~2").unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    // Whoever has the old name next has all of its own history.
    let again = grow(&lake, "t", 1..=3);
    assert_eq!(meant(&lake, "t~2").unwrap(), again[0].cid());
    assert_eq!(here(folder.path(), &again), [true; 3]);
    gc(&lake);
    assert_eq!(here(folder.path(), &again), [true; 3]);
}

#[test]
fn what_is_committed_after_the_marks_is_marked_too() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    grow(&lake, "t", 1..=2);
    let progress = no_progress();
    let mut marks = Marks::of(&lake.inner, &progress).unwrap();
    let seen = marks.seen;

    let other = open(folder.path());
    let versions = grow(&other, "u", 21..=23);
    now(other.expire("u", keep("2"), false)).unwrap();
    let letter = Block::new(Codec::Raw, Bytes::from_static(b"a letter"));
    let hold = other.inner.hold().unwrap();
    other.inner.store.put(&hold, std::slice::from_ref(&letter)).unwrap();
    let pins = vec![(*letter.cid(), None)];
    other
        .inner
        .change(&hold, |_| Ok(((), Some(Draft { pins: pins.clone(), ..Draft::default() }))))
        .unwrap();

    assert!(!marks.is_live(versions[2].leaf.cid()) && !marks.is_live(letter.cid()));
    let records = lake.inner.store.records_after(Lsn(0)).unwrap();
    marks.update(&records).unwrap();
    assert!(marks.seen > seen && marks.seen == records.last().unwrap().lsn);
    for block in [&versions[2].leaf, &versions[1].leaf, &versions[1].commit, &letter] {
        assert!(marks.is_live(block.cid()));
    }
}

#[test]
fn what_was_absent_and_is_brought_later_is_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    // The parent was left behind, as an import of the head alone does.
    let parent = Version::new(1, &[]);
    set(&lake, "t", &Version::new(2, std::slice::from_ref(&parent)));
    // A delta, a commit, a part list and a leaf: what is absent is not counted.
    assert_eq!(gc(&lake).blocks_kept, 4);
    let progress = no_progress();
    let mut marks = Marks::of(&lake.inner, &progress).unwrap();
    assert!(!marks.is_live(parent.leaf.cid()));
    set(&lake, "u", &parent);
    marks.update(&lake.inner.store.records_after(marks.seen).unwrap()).unwrap();
    assert!(marks.is_live(parent.leaf.cid()) && marks.is_live(parent.list.cid()));
}

#[test]
fn a_node_is_read_as_every_codec_that_links_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let leaf = Block::new(Codec::Raw, Bytes::from_static(b"below"));
    let node = dag_cbor::block(&BTreeMap::from([("to", *leaf.cid())])).unwrap();
    let as_raw = Cid::new_v1(Codec::Raw.code(), *node.cid().hash());
    let hold = lake.inner.hold().unwrap();
    lake.inner.store.put(&hold, &[leaf.clone(), node.clone()]).unwrap();
    // The raw one is marked without being read; the other must be read all the same.
    let pins = vec![(as_raw, None), (*node.cid(), None)];
    lake.inner
        .change(&hold, |_| Ok(((), Some(Draft { pins: pins.clone(), ..Draft::default() }))))
        .unwrap();
    let progress = no_progress();
    assert!(Marks::of(&lake.inner, &progress).unwrap().is_live(leaf.cid()));
}

#[test]
fn where_something_kept_cannot_be_read_nothing_goes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let gone = grow(&lake, "gone", 1..=1);
    let kept = grow(&lake, "kept", 11..=11);
    now(lake.drop_dataset("gone")).unwrap();
    now(lake.close()).unwrap();
    drop(lake);
    let packs = std::fs::read_dir(folder.path().join("lake/packs")).unwrap();
    let pack = packs.map(|file| file.unwrap().path()).find(|path| path.extension().is_some());
    let mut bytes = std::fs::read(pack.as_ref().unwrap()).unwrap();
    let list = kept[0].list.data();
    let at = bytes.windows(list.len()).position(|window| window == &list[..]).unwrap();
    bytes[at + 4] ^= 1;
    std::fs::write(pack.unwrap(), bytes).unwrap();

    let lake = open(folder.path());
    let error = lake.inner.gc(GcRequest::default(), &no_progress()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&kept[0].list.cid().to_string()), "{error}");
    assert_eq!(here(folder.path(), &gone), [true]);
}

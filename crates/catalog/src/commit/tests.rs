//! Tests of commits: bytes, links and rules.

use cidlake_block::codec::links;
use proptest::prelude::*;

use super::*;
use crate::samples::{cbor_cid, commit, damage, damaged, file_cid, fixture, golden, replaced};

fn least() -> Commit {
    Commit {
        content: file_cid(1),
        rows: 0,
        bytes: 0,
        schema: Bytes::new(),
        columns: Vec::new(),
        parts: Vec::new(),
        cut_columns: Vec::new(),
        key_columns: Vec::new(),
        partition_columns: Vec::new(),
        rows_hash: None,
        logical_hash: None,
        metadata: BTreeMap::new(),
        operation: "create".to_owned(),
        parents: Vec::new(),
        depth: 0,
        jump: None,
        author: String::new(),
        message: None,
        ..commit()
    }
}

fn forced(commit: &Commit) -> Block {
    dag_cbor::block(&Envelope { v: Version, commit }).unwrap()
}

#[test]
fn the_bytes_are_those_of_version_1() {
    let golden = golden("commit-v1.cbor", &commit().encode().unwrap());
    assert_eq!(commit().encode().unwrap(), golden);
    assert_eq!(
        golden.cid().to_string(),
        "bafyreiejal7kn3qhskjjs23uzofwr6pctengut2iuwwqqsw4i2zyz7nrwu"
    );
    assert_eq!(Commit::decode(&golden).unwrap(), commit());
}

#[test]
fn a_commit_links_what_it_stands_on() {
    let commit = commit();
    let mut found = links(&commit.encode().unwrap()).unwrap();
    let mut expected = vec![commit.content, cbor_cid(20), cbor_cid(21), cbor_cid(30), cbor_cid(31)];
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn what_is_absent_takes_no_bytes() {
    let block = least().encode().unwrap();
    assert_eq!(Commit::decode(&block).unwrap(), least());
    for field in [&b"message"[..], b"logical_hash", b"jump"] {
        assert!(!block.data().windows(field.len()).any(|bytes| bytes == field));
    }
    // Absent and null would be two encodings of one value.
    let null = replaced(&commit().encode().unwrap(), b"\x67message\x67January", b"\x67message\xf6");
    let error = Commit::decode(&null).unwrap_err();
    assert!(matches!(error, CommitError::Format(FormatError::NotCanonical { .. })), "{error:?}");
}

#[test]
fn other_versions_and_kinds_are_told_apart() {
    let good = commit().encode().unwrap();
    let newer = Commit::decode(&replaced(&good, b"\x61v\x01", b"\x61v\x02")).unwrap_err();
    assert!(matches!(newer, CommitError::Format(FormatError::Newer { found: 2, .. })));
    let delta = fixture("delta-v1.cbor");
    let error = Commit::decode(&delta).unwrap_err();
    assert!(matches!(error, CommitError::Format(FormatError::Malformed { .. })), "{error:?}");
}

#[test]
fn every_rule_is_checked_on_both_sides() {
    type Break = fn(&mut Commit);
    type Expected = fn(&CommitFault) -> bool;
    let cases: [(Break, Expected); 16] = [
        (
            |commit| commit.rows += 1,
            |fault| matches!(fault, CommitFault::RowsDiffer { rows: 1_500_001, listed: 1_500_000 }),
        ),
        (
            |commit| commit.parts[0].rows = u64::MAX,
            |fault| matches!(fault, CommitFault::TooManyRows),
        ),
        (|commit| commit.parts[1].parts = 0, |fault| matches!(fault, CommitFault::EmptyList)),
        (
            |commit| commit.parts[1].cid = file_cid(1),
            |fault| matches!(fault, CommitFault::ForeignLink { what: "part list", .. }),
        ),
        (
            |commit| commit.parts[1].height = 2,
            |fault| matches!(fault, CommitFault::BadHeight { height: 2, .. }),
        ),
        (
            |commit| commit.parts.iter_mut().for_each(|list| list.height = 9),
            |fault| matches!(fault, CommitFault::BadHeight { height: 9, .. }),
        ),
        (
            |commit| commit.parts[0].parts = PARTS_MAX,
            |fault| matches!(fault, CommitFault::TooManyParts),
        ),
        (
            |commit| commit.parts = vec![commit.parts[0].clone(); 33],
            |fault| matches!(fault, CommitFault::TooManyLists { found: 33 }),
        ),
        (|commit| commit.depth = 0, |fault| matches!(fault, CommitFault::BadPlace { .. })),
        (|commit| commit.jump = None, |fault| matches!(fault, CommitFault::BadPlace { .. })),
        (|commit| commit.parents.clear(), |fault| matches!(fault, CommitFault::BadPlace { .. })),
        (
            |commit| commit.jump = Some(file_cid(1)),
            |fault| matches!(fault, CommitFault::ForeignLink { what: "jump", .. }),
        ),
        (
            |commit| commit.parents[0] = file_cid(1),
            |fault| matches!(fault, CommitFault::ForeignLink { what: "parent", .. }),
        ),
        (
            |commit| commit.content = cbor_cid(1),
            |fault| matches!(fault, CommitFault::ForeignLink { what: "content", .. }),
        ),
        (
            |commit| commit.profile.clear(),
            |fault| matches!(fault, CommitFault::EmptyField { field: "profile" }),
        ),
        (
            |commit| commit.operation.clear(),
            |fault| matches!(fault, CommitFault::EmptyField { field: "operation" }),
        ),
    ];
    for (break_it, expected) in cases {
        let mut broken = commit();
        break_it(&mut broken);
        match broken.encode().unwrap_err() {
            CommitError::Invalid { source } => assert!(expected(&source), "{source:?}"),
            other => panic!("{other:?}"),
        }
        match Commit::decode(&forced(&broken)).unwrap_err() {
            CommitError::Refused { source, .. } => assert!(expected(&source), "{source:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_commit_that_is_too_large_says_of_what() {
    let mut big = commit();
    big.metadata.insert("notes".to_owned(), "x".repeat(COMMIT_BYTES_MAX));
    match big.encode().unwrap_err() {
        CommitError::Invalid { source: CommitFault::TooLarge { largest, largest_bytes, .. } } => {
            assert_eq!(largest, "metadata");
            assert!(largest_bytes > COMMIT_BYTES_MAX);
        }
        other => panic!("{other:?}"),
    }
    let error = Commit::decode(&forced(&big)).unwrap_err();
    assert!(matches!(error, CommitError::Format(FormatError::TooLarge { .. })), "{error:?}");
}

proptest! {
    #[test]
    fn damaged_commits_are_refused_or_are_other_commits(damage in damage()) {
        let good = commit().encode().unwrap();
        let bad = damaged(&good, &damage);
        if let Ok(decoded) = Commit::decode(&bad) {
            prop_assert_eq!(decoded.encode().unwrap(), bad);
        }
    }

    #[test]
    fn commits_round_trip(
        rows in 0..u64::MAX,
        texts in proptest::collection::btree_map("\\PC{0,20}", "\\PC{0,20}", 0..6),
        message in proptest::option::of("\\PC{0,20}"),
        hash in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        time_ms: u64,
    ) {
        let columns = Vec::new();
        let link = PartListLink { cid: cbor_cid(rows), height: 0, parts: 1, rows, bytes: 1, columns };
        let parts = vec![link];
        let logical_hash = hash.map(Bytes::from);
        let commit =
            Commit { rows, parts, metadata: texts, message, logical_hash, time_ms, ..commit() };
        let block = commit.encode().unwrap();
        prop_assert_eq!(Commit::decode(&block).unwrap(), commit);
    }
}

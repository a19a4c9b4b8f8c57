//! What an edit that was computed from an older version becomes.

use cidlake_catalog::Part;

use crate::ErrorKind;
use crate::history::{Found, parse_name};
use crate::ingest::Source;
use crate::lake::Lake;
use crate::samples::{now, open};
use crate::write::{StoreMode, StoreRequest};

fn store(lake: &Lake, rows: &'static str, append: bool) {
    let csv = Source::Bytes { label: "t.csv".into(), data: rows.into() };
    let request = StoreRequest {
        sources: vec![csv],
        name: Some("t".into()),
        mode: if append { StoreMode::Append } else { StoreMode::Overwrite },
        ..StoreRequest::default()
    };
    now(lake.store(request, crate::no_progress())).unwrap();
}

fn store_by(lake: &Lake, column: &str, rows: &'static str) {
    let csv = Source::Bytes { label: "t.csv".into(), data: rows.into() };
    let request = StoreRequest {
        sources: vec![csv],
        name: Some("t".into()),
        partition_by: Some(vec![column.to_owned()]),
        ..StoreRequest::default()
    };
    now(lake.store(request, crate::no_progress())).unwrap();
}

fn newest(lake: &Lake) -> (Found, Vec<Part>) {
    let found = lake.inner.newest(&parse_name("t").unwrap()).unwrap();
    let parts = lake.inner.parts(&found.commit).unwrap();
    (found, parts)
}

#[test]
fn an_edit_goes_before_what_was_appended_since() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    store(&lake, "n\n1\n", false);
    store(&lake, "n\n2\n", true);
    let (base, of_base) = newest(&lake);
    let name = parse_name("t").unwrap();
    let edited = &of_base[1..];
    let rebased = |head: &Found| lake.inner.rebase(&name, &base, head, edited);
    assert_eq!(rebased(&base).unwrap(), edited, "nothing happened since");

    store(&lake, "n\n3\n", true);
    store(&lake, "n\n4\n", true);
    let (head, of_head) = newest(&lake);
    assert_eq!(rebased(&head).unwrap(), &of_head[1..], "both appended rows are there");
    assert_eq!(of_head.len(), 4);
}

#[test]
fn what_was_appended_to_partitions_before_the_edited_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    store_by(&lake, "k", "k,n\na,1\nb,2\nc,3\n");
    let (base, of_base) = newest(&lake);
    // Into the middle, behind all, and once more the file that is there.
    store(&lake, "k,n\na,1\nb,4\nd,5\n", true);
    let (head, of_head) = newest(&lake);
    let name = parse_name("t").unwrap();
    let edited = &of_base[..2];
    let rebased = lake.inner.rebase(&name, &base, &head, edited).unwrap();
    let mut expected = edited.to_vec();
    expected.extend([of_head[1].clone(), of_head[3].clone(), of_head[5].clone()]);
    assert_eq!(of_head[0], of_head[1], "the same rows twice in one partition");
    assert_eq!(rebased, expected);
}

#[test]
fn an_edit_of_what_was_overwritten_names_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    store(&lake, "n\n1\n", false);
    let (base, of_base) = newest(&lake);
    store(&lake, "n\n2\n", true);
    store(&lake, "n\n1\n3\n", false);
    store(&lake, "n\n4\n", true);
    let (head, _) = newest(&lake);
    let name = parse_name("t").unwrap();
    let refused = lake.inner.rebase(&name, &base, &head, &of_base).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let text = refused.to_string();
    assert!(text.contains(&base.cid.to_string()) && text.contains(&head.cid.to_string()), "{text}");
}

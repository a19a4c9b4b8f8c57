//! Tests of part lists: bytes and rules of one list, and of the link to it.

use bytes::Bytes;
use cidlake_block::codec::links;
use proptest::prelude::*;

use super::*;
use crate::Scalar;
use crate::part::samples::{any_part, numbered};
use crate::part::tree::part_tree;
use crate::samples::{cbor_cid, commit, damage, damaged, file_cid, golden, part, replaced};
use crate::scalar::ScalarFault;
use crate::wire::FormatError;

/// The block of a list of parts, whether or not they may be in one.
fn of_parts(parts: &[Part]) -> Block {
    dag_cbor::block(&Parts { v: Version, parts }).unwrap()
}

/// The block of a list of lists, whether or not they may be in one.
fn of_lists(lists: &[PartListLink]) -> Block {
    dag_cbor::block(&Lists { v: Version, lists }).unwrap()
}

fn link(number: u64) -> PartListLink {
    let columns = part().columns;
    PartListLink { cid: cbor_cid(number), height: 0, parts: 3, rows: 90, bytes: 900, columns }
}

fn refused<T: std::fmt::Debug>(result: Result<T, CommitError>) -> CommitFault {
    match result.unwrap_err() {
        CommitError::Invalid { source } | CommitError::Refused { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_bytes_of_a_list_are_those_of_version_1() {
    let parts = [
        part(),
        Part { columns: Vec::new(), partition: Vec::new(), rows_hash: None, ..numbered(41) },
    ];
    let tree = part_tree(&parts).unwrap();
    let ([link], [block]) = (&tree.top[..], &tree.blocks[..]) else { panic!("{tree:?}") };
    let golden = golden("part-list-v1.cbor", block);
    assert_eq!(block, &golden);
    assert_eq!(
        golden.cid().to_string(),
        "bafyreibbke6lcizh5mhsabjy5nx3xonn6scemtgm2k7fxqadm6wh7sapbi"
    );
    let columns = Vec::new();
    let (cid, rows, bytes) = (*golden.cid(), 1_000_041, 16_000_100);
    assert_eq!(link, &PartListLink { cid, height: 0, parts: 2, rows, bytes, columns });
    assert_eq!(link.decode(&golden).unwrap(), PartList::Parts(parts.to_vec()));
    assert_eq!(links(&golden).unwrap(), [file_cid(40), file_cid(41)]);
}

#[test]
fn the_bytes_of_a_list_of_lists_are_those_of_version_1() {
    let lists = [link(20), PartListLink { columns: Vec::new(), ..link(21) }];
    let block = of_lists(&lists);
    let golden = golden("part-lists-v1.cbor", &block);
    assert_eq!(block, golden);
    assert_eq!(
        golden.cid().to_string(),
        "bafyreifaeggsvh5m64sjtxhbzcsc56tfmis4424ke3vieyywwrnvntym74"
    );
    assert_eq!(decode_part_list(&golden, 1).unwrap(), PartList::Links(lists.to_vec()));
    assert_eq!(links(&golden).unwrap(), [cbor_cid(20), cbor_cid(21)]);
}

#[test]
fn a_list_is_read_at_its_height_alone() {
    let parts = of_parts(&[part()]);
    let lists = of_lists(&[PartListLink { height: 1, ..link(20) }]);
    assert!(decode_part_list(&parts, 0).is_ok() && decode_part_list(&lists, 2).is_ok());
    for (block, height) in [(&parts, 1), (&lists, 0)] {
        let error = decode_part_list(block, height).unwrap_err();
        assert!(matches!(error, CommitError::Format(FormatError::Malformed { .. })), "{error:?}");
    }
    for height in [1, 3, u8::MAX] {
        let fault = refused(decode_part_list(&lists, height));
        assert_eq!(fault, CommitFault::BadHeight { list: cbor_cid(20), height: 1 });
    }
    assert!(decode_part_list(&commit().encode().unwrap(), 0).is_err());
}

#[test]
fn no_list_lists_nothing() {
    assert_eq!(refused(decode_part_list(&of_parts(&[]), 0)), CommitFault::EmptyList);
    assert_eq!(refused(decode_part_list(&of_lists(&[]), 1)), CommitFault::EmptyList);
}

#[test]
fn statistics_keep_their_rules_on_both_sides() {
    use CommitFault::{BadScalar, MixedScalars};
    let text = |len| Scalar::Text("x".repeat(len));
    let columns = |min: Scalar, max: Scalar| {
        let stats = ColumnStats { nulls: 0, bytes: 1, min: Some(min), max: Some(max), exact: true };
        vec![part().columns[0].clone(), stats]
    };
    let bad = |of, source| BadScalar { of, column: 1, source };
    let too_long = ScalarFault::TooLong { bytes: 65 };
    let width = ScalarFault::BadWidth { bytes: 15 };
    let (empty, long) = (Bytes::new(), Bytes::from(vec![0; 65]));
    let narrow = Scalar::Wide(vec![0; 15].into());
    let cases = [
        (columns(text(1), text(65)), Some(too_long)),
        (columns(Scalar::Bytes(long), Scalar::Bytes(empty)), Some(too_long)),
        (columns(narrow, Scalar::Wide(vec![0; 16].into())), Some(width)),
        (columns(Scalar::Int(1), Scalar::UInt(2)), None),
    ];
    for (columns, scalar) in cases {
        let fault = |of| scalar.map_or(MixedScalars { of, column: 1 }, |source| bad(of, source));
        let wrong = Part { columns: columns.clone(), ..part() };
        let expected = fault(wrong.cid);
        assert_eq!(refused(part_tree(std::slice::from_ref(&wrong))), expected);
        assert_eq!(refused(decode_part_list(&of_parts(&[wrong]), 0)), expected);
        let wrong = PartListLink { columns, ..link(20) };
        assert_eq!(refused(decode_part_list(&of_lists(&[wrong]), 1)), fault(cbor_cid(20)));
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let columns = columns(Scalar::Float(0.0), Scalar::Float(number));
        let fault = refused(part_tree(&[Part { columns, ..part() }]));
        assert_eq!(fault, bad(part().cid, ScalarFault::NotFinite));
    }
}

#[test]
fn what_is_listed_is_of_its_kind_and_can_be_counted() {
    let many = |rows, bytes| Part { rows, bytes, ..numbered(1) };
    let foreign = |what, wanted, cid| CommitFault::ForeignLink { what, wanted, cid };
    for (parts, fault) in [
        (vec![Part { cid: cbor_cid(1), ..part() }], foreign("part", "a file", cbor_cid(1))),
        (vec![many(u64::MAX, 0), many(1, 0)], CommitFault::TooManyRows),
        (vec![many(0, u64::MAX), many(0, 1)], CommitFault::TooManyBytes),
    ] {
        assert_eq!(refused(part_tree(&parts)), fault);
        assert_eq!(refused(decode_part_list(&of_parts(&parts), 0)), fault);
    }
    for (wrong, fault) in [
        (
            PartListLink { cid: file_cid(1), ..link(1) },
            foreign("part list", "DAG-CBOR", file_cid(1)),
        ),
        (PartListLink { parts: 0, ..link(1) }, CommitFault::EmptyList),
        (PartListLink { parts: PARTS_MAX, ..link(1) }, CommitFault::TooManyParts),
        (PartListLink { parts: u64::MAX, ..link(1) }, CommitFault::TooManyParts),
        (PartListLink { rows: u64::MAX, ..link(1) }, CommitFault::TooManyRows),
        (PartListLink { bytes: u64::MAX, ..link(1) }, CommitFault::TooManyBytes),
        (
            PartListLink { height: 1, ..link(1) },
            CommitFault::BadHeight { list: cbor_cid(1), height: 1 },
        ),
    ] {
        assert_eq!(refused(decode_part_list(&of_lists(&[link(2), wrong]), 1)), fault);
    }
    let height = PART_LIST_HEIGHT_MAX + 1;
    let tall = of_lists(&[PartListLink { height, ..link(1) }]);
    let fault = CommitFault::BadHeight { list: cbor_cid(1), height };
    assert_eq!(refused(decode_part_list(&tall, height + 1)), fault);
}

#[test]
fn a_link_that_says_something_else_is_refused() {
    let tree = part_tree(&[numbered(3), numbered(4)]).unwrap();
    let (link, block) = (&tree.top[0], &tree.blocks[0]);
    assert!(link.decode(block).is_ok());
    let parent = Entry::block(&[Cow::Borrowed(link)]).unwrap();
    let above = PartListLink::link(*parent.cid(), std::slice::from_ref(link)).unwrap();
    assert_eq!((above.height, above.rows, &above.columns), (1, 7, &link.columns));
    assert!(above.decode(&parent).is_ok());
    type Lie = fn(&mut PartListLink);
    let lies: [Lie; 6] = [
        |link| link.parts += 1,
        |link| link.rows -= 1,
        |link| link.bytes += 1,
        |link| link.columns[0].nulls += 1,
        |link| link.columns[0].min = Some(Scalar::UInt(4)),
        |link| link.columns.clear(),
    ];
    for lie in lies {
        for (link, block) in [(link, block), (&above, &parent)] {
            let mut lying = link.clone();
            lie(&mut lying);
            let fault = refused(lying.decode(block));
            assert_eq!(fault, CommitFault::ListDiffers { list: *block.cid() });
        }
    }
}

#[test]
fn a_link_has_as_many_statistics_as_there_is_room_for() {
    let long = Some(Scalar::Text("x".repeat(64)));
    let stats = ColumnStats { nulls: 1, bytes: 5, min: long.clone(), max: long, exact: true };
    for (columns, kept, bounds) in [(100, 100, true), (200, 200, false), (9_000, 0, false)] {
        let wide = PartListLink { columns: vec![stats.clone(); columns], ..link(1) };
        let (fitted, bytes) = wide.fitted().unwrap();
        assert!(bytes <= PART_LIST_LINK_BYTES_MAX, "{columns} columns take {bytes}");
        assert_eq!(fitted.columns.len(), kept);
        assert!(fitted.columns.iter().all(|column| column.min.is_some() == bounds));
        assert_eq!(fitted.columns.iter().map(|column| column.nulls).sum::<u64>(), kept as u64);
    }
}

#[test]
fn one_value_has_one_encoding() {
    let with = |min: Scalar| {
        let stats = ColumnStats { nulls: 0, bytes: 0, min: Some(min), max: None, exact: true };
        of_parts(&[Part { columns: vec![stats], ..part() }])
    };
    let int = with(Scalar::Int(5));
    assert!(decode_part_list(&int, 0).is_ok());
    let cases = [
        // Statistics with a field more, or one less.
        replaced(&int, b"\x85\0\0\xa1\x63int\x05\xf6\xf5", b"\x86\0\0\xa1\x63int\x05\xf6\xf5\0"),
        replaced(&int, b"\x85\0\0\xa1\x63int\x05\xf6\xf5", b"\x84\0\0\xa1\x63int\x05\xf6"),
        // A number in more bytes than it takes.
        replaced(&int, b"\x63int\x05", b"\x63int\x18\x05"),
        // A negative zero.
        replaced(
            &with(Scalar::Float(0.0)),
            b"\x65float\xfb\0\0\0\0\0\0\0\0",
            b"\x65float\xfb\x80\0\0\0\0\0\0\0",
        ),
    ];
    for bad in cases {
        let error = decode_part_list(&bad, 0).unwrap_err();
        let refused = matches!(
            error,
            CommitError::Format(FormatError::NotCanonical { .. } | FormatError::Malformed { .. })
        );
        assert!(refused, "{error:?}");
    }
}

proptest! {
    #[test]
    fn damaged_lists_are_refused_or_are_other_lists(damage in damage()) {
        let parts = damaged(&of_parts(&[part(), numbered(41)]), &damage);
        if let Ok(PartList::Parts(listed)) = decode_part_list(&parts, 0) {
            prop_assert_eq!(of_parts(&listed), parts);
        }
        let lists = damaged(&of_lists(&[link(1), link(2)]), &damage);
        if let Ok(PartList::Links(listed)) = decode_part_list(&lists, 1) {
            prop_assert_eq!(of_lists(&listed), lists);
        }
    }

    #[test]
    fn any_list_is_what_its_link_says(parts in proptest::collection::vec(any_part(), 1..20)) {
        let block = of_parts(&parts);
        let link = Part::link(*block.cid(), &parts).unwrap();
        prop_assert_eq!(link.decode(&block).unwrap(), PartList::Parts(parts));
    }
}

//! Tests of part lists: bytes, where they are cut, and rules.

use bytes::Bytes;
use cidlake_block::cid_of;
use cidlake_block::codec::links;
use proptest::prelude::*;

use super::*;
use crate::limits::STAT_BYTES_MAX;
use crate::samples::{cbor_cid, commit, damage, damaged, file_cid, golden, part, replaced};
use crate::scalar::ScalarFault;
use crate::wire::FormatError;

fn numbered(number: u64) -> Part {
    Part { cid: file_cid(number), rows: number, ..part() }
}

fn forced(parts: &[Part]) -> Block {
    dag_cbor::block(&Envelope { v: Version, parts }).unwrap()
}

fn decoded(lists: &[(PartListLink, Block)]) -> Vec<Part> {
    lists.iter().flat_map(|(_, block)| decode_part_list(block).unwrap()).collect()
}

#[test]
fn the_bytes_are_those_of_version_1() {
    let parts = [
        part(),
        Part { columns: Vec::new(), partition: Vec::new(), rows_hash: None, ..numbered(41) },
    ];
    let lists = part_lists(&parts).unwrap();
    let [(link, block)] = &lists[..] else { panic!("{} lists", lists.len()) };
    let golden = golden("part-list-v1.cbor", block);
    assert_eq!(block, &golden);
    assert_eq!(
        golden.cid().to_string(),
        "bafyreia6skddxajqbqgkv5lr2bhk7hwopebz5pb2sitjsdxri67akv2ddq"
    );
    assert_eq!(link, &PartListLink { cid: *golden.cid(), parts: 2, rows: 1_000_041 });
    assert_eq!(decode_part_list(&golden).unwrap(), parts);
    assert_eq!(links(&golden).unwrap(), [file_cid(40), file_cid(41)]);
}

#[test]
fn no_parts_make_no_lists() {
    assert!(part_lists(&[]).unwrap().is_empty());
    let error = decode_part_list(&forced(&[])).unwrap_err();
    assert!(matches!(error, CommitError::Refused { source: CommitFault::EmptyList, .. }));
}

#[test]
fn lists_hold_all_parts_in_order_and_about_32_each() {
    let parts: Vec<Part> = (0..3_200).map(numbered).collect();
    let lists = part_lists(&parts).unwrap();
    assert_eq!(decoded(&lists), parts);
    assert!((70..=130).contains(&lists.len()), "{} lists", lists.len());
    for (link, block) in &lists {
        let listed = decode_part_list(block).unwrap();
        assert_eq!(link.parts as usize, listed.len());
        assert_eq!(link.rows, listed.iter().map(|part| part.rows).sum::<u64>());
        assert!(block.len() <= PART_LIST_BYTES_MAX);
        // Nothing but the last part of a list ends it.
        assert!(listed.iter().rev().skip(1).all(|part| !ends_list(&part.cid)));
    }
}

#[test]
fn an_edit_writes_few_lists_anew() {
    let before: Vec<Part> = (0..2_000).map(numbered).collect();
    let old: Vec<Cid> = part_lists(&before).unwrap().iter().map(|(link, _)| link.cid).collect();
    let new_lists = |after: &[Part]| {
        let lists = part_lists(after).unwrap();
        lists.iter().filter(|(link, _)| !old.contains(&link.cid)).count()
    };
    for at in [0, 1, 777, 1_500, 1_999] {
        let mut replaced = before.clone();
        replaced[at] = numbered(5_000);
        assert!(new_lists(&replaced) <= 3, "replaced at {at}");
        let mut removed = before.clone();
        removed.remove(at);
        assert!(new_lists(&removed) <= 2, "removed at {at}");
        let mut inserted = before.clone();
        inserted.insert(at, numbered(5_000));
        assert!(new_lists(&inserted) <= 2, "inserted at {at}");
    }
    let mut appended = before.clone();
    appended.push(numbered(5_000));
    assert!(new_lists(&appended) <= 1);
    // A run of parts in the middle of another table shares the lists inside it.
    let other: Vec<Part> =
        (9_000..9_010).map(numbered).chain(before[500..1_500].iter().cloned()).collect();
    assert!(new_lists(&other) <= 3);
}

fn wide(number: u64, columns: usize, text: usize) -> Part {
    let scalar = || Some(Scalar::Text("x".repeat(text)));
    let stats = ColumnStats { nulls: 1, bytes: 1 << 20, min: scalar(), max: scalar(), exact: true };
    Part { columns: vec![stats; columns], ..numbered(number) }
}

#[test]
fn wide_tables_have_shorter_lists() {
    let parts: Vec<Part> = (0..40).map(|number| wide(number, 1_000, STAT_BYTES_MAX)).collect();
    let lists = part_lists(&parts).unwrap();
    assert_eq!(decoded(&lists), parts);
    assert!(lists.len() >= 10, "{} lists", lists.len());
    assert!(lists.iter().all(|(_, block)| block.len() <= PART_LIST_BYTES_MAX));
}

#[test]
fn what_no_list_has_room_for_is_left_out() {
    for (columns, kept) in [(5_000, 5_000), (30_000, 0)] {
        let lists = part_lists(&[numbered(1), wide(2, columns, STAT_BYTES_MAX)]).unwrap();
        let listed = decoded(&lists);
        assert_eq!(listed[0], numbered(1));
        assert_eq!((listed[1].cid, listed[1].columns.len()), (file_cid(2), kept));
        let bare = |stats: &ColumnStats| {
            (stats.nulls, stats.bytes) == (1, 1 << 20)
                && stats.min.is_none()
                && stats.max.is_none()
                && !stats.exact
        };
        assert!(listed[1].columns.iter().all(bare));
    }
    let partition = vec![Some("x".repeat(PART_LIST_BYTES_MAX))];
    let error = part_lists(&[Part { partition, ..numbered(1) }]).unwrap_err();
    assert!(
        matches!(&error, CommitError::Invalid { source: CommitFault::PartTooLarge { .. } }),
        "{error:?}"
    );
}

#[test]
fn statistics_keep_their_rules_on_both_sides() {
    use CommitFault::{BadScalar, MixedScalars};
    let text = |len| Scalar::Text("x".repeat(len));
    let of = |min: Scalar, max: Scalar| {
        let stats = ColumnStats { nulls: 0, bytes: 1, min: Some(min), max: Some(max), exact: true };
        Part { columns: vec![part().columns[0].clone(), stats], ..part() }
    };
    let cid = part().cid;
    let too_long = ScalarFault::TooLong { bytes: 65 };
    for (bad, fault) in [
        (of(text(1), text(65)), BadScalar { part: cid, column: 1, source: too_long }),
        (
            of(Scalar::Bytes(vec![0; 65].into()), Scalar::Bytes(Bytes::new())),
            BadScalar { part: cid, column: 1, source: too_long },
        ),
        (
            of(Scalar::Wide(vec![0; 15].into()), Scalar::Wide(vec![0; 16].into())),
            BadScalar { part: cid, column: 1, source: ScalarFault::BadWidth { bytes: 15 } },
        ),
        (of(Scalar::Int(1), Scalar::UInt(2)), MixedScalars { part: cid, column: 1 }),
    ] {
        let block = forced(std::slice::from_ref(&bad));
        match part_lists(&[bad]).unwrap_err() {
            CommitError::Invalid { source } => assert_eq!(source, fault),
            other => panic!("{other:?}"),
        }
        match decode_part_list(&block).unwrap_err() {
            CommitError::Refused { source, .. } => assert_eq!(source, fault),
            other => panic!("{other:?}"),
        }
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        match part_lists(&[of(Scalar::Float(0.0), Scalar::Float(number))]).unwrap_err() {
            CommitError::Invalid { source: BadScalar { source, .. } } => {
                assert_eq!(source, ScalarFault::NotFinite);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn parts_are_files_and_their_rows_can_be_counted() {
    for bad in [vec![Part { cid: cbor_cid(1), ..part() }], vec![numbered(u64::MAX), numbered(1)]] {
        assert!(matches!(part_lists(&bad), Err(CommitError::Invalid { .. })));
        assert!(matches!(decode_part_list(&forced(&bad)), Err(CommitError::Refused { .. })));
    }
}

#[test]
fn one_value_has_one_encoding() {
    let bare = Part { columns: part().columns[7..].to_vec(), ..part() };
    let good = forced(&[bare]);
    assert!(decode_part_list(&good).is_ok());
    let cases = [
        // A statistic that is null instead of absent.
        replaced(&good, b"\xa3\x65bytes", b"\xa4\x63max\xf6\x65bytes"),
        // A negative zero.
        replaced(
            &forced(&[Part {
                columns: vec![ColumnStats {
                    nulls: 0,
                    bytes: 0,
                    min: Some(Scalar::Float(0.0)),
                    max: None,
                    exact: true,
                }],
                ..part()
            }]),
            b"\x65float\xfb\0\0\0\0\0\0\0\0",
            b"\x65float\xfb\x80\0\0\0\0\0\0\0",
        ),
    ];
    for bad in cases {
        let error = decode_part_list(&bad).unwrap_err();
        let refused = matches!(
            error,
            CommitError::Format(FormatError::NotCanonical { .. } | FormatError::Malformed { .. })
        );
        assert!(refused, "{error:?}");
    }
    assert!(decode_part_list(&commit().encode().unwrap()).is_err());
}

#[test]
fn inlined_parts_have_short_digests() {
    // An identity CID with a digest of three bytes: version, raw, identity, length, digest.
    let cid = Cid::try_from(&[1, 0x55, 0, 3, 1, 2, 3][..]).unwrap();
    assert!(ends_list(&cid));
    assert_eq!(decoded(&part_lists(&[Part { cid, ..part() }]).unwrap())[0].cid, cid);
    assert_ne!(cid, cid_of(Codec::Raw, &[1, 2, 3]));
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        any::<u64>().prop_map(Scalar::UInt),
        (proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL).prop_map(Scalar::Float),
        "\\PC{0,12}".prop_map(Scalar::Text),
        proptest::collection::vec(any::<u8>(), 0..=64)
            .prop_map(|bytes| Scalar::Bytes(bytes.into())),
        any::<[u8; 16]>().prop_map(|bytes| Scalar::Wide(bytes.to_vec().into())),
        any::<[u8; 32]>().prop_map(|bytes| Scalar::Wide(bytes.to_vec().into())),
    ]
}

prop_compose! {
    fn any_part()(
        number: u64,
        rows in 0..u64::from(u32::MAX),
        sizes: (u64, u64),
        partition in proptest::collection::vec(proptest::option::of("\\PC{0,9}"), 0..3),
        columns in proptest::collection::vec(
            (scalar(), any::<(u64, u64, bool, bool, bool)>()).prop_map(
                |(scalar, (nulls, bytes, min, max, exact))| ColumnStats {
                    nulls,
                    bytes,
                    min: min.then(|| scalar.clone()),
                    max: max.then_some(scalar),
                    exact,
                },
            ),
            0..5,
        ),
    ) -> Part {
        Part {
            cid: file_cid(number),
            rows,
            bytes: sizes.0,
            tsize: sizes.1,
            partition,
            columns,
            rows_hash: (number % 2 == 0).then(|| Bytes::from_static(b"any bytes at all")),
        }
    }
}

proptest! {
    // A case encodes and decodes hundreds of parts; more cases would only take longer.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lists_round_trip(parts in proptest::collection::vec(any_part(), 0..60)) {
        let lists = part_lists(&parts).unwrap();
        prop_assert_eq!(decoded(&lists), parts);
        let listed: u32 = lists.iter().map(|(link, _)| link.parts).sum();
        prop_assert_eq!(listed as usize, decoded(&lists).len());
    }

    #[test]
    fn where_lists_end_is_a_matter_of_the_parts(
        parts in proptest::collection::vec(any_part(), 2..120),
        at: proptest::sample::Index,
    ) {
        // Cut behind any list: the rest is listed as it would be by itself.
        let lists = part_lists(&parts).unwrap();
        let keep = at.index(lists.len());
        let rest: Vec<Part> = decoded(&lists[keep..]);
        let again: Vec<Cid> = part_lists(&rest).unwrap().iter().map(|(link, _)| link.cid).collect();
        let expected: Vec<Cid> = lists[keep..].iter().map(|(link, _)| link.cid).collect();
        prop_assert_eq!(again, expected);
    }

    #[test]
    fn damaged_lists_are_refused_or_are_other_lists(damage in damage()) {
        let good = forced(&[part(), numbered(41)]);
        let bad = damaged(&good, &damage);
        if let Ok(parts) = decode_part_list(&bad) {
            prop_assert_eq!(forced(&parts), bad);
        }
    }
}

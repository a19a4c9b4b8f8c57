//! Tests of part trees: where lists end, what is shared, and that parts that are put behind others
//! end up where they would be if all had come at once.

use cidlake_block::{Codec, cid_of};
use proptest::prelude::*;

use super::*;
use crate::limits::{PART_LIST_BYTES_MAX, STAT_BYTES_MAX};
use crate::part::list::{PartList, decode_part_list};
use crate::part::samples::{Blocks, ENDING, any_part, numbered, wide};
use crate::part::walk::all_parts;
use crate::samples::{file_cid, part};
use crate::{ColumnStats, Scalar};

fn listed(tree: &PartTree) -> Vec<Part> {
    let mut blocks = Blocks::of(tree);
    all_parts::<CommitError>(&tree.top, &mut |cid| blocks.fetch(cid)).unwrap()
}

fn cids(tree: &PartTree) -> Vec<Cid> {
    tree.blocks.iter().map(|block| *block.cid()).collect()
}

fn height(tree: &PartTree) -> u8 {
    tree.top[0].height
}

#[test]
fn no_parts_make_no_lists() {
    let tree = part_tree(&[]).unwrap();
    assert!(tree.top.is_empty() && tree.blocks.is_empty());
    let mut blocks = Blocks::default();
    let fetch = &mut |cid: &Cid| blocks.fetch(cid);
    let appended = append_parts::<CommitError>(&[], fetch, &[numbered(1)]).unwrap();
    assert_eq!(appended.top, part_tree(&[numbered(1)]).unwrap().top);
}

#[test]
fn lists_hold_all_parts_in_order_and_about_32_each() {
    let parts: Vec<Part> = (0..3_200).map(numbered).collect();
    let tree = part_tree(&parts).unwrap();
    assert_eq!(listed(&tree), parts);
    assert_eq!(height(&tree), 1);
    let mut lists = 0;
    for block in &tree.blocks {
        assert!(block.len() <= PART_LIST_BYTES_MAX);
        let Ok(PartList::Parts(listed)) = decode_part_list(block, 0) else {
            continue;
        };
        lists += 1;
        // Nothing but the last part of a list ends it.
        assert!(listed.iter().rev().skip(1).all(|part| !ends_list(&part.cid)));
    }
    assert!((70..=130).contains(&lists), "{lists} lists");
    let (first, rest) = tree.top.split_first().unwrap();
    assert!(rest.iter().all(|link| link.parts > 8 * 8), "{rest:?}");
    // The first part has no rows, so it bounds nothing.
    assert_eq!(first.columns[0].min, Some(Scalar::UInt(1)));
}

#[test]
fn a_commit_links_few_lists_whatever_their_number() {
    for (parts, expected) in [(1, 0), (32, 0), (33, 1), (700, 1), (2_500, 2)] {
        let parts: Vec<Part> = ENDING.iter().take(parts).map(|number| numbered(*number)).collect();
        let tree = part_tree(&parts).unwrap();
        assert!(tree.top.len() <= PART_LISTS_MAX);
        assert_eq!(height(&tree), expected, "{} parts", parts.len());
        assert_eq!(listed(&tree), parts);
    }
}

#[test]
fn an_edit_writes_few_lists_anew() {
    let before: Vec<Part> = (0..2_000).map(numbered).collect();
    let tree = part_tree(&before).unwrap();
    let old: HashSet<Cid> = cids(&tree).into_iter().collect();
    let new_lists = |after: &[Part]| {
        let tree = part_tree(after).unwrap();
        tree.blocks.iter().filter(|block| !old.contains(block.cid())).count()
    };
    for at in [0, 1, 777, 1_500, 1_999] {
        let mut replaced = before.clone();
        replaced[at] = numbered(5_000);
        assert!(new_lists(&replaced) <= 5, "replaced at {at}");
        let mut removed = before.clone();
        removed.remove(at);
        assert!(new_lists(&removed) <= 4, "removed at {at}");
        let mut inserted = before.clone();
        inserted.insert(at, numbered(5_000));
        assert!(new_lists(&inserted) <= 4, "inserted at {at}");
    }
    let mut appended = before.clone();
    appended.push(numbered(5_000));
    assert!(new_lists(&appended) <= 2);
    // A run of parts in the middle of another table shares the lists inside it.
    let other: Vec<Part> =
        (9_000..9_010).map(numbered).chain(before[500..1_500].iter().cloned()).collect();
    assert!(new_lists(&other) <= 6, "{} of {}", new_lists(&other), old.len());
}

#[test]
fn wide_tables_have_shorter_lists() {
    let parts: Vec<Part> = (0..40).map(|number| wide(number, 1_000, STAT_BYTES_MAX)).collect();
    let tree = part_tree(&parts).unwrap();
    assert_eq!(listed(&tree), parts);
    assert!(tree.top.len() >= 10, "{} lists", tree.top.len());
    assert!(tree.blocks.iter().all(|block| block.len() <= PART_LIST_BYTES_MAX));
    // A link has no room for bounds of a thousand columns, or for anything of them.
    assert!(tree.top.iter().all(|link| link.columns.iter().all(|stats| stats.min.is_none())));
}

#[test]
fn what_no_list_has_room_for_is_left_out() {
    for (columns, kept) in [(5_000, 5_000), (60_000, 0)] {
        let tree = part_tree(&[numbered(1), wide(2, columns, STAT_BYTES_MAX)]).unwrap();
        let listed = listed(&tree);
        assert_eq!(listed[0], numbered(1));
        assert_eq!((listed[1].cid, listed[1].columns.len()), (file_cid(2), kept));
        let bare = |stats: &ColumnStats| {
            let bounds = (&stats.min, &stats.max, stats.exact);
            (stats.nulls, stats.bytes, bounds) == (1, 1 << 20, (&None, &None, false))
        };
        assert!(listed[1].columns.iter().all(bare));
    }
    let partition = vec![Some("x".repeat(PART_LIST_BYTES_MAX))];
    let error = part_tree(&[Part { partition, ..numbered(1) }]).unwrap_err();
    assert!(
        matches!(&error, CommitError::Invalid { source: CommitFault::PartTooLarge { .. } }),
        "{error:?}"
    );
}

#[test]
fn inlined_parts_have_short_digests() {
    // An identity CID with a digest of three bytes: version, raw, identity, length, digest.
    let cid = Cid::try_from(&[1, 0x55, 0, 3, 1, 2, 3][..]).unwrap();
    assert!(ends_list(&cid));
    assert_eq!(listed(&part_tree(&[Part { cid, ..part() }]).unwrap())[0].cid, cid);
    assert_ne!(cid, cid_of(Codec::Raw, &[1, 2, 3]));
}

/// Appends `parts` in pieces of the given sizes, the last one as often as needed, and compares
/// each step with listing all at once.
fn check_appends(parts: &[Part], sizes: &[usize]) {
    let mut tree = PartTree::default();
    let mut blocks = Blocks::default();
    let mut done = 0;
    let mut sizes = sizes.iter().copied();
    while done < parts.len() {
        let end = parts.len().min(done + sizes.next().unwrap_or(parts.len()));
        blocks.fetched = 0;
        let levels = tree.top.first().map_or(0, |link| usize::from(link.height) + 1);
        let fetch = &mut |cid: &Cid| blocks.fetch(cid);
        let next = append_parts::<CommitError>(&tree.top, fetch, &parts[done..end]).unwrap();
        assert_eq!(blocks.fetched, levels, "one list of each level is read");
        let whole = part_tree(&parts[..end]).unwrap();
        assert_eq!(next.top, whole.top);
        let expected: HashSet<Cid> = cids(&whole).into_iter().collect();
        assert!(next.blocks.iter().all(|block| expected.contains(block.cid())));
        blocks.add(&next);
        (tree, done) = (next, end);
    }
    let fetch = &mut |cid: &Cid| blocks.fetch(cid);
    assert_eq!(all_parts::<CommitError>(&tree.top, fetch).unwrap(), parts);
}

#[test]
fn nothing_behind_is_nothing_new() {
    let parts: Vec<Part> = ENDING.iter().take(700).map(|number| numbered(*number)).collect();
    let tree = part_tree(&parts).unwrap();
    let mut blocks = Blocks::of(&tree);
    let fetch = &mut |cid: &Cid| blocks.fetch(cid);
    let same = append_parts::<CommitError>(&tree.top, fetch, &[]).unwrap();
    assert_eq!((same.top, same.blocks.len()), (tree.top, 0));
}

#[test]
fn parts_are_appended_at_every_height() {
    // Every part ends its list but one in ten, so that three heights are reached soon.
    let number = |at: usize| if at % 10 == 3 { at as u64 } else { ENDING[at] };
    let parts: Vec<Part> = (0..2_500).map(|at| numbered(number(at))).collect();
    check_appends(&parts, &[1, 1, 30, 1, 1, 1, 600, 1, 50, 1, 1, 900, 1, 3, 1, 400, 1, 1, 100]);
}

#[test]
fn a_list_that_shrinks_moves_no_list_before_it() {
    // Links have so many columns that lists of them are full by size. The last one loses its bounds
    // when a part without bounds comes, so that it would have had room in the list before.
    let bounded = |number: u64| wide(number, 90, 60);
    let mut bare = bounded(*ENDING.last().unwrap());
    bare.columns.iter_mut().for_each(ColumnStats::forget_bounds);
    let open = (1_000..).find(|number| !ends_list(&file_cid(*number))).unwrap();
    for first in [0, 200] {
        for lists in 38..=42 {
            let closed = ENDING.iter().skip(first).take(lists).map(|number| bounded(*number));
            let mut parts: Vec<Part> = closed.collect();
            parts.extend([bounded(open), bare.clone()]);
            check_appends(&parts, &[lists + 1, 1]);
        }
    }
}

proptest! {
    // A case encodes and decodes hundreds of parts; more cases would only take longer.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn trees_list_any_parts(parts in proptest::collection::vec(any_part(), 0..60)) {
        let tree = part_tree(&parts).unwrap();
        prop_assert_eq!(listed(&tree), parts);
    }

    #[test]
    fn appended_parts_are_where_they_would_be(
        numbers in proptest::collection::vec(
            prop_oneof![3 => (0..2_500_usize).prop_map(|at| ENDING[at]), 2 => 0..50_000_u64],
            1..300,
        ),
        sizes in proptest::collection::vec(1..60_usize, 1..12),
    ) {
        let parts: Vec<Part> = numbers.into_iter().map(numbered).collect();
        check_appends(&parts, &sizes);
    }

    #[test]
    fn appends_of_any_parts(
        parts in proptest::collection::vec(any_part(), 1..60),
        sizes in proptest::collection::vec(1..9_usize, 1..9),
    ) {
        check_appends(&parts, &sizes);
    }

    #[test]
    fn where_lists_end_is_a_matter_of_the_parts(
        parts in proptest::collection::vec(any_part(), 2..120),
        at: proptest::sample::Index,
    ) {
        // Cut behind any list: the rest is listed as it would be by itself.
        let tree = part_tree(&parts).unwrap();
        prop_assert_eq!(height(&tree), 0);
        let keep = at.index(tree.top.len());
        let parts_before: u64 = tree.top[..keep].iter().map(|link| link.parts).sum();
        let rest = part_tree(&parts[parts_before as usize..]).unwrap();
        prop_assert_eq!(&rest.top[..], &tree.top[keep..]);
    }
}

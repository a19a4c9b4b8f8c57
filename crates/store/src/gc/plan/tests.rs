//! Tests of the choice of packs.

use super::*;

const LIMITS: Limits = Limits { live_share_min_percent: 50, pack_bytes_max: 800 };

fn pack(bytes_live: u64, bytes_total: u64) -> Figures {
    Figures { is_free: true, bytes_live, bytes_total }
}

#[test]
fn packs_with_little_that_is_live_go_and_those_with_least_go_first() {
    let held = Figures { is_free: false, ..pack(0, 500) };
    let packs = [pack(249, 500), pack(250, 500), pack(0, 500), held, pack(10, 500), pack(0, 0)];
    assert_eq!(rounds(&packs, LIMITS), [[2, 5, 4, 0]]);
    let lazy = Limits { live_share_min_percent: 0, ..LIMITS };
    assert_eq!(rounds(&packs, lazy), [[2, 5]]);
    assert_eq!(rounds(&[], LIMITS), [[0; 0]; 0]);
}

#[test]
fn a_round_copies_no_more_than_a_pack_and_holds_no_more_files_than_it_may() {
    let packs = [pack(500, 2000), pack(400, 2000), pack(900, 2000), pack(300, 2000)];
    assert_eq!(rounds(&packs, LIMITS), [vec![3, 1], vec![0], vec![2]]);
    let dead = [pack(0, 9); 300];
    let lens: Vec<usize> = rounds(&dead, LIMITS).iter().map(Vec::len).collect();
    assert_eq!(lens, [128, 128, 44]);
}

#[test]
fn small_packs_are_joined_where_there_are_many() {
    let few = [pack(20, 20); 32];
    assert_eq!(rounds(&few, LIMITS), [[0; 0]; 0]);
    let many = [pack(20, 20); 33];
    assert_eq!(rounds(&many, LIMITS), [(0..33).collect::<Vec<_>>()]);
    // As many as fit into one, the smallest first; large ones stay.
    let mut packs = vec![pack(99, 99); 40];
    packs.push(pack(5, 5));
    packs.push(pack(100, 100));
    assert_eq!(rounds(&packs, LIMITS), [[40, 0, 1, 2, 3, 4, 5, 6, 7]]);
}

//! Tests of places and walks, on chains that are whole, cut, branched or forged.

use std::cell::Cell;
use std::collections::HashMap;

use cidlake_block::Cid;
use proptest::prelude::*;

use super::*;
use crate::samples::{cbor_cid, commit};

/// Commits by address. Addresses are numbers here: nothing in a walk asks what they hash.
#[derive(Default)]
struct Chain {
    commits: HashMap<Cid, Commit>,
    fetched: Cell<usize>,
}

impl Chain {
    /// A chain of so many commits, made every 10 ms, the first at 0.
    fn new(commits: u64) -> Self {
        let mut chain = Self::default();
        (0..commits).for_each(|number| chain.add(number, number.checked_sub(1), 10 * number));
        chain
    }

    fn add(&mut self, number: u64, parent: Option<u64>, now_ms: u64) {
        let place = match parent {
            None => Place::first(now_ms),
            Some(parent) => {
                let (cid, commit) = self.head(parent);
                let before = self.fetched.get();
                let place = Place::after(cid, &commit, now_ms, &mut |cid| self.get(cid));
                assert!(self.fetched.get() - before <= 2);
                place.unwrap()
            }
        };
        let Place { depth, jump, time_ms } = place;
        let parents = parent.map(cbor_cid).into_iter().collect();
        self.commits.insert(cbor_cid(number), Commit { depth, jump, time_ms, parents, ..commit() });
    }

    fn get(&self, cid: &Cid) -> Result<Option<Commit>, HistoryError> {
        self.fetched.set(self.fetched.get() + 1);
        Ok(self.commits.get(cid).cloned())
    }

    fn head(&self, number: u64) -> (Cid, Commit) {
        (cbor_cid(number), self.commits[&cbor_cid(number)].clone())
    }

    fn forge(&mut self, number: u64) -> &mut Commit {
        self.commits.get_mut(&cbor_cid(number)).unwrap()
    }

    fn ancestor(&self, head: u64, depth: u64) -> Result<Walked, HistoryError> {
        ancestor_at(self.head(head), depth, &mut |cid| self.get(cid))
    }

    fn at(&self, head: u64, time_ms: u64, depth_min: u64) -> Result<Walked, HistoryError> {
        newest_at(self.head(head), time_ms, depth_min, &mut |cid| self.get(cid))
    }

    /// How many commits `work` fetches.
    fn fetches(&self, work: impl FnOnce()) -> usize {
        let before = self.fetched.get();
        work();
        self.fetched.get() - before
    }
}

fn found(walked: Result<Walked, HistoryError>) -> Cid {
    match walked.unwrap() {
        Walked::Found(cid, _) => cid,
        other => panic!("{other:?}"),
    }
}

fn ended(walked: Result<Walked, HistoryError>) -> Cid {
    match walked.unwrap() {
        Walked::Ended(cid, _) => cid,
        other => panic!("{other:?}"),
    }
}

#[test]
fn jumps_are_those_of_skew_binary_numbers() {
    let chain = Chain::new(17);
    // A number less the least of the numbers 2^k - 1 that it is put together of, largest first.
    let expected = [0, 1, 0, 3, 4, 3, 0, 7, 8, 7, 10, 11, 10, 7, 0, 15];
    for (depth, jump) in (1_u64..).zip(expected) {
        let commit = &chain.commits[&cbor_cid(depth)];
        assert_eq!((commit.depth, commit.jump), (depth, Some(cbor_cid(jump))), "depth {depth}");
    }
    let first = &chain.commits[&cbor_cid(0)];
    assert_eq!((first.depth, first.jump), (0, None));
}

#[test]
fn a_chain_of_10_000_is_walked_in_few_steps() {
    let chain = Chain::new(10_000);
    let most = |work: &dyn Fn(u64)| {
        (0..10_000).step_by(37).map(|depth| chain.fetches(|| work(depth))).max().unwrap()
    };
    let by_depth = most(&|depth| {
        assert_eq!(found(chain.ancestor(9_999, depth)), cbor_cid(depth));
    });
    let by_time = most(&|depth| {
        assert_eq!(found(chain.at(9_999, 10 * depth + 5, 0)), cbor_cid(depth));
    });
    // Twice the logarithm of jumps, and for each at most one that leaps too far.
    assert!(by_depth <= 60 && by_time <= 60, "{by_depth} and {by_time}");
}

#[test]
fn a_walk_ends_where_it_is_told_to_and_where_history_does() {
    let chain = Chain::new(100);
    let mut late = Chain::default();
    (0..50).for_each(|number| late.add(number, number.checked_sub(1), 1_000 + number));
    // Nothing is as old, or as deep.
    assert_eq!(ended(late.at(49, 999, 0)), cbor_cid(0));
    assert_eq!(ended(chain.ancestor(50, 51)), cbor_cid(50));
    // Not below the depth that is asked for, although something older would do.
    assert_eq!(ended(chain.at(99, 305, 31)), cbor_cid(31));
    assert_eq!(found(chain.at(99, 305, 30)), cbor_cid(30));
    assert_eq!(found(chain.at(99, u64::MAX, 0)), cbor_cid(99));
}

#[test]
fn where_history_is_not_here_is_said() {
    let mut chain = Chain::new(100);
    chain.commits.retain(|_, commit| commit.depth >= 40);
    for depth in 40..100 {
        assert_eq!(found(chain.ancestor(99, depth)), cbor_cid(depth));
    }
    for walked in [chain.ancestor(99, 39), chain.ancestor(99, 0), chain.at(99, 0, 0)] {
        let walked = walked.unwrap();
        assert!(matches!(walked, Walked::Missing(cid, _) if cid == cbor_cid(40)), "{walked:?}");
    }
}

#[test]
fn a_chain_that_goes_on_after_a_cut_has_jumps_again() {
    let mut chain = Chain::new(1_000);
    chain.commits.retain(|_, commit| commit.depth >= 999);
    (1_000..5_000).for_each(|number| chain.add(number, Some(number - 1), 10 * number));
    let walk = |depth| assert_eq!(found(chain.ancestor(4_999, depth)), cbor_cid(depth));
    let fetches = (999..5_000).step_by(13).map(|depth| chain.fetches(|| walk(depth))).max();
    assert!(fetches.unwrap() <= 60, "{fetches:?}");
}

#[test]
fn times_do_not_fall_when_clocks_do() {
    let mut chain = Chain::default();
    for (number, now_ms) in (0..).zip([100, 90, 95, 120, 10]) {
        chain.add(number, number.checked_sub(1), now_ms);
    }
    let times: Vec<u64> = (0..5).map(|number| chain.head(number).1.time_ms).collect();
    assert_eq!(times, [100, 100, 100, 120, 120]);
    assert_eq!(found(chain.at(4, 119, 0)), cbor_cid(2));
}

#[test]
fn a_chain_that_contradicts_itself_is_refused() {
    let refused = |chain: &Chain, wanted: &str| {
        let HistoryError::BadDepth { what, .. } = chain.ancestor(99, 10).unwrap_err();
        assert_eq!(what, wanted);
    };
    for depth in [99, 1_000] {
        let mut chain = Chain::new(100);
        chain.forge(99).jump = Some(cbor_cid(50));
        chain.forge(50).depth = depth;
        refused(&chain, "jump");
        let (cid, commit) = chain.head(99);
        let place: Result<Place, HistoryError> =
            Place::after(cid, &commit, 0, &mut |cid| chain.get(cid));
        assert!(place.is_err());
    }
    let mut chain = Chain::new(100);
    chain.forge(99).jump = Some(cbor_cid(98));
    chain.forge(98).depth = 50;
    refused(&chain, "parent");
    // A circle, which no hash could have.
    let mut chain = Chain::new(100);
    chain.forge(99).jump = Some(cbor_cid(98));
    chain.forge(98).jump = Some(cbor_cid(99));
    chain.forge(98).parents = vec![cbor_cid(99)];
    refused(&chain, "parent");
}

#[test]
fn a_jump_that_skips_the_goal_is_not_taken() {
    // Every commit jumps to the first one, as no rule would have it.
    let mut chain = Chain::new(50);
    (1..50).for_each(|number| chain.forge(number).jump = Some(cbor_cid(0)));
    for depth in 0..50 {
        assert_eq!(found(chain.ancestor(49, depth)), cbor_cid(depth));
        assert_eq!(found(chain.at(49, 10 * depth, 0)), cbor_cid(depth));
    }
}

/// The model: by first parents, one at a time. `None` where one is not here.
fn plain(
    chain: &Chain,
    head: u64,
    depth_min: u64,
    reached: &dyn Fn(&Commit) -> bool,
) -> Option<Walked> {
    let (mut cid, mut commit) = chain.head(head);
    loop {
        if commit.depth >= depth_min && reached(&commit) {
            return Some(Walked::Found(cid, Box::new(commit)));
        }
        if commit.depth <= depth_min {
            return Some(Walked::Ended(cid, Box::new(commit)));
        }
        cid = commit.parents[0];
        commit = chain.commits.get(&cid)?.clone();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_walk_finds_what_first_parents_lead_to(
        // Each commit grows from one of the last three, and some are not here.
        steps in proptest::collection::vec((0..3_u64, 0..9_u64, 0..20_u8), 1..80),
        (depth, time_ms, depth_min) in (0..80_u64, 40..360_u64, 0..20_u64),
    ) {
        let mut chain = Chain::default();
        chain.add(0, None, 50);
        for (number, (back, ms, _)) in (1_u64..).zip(&steps) {
            let parent = (number - 1).saturating_sub(*back);
            chain.add(number, Some(parent), 45 + 3 * number + ms);
        }
        for (number, (_, _, gone)) in (0..).zip(&steps) {
            if *gone == 0 {
                chain.commits.remove(&cbor_cid(number));
            }
        }
        let head = steps.len() as u64;
        // Jumps pass over what is not here; what parents do not lead to may still be found.
        let by_depth = chain.ancestor(head, depth).unwrap();
        if let Some(expected) = plain(&chain, head, depth, &|commit| commit.depth <= depth) {
            prop_assert_eq!(by_depth, expected);
        }
        let by_time = chain.at(head, time_ms, depth_min).unwrap();
        let reached = |commit: &Commit| commit.time_ms <= time_ms;
        if let Some(expected) = plain(&chain, head, depth_min, &reached) {
            prop_assert_eq!(by_time, expected);
        }
    }
}

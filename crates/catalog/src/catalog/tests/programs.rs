//! Random programs: replicas that write and exchange deltas in random orders, checked against
//! models that see the whole delta DAG at once.

use super::*;

const NAMES: [&str; 4] = ["users", "orders", "sales.orders", "x"];
const TAGS: [&str; 2] = ["v1", "v2"];

#[derive(Clone, Debug)]
enum Step {
    Set {
        name: Index,
        commit: u64,
    },
    Unset {
        name: Index,
    },
    Tag {
        name: Index,
        tag: Index,
        commit: u64,
    },
    Untag {
        name: Index,
        tag: Index,
    },
    /// Frees a name and ends its tags.
    Drop {
        name: Index,
    },
    Rename {
        from: Index,
        to: Index,
    },
    /// Writes over a dot that this replica may never have seen, as no honest one does.
    Overreach {
        name: Index,
        dot: Index,
    },
    /// A delta without changes, which joins the heads.
    Join,
    /// Tries to take in deltas of the whole system, in any order, some of them twice.
    Receive {
        deltas: Vec<Index>,
    },
    /// Takes in everything that another replica has seen, as a state.
    Merge {
        from: Index,
    },
}

type Program = Vec<(Index, u64, Step)>;

fn step(honest: bool) -> impl Strategy<Value = Step> {
    let receive = proptest::collection::vec(any::<Index>(), 1..12);
    prop_oneof![
        6 => (any::<Index>(), 0..50_u64).prop_map(|(name, commit)| Step::Set { name, commit }),
        2 => any::<Index>().prop_map(|name| Step::Unset { name }),
        2 => any::<Index>().prop_map(|name| Step::Drop { name }),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Step::Rename { from, to }),
        4 => (any::<Index>(), any::<Index>(), 0..50_u64)
            .prop_map(|(name, tag, commit)| Step::Tag { name, tag, commit }),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(name, tag)| Step::Untag { name, tag }),
        u32::from(!honest) => (any::<Index>(), any::<Index>())
            .prop_map(|(name, dot)| Step::Overreach { name, dot }),
        1 => Just(Step::Join),
        6 => receive.prop_map(|deltas| Step::Receive { deltas }),
        1 => any::<Index>().prop_map(|from| Step::Merge { from }),
    ]
}

/// Who does what, and at what time by their own clock. Clocks jump about, some far ahead.
fn program(honest: bool) -> impl Strategy<Value = Program> {
    let now_ms = prop_oneof![8 => 0..1_000_u64, 1 => Just(3 * CLOCK_AHEAD_MS_MAX)];
    proptest::collection::vec((any::<Index>(), now_ms, step(honest)), 1..40)
}

/// Every replica, and every delta that was ever made.
struct World {
    replicas: Vec<Catalog>,
    log: Vec<SignedDelta>,
}

impl World {
    fn run(replicas: usize, program: &Program) -> Self {
        let mut world = Self { replicas: vec![Catalog::default(); replicas], log: Vec::new() };
        for (who, now_ms, step) in program {
            let who = who.index(replicas);
            world.step(who, *now_ms, step);
            assert_eq!(live(&world.replicas[who]), world.model(&world.replicas[who]));
        }
        world
    }

    fn step(&mut self, who: usize, now_ms: u64, step: &Step) {
        let named = |index: &Index| name(NAMES[index.index(NAMES.len())]);
        let tagged = |index: &Index| tag(TAGS[index.index(TAGS.len())]);
        let catalog = &self.replicas[who];
        let changes = match step {
            Step::Set { name, commit } => vec![catalog.set(&named(name), cbor_cid(*commit))],
            Step::Unset { name } => catalog.unset(&named(name)).into_iter().collect(),
            Step::Tag { name, tag, commit } => {
                vec![catalog.tag(&named(name), &tagged(tag), cbor_cid(*commit))]
            }
            Step::Untag { name, tag } => {
                catalog.untag(&named(name), &tagged(tag)).into_iter().collect()
            }
            Step::Drop { name } => catalog.unset_with_tags(&named(name)),
            Step::Rename { from, to } => catalog.rename_with_tags(&named(from), &named(to)),
            Step::Overreach { name, dot } if !self.log.is_empty() => {
                let over = vec![*self.log[dot.index(self.log.len())].cid()];
                // Now of the name itself, now of a tag.
                let tag = now_ms.is_multiple_of(2).then(|| tagged(name));
                vec![Change::Set { name: named(name), tag, commit: cbor_cid(99), over }]
            }
            Step::Join | Step::Overreach { .. } => Vec::new(),
            Step::Receive { deltas } => return self.receive(who, deltas),
            Step::Merge { from } => {
                let from = self.replicas[from.index(self.replicas.len())].clone();
                return self.replicas[who].merge(&from);
            }
        };
        let author = u8::try_from(who).unwrap();
        let delta = write(&mut self.replicas[who], author, now_ms, changes);
        self.log.push(delta);
    }

    fn receive(&mut self, who: usize, deltas: &[Index]) {
        if self.log.is_empty() {
            return;
        }
        for index in deltas {
            let delta = &self.log[index.index(self.log.len())];
            let catalog = &mut self.replicas[who];
            let before = catalog.clone();
            let missing = before.missing_parents(delta.delta());
            match catalog.apply(delta) {
                Ok(Applied::New) => assert!(missing.is_empty() && !before.contains(delta.cid())),
                Ok(Applied::Known) => assert_same(catalog, &before),
                Err(ApplyError::MissingParents { delta: named, cids }) => {
                    assert_eq!((named, &cids), (*delta.cid(), &missing));
                    assert!(cids.iter().all(|cid| !before.contains(cid)) && !cids.is_empty());
                    assert_same(catalog, &before);
                }
            }
        }
    }

    /// Applies all deltas to a replica in an order that `order` mixes, each at least once.
    fn settle(&self, catalog: &mut Catalog, order: &[Index]) {
        let mut waiting: Vec<&SignedDelta> = self.log.iter().collect();
        for (at, index) in order.iter().enumerate().take(waiting.len()) {
            let other = index.index(waiting.len());
            waiting.swap(at, other);
        }
        while !waiting.is_empty() {
            let count = waiting.len();
            // Some are offered again and again: it must not matter.
            self.log.iter().take(2).for_each(|delta| drop(catalog.apply(delta)));
            waiting.retain(|delta| catalog.apply(delta).is_err());
            assert!(waiting.len() < count, "the deltas are closed under parents");
        }
    }

    /// The first model: what was set, less what any delta that `catalog` has seen supersedes.
    fn model(&self, catalog: &Catalog) -> BTreeMap<(Label, Cid), Cid> {
        let seen = || self.log.iter().filter(|delta| catalog.contains(delta.cid()));
        let mut dots = BTreeMap::new();
        for delta in seen() {
            for change in &delta.delta().changes {
                if let Change::Set { commit, .. } = change {
                    dots.insert((change.label(), *delta.cid()), *commit);
                }
            }
        }
        for change in seen().flat_map(|delta| &delta.delta().changes) {
            for dot in change.over() {
                dots.remove(&(change.label(), *dot));
            }
        }
        dots
    }

    /// Returns every delta that `delta` builds on, directly or not.
    fn ancestors(&self, delta: &SignedDelta) -> BTreeSet<Cid> {
        let mut found = BTreeSet::new();
        let mut waiting = delta.delta().parents.clone();
        while let Some(cid) = waiting.pop() {
            if found.insert(cid) {
                let parent = self.log.iter().find(|delta| *delta.cid() == cid).unwrap();
                waiting.extend(&parent.delta().parents);
            }
        }
        found
    }

    /// The second model, which knows nothing of dots: a set lives until somebody who had seen it
    /// changes the name or tag.
    fn causal_model(&self) -> BTreeMap<(Label, Cid), Cid> {
        let mut dots = BTreeMap::new();
        let ancestors: Vec<BTreeSet<Cid>> =
            self.log.iter().map(|delta| self.ancestors(delta)).collect();
        for delta in &self.log {
            for change in &delta.delta().changes {
                let Change::Set { commit, .. } = change else {
                    continue;
                };
                let label = change.label();
                let ended = self.log.iter().zip(&ancestors).any(|(later, seen)| {
                    seen.contains(delta.cid())
                        && later.delta().changes.iter().any(|change| change.label() == label)
                });
                if !ended {
                    dots.insert((label, *delta.cid()), *commit);
                }
            }
        }
        dots
    }

    /// The applied deltas that nobody has built on.
    fn tips(&self) -> Vec<Cid> {
        let parents: BTreeSet<Cid> =
            self.log.iter().flat_map(|delta| delta.delta().parents.clone()).collect();
        let tips: BTreeSet<Cid> = self
            .log
            .iter()
            .map(|delta| *delta.cid())
            .filter(|cid| !parents.contains(cid))
            .collect();
        tips.into_iter().collect()
    }
}

/// The live dots of a catalog, as the models give them.
fn live(catalog: &Catalog) -> BTreeMap<(Label, Cid), Cid> {
    let dots = catalog.live.iter().flat_map(|(label, dots)| {
        dots.iter().map(move |(dot, value)| ((label.clone(), *dot), value.commit))
    });
    dots.collect()
}

/// Checks that every live value can be seen from outside, and nothing else.
fn check_entries(catalog: &Catalog) {
    let mut shown: BTreeMap<Label, BTreeSet<Cid>> = BTreeMap::new();
    for entry in catalog.datasets().into_iter().chain(catalog.all_tags()) {
        let again = match &entry.tag {
            Some(tag) => catalog.get_tag(&entry.name, tag),
            None => catalog.get(&entry.name),
        };
        assert_eq!(again.as_ref(), Some(&entry));
        let orders: Vec<(Hlc, KeyId, Cid)> = std::iter::once((entry.clock, entry.key, entry.dot))
            .chain(entry.others.iter().map(|other| (other.clock, other.key, other.dot)))
            .collect();
        assert!(orders.is_sorted_by(|before, after| before > after));
        let commits = shown.entry(Label { name: entry.name, tag: entry.tag }).or_default();
        commits.insert(entry.commit);
        assert!(entry.others.iter().all(|other| commits.insert(other.commit)));
    }
    let mut expected: BTreeMap<Label, BTreeSet<Cid>> = BTreeMap::new();
    for ((label, _), commit) in live(catalog) {
        expected.entry(label).or_default().insert(commit);
    }
    assert_eq!(shown, expected);
}

fn merged(one: &Catalog, other: &Catalog) -> Catalog {
    let mut merged = one.clone();
    merged.merge(other);
    merged
}

proptest! {
    // Every case runs dozens of signatures, and in all thousands of deltas are applied.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn replicas_that_saw_the_same_are_the_same(
        replicas in 3..=5_usize,
        program in program(false),
        orders in proptest::collection::vec(proptest::collection::vec(any::<Index>(), 40), 5),
    ) {
        let world = World::run(replicas, &program);
        let mut fresh = Catalog::default();
        for delta in &world.log {
            fresh.apply(delta).unwrap();
        }
        let mut settled = world.replicas.clone();
        for (catalog, order) in settled.iter_mut().zip(&orders) {
            world.settle(catalog, order);
            assert_same(catalog, &fresh);
        }
        prop_assert_eq!(live(&fresh), world.model(&fresh));
        prop_assert_eq!(fresh.heads(), world.tips());
        prop_assert!(fresh.foreseen.is_empty(), "everything foreseen has been seen");
        check_entries(&fresh);
    }

    #[test]
    fn nothing_concurrent_is_lost(replicas in 3..=5_usize, program in program(true)) {
        let world = World::run(replicas, &program);
        let mut all = Catalog::default();
        world.settle(&mut all, &[]);
        prop_assert_eq!(live(&all), world.causal_model());
        check_entries(&all);
        for delta in &world.log {
            let ancestors = world.ancestors(delta);
            let over = delta.delta().changes.iter().flat_map(Change::over);
            prop_assert!(over.into_iter().all(|dot| ancestors.contains(dot)));
        }
    }

    #[test]
    fn merging_is_a_join(program in program(false)) {
        let world = World::run(3, &program);
        let [a, b, c] = &world.replicas[..] else { unreachable!() };
        assert_same(&merged(a, b), &merged(b, a));
        assert_same(&merged(&merged(a, b), c), &merged(a, &merged(b, c)));
        for catalog in [a, b, c] {
            assert_same(&merged(catalog, catalog), catalog);
            assert_same(&merged(catalog, &Catalog::default()), catalog);
            assert_same(&merged(&Catalog::default(), catalog), catalog);
        }
        // Merging states is applying the union of the deltas behind them.
        let mut applied = a.clone();
        for delta in world.log.iter().filter(|delta| b.contains(delta.cid())) {
            applied.apply(delta).unwrap();
        }
        assert_same(&merged(a, b), &applied);
    }

    #[test]
    fn a_catalog_comes_back_from_its_state(program in program(false)) {
        let world = World::run(3, &program);
        for catalog in &world.replicas {
            let state = catalog.to_state().unwrap();
            assert_same(&Catalog::from_state(&state).unwrap(), catalog);
        }
        // It goes on as the one that it was written from.
        let mut back = Catalog::from_state(&world.replicas[0].to_state().unwrap()).unwrap();
        let mut kept = world.replicas[0].clone();
        for catalog in [&mut back, &mut kept] {
            world.settle(catalog, &[]);
        }
        assert_same(&back, &kept);
    }

    #[test]
    fn digests_tell_states_apart(program in program(false)) {
        let world = World::run(3, &program);
        for one in &world.replicas {
            for other in &world.replicas {
                prop_assert_eq!(one == other, one.state_digest() == other.state_digest());
            }
        }
    }
}

//! Multi-pack indexes on a disk in memory: lookups, pages, damage, merging.

use std::collections::BTreeMap;

use cidlake_block::{Cid, Codec, car, cid_of};
use proptest::prelude::*;

use super::*;
use crate::disk::MemDisk;
use crate::pack::PackId;
use crate::pack::format::Seal;

const PATH: &str = "/index";

/// Packs and the places of blocks in them.
type Packs = Vec<(CoveredPack, Vec<Entry>)>;

/// The key that no other number gives.
fn key(number: u32) -> UsualKey {
    UsualKey::of(&cid_of(Codec::Raw, &number.to_le_bytes())).unwrap()
}

fn packs(contents: &[Vec<u32>]) -> Packs {
    let pack = |(at, numbers): (usize, &Vec<u32>)| {
        let entry = |number: &u32| {
            let span = Span { offset: 77 + u64::from(*number) * 10, len: 1 + at };
            Entry { key: key(*number), pack: at as u32, span }
        };
        let entries: Vec<Entry> = numbers.iter().map(entry).collect();
        let covered = CoveredPack {
            id: PackId::from_bytes((at as u128).to_be_bytes()),
            seal: Seal { data_end: 1000, index_len: 10, index_crc: at as u32 },
            entries: entries.len() as u64,
        };
        (covered, entries)
    };
    contents.iter().enumerate().map(pack).collect()
}

fn written(list: &[CoveredPack], sources: Vec<Source<'_>>) -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir(Path::new("/")).unwrap();
    let file = disk.open(Path::new(PATH), OpenMode::CreateNew).unwrap();
    write(file.as_ref(), list, sources, &mut |_| {}).unwrap();
    disk
}

fn index_of(packs: &Packs) -> MemDisk {
    let list: Vec<CoveredPack> = packs.iter().map(|(pack, _)| *pack).collect();
    let entries = packs.iter().flat_map(|(_, entries)| entries.clone()).collect();
    written(&list, vec![Source::of_entries(entries)])
}

fn opened(disk: &MemDisk) -> Midx {
    Midx::open(disk, Path::new(PATH)).unwrap().unwrap()
}

fn found(midx: &Midx, key: &UsualKey) -> Result<Vec<(u32, Span)>, DamagedPage> {
    let mut places = Vec::new();
    midx.lookup(key, |pack, span| places.push((pack, span)))?;
    Ok(places)
}

/// What a lookup should find.
fn expected(packs: &Packs) -> BTreeMap<UsualKey, Vec<(u32, Span)>> {
    let mut places: BTreeMap<UsualKey, Vec<(u32, Span)>> = BTreeMap::new();
    for entry in packs.iter().flat_map(|(_, entries)| entries) {
        places.entry(entry.key).or_default().push((entry.pack, entry.span));
    }
    places
}

#[test]
fn blocks_of_many_pages_are_found_and_others_are_not() {
    let contents: Vec<Vec<u32>> =
        (0..7).map(|pack| (pack * 1000..pack * 1000 + 1200).collect()).collect();
    let packs = packs(&contents);
    let midx = opened(&index_of(&packs));
    assert_eq!((midx.entries(), midx.pages.len()), (8400, 25));
    assert_eq!(midx.verify(), Ok(()));
    for (key, places) in expected(&packs) {
        assert_eq!(found(&midx, &key).unwrap(), places);
    }
    for number in 7200..9000 {
        assert_eq!(found(&midx, &key(number)).unwrap(), []);
    }
    for digest in [[0; 32], [0xff; 32]] {
        assert_eq!(found(&midx, &UsualKey { digest, code: 0x12 }).unwrap(), []);
    }
}

#[test]
fn copies_that_go_on_over_pages_are_all_found() {
    let contents: Vec<Vec<u32>> = (0..4000).map(|pack| vec![7, 10 + pack % 3]).collect();
    let packs = packs(&contents);
    let midx = opened(&index_of(&packs));
    assert_eq!(midx.pages.len(), 24);
    for (key, places) in expected(&packs) {
        assert_eq!(found(&midx, &key).unwrap(), places);
    }
}

#[test]
fn a_changed_byte_is_noticed_before_anything_is_found_in_its_page() {
    let packs = packs(&[(0..30).collect(), (20..50).collect()]);
    let disk = index_of(&packs);
    let content = disk.content(Path::new(PATH)).unwrap();
    for at in 0..content.len() {
        let mut damaged = content.clone();
        damaged[at] ^= 1 << (at % 8);
        disk.set_content(Path::new(PATH), damaged).unwrap();
        if let Some(midx) = Midx::open(&disk, Path::new(PATH)).unwrap() {
            assert!(found(&midx, &key(3)).is_err(), "byte {at}");
            assert!(midx.verify().is_err());
        }
    }
    for len in 0..content.len() {
        disk.set_content(Path::new(PATH), content[..len].to_vec()).unwrap();
        assert!(Midx::open(&disk, Path::new(PATH)).unwrap().is_none(), "{len} bytes");
    }
}

#[test]
fn only_the_pages_that_are_asked_for_are_read() {
    let packs = packs(&[(0..5000).collect()]);
    let midx = opened(&index_of(&packs));
    let is_read =
        |midx: &Midx| midx.pages.iter().filter(|page| page.content.get().is_some()).count();
    assert_eq!(is_read(&midx), 0);
    found(&midx, &key(1)).unwrap();
    assert_eq!(is_read(&midx), 1);
}

#[test]
fn a_pack_with_a_multihash_that_is_not_usual_is_left_to_its_own_index() {
    let sha_512 = {
        let digest = [7; 64];
        let bytes = [[1, 0x55, 0x13, 64].as_slice(), &digest].concat();
        Cid::try_from(bytes).unwrap()
    };
    let usual = cid_of(Codec::Raw, b"usual");
    let seal = Seal { data_end: 1000, index_len: 0, index_crc: 0 };
    let own = |blocks: Vec<(Cid, u64)>| SealedIndex::new(car::Index::build(blocks), &seal);
    assert_eq!(entries_of_pack(&own(vec![(usual, 26), (sha_512, 400)]), 0), None);
    // One that leads behind the data cannot be right.
    assert_eq!(entries_of_pack(&own(vec![(usual, 2000)]), 0), None);
    let entries = entries_of_pack(&own(vec![(usual, 26)]), 3).unwrap();
    let span = Span { offset: 77, len: 923 };
    assert_eq!(entries, [Entry { key: UsualKey::of(&usual).unwrap(), pack: 3, span }]);
}

#[test]
fn an_index_that_lists_other_places_than_a_pack_does_not_pass() {
    let cids: Vec<Cid> = (0..9_u8).map(|number| cid_of(Codec::Raw, &[number])).collect();
    let seal = Seal { data_end: 1000, index_len: 0, index_crc: 0 };
    let blocks = cids.iter().zip((26..).step_by(40)).map(|(cid, offset)| (*cid, offset));
    let own = SealedIndex::new(car::Index::build(blocks), &seal);
    let entries = entries_of_pack(&own, 0).unwrap();
    let index = |entries: Vec<Entry>| {
        let pack =
            CoveredPack { id: PackId::from_bytes([0; 16]), seal, entries: entries.len() as u64 };
        opened(&index_of(&vec![(pack, entries)]))
    };
    assert_eq!(compare(&index(entries.clone()), 0, &own), Ok(()));
    let mut fewer = entries.clone();
    fewer.pop();
    assert!(compare(&index(fewer), 0, &own).is_err());
    for at in 0..entries.len() {
        let mut moved = entries.clone();
        moved[at].span.offset += 1;
        assert!(compare(&index(moved), 0, &own).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn an_index_merged_from_others_has_the_bytes_of_one_made_at_once(
        contents in prop::collection::vec(prop::collection::btree_set(0..3000_u32, 1..900), 1..6),
        parts in prop::collection::vec(0..3_usize, 6),
        drops in any::<u8>(),
    ) {
        let contents: Vec<Vec<u32>> =
            contents.into_iter().map(|numbers| numbers.into_iter().collect()).collect();
        let all = packs(&contents);
        let is_kept = |at: usize| at == 0 || drops >> at & 1 == 0;
        let kept: Packs = {
            let mut kept: Packs = (0..).zip(&all).filter(|(at, _)| is_kept(*at)).map(|(_, pack)| pack.clone()).collect();
            for (number, (_, entries)) in (0..).zip(&mut kept) {
                entries.iter_mut().for_each(|entry| entry.pack = number);
            }
            kept
        };
        let list: Vec<CoveredPack> = kept.iter().map(|(pack, _)| *pack).collect();
        let number = |pack: &CoveredPack| {
            list.binary_search_by_key(&pack.id, |other| other.id).ok().map(|at| at as u32)
        };
        // Part 0 is entries in memory, the others are indexes of their own.
        let part = |part: usize| -> Packs {
            let mut packs: Packs = all.iter().zip(&parts).filter(|(_, of)| **of == part).map(|(pack, _)| pack.clone()).collect();
            for (number, (_, entries)) in (0..).zip(&mut packs) {
                entries.iter_mut().for_each(|entry| entry.pack = number);
            }
            packs
        };
        let old: Vec<Midx> =
            [1, 2].into_iter().map(part).filter(|packs| !packs.is_empty()).map(|packs| opened(&index_of(&packs))).collect();
        let mut new = Vec::new();
        for (pack, entries) in part(0) {
            if let Some(pack) = number(&pack) {
                new.extend(entries.into_iter().map(|entry| Entry { pack, ..entry }));
            }
        }
        let mut sources = vec![Source::of_entries(new)];
        for midx in &old {
            sources.push(Source::of_midx(midx, midx.packs().iter().map(number).collect()));
        }
        let merged = written(&list, sources);
        let at_once = index_of(&kept);
        prop_assert_eq!(merged.content(Path::new(PATH)).unwrap(), at_once.content(Path::new(PATH)).unwrap());
        let midx = opened(&merged);
        prop_assert_eq!(midx.verify(), Ok(()));
        for (key, places) in expected(&kept) {
            prop_assert_eq!(found(&midx, &key).unwrap(), places);
        }
        prop_assert_eq!(found(&midx, &key(5000)).unwrap(), vec![]);
    }
}

//! The bytes of multi-pack indexes spelt out, and the search in a page.

use proptest::prelude::*;

use super::*;

fn entry(key: UsualKey, pack: u32) -> Entry {
    Entry { key, pack, span: Span { offset: 77, len: 100 } }
}

fn head() -> Head {
    let pack = |number: u8, entries| CoveredPack {
        id: PackId::from_bytes([number; 16]),
        seal: Seal { data_end: 0x1234, index_len: 0x56, index_crc: 0x789a_bcde },
        entries,
    };
    let page = |first| PageMark { first, crc: 0x0102_0304 };
    Head { packs: vec![pack(1, 1), pack(2, 341)], pages: vec![page(5), page(6)] }
}

#[test]
fn a_page_has_these_bytes() {
    let mut digest = [0xaa; 32];
    digest[0] = 0x11;
    let span = Span { offset: 0x0807_0605_0403_0201, len: 0x0c_0b0a };
    let entry = Entry { key: UsualKey { digest, code: 0x12 }, pack: 0x0403_0201, span };
    let other = Entry { pack: 0x0403_0202, ..entry };
    let mut expected = [&digest[..8], &digest[..8]].concat();
    for pack in [1, 2] {
        expected.extend([0xaa; 24]);
        expected.extend([pack, 2, 3, 4, 0x12, 0x0a, 0x0b, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
    let bytes = Page::bytes_of(&[entry, other]);
    assert_eq!(bytes, expected);
    assert_eq!(Page::new(&bytes).entries().collect::<Vec<_>>(), [entry, other]);
}

#[test]
fn a_head_has_these_bytes_and_no_others() {
    let bytes = head().to_bytes();
    assert_eq!(bytes[..24], *b"CIDLMIDX\x01\0\0\0\x02\0\0\0\x56\x01\0\0\0\0\0\0");
    assert_eq!(bytes[24..40], [1; 16]);
    assert_eq!(
        bytes[40..68],
        *b"\x34\x12\0\0\0\0\0\0\x56\0\0\0\0\0\0\0\xde\xbc\x9a\x78\x01\0\0\0\0\0\0\0"
    );
    assert_eq!(bytes[68..84], [2; 16]);
    assert_eq!(
        bytes[112..136],
        *b"\0\0\0\0\0\0\0\x05\x04\x03\x02\x01\0\0\0\0\0\0\0\x06\x04\x03\x02\x01"
    );
    assert_eq!(bytes.len(), 140);
    assert_eq!(Counts::parse(&bytes).unwrap().entries_offset(), Some(140));
    assert_eq!(Head::parse(&bytes), Some(head()));
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        assert_eq!(Head::parse(&other), None, "byte {at}");
        assert_eq!(Head::parse(&bytes[..at]), None);
    }
}

#[test]
fn a_head_that_contradicts_itself_is_refused() {
    let cases: [fn(&mut Vec<u8>); 7] = [
        |_| {},
        // The number of packs, the number of entries.
        |bytes| bytes[12] = 1,
        |bytes| bytes[16] -= 1,
        // The packs do not rise; data ends before it begins; too many entries of one pack.
        |bytes| bytes[24] = 3,
        |bytes| bytes[41] = 0,
        |bytes| bytes[60..68].fill(0xff),
        // The pages do not rise.
        |bytes| bytes[119] = 7,
    ];
    for (number, change) in cases.into_iter().enumerate() {
        let mut bytes = head().to_bytes();
        change(&mut bytes);
        let end = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Head::parse(&bytes).is_some(), number == 0, "case {number}");
    }
}

#[test]
fn counts_that_no_file_can_have_are_no_overflow() {
    let counts = Counts { packs: u32::MAX, entries: u64::MAX };
    assert_eq!(counts.file_bytes(), None);
}

#[test]
fn names_follow_from_the_packs() {
    let packs = head().packs;
    let name = file_name(&packs);
    assert!(is_file_name(&name));
    assert_ne!(file_name(&packs[..1]), name);
    for other in ["0.midx", "index.lock", &name.replace(".midx", ".car"), &format!("{name}.tmp")] {
        assert!(!is_file_name(other), "{other}");
    }
}

#[test]
fn only_usual_multihashes_are_keys() {
    assert!(UsualKey::new(0x12, &[0; 32]).is_some());
    assert!(UsualKey::new(0x1e, &[0; 32]).is_some());
    assert!(UsualKey::new(0x80, &[0; 32]).is_none());
    assert!(UsualKey::new(0x12, &[0; 20]).is_none());
}

#[test]
fn places_are_expected_in_proportion() {
    for (number, first, last, count, expected) in [
        (0, 0, u64::MAX, 100, 0),
        (u64::MAX / 4, 0, u64::MAX, 100, 24),
        (u64::MAX, 0, u64::MAX, 100, 100),
        (5, 10, 20, 7, 0),
        (u64::MAX, 10, 20, 7, 7),
        (3 << 50, 1 << 50, 5 << 50, 8, 4),
    ] {
        assert_eq!(expected_place(number, first, last, count), expected, "{number}");
    }
}

proptest! {
    #[test]
    fn a_search_finds_a_key_wherever_it_begins(
        mut digests in prop::collection::vec((any::<u16>(), 0..3_u8), 0..300),
        wanted in (any::<u16>(), 0..4_u8),
        around in 0..400_usize,
    ) {
        digests.sort_unstable();
        let key = |(digest, code): (u16, u8)| {
            let mut bytes = [0; 32];
            // Digests that differ at their ends alone are sorted, too.
            bytes[usize::from(digest % 2) * 30..][..2].copy_from_slice(&digest.to_be_bytes());
            UsualKey { digest: bytes, code }
        };
        let mut keys: Vec<UsualKey> = digests.into_iter().map(key).collect();
        keys.sort_unstable();
        let entries: Vec<Entry> = (0..).zip(&keys).map(|(at, key)| entry(*key, at)).collect();
        let bytes = Page::bytes_of(&entries);
        for wanted in keys.iter().chain([&key(wanted)]) {
            let expected: Vec<Entry> =
                entries.iter().filter(|entry| entry.key == *wanted).copied().collect();
            let found: Vec<Entry> = Page::new(&bytes).find(wanted, around).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

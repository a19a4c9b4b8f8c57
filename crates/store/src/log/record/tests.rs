//! Tests of the record format: its bytes, and what is made of others.

use cidlake_block::parse_cid;
use proptest::prelude::*;

use super::*;
use crate::disk::{Disk, DiskFile, MemDisk, OpenMode};

const CID: &str = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

fn file_of(bytes: &[u8]) -> Box<dyn DiskFile> {
    let disk = MemDisk::new();
    disk.create_dir("/".as_ref()).unwrap();
    let file = disk.open("/file".as_ref(), OpenMode::CreateNew).unwrap();
    file.write_at(0, bytes).unwrap();
    file
}

fn read(bytes: &[u8], epoch: u64) -> Found {
    let file = file_of(bytes);
    let mut window = Window::new(file.as_ref(), 64);
    RawRecord::read(&mut window, 0, epoch).unwrap()
}

fn sample() -> (Body, Extent) {
    let cid = parse_cid(CID).unwrap();
    let pack = PackId::parse("000102030405060708090a0b0c0d0e0f").unwrap();
    let body = Body::Payload(Payload::Pin { cid, name: Some("n".to_owned()) });
    (body, Extent { pack, len: 1000, prefix_crc: 7 })
}

#[test]
fn a_record_has_these_bytes() {
    let (body, extent) = sample();
    let draft = Draft::new(&body, &[extent], true).unwrap();
    let record = RawRecord::place(draft, 5, 9, 0xa1b2_c3d4, 3);
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    let cid = parse_cid(CID).unwrap().to_bytes();
    let payload = [
        b"\xa2\x64body\xa2\x63cid\xd8\x2a\x58\x25\x00".as_slice(),
        &cid,
        b"\x64name\x61n\x67extents\x81\x83\x78\x20000102030405060708090a0b0c0d0e0f\x19\x03\xe8\x07",
    ]
    .concat();
    let len = u32::try_from(payload.len()).unwrap();
    let header = [
        b"CDLR".as_slice(),
        &len.to_le_bytes(),
        &5_u64.to_le_bytes(),
        &9_u64.to_le_bytes(),
        &[2, 0, 1, 0],
        &[0xd4, 0xc3, 0xb2, 0xa1],
        &[3, 0, 0, 0],
    ]
    .concat();
    let chain = crc32c::crc32c(&[header.clone(), payload.clone()].concat());
    let mut expected = [header, chain.to_le_bytes().to_vec(), payload].concat();
    expected.resize(expected.len().next_multiple_of(8), 0);
    assert_eq!(bytes, expected);
    assert_eq!(record.size(), bytes.len() as u64);
    let Found::Record(found) = read(&bytes, 9) else { panic!("no record") };
    assert_eq!(found, record);
    assert_eq!(found.decode().unwrap(), (body, vec![extent]));
}

#[test]
fn every_kind_comes_back() {
    let cid = parse_cid(CID).unwrap();
    let kinds = [
        (0, Body::Nothing),
        (1, Body::Payload(Payload::Delta { delta: cid })),
        (2, Body::Payload(Payload::Pin { cid, name: None })),
        (3, Body::Payload(Payload::Unpin { cid })),
        (4, Body::Retire(vec![sample().1.pack])),
        (5, Body::Payload(Payload::Expire { name: "main.people".to_owned(), oldest: cid })),
    ];
    for (kind, body) in kinds {
        let record = RawRecord::place(Draft::new(&body, &[], false).unwrap(), 1, 1, 0, 0);
        assert_eq!(record.kind, kind);
        assert_eq!(record.decode().unwrap(), (body, vec![]));
    }
}

#[test]
fn known_shapes_are_written_as_the_general_encoder_writes_them() {
    let cids = [CID, "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", "bafkqaaa"];
    let (_, extent) = sample();
    let numbers = [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX];
    let mut extents = vec![vec![], vec![extent; 30]];
    extents.push(numbers.map(|len| Extent { len, ..extent }).to_vec());
    for cid in cids.map(|cid| parse_cid(cid).unwrap()) {
        let names = [0, 1, 23, 24, 255, 256, 65_535, 65_536].map(|len| Some("é".repeat(len)));
        let names = names.into_iter().chain([None, Some("a".repeat(255))]);
        let pins = names.map(|name| Body::Payload(Payload::Pin { cid, name }));
        let others = [
            Body::Nothing,
            Body::Payload(Payload::Delta { delta: cid }),
            Body::Payload(Payload::Unpin { cid }),
        ];
        for body in pins.chain(others) {
            for extents in &extents {
                let draft = Draft::new(&body, extents, false).unwrap();
                assert_eq!(draft.payload, encode_any(&body, extents).unwrap());
            }
        }
    }
}

#[test]
fn what_is_not_understood_is_said() {
    let (body, _) = sample();
    let draft = Draft::new(&body, &[], false).unwrap();
    let unknown = RawRecord { kind: 900, ..RawRecord::place(draft.clone(), 1, 1, 0, 0) };
    assert!(matches!(unknown.decode(), Err(Undecoded::Kind(900))));
    let other = RawRecord { kind: 1, ..RawRecord::place(draft, 1, 1, 0, 0) };
    assert!(matches!(other.decode(), Err(Undecoded::Payload(_))));
}

#[test]
fn unknown_flags_are_a_newer_program_s_only_where_the_checksum_says_so() {
    let (body, _) = sample();
    let draft = Draft::new(&body, &[], false).unwrap();
    let mut record = RawRecord::place(draft, 5, 9, 1, 0);
    record.flags = 0x8001;
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    assert!(matches!(read(&bytes, 9), Found::Bad(_)));
    record.chain = record.computed_chain();
    bytes.clear();
    record.write(&mut bytes);
    let Found::Record(found) = read(&bytes, 9) else { panic!("no record") };
    assert!(matches!(found.decode(), Err(Undecoded::Flags(0x8001))));
}

#[test]
fn any_other_byte_is_noticed() {
    let (body, extent) = sample();
    let record = RawRecord::place(Draft::new(&body, &[extent], false).unwrap(), 5, 9, 1, 0);
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(matches!(read(&damaged, 9), Found::Bad(_)), "bit {bit} of byte {at}");
        }
        let is_empty = at == 0;
        assert_eq!(matches!(read(&bytes[..at], 9), Found::Nothing), is_empty);
    }
    assert!(matches!(read(&bytes, 8), Found::Bad(_)));
    assert!(matches!(read(&[0; 100], 9), Found::Nothing));
    assert!(matches!(read(&[0; 3], 9), Found::Nothing));
}

proptest! {
    #[test]
    fn foreign_bytes_are_never_taken_for_a_record(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let with_magic = [b"CDLR".as_slice(), &bytes].concat();
        prop_assert!(!matches!(read(&with_magic, 1), Found::Record(_)));
        prop_assert!(!matches!(read(&bytes, 1), Found::Record(_)));
    }
}

//! Tests of the pack format: its bytes.

use cidlake_block::{car, parse_cid};

use super::*;

#[test]
fn an_open_pack_begins_with_these_bytes() {
    let head = head(None);
    let expected = [
        b"\x0a\xa1\x67version\x02".as_slice(),
        &[0; 16],
        &[51, 0, 0, 0, 0, 0, 0, 0],
        &[0; 16],
        b"\x19\xa2\x65roots\x81\xd8\x2a\x45\x00\x01\x55\x00\x00\x67version\x01",
    ];
    assert_eq!(head, expected.concat());
    assert_eq!(head.len() as u64, SECTIONS_OFFSET);
    assert_eq!(data_end_in_head(&head), None);
}

#[test]
fn the_root_is_the_empty_identity_block() {
    assert_eq!(car::header_v1(&[parse_cid("bafkqaaa").unwrap()]).as_ref(), HEADER_V1);
}

#[test]
fn a_seal_has_these_bytes_and_no_others() {
    let seal = Seal { data_end: 1000, index_len: 0x0102, index_crc: 0xa1b2_c3d4 };
    let bytes = seal.to_bytes();
    assert_eq!(bytes[..20], *b"CIDLSEAL\x02\x01\0\0\0\0\0\0\xd4\xc3\xb2\xa1");
    assert_eq!(bytes[20..], crc32c::crc32c(&bytes[..20]).to_le_bytes());
    assert_eq!(Seal::parse(&bytes, 1000), Some(seal));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(Seal::parse(&damaged, 1000), None);
        assert_eq!(Seal::parse(&bytes[..at], 1000), None);
    }
    let head = head(Some(&seal));
    assert_eq!(head[11..27], HeaderV2::FULLY_INDEXED);
    assert_eq!(head[27..51], [51_u64, 949, 1024].map(u64::to_le_bytes).concat());
    assert_eq!(data_end_in_head(&head), Some(1000));
}

#[test]
fn no_section_begins_like_a_seal() {
    let seal = Seal { data_end: 0, index_len: 0, index_crc: 0 }.to_bytes();
    assert!(car::parse_section_prefix(&seal).is_err());
}

#[test]
fn names_are_thirty_two_hex_digits() {
    let first = PackId::derive([0xff; 16], 0);
    assert_eq!(first.file_name(), format!("{}.car", "f".repeat(32)));
    assert_eq!(PackId::derive([0xff; 16], 1).to_string(), "0".repeat(32));
    assert_eq!(PackId::parse_file_name(&first.file_name()), Some(first));
    let long = "0".repeat(33);
    let upper = "A".repeat(32);
    let signed = format!("+{}", "0".repeat(31));
    for bad in ["", "00", &long, &upper, &signed] {
        assert_eq!(PackId::parse(bad), None, "{bad}");
    }
    assert_eq!(PackId::parse_file_name(&"0".repeat(32)), None);
}

//! Tests of the segment format: its bytes.

use super::*;

#[test]
fn a_header_has_these_bytes_and_no_others() {
    let name = SegmentName { first_lsn: 0x0102, epoch: 0x0304 };
    let header = SegmentHeader::new(name, 0xa1b2_c3d4);
    let bytes = header.to_bytes();
    assert_eq!(bytes.len(), HEADER_BYTES);
    let expected = [
        b"CIDLWAL\x01\x01\0\0\0\0\0\0\0".as_slice(),
        b"\x04\x03\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\xd4\xc3\xb2\xa1",
        &[0; 24],
    ];
    assert_eq!(bytes[..60], expected.concat());
    assert_eq!(bytes[60..], crc32c::crc32c(&bytes[..60]).to_le_bytes());
    assert_eq!(SegmentHeader::parse(&bytes, name), Ok(header));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(SegmentHeader::parse(&damaged, name).is_err());
        assert!(SegmentHeader::parse(&bytes[..at], name).is_err());
    }
    let other = SegmentName { first_lsn: 1, ..name };
    assert_eq!(SegmentHeader::parse(&bytes, other), Err("the segment has another's name"));
}

#[test]
fn names_are_read_as_they_are_written_and_in_no_other_form() {
    let name = SegmentName { first_lsn: 17, epoch: 0x2a };
    assert_eq!(name.to_string(), "00000000000000000017-0000002a.wal");
    assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
    let wide = SegmentName { first_lsn: u64::MAX, epoch: u64::MAX };
    assert_eq!(SegmentName::parse(&wide.to_string()), Some(wide));
    for bad in [
        "lock",
        "00000000000000000017-0000002a",
        "17-2a.wal",
        "00000000000000000017-0000002A.wal",
        "+0000000000000000017-0000002a.wal",
        "00000000000000000017-0000002a.wal.tmp",
    ] {
        assert_eq!(SegmentName::parse(bad), None, "{bad}");
    }
}

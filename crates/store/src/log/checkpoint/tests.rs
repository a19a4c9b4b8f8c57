//! Tests of the checkpoint format: its bytes, and what is made of others.

use super::*;

fn sample() -> Checkpoint {
    let pack = PackId::parse("000102030405060708090a0b0c0d0e0f").unwrap();
    Checkpoint {
        position: Position {
            segment: Some(SegmentName { first_lsn: 3, epoch: 2 }),
            carried: 4,
            record: 64,
            offset: 200,
            last: 9,
            chain: 5,
            digest: 6,
        },
        visible: Lsn(8),
        records: 7,
        extents: vec![Extent { pack, len: 1000, prefix_crc: 1 }],
        retired: vec![Retirement { pack, lsn: 7 }],
        operations: Operations::default(),
        state: Bytes::from_static(b"state"),
    }
}

/// The bytes of the queue of the sample.
const QUEUE: &[u8] = b"\x82\x00\x80";

fn bytes(checkpoint: &Checkpoint) -> Vec<u8> {
    [checkpoint.head().unwrap(), checkpoint.state.to_vec()].concat()
}

#[test]
fn a_checkpoint_has_these_bytes() {
    let own = [
        b"\xac\x64last\x09\x65chain\x05\x65epoch\x02\x65first\x03".as_slice(),
        b"\x66digest\x06\x66offset\x18\xc8\x66record\x18\x40\x67carried\x04",
        b"\x67extents\x81\x83\x78\x20000102030405060708090a0b0c0d0e0f\x19\x03\xe8\x01",
        b"\x67records\x07\x67retired\x81\x82\x78\x20000102030405060708090a0b0c0d0e0f\x07",
        b"\x67visible\x08",
    ]
    .concat();
    let header = [
        b"CIDLCKP\x02".as_slice(),
        &u64::try_from(own.len()).unwrap().to_le_bytes(),
        &3_u64.to_le_bytes(),
        &5_u64.to_le_bytes(),
    ]
    .concat();
    let crc = crc32c::crc32c(&[header.as_slice(), &own, QUEUE, b"state"].concat());
    let expected = [header.as_slice(), &crc.to_le_bytes(), &own, QUEUE, b"state"].concat();
    assert_eq!(bytes(&sample()), expected);
    assert_eq!(Checkpoint::parse(&expected.into()), Some(sample()));
    // As version 1 had it, without a queue.
    let header = [b"CIDLCKP\x01", &header[8..16], &header[24..]].concat();
    let crc = crc32c::crc32c(&[header.as_slice(), &own, b"state"].concat());
    let older = [header.as_slice(), &crc.to_le_bytes(), &own, b"state"].concat();
    assert_eq!(Checkpoint::parse(&older.into()), Some(sample()));
}

#[test]
fn any_other_bytes_are_no_checkpoint() {
    let good = bytes(&sample());
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 1 << (at % 8);
        assert_eq!(Checkpoint::parse(&damaged.into()), None, "byte {at}");
        assert_eq!(Checkpoint::parse(&good[..at].to_vec().into()), None);
    }
    assert_eq!(Checkpoint::parse(&[good, vec![0]].concat().into()), None);
}

#[test]
fn names_are_read_as_they_are_written_and_in_no_other_form() {
    let name = CheckpointName(17);
    assert_eq!(name.file_name(), "00000000000000000017.checkpoint");
    assert_eq!(CheckpointName::parse(&name.file_name()), Some(name));
    assert_eq!(CheckpointName::parse_draft(&name.draft("0a")), Some(name));
    for other in ["17.checkpoint", "+0000000000000000017.checkpoint", "lock", &name.draft("0a")] {
        assert_eq!(CheckpointName::parse(other), None, "{other}");
    }
    for other in [name.file_name().as_str(), "00000000000000000017.checkpoint.tmp", "a.b.tmp"] {
        assert_eq!(CheckpointName::parse_draft(other), None, "{other}");
    }
}

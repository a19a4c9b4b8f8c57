//! Tests of records on their way: they become the bytes that records by themselves have.

use cidlake_block::{Codec, cid_of};

use super::*;
use crate::log::Payload;
use crate::log::record::{Draft, RawRecord};
use crate::log::segment::{SegmentHeader, SegmentName};
use crate::pack::PackId;

const NAME: SegmentName = SegmentName { first_lsn: 4, epoch: 9 };

fn start() -> Position {
    Position::begin(NAME, SegmentHeader::new(NAME, 0xa1b2_c3d4))
}

fn bodies() -> Vec<Body> {
    let cid = cid_of(Codec::Raw, b"some");
    let name = |len| Some("n".repeat(len));
    let mut bodies: Vec<Body> =
        (0..20).map(|len| Body::Payload(Payload::Pin { cid, name: name(len) })).collect();
    bodies.push(Body::Payload(Payload::Delta { delta: cid }));
    bodies.push(Body::Payload(Payload::Expire { name: "main.people".to_owned(), oldest: cid }));
    bodies.push(Body::Payload(Payload::Unpin { cid }));
    bodies
}

fn extents() -> Vec<Extent> {
    let pack = PackId::parse("000102030405060708090a0b0c0d0e0f").unwrap();
    vec![Extent { pack, len: 1000, prefix_crc: 7 }]
}

/// What the records of one write are when each is made by itself.
fn one_by_one(bodies: &[Body], extents: &[Extent], ends: &[usize]) -> (Vec<u8>, Position) {
    let mut bytes = Vec::new();
    let mut end = start();
    for (at, body) in bodies.iter().enumerate() {
        let extents = if at == 0 { extents } else { &[] };
        let draft = Draft::new(body, extents, !ends.contains(&(at + 1))).unwrap();
        let ordinal = u32::try_from(at).unwrap();
        let record = RawRecord::place(draft, end.last + 1, NAME.epoch, end.chain, ordinal);
        record.write(&mut bytes);
        end.advance(&record);
    }
    (bytes, end)
}

#[test]
fn a_commit_becomes_the_bytes_of_its_records() {
    let bodies = bodies();
    let drafts = Drafts::of_commit(&bodies).unwrap();
    let size = drafts.size();
    let placed = drafts.place(NAME, start());
    assert_eq!(placed, one_by_one(&bodies, &[], &[bodies.len()]));
    assert_eq!(placed.0.len() as u64, size);
}

#[test]
fn several_commits_are_one_write_whose_first_record_announces() {
    let bodies = bodies();
    for cut in [0, 1, 5, bodies.len()] {
        let (some, others) = bodies.split_at(cut);
        let mut drafts = Drafts::of_commit(some).unwrap();
        drafts.append(Drafts::of_commit(others).unwrap());
        let drafts = drafts.announcing(&bodies[0], &extents()).unwrap();
        let ends = [cut, bodies.len()];
        assert_eq!(drafts.place(NAME, start()), one_by_one(&bodies, &extents(), &ends));
    }
}

#[test]
fn the_room_is_enough_for_usual_records() {
    for body in &bodies() {
        let drafts = Drafts::of_one(body, &[]).unwrap();
        assert!(HEADER_BYTES + room(body) >= drafts.bytes.len(), "{body:?}");
    }
}

#[test]
fn nothing_stays_nothing() {
    let drafts = Drafts::of_commit(&[]).unwrap().announcing(&Body::Nothing, &extents()).unwrap();
    assert!(drafts.is_empty());
    assert_eq!(drafts.place(NAME, start()), (Vec::new(), start()));
}

#[test]
fn what_is_too_large_is_refused() {
    let cid = cid_of(Codec::Raw, b"some");
    let pin = |len| Body::Payload(Payload::Pin { cid, name: Some("n".repeat(len)) });
    assert!(Drafts::of_commit(&[pin(BODY_BYTES_MAX - 100)]).is_ok());
    let refused = Drafts::of_commit(&[pin(1), pin(BODY_BYTES_MAX)]);
    assert!(matches!(refused, Err(StoreError::RecordTooLarge { .. })));
}

//! Values for the tests of several modules, and the checks that every kind of block must pass.

use std::collections::BTreeMap;

use bytes::Bytes;
use cidlake_block::{Block, Cid, Codec, cid_of};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{
    Change, Column, ColumnStats, Commit, Delta, Hlc, Key, Name, Part, PartListLink, Scalar, Tag,
};

/// The address of some commit or delta.
pub(crate) fn cbor_cid(number: u64) -> Cid {
    cid_of(Codec::DagCbor, &number.to_le_bytes())
}

/// The address of some file.
pub(crate) fn file_cid(number: u64) -> Cid {
    cid_of(Codec::Raw, &number.to_le_bytes())
}

pub(crate) fn key(number: u8) -> Key {
    Key::from_seed([number; 32])
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

/// The change that sets a name, or a tag of it, to a numbered commit.
pub(crate) fn change(text: &str, word: Option<&str>, commit: u64, over: Vec<Cid>) -> Change {
    Change::Set { name: name(text), tag: word.map(tag), commit: cbor_cid(commit), over }
}

/// The change that ends what a name, or a tag of it, means.
pub(crate) fn unset(text: &str, word: Option<&str>, over: Vec<Cid>) -> Change {
    Change::Unset { name: name(text), tag: word.map(tag), over }
}

pub(crate) fn sorted<const N: usize>(numbers: [u64; N]) -> Vec<Cid> {
    let mut cids: Vec<Cid> = numbers.into_iter().map(cbor_cid).collect();
    cids.sort_unstable();
    cids
}

/// A delta with something in every field; it renames `draft` to `sales.orders`, with a tag, and
/// sets `users`.
pub(crate) fn delta() -> Delta {
    Delta {
        parents: sorted([1, 2]),
        clock: Hlc { wall_ms: 1_769_860_800_000, counter: 3 },
        key: key(7).id(),
        changes: vec![
            unset("draft", None, sorted([1])),
            unset("draft", Some("v1"), sorted([2])),
            change("users", None, 10, Vec::new()),
            change("sales.orders", None, 11, sorted([3, 4])),
            change("sales.orders", Some("v1"), 12, Vec::new()),
        ],
    }
}

/// A commit with something in every field.
pub(crate) fn commit() -> Commit {
    let column = |name: &str, kind: &str| Column { name: name.to_owned(), kind: kind.to_owned() };
    let link = |number, parts, rows| PartListLink {
        cid: cbor_cid(number),
        height: 1,
        parts,
        rows,
        bytes: 16 * rows,
        columns: vec![
            ColumnStats {
                nulls: 0,
                bytes: 8 * rows,
                min: Some(Scalar::Int(1)),
                max: Some(Scalar::Int(2 * number as i64)),
                exact: true,
            },
            ColumnStats { nulls: rows, bytes: 9, min: None, max: None, exact: true },
        ],
    };
    Commit {
        content: cid_of(Codec::DagPb, b"a folder of parts"),
        profile: "parquet-0".to_owned(),
        rows: 1_500_000,
        bytes: 48_000_123,
        schema: Bytes::from_static(b"\xff\xff\xff\xff\x10\0\0\0"),
        columns: vec![column("id", "Int64"), column("größe", "Decimal128(38, 2)")],
        parts: vec![link(20, 2, 1_000_000), link(21, 1, 500_000)],
        cut_columns: vec!["id".to_owned()],
        key_columns: vec!["id".to_owned()],
        partition_columns: vec!["day".to_owned()],
        rows_hash: Some(Bytes::from_static(&[0xbb; 16])),
        logical_hash: Some(Bytes::from_static(&[0xaa; 32])),
        metadata: BTreeMap::from([
            ("source".to_owned(), "orders.csv".to_owned()),
            ("by".to_owned(), "Zoë".to_owned()),
        ]),
        operation: "append".to_owned(),
        parents: vec![cbor_cid(30)],
        depth: 7,
        jump: Some(cbor_cid(31)),
        author: key(7).id().to_string(),
        time_ms: 1_769_860_800_000,
        message: Some("January".to_owned()),
    }
}

/// A part with one statistic of every kind.
pub(crate) fn part() -> Part {
    let pairs = [
        (Scalar::Bool(false), Scalar::Bool(true)),
        (Scalar::Int(i64::MIN), Scalar::Int(-1)),
        (Scalar::UInt(0), Scalar::UInt(u64::MAX)),
        (Scalar::Float(-1.5), Scalar::Float(f64::MAX)),
        (Scalar::Text(String::new()), Scalar::Text("größe".to_owned())),
        (Scalar::Bytes(Bytes::new()), Scalar::Bytes(Bytes::from_static(b"\0\xff"))),
        (Scalar::Wide(vec![0x80; 16].into()), Scalar::Wide(vec![0x7f; 32].into())),
    ];
    let exact = ColumnStats { nulls: 2, bytes: 4_096, min: None, max: None, exact: false };
    let with =
        |(min, max)| ColumnStats { min: Some(min), max: Some(max), exact: true, ..exact.clone() };
    let mut columns: Vec<ColumnStats> = pairs.into_iter().map(with).collect();
    columns.push(exact);
    Part {
        cid: file_cid(40),
        rows: 1_000_000,
        bytes: 16_000_000,
        tsize: 16_000_900,
        partition: vec![Some("2026-01-31".to_owned()), None, Some(String::new())],
        columns,
        rows_hash: Some(Bytes::from_static(b"sixteen bytes \0\xff")),
    }
}

/// Damage to the bytes of a block.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Cut(Index),
    Flip(Index, u8),
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
}

pub(crate) fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        1 => any::<Index>().prop_map(Damage::Cut),
        6 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        2 => any::<Index>().prop_map(Damage::Remove),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ];
    proptest::collection::vec(one, 1..4)
}

/// Returns a block with damaged bytes, under the address that these bytes have.
pub(crate) fn damaged(block: &Block, damage: &[Damage]) -> Block {
    let mut bytes = block.data().to_vec();
    for step in damage {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        match step {
            Damage::Cut(at) => bytes.truncate(at.index(len)),
            Damage::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Damage::Replace(at, byte) => bytes[at.index(len)] = *byte,
            Damage::Insert(at, byte) => bytes.insert(at.index(len), *byte),
            Damage::Remove(at) => drop(bytes.remove(at.index(len))),
            Damage::Repeat(from, to) => {
                let tail = bytes[from.index(len)..].to_vec();
                bytes.splice(to.index(len).., tail);
            }
        }
    }
    Block::new(Codec::DagCbor, bytes.into())
}

/// Returns the block with `from`, which must occur in it once, replaced.
pub(crate) fn replaced(block: &Block, from: &[u8], to: &[u8]) -> Block {
    let bytes = block.data();
    let places: Vec<usize> =
        (0..=bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    let [place] = places[..] else { panic!("{from:x?} occurs {} times", places.len()) };
    let after = &bytes[place + from.len()..];
    Block::new(Codec::DagCbor, [&bytes[..place], to, after].concat().into())
}

/// Reads a file of `fixtures/catalog`; where `CIDLAKE_BLESS` is set it is first written as `made`,
/// which is how a new version of the format gets its fixture.
pub(crate) fn golden(file: &str, made: &Block) -> Block {
    if std::env::var_os("CIDLAKE_BLESS").is_some() {
        std::fs::write(format!("{FIXTURES}{file}"), made.data()).unwrap();
    }
    fixture(file)
}

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/catalog/");

/// Reads a file of `fixtures/catalog`.
pub(crate) fn fixture(file: &str) -> Block {
    let folder = FIXTURES;
    let bytes = std::fs::read(format!("{folder}{file}")).unwrap();
    Block::new(Codec::DagCbor, bytes.into())
}

//! Tests of scalars: comparing them.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

fn wide(number: i128, bytes: usize) -> Scalar {
    let narrow = number.to_be_bytes();
    let sign = if number < 0 { 0xff } else { 0 };
    Scalar::Wide([vec![sign; bytes - 16], narrow.to_vec()].concat().into())
}

#[test]
fn values_of_one_kind_compare_by_their_order() {
    let text = |text: &str| Scalar::Text(text.to_owned());
    let bytes = |bytes: &'static [u8]| Scalar::Bytes(Bytes::from_static(bytes));
    let ascending = [
        vec![Scalar::Bool(false), Scalar::Bool(true)],
        vec![Scalar::Int(i64::MIN), Scalar::Int(-1), Scalar::Int(0), Scalar::Int(i64::MAX)],
        vec![Scalar::UInt(0), Scalar::UInt(1 << 63), Scalar::UInt(u64::MAX)],
        vec![Scalar::Float(f64::MIN), Scalar::Float(-0.5), Scalar::Float(f64::MIN_POSITIVE)],
        // By bytes, not as people sort.
        vec![text(""), text("Z"), text("a"), text("aa"), text("größe"), text("\u{10000}")],
        vec![bytes(b""), bytes(b"\0"), bytes(b"\0\0"), bytes(b"\x7f"), bytes(b"\x80")],
        vec![wide(i128::MIN, 16), wide(-2, 32), wide(-1, 16), wide(0, 32), wide(i128::MAX, 16)],
    ];
    for (kind, values) in ascending.iter().enumerate() {
        for (at, one) in values.iter().enumerate() {
            for (other_at, other) in values.iter().enumerate() {
                assert_eq!(one.compare(other), Some(at.cmp(&other_at)), "{one:?} and {other:?}");
            }
            let others = ascending.iter().enumerate().filter(|(other, _)| *other != kind);
            for other in others.flat_map(|(_, values)| values) {
                assert_eq!(one.compare(other), None, "{one:?} and {other:?}");
            }
        }
    }
    assert_eq!(Scalar::Float(-0.0).compare(&Scalar::Float(0.0)), Some(Ordering::Equal));
    assert_eq!(wide(-7, 16).compare(&wide(-7, 32)), Some(Ordering::Equal));
}

proptest! {
    #[test]
    fn wide_integers_compare_as_numbers(one: i128, other: i128, wider: (bool, bool)) {
        let width = |wider| if wider { 32 } else { 16 };
        let compared = wide(one, width(wider.0)).compare(&wide(other, width(wider.1)));
        prop_assert_eq!(compared, Some(one.cmp(&other)));
    }
}

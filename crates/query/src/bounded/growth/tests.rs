//! Tests of how much functions are said to grow.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, StringViewArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

use super::Growth;

fn text(value: &str) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(value))
}

fn whole(value: i64) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::Int64(Some(value)))
}

fn date(days: i32) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::Date32(Some(days)))
}

fn time(nanoseconds: i64) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(Some(nanoseconds), None))
}

fn step(months: i32, days: i32, nanoseconds: i64) -> ColumnarValue {
    let step = IntervalMonthDayNano { months, days, nanoseconds };
    ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(step)))
}

fn list(values: ArrayRef) -> ColumnarValue {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let lists = ListArray::new(field, offsets, values, None);
    ColumnarValue::Scalar(ScalarValue::List(Arc::new(lists)))
}

fn bytes(function: &str, args: &[ColumnarValue]) -> u64 {
    Growth::of(function).unwrap().bytes(args).unwrap()
}

#[test]
fn constants_make_one_value() {
    let numbers = || list(Arc::new(Int64Array::from(vec![1, 2, 3])));
    let words = || list(Arc::new(StringArray::from(vec!["a", "bcd"])));
    for (function, args, expected) in [
        ("repeat", vec![text("abc"), whole(5)], 15),
        ("repeat", vec![text("abc"), whole(-5)], 0),
        ("repeat", vec![text("abc"), whole(i64::MAX)], u64::MAX),
        ("lpad", vec![text("abc"), whole(10)], 13),
        ("rpad", vec![text("abc"), whole(10), text("é")], 43),
        ("concat", vec![text("abc"), text(""), text("de")], 5),
        ("concat_ws", vec![text(","), text("abc"), text("de")], 8),
        ("replace", vec![text("aaaa"), text("a"), text("bbb")], 12),
        ("replace", vec![text("aaaa"), text("aa"), text("b")], 4),
        ("replace", vec![text("aa"), text(""), text("b")], 5),
        ("regexp_replace", vec![text("aaaa"), text("a"), text("bb")], 6),
        ("regexp_replace", vec![text("aaaa"), text("a"), text("bb"), text("g")], 14),
        ("regexp_replace", vec![text("aaaa"), text("(a*)"), text("\\1\\1")], 16),
        ("translate", vec![text("aaaa"), text("a"), text("b")], 4),
        ("translate", vec![text("aaaa"), text("a"), text("é")], 16),
        ("string_to_array", vec![text("a,b,c"), text(",")], 3 * 16 + 5),
        ("string_to_array", vec![text("abc"), text("")], 16 + 3),
        ("array_to_string", vec![numbers(), text("--")], 3 * 2 + 3 * 80),
        ("array_to_string", vec![words(), text(","), text("?")], 2 * 2 + 4),
        ("array_repeat", vec![whole(1), whole(10)], 80),
        ("array_repeat", vec![text("abcd"), whole(10)], 200),
        ("array_repeat", vec![whole(1), whole(-1)], 0),
        ("range", vec![whole(10)], 88),
        ("range", vec![whole(-10)], 0),
        ("range", vec![whole(0), whole(10), whole(3)], 32),
        ("range", vec![whole(10), whole(0), whole(-5)], 24),
        ("range", vec![whole(0), whole(10), whole(0)], 0),
        ("generate_series", vec![whole(i64::MIN), whole(i64::MAX)], u64::MAX),
        ("range", vec![date(0), date(56), step(1, 0, 0)], 24),
        ("range", vec![date(0), date(46), step(0, 1, 0)], 49 * 8),
        ("range", vec![time(0), time(1_000), step(0, 0, 10)], 101 * 8),
        ("range", vec![time(0), time(-1_000), step(0, 0, 10)], 0),
        ("range", vec![date(0), date(1), step(1, -30, 0)], u64::MAX),
    ] {
        assert_eq!(bytes(function, &args), expected, "{function}: {args:?}");
    }
    let resized = bytes("array_resize", &[numbers(), whole(1_000), whole(0)]);
    assert!((8_000..9_000).contains(&resized), "{resized}");
    let appended = bytes("array_append", &[numbers(), whole(1)]);
    assert!((32..1_000).contains(&appended), "{appended}");
}

#[test]
fn a_column_makes_a_value_for_each_row() {
    let column = |values: Vec<Option<&str>>| {
        ColumnarValue::Array(Arc::new(StringViewArray::from(values)) as ArrayRef)
    };
    let texts = || column(vec![Some("a"), None, Some("bcd")]);
    let counts = ColumnarValue::Array(Arc::new(Int64Array::from(vec![1, 1_000, 10])));
    assert_eq!(bytes("repeat", &[texts(), counts.clone()]), 31);
    assert_eq!(bytes("repeat", &[texts(), whole(10)]), 40);
    assert_eq!(bytes("range", &[counts]), (2 + 1_001 + 11) * 8);
    assert_eq!(bytes("concat", &[texts(), text("0123456789")]), 34);
    let long = "y".repeat(1_000);
    assert_eq!(bytes("replace", &[texts(), text("x"), text(&long)]), 4_000);
    // A constant becomes a column, though little comes of it.
    assert_eq!(bytes("translate", &[texts(), text(&long), text("b")]), 3 * 1_001);
    assert_eq!(bytes("repeat", &[column(Vec::new()), whole(10)]), 0);
}

#[test]
fn what_makes_no_more_than_it_takes_has_no_rule() {
    for function in ["upper", "substr", "abs", "array_length", "make_array"] {
        assert_eq!(Growth::of(function), None);
    }
    let null = ColumnarValue::Scalar(ScalarValue::Null);
    assert_eq!(bytes("repeat", &[null.clone(), null]), 0);
}

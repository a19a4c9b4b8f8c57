//! Tests of CSV: types, quotes, separators, and lines that are wrong.

use arrow::array::*;
use arrow::datatypes::*;

use crate::format::Format;
use crate::ingest::tests::{complaint, ingest, table};

fn kinds(text: &str) -> Vec<DataType> {
    let (schema, _) = ingest(Format::Csv, text.as_bytes()).unwrap();
    schema.fields().iter().map(|field| field.data_type().clone()).collect()
}

/// The type of a column of these values.
fn kind_of(values: &[&str]) -> DataType {
    let rows: String = values.iter().map(|value| format!("{value},x\n")).collect();
    kinds(&format!("a,b\n{rows}")).swap_remove(0)
}

#[test]
fn columns_get_the_narrowest_type_that_keeps_every_value() {
    let local = |unit| DataType::Timestamp(unit, None);
    let utc = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    let (micro, nano) = (TimeUnit::Microsecond, TimeUnit::Nanosecond);
    let cases: [(&[&str], DataType); 34] = [
        (&["", ""], DataType::Null),
        (&["true", "FALSE", ""], DataType::Boolean),
        (&["true", "1"], DataType::Utf8),
        (&["1", "-9223372036854775808", ""], DataType::Int64),
        (&["1", "18446744073709551615"], DataType::UInt64),
        (&["-1", "18446744073709551615"], DataType::Decimal128(38, 0)),
        (&["99999999999999999999999999999999999999"], DataType::Decimal128(38, 0)),
        (&["999999999999999999999999999999999999999"], DataType::Utf8),
        (&["1", "2.5"], DataType::Float64),
        (&["1e3", "-0.5E-2"], DataType::Float64),
        (&["-0"], DataType::Float64),
        (&["1.5", "NaN", "-Infinity"], DataType::Float64),
        (&["9007199254740993", "0.5"], DataType::Decimal128(38, 1)),
        (&["9007199254740993", "1e5"], DataType::Utf8),
        (&["0.12345678901234567890"], DataType::Decimal128(38, 20)),
        (&["1e999"], DataType::Utf8),
        (&["007", "1"], DataType::Utf8),
        (&["+1"], DataType::Utf8),
        (&["1.", ".5"], DataType::Utf8),
        (&["1 "], DataType::Utf8),
        (&["0x10"], DataType::Utf8),
        (&["2024-02-29"], DataType::Date32),
        (&["2023-02-29"], DataType::Utf8),
        (&["2024-02-29", "2024-03-01 10:00:00"], local(micro)),
        (&["2024-02-29T23:59:59.123456"], local(micro)),
        (&["9999-12-31T00:00:00"], local(micro)),
        (&["2024-02-29T23:59:59.123456789"], local(nano)),
        (&["9999-12-31T00:00:00.123456789"], DataType::Utf8),
        (&["2024-02-29T24:00:00"], DataType::Utf8),
        (&["2024-02-29T23:59:59Z", "2024-02-29 00:00:00+02:00"], utc(micro)),
        (&["2024-02-29T23:59:59.1234567Z"], utc(nano)),
        (&["2024-02-29T23:59:59Z", "2024-02-29 00:00:00"], DataType::Utf8),
        (&["2024-02-29T23:59:59.Z"], DataType::Utf8),
        (&["12:00:00"], DataType::Utf8),
    ];
    for (values, expected) in cases {
        assert_eq!(kind_of(values), expected, "{values:?}");
    }
}

#[test]
fn every_value_is_there() {
    let batch = table(
        Format::Csv,
        "u,d,f,t,z,s\n18446744073709551615,9007199254740993,-0,2024-01-01,2024-01-01T00:00:00+01:00,007\n\
         1,0.5,Infinity,2024-01-01 10:00:00.5,2024-01-01T00:00:00Z,\n",
    );
    assert_eq!(batch.column(0).as_primitive::<UInt64Type>().values(), &[u64::MAX, 1]);
    let decimals = batch.column(1).as_primitive::<Decimal128Type>();
    assert_eq!(decimals.value_as_string(0), "9007199254740993.0");
    let floats = batch.column(2).as_primitive::<Float64Type>();
    assert!(floats.value(0).is_sign_negative() && floats.value(1).is_infinite());
    let times = batch.column(3).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.value(1) - times.value(0), 36_000_500_000);
    let zoned = batch.column(4).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(zoned.value(1) - zoned.value(0), 3_600_000_000);
    assert_eq!(batch.column(5).as_string::<i32>().value(0), "007");
    assert!(batch.column(5).is_null(1));
}

#[test]
fn types_are_found_over_the_whole_file() {
    let mut text = String::from("a,b\n");
    for row in 0..20_000 {
        text.push_str(&format!("{row},\n"));
    }
    text.push_str("n/a,2.5\n");
    assert_eq!(kinds(&text), [DataType::Utf8, DataType::Float64]);
    assert_eq!(table(Format::Csv, &text).num_rows(), 20_001);
}

#[test]
fn separators_are_recognised() {
    let cases = [
        ("a,b\n1,2\n", 2),
        ("a;b\n1,5;2,5\n", 2),
        ("a\tb c\n1, 2\tx\n", 2),
        ("a|b|c\n1|2|3\n", 3),
        ("a\n1\n2\n", 1),
        ("\"x;y\",b\n\"1;2\n3\",4\n", 2),
        ("a,b\r\n1,2\r\n", 2),
        ("name;note\nx;\"a,b,c,d\"\n", 2),
        ("a,b", 2),
    ];
    for (text, columns) in cases {
        assert_eq!(kinds(text).len(), columns, "{text:?}");
    }
}

#[test]
fn quotes_line_ends_and_unicode_survive() {
    let text = "\u{feff}name,\"say \"\"hi\"\"\",größe\n\"a,b\",\"line\nbreak\",𐅑\n\"\",x,\n";
    let batch = table(Format::Csv, text);
    let schema = batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["name", "say \"hi\"", "größe"]);
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "a,b");
    assert_eq!(batch.column(1).as_string::<i32>().value(0), "line\nbreak");
    assert_eq!(batch.column(2).as_string::<i32>().value(0), "𐅑");
    assert!(batch.column(0).is_null(1) && batch.column(2).is_null(1));
}

#[test]
fn columns_without_a_name_are_named_by_position() {
    let batch = table(Format::Csv, ",a\n0,x\n");
    assert_eq!(batch.schema().field(0).name(), "column_1");
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let batch = table(Format::Csv, "a,b\n");
    assert_eq!((batch.num_rows(), batch.num_columns()), (0, 2));
}

#[test]
fn malformed_files_name_the_line() {
    let cases: [(&[u8], &str); 6] = [
        (b"a,b\n1,2\n1,2,3\n", "line 3"),
        (b"a,b\n1,2\n1\n", "line 3"),
        (b"a,a\n1,2\n", "two columns are named `a`"),
        (b"a,b\n1,\xff\xfe\n", "UTF-8"),
        (b"\xff\xfea\0,\0b\0", "UTF-16"),
        (b"PK\x03\x04\0\0\0\0", "no text"),
    ];
    for (text, expected) in cases {
        let message = complaint(Format::Csv, text);
        assert!(message.contains(expected), "{message}");
    }
}

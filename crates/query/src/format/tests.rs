//! Tests of telling formats apart.

use super::*;

#[test]
fn names_round_trip_and_aliases_parse() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    let aliases = [("JSONL", Format::Ndjson), ("ipc", Format::Arrow), ("feather", Format::Arrow)];
    for (name, format) in aliases {
        assert_eq!(name.parse(), Ok(format));
    }
    let error = "xlsx".parse::<Format>().unwrap_err();
    assert!(error.to_string().contains("`xlsx`"), "{error}");
}

#[test]
fn magic_wins_over_extension_and_extension_over_look() {
    let cases: [(Option<&str>, &[u8], Option<Format>); 12] = [
        (Some("a.csv"), b"PAR1....", Some(Format::Parquet)),
        (Some("a.bin"), b"ARROW1\0\0", Some(Format::Arrow)),
        (None, &[0xff, 0xff, 0xff, 0xff, 0x10], Some(Format::Arrow)),
        (Some("dir.v1/a.JSON"), b"{\"a\":1}", Some(Format::Json)),
        (Some("a.jsonl"), b"", Some(Format::Ndjson)),
        (Some("a.tsv"), b"a\tb\n", Some(Format::Csv)),
        (None, b" \n[{\"a\":1}]", Some(Format::Json)),
        (None, b"\xef\xbb\xbf{\"a\":1}", Some(Format::Ndjson)),
        (None, b"a,b\n1,2\n", Some(Format::Csv)),
        (None, b"a\n1\n", Some(Format::Csv)),
        (None, b"\x00\x01\x02", None),
        (Some(".csv"), b"", None),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(Format::detect(name, bytes), expected, "{name:?} {bytes:?}");
    }
}

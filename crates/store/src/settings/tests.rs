//! Tests of the settings file.

use std::path::Path;

use super::*;
use crate::disk::MemDisk;

#[test]
fn versions_are_read_and_the_rest_is_left_alone() {
    let cases: &[(&str, Result<u32, u32>)] = &[
        (TEXT, Ok(1)),
        ("format_version=7", Ok(7)),
        (
            "# c\n\nlayout = \"x\"\nformat_version = 2 # two\n[retention]\nformat_version = 9\n",
            Ok(2),
        ),
        ("format_version = 2\nretention = [\n  \"a form of its own\",\n]\n", Ok(2)),
        ("", Err(0)),
        ("[a]\nformat_version = 1", Err(0)),
        ("format_version", Err(1)),
        ("x = 1\nformat_version = one", Err(2)),
        ("format_version = 0", Err(1)),
        ("format_version = -1", Err(1)),
        ("format_version = 4294967296", Err(1)),
        ("format_version = 1\nformat_version = 1", Err(2)),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text.as_bytes()).map_err(|(line, _)| line), *expected, "{text:?}");
    }
    assert!(parse(&[0xff]).is_err());
    assert!(parse(&vec![b'\n'; FILE_BYTES_MAX + 1]).is_err());
}

#[test]
fn a_newer_format_is_refused() {
    let disk = MemDisk::new();
    let root = Path::new("/lake");
    assert!(!check(&disk, root).unwrap());
    create(&disk, root, "a").unwrap();
    assert!(check(&disk, root).unwrap());
    disk.set_content(&root.join(FILE_NAME), b"format_version = 2\n".to_vec()).unwrap();
    assert!(matches!(check(&disk, root), Err(StoreError::NewerFormat { found: 2, supported: 1 })));
}

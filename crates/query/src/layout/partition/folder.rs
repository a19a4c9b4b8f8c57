//! What the folder of a partition is called: `column=value`, as Hive and those who follow it do.
//!
//! Characters that mean something in paths or patterns are percent-encoded as the bytes of their
//! UTF-8; all others stand as they are. Null has a name of its own, which no text has.

use crate::error::QueryError;

/// What stands for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// File systems hold no longer names.
const NAME_BYTES_MAX: usize = 255;
/// Characters that are encoded beside control characters.
const ENCODED: &str = "\"#%&'*+/:;<=>?[\\]^{|}";

/// Returns the name of a folder.
pub(super) fn name(column: &str, value: Option<&str>) -> String {
    let mut name = encoded(column);
    name.push('=');
    match value {
        None => name.push_str(NULL),
        Some(NULL) => {
            // The first character in its encoded form reads back as the same text.
            name.push_str("%5F");
            name.push_str(NULL.get(1..).unwrap_or_default());
        }
        Some(value) => name.push_str(&encoded(value)),
    }
    name
}

/// Refuses a value whose folder could not be on a disk.
pub(super) fn check(column: &str, value: Option<&str>) -> Result<(), QueryError> {
    let bytes = name(column, value).len();
    if bytes <= NAME_BYTES_MAX {
        return Ok(());
    }
    let begins: String = value.unwrap_or("null").chars().take(20).collect();
    let what = format!(
        "its value that begins with {begins:?} makes the name of a folder of {bytes} bytes, and \
         file systems hold {NAME_BYTES_MAX}; partition by another column, or shorten the values"
    );
    Err(QueryError::unsupported(column, what))
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || ENCODED.contains(character) {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{check, name};

    #[test]
    fn folders_are_called_as_hive_calls_them() {
        for (column, value, expected) in [
            ("day", Some("2026-01-31"), "day=2026-01-31"),
            ("n", Some("-7"), "n=-7"),
            ("k", None, "k=__HIVE_DEFAULT_PARTITION__"),
            ("k", Some("__HIVE_DEFAULT_PARTITION__"), "k=%5F_HIVE_DEFAULT_PARTITION__"),
            ("k", Some(""), "k="),
            ("k", Some("a/b=c%d"), "k=a%2Fb%3Dc%25d"),
            ("k", Some("10:30 \u{0}\u{85}"), "k=10%3A30 %00%C2%85"),
            ("k", Some("Zürich 東京"), "k=Zürich 東京"),
            ("k", Some(".."), "k=.."),
            ("a=b", Some("c"), "a%3Db=c"),
        ] {
            assert_eq!(name(column, value), expected);
        }
    }

    #[test]
    fn a_name_that_no_disk_holds_is_refused() {
        assert!(check("k", Some(&"x".repeat(253))).is_ok());
        let refused = check("k", Some(&"x".repeat(254))).unwrap_err().to_string();
        assert!(refused.contains("256 bytes") && refused.contains("xxxx"), "{refused}");
        assert!(check("k", Some(&"/".repeat(85))).is_err(), "what counts is the encoded name");
        assert!(check(&"k".repeat(230), None).is_err(), "null has a name, too");
    }
}

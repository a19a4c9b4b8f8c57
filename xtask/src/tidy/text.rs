//! What no text may have: words that put work off, blanks at the ends of lines, and in Rust the
//! macros and attributes that hide something.

use super::Finding;
use super::source::{Masked, is_word, line_of};
use super::tree::File;

/// Words for work that was put off. An issue is the place for it.
const PUT_OFF: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Code that must not be committed, and what to do instead.
const HIDING: [(&str, &str); 5] = [
    ("todo!", "write it"),
    ("unimplemented!", "write it, or return an error that says what is not supported"),
    ("dbg!", "remove it"),
    ("[allow(", "write `#[expect(…, reason = \"…\")]`, which tells when it is no longer needed"),
    (", allow(", "write `expect(…, reason = \"…\")`, which tells when it is no longer needed"),
];
/// Files that people write.
const WRITTEN: [&str; 9] = ["rs", "md", "toml", "py", "mjs", "sh", "txt", "ini", "yml"];

/// Checks the text of any file that people write.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let written = WRITTEN.iter().any(|extension| file.has_extension(extension));
    if !written && file.path != ".ci/run" {
        return Vec::new();
    }
    let mut findings = ends_of_lines(file);
    if !file.has_extension("rs") {
        let prose = without_code_spans(&file.text);
        findings.extend(put_off(&file.path, &prose));
    }
    findings
}

/// Checks what only Rust has.
pub(super) fn check_rust(file: &File, masked: &Masked) -> Vec<Finding> {
    let mut findings = put_off(&file.path, &masked.comments);
    for (needle, remedy) in HIDING {
        let hits = masked.code.match_indices(needle).filter(|(at, _)| {
            let before = masked.code.get(..*at).and_then(|text| text.chars().next_back());
            !needle.starts_with(is_word) || !before.is_some_and(is_word)
        });
        findings.extend(hits.map(|(at, _)| {
            let line = line_of(&masked.code, at);
            Finding::new(&file.path, line, format!("has `{needle}`: {remedy}"))
        }));
    }
    findings
}

fn ends_of_lines(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in file.text.split('\n').zip(1..) {
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::new(&file.path, number, "has blanks at the end of the line"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(Finding::new(&file.path, 0, "does not end with a line break"));
    }
    findings
}

fn put_off(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        for word in line.split(|character: char| !is_word(character)) {
            if PUT_OFF.contains(&word) {
                let message = format!("says {word}: do it, or file an issue");
                findings.push(Finding::new(path, number, message));
            }
        }
    }
    findings
}

/// Blanks what stands between backticks on one line: it speaks of code and is none.
fn without_code_spans(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        for (piece, index) in line.split('`').zip(0_usize..) {
            if index % 2 == 0 {
                out.push_str(piece);
            }
            out.push(' ');
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::source::mask;
    use super::*;

    fn rust(text: &str) -> Vec<Finding> {
        check_rust(&File::new("a.rs", text), &mask(text))
    }

    #[test]
    fn words_that_put_work_off_are_found_in_comments() {
        for word in PUT_OFF {
            assert_eq!(rust(&format!("// {word}: later\n")).len(), 1, "{word}");
            assert_eq!(rust(&format!("f(\"{word}\"); // {word}S\n")).len(), 0, "{word}");
            assert_eq!(check(&File::new("a.md", &format!("A {word}.\n"))).len(), 1, "{word}");
            assert_eq!(check(&File::new("a.md", &format!("No `{word}`.\n"))).len(), 0, "{word}");
        }
    }

    #[test]
    fn hiding_code_is_found_with_its_line() {
        let found = rust("//! A.\nfn f() {\n    todo!()\n}\n");
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
        assert_eq!(rust("#[allow(dead_code)]\n").len(), 1);
        assert_eq!(rust("#![cfg_attr(test, allow(dead_code))]\n").len(), 1);
        assert_eq!(rust("#[expect(dead_code)]\nmy_dbg!(1); \"dbg!\" // dbg!\n").len(), 0);
    }

    #[test]
    fn blanks_at_ends_and_missing_ends_are_found() {
        let cases = [("a\nb\n", 0), ("a \n", 1), ("a\t\nb\r\n", 2), ("a", 1), ("", 0)];
        for (text, count) in cases {
            assert_eq!(check(&File::new("a.toml", text)).len(), count, "{text:?}");
            assert_eq!(check(&File::new("a.bin", text)).len(), 0, "{text:?}");
        }
    }
}

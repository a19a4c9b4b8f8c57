//! The shape of Rust files: what they open with, how long they and their functions are.

use super::Finding;
use super::source::{is_word, line_of};
use super::tree::File;

/// Lines that a file may have; tests are as long as their cases.
const FILE_LINES_MAX: usize = 600;
/// Lines that a function may have, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Something that is longer than it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// `file PATH` or `function PATH NAME`.
    pub(super) what: String,
    /// The file.
    pub(super) path: String,
    /// Where it begins; 0 for the file.
    pub(super) line: usize,
    /// How long it is.
    pub(super) lines: usize,
    /// How long it may be.
    pub(super) limit: usize,
}

/// Checks that the file says first what it is.
pub(super) fn check_opening(file: &File) -> Option<Finding> {
    let message = "a file opens with `//!`: what it is and what it deliberately is not";
    (!file.text.starts_with("//! ")).then(|| Finding::new(&file.path, 1, message))
}

/// Finds what is too long in a file, whose code without comments and literals is `code`.
pub(super) fn excess(file: &File, code: &str) -> Vec<Excess> {
    let mut found = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX && !file.is_test() {
        let (what, path) = (format!("file {}", file.path), file.path.clone());
        found.push(Excess { what, path, line: 0, lines, limit: FILE_LINES_MAX });
    }
    let functions = functions(code).into_iter();
    found.extend(functions.filter(|function| function.lines > FUNCTION_LINES_MAX).map(
        |function| Excess {
            what: format!("function {} {}", file.path, function.name),
            path: file.path.clone(),
            line: function.line,
            lines: function.lines,
            limit: FUNCTION_LINES_MAX,
        },
    ));
    found
}

#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// All functions with a body, those inside others too.
fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let Some(signature) = code.get(at + 3..).filter(|_| !before.is_some_and(is_word)) else {
            continue;
        };
        let name = signature.trim_start();
        let name = name.split(|character: char| !is_word(character)).next().unwrap_or_default();
        let Some(length) = body_end(signature).filter(|_| !name.is_empty()) else { continue };
        let (line, last) = (line_of(code, at), line_of(code, at + 3 + length));
        found.push(Function { name, line, lines: last - line + 1 });
    }
    found
}

/// Where the closing brace of the body stands; `None` for a declaration without one.
fn body_end(signature: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (at, byte) in signature.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(check_opening(&File::new("a.rs", "//! A.\n")), None);
        for text in ["", "// A.\n", "use a;\n//! A.\n", "//!\n"] {
            assert!(check_opening(&File::new("a.rs", text)).is_some(), "{text:?}");
        }
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_brace() {
        let code = "trait T {\n    fn a(x: [u8; 4]) -> fn(u8);\n    fn b() {\n        \
                    fn c() {}\n    }\n}\npub(crate) async fn d<T>(\n    x: T,\n) where T: A {\n}\n";
        let found: Vec<_> = functions(code).iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("b", 3, 3), ("c", 4, 1), ("d", 7, 4)]);
    }

    #[test]
    fn excess_begins_one_line_beyond_the_limit() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    a;\n".repeat(lines - 2));
        let measured = |path: &str, text: &str| {
            let found = excess(&File::new(path, text), text);
            found.into_iter().map(|excess| (excess.what, excess.lines)).collect::<Vec<_>>()
        };
        assert!(measured("a.rs", &function(70)).is_empty());
        assert_eq!(measured("a.rs", &function(71)), [("function a.rs f".to_owned(), 71)]);
        assert!(measured("a.rs", &"a\n".repeat(600)).is_empty());
        assert_eq!(measured("a.rs", &"a\n".repeat(601)), [("file a.rs".to_owned(), 601)]);
        assert!(measured("src/tests.rs", &"a\n".repeat(601)).is_empty());
    }
}

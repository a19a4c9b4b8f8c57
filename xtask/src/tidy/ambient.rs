//! Where code may reach around its parameters: to files, the clock, the environment, other
//! programs, the terminal. Everywhere else these arrive as arguments.

use super::Finding;
use super::source::{is_word, line_of};
use super::tree::File;

/// What is reached for, where that is its place, and what to do elsewhere.
const PLACES: [(&str, &[&str], &str); 8] = [
    (
        "std::fs",
        &[
            "crates/store/src/disk/file.rs",
            // It is handed an opened file and reads it.
            "crates/query/src/ingest/",
            "crates/lake/",
            "crates/cli/",
            "bench/",
            "xtask/",
        ],
        "go through `store::disk`, or take an opened file",
    ),
    ("tokio::fs", &[], "files are read on blocking threads, behind the one seam in `lake`"),
    ("SystemTime", &["crates/lake/src/clock.rs", "xtask/"], "take `now_ms` as a parameter"),
    (
        "Instant::now",
        &["crates/lake/", "crates/cli/", "crates/python/", "bench/", "xtask/"],
        "take the time as a parameter",
    ),
    (
        "env::var",
        &["crates/lake/src/settings.rs", "crates/cli/", "xtask/"],
        "take a setting as a parameter",
    ),
    ("process::Command", &["crates/cli/", "xtask/"], "other programs are not run from here"),
    ("thread::sleep", &[], "wait for what is awaited, not for a while"),
    ("print!", &["crates/cli/", "bench/", "xtask/"], "return it; only front ends print"),
];
/// The same macro under its other names.
const PRINTING: [&str; 3] = ["println!", "eprintln!", "eprint!"];

/// Checks the code of one file; tests may reach for what they like.
pub(super) fn check(file: &File, code: &str) -> Vec<Finding> {
    if file.is_test() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (needle, places, remedy) in PLACES {
        if places.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        let others: &[&str] = if needle == "print!" { &PRINTING } else { &[] };
        for needle in std::iter::once(&needle).chain(others) {
            findings.extend(words(code, needle).map(|at| {
                let line = line_of(code, at);
                Finding::new(&file.path, line, format!("reaches for `{needle}`: {remedy}"))
            }));
        }
    }
    findings
}

/// Where `needle` stands in `code` and is not the end of a longer name.
fn words<'a>(code: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let before = code.get(..*at).and_then(|text| text.chars().next_back());
        !before.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, code: &str) -> usize {
        check(&File::new(path, code), code).len()
    }

    #[test]
    fn each_reach_is_found_outside_its_place() {
        let cases = [
            ("use std::fs::File;", "crates/store/src/pack/writer.rs", "crates/lake/src/files.rs"),
            ("SystemTime::now()", "crates/lake/src/store.rs", "crates/lake/src/clock.rs"),
            ("Instant::now()", "crates/query/src/engine.rs", "crates/lake/src/rows.rs"),
            ("std::env::var(x)", "crates/lake/src/lake.rs", "crates/lake/src/settings.rs"),
            ("std::process::Command::new", "crates/lake/src/lake.rs", "xtask/src/node.rs"),
            ("eprintln!(x)", "crates/store/src/store.rs", "crates/cli/src/main.rs"),
            ("std::thread::sleep(x)", "crates/cli/src/main.rs", "crates/cli/tests/it/main.rs"),
        ];
        for (code, bad, good) in cases {
            assert_eq!((count(bad, code), count(good, code)), (1, 0), "{code}");
        }
    }

    #[test]
    fn longer_names_and_the_compilers_environment_are_not_meant() {
        for code in ["env!(\"X\")", "my_print!(x)", "unixfs::list()", "NotSystemTime"] {
            assert_eq!(count("crates/block/src/lib.rs", code), 0, "{code}");
        }
    }
}

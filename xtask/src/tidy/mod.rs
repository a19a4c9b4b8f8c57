//! `cargo xtask tidy`: the house rules that a program can check, also run as a test.
//!
//! Every rule is a function from text to findings and knows no file system; reading the checkout
//! is in `tree`, and this file applies the rules to it. What rustc and clippy check is not
//! repeated here.

mod ambient;
mod docs;
mod floors;
mod manifest;
mod ratchet;
mod repository;
mod shape;
mod source;
mod text;
mod tree;

use std::fmt;
use std::path::Path;

use self::tree::File;

/// The list of what exceeds a limit and may not grow.
const RATCHET: &str = "xtask/tidy-ratchet.txt";

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the root on.
    path: String,
    /// The line, counted from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong and what to do.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.path, self.message)
        } else {
            write!(f, "{}:{}: {}", self.path, self.line, self.message)
        }
    }
}

/// Checks the checkout at `root` and prints what is wrong.
///
/// # Errors
/// Counts the violations, or says which file could not be read.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let files = tree::read(root)?;
    let findings = check(&files);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        eprintln!("tidy: {} files keep the house rules", files.len());
        return Ok(());
    }
    Err(format!("{} violations of the house rules", findings.len()))
}

/// Applies every rule to the files of a checkout.
fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut excess = Vec::new();
    for file in files {
        findings.extend(text::check(file));
        if file.has_extension("rs") {
            let masked = source::mask(&file.text);
            findings.extend(text::check_rust(file, &masked));
            findings.extend(ambient::check(file, &masked.code));
            findings.extend(shape::check_opening(file));
            excess.extend(shape::excess(file, &masked.code));
        }
    }
    let listed = files.iter().find(|file| file.path == RATCHET);
    findings.extend(ratchet::check(RATCHET, listed.map_or("", |file| file.text.as_str()), &excess));
    findings.extend(floors::check(files));
    findings.extend(docs::check(files));
    findings.extend(repository::check(files));
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_keeps_the_house_rules() {
        let files = tree::read(&crate::project::root().unwrap()).unwrap();
        assert!(files.len() > 100, "only {} files were found", files.len());
        let findings: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }

    #[test]
    fn every_rule_is_applied() {
        let long = format!("//! Long.\n{}", "// x\n".repeat(600));
        let files = [
            File::new("crates/block/src/lib.rs", "use std::fs;\nfn f() { dbg!(1) } \n"),
            File::new("crates/block/src/long.rs", &long),
            File::new("crates/block/Cargo.toml", "[dependencies]\ncidlake.workspace = true\n"),
            File::new("fixtures/unused.bin", ""),
            File::new("README.md", "[a](absent.md)\n"),
        ];
        let found: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        let found = found.join("\n");
        for part in [
            "opens with `//!`",
            "dbg!",
            "blanks at the end",
            "std::fs",
            "long.rs: has 601 lines",
            "may not build on cidlake",
            "unused.bin: no test",
            "absent.md",
            "LICENSE-MIT",
        ] {
            assert!(found.contains(part), "{part} is not in:\n{found}");
        }
    }
}

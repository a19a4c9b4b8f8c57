//! The checkout as a whole: licences are there and named, and every fixture is used.

use super::Finding;
use super::floors::is_apart;
use super::tree::File;

/// The licences, either of which a user may choose.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// How the workspace names them.
const LICENCE: &str = "license = \"Apache-2.0 OR MIT\"";
/// How a crate takes that over.
const LICENCE_INHERITED: &str = "license.workspace = true";

/// Checks licences and fixtures.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for licence in LICENCES {
        if !files.iter().any(|file| file.path == licence && !file.text.is_empty()) {
            findings.push(Finding::new(licence, 0, "is absent"));
        }
    }
    findings.extend(files.iter().filter_map(check_licence));
    findings.extend(files.iter().filter_map(|file| check_fixture(file, files)));
    findings
}

fn check_licence(file: &File) -> Option<Finding> {
    let wanted = match file.path.as_str() {
        "Cargo.toml" => LICENCE,
        _ if is_apart(file) => LICENCE,
        path if path.ends_with("/Cargo.toml") => LICENCE_INHERITED,
        _ => return None,
    };
    let message = format!("does not say `{wanted}`");
    (!file.text.lines().any(|line| line == wanted)).then(|| Finding::new(&file.path, 0, message))
}

/// A fixture that nothing reads proves nothing.
fn check_fixture(file: &File, files: &[File]) -> Option<Finding> {
    if !file.path.starts_with("fixtures/") || file.has_extension("md") {
        return None;
    }
    let name = file.path.rsplit('/').next()?;
    let readers = files.iter().filter(|reader| {
        !reader.path.starts_with("fixtures/")
            && ["rs", "md", "py", "mjs"].iter().any(|extension| reader.has_extension(extension))
    });
    let used = readers.into_iter().any(|reader| reader.text.contains(name));
    (!used).then(|| Finding::new(&file.path, 0, "no test and no document names it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Vec<File> {
        vec![
            File::new("LICENSE-APACHE", "text\n"),
            File::new("LICENSE-MIT", "text\n"),
            File::new("Cargo.toml", "license = \"Apache-2.0 OR MIT\"\n"),
            File::new("crates/a/Cargo.toml", "license.workspace = true\n"),
            File::new("fixtures/a/golden.bin", ""),
            File::new("crates/a/src/tests.rs", "read(\"golden.bin\")"),
        ]
    }

    #[test]
    fn a_complete_checkout_is_silent() {
        assert!(check(&complete()).is_empty());
    }

    #[test]
    fn each_missing_piece_is_found() {
        for absent in ["LICENSE-APACHE", "LICENSE-MIT", "crates/a/src/tests.rs"] {
            let files: Vec<File> =
                complete().into_iter().filter(|file| file.path != absent).collect();
            assert_eq!(check(&files).len(), 1, "{absent}");
        }
        for manifest in ["Cargo.toml", "crates/a/Cargo.toml"] {
            let mut files = complete();
            files.iter_mut().filter(|file| file.path == manifest).for_each(|f| f.text.clear());
            assert_eq!(check(&files).len(), 1, "{manifest}");
        }
    }
}

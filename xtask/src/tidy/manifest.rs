//! `Cargo.toml` and `Cargo.lock` read line by line, as far as the rules need them: the tables'
//! headings and the names of dependencies. Not a TOML parser; the manifests are ours and plain.

/// A dependency that a manifest declares.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dependency<'a> {
    /// The name before the equals sign.
    pub(super) name: &'a str,
    /// The line, counted from 1.
    pub(super) line: usize,
    /// Whether version and features come from the workspace.
    pub(super) inherited: bool,
    /// Whether a comment stands above it in its group of lines.
    pub(super) explained: bool,
}

/// Returns the dependencies of every kind that the text of a manifest declares.
pub(super) fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut inside = false;
    let mut explained = false;
    for (line, number) in text.lines().zip(1..) {
        if let Some(heading) = heading(line) {
            inside = heading.ends_with("dependencies");
            explained = false;
            if let Some((_, name)) = heading.rsplit_once("dependencies.") {
                found.push(Dependency { name, line: number, inherited: false, explained });
            }
        } else if line.trim().is_empty() {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if let Some((key, value)) = entry(line).filter(|_| inside) {
            let (name, dotted) = key.split_once('.').unwrap_or((key, ""));
            let table = value.starts_with("{ workspace = true") && !value.contains("features");
            let inherited = table || (dotted == "workspace" && value == "true");
            found.push(Dependency { name, line: number, inherited, explained });
        }
    }
    found
}

/// Returns name and version of every package in the text of a lock file.
pub(super) fn locked(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut name = "";
    for (key, value) in text.lines().filter_map(entry) {
        match key {
            "name" => name = value.trim_matches('"'),
            // The file's own version stands before the first package.
            "version" if !name.is_empty() => found.push((name, value.trim_matches('"'))),
            _ => {}
        }
    }
    found
}

fn heading(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.trim_end().strip_suffix(']')
}

/// Key and value of a line that begins with a key; lines inside an array begin with blanks.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key_like = line.starts_with(|first: char| first.is_ascii_alphanumeric());
    key_like.then(|| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_with_what_is_said_of_them() {
        let text = "[package]\nname = \"x\"\n\n[dependencies]\n# Why.\na.workspace = true\n\
                    b = { workspace = true }\n\nc = { workspace = true, features = [\n    \"d\",\n\
                    ] }\n[dev-dependencies]\ne = \"1\"\n[target.'cfg(unix)'.dependencies.f]\n\
                    version = \"1\"\n[profile.release]\nlto = true\n";
        let found: Vec<_> = dependencies(text)
            .iter()
            .map(|found| (found.name, found.line, found.inherited, found.explained))
            .collect();
        let expected = [
            ("a", 6, true, true),
            ("b", 7, true, true),
            ("c", 9, false, false),
            ("e", 13, false, false),
            ("f", 14, false, false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn packages_are_read_from_a_lock_file() {
        let text = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    dependencies = [\n \"b\",\n]\n\n[[package]]\nname = \"b\"\nversion = \"2.1.0\"\n";
        assert_eq!(locked(text), [("a", "1.0.0"), ("b", "2.1.0")]);
    }
}

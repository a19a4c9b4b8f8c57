//! Links in Markdown: every relative one leads to a file or folder of the checkout, and to a
//! heading where it names one. Links to the world are not followed.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::source::is_word;
use super::tree::File;

/// Checks the links of all Markdown files.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let texts: BTreeMap<&str, &str> =
        files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("md")) {
        for (line, target) in links(&file.text) {
            if let Some(message) = broken(&file.path, target, &texts) {
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

/// Says what is wrong with a link from the file at `from`.
fn broken(from: &str, target: &str, texts: &BTreeMap<&str, &str>) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { Some(from.to_owned()) } else { resolve(from, path) };
    let Some(path) = path else {
        return Some(format!("links to {target}, which is outside the checkout"));
    };
    match texts.get(path.as_str()) {
        None => {
            let folder = format!("{path}/");
            let is_folder = path.is_empty() || texts.keys().any(|key| key.starts_with(&folder));
            (!is_folder).then(|| format!("links to {target}, which is not there"))
        }
        Some(text) => {
            let known = heading.is_empty() || !path.ends_with(".md");
            let known = known || headings(text).contains(heading);
            (!known).then(|| format!("links to {target}, but there is no such heading"))
        }
    }
}

/// Follows a relative path from the file at `from`; `None` where it leaves the checkout.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut steps: Vec<&str> = from.split('/').collect();
    steps.pop();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop()?;
            }
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}

/// Lines outside code fences, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((number, line))
    })
}

/// The targets of all links, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            let in_code = line.get(..at).unwrap_or_default().matches('`').count() % 2 == 1;
            let rest = line.get(at + 2..).unwrap_or_default();
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            if !in_code && !target.is_empty() {
                found.push((number, target));
            }
        }
    }
    found
}

/// The anchors of a file's headings: lower case, hyphens for blanks, punctuation left out.
fn headings(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|c| is_word(*c) || matches!(c, ' ' | '-'));
        let anchor: String =
            kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let mut unique = anchor.clone();
        let mut count = 0;
        while !found.insert(unique) {
            count += 1;
            unique = format!("{anchor}-{count}");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = [
            File::new("docs/a.md", text),
            File::new("docs/b.md", "# The `B` file, twice\n```\n# no\n```\n## It\n## It\n"),
            File::new("src/lib.rs", ""),
        ];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_links_are_silent() {
        for target in [
            "b.md",
            "./b.md#the-b-file-twice",
            "b.md#it-1",
            "../src/lib.rs",
            "../src/lib.rs#L7",
            "../src",
            "..",
            "https://example.org/x.md",
            "#here",
        ] {
            assert_eq!(found(&format!("# Here\nA [link]({target}).\n")).len(), 0, "{target}");
        }
    }

    #[test]
    fn broken_links_are_found_with_their_line() {
        for target in ["c.md", "b.md#no", "../../x", "../lib.rs", "#there"] {
            let found = found(&format!("# Here\n[a](b.md) and [b]({target} \"title\")\n"));
            assert_eq!(found.len(), 1, "{target}");
            assert!(found.iter().all(|found| found.starts_with("docs/a.md:2: links to")));
        }
    }

    #[test]
    fn code_has_no_links() {
        assert_eq!(found("```\n[a](absent)\n```\nand `[a](absent)`\n").len(), 0);
    }
}

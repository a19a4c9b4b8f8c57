//! What is too long already is listed with its length. The list may only shrink: nothing on it
//! may grow, and what has become shorter is listed as shorter or not at all.

use std::collections::BTreeMap;

use super::Finding;
use super::shape::Excess;

/// Compares what was measured with the list, the text of the file at `path`.
pub(super) fn check(path: &str, list: &str, measured: &[Excess]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut listed = BTreeMap::new();
    for (line, number) in list.lines().zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse(line) {
            Some((what, lines)) => {
                listed.insert(what, (lines, number));
            }
            None => findings.push(Finding::new(path, number, "is no entry: `WHAT LINES`")),
        }
    }
    let mut longest: BTreeMap<&str, &Excess> = BTreeMap::new();
    for excess in measured {
        let held = longest.entry(&excess.what).or_insert(excess);
        if excess.lines > held.lines {
            *held = excess;
        }
    }
    for excess in longest.values() {
        let Excess { lines, limit, .. } = excess;
        match listed.remove(excess.what.as_str()) {
            None => findings.push(Finding::new(
                &excess.path,
                excess.line,
                format!("has {lines} lines where {limit} are the most: split it"),
            )),
            Some((allowed, _)) if *lines > allowed => findings.push(Finding::new(
                &excess.path,
                excess.line,
                format!("grew to {lines} lines; it had {allowed} and {limit} are the most"),
            )),
            Some((allowed, number)) if *lines < allowed => {
                let message = format!("`{}` has {lines} lines now: say so here", excess.what);
                findings.push(Finding::new(path, number, message));
            }
            Some(_) => {}
        }
    }
    findings.extend(listed.into_iter().map(|(what, (_, number))| {
        Finding::new(path, number, format!("`{what}` is no longer too long: remove the entry"))
    }));
    findings
}

/// An entry: what is too long, and its lines.
fn parse(line: &str) -> Option<(&str, usize)> {
    let (what, lines) = line.rsplit_once(' ')?;
    Some((what, lines.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(list: &str, lines: Option<usize>) -> Vec<String> {
        let measured = lines.map(|lines| Excess {
            what: "function a.rs f".to_owned(),
            path: "a.rs".to_owned(),
            line: 7,
            lines,
            limit: 70,
        });
        let measured: Vec<Excess> = measured.into_iter().collect();
        check("list", list, &measured).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_list_may_only_shrink() {
        let list = "# why\n\nfunction a.rs f 80\n";
        let cases = [
            ("", None, None),
            (list, Some(80), None),
            ("", Some(80), Some("a.rs:7: has 80 lines where 70 are the most")),
            (list, Some(81), Some("a.rs:7: grew to 81 lines")),
            (list, Some(79), Some("list:3: `function a.rs f` has 79 lines now")),
            (list, None, Some("list:3: `function a.rs f` is no longer too long")),
            ("function\n", None, Some("list:1: is no entry")),
        ];
        for (list, lines, expected) in cases {
            let found = findings(list, lines);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{list:?} {lines:?}");
            if let (Some(found), Some(expected)) = (found.first(), expected) {
                assert!(found.starts_with(expected), "{found}");
            }
        }
    }
}

//! The command line of `cargo xtask`, parsed once. Nothing is run here.

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Print the help text.
    Help,
    /// Run the whole suite, or the Rust tests that match `filters`.
    Test {
        /// Whether the tests against Python and Node are part of it.
        interop: bool,
        /// Filters for the Rust tests; none are all tests.
        filters: Vec<String>,
    },
    /// Check the house rules.
    Tidy,
    /// Run the tests against Python and Node.
    Interop {
        /// Arguments for pytest.
        arguments: Vec<String>,
    },
    /// Build and test the Python package.
    Python {
        /// Arguments for pytest.
        arguments: Vec<String>,
    },
    /// Plant bugs in a copy of the store.
    Planted {
        /// Parts of the names of bugs; none are all bugs.
        filters: Vec<String>,
    },
    /// Run the benchmark.
    Bench {
        /// Arguments for the benchmark.
        arguments: Vec<String>,
    },
}

/// Parses what stands behind `cargo xtask`.
///
/// # Errors
/// One sentence that says which argument is not understood.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut own: Vec<String> = arguments.collect();
    let rest: Vec<String> = match own.iter().position(|argument| argument == "--") {
        Some(at) => own.split_off(at).into_iter().skip(1).collect(),
        None => Vec::new(),
    };
    if own.is_empty() || own.iter().any(|argument| argument == "-h" || argument == "--help") {
        return Ok(Task::Help);
    }
    let mut words = own.iter().map(String::as_str);
    let task = match words.next() {
        Some("help") => Task::Help,
        Some("tidy") => Task::Tidy,
        Some("test") => Task::Test { interop: true, filters: rest.clone() },
        Some("interop") => Task::Interop { arguments: rest.clone() },
        Some("python") => Task::Python { arguments: rest.clone() },
        Some("planted") => Task::Planted { filters: rest.clone() },
        Some("bench") => Task::Bench { arguments: rest.clone() },
        other => return Err(format!("there is no task {:?}", other.unwrap_or_default())),
    };
    if !rest.is_empty() && matches!(task, Task::Tidy | Task::Help) {
        return Err("this task takes no arguments behind `--`".to_owned());
    }
    words.try_fold(task, |task, word| match (task, word) {
        (Task::Test { filters, .. }, "--no-interop") => Ok(Task::Test { interop: false, filters }),
        (_, word) => Err(format!("{word:?} is not understood; other programs' go behind `--`")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn every_task_is_understood() {
        let cases = [
            ("", Task::Help),
            ("help", Task::Help),
            ("test --help", Task::Help),
            ("tidy", Task::Tidy),
            ("test", Task::Test { interop: true, filters: strings(&[]) }),
            ("test --no-interop", Task::Test { interop: false, filters: strings(&[]) }),
            ("test -- a --b", Task::Test { interop: true, filters: strings(&["a", "--b"]) }),
            ("interop -- -k hits", Task::Interop { arguments: strings(&["-k", "hits"]) }),
            ("python -- -k fork", Task::Python { arguments: strings(&["-k", "fork"]) }),
            ("planted -- sync", Task::Planted { filters: strings(&["sync"]) }),
            ("bench -- --runs 1", Task::Bench { arguments: strings(&["--runs", "1"]) }),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for line in ["tests", "test crash", "tidy --no-interop", "tidy -- x", "bench --runs 1"] {
            assert!(words(line).is_err(), "{line}");
        }
        assert!(words("tests").is_err_and(|message| message.contains("tests")));
    }

    #[test]
    fn help_names_every_task() {
        for task in ["test", "tidy", "interop", "python", "planted", "bench", "--no-interop"] {
            assert!(crate::HELP.contains(task), "{task}");
        }
    }
}

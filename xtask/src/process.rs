//! Running other programs: shown before they start, timed, and their failure one sentence.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// Shows `command`, runs it with this terminal, and waits for its end.
///
/// # Errors
/// Says that the program could not be started or that it failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}")) }
}

/// Runs `command` and returns what it printed; `None` when it cannot be started or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        line.push(' ');
        if argument.is_empty() || argument.contains([' ', '\'', '"', '(', '$']) {
            let _ = write!(line, "{argument:?}");
        } else {
            line.push_str(&argument);
        }
    }
    line
}

/// The steps of a run with the time that each took.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    /// Runs one step and keeps its time.
    ///
    /// # Errors
    /// Those of the step.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let result = work();
        self.0.push((name, started.elapsed()));
        result
    }

    /// Prints how long each step took.
    pub(crate) fn report(&self) {
        eprintln!();
        for (name, took) in &self.0 {
            eprintln!("{:>8.1} s  {name}", took.as_secs_f64());
        }
    }
}

/// Says in a way that nobody overlooks that something was not tested.
///
/// # Errors
/// The same as a failure where `required`.
pub(crate) fn skip(what: &str, why: &str, required: bool) -> Result<(), String> {
    if required {
        return Err(format!("{what} could not run: {why}"));
    }
    let rule = "=".repeat(72);
    eprintln!("{rule}\nSKIPPED: {what}\n{why}\n{rule}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let mut command = Command::new("node");
        command.args(["--test", "a b", ""]);
        assert_eq!(shown(&command), "node --test \"a b\" \"\"");
    }

    #[test]
    fn a_skip_is_a_failure_where_it_is_required() {
        assert_eq!(skip("x", "y", false), Ok(()));
        assert!(skip("x", "y", true).is_err_and(|message| message.contains("x could not run")));
    }

    #[test]
    fn failures_and_absent_programs_are_told_apart_from_answers() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        assert!(answer(Command::new(&cargo).arg("--version")).is_some());
        assert_eq!(answer(Command::new(&cargo).arg("--no-such-option")), None);
        assert_eq!(answer(&mut Command::new("cidlake-no-such-program")), None);
        assert!(run(Command::new(&cargo).arg("--no-such-option")).is_err());
    }
}

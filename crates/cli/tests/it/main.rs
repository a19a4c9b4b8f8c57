//! The program from outside: every test runs the built binary in a folder of its own.

mod altering;
mod commands;
mod damage;
mod demo;
mod diff;
mod editing;
mod finding;
mod formats;
mod history;
mod keeping;
mod mcp;
mod mistakes;
mod pipes;
mod queue;
mod scripts;
mod tour;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const PEOPLE: &str = "id,name,city\n1,Ada,London\n2,Bob,\n3,Żółw,Łódź\n";

/// A folder with a lake, a key and input files in it, and nothing of the user's own.
struct Place {
    folder: tempfile::TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("tmp")).expect("a folder for temporary files");
        Self { folder }
    }

    /// A place whose lake has the dataset `people`.
    fn with_people() -> Self {
        let place = Self::new();
        place.write("people.csv", PEOPLE);
        place.good(&["store", "people.csv", "--name", "people"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a file is written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("a file is read")
    }

    /// Returns the names in the folder, hidden ones too.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cidlake"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CIDLAKE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("CIDLAKE_HOME", "lake")
            .env("CIDLAKE_KEY_FILE", self.path("key"))
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().expect("the program runs"))
    }

    fn run_with_stdin(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("standard input");
        stdin.write_all(input).expect("the program reads");
        drop(stdin);
        Done::of(child.wait_with_output().expect("the program ends"))
    }

    /// Runs what must succeed and returns its standard output.
    fn good(&self, arguments: &[&str]) -> String {
        self.run(arguments).text(arguments)
    }

    /// Runs what must succeed and returns its answer as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.good(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Runs what must fail with `code` and prints nothing but the error, which is returned.
    fn bad(&self, arguments: &[&str], code: i32) -> String {
        let done = self.run(arguments);
        assert_eq!(done.code, Some(code), "{arguments:?}: {done:?}");
        assert!(done.stdout.is_empty(), "{arguments:?}: {done:?}");
        done.stderr
    }
}

impl Done {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("errors are text"),
        }
    }

    /// Returns the standard output of a success.
    fn text(self, arguments: &[&str]) -> String {
        assert_eq!(self.code, Some(0), "{arguments:?}: {}", self.stderr);
        String::from_utf8(self.stdout).expect("the answer is text")
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

//! A client that writes and reads one JSON-RPC message a line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A folder with a lake in it that has the dataset `seed`, and nothing of the user's own.
pub(super) struct Place {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let place = Self { folder, root };
        std::fs::write(place.at("seed.csv"), "id,name,score\n1,Ada,1.5\n2,Bob,\n3,Cleo,2.25\n")
            .unwrap();
        place.run(&["store", "seed.csv", "--name", "seed"]);
        place
    }

    /// Returns a path in the folder.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Returns every path in the folder, at any depth.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    waiting.push(path.clone());
                }
                found.push(path);
            }
        }
        found
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cidlake"));
        command.arg("--lake").arg(self.at("lake")).args(arguments).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CIDLAKE_") {
                command.env_remove(name);
            }
        }
        command.env("HOME", &self.root).env("CIDLAKE_KEY_FILE", self.at("key"));
        command.env("XDG_CONFIG_HOME", self.at("config"));
        command
    }

    /// Runs the program beside a server; it must succeed.
    pub(super) fn run(&self, arguments: &[&str]) {
        let done = self.command(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Starts a server with more arguments and says nothing to it.
    pub(super) fn start(&self, arguments: &[&str]) -> Client {
        let mut command = self.command(&["mcp"]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Client { child, input, output, last_id: 0 }
    }

    /// Starts a server and agrees with it on a revision of the protocol that has `initialize`.
    pub(super) fn serve(&self, arguments: &[&str]) -> Client {
        let mut client = self.start(arguments);
        let answer = client.request(
            "initialize",
            json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            }),
        );
        assert_eq!(answer["result"]["serverInfo"]["name"], "cidlake", "{answer}");
        client.notify("notifications/initialized", json!({}));
        client
    }
}

/// A running server and the two ends of its pipes.
pub(super) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    last_id: u64,
}

impl Client {
    /// Sends a request and returns its id.
    pub(super) fn send(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    pub(super) fn notify(&mut self, method: &str, params: Value) {
        self.write(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Reads the next message, whatever it is.
    pub(super) fn read(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the server closed its output");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// Sends a request and returns the whole response.
    pub(super) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        loop {
            let message = self.read();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool and returns whether it failed and what it answered, having checked that both
    /// forms of the answer are the same and that failure is said in every way.
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> (bool, Value) {
        let response = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        let result = &response["result"];
        let answer = result["structuredContent"].clone();
        assert!(answer.is_object(), "{tool}: {response}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), answer, "{tool}");
        let failed = result["isError"] == true;
        assert_eq!(answer["success"], !failed, "{tool}: {answer}");
        (failed, answer)
    }

    /// Calls a tool that must succeed.
    pub(super) fn good(&mut self, tool: &str, arguments: Value) -> Value {
        let (failed, answer) = self.call(tool, arguments);
        assert!(!failed, "{tool}: {answer}");
        answer
    }

    /// Calls a tool that must fail, and returns the word for how, having checked the rest.
    pub(super) fn bad(&mut self, tool: &str, arguments: Value) -> String {
        let (failed, answer) = self.call(tool, arguments.clone());
        assert!(failed, "{tool} took {arguments}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
        answer["error_type"].as_str().unwrap().to_owned()
    }

    /// Stores a table from JSON text.
    pub(super) fn store(&mut self, name: &str, rows: &Value) -> Value {
        let data = rows.to_string();
        self.good("parquet_store_dataframe", json!({"data": data, "format": "json", "name": name}))
    }

    /// Closes the server's input and returns what it still wrote; it must end well.
    pub(super) fn close(mut self) -> String {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        rest
    }

    fn write(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{message}").unwrap();
        input.flush().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A test that failed must not leave a server behind; one that is gone already is no error.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns a path as an argument.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

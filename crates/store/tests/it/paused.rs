//! A real process that stands still with a lease, beyond its end, and goes on when somebody else has
//! the operation: what it says then counts for nothing.
//!
//! This test program runs itself as a worker, which does what it reads on its standard input. It is
//! stopped as a debugger or a laptop's lid would stop it.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cidlake_store::{
    LeaseRequest, Leased, NewOperation, OperationParams, OperationResult, OperationStatus,
    Settlement, Store,
};

use crate::kill::{Worker, open};

const FOLDER: &str = "CIDLAKE_TEST_PAUSED";
/// What a worker says before an answer.
const ANSWER: &str = "answer ";
const UNTIL: u64 = 1_000;

fn lease(store: &Store, at_ms: u64, until_ms: u64) -> Vec<Leased> {
    let kinds = vec!["slow".into()];
    let wish = LeaseRequest { kinds, worker: "a process".into(), until_ms, limit: 1 };
    store.lease(wish, at_ms).unwrap()
}

fn settle(store: &Store, leased: &Leased, at_ms: u64) -> bool {
    let done = Settlement::completed(leased, OperationResult::default());
    store.settle(vec![done], at_ms).unwrap()[0]
}

/// Takes an operation and settles it when it is told to. Not a test of its own: it passes at once
/// unless this program is run as a worker.
#[test]
fn a_worker_does_what_it_is_told() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder), 1);
    let mut leased = Vec::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let answer = match line.as_str() {
            "lease" => {
                leased = lease(&store, 1, UNTIL);
                leased.len().to_string()
            }
            "renew" => {
                let own = &leased[0];
                let lease = vec![(own.operation.id, own.token)];
                store.renew(lease, UNTIL + 9_000, UNTIL + 10).unwrap()[0].to_string()
            }
            _ => settle(&store, &leased[0], UNTIL + 10).to_string(),
        };
        println!("{ANSWER}{answer}");
    }
}

/// The worker, and what it says.
struct Paused {
    worker: Worker,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Paused {
    fn start(folder: &Path) -> Self {
        let mut child: Child = Command::new(std::env::current_exe().unwrap())
            .args(["paused::a_worker_does_what_it_is_told", "--exact", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { worker: Worker(child), input, output }
    }

    fn tell(&mut self, what: &str) {
        writeln!(self.input, "{what}").unwrap();
    }

    fn answer(&mut self) -> String {
        let mut lines = self.output.by_ref().map(Result::unwrap);
        // The first line may stand behind what the test harness says.
        let said = lines.find_map(|line| Some(line.split_once(ANSWER)?.1.to_owned()));
        said.expect("the worker answers")
    }

    fn signal(&self, signal: &str) {
        let pid = self.worker.0.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }
}

#[test]
#[cfg(unix)]
fn a_process_that_is_stopped_beyond_its_lease_is_fenced_off() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let store = open(&lake, 2);
    let new = NewOperation::new("slow", OperationParams::default()).unwrap();
    let id = store.enqueue(vec![new], 1).unwrap()[0].id;
    let mut paused = Paused::start(&lake);
    paused.tell("lease");
    assert_eq!(paused.answer(), "1");
    paused.signal("-STOP");
    // It reads this when it goes on.
    paused.tell("renew");
    paused.tell("settle");
    assert!(lease(&store, UNTIL - 1, UNTIL).is_empty(), "its lease is still good");
    let taken = lease(&store, UNTIL, UNTIL + 5_000).remove(0);
    assert_eq!((taken.operation.id, taken.operation.attempts), (id, 2));
    paused.signal("-CONT");
    assert_eq!([paused.answer(), paused.answer()], ["false", "false"]);
    assert_eq!(store.operation(id).unwrap().unwrap().status, OperationStatus::Processing);
    assert!(settle(&store, &taken, UNTIL + 20));
    let done = store.operation(id).unwrap().unwrap();
    assert_eq!((done.status, done.attempts), (OperationStatus::Completed, 2));
}

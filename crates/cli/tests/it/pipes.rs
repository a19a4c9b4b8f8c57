//! Standard output as a pipe: a reader that leaves early got what it wanted.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use crate::Place;

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let place = Place::new();
    let rows: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    place.write("t.csv", format!("n\n{rows}"));
    place.good(&["store", "t.csv", "--name", "t"]);
    for format in ["ndjson", "csv", "json", "markdown", "arrow", "parquet"] {
        // More than anybody would wait for: that it ends shows that the work was stopped.
        let query = "SELECT a.n, b.n AS m FROM t a, t b";
        let mut child = place
            .command(&["sql", query, "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        assert!(out.fill_buf().unwrap().len() > 1, "{format}");
        drop(out);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_pipe_gets_json_and_no_talk() {
    let place = Place::with_people();
    let done = place.run(&["store", "people.csv", "--name", "again"]);
    assert_eq!(done.stderr, "", "progress and suggestions are for terminals");
    assert!(done.stdout.starts_with(b"{\"success\":true"), "{done:?}");
    assert!(!done.stdout.contains(&0x1b), "no colours in a pipe");
}

//! The forms of answers, and files that appear whole or not at all.

use crate::{Place, text};

#[test]
fn rows_come_in_every_format_of_text() {
    let place = Place::with_people();
    let table = [
        ("csv", "id,name,city\n1,Ada,London\n2,Bob,\n3,Żółw,Łódź\n"),
        (
            "ndjson",
            "{\"id\":1,\"name\":\"Ada\",\"city\":\"London\"}\n\
             {\"id\":2,\"name\":\"Bob\",\"city\":null}\n\
             {\"id\":3,\"name\":\"Żółw\",\"city\":\"Łódź\"}\n",
        ),
        (
            "markdown",
            "| id | name | city |\n| ---: | --- | --- |\n| 1 | Ada | London |\n| 2 | Bob |  |\n\
             | 3 | Żółw | Łódź |\n",
        ),
        (
            "table",
            "┌────┬──────┬────────┐\n\
             │ id ┆ name ┆ city   │\n\
             ╞════╪══════╪════════╡\n\
             │  1 ┆ Ada  ┆ London │\n\
             │  2 ┆ Bob  ┆ NULL   │\n\
             │  3 ┆ Żółw ┆ Łódź   │\n\
             └────┴──────┴────────┘\n\
             3 rows\n",
        ),
    ];
    for (format, expected) in table {
        assert_eq!(place.good(&["get", "people", "--format", format]), expected, "{format}");
    }
}

#[test]
fn what_leaves_as_a_file_or_a_stream_comes_back_with_the_same_cid() {
    let place = Place::with_people();
    let cid = text(&place.json(&["show", "people"]), "cid").to_owned();
    for file in ["x.parquet", "x.arrow", "x.arrows", "x.ndjson", "x.json", "x.csv"] {
        let done = place.run(&["get", "people", "-o", file]);
        assert_eq!((done.code, done.stdout.len()), (Some(0), 0), "{file}: {}", done.stderr);
        assert_eq!(done.stderr, format!("wrote 3 rows to {file}\n"));
        let back = place.json(&["store", file, "--name", "back"]);
        assert_eq!(text(&back, "cid"), cid, "{file}");
    }
    for format in ["parquet", "arrow"] {
        let piped = place.run(&["sql", "SELECT * FROM people ORDER BY id", "--format", format]);
        assert_eq!(piped.code, Some(0), "{}", piped.stderr);
        let store = ["store", "-", "--name", "piped"];
        let back = place.run_with_stdin(&store, &piped.stdout).text(&store);
        assert!(back.contains(&cid), "{format}: {back}");
    }
    let quiet = place.run(&["get", "people", "-o", "x.csv", "--quiet"]);
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{quiet:?}");
}

#[test]
fn an_asked_format_wins_over_the_extension() {
    let place = Place::with_people();
    place.good(&["get", "people", "-o", "x.parquet", "--format", "csv"]);
    assert!(place.read("x.parquet").starts_with(b"id,name,city\n"));
    place.good(&["get", "people", "-o", "x.md"]);
    assert!(place.read("x.md").starts_with(b"| id |"));
}

#[test]
fn a_table_for_people_shows_some_rows_and_counts_all() {
    let place = Place::new();
    let rows: String = (0..1_234).map(|n| format!("{n}\n")).collect();
    place.write("n.csv", format!("n\n{rows}"));
    place.good(&["store", "n.csv", "--name", "n"]);
    let last = |arguments: &[&str]| {
        let text = place.good(arguments);
        (text.lines().count(), text.lines().last().unwrap().to_owned())
    };
    let (lines, footer) = last(&["get", "n", "--format", "table"]);
    assert!(footer.starts_with("40 of 1,234 rows ("), "{footer}");
    assert_eq!(lines, 40 + 5);
    let (lines, footer) = last(&["get", "n", "--format", "table", "--limit", "100"]);
    assert_eq!((lines, footer.as_str()), (105, "100 rows"));
    // Every other format has all rows.
    assert_eq!(place.good(&["get", "n", "--format", "csv"]).lines().count(), 1_235);
}

#[test]
fn every_answer_has_rows_for_whoever_wants_rows() {
    let place = Place::with_people();
    let csv = place.good(&["datasets", "--format", "csv"]);
    assert!(csv.starts_with("name,cid,commit,rows,"), "{csv}");
    let markdown = place.good(&["show", "people", "--format", "markdown"]);
    assert!(markdown.starts_with("| name | kind |") && markdown.contains("| city |"), "{markdown}");
    let stored = ["store", "people.csv", "--name", "people", "--format", "csv"];
    let csv = place.good(&stored);
    assert!(csv.starts_with("success,name,cid,commit,rows,bytes,new_bytes\ntrue,people,"), "{csv}");
    place.write("list.parquet", place.run(&["datasets", "--format", "parquet"]).stdout);
    assert_eq!(place.json(&["store", "list.parquet", "--name", "list"])["rows"], 1);
    let table = place.good(&["datasets", "--format", "table"]);
    assert!(table.starts_with("name ") && table.contains("people"), "{table}");
}

#[test]
fn a_failed_query_leaves_no_file_and_an_old_one_as_it_was() {
    let place = Place::with_people();
    place.write("old.csv", "kept\n");
    let failing = "SELECT 1 / (id - 3) FROM people";
    let before = place.names(".");
    for file in ["old.csv", "new.csv"] {
        let error = place.bad(&["sql", failing, "-o", file], 1);
        assert!(error.starts_with("error: "), "{error}");
    }
    assert_eq!(place.read("old.csv"), b"kept\n");
    assert_eq!(place.names("."), before);
}

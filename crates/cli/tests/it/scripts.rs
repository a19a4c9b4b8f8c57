//! `cidlake sql` with several statements, with statements from standard input, and with results that
//! are kept. The shell at a terminal is tested in `tests/interop/python/test_shell.py`.

use serde_json::json;

use crate::{Place, text};

#[test]
fn several_statements_run_in_their_order() {
    let place = Place::with_people();
    let script = "SELECT ';' AS a; -- two; of them\nSELECT count(*) AS n FROM people -- ;\n;";
    let expected = "[\n{\"a\":\";\"}\n]\n[\n{\"n\":3}\n]\n";
    assert_eq!(place.good(&["sql", script]), expected);
    place.write("script.sql", script);
    assert_eq!(place.good(&["sql", "-f", "script.sql"]), expected);
    for arguments in [&["sql", "-"][..], &["sql"], &["sql", "-f", "-"]] {
        let done = place.run_with_stdin(arguments, script.as_bytes());
        assert_eq!(done.text(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn answers_for_people_have_a_line_between_them() {
    let place = Place::with_people();
    let script = "SELECT 1 AS a; SELECT 2 AS b;";
    let answers = place.good(&["sql", script, "--format", "markdown"]);
    assert_eq!(answers, "| a |\n| ---: |\n| 1 |\n\n| b |\n| ---: |\n| 2 |\n");
    let answers = place.good(&["sql", script, "--format", "csv"]);
    assert_eq!(answers, "a\n1\nb\n2\n");
}

#[test]
fn the_first_statement_that_fails_is_named_and_ends_it() {
    let place = Place::with_people();
    let script = "INSERT INTO people VALUES (4, 'Dora', NULL);\n\n-- next\nSELECT nosuch\n\
                  FROM people;\nDELETE FROM people WHERE true;";
    let done = place.run(&["sql", "--write", script]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.starts_with("error: statement 2, which begins in line 4, failed\n"));
    assert!(done.stderr.contains("cause: ") && done.stderr.contains("nosuch"), "{}", done.stderr);
    // What the first one wrote stays, and the third one did not run.
    let counted = place.json(&["sql", "SELECT count(*) AS n FROM people"]);
    assert_eq!(counted, json!([{"n": 4}]));

    let missing = place.run(&["sql", "SELECT 1; SELECT * FROM peopel"]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    assert!(missing.stderr.contains("hint: did you mean"), "{}", missing.stderr);
    let refused = place.run(&["sql", "SELECT 1; DELETE FROM people WHERE true"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("--write"), "{refused:?}");
}

#[test]
fn what_is_for_one_statement_is_refused_for_several() {
    let place = Place::with_people();
    let table: [&[&str]; 5] = [
        &["-o", "out.csv"],
        &["--save", "kept"],
        &["--param", "1"],
        &["--format", "parquet"],
        &["--format", "arrow"],
    ];
    for more in table {
        let error = place.bad(&[&["sql", "SELECT 1; SELECT 2"][..], more].concat(), 2);
        assert!(error.contains("several statements") && error.contains("hint:"), "{error}");
    }
    assert!(!place.path("out.csv").exists());
    place.bad(&["show", "kept"], 3);
}

#[test]
fn nothing_on_standard_input_is_no_statement() {
    let place = Place::with_people();
    for input in ["", "\n", "-- nothing\n"] {
        let done = place.run_with_stdin(&["sql"], input.as_bytes());
        assert_eq!((done.code, done.stdout.len()), (Some(1), 0), "{done:?}");
        assert!(done.stderr.contains("no statement"), "{done:?}");
    }
}

#[test]
fn a_result_is_kept_as_a_dataset() {
    let place = Place::with_people();
    let query = "SELECT * FROM people WHERE id < $1;";
    let saved = place.json(&["sql", query, "--save", "few", "--param", "3"]);
    assert_eq!((text(&saved, "name"), &saved["rows"]), ("few", &json!(2)));
    assert_eq!(saved["success"], true);
    let shown = place.json(&["show", "few"]);
    assert_eq!((&shown["commit"], text(&shown, "operation")), (&saved["commit"], "create"));
    assert_eq!(
        place.good(&["get", "few", "--columns", "name", "--format", "csv"]),
        "name\nAda\nBob\n"
    );

    // All rows as they are have the CID that they had.
    let cid = place.json(&["show", "people"])["cid"].clone();
    assert_eq!(place.json(&["sql", "SELECT * FROM people", "--save", "a.b-c"])["cid"], cid);
    let people = place.good(&["sql", "SELECT 1 AS a", "--save", "one", "--format", "table"]);
    assert!(people.starts_with("one stored: 1 row, 1 column, 1 part, "), "{people}");
}

#[test]
fn what_cannot_be_kept_is_said_and_keeps_nothing() {
    let place = Place::with_people();
    let table: [(&[&str], i32, &str); 6] = [
        (&["SELECT 1 AS a", "--save", "people"], 1, "exists already"),
        (&["SELECT 1 AS a", "--save", "Not A Name"], 2, "Not A Name"),
        (&["SELECT nosuch FROM people", "--save", "new"], 1, "nosuch"),
        (&["DELETE FROM people WHERE true", "--save", "new"], 1, "DELETE"),
        (&["--write", "DELETE FROM people WHERE true", "--save", "new"], 1, "no rows to be kept"),
        (&["SELECT 1 AS a", "--save", "new", "-o", "a.csv"], 2, "--output"),
    ];
    for (arguments, code, words) in table {
        let error = place.bad(&[&["sql"][..], arguments].concat(), code);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let names = place.json(&["sql", "SELECT name, rows FROM datasets"]);
    assert_eq!(names, json!([{"name": "people", "rows": 3}]));
}

#[test]
fn a_value_a_line() {
    let place = Place::with_people();
    let expected = "  id = 1\nname = Ada\ncity = London\n\n  id = 2\nname = Bob\ncity = NULL\n";
    let query = "SELECT * FROM people WHERE id < 3 ORDER BY id";
    assert_eq!(place.good(&["sql", query, "--format", "line"]), expected);
    place.good(&["sql", query, "-o", "people.txt", "--format", "line"]);
    assert_eq!(place.read("people.txt"), expected.as_bytes());
    let listed = place.good(&["datasets", "--format", "line"]);
    assert!(listed.contains(" = people\n") && listed.contains("rows = 3\n"), "{listed}");
}

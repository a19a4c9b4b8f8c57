//! Bad input: each a clear error with its exit code, and nothing half-stored.

use serde_json::{Value, json};

use crate::{PEOPLE, Place};

const ABSENT_CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

#[test]
fn every_mistake_has_its_exit_code_and_says_what_it_is() {
    let place = Place::with_people();
    place.write("foreign.parquet", "this is no Parquet file at all");
    place.write("noise.bin", [0, 1, 2, 3, 200, 201]);
    place.write("ragged.csv", "a,b\n1,2\n3\n");
    place.write("empty.csv", "");
    let long = "x".repeat(65);
    let table: [(&[&str], i32, &str); 33] = [
        // Names, versions and CIDs that are not there, or no such thing.
        (&["get", "peopel"], 3, "did you mean people?"),
        (&["get", ABSENT_CID], 3, ABSENT_CID),
        (&["get", "people~7"], 3, "people"),
        (&["show", "nosuch"], 3, "nosuch"),
        (&["drop", "nosuch"], 3, "nosuch"),
        (&["rename", "nosuch", "other"], 3, "nosuch"),
        (&["cat", ABSENT_CID], 3, ABSENT_CID),
        (&["get", "bafynonsense"], 2, "bafynonsense"),
        (&["cat", "nonsense!"], 2, "nonsense!"),
        (&["get", "../../x"], 2, "../../x"),
        (&["store", "people.csv", "--name", "../../x"], 2, "../../x"),
        (&["store", "people.csv", "--name", "UPPER"], 2, "UPPER"),
        (&["store", "people.csv", "--name", "datasets"], 2, "reserved"),
        (&["store", "people.csv", "--name", &long], 2, "64"),
        (&["rename", "people", "a b"], 2, "a b"),
        // Files that cannot be read as tables.
        (&["store", "absent.csv", "--name", "t"], 3, "absent.csv"),
        (&["store", "foreign.parquet", "--name", "t"], 1, "foreign.parquet"),
        (&["store", "noise.bin", "--name", "t"], 1, "--input-format"),
        (&["store", "ragged.csv", "--name", "t"], 1, "ragged.csv"),
        (&["store", "empty.csv", "--name", "t"], 1, "empty.csv"),
        (&["store", "people.csv", "--name", "t", "--append"], 3, "--append"),
        (&["import", "people.csv"], 1, "CAR"),
        // Queries that are wrong, or want more than to read the lake.
        (&["sql", "SELEC 1"], 1, "error:"),
        (&["sql", "SELECT nosuch FROM people"], 1, "nosuch"),
        (&["sql", "SELECT * FROM nosuch"], 3, "nosuch"),
        (&["sql", "DROP TABLE people"], 1, "not allowed"),
        (&["sql", "COPY people TO 'out.csv'"], 1, "error:"),
        (&["sql", "SELECT 1; SELECT 2", "-o", "out.csv"], 2, "several statements"),
        (&["get", "people", "--columns", "nmae"], 1, "nmae"),
        (&["get", "people", "--where", "nosuch = 1"], 1, "nosuch"),
        // Options.
        (&["get", "people", "-o", "out.bin"], 2, "--format"),
        (&["store", "-", "-", "--name", "t"], 2, "standard input"),
        (&["--lake", "nowhere", "datasets"], 3, "nowhere"),
    ];
    for (arguments, code, words) in table {
        let error = place.bad(arguments, code);
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?} says {error}");
        assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    }
    let names = place.json(&["sql", "SELECT name FROM datasets"]);
    assert_eq!(names, json!([{"name": "people"}]), "a mistake stored something");
    assert!(!place.path("out.csv").exists() && !place.path("nowhere").exists());
    assert_eq!(place.json(&["fsck"])["damage"], json!([]));
}

#[test]
fn what_cannot_be_parsed_is_a_mistake_of_usage() {
    let place = Place::with_people();
    let table: [&[&str]; 9] = [
        &[],
        &["nosuch"],
        &["get"],
        &["get", "people", "--nosuch"],
        &["get", "people", "--limit", "-1"],
        &["get", "people", "--format", "xml"],
        &["sql", "SELECT 1", "--timeout", "0"],
        &["store", "people.csv", "--metadata", "x"],
        &["demo", "--scale", "0"],
    ];
    for arguments in table {
        assert!(!place.bad(arguments, 2).is_empty(), "{arguments:?} says nothing");
    }
}

#[test]
fn sql_reads_no_file() {
    let place = Place::with_people();
    place.write("secret.csv", "a\nsecret words\n");
    let path = place.path("secret.csv").display().to_string();
    let tables = [
        format!("'{path}'"),
        format!("\"{path}\""),
        format!("read_csv('{path}')"),
        "'secret.csv'".to_owned(),
    ];
    for table in tables {
        let done = place.run(&["sql", &format!("SELECT * FROM {table}")]);
        assert!(matches!(done.code, Some(1 | 3)), "{table}: {done:?}");
        assert!(done.stdout.is_empty() && !done.stderr.contains("secret words"), "{done:?}");
    }
}

#[test]
fn a_truncated_file_stores_nothing() {
    let place = Place::with_people();
    place.good(&["get", "people", "-o", "whole.parquet"]);
    let whole = place.read("whole.parquet");
    for cut in [4, whole.len() / 2, whole.len() - 1] {
        place.write("cut.parquet", &whole[..cut]);
        let error = place.bad(&["store", "cut.parquet", "--name", "cut"], 1);
        assert!(error.contains("cut.parquet"), "{cut}: {error}");
    }
    place.bad(&["show", "cut"], 3);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_so() {
    let place = Place::with_people();
    let error = place.bad(&["--lake", "people.csv/lake", "store", "people.csv"], 1);
    assert!(error.contains("people.csv"), "{error}");
    let error = place.bad(&["get", "people", "-o", "people.csv/x.csv"], 1);
    assert!(error.contains("people.csv/x.csv"), "{error}");
    place.bad(&["get", "people", "-o", "absent/x.csv"], 3);
    place.bad(&["get", "people", "-o", "tmp", "--format", "csv"], 1);
    assert_eq!(place.read("people.csv"), PEOPLE.as_bytes());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_so() {
    let place = Place::with_people();
    let error = place.bad(&["get", "people", "-o", "/dev/full", "--format", "csv"], 1);
    assert!(error.contains("No space left"), "{error}");
}

#[test]
fn a_lake_of_a_newer_format_is_left_alone() {
    let place = Place::with_people();
    let settings = String::from_utf8(place.read("lake/lake.toml")).unwrap();
    place.write("lake/lake.toml", settings.replace("= 1", "= 999"));
    for arguments in [&["datasets"][..], &["store", "people.csv", "--name", "t"]] {
        let error = place.bad(arguments, 1);
        assert!(error.contains("999") && error.contains("hint:"), "{error}");
    }
    place.write("lake/lake.toml", settings);
    assert_eq!(place.json(&["datasets"]).as_array().unwrap().len(), 1);
}

#[test]
fn errors_are_json_for_whoever_asks() {
    let place = Place::with_people();
    let line = place.bad(&["get", "peopel", "--error-format", "json"], 3);
    let error: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line.lines().count(), 1);
    assert_eq!(error["error"]["kind"], "not_found");
    assert_eq!(error["error"]["exit_code"], 3);
    assert!(error["error"]["hint"].as_str().unwrap().contains("people"), "{error}");
}

//! Every command does what its help says.

use serde_json::json;

use crate::{PEOPLE, Place, exists, text};

#[test]
fn store_answers_with_one_object_and_writes_nothing_twice() {
    let place = Place::new();
    place.write("people.csv", PEOPLE);
    let arguments = ["store", "people.csv", "--name", "people"];
    let line = place.good(&arguments);
    assert_eq!(line.lines().count(), 1);
    let keys: Vec<usize> = ["success", "name", "cid", "commit", "rows", "bytes", "new_bytes"]
        .map(|key| {
            line.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {line}"))
        })
        .into();
    assert!(keys.is_sorted(), "{line}");
    let first: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&first["success"], &first["rows"]), (&json!(true), &json!(3)));
    assert!(text(&first, "cid").starts_with("bafk") && text(&first, "commit").starts_with("bafy"));
    assert!(first["new_bytes"].as_u64() > first["bytes"].as_u64(), "{first}");

    let again = place.json(&arguments);
    assert_eq!(again["new_bytes"], 0);
    assert_eq!((&again["cid"], &again["commit"]), (&first["cid"], &first["commit"]));

    // The lake and the key are where they were wanted, and nowhere else.
    assert!(exists(&place.path("lake/lake.toml")) && exists(&place.path("key")));
    assert!(!exists(&place.path("config")) && !exists(&place.path("data")));
}

#[test]
fn the_lake_is_named_by_the_option_before_the_environment() {
    let place = Place::with_people();
    place.good(&["--lake", "other", "store", "people.csv", "--name", "p"]);
    let names = |arguments: &[&str]| place.json(arguments)[0]["name"].clone();
    assert_eq!(names(&["datasets"]), "people");
    assert_eq!(names(&["datasets", "--lake", "other"]), "p");
}

#[test]
fn standard_input_folders_and_several_files_are_stored() {
    let place = Place::new();
    let piped = ["store", "-", "--name", "piped", "--input-format", "ndjson"];
    let done = place.run_with_stdin(&piped, b"{\"a\":1}\n{\"a\":null}\n");
    let stored: serde_json::Value = serde_json::from_str(&done.text(&piped)).unwrap();
    assert_eq!(stored["rows"], 2);

    std::fs::create_dir(place.path("months")).unwrap();
    place.write("months/02.csv", "a\n3\n");
    place.write("months/01.csv", "a\n1\n2\n");
    place.write("last.csv", "a\n4\n");
    place.good(&["store", "months", "last.csv", "--name", "months"]);
    assert_eq!(place.good(&["get", "months", "--format", "csv"]), "a\n1\n2\n3\n4\n");
}

#[test]
fn an_append_is_a_version_and_the_one_before_stays() {
    let place = Place::with_people();
    place.write("more.csv", "id,name,city\n4,Dora,Oslo\n");
    let more = ["store", "more.csv", "--name", "people", "--append", "-m", "one more"];
    assert_eq!(place.json(&more)["rows"], 4);
    let count = |name: &str| place.json(&["get", name]).as_array().unwrap().len();
    assert_eq!((count("people"), count("people~1")), (4, 3));
    let shown = place.json(&["show", "people"]);
    assert_eq!((text(&shown, "operation"), text(&shown, "message")), ("append", "one more"));
    assert_eq!(shown["parents"].as_array().unwrap().len(), 1);
}

#[test]
fn get_reads_columns_filters_and_limits() {
    let place = Place::with_people();
    let read = place.good(&[
        "get",
        "people",
        "--columns",
        "name,id",
        "--where",
        "city IS NOT NULL",
        "--limit",
        "1",
    ]);
    assert_eq!(read, "[\n{\"name\":\"Ada\",\"id\":1}\n]\n");
    let cid = text(&place.json(&["show", "people"]), "cid").to_owned();
    assert_eq!(place.good(&["get", &cid]), place.good(&["get", "people"]));
}

#[test]
fn sql_comes_from_the_line_a_file_or_standard_input() {
    let place = Place::with_people();
    let query = "SELECT count(*) AS n FROM people";
    let expected = "[\n{\"n\":3}\n]\n";
    assert_eq!(place.good(&["sql", query]), expected);
    place.write("query.sql", query);
    assert_eq!(place.good(&["sql", "-f", "query.sql"]), expected);
    let dash = ["sql", "-"];
    assert_eq!(place.run_with_stdin(&dash, query.as_bytes()).text(&dash), expected);
    let cid = text(&place.json(&["show", "people"]), "cid").to_owned();
    let by_cid = format!("SELECT count(*) AS n FROM \"{cid}\"");
    assert_eq!(place.good(&["sql", &by_cid]), expected);
    let listed = place.good(&["sql", "SELECT name, COUNT(*) AS n FROM datasets GROUP BY name"]);
    assert_eq!(listed, "[\n{\"name\":\"people\",\"n\":1}\n]\n");
}

#[test]
fn a_query_stops_when_its_time_is_over() {
    let place = Place::new();
    let rows: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    place.write("t.csv", format!("n\n{rows}"));
    place.good(&["store", "t.csv", "--name", "t"]);
    let slow = "SELECT count(*) FROM t a, t b, t c WHERE a.n + b.n + c.n = 7";
    let error = place.bad(&["sql", slow, "--timeout", "0.2"], 1);
    assert!(error.contains("200 ms") && error.contains("hint:"), "{error}");
}

#[test]
fn datasets_are_listed_shown_renamed_and_dropped() {
    let place = Place::new();
    place.write("people.csv", PEOPLE);
    let note = ["--metadata", "source=a=b", "--metadata", "owner=me"];
    place.good(&[&["store", "people.csv", "--name", "people"][..], &note].concat());
    let listed = place.json(&["datasets"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["metadata"], json!({"source": "a=b", "owner": "me"}));
    let updated = text(&listed[0], "updated");
    assert!(updated.contains('T') && updated.ends_with('Z'), "{updated}");

    let shown = place.json(&["show", "people"]);
    assert_eq!((text(&shown, "kind"), &shown["rows"]), ("table", &json!(3)));
    assert_eq!(shown["columns"][2]["nulls"], 1);
    assert_eq!(shown["parts"][0]["rows"], 3);

    let renamed = place.json(&["rename", "people", "old.people"]);
    assert_eq!((text(&renamed, "from"), text(&renamed, "to")), ("people", "old.people"));
    place.bad(&["show", "people"], 3);
    let dropped = place.json(&["drop", "old.people"]);
    assert_eq!(place.json(&["datasets"]), json!([]));
    // A dropped name frees the name alone.
    let commit = text(&dropped, "commit");
    assert_eq!(place.json(&["get", commit]).as_array().unwrap().len(), 3);
}

#[test]
fn files_are_added_listed_and_read_in_part() {
    let place = Place::new();
    std::fs::create_dir(place.path("letters")).unwrap();
    place.write("letters/hello.txt", "Dear lake, keep this for me.\n");
    let folder = place.json(&["add", "letters"]);
    assert_eq!((text(&folder, "name"), &folder["bytes"]), ("letters", &json!(29)));
    let both = place.json(&["add", "letters", "letters/hello.txt"]);
    assert_eq!(both[0]["cid"], folder["cid"]);
    // The CID of these bytes by sha2-256 as a raw block, as any IPFS tool computes it.
    let file = "bafkreifbrkt46h2e75yfpvj35tfhyuzskzqw5unieizlqg2w2tmsc63anu";
    assert_eq!(text(&both[1], "cid"), file);

    let listed = place.json(&["ls", text(&folder, "cid")]);
    let entry = json!({"name": "hello.txt", "cid": file, "size": 29, "kind": "file"});
    assert_eq!(listed, json!([entry]));

    let path = format!("{}/hello.txt", text(&folder, "cid"));
    let table: [(&[&str], &str); 6] = [
        (&[], "Dear lake, keep this for me.\n"),
        (&["--range", "5-8"], "lake"),
        (&["--range", "25-"], "me.\n"),
        (&["--offset", "5", "--length", "4"], "lake"),
        (&["--length", "4"], "Dear"),
        (&["--offset", "1000"], ""),
    ];
    for (more, expected) in table {
        let arguments = [&["cat", &path][..], more].concat();
        assert_eq!(place.good(&arguments), expected, "{more:?}");
    }
    let dash = ["add", "-"];
    let piped = place.run_with_stdin(&dash, b"Dear lake, keep this for me.\n").text(&dash);
    assert!(piped.contains(file), "{piped}");
}

#[test]
fn a_dataset_travels_as_a_car_file() {
    let place = Place::with_people();
    let exported = place.json(&["export", "people", "-o", "people.car"]);
    assert_eq!(text(&exported, "path"), "people.car");
    let bytes = place.read("people.car").len();
    assert_eq!(exported["bytes"], json!(bytes));
    let arguments = ["--lake", "other", "import", "people.car", "--name", "copy"];
    let imported = place.json(&arguments);
    assert_eq!(imported["names"], json!(["copy"]));
    assert_eq!(imported["roots"], json!([exported["cid"], exported["commit"]]));
    assert_eq!(imported["blocks"], exported["blocks"]);
    let copied = place.good(&["--lake", "other", "get", "copy"]);
    assert_eq!(copied, place.good(&["get", "people"]));
    assert_eq!(place.json(&arguments)["new_bytes"], 0);
    let checked = place.json(&["--lake", "other", "fsck"]);
    assert_eq!((&checked["success"], &checked["damage"]), (&json!(true), &json!([])));
}

#[test]
fn help_version_and_completions_need_no_lake() {
    let place = Place::new();
    let help = place.good(&["--help"]);
    for word in ["Tables:", "store", "Examples:", "Exit codes:", "--lake <DIR>"] {
        assert!(help.contains(word), "no {word} in {help}");
    }
    assert!(place.good(&["get", "--help"]).contains("cidlake get people"));
    assert_eq!(place.good(&["--version"]), format!("cidlake {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.good(&["completions", shell]).contains("cidlake"), "{shell}");
    }
    assert_eq!(place.names("."), ["tmp"]);
}

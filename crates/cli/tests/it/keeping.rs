//! What is kept, as the command line says it: pins, expiry, collection, maintenance, the doctor.

use serde_json::json;

use crate::{Place, text};

/// A place whose dataset `people` has three versions.
fn with_versions() -> Place {
    let place = Place::with_people();
    for (file, row) in [("more.csv", "4,Dora,Oslo"), ("last.csv", "5,Eve,Rome")] {
        place.write(file, format!("id,name,city\n{row}\n"));
        place.good(&["store", file, "--name", "people", "--append"]);
    }
    place
}

#[test]
fn pins_are_made_listed_and_ended() {
    let place = with_versions();
    let commit = text(&place.json(&["show", "people~1"]), "commit").to_owned();
    let pinned = place.json(&["pin", "people~1", "--name", "four"]);
    assert_eq!((text(&pinned, "cid"), text(&pinned, "name")), (commit.as_str(), "four"));
    assert_eq!(pinned["unchanged"], json!(false));
    let pins = place.json(&["pins"]);
    assert_eq!((text(&pins[0], "cid"), &pins[0]["rows"]), (commit.as_str(), &json!(4)));
    assert_eq!(place.json(&["unpin", "four"])["cid"], json!(commit));
    assert_eq!(place.json(&["pins"]), json!([]));
    let error = place.bad(&["unpin", "four"], 3);
    assert!(error.contains("four") && error.contains("hint:"), "{error}");
}

#[test]
fn old_versions_expire_and_are_collected() {
    let place = with_versions();
    let keep = ["expire", "people", "--keep", "1"];
    let dry = place.json(&[&keep[..], &["--dry-run"]].concat());
    assert_eq!((&dry["versions_expired"], &dry["dry_run"]), (&json!(2), &json!(true)));
    place.good(&["get", "people~2"]);
    let done = place.json(&keep);
    assert_eq!((&done["versions_kept"], &done["versions_expired"]), (&json!(1), &json!(2)));
    assert_eq!(place.json(&keep)["versions_expired"], json!(0));
    let error = place.bad(&["get", "people~1"], 3);
    assert!(error.contains("expired") && error.contains("cidlake expire"), "{error}");

    let would = place.json(&["gc", "--dry-run"]);
    let did = place.json(&["gc"]);
    assert_eq!(would["blocks_kept"], did["blocks_kept"]);
    assert_eq!((&did["success"], &did["dry_run"]), (&json!(true), &json!(false)));
    assert_eq!(place.json(&["get", "people"]).as_array().unwrap().len(), 5);
    assert_eq!(place.json(&["fsck", "--full"])["damage"], json!([]));
}

#[test]
fn what_to_keep_must_be_understood() {
    let place = Place::with_people();
    for keep in ["0", "some", "5x", "2026-13-01"] {
        let error = place.bad(&["expire", "people", "--keep", keep], 2);
        assert!(error.contains("hint:"), "{keep}: {error}");
    }
    place.bad(&["expire", "people"], 2);
    place.bad(&["expire", "nosuch", "--keep", "1"], 3);
    place.bad(&["pin", "nosuch"], 3);
}

#[test]
fn maintenance_says_what_it_did() {
    let place = with_versions();
    let done = place.json(&["maintain"]);
    assert_eq!((&done["success"], &done["checkpoint_new"]), (&json!(true), &json!(true)));
    assert_eq!(done["gc"]["success"], json!(true));
    // The only segment of the log is not closed; what is known of all versions was never kept before.
    assert_eq!((&done["log_segments_sealed"], &done["index_new"]), (&json!(0), &json!(true)));
    let rows = place.good(&["maintain", "--format", "csv"]);
    assert!(rows.contains("\nlog_segments_sealed,0\nindex_new,"), "{rows}");
    let people = place.good(&["maintain", "--format", "table"]);
    assert!(people.contains("\nlog copies      nothing to copy\nindex snapshot  "), "{people}");
    assert_eq!(place.json(&["maintain", "--no-gc"])["gc"], json!(null));
    assert_eq!(place.json(&["get", "people~2"]).as_array().unwrap().len(), 3);
}

#[test]
fn the_doctor_tells_a_lake_that_is_well_from_one_that_is_not() {
    let place = Place::with_people();
    let well = place.json(&["doctor"]);
    assert_eq!(well["success"], json!(true), "{well}");
    assert!(place.good(&["doctor", "--format", "csv"]).starts_with("what,status,detail,advice\n"));
    let absent = place.run(&["--lake", "nowhere", "doctor"]);
    assert_eq!(absent.code, Some(4), "{absent:?}");
    assert!(String::from_utf8_lossy(&absent.stdout).contains("\"bad\""), "{absent:?}");

    let names = place.names("lake/wal");
    let segment = names.iter().find(|name| name.ends_with(".wal")).unwrap();
    let segment = format!("lake/wal/{segment}");
    let good = place.read(&segment);
    // A second record behind the one that is damaged shows that it was once whole.
    place.good(&["store", "people.csv", "--name", "again"]);
    let mut bad = place.read(&segment);
    assert_ne!(bad, good);
    bad[70] ^= 1;
    place.write(&segment, &bad);
    let sick = place.run(&["doctor"]);
    assert_eq!(sick.code, Some(4), "{sick:?}");
    assert!(String::from_utf8_lossy(&sick.stdout).contains("--repair"), "{sick:?}");
    place.bad(&["datasets"], 4);

    // What is whole is saved: the change that was lost comes back with the one that builds on it.
    let repaired = place.json(&["fsck", "--repair", "--full"]);
    assert_eq!(repaired["success"], json!(true), "{repaired}");
    assert_eq!(repaired["repaired"]["lost"].as_array().unwrap().len(), 1, "{repaired}");
    assert_eq!(place.json(&["datasets"]).as_array().unwrap().len(), 2);
    assert!(place.good(&["get", "people"]).contains("Ada"));
}

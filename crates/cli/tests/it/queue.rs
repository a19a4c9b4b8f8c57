//! `cidlake wal`: operations are queued, run, looked at, tried again and dropped.

use serde_json::{Value, json};

use crate::{Done, Place, text};

const RUN: [&str; 3] = ["wal", "run", "--no-schedule"];

/// Queues an operation and returns its number.
fn enqueue(place: &Place, arguments: &[&str]) -> String {
    let queued = place.json(&[&["wal", "enqueue"][..], arguments].concat());
    assert_eq!((&queued["success"], text(&queued, "status")), (&json!(true), "pending"));
    text(&queued, "id").to_owned()
}

/// Returns the answer of a worker that ended.
fn summary(done: &Done) -> Value {
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

#[test]
fn what_is_queued_is_run_once() {
    let place = Place::with_people();
    let verify = ["wal", "enqueue", "verify", "full=true", "--key", "nightly"];
    let queued = place.json(&verify);
    let keys: Vec<&String> = queued.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["success", "id", "kind", "key", "status", "unchanged"]);
    assert_eq!((text(&queued, "kind"), text(&queued, "key")), ("verify", "nightly"));
    assert_eq!((text(&queued, "status"), &queued["unchanged"]), ("pending", &json!(false)));
    let again = place.json(&verify);
    assert_eq!((&again["id"], &again["unchanged"]), (&queued["id"], &json!(true)));

    let listed = place.json(&["wal", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["params"], json!({"full": true}));
    assert_eq!((&listed[0]["attempts"], &listed[0]["attempts_max"]), (&json!(0), &json!(6)));
    let status = place.json(&["wal", "status"]);
    assert_eq!((&status["pending"], &status["queued_total"]), (&json!(1), &json!(1)));
    assert!(status["lag_ms"].is_u64(), "{status}");

    let did = json!({
        "success": true, "scheduled": 0, "completed": 1, "retrying": 0, "failed": 0, "lost": 0,
    });
    assert_eq!(place.json(&RUN), did);
    assert_eq!(place.json(&RUN)["completed"], json!(0));
    let shown = place.json(&["wal", "show", text(&queued, "id")]);
    assert_eq!((text(&shown, "status"), &shown["attempts"]), ("completed", &json!(1)));
    assert!(text(&shown, "result").contains("all sound"), "{shown}");
    assert!(shown["result_bytes"].as_u64() > Some(0) && shown["completed"].is_string(), "{shown}");
    // It is known still, and so is its key.
    assert_eq!(place.json(&verify)["unchanged"], json!(true));
    let status = place.json(&["wal", "status"]);
    assert_eq!((&status["completed"], &status["lag_ms"]), (&json!(1), &Value::Null));
}

#[test]
fn operations_are_listed_by_status_kind_and_number() {
    let place = Place::with_people();
    assert_eq!(place.json(&["wal", "list"]), json!([]));
    assert_eq!(place.good(&["wal", "list", "--format", "table"]), "no operations\n");
    let first = enqueue(&place, &["seal"]);
    place.good(&RUN);
    let second = enqueue(&place, &["compact", "name=people", "--attempts", "2"]);
    let third = enqueue(&place, &["gc", "--delay", "3600"]);
    let ids = |more: &[&str]| -> Vec<String> {
        let listed = place.json(&[&["wal", "list"][..], more].concat());
        listed.as_array().unwrap().iter().map(|row| text(row, "id").to_owned()).collect()
    };
    let (first, second, third) = (first.as_str(), second.as_str(), third.as_str());
    assert_eq!(ids(&[]), [first, second, third]);
    assert_eq!(ids(&["--status", "pending"]), [second, third]);
    assert_eq!(ids(&["--status", "completed", "--status", "dead"]), [first]);
    assert_eq!(ids(&["--kind", "gc"]), [third]);
    assert_eq!(ids(&["--after", first, "-n", "1"]), [second]);
    // What is not due yet stays.
    assert_eq!(place.json(&RUN)["completed"], json!(1));
    let waits = place.json(&["wal", "show", third]);
    assert_eq!((text(&waits, "status"), &waits["attempts"]), ("pending", &json!(0)));
    assert!(text(&waits, "due") > text(&waits, "queued"), "{waits}");

    let people = place.good(&["wal", "list", "--format", "table"]);
    let heads: Vec<&str> = people.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["id", "kind", "status", "attempts", "updated", "result"]);
    assert!(people.contains("completed") && people.contains("1/2"), "{people}");
    let csv = place.good(&["wal", "list", "--kind", "compact", "--format", "csv"]);
    assert!(csv.starts_with("id,kind,status,key,params,attempts,attempts_max,queued,"), "{csv}");
    assert!(csv.contains(r#""{""name"":""people""}""#), "{csv}");
}

#[test]
fn what_failed_for_good_is_said_and_can_be_tried_again() {
    let place = Place::with_people();
    let id = enqueue(&place, &["compact", "name=nosuch"]);
    let done = place.run(&RUN);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert_eq!(summary(&done)["failed"], json!(1));
    assert_eq!(summary(&done)["success"], json!(false));
    assert!(done.stderr.starts_with("error: 1 operation failed for good\nhint: "), "{done:?}");
    let shown = place.json(&["wal", "show", &id]);
    assert_eq!((text(&shown, "status"), text(&shown, "error_kind")), ("failed", "not_found"));
    assert!(text(&shown, "error").contains("nosuch"), "{shown}");
    let people = place.good(&["wal", "show", &id, "--format", "table"]);
    assert!(people.contains("\nparameters  {\"name\":\"nosuch\"}\n"), "{people}");
    assert!(people.contains("(not_found)\n"), "{people}");

    let again = place.json(&["wal", "retry", &id]);
    let expected = json!({"success": true, "id": id, "kind": "compact", "status": "pending"});
    assert_eq!(again, expected);
    place.good(&["store", "people.csv", "--name", "nosuch"]);
    assert_eq!(place.json(&RUN)["completed"], json!(1));
    let error = place.bad(&["wal", "retry", &id], 1);
    assert!(error.contains("completed") && error.contains("hint: only what is failed"), "{error}");
    let dropped = place.json(&["wal", "drop", &id]);
    assert_eq!((&dropped["id"], text(&dropped, "status")), (&json!(id), "completed"));
    let error = place.bad(&["wal", "show", &id], 3);
    assert!(error.contains(&format!("no operation {id}")), "{error}");
}

#[test]
fn the_schedule_is_queued_by_whoever_works() {
    let place = Place::with_people();
    let mut command = place.command(&["wal", "run"]);
    for kind in ["VERIFY", "COMPACT", "GC", "SEAL"] {
        command.env(
            format!("CIDLAKE_{kind}_EVERY_SECONDS"),
            if kind == "GC" { "0" } else { "9999999" },
        );
    }
    let done = Done::of(command.output().unwrap());
    let summary = summary(&done);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!((&summary["scheduled"], &summary["completed"]), (&json!(3), &json!(3)));
    let listed = place.json(&["wal", "list"]);
    let kinds: Vec<&str> = listed.as_array().unwrap().iter().map(|row| text(row, "kind")).collect();
    assert_eq!(kinds, ["compact", "seal", "verify"]);
    assert!(listed[0]["key"].is_string(), "{listed}");
}

#[cfg(unix)]
#[test]
fn a_worker_that_waits_ends_in_order_when_it_is_interrupted() {
    use std::process::{Command, Stdio};

    const LOOKS_MAX: usize = 2_000;
    let place = Place::with_people();
    let id = enqueue(&place, &["seal"]);
    let mut command = place.command(&[&RUN[..], &["--watch"]].concat());
    let worker = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let is_done = || text(&place.json(&["wal", "show", &id]), "status") == "completed";
    assert!((0..LOOKS_MAX).any(|_| is_done()), "it was never run");
    let pid = worker.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let done = Done::of(worker.wait_with_output().unwrap());
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(summary(&done)["completed"], json!(1));
    assert!(done.stderr.contains("ends after the operation"), "{done:?}");
}

#[test]
fn the_status_is_for_people_and_programs() {
    let place = Place::with_people();
    let status = place.json(&["wal", "status"]);
    for (figure, expected) in [("segments", 1), ("deltas", 1), ("sealed", 0), ("unsealed", 0)] {
        assert_eq!(status[figure], json!(expected), "{figure}: {status}");
    }
    assert!(status["records"].as_u64() > Some(0) && status["bytes"].as_u64() > Some(0));
    assert_eq!((&status["dirty"], &status["pending"]), (&json!(false), &json!(0)));
    let people = place.good(&["wal", "status", "--format", "table"]);
    for line in [
        "\ncheckpoint   none; the log has ",
        "\nwriter       none\n",
        "\nlag          nothing is due\n",
    ] {
        assert!(people.contains(line), "{people}");
    }
    let csv = place.good(&["wal", "status", "--format", "csv"]);
    assert!(
        csv.starts_with("segments,bytes,records,last_lsn,deltas,pins,checkpoint_lsn,"),
        "{csv}"
    );
    place.good(&["maintain"]);
    let maintained = place.json(&["wal", "status"]);
    assert!(maintained["checkpoint_lsn"].as_u64() > Some(0), "{maintained}");
}

#[test]
fn every_mistake_says_what_it_is() {
    let place = Place::with_people();
    let table: [(&[&str], i32, &str); 20] = [
        (&["wal", "show", "x"], 2, "`cidlake wal list`"),
        (&["wal", "show", "-1"], 2, "error: "),
        (&["wal", "show", "99"], 3, "there is no operation 99"),
        (&["wal", "retry", "99"], 3, "there is no operation 99"),
        (&["wal", "drop", "99"], 3, "there is no operation 99"),
        (&["wal", "list", "--status", "done"], 2, "one of pending, processing, completed"),
        (&["wal", "list", "--after", "x"], 2, "operations have numbers"),
        (&["wal", "list", "--limit", "0"], 2, "--limit"),
        (&["wal", "enqueue", "verfy"], 2, "did you mean verify?"),
        (&["wal", "enqueue", "nosuch"], 2, "there are compact, gc, seal, verify"),
        (&["wal", "enqueue", "verify", "full"], 2, "NAME=VALUE"),
        (&["wal", "enqueue", "verify", "full=7"], 1, "`full`: true or false"),
        (&["wal", "enqueue", "gc", "x=1"], 1, "it takes nothing"),
        (&["wal", "enqueue", "compact", "name=../x"], 2, "../x"),
        (&["wal", "enqueue", "gc", "--key", ""], 1, "its key takes 0 bytes"),
        (&["wal", "enqueue", "gc", "--delay", "0"], 2, "--delay"),
        (&["wal", "enqueue", "gc", "--attempts", "0"], 2, "--attempts"),
        (&["wal", "run", "--kind", "verfy"], 2, "did you mean verify?"),
        (&["--lake", "nowhere", "wal", "enqueue", "gc"], 3, "nowhere"),
        (&["--lake", "nowhere", "wal", "status"], 3, "nowhere"),
    ];
    for (arguments, code, words) in table {
        let error = place.bad(arguments, code);
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?} says {error}");
    }
    assert!(place.bad(&["wal"], 2).contains("enqueue"));
    assert_eq!(place.json(&["wal", "list"]), json!([]), "a mistake queued something");
    assert!(!place.path("nowhere").exists());
}

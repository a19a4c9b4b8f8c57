//! Damage: what does not match its CID is an integrity failure that names it, never data.

use serde_json::{Value, json};

use crate::{Place, text};

/// Where the Parquet file of the first dataset lies in the only pack.
fn leaf(place: &Place) -> (String, usize) {
    let names = place.names("lake/packs");
    let packs: Vec<&String> = names.iter().filter(|name| name.ends_with(".car")).collect();
    assert_eq!(packs.len(), 1, "{names:?}");
    let pack = format!("lake/packs/{}", packs[0]);
    let bytes = place.read(&pack);
    let at = bytes.windows(4).position(|window| window == b"PAR1").expect("a Parquet file");
    (pack, at)
}

#[test]
fn a_flipped_bit_in_a_pack_names_the_cid_and_is_never_data() {
    let place = Place::with_people();
    let cid = text(&place.json(&["show", "people"]), "cid").to_owned();
    let (pack, at) = leaf(&place);
    let good = place.read(&pack);
    let mut bad = good.clone();
    bad[at + 10] ^= 0x04;
    place.write(&pack, &bad);

    for arguments in [&["get", "people"][..], &["sql", "SELECT * FROM people"], &["cat", &cid]] {
        let done = place.run(arguments);
        assert_eq!(done.code, Some(4), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(&cid), "{arguments:?}: {}", done.stderr);
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(!out.contains("Ada") && !out.contains("PAR1"), "{arguments:?}: {out}");
    }
    let file = place.bad(&["get", "people", "-o", "x.csv"], 4);
    assert!(file.contains(&cid) && !place.path("x.csv").exists(), "{file}");

    let checked = place.run(&["fsck", "--full"]);
    assert_eq!(checked.code, Some(4), "{checked:?}");
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(report["success"], json!(false));
    assert!(report["damage"].to_string().contains(&cid), "{report}");

    place.write(&pack, &good);
    assert_eq!(place.json(&["fsck", "--full"])["success"], json!(true));
    assert!(place.good(&["get", "people"]).contains("Ada"));
}

#[test]
fn a_car_with_a_wrong_hash_changes_nothing() {
    let place = Place::with_people();
    place.good(&["export", "people", "-o", "people.car"]);
    let good = place.read("people.car");
    let mut bad = good.clone();
    *bad.last_mut().expect("an archive has bytes") ^= 1;
    place.write("bad.car", &bad);
    let import = |file: &str, code| {
        place.bad(&["--lake", "other", "import", file, "--name", "people"], code)
    };
    let error = import("bad.car", 4);
    assert!(error.contains("bad.car") && error.contains("cause:"), "{error}");
    place.write("cut.car", &good[..good.len() - 10]);
    let error = import("cut.car", 1);
    assert!(error.contains("cut.car"), "{error}");
    assert_eq!(place.json(&["--lake", "other", "datasets"]), json!([]));
    let pinned = text(&place.json(&["show", "people"]), "commit").to_owned();
    place.bad(&["--lake", "other", "get", &pinned], 3);
}

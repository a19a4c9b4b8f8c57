//! Damage on disk: a flipped bit is an integrity failure that names the CID, never data.

use std::path::PathBuf;

use cidlake::{ErrorKind, FsckLevel, Lake, Open, no_progress};

use crate::{Place, get, run, store};

fn packs(place: &Place) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(place.path().join("lake/packs")).expect("packs");
    folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some())
        .collect()
}

#[test]
fn a_flipped_bit_is_reported_and_never_read() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let text = format!("n,text\n1,{}\n", "words ".repeat(100));
        let stored = store(&lake, "t", &text).await;
        let expected = get(&lake, "t").await.unwrap();
        lake.close().await.unwrap();
        drop(lake);
        let pack = packs(&place).pop().expect("one pack");
        let good = std::fs::read(&pack).unwrap();
        let mut reported = 0;
        for at in (60..good.len()).step_by(41) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&pack, &bad).unwrap();
            let Ok(lake) = Lake::open(place.settings(), Open::Existing).await else {
                reported += 1;
                continue;
            };
            match get(&lake, "t").await {
                Ok(rows) => assert_eq!(rows, expected, "byte {at}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
                    reported += 1;
                }
            }
            let report = lake.fsck(FsckLevel::Full, no_progress()).await.unwrap();
            assert!(!report.damage.is_empty(), "byte {at} escaped fsck");
        }
        assert!(reported > 0);
        std::fs::write(&pack, &good).unwrap();
        let lake = place.open().await;
        assert_eq!(get(&lake, &stored.cid.to_string()).await.unwrap(), expected);
    });
}

#[test]
fn a_newer_format_and_a_missing_lake_are_refused_by_name() {
    run(async {
        let place = Place::new();
        let absent = Lake::open(place.settings(), Open::Existing).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        let lake = place.open().await;
        store(&lake, "t", "n\n1\n").await;
        drop(lake);
        let file = place.path().join("lake/lake.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("= 1", "= 999")).unwrap();
        let newer = Lake::open(place.settings(), Open::Create).await.unwrap_err();
        assert_eq!(newer.kind(), ErrorKind::Unavailable);
        assert!(newer.to_string().contains("999"), "{newer}");
    });
}

//! CAR archives between lakes.

use cidlake::{ErrorKind, FsckLevel, StoreMode, StoreRequest, no_progress};

use crate::{Place, get, named, run, store};

#[test]
fn a_dataset_travels_in_a_car() {
    run(async {
        let (here, there) = (Place::new(), Place::new());
        let lake = here.open().await;
        store(&lake, "t", "n\n1\n").await;
        let append = StoreRequest { mode: StoreMode::Append, ..named("t", "n\n2\n") };
        let stored = lake.store(append, no_progress()).await.unwrap();
        let car = here.path().join("t.car");
        let exported = lake.export("t", car.clone(), false, no_progress()).await.unwrap();
        assert_eq!((exported.cid, exported.commit), (stored.cid, Some(stored.commit)));

        let other = there.open().await;
        let imported = other.import(car.clone(), Some("mine".into()), no_progress()).await.unwrap();
        assert_eq!(imported.roots, [stored.cid, stored.commit]);
        assert_eq!(get(&other, "mine").await.unwrap(), "1;2");
        assert_eq!(get(&other, &stored.cid.to_string()).await.unwrap(), "1;2");
        assert_eq!(get(&other, "mine~1").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(other.fsck(FsckLevel::Full, no_progress()).await.unwrap().damage.is_empty());
        let again = other.import(car, Some("mine".into()), no_progress()).await.unwrap();
        assert_eq!(again.new_bytes, 0);

        let whole = here.path().join("whole.car");
        lake.export("t", whole.clone(), true, no_progress()).await.unwrap();
        other.import(whole, Some("mine".into()), no_progress()).await.unwrap();
        assert_eq!(get(&other, "mine~1").await.unwrap(), "1");
    });
}

#[test]
fn an_import_takes_a_name_only_from_a_version_that_it_grew_from() {
    run(async {
        let (here, there) = (Place::new(), Place::new());
        let lake = here.open().await;
        let export = async |file: &str, history| {
            let car = here.path().join(file);
            lake.export("t", car.clone(), history, no_progress()).await.unwrap();
            car
        };
        store(&lake, "t", "n\n1\n").await;
        let first = export("first.car", false).await;
        let append = || StoreRequest { mode: StoreMode::Append, ..named("t", "n\n2\n") };
        // So many that neither the parent of the head nor its jump is the first.
        for _ in 0..4 {
            lake.store(append(), no_progress()).await.unwrap();
        }
        let [head, whole] = [export("head.car", false).await, export("whole.car", true).await];

        let elsewhere = Place::new();
        let unrelated = elsewhere.open().await;
        store(&unrelated, "mine", "n\n9\n").await;
        let pins = unrelated.pins().await.unwrap().len();
        for car in [&first, &whole] {
            let import = unrelated.import(car.clone(), Some("mine".into()), no_progress());
            let error = import.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
        assert_eq!(unrelated.pins().await.unwrap().len(), pins);
        assert_eq!(get(&unrelated, "mine").await.unwrap(), "9");

        // A lake that has no block of the history but what is imported.
        let other = there.open().await;
        let import = async |car: &std::path::Path| {
            other.import(car.to_owned(), Some("mine".into()), no_progress()).await
        };
        import(&first).await.unwrap();
        // Without the versions between it is not seen that the head grew from the first.
        assert_eq!(import(&head).await.unwrap_err().kind(), ErrorKind::Conflict);
        import(&whole).await.unwrap();
        assert_eq!(get(&other, "mine").await.unwrap(), "1;2;2;2;2");
        let error = import(&first).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "an older version: {error}");
        assert_eq!(get(&other, "mine").await.unwrap(), "1;2;2;2;2");
    });
}

#[test]
fn a_damaged_or_cut_car_leaves_nothing_behind() {
    run(async {
        let (here, there) = (Place::new(), Place::new());
        let lake = here.open().await;
        store(&lake, "t", "n,text\n1,some words\n2,and more\n").await;
        let car = here.path().join("t.car");
        lake.export("t", car.clone(), false, no_progress()).await.unwrap();
        let good = std::fs::read(&car).unwrap();
        let other = there.open().await;

        let mut flipped = good.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        std::fs::write(&car, &flipped).unwrap();
        let error = other.import(car.clone(), Some("x".into()), no_progress()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);

        for len in [good.len() - 1, good.len() / 2, 60, 10, 0] {
            std::fs::write(&car, &good[..len]).unwrap();
            let error =
                other.import(car.clone(), Some("x".into()), no_progress()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "cut to {len} bytes");
        }
        assert!(other.datasets().await.unwrap().is_empty());
        assert_eq!(other.wal_status().await.unwrap().pins, 0);
        let absent = lake.export("nothing", car, false, no_progress()).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    });
}

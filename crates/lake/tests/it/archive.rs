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

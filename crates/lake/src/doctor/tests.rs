//! A doctor on lakes that are well, and on those that are not.

use std::path::Path;

use cidlake_block::Codec;

use super::*;
use crate::lake::Draft;

fn overrides(folder: &Path) -> Overrides {
    Overrides {
        lake: Some(folder.join("lake")),
        key_file: Some(folder.join("key")),
        threads: Some(1),
        ..Overrides::default()
    }
}

/// A lake with a few pins.
fn lake(folder: &Path) -> Lake {
    let settings = Settings::load(overrides(folder)).unwrap();
    let lake = Lake::open_blocking(settings, Open::Create).unwrap();
    for number in 0..5_u8 {
        let hold = lake.inner.hold().unwrap();
        let block = cidlake_block::Block::new(Codec::Raw, vec![number; 100].into());
        let pins = vec![(*block.cid(), None)];
        let draft =
            || Draft { pins: pins.clone(), blocks: vec![block.clone()], ..Draft::default() };
        lake.inner.change(&hold, |_| Ok(((), Some(draft())))).unwrap();
    }
    lake
}

fn status(found: &Diagnosis, what: &str) -> CheckStatus {
    let check = found.checks.iter().find(|check| check.what == what);
    check.unwrap_or_else(|| panic!("no {what} in {found:?}")).status
}

/// Checks that what is not well comes with advice.
fn assert_advised(found: &Diagnosis) {
    for check in &found.checks {
        assert_eq!(check.advice.is_some(), check.status != CheckStatus::Ok, "{check:?}");
    }
}

#[test]
fn a_lake_that_is_well_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path());
    let found = examine(overrides(folder.path()));
    assert_advised(&found);
    for what in [
        "settings",
        "key",
        "clock",
        "folder",
        "in use",
        "format",
        "log",
        "packs",
        "queue",
        "log copies",
        "index snapshot",
        "catalog",
    ] {
        assert_eq!(status(&found, what), CheckStatus::Ok, "{found:?}");
    }
    let catalog = found.checks.iter().find(|check| check.what == "catalog").unwrap();
    assert!(catalog.detail.contains("pins 5"), "{catalog:?}");
    drop(lake);
}

#[test]
fn a_process_that_writes_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path());
    let in_use = |folder: &Path| {
        let found = examine(overrides(folder));
        found.checks.iter().find(|check| check.what == "in use").unwrap().detail.clone()
    };
    let lock = RealDisk.open(&folder.path().join("lake/wal/lock"), OpenMode::Write).unwrap();
    assert!(lock.try_lock().unwrap());
    assert!(in_use(folder.path()).contains("a commit, packs being written 1"));
    lock.unlock().unwrap();
    lake.inner.store.close().unwrap();
    drop(lake);
    let quiet = in_use(folder.path());
    assert!(!quiet.contains("commit") && quiet.contains("written 0"), "{quiet}");
}

#[test]
fn what_does_not_open_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let absent = examine(overrides(folder.path()));
    assert_eq!(status(&absent, "folder"), CheckStatus::Bad);
    assert_advised(&absent);
    std::fs::create_dir(folder.path().join("lake")).unwrap();
    assert_eq!(status(&examine(overrides(folder.path())), "format"), CheckStatus::Bad);

    drop(lake(folder.path()));
    let settings = folder.path().join("lake/lake.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("= 1", "= 999")).unwrap();
    let newer = examine(overrides(folder.path()));
    assert_eq!((status(&newer, "format"), newer.worst()), (CheckStatus::Bad, CheckStatus::Bad));
    std::fs::write(&settings, text).unwrap();

    let segment = std::fs::read_dir(folder.path().join("lake/wal")).unwrap();
    let segment = segment.map(|file| file.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "wal"));
    let mut bytes = std::fs::read(segment.as_ref().unwrap()).unwrap();
    bytes[70] ^= 1;
    std::fs::write(segment.unwrap(), bytes).unwrap();
    let damaged = examine(overrides(folder.path()));
    assert_eq!(status(&damaged, "log"), CheckStatus::Bad);
    let log = damaged.checks.iter().find(|check| check.what == "log").unwrap();
    assert!(log.advice.as_ref().unwrap().contains("--repair"), "{log:?}");
    assert_advised(&damaged);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    drop(lake(folder.path()));
    assert_eq!(status(&examine(overrides(folder.path())), "key"), CheckStatus::Ok);
    let key = folder.path().join("key");
    std::fs::write(&key, "0".repeat(64)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(status(&examine(overrides(folder.path())), "key"), CheckStatus::Warn);
    std::fs::write(&key, "no key").unwrap();
    assert_eq!(status(&examine(overrides(folder.path())), "key"), CheckStatus::Bad);
}

#[test]
fn what_waits_in_the_queue_and_a_damaged_snapshot_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path());
    let now = |ms_ago: u64| now_ms() - ms_ago;
    let new = || cidlake_store::NewOperation::new("verify", Default::default()).unwrap();
    let id = lake.inner.store.enqueue(vec![new()], now(2 * LAG_MS_WARN)).unwrap()[0].id;
    let found = examine(overrides(folder.path()));
    assert_eq!(status(&found, "queue"), CheckStatus::Warn, "{found:?}");
    lake.inner.store.drop_operation(id, now(0)).unwrap();
    assert_eq!(status(&examine(overrides(folder.path())), "queue"), CheckStatus::Ok);

    lake.inner.store.enqueue(vec![new().with_attempts_max(1)], now(100)).unwrap();
    let wish = |at: u64| cidlake_store::LeaseRequest {
        kinds: vec!["verify".into()],
        worker: "test".into(),
        until_ms: at,
        limit: 1,
    };
    // Whoever had it let the lease end, and then it is dead.
    lake.inner.store.lease(wish(now(50)), now(60)).unwrap();
    assert_eq!(status(&examine(overrides(folder.path())), "queue"), CheckStatus::Warn);
    lake.inner.store.lease(wish(now(0)), now(40)).unwrap();
    let found = examine(overrides(folder.path()));
    let queue = found.checks.iter().find(|check| check.what == "queue").unwrap();
    assert!(queue.detail.contains("dead 1"), "{queue:?}");
    assert_advised(&found);

    assert!(lake.inner.snapshot_index().unwrap());
    assert_eq!(status(&examine(overrides(folder.path())), "index snapshot"), CheckStatus::Ok);
    let name = lake.inner.store.derived_names().unwrap().remove(0);
    std::fs::write(folder.path().join("lake/index").join(name), b"other bytes").unwrap();
    let found = examine(overrides(folder.path()));
    assert_eq!(status(&found, "index snapshot"), CheckStatus::Warn);
    assert_advised(&found);
}

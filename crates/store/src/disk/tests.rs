//! Tests of the disks: the same promises for all, and what a power cut does to one in memory.

use std::path::Path;
use std::sync::Arc;

use super::*;

/// What every disk must do, in the folder `root`.
fn check_disk(disk: &dyn Disk, root: &Path) {
    let folder = root.join("a/b");
    disk.create_dir(&folder).unwrap();
    disk.create_dir(&folder).unwrap();
    let path = folder.join("file");
    for mode in [OpenMode::Read, OpenMode::Write] {
        assert_eq!(disk.open(&path, mode).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
    let file = disk.open(&path, OpenMode::CreateNew).unwrap();
    let again = disk.open(&path, OpenMode::CreateNew).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    file.write_at(3, b"def").unwrap();
    file.write_at(0, b"abc").unwrap();
    let mut buffer = [9; 10];
    assert_eq!(file.read_at(1, &mut buffer).unwrap(), 5);
    assert_eq!(buffer, *b"bcdef\x09\x09\x09\x09\x09");
    assert_eq!(file.read_at(100, &mut buffer).unwrap(), 0);
    file.truncate(2).unwrap();
    file.truncate(4).unwrap();
    assert_eq!(
        (file.size().unwrap(), read_vec(file.as_ref(), 0, 9).unwrap()),
        (4, b"ab\0\0".to_vec())
    );
    file.sync_data().unwrap();
    disk.sync_dir(&folder).unwrap();

    let other = disk.open(&path, OpenMode::WriteOrCreate).unwrap();
    assert!(file.try_lock().unwrap());
    assert!(!other.try_lock().unwrap());
    file.unlock().unwrap();
    other.lock().unwrap();
    assert!(!file.try_lock().unwrap());
    drop(other);
    assert!(file.try_lock().unwrap());
    assert!(disk.open(&path, OpenMode::Read).unwrap().write_at(0, b"x").is_err());

    disk.rename(&path, &folder.join("other")).unwrap();
    assert!(file.has_name().unwrap());
    assert_eq!(disk.list(&folder).unwrap(), ["other"]);
    assert_eq!(file.size().unwrap(), 4);
    disk.remove(&folder.join("other")).unwrap();
    assert_eq!(disk.list(&folder).unwrap(), [""; 0]);
    assert_eq!(file.size().unwrap(), 4);
    assert!(!file.has_name().unwrap());
    let replaced = disk.open(&path, OpenMode::CreateNew).unwrap();
    disk.open(&folder.join("new"), OpenMode::CreateNew).unwrap();
    disk.rename(&folder.join("new"), &path).unwrap();
    assert!(!replaced.has_name().unwrap());
    assert_eq!(disk.list(&root.join("c")).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn all_disks_do_the_same() {
    check_disk(&MemDisk::new(), Path::new("/"));
    check_disk(&FaultyDisk::new(Arc::new(MemDisk::new())), Path::new("/"));
    let folder = tempfile::tempdir().unwrap();
    check_disk(&RealDisk, folder.path());
}

#[test]
fn what_was_synced_survives_and_of_the_rest_any_part_may() {
    let mut contents = std::collections::BTreeSet::new();
    let mut names = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let disk = MemDisk::new();
        disk.create_dir("/f".as_ref()).unwrap();
        let kept = disk.open("/f/kept".as_ref(), OpenMode::CreateNew).unwrap();
        kept.write_at(0, &[1; 1024]).unwrap();
        kept.sync_data().unwrap();
        disk.sync_dir("/".as_ref()).unwrap();
        disk.sync_dir("/f".as_ref()).unwrap();
        kept.write_at(0, &[2; 1024]).unwrap();
        disk.open("/f/new".as_ref(), OpenMode::CreateNew).unwrap();
        disk.crash(seed);
        assert!(kept.size().is_err());
        let content = disk.content("/f/kept".as_ref()).unwrap();
        assert_eq!(content.len(), 1024);
        assert!(content.iter().all(|byte| matches!(byte, 1 | 2)));
        contents.insert(content);
        let list = disk.list("/f".as_ref()).unwrap();
        assert!(list.iter().any(|name| name == "kept"));
        names.insert(list);
    }
    let has = |content: Vec<u8>| contents.contains(&content);
    assert!(has(vec![1; 1024]) && has(vec![2; 1024]));
    assert!(has([[1; 512], [2; 512]].concat()) && has([[2; 512], [1; 512]].concat()));
    assert!(contents.len() > 10, "tears within sectors happen, too");
    assert_eq!(names.len(), 2);
}

#[test]
fn a_sector_lost_at_the_end_leaves_nothing_or_zeros_or_anything() {
    let mut seen = [false; 4];
    for seed in 0..400 {
        let disk = MemDisk::new();
        disk.create_dir("/".as_ref()).unwrap();
        let file = disk.open("/file".as_ref(), OpenMode::CreateNew).unwrap();
        file.write_at(0, &[1; 512]).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir("/".as_ref()).unwrap();
        file.write_at(512, &[2; 512]).unwrap();
        disk.crash(seed);
        let content = disk.content("/file".as_ref()).unwrap();
        assert_eq!(content[..512], [1; 512]);
        match &content[512..] {
            [] => seen[0] = true,
            tail if tail == [0; 512] => seen[1] = true,
            tail if tail == [2; 512] => seen[2] = true,
            tail if tail.len() == 512 => seen[3] = true,
            _torn => {}
        }
    }
    assert_eq!(seen, [true; 4]);
}

#[test]
fn what_is_in_a_lost_folder_is_lost_and_does_not_come_back() {
    let lost = (0..20).filter(|seed| {
        let disk = MemDisk::new();
        disk.create_dir("/f".as_ref()).unwrap();
        disk.open("/f/file".as_ref(), OpenMode::CreateNew).unwrap();
        disk.sync_dir("/f".as_ref()).unwrap();
        disk.crash(*seed);
        if disk.list("/f".as_ref()).is_ok() {
            return false;
        }
        assert!(disk.open("/f/file".as_ref(), OpenMode::Read).is_err());
        disk.create_dir("/f".as_ref()).unwrap();
        disk.list("/f".as_ref()).unwrap().is_empty()
    });
    assert!((1..20).contains(&lost.count()));
}

#[test]
fn a_removed_file_may_come_back_and_a_new_name_may_be_the_old_one() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let disk = MemDisk::new();
        disk.create_dir("/".as_ref()).unwrap();
        for name in ["/gone", "/old"] {
            disk.open(name.as_ref(), OpenMode::CreateNew).unwrap();
        }
        disk.sync_dir("/".as_ref()).unwrap();
        disk.remove("/gone".as_ref()).unwrap();
        disk.rename("/old".as_ref(), "/new".as_ref()).unwrap();
        disk.crash(seed);
        seen.insert(disk.list("/".as_ref()).unwrap());
    }
    let all = [vec!["gone", "new"], vec!["gone", "old"], vec!["new"], vec!["old"]];
    assert!(seen.iter().eq(all.iter()), "{seen:?}");
}

#[test]
fn a_folder_that_was_not_synced_may_vanish_with_its_files() {
    let vanished = (0..20).filter(|seed| {
        let disk = MemDisk::new();
        disk.create_dir("/f".as_ref()).unwrap();
        disk.crash(*seed);
        disk.list("/f".as_ref()).is_err()
    });
    assert!((1..20).contains(&vanished.count()));
}

#[test]
fn a_killed_process_lets_go_and_its_writes_stay() {
    let disk = MemDisk::new();
    disk.create_dir("/".as_ref()).unwrap();
    let dying = disk.process();
    let file = dying.open("/file".as_ref(), OpenMode::CreateNew).unwrap();
    file.write_at(0, b"left").unwrap();
    file.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let file = disk.open("/file".as_ref(), OpenMode::Write).unwrap();
            file.lock().unwrap();
            read_vec(file.as_ref(), 0, 9).unwrap()
        });
        dying.kill();
        assert_eq!(waiting.join().unwrap(), b"left");
    });
    assert!(file.read_at(0, &mut [0]).is_err());
    assert!(dying.list("/".as_ref()).is_err());
}

#[test]
fn faults_come_when_they_are_due() {
    let disk = FaultyDisk::new(Arc::new(MemDisk::new()));
    let faults = disk.faults();
    disk.create_dir("/".as_ref()).unwrap();
    let file = disk.open("/file".as_ref(), OpenMode::CreateNew).unwrap();
    assert_eq!(faults.operations(), 2);
    faults.limit_space(Some(5));
    file.write_at(0, b"abc").unwrap();
    assert_eq!(file.write_at(3, b"defg").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(read_vec(file.as_ref(), 0, 9).unwrap(), b"abcde");
    faults.clear();
    faults.fail_sync_at(1);
    file.sync_data().unwrap();
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    faults.flip_bit("file", 1, 0);
    assert_eq!(read_vec(file.as_ref(), 0, 2).unwrap(), b"ac");
    faults.fail_at(faults.operations());
    assert!(file.size().is_err());
    assert_eq!(file.size().unwrap(), 5);
    faults.set_read_only(true);
    let refused = file.write_at(0, b"x").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
    faults.set_kind(io::ErrorKind::StorageFull);
    faults.fail_at(faults.operations());
    assert_eq!(file.size().unwrap_err().kind(), io::ErrorKind::StorageFull);
    faults.short_read_at(faults.operations());
    assert_eq!(file.read_at(1, &mut [0; 9]).unwrap(), 2);
    assert_eq!(file.read_at(1, &mut [0; 9]).unwrap(), 4);
    faults.short_read_at(faults.operations());
    assert_eq!(read_vec(file.as_ref(), 0, 9).unwrap(), b"accde");
    for is_first in [true, false] {
        faults.clear();
        faults.short_read_at(faults.operations() + u64::from(!is_first));
        faults.flip_bit("file", 1, 0);
        let before = faults.operations();
        // One operation each, and as faulty as any other read.
        let expected: &[u8] = if is_first { b"ac" } else { b"accde" };
        assert_eq!(file.read_new(0, 9).unwrap(), expected);
        assert_eq!(faults.operations(), before + 1);
    }
    faults.clear();
    faults.fail_at(faults.operations());
    assert!(file.read_new(0, 9).is_err());
    assert_eq!(file.read_new(0, 9).unwrap(), b"abcde");
    faults.fail_from(faults.operations() + 1);
    assert!(file.size().is_ok());
    assert!(file.size().is_err());
    assert!(disk.list("/".as_ref()).is_err());
}

#[test]
fn a_window_reads_more_at_a_time_while_it_is_walked_and_little_after_a_leap() {
    let disk = MemDisk::new();
    let path = Path::new("/file");
    disk.create_dir("/".as_ref()).unwrap();
    let file = disk.open(path, OpenMode::CreateNew).unwrap();
    let content: Vec<u8> =
        (0..4_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    file.write_at(0, &content).unwrap();
    let mut window = Window::new(file.as_ref(), 1000);
    let mut sizes = Vec::new();
    let check = |window: &mut Window<'_>, at: usize| {
        assert_eq!(window.at(at as u64, 50).unwrap(), &content[at..at + 50]);
        window.held_bytes()
    };
    for at in (0..1_500_000).step_by(40) {
        sizes.push(check(&mut window, at));
    }
    sizes.dedup();
    assert_eq!(sizes[..3], [1000, 2000, 4000]);
    assert_eq!(*sizes.last().unwrap(), 256 << 10);
    assert_eq!(check(&mut window, 3_500_000), 1000);
    assert_eq!(check(&mut window, 3_500_990), 2000);
    assert_eq!(check(&mut window, 10), 1000);
}

#[test]
fn a_window_reads_on_where_a_read_comes_back_short() {
    let disk = FaultyDisk::new(Arc::new(MemDisk::new()));
    let faults = disk.faults();
    disk.create_dir("/".as_ref()).unwrap();
    let file = disk.open("/file".as_ref(), OpenMode::CreateNew).unwrap();
    file.write_at(0, b"abcdefgh").unwrap();
    for len in [8, 100] {
        let mut window = Window::new(file.as_ref(), 0);
        faults.short_read_at(faults.operations());
        assert_eq!(window.at(0, len).unwrap(), b"abcdefgh");
    }
}

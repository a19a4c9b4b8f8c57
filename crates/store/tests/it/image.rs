//! Power cuts of a real file system: an ext4 image is copied while processes work on it, and the
//! copy is mounted as if the machine had just come up again.
//!
//! What has reached the image by then is what had reached the disk; what is only in the page cache
//! of the file system inside is lost. The workers are stopped for the moment of the copy, since the
//! blocks of a power cut are all of one moment, and one copy reads them one after the other.
//!
//! It needs root, loop devices and `mkfs.ext4`. Where they are absent it says so and passes. Where
//! `CI` is set it must run if the machine could: if the user is root and `/dev/loop-control` is
//! there. `CIDLAKE_IMAGE_CUTS` says how many copies are made.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cidlake_store::Expect;

use crate::dice::{Dice, times};
use crate::kill::{Said, Worker, open};
use crate::support::{block, delta};

/// Sparse, so that it takes what is used of it.
const IMAGE_BYTES: u64 = 512 << 20;

/// A mounted image. It is unmounted whatever happens, and its loop device goes with it.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(folder))?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = run(Command::new("umount").arg(&self.0))
            .or_else(|_| run(Command::new("umount").arg("-l").arg(&self.0)));
        if let Err(error) = unmounted {
            shout(&error);
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
}

/// Says something past the test harness, which keeps to itself what a test that passes prints.
fn shout(line: &str) {
    let _said = writeln!(std::io::stderr(), "\n{line}");
}

/// Makes an image and mounts it; says why not where that is not possible.
fn prepare(folder: &Path) -> Result<Mounted, String> {
    let image = folder.join("image");
    let file = std::fs::File::create(&image).unwrap();
    file.set_len(IMAGE_BYTES).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
    Mounted::new(&image, &folder.join("mounted"))
}

/// Whether this machine could run the test, as far as that can be seen without trying.
fn is_able() -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root && Path::new("/dev/loop-control").exists()
}

fn signal(workers: &[Worker], name: &str) {
    for worker in workers {
        run(Command::new("sh").arg("-c").arg(format!("kill -{name} {}", worker.0.id()))).unwrap();
    }
}

/// Stops the workers; returns when none of them is in the middle of a system call.
fn stop(workers: &[Worker]) {
    signal(workers, "STOP");
    for worker in workers {
        let stat = PathBuf::from(format!("/proc/{}/stat", worker.0.id()));
        let is_stopped = || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
        };
        while !is_stopped() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_copy_of_a_disk_in_use_has_what_was_acknowledged() {
    let unattended = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
    let folder = tempfile::tempdir().unwrap();
    let mounted = if is_able() {
        prepare(folder.path())
    } else {
        Err("it needs root and /dev/loop-control".to_owned())
    };
    let mounted = match mounted {
        Ok(mounted) => mounted,
        Err(why) => {
            assert!(!(unattended && is_able()), "the test on an ext4 image cannot run: {why}");
            shout(&format!("SKIPPED: the store on an ext4 image: {why}"));
            return;
        }
    };
    let (done, mut said) = Said::new();
    let lake = mounted.0.join("lake");
    let workers: Vec<Worker> =
        (1..=4).map(|number| Worker::start(number, &lake, done.clone())).collect();
    let mut dice = Dice::of(&[4]);
    for cut in 0..times("CIDLAKE_IMAGE_CUTS", 3) {
        said.wait(dice.below(40));
        said.catch_up();
        let copy = folder.path().join("copy");
        stop(&workers);
        run(Command::new("cp").arg("--sparse=always").arg(folder.path().join("image")).arg(&copy))
            .unwrap();
        look_at(&copy, &folder.path().join("looked-at"), &said, cut as u32);
        // Only now, lest the lake grow by more than the test has looked at.
        signal(&workers, "CONT");
    }
    drop(workers);
}

/// Mounts a copy, and finds everything in it and room for more.
fn look_at(copy: &Path, folder: &Path, said: &Said, cut: u32) {
    let mounted = Mounted::new(copy, folder).unwrap();
    let lake = mounted.0.join("lake");
    if said.commits.is_empty() && !lake.exists() {
        return;
    }
    let store = open(&lake, 800_000 + 2 * cut);
    said.check(&store);
    let hold = store.hold().unwrap();
    store.put(&hold, &[block(1, 400)]).unwrap();
    let last = store.commit(&hold, vec![delta(1)], Expect::Any).unwrap();
    drop(hold);
    drop(store);
    assert_eq!(open(&lake, 800_001 + 2 * cut).last_lsn().unwrap(), last);
}

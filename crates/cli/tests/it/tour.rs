//! The tour of the README: its commands are run, and answer what is printed there.
//!
//! `TRYCMD=overwrite` writes the answers of today into the README; read them before they are kept.

use std::path::Path;

#[cfg(unix)]
#[test]
fn the_readme_tells_the_truth() {
    use std::os::unix::fs::symlink;

    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    // The tour runs in a copy of `tour.in`; that there is a `tour.out` makes it a copy.
    symlink(package.join("../../README.md"), folder.path().join("tour.md")).unwrap();
    symlink(package.join("tests/cmd/tour.in"), folder.path().join("tour.in")).unwrap();
    std::fs::create_dir(folder.path().join("tour.out")).unwrap();
    let own = |name: &str| folder.path().join(name).display().to_string();
    trycmd::TestCases::new()
        .register_bin("cidlake", Path::new(env!("CARGO_BIN_EXE_cidlake")))
        .env("CIDLAKE_HOME", "lake")
        .env("CIDLAKE_KEY_FILE", own("key"))
        .env("HOME", own("home"))
        .env("XDG_CONFIG_HOME", own("config"))
        .case(folder.path().join("tour.md"))
        .run();
}

//! The user's signing key: a file with 32 random bytes as hex, made when first needed.
//!
//! The key belongs to the user, not to the lake: a lake that is copied or sent carries signatures
//! and the public key in them, never the secret.

use std::io::Write as _;
use std::path::Path;

use cidlake_catalog::Key;

use crate::error::{Error, ErrorKind};

/// Reads the key at `path`, or makes one there that only the user may read.
pub(crate) fn load_or_create(path: &Path) -> Result<Key, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path),
        Err(error) => Err(Error::io(path, "read the signing key", error)),
    }
}

/// What is known of the file with the key, without making one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFile {
    /// There is none: it is made when first needed.
    Absent,
    /// It is a key that its owner alone may read.
    Private,
    /// It is a key that others on this machine may read.
    Open,
}

/// Looks at the file with the key and changes nothing.
pub(crate) fn inspect(path: &Path) -> Result<KeyFile, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(KeyFile::Absent),
        Err(error) => return Err(Error::io(path, "read the signing key", error)),
    };
    parse(path, &text)?;
    let meta = std::fs::metadata(path).map_err(|error| Error::io(path, "read", error))?;
    #[cfg(unix)]
    let is_open = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o077 != 0;
    #[cfg(not(unix))]
    let is_open = !meta.is_file();
    Ok(if is_open { KeyFile::Open } else { KeyFile::Private })
}

fn parse(path: &Path, text: &str) -> Result<Key, Error> {
    let bad = || {
        Error::new(
            ErrorKind::Invalid,
            format!("{} is not a signing key: 64 hexadecimal digits are expected", path.display()),
        )
        .with_hint("move the file away; a new key is made when one is needed")
    };
    let digits = text.trim();
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(bad());
    }
    let mut seed = [0_u8; 32];
    for (byte, pair) in seed.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(Key::from_seed(seed))
}

/// Writes a new key beside `path` and links it into place, so that of two writers that start at
/// once both end with the same key.
fn create(path: &Path) -> Result<Key, Error> {
    let fail = |error| Error::io(path, "write the signing key", error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(fail)?;
    let mut seed = [0_u8; 32];
    fill_random(&mut seed)?;
    let text: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut unique = [0_u8; 8];
    fill_random(&mut unique)?;
    let draft = path.with_extension(format!("new-{:016x}", u64::from_le_bytes(unique)));
    write_private(&draft, text.as_bytes()).map_err(fail)?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft).map_err(fail)?;
    match linked {
        Ok(()) => Ok(Key::from_seed(seed)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            parse(path, &std::fs::read_to_string(path).map_err(fail)?)
        }
        Err(error) => Err(fail(error)),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Fills `bytes` from the operating system's random source.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the operating system gave no random bytes")
            .with_source(error)
    })
}

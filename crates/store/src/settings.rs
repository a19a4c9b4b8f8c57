//! The settings of a lake folder: `lake.toml`.
//!
//! The file says which format the folder has. It is written once, and read by a parser for the
//! few forms that this crate writes: comments, table headers and `key = value` lines. Keys that
//! are not known, and all that stands in tables, are left to newer programs. Nothing in it can
//! change how a program behaves on this machine.

use std::io;
use std::path::Path;

use crate::disk::{Disk, OpenMode, read_vec};
use crate::error::StoreError;

/// The newest format version that this program reads, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;

/// The name of the file in the lake's folder.
const FILE_NAME: &str = "lake.toml";

/// The size over which the file is refused, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;

const TEXT: &str = "# This folder is a cidlake lake: its tables are in packs/, its history is in wal/.\n\
                    format_version = 1\n";

/// Checks that `root` is a lake of a format that this program reads; returns false when it holds
/// no lake at all.
pub(crate) fn check(disk: &dyn Disk, root: &Path) -> Result<bool, StoreError> {
    let path = root.join(FILE_NAME);
    let file = match disk.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(false),
        Err(error) => return Err(StoreError::read(&path, error)),
    };
    let bytes = read_vec(file.as_ref(), 0, FILE_BYTES_MAX + 1)
        .map_err(|error| StoreError::read(&path, error))?;
    let version = parse(&bytes).map_err(|(line, detail)| StoreError::Settings {
        path,
        line,
        detail: detail.to_owned(),
    })?;
    if version > FORMAT_VERSION {
        return Err(StoreError::NewerFormat { found: version, supported: FORMAT_VERSION });
    }
    Ok(true)
}

/// Makes `root` a lake. The file comes last and whole, when all that it stands for is durable;
/// `unique` keeps two processes that do this at once out of each other's way.
pub(crate) fn create(disk: &dyn Disk, root: &Path, unique: &str) -> Result<(), StoreError> {
    let path = root.join(FILE_NAME);
    let draft = root.join(format!("{FILE_NAME}.{unique}.tmp"));
    let refused = |error| StoreError::change(&path, "write", error);
    create_folders(disk, root)?;
    for above in root.ancestors().skip(1) {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match disk.sync_dir(above) {
            Err(error) if is_no_place_to_make_folders(&error) => {}
            synced => synced.map_err(|error| StoreError::change(above, "sync", error))?,
        }
    }
    let file = disk.open(&draft, OpenMode::WriteOrCreate).map_err(refused)?;
    file.truncate(0).map_err(refused)?;
    file.write_at(0, TEXT.as_bytes()).map_err(refused)?;
    file.sync_data().map_err(refused)?;
    drop(file);
    disk.rename(&draft, &path).map_err(refused)?;
    disk.sync_dir(root).map_err(|error| StoreError::change(root, "sync", error))
}

/// Makes the folders within a lake, and makes sure of its names: whoever made the lake may have
/// ended before they were durable.
pub(crate) fn create_folders(disk: &dyn Disk, root: &Path) -> Result<(), StoreError> {
    for folder in ["packs", "wal"] {
        let folder = root.join(folder);
        disk.create_dir(&folder).map_err(|error| StoreError::change(&folder, "create", error))?;
    }
    disk.sync_dir(root).map_err(|error| StoreError::change(root, "sync", error))
}

/// Returns whether a folder that refuses to be synced in this way cannot have got a new name just
/// now: this user may not even open it, or its file system takes no changes and so syncs nothing.
fn is_no_place_to_make_folders(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
    )
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads the format version; an error is the line and what is wrong with it.
fn parse(bytes: &[u8]) -> Result<u32, (u32, &'static str)> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err((0, "the file is larger than 64 KiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| (0, "the file is not UTF-8"))?;
    let mut version = None;
    let mut within_table = false;
    for (number, line) in (1_u32..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            within_table = true;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err((number, "expected `key = value`"));
        };
        if within_table || key.trim() != "format_version" {
            continue;
        }
        let value = value.split('#').next().unwrap_or_default().trim();
        let Ok(value) = value.parse::<u32>() else {
            return Err((number, "format_version is not a number"));
        };
        if value == 0 {
            return Err((number, "there is no format version 0"));
        }
        if value > FORMAT_VERSION {
            // The rest may have forms that only a newer program reads.
            return Ok(value);
        }
        if version.replace(value).is_some() {
            return Err((number, "format_version stands here twice"));
        }
    }
    version.ok_or((0, "format_version is missing"))
}

#[cfg(test)]
mod tests;
